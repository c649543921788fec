"""An older reader meets a newer minor version: it keeps and shows what it does not know."""

from __future__ import annotations

import json

import pytest

from exchange.errors import Code, Refusal
from exchange.model.bulletin import OfNewerType, decode, decode_newer, encode
from exchange.model.bulletin.newer import Unknown, is_newer
from exchange.model.codes import LANGUAGES
from exchange.render import page
from tests.model.bulletins import CODES, NAMES, example, plain, put


def newer(values, **members):
    return json.dumps({**values, "schema": "1.1", **members}, ensure_ascii=False).encode()


def refused(data):
    with pytest.raises(Refusal) as caught:
        decode_newer(data, CODES)
    return caught.value.code, caught.value.at


@pytest.mark.parametrize(
    ("version", "holds"),
    [
        ("1.1", True),
        ("1.23", True),
        ("1.0", False),
        ("2.0", False),
        ("2.1", False),
        ("x", False),
    ],
)
def test_newer_is_a_later_minor_version_of_ours(version, holds):
    assert is_newer(version) is holds


@pytest.mark.parametrize("name", NAMES)
def test_what_is_wholly_known_reads_as_ever(name):
    found = decode_newer(newer(plain(name)), CODES)
    assert (found.schema, found.unknown) == ("1.1", [])
    assert found.bulletin == example(name)


def test_members_codes_and_lists_that_are_not_known_are_set_apart():
    values = plain("szr-1")
    values["wildlife"] = True
    values["content"]["modality"] = "drone-swarm"
    values["content"]["place"]["geometry"]["altitude_m"] = 12
    values["content"]["drugs"][0]["quantity"]["tested~by/x"] = {"lab": "EXERCISE"}
    found = decode_newer(newer(values), CODES)
    assert {(each.at, json.dumps(each.value)) for each in found.unknown} == {
        ("/wildlife", "true"),
        ("/content/modality", '"drone-swarm"'),
        ("/content/place/geometry/altitude_m", "12"),
        ("/content/drugs/0/quantity/tested~0by~1x", '{"lab": "EXERCISE"}'),
    }
    assert found.bulletin.content.modality == "drone-swarm"
    known = decode(encode(example("szr-1")), CODES)
    assert found.bulletin.content.drugs == known.content.drugs


def test_of_a_type_that_is_not_known_what_all_have_in_common_is_read():
    values = put(put(plain("voi-1"), "/type", "wld"), "/content", {"species": "EXERCISE"})
    found = decode_newer(newer(values), CODES)
    assert isinstance(found.bulletin, OfNewerType)
    assert (found.bulletin.type, found.bulletin.title.lang) == ("wld", "es")
    assert found.unknown == [Unknown("/content", {"species": "EXERCISE"})]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_is_not_understood_is_shown_and_nothing_hides_in_it(lang):
    values = put(plain("voi-1"), "/type", "wld")
    values["content"] = {"species": "a\u202eb"}
    found = decode_newer(newer(values), CODES)
    text = page(found.bulletin, lang, CODES, unknown=found.unknown)
    assert f"{CODES.phrase('not-understood', lang)}:" in text
    assert "species" in text
    assert "\u202e" not in text
    assert "WLD" in text.splitlines()[0]


@pytest.mark.parametrize(
    ("at", "value", "told"),
    [
        ("/content/action", ..., (Code.MISSING_MEMBER, "/content/action")),
        ("/content/persons_on_board", "nine", (Code.WRONG_TYPE, "/content/persons_on_board")),
        ("/content/vessel/imo", "x", (Code.WRONG_VALUE, "/content/vessel/imo")),
        ("/content/persons_on_board", 9.5, (Code.LEXICAL_NUMBER, "/content/persons_on_board")),
    ],
)
def test_what_a_minor_version_may_not_change_is_refused(at, value, told):
    assert refused(newer(put(plain("voi-2"), at, value))) == told


@pytest.mark.parametrize("version", ["2.0", "1.0", "2.1", None, 1])
def test_another_version_is_none_of_it(version):
    values = {**plain("voi-1"), "schema": version}
    assert refused(json.dumps(values).encode()) == (Code.SCHEMA_NOT_KNOWN, "/schema")


def test_our_own_version_stays_strict():
    with pytest.raises(Refusal) as caught:
        decode(newer(plain("voi-1")), CODES)
    assert caught.value.code is Code.SCHEMA_NOT_KNOWN


@pytest.mark.parametrize("data", [b"[]", b"1", b"null", b'"1.1"', b"", b"{"])
def test_what_is_no_bulletin_at_all_is_refused(data):
    with pytest.raises(Refusal):
        decode_newer(data, CODES)
