"""Whatever a correction tells is shown and carried or refused: never a traceback."""

from __future__ import annotations

import json

import pytest

from exchange import gateway
from exchange.errors import Refusal
from exchange.model.bulletin import decode, decode_newer, unfounded
from exchange.model.codes import LANGUAGES
from exchange.render import diff, page
from tests.gateway.handed import cover
from tests.model.bulletins import CODES, NAMES, example
from tests.model.correcting import told


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("can")])
def test_whatever_a_correction_tells_is_shown_and_carried(name):
    count = 0
    for each in told(name, 80, seed=3):
        try:
            correction = decode(json.dumps(each.correction).encode(), CODES)
        except Refusal:
            continue
        count += 1
        for lang in LANGUAGES:
            assert page(correction, lang, CODES)
            assert diff(correction, correction, lang, CODES)
        assert unfounded(example(name), correction) == []
        for to in gateway.FORMATS:
            try:
                assert gateway.export(correction, cover("cor-1"), to, "es", CODES)
            except Refusal:
                continue
    assert count, name


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("can")])
def test_whatever_a_newer_correction_tells_is_shown(name):
    for each in told(name, 40, seed=4):
        values = each.correction | {"schema": "1.1", "weather": each.direct["title"]}
        try:
            found = decode_newer(json.dumps(values).encode(), CODES, "1.1")
        except Refusal:
            continue
        for lang in LANGUAGES:
            assert page(found.bulletin, lang, CODES, unknown=found.unknown)
