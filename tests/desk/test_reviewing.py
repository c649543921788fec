"""A draft as it is looked at before it goes: what is odd, what binds, and what stays behind."""

from __future__ import annotations

import json

from exchange import resources
from exchange.desk import composing, forms
from exchange.model import codes as code_lists
from exchange.model.draft import read_draft
from tests.builders import new_id
from tests.desk.desked import desked

CODES = code_lists.load(resources.read)
GEOMETRY = "/bulletin/content/seen/place/geometry"


def form(**changes):
    """What a browser sends of the vessel of the examples, with an identity for its draft."""
    draft = read_draft(resources.read("v1/examples/voi-1.es.toml"), toml=True)
    of_type = composing.under(forms.of_type("voi", draft.bulletin, "en", CODES), {})
    sent = {
        each.at: each.value
        for each in forms.every(of_type)
        if each.kind not in ("group", "rows", "some-of")
    }
    post = {
        "feed": "maritime",
        "precedence": "routine",
        "status": "exercise",
        "expires": "72h",
        "retain": "365d",
        "to": "pa.senan/ops",
        "marking/tlp": "amber",
        "marking/releasable_to": "PAN",
        "marking/originator_control": "true",
    }
    asked = {f"/post/{name}": text for name, text in post.items()}
    return {"draft": str(new_id()), **sent, **asked, **changes}


async def test_position_typed_with_the_longitude_first_is_told_of(tmp_path):
    async with desked(tmp_path, pages=True) as desk:
        said = await desk.said("/compose/voi/check.json", form(**{GEOMETRY: "-80.4125, 6.8831"}))
        (odd, *_) = json.loads(said)["warnings"]
        assert "80°24.750' S 006°52.986' E" in odd
        assert "06°52.986' N 080°24.750' W" in odd
        page = await desk.get("/compose/voi")
        assert "GeoJSON" not in page
