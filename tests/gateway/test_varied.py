"""Bulletins made up from a seed: whatever is valid is accepted by others, and comes back."""

from __future__ import annotations

import json

import pytest

from exchange import gateway
from exchange.cli.world import picks
from exchange.model import draft as drafts
from exchange.model.bulletin import decode
from exchange.model.bulletin.varying import vary
from tests.gateway import test_cap, test_misp, test_stix
from tests.gateway.handed import SHORT, WIDE, cover, filled
from tests.model.bulletins import CODES, plain

MANY = 4
# Of the others a place may be left out.
PLACED = ("brq", "brr", "szr", "mig", "opn")


def varied(name):
    pick = picks(len(name) + SHORT.index(name))
    made = (vary(plain(name), CODES, pick) for _ in range(MANY))
    return [decode(json.dumps(values).encode(), CODES) for values in made]


@pytest.mark.parametrize("name", SHORT)
def test_a_made_up_bulletin_is_accepted_in_every_format_that_takes_it(name):
    for bulletin in varied(name):
        narrow = cover(name, tlp="amber")
        test_stix.judged(gateway.export(bulletin, narrow, "stix", "es", CODES))
        if "protected-person" not in bulletin.declares:
            test_misp.judged(gateway.export(bulletin, narrow, "misp", "es", CODES))
        if bulletin.type == "voi":
            wide = cover(name, **WIDE)
            test_cap.judged(test_cap.alert(gateway.export(bulletin, wide, "cap", "es", CODES)))
        if bulletin.type in PLACED:
            made = json.loads(gateway.export(bulletin, narrow, "geojson", "es", CODES))
            assert made["features"]


@pytest.mark.parametrize("source", gateway.SOURCES)
@pytest.mark.parametrize("name", [n for n in SHORT if n[:3] in gateway.IMPORTED])
def test_a_made_up_vessel_or_seizure_comes_back_whole(name, source):
    for bulletin in varied(name):
        data = gateway.export(bulletin, cover(name), source, "es", CODES)
        draft = gateway.imported(data, source, bulletin.type, "es", CODES).draft
        again = drafts.read_draft(filled(draft), toml=True)
        told = {"id": bulletin.id, "origin": bulletin.origin, "codes": CODES}
        assert drafts.complete(again, **told) == bulletin
