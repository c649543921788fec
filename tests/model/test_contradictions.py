"""What contradicts itself is refused, and its honest neighbour is not."""

from __future__ import annotations

import pytest

from tests.model.bulletins import CODES, plain, put, verdict
from tests.model.contradictory import CONTRADICTIONS, SPOT

ID = "0192f3a0-0000-7000-8000-0000000000ff"
POLYGON = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
SMALL = [[-79.5, 8.5], [-79.49999, 8.5], [-79.49999, 8.50001], [-79.5, 8.5]]
# rule: what is like its contradiction, and may be meant: example, pointer, value.
HONEST = {
    "area-extent": [
        ("opn-2", "/content/area", {**SPOT, "accuracy_m": 20_000}),
        ("opn-2", "/content/area", {**SPOT, "name": "EXERCISE POINT"}),
        ("opn-2", "/content/area", {"geometry": POLYGON}),
        ("szr-1", "/content/place", SPOT),
    ],
    "beam-within-length": [("voi-1", "/content/vessel/beam_m", 11.5)],
    "change-once": [
        ("cor-1", "/content/changes/2/pointer", "/content/drugs/1/purity_pct"),
    ],
    "change-possible": [
        ("cor-1", "/content/changes/2", {"pointer": "/content/cash", "before": []}),
        (
            "cor-1",
            "/content/changes/2",
            {"pointer": "/content/cash", "after": [{"amount": 5, "currency": "USD"}]},
        ),
    ],
    "code-once": [
        ("szr-2", "/content/route/transit_ports", ["PACTB", "PABLB", "PACTB"]),
        ("szr-1", "/content/drugs/0/logos", ["EXERCISE STAR", "EXERCISE STAR"]),
    ],
    "consent-recipients": [
        ("con-1", "/content/proposed_to", ["pa.mp", "pa.senan"]),
        ("con-1", "/content/proposed_to", ["int.interpol", "cr.sp"]),
    ],
    "counted-once": [
        (
            "sta-2",
            "/content/drug_totals",
            [
                {
                    "drug": "ecstasy",
                    "quantity": {**quantity, "qualifier": "exact", "count": "official"},
                }
                for quantity in ({"value": 900, "unit": "{tbl}"}, {"value": 2, "unit": "kg"})
            ],
        ),
        ("szr-1", "/content/arrested/1/age_band", "unknown"),
        ("sta-2", "/content/published/0/year", 2014),
    ],
    "estimated-not-exact": [
        (
            "szr-2",
            "/content/drugs/0/quantity",
            {
                "qualifier": "at-least",
                "count": "field",
                "value": 9,
                "unit": "kg",
                "basis": "estimated",
            },
        ),
        ("szr-2", "/content/drugs/0/quantity/qualifier", "estimate"),
    ],
    "extent": [
        (
            "voi-1",
            "/content/seen/place/geometry",
            {"type": "Polygon", "coordinates": [SMALL]},
        ),
        (
            "voi-1",
            "/content/seen/place/geometry",
            {"type": "LineString", "coordinates": [[0, 0], [0, 0], [1, 1]]},
        ),
    ],
    "handover-after-boarding": [
        ("brr-2", "/content/handover/at", "2026-11-25T12:05:00Z"),
        ("brr-2", "/content/handover/at", "2026-12-01T00:00:00Z"),
    ],
    "link-ends": [
        (
            "ocn-1",
            "/content/links/0",
            {"from_ref": "b1", "link_kind": "owns", "to_ref": "a1"},
        ),
        (
            "ocn-1",
            "/content/links/0",
            {"from_ref": "a1", "link_kind": "finances", "to_ref": "w1"},
        ),
        (
            "ocn-1",
            "/content/links/0",
            {"from_ref": "p1", "link_kind": "works-for", "to_ref": "b1"},
        ),
    ],
    "more-than-nothing": [
        ("szr-2", "/content/drugs/0/quantity/value", 0.001),
        ("szr-2", "/content/drugs/0/quantity/packages", 0),
        ("szr-1", "/content/goods_seized/0/n", ...),
        ("sta-2", "/content/drug_totals/0/quantity/value", 0),
        ("sta-2", "/content/arrests", 0),
        ("opn-2", "/content/results/boardings", 0),
        ("sta-2", "/content/operations", 0),
    ],
    "next-review-later": [("dlg-1", "/content/next_review", "2017-02-01T00:00:00Z")],
    "not-to-itself": [
        ("ocn-1", "/content/transfers/0/to_ref", "a1"),
        ("dlg-1", "/content/support/0/received_by", "CRI"),
    ],
    "property-vessel": [
        (
            "ocn-1",
            "/content/properties/0",
            {
                "ref": "b1",
                "property_kind": "business",
                "description": {"lang": "es", "text": "EJERCICIO"},
                "vessel": {"name": "EXERCISE ALFA"},
            },
        )
    ],
    "reply-after-seen": [("brq-1", "/content/seen/at", "2026-11-25T18:09:59Z")],
    "response-within-counts": [
        ("sta-2", "/content/response_times/0/n", 4),
        ("sta-2", "/content/counts", []),
    ],
    "smuggling-typology": [
        ("smg-2", "/content/typologies", ["migrant-smuggling", "arms"]),
        ("smg-2", "/content/typologies", ["trafficking-in-persons", "migrant-smuggling"]),
    ],
    "unit-of-drug": [
        ("szr-2", "/content/drugs/0/quantity/unit", "L"),
        ("szr-2", "/content/drugs/0/quantity/unit", "{tbl}"),
        ("szr-2", "/content/drugs/0/drug", "cannabis-plants"),
    ],
    "vulnerable-within": [
        ("mig-1", "/content/vulnerable/1/n", 132),
        # 40 and 14 women and girls, and two cells of fewer than 5 that may be of women.
        ("mig-1", "/content/vulnerable/0/n", 61),
    ],
}
# Other ways to break some of them.
ALSO = [
    ("area-extent", "opn-2", "/content/area", {**SPOT, "accuracy_m": 0}),
    ("code-once", "sta-1", "/declares", ["persons", "persons"]),
    ("code-once", "dlg-1", "/content/initiatives/0/owners", ["PAN", "PAN"]),
    ("consent-recipients", "con-1", "/content/proposed_to", ["pa.mp", "pa.mp"]),
    ("counted-once", "szr-1", "/content/arrested/1/age_band", "18-29"),
    ("counted-once", "sta-2", "/content/published/0/year", 2016),
    ("counted-once", "sta-2", "/content/reconciled/0/bulletins", [ID, ID]),
    (
        "counted-once",
        "szr-2",
        "/content/containers",
        [{"container_number": "CSQU3054383", "seal": seal} for seal in ("1", "2")],
    ),
    (
        "counted-once",
        "brr-2",
        "/content/aboard",
        [{"n": 9, "nationality": "XXX", "sex": "m", "age_band": "adult"}] * 2,
    ),
    ("counted-once", "dlg-1", "/content/meeting/delegations/1/nation", "PAN"),
    (
        "extent",
        "voi-1",
        "/content/seen/place/geometry",
        {"type": "LineString", "coordinates": [[1, 1], [1, 1]]},
    ),
    (
        "extent",
        "voi-1",
        "/content/seen/place/geometry",
        {
            "type": "Polygon",
            # On one line, though no sum of such fractions is quite zero.
            "coordinates": [[[0.1, 0.1], [0.2, 0.2], [0.7, 0.7], [0.1, 0.1]]],
        },
    ),
    (
        "link-ends",
        "ocn-1",
        "/content/links/0",
        {"from_ref": "p1", "link_kind": "meets", "to_ref": "w1"},
    ),
    ("more-than-nothing", "szr-1", "/content/goods_seized/0/n", 0),
    ("more-than-nothing", "voi-1", "/content/vessel/beam_m", 0),
    ("more-than-nothing", "voi-1", "/content/vessel/length_m", 0),
    ("vehicle-described", "crm-1", "/content/vehicle", {"plate_country": "PAN"}),
    (
        "vehicle-described",
        "crm-1",
        "/content/vehicle",
        {"colour": {"lang": "es", "text": "EJERCICIO"}},
    ),
    ("more-than-nothing", "ocn-1", "/content/transfers/0/money/amount", 0),
    ("more-than-nothing", "opn-1", "/content/units/0/n", 0),
    ("more-than-nothing", "sta-2", "/content/response_times/0/n", 0),
    (
        "more-than-nothing",
        "szr-1",
        "/content/drugs/0/quantity",
        {"qualifier": "exact", "count": "field", "packages": 0},
    ),
    ("more-than-nothing", "szr-1", "/content/cash", [{"amount": 0, "currency": "USD"}]),
    (
        "more-than-nothing",
        "dlg-1",
        "/content/support/0/n",
        0,
    ),
    ("not-to-itself", "ocn-1", "/content/links/0/to_ref", "p1"),
    ("not-to-itself", "dlg-1", "/content/support/0/received_by", "USA"),
    ("smuggling-typology", "smg-1", "/content/typologies", ["migrant-smuggling"]),
    ("smuggling-typology", "smg-2", "/content/smuggling_kind", "trafficking"),
    ("unit-of-drug", "sta-2", "/content/drug_totals/0/quantity/unit", "{plant}"),
    (
        "unit-of-drug",
        "sta-2",
        "/content/published/0",
        {
            "year": 2015,
            "drug": "opium",
            "quantity": {
                "qualifier": "exact",
                "count": "official",
                "value": 9,
                "unit": "{tbl}",
            },
            "source": {"lang": "es", "text": "EJERCICIO"},
        },
    ),
    ("vulnerable-within", "mig-1", "/content/vulnerable/0/n", 63),
    # Each of the two cells without a number would have to be of 4.
]


def changed(name, pointer, value):
    return verdict(put(plain(name), pointer, value))


@pytest.mark.parametrize("rule", sorted(CONTRADICTIONS))
def test_the_honest_neighbour_of_a_contradiction_passes(rule):
    assert HONEST[rule]
    for name, pointer, value in HONEST[rule]:
        refusal = changed(name, pointer, value)
        assert refusal is None, (name, pointer, value, str(refusal), refusal.facts)


@pytest.mark.parametrize(("rule", "name", "pointer", "value"), ALSO)
def test_a_contradiction_is_refused_in_each_of_its_forms(rule, name, pointer, value):
    refusal = changed(name, pointer, value)
    assert refusal is not None
    assert refusal.facts["expected"] == rule


def test_every_drug_may_be_weighed():
    for drug in CODES.lists["drugs"]:
        for unit in ("kg", "g", "t"):
            values = put(plain("szr-2"), "/content/drugs/0/drug", drug)
            assert verdict(put(values, "/content/drugs/0/quantity/unit", unit)) is None
