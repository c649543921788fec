"""The exercise's agencies and feeds: two small nations, for the demo and for ``found``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.cli import found
from exchange.custody.founding import EndpointPlan, MemberPlan

if TYPE_CHECKING:
    from exchange.model.trust import Feed

MEMBERS = (
    MemberPlan(
        "pa.senan",
        {"es": "Servicio Nacional Aeronaval", "en": "National Air-Naval Service"},
        (
            EndpointPlan(
                "pa.senan/ops",
                {"es": "Centro de operaciones", "en": "Operations centre"},
                ("poster", "reader", "operator"),
            ),
        ),
    ),
    MemberPlan(
        "pa.minseg",
        {"es": "Ministerio de Seguridad Pública", "en": "Ministry of Public Security"},
        (
            EndpointPlan(
                "pa.minseg/desk",
                {"es": "Enlace", "en": "Liaison desk"},
                ("poster", "reader", "operator"),
            ),
            EndpointPlan("pa.minseg/audit", {"es": "Auditoría", "en": "Audit"}, ("auditor",)),
        ),
    ),
    MemberPlan(
        "us.jiatfs",
        {"es": "JIATF Sur", "en": "JIATF South"},
        (
            # Of another suite than the rest, as each nation may choose for its own.
            EndpointPlan(
                "us.jiatfs/watch", {"es": "Guardia", "en": "Watch floor"}, suite="xb1-c"
            ),
            EndpointPlan("us.jiatfs/audit", {"es": "Auditoría", "en": "Audit"}, ("auditor",)),
        ),
    ),
)


def feeds() -> list[Feed]:
    """Return the feeds of the exercise; between them they carry every type."""
    return [
        found.feed(
            "maritime",
            {"es": "Operaciones marítimas", "en": "Maritime operations"},
            ["voi", "brq", "brp", "brr", "szr", "cor", "can"],
            MEMBERS,
        ),
        found.feed(
            "requests",
            {"es": "Solicitudes de información", "en": "Requests for information"},
            ["rfi", "rpy", "con", "cor", "can"],
            MEMBERS,
        ),
        found.feed(
            "migration",
            {"es": "Movilidad humana", "en": "Migration"},
            ["mig", "smg", "cor", "can"],
            MEMBERS,
        ),
        found.feed(
            "crime",
            {"es": "Crimen organizado y delito común", "en": "Organized and common crime"},
            ["ocn", "crm", "cor", "can"],
            MEMBERS,
        ),
        found.feed(
            "operations",
            {"es": "Operaciones conjuntas", "en": "Joint operations"},
            ["opn", "dcf", "cor", "can"],
            MEMBERS,
        ),
        found.feed(
            "dialogue",
            {"es": "Diálogo de seguridad", "en": "Security dialogue"},
            ["sta", "dlg", "cor", "can"],
            MEMBERS,
        ),
    ]
