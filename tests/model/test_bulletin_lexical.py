"""Spelling: checked on the text, in its order, each with its pointer."""

from __future__ import annotations

import json

import pytest

from exchange.errors import Refusal
from exchange.model.bulletin import MAX_BYTES, encode, lexical, shape
from tests.model.bulletins import NAMES, example, plain, put, said, verdict

VOI = encode(example("voi-1"))


def test_at_the_limit_of_size_it_is_read_and_one_byte_more_is_refused():
    assert verdict(VOI + b" " * (MAX_BYTES - len(VOI))) is None
    assert said(VOI + b" " * (MAX_BYTES + 1 - len(VOI))) == ("oversized", "")


def test_text_that_is_not_utf8_is_refused():
    assert said(VOI.replace(b"GAVIOTA", b"GAVIOT\xff")) == ("not-utf-8", "")


@pytest.mark.parametrize("inner", [b"[" * 33, b'{"a":' * 33, b"[" * 200_000])
def test_deep_nesting_is_refused_without_recursion(inner):
    assert said(inner) == ("too-deep", "")


def test_brackets_inside_strings_are_not_depth():
    values = put(plain("voi-1"), "/title/text", "[" * 100 + '\\"{')
    assert verdict(values) is None


def test_depth_32_is_read_and_33_is_not():
    values = plain("cor-1")
    deep: object = "x"
    for _ in range(27):
        deep = [deep]
    # top, content, changes, change: 4 levels, and the list of changes is one of them.
    told = ("wrong-type", "/content/changes/0/before")
    assert said(put(values, "/content/changes/0/before", deep)) == told
    assert said(put(values, "/content/changes/0/before", [[deep]])) == ("too-deep", "")


def test_an_unfinished_string_full_of_escapes_is_judged_in_linear_time():
    assert said(b'["' + b'\\"' * 120_000 + b"[" * 40)[0] in {"malformed", "too-deep"}


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1,]", b"{} {}", b"{'a':1}", b'{"a":NaN}', b'{"a":-Infinity}', b"tru"]
)
def test_what_is_not_json_is_malformed(data):
    assert said(data) == ("malformed", "")
    with pytest.raises(Refusal):  # spelling alone finds it: a draft in JSON goes this way
        lexical.check(data)


def test_white_space_that_is_not_jsons_is_malformed():
    assert said(VOI + "\u00a0".encode())[0] == "malformed"
    assert said("\u2003".encode() + VOI)[0] == "malformed"
    assert verdict(b" \t\r\n" + VOI + b" \n") is None
    with pytest.raises(Refusal):
        lexical.check(VOI + "\u00a0".encode())


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        (b'"regime":null', b'"regime":null,"regime":null', "/regime"),
        (b'"n":3', b'"n":3,"\\u006e":3', "/content/vessel/engines/n"),
    ],
)
def test_a_member_twice_is_refused_with_its_pointer(old, new, at):
    assert old in VOI
    assert said(VOI.replace(old, new)) == ("duplicate-member", at)


def test_a_member_twice_inside_a_list_is_found():
    data = encode(example("cor-1")).replace(b'"before":"coc', b'"before":"x","before":"coc')
    assert said(data) == ("duplicate-member", "/content/changes/0/before")


@pytest.mark.parametrize("spelling", [b"3.0", b"3e0", b"30E-1"])
def test_a_whole_number_with_fraction_or_exponent_is_refused(spelling):
    data = VOI.replace(b'"n":3', b'"n":' + spelling)
    assert said(data) == ("lexical-number", "/content/vessel/engines/n")


def test_a_measure_may_be_written_either_way():
    assert verdict(VOI.replace(b'"speed_kn":28.0', b'"speed_kn":2.8e1')) is None
    assert verdict(VOI.replace(b'"speed_kn":28.0', b'"speed_kn":28')) is None


@pytest.mark.parametrize("mark", ["\x00", "\x1b", "\x7f", "\x85", "\r"])
def test_a_control_character_is_refused_even_in_free_text(mark):
    at = "/title/text"
    assert said(put(plain("voi-1"), at, f"a{mark}b")) == ("control-character", at)


@pytest.mark.parametrize("mark", ["\n", "\t"])
def test_line_feed_and_tab_belong_to_free_text_only(mark):
    assert verdict(put(plain("voi-1"), "/title/text", f"a{mark}b")) is None
    at = "/content/vessel/name"
    assert said(put(plain("voi-1"), at, f"a{mark}b")) == ("control-character", at)


def test_a_control_character_in_a_members_name_is_refused():
    values = put(plain("cor-1"), "/content/changes/0/before", {"a\x01": {}})
    assert said(values) == ("control-character", "/content/changes/0/before")


def test_a_raw_line_feed_in_a_string_is_not_json():
    assert said(VOI.replace(b"Casco azul", b"Casco\nazul"))[0] == "malformed"


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-23T18:01:00+00:00",
        "2026-11-23T13:01:00-05:00",
        "2026-11-23T18:01:00.000Z",
        "2026-11-23t18:01:00z",
        "2026-11-23 18:01:00Z",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "2026-11-23T18:01:00",
        "2026-11-23T18:01:00Z\u0660",
        "2026-11-2\u06633T18:01:00Z",
    ],
)
def test_a_time_has_one_spelling(time):
    at = "/content/seen/at"
    assert said(put(plain("voi-1"), at, time)) == ("wrong-value", at)


def test_a_day_that_does_not_exist_is_refused():
    assert said(put(plain("voi-1"), "/observed", "2026-02-30T00:00:00Z")) == (
        "wrong-value",
        "/observed",
    )


def test_a_newer_version_is_named_before_its_members_are_judged():
    values = plain("voi-1") | {"schema": "1.1", "novelty": 1}
    assert said(values) == ("schema-not-known", "/schema")


def test_an_integer_of_many_digits_is_refused_without_a_crash():
    data = VOI.replace(b'"n":3', b'"n":' + b"9" * 100_000)
    assert said(data) == ("wrong-value", "/content/vessel/engines/n")
    data = encode(example("cor-1")).replace(b'"value":811.4', b'"other":' + b"9" * 100_000)
    assert said(data) == ("wrong-value", "/content/changes/1/after")


def test_a_lone_surrogate_is_malformed():
    assert said(VOI.replace(b"GAVIOTA", b"\\ud800"))[0] == "malformed"


def test_no_name_means_two_kinds_of_value():
    integers, times = lexical.integer_members(), lexical.time_members()
    numbers = shape.named(frozenset({"number"}))
    strings = shape.named(frozenset({"text"}))
    assert not integers & numbers
    assert not times & strings
    prose = {
        member.name
        for code in ("voi", "szr", "rfi", "rpy", "cor", "can", "sta", "dlg")
        for form in shape.every(shape.of(code))
        for member in form.members
        if member.shape.form == "prose"
    }
    assert prose == {"text"}


def test_the_first_thing_wrong_is_the_one_told():
    # Each step takes one fault away; the next in the order shows.
    faults = VOI.replace(b'"n":3', b'"n":3.0').replace(
        b'"regime":null', b'"regime":1,"regime":2'
    )
    assert said(faults)[0] == "duplicate-member"
    faults = VOI.replace(b'"n":3', b'"n":3.0').replace(b'"regime":null', b'"regime":1')
    assert said(faults)[0] == "lexical-number"
    assert said(VOI.replace(b'"regime":null', b'"regime":1'))[0] == "wrong-type"
    assert json.loads(VOI)["regime"] is None


@pytest.mark.parametrize("name", NAMES)
def test_what_is_passed_at_a_glance_would_be_passed_when_looked_at_closely(name, monkeypatch):
    def verdicts():
        return [verdict(text) for text in spelled(plain(name))]

    quick = [found and (found.code, found.at, found.facts) for found in verdicts()]
    monkeypatch.setattr(lexical, "_is_plain", lambda _: False)
    close = [found and (found.code, found.at, found.facts) for found in verdicts()]
    assert quick == close
    assert quick[0] is None
    assert len([found for found in quick if found is not None]) > 5


def spelled(values):
    """A text, then the same with one thing spelled otherwise."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    yield text.encode()
    for old, new in (
        ('"type"', '"type":"voi","type"'),
        (":00Z", ":00.5Z"),
        (":00Z", ":00z"),
        ('"text":"E', '"text":"\\u0001E'),
        ('"text":"E', '"text":"\\ud800E'),
        ('"text":"E', '"text":"\\nE'),
        ('"text":"E', '"text":"\x7fE'),
        ('"lang":"', '"lang":"\\n'),
        ('"n":1', '"n":1.0'),
        ('"n":1', '"n":1e0'),
        ('"content"', '"con\\u0000tent"'),
        ('"content"', '"con\\ud800tent"'),
        ("{", "[" * 40 + "{"),
        ('"content":', '"x":' + "[" * 29 + "]" * 29 + ',"content":'),
        ('"content":', '"x":' + "[" * 33 + "]" * 33 + ',"content":'),
    ):
        yield text.replace(old, new, 1).encode()
