"""What a bulletin says of its attachments: bounded, in one spelling, never written by hand."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from exchange import resources
from exchange.errors import Code, Refusal
from exchange.model import draft
from exchange.model.bulletin import changes, decode
from exchange.model.bulletin.words import MAX_ATTACHMENT_BYTES
from exchange.model.codes import LANGUAGES
from exchange.render import page
from tests.model.bulletins import CODES, plain, put, said, verdict

FILE = {
    "name": "EJERCICIO foto.jpg",
    "media_type": "image/jpeg",
    "size": 40_000,
    "digest": "D" * 42 + "A",
    "key": "K" * 42 + "A",
}


def attached(*files, name="voi-1"):
    return put(plain(name), "/attachments", list(files))


def schema():
    return Draft202012Validator(json.loads(resources.read("v1/voi.schema.json")))


def test_bulletin_with_attachments_is_accepted_by_decoding_and_schema():
    values = attached(FILE, FILE)
    assert verdict(values) is None
    assert schema().is_valid(values)
    assert [each.size for each in decode(json.dumps(values).encode(), CODES).attachments] == [
        40_000,
        40_000,
    ]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("name", ""),
        ("name", "x" * 201),
        ("media_type", "text/html"),
        ("size", -1),
        ("size", MAX_ATTACHMENT_BYTES + 1),
        ("digest", "D" * 43),  # bits left over: a second spelling of one value
        ("digest", "D" * 42),
        ("key", "K" * 43),
        ("key", "K" * 44),
    ],
)
def test_attachment_out_of_bounds_is_refused(member, value):
    values = attached({**FILE, member: value})
    assert said(values) == ("wrong-value", f"/attachments/0/{member}")
    assert not schema().is_valid(values)


def test_control_character_in_a_name_is_refused():
    values = attached({**FILE, "name": "a\u001b[2Jb"})
    assert said(values) == ("control-character", "/attachments/0/name")


def test_seventeen_attachments_are_refused():
    assert verdict(attached(*[FILE] * 16)) is None
    assert said(attached(*[FILE] * 17)) == ("wrong-value", "/attachments")


def test_draft_may_not_describe_attachments_and_no_template_asks_for_them():
    raw = b'{"post":{},"bulletin":{"attachments":[]}}'
    with pytest.raises(Refusal) as refused:
        draft.read_draft(raw, toml=False)
    found = (refused.value.code, refused.value.at, refused.value.facts["expected"])
    assert found == (Code.WRONG_VALUE, "/bulletin/attachments", "filled-in")
    assert "attachments" not in draft.template("voi", "en", CODES)


def test_correction_does_not_touch_attachments():
    """They are sealed to the id of the bulletin they came with."""
    wrong = put(plain("cor-1"), "/content/changes/0/pointer", "/attachments/0/name")
    assert said(wrong) == ("wrong-value", "/content/changes/0/pointer")
    before, after = (
        decode(json.dumps(each).encode(), CODES) for each in (attached(), attached(FILE))
    )
    assert changes(before, after) == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_page_names_the_file_and_never_its_key(lang):
    hidden = {**FILE, "name": "EJERCICIO \u202egpj.exe"}
    text = page(decode(json.dumps(attached(FILE, hidden)).encode(), CODES), lang, CODES)
    assert CODES.words("fields", "attachments", lang) in text
    assert CODES.words("media-types", "image/jpeg", lang) in text
    assert "EJERCICIO foto.jpg" in text
    assert "<U+202E>gpj.exe" in text
    assert "40,000 bytes" in text or "40000 bytes" in text
    assert FILE["digest"] in text
    assert FILE["key"] not in text
