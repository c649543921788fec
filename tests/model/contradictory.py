"""What contradicts itself, one case a rule: example, pointer, value, pointer told."""

from __future__ import annotations

SPOT = {"geometry": {"type": "Point", "coordinates": [-79.5, 6.5]}}
FLAT = [[0, 0], [1, 1], [2, 2], [0, 0]]
CONTRADICTIONS = {
    "change-possible": (
        "cor-1",
        "/content/changes/0/after",
        ...,
        "/content/changes/0/after",
    ),
    "area-extent": ("opn-2", "/content/area", SPOT, "/content/area"),
    "beam-within-length": ("voi-1", "/content/vessel/beam_m", 11.6, "/content/vessel/beam_m"),
    "change-once": (
        "cor-1",
        "/content/changes/0",
        {"pointer": "/content/drugs/0/purity_pct", "before": 78.0},
        "/content/changes/2/pointer",
    ),
    "code-once": (
        "brq-1",
        "/content/actions_sought",
        ["board", "search", "board"],
        "/content/actions_sought",
    ),
    "consent-recipients": (
        "con-1",
        "/content/proposed_to",
        ["pa.mp", "us.jiatfs"],
        "/content/proposed_to",
    ),
    "counted-once": ("sta-2", "/content/counts/1/type", "voi", "/content/counts"),
    "estimated-not-exact": (
        "szr-2",
        "/content/drugs/0/quantity",
        {
            "qualifier": "exact",
            "count": "field",
            "value": 9,
            "unit": "kg",
            "basis": "estimated",
        },
        "/content/drugs/0/quantity/qualifier",
    ),
    "extent": (
        "voi-1",
        "/content/seen/place/geometry",
        {"type": "Polygon", "coordinates": [FLAT]},
        "/content/seen/place/geometry/coordinates/0",
    ),
    "handover-after-boarding": (
        "brr-2",
        "/content/handover/at",
        "2026-11-25T12:04:59Z",
        "/content/handover/at",
    ),
    "link-ends": (
        "ocn-1",
        "/content/links/0",
        {"from_ref": "a1", "link_kind": "leads", "to_ref": "o1"},
        "/content/links/0/from_ref",
    ),
    "more-than-nothing": (
        "szr-2",
        "/content/drugs/0/quantity/value",
        0,
        "/content/drugs/0/quantity/value",
    ),
    "next-review-later": (
        "dlg-1",
        "/content/next_review",
        "2017-01-31T23:59:59Z",
        "/content/next_review",
    ),
    "not-to-itself": (
        "ocn-1",
        "/content/transfers/0/to_ref",
        "w1",
        "/content/transfers/0/to_ref",
    ),
    "property-vessel": (
        "ocn-1",
        "/content/properties/0/vessel",
        {"name": "EXERCISE ALFA"},
        "/content/properties/0/vessel",
    ),
    "reply-after-seen": (
        "brq-1",
        "/content/seen/at",
        "2026-11-25T18:10:00Z",
        "/content/reply_by",
    ),
    "response-within-counts": (
        "sta-2",
        "/content/response_times/0/n",
        5,
        "/content/response_times/0/n",
    ),
    "smuggling-typology": (
        "smg-2",
        "/content/typologies",
        ["document-fraud"],
        "/content/typologies",
    ),
    "unit-of-drug": (
        "szr-2",
        "/content/drugs/0/quantity/unit",
        "{plant}",
        "/content/drugs/0/quantity/unit",
    ),
    "vulnerable-within": (
        "mig-1",
        "/content/vulnerable/1/n",
        133,
        "/content/vulnerable/1/n",
    ),
}
