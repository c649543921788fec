"""What was done to a bulletin since leads its marking in every format; its refs go along."""

from __future__ import annotations

import csv
import io
import json

import msgspec
import pytest

from exchange import gateway
from exchange.errors import Code, Refusal
from exchange.gateway.cover import statement
from exchange.model.codes import LANGUAGES
from exchange.model.header import Reference
from tests.gateway.handed import WIDE, cover
from tests.model.bulletins import CODES, example

ALL = ["cancelled", "superseded", "corrected", "review-overdue", "doubted"]
TARGET = "0192f3a0-0000-7000-8000-0000000000aa"
REFS = [Reference("supersedes", TARGET, "A" * 43)]


def exported(name, to, **more):
    made = msgspec.structs.replace(cover(name, **(WIDE if to == "cap" else {})), **more)
    return gateway.export(example(name), made, to, "en", CODES).decode()


@pytest.mark.parametrize("bears", ALL)
@pytest.mark.parametrize("to", ["geojson", "csv", "stix", "misp"])
def test_every_part_of_a_file_says_what_was_done_to_it_since(to, bears):
    told = exported("voi-1", to, bears=[bears])
    assert bears in told
    assert bears not in exported("voi-1", to)
    loud = bears.upper().replace("-", " ")
    if to == "geojson":
        features = json.loads(told)["features"]
        assert all(each["properties"]["marking"].startswith(loud) for each in features)
        assert all(each["properties"]["bears"] == [bears] for each in features)
    elif to == "csv":
        rows = list(csv.DictReader(io.StringIO(told, newline="")))
        assert all(row["marking"].startswith(loud) for row in rows)
    elif to == "stix":
        marks = [o for o in json.loads(told)["objects"] if o["type"] == "marking-definition"]
        assert any(each["name"].startswith(loud) for each in marks)
    else:
        event = json.loads(told)["Event"]
        for each in (event, *event["Attribute"]):
            assert {"name": f'exchange:bears="{bears}"'} in each["Tag"]


@pytest.mark.parametrize("bears", ["cancelled", "superseded", "doubted"])
def test_nobody_is_alerted_of_what_no_longer_holds_or_is_not_to_go_on(bears):
    with pytest.raises(Refusal) as caught:
        exported("voi-1", "cap", bears=[bears])
    assert caught.value.code is Code.FORMAT_LACKS_MARKING
    assert "CORRECTED // EXERCISE" in exported("voi-1", "cap", bears=["corrected"])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_is_said_in_words_in_both_languages(lang):
    made = msgspec.structs.replace(cover("voi-1"), bears=ALL)
    first = statement(made, lang, CODES).splitlines()[:5]
    words = {
        "es": "CANCELADO REEMPLAZADO CORREGIDO REVISIÓN DUDOSO",
        "en": "CANCELLED SUPERSEDED CORRECTED REVIEW DOUBTED",
    }
    assert [each.split()[0].strip(":") for each in first] == words[lang].split()


@pytest.mark.parametrize("to", gateway.FORMATS)
def test_what_a_bulletin_refers_to_goes_along(to):
    told = exported("voi-1", to, refs=REFS)
    assert TARGET in told
    assert TARGET not in exported("voi-1", to, refs=[])
    assert "upersedes" in told or to in {"cap", "stix"}


def test_a_file_that_refers_to_others_is_imported_as_before():
    plain, more = (
        exported("voi-1", "csv", **each).encode()
        for each in ({}, {"refs": REFS, "bears": ["cancelled"]})
    )
    drafts = [gateway.imported(each, "csv", "voi", "en", CODES).draft for each in (plain, more)]
    assert drafts[0] == drafts[1]
