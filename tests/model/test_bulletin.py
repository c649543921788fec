"""Bulletins whole: there and back, what the header repeats, corrections, warnings."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import Refusal
from exchange.model.bulletin import (
    TYPES,
    VERBS,
    changes,
    corrected,
    decode,
    encode,
    indicators,
    repeated,
)
from exchange.model.header import RELATION_OF, Header
from tests.model.bulletins import CODES, NAMES, example, plain, put, verdict

NOW = 1_795_620_000  # when the examples are issued: 2026-11-25T15:20:00Z, seconds UTC
LATER = "2026-12-24T04:30:00Z"


def changed(name, pointer, value):
    return decode(json.dumps(put(plain(name), pointer, value)).encode(), CODES)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_comes_back_as_it_was(name):
    bulletin = example(name)
    data = encode(bulletin)
    assert decode(data, CODES) == bulletin
    assert b"\n" not in data
    assert encode(decode(data, CODES)) == data


def test_every_type_has_two_examples_one_first_written_in_each_language():
    for code in TYPES:
        langs = [example(name).title.lang for name in NAMES if name.startswith(code)]
        assert sorted(langs) == ["en", "es"]


@given(st.binary(max_size=200))
def test_any_bytes_are_one_decision(data):
    verdict(data)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
_PLACES = st.sampled_from(
    [
        "/content",
        "/content/drugs/0",
        "/content/drugs/0/quantity/value",
        "/title",
        "/content/place",
    ]
)


@settings(max_examples=150)
@given(_PLACES, _JSON)
def test_any_json_in_any_place_is_one_decision(place, value):
    verdict(put(plain("szr-1"), place, value))


def test_the_header_repeats_seven_members_with_times_in_seconds():
    said = repeated(example("rfi-1"))
    assert said == {
        "id": "0192f3a0-0000-7000-8000-000000000005",
        "origin": "pa.senan",
        "type": "rfi",
        "observed": 1_795_460_400,
        "due": 1_795_629_600,
        "regime": None,
        "declares": [],
    }
    assert set(said) <= set(Header.__struct_fields__)


def test_the_first_second_that_a_header_can_say_is_the_first_a_bulletin_can():
    assert repeated(changed("voi-1", "/observed", "1970-01-01T00:00:00Z"))["observed"] == 0


def test_verbs_go_with_types():
    assert set(VERBS) == set(TYPES)
    assert VERBS["cor"] == ("correct",)
    assert VERBS["can"] == ("cancel",)
    assert VERBS["rpy"] == ("reply",)
    assert {VERBS[code] for code in ("voi", "szr", "rfi", "sta", "dlg")} == {("new", "update")}
    assert set(RELATION_OF) | {"new"} == {verb for verbs in VERBS.values() for verb in verbs}


def test_a_correction_turns_the_field_count_into_the_official_one():
    result = corrected(example("szr-1"), example("cor-1"), CODES)
    [drug] = result.content.drugs
    assert (drug.drug, drug.quantity.count, drug.quantity.value) == (
        "cocaine-salts",
        "official",
        811.4,
    )
    assert drug.quantity.packages == 34
    assert drug.purity_pct == 79.0
    assert [change.pointer for change in changes(example("szr-1"), result)] == [
        change.pointer for change in example("cor-1").content.changes
    ]


def test_differences_applied_to_the_first_give_the_second():
    before, after = example("voi-2"), changed("voi-2", "/remarks", {"lang": "en", "text": "x"})
    values = plain("cor-2")
    values["content"]["changes"] = [
        {"pointer": c.pointer, "before": c.before, "after": c.after}
        for c in changes(before, after)
    ]
    assert corrected(before, decode(json.dumps(values).encode(), CODES), CODES) == after
    back = [
        {**c, "before": c["after"], "after": c["before"]} for c in values["content"]["changes"]
    ]
    values["content"]["changes"] = back
    assert corrected(after, decode(json.dumps(values).encode(), CODES), CODES) == before


@pytest.mark.parametrize(
    ("pointer", "value", "at"),
    [
        ("/content/target/id", "0192f3a0-0000-7000-8000-0000000000ff", "/content/target"),
        ("/content/target/origin", "us.jiatfs", "/content/target"),
        ("/content/changes/0/before", "heroin", "/content/changes/0"),
        ("/content/changes/0/pointer", "/content/drugs/7/drug", "/content/changes/0"),
    ],
)
def test_a_correction_of_something_else_is_refused(pointer, value, at):
    correction = changed("cor-1", pointer, value)
    with pytest.raises(Refusal) as refused:
        corrected(example("szr-1"), correction, CODES)
    assert (refused.value.code.value, refused.value.at) == ("target-mismatch", at)


def test_a_corrected_bulletin_is_checked_like_any_other():
    # Only together with its drug is a quantity known to be in a unit that it never comes in.
    correction = changed("cor-1", "/content/changes/1/after/unit", "{plant}")
    with pytest.raises(Refusal) as refused:
        corrected(example("szr-1"), correction, CODES)
    assert refused.value.at == "/content/drugs/0/quantity/unit"


def test_no_example_looks_odd():
    assert [indicators(example(name), CODES, NOW) for name in NAMES] == [[]] * len(NAMES)


@pytest.mark.parametrize(
    ("pointer", "value", "code", "at"),
    [
        ("/content/vessel/mmsi", "366999901", "flag-mmsi", "/content/vessel/mmsi"),
        ("/content/eta", "2026-11-22T04:29:59Z", "eta-before-seen", "/content/eta"),
        ("/content/next_port", "PAZZZ", "port-unknown", "/content/next_port"),
    ],
)
def test_what_looks_odd_is_a_warning_and_no_refusal(pointer, value, code, at):
    [found] = indicators(changed("voi-2", pointer, value), CODES, NOW)
    assert (found.code, found.at) == (code, at)


@pytest.mark.parametrize(
    ("name", "due", "at"),
    [("rfi-1", "/content/reply_by", "/content/reply_by"), ("voi-2", "/due", "/due")],
)
def test_answer_wanted_by_a_time_that_is_past_is_warned_of(name, due, at):
    for when, codes in (("15:19:59", ["due-before-issue"]), ("15:20:00", [])):
        values = put(plain(name), due, f"2026-11-25T{when}Z")
        bulletin = decode(json.dumps({**values, "due": f"2026-11-25T{when}Z"}).encode(), CODES)
        found = indicators(bulletin, CODES, NOW)
        assert [(each.code, each.at) for each in found] == [(code, at) for code in codes]


@pytest.mark.parametrize(
    ("name", "pointer", "codes"),
    [
        ("brp-1", "/content/valid_until", ["over-before-issue"]),
        ("dcf-1", "/content/window/end", ["over-before-issue"]),
        ("opn-1", "/content/period/end", ["over-before-issue"]),
        # What has ended is told after it ended.
        ("opn-2", "/content/period/end", []),
    ],
)
def test_what_was_over_before_it_was_issued_is_warned_of(name, pointer, codes):
    values = put(plain(name), pointer, "2026-11-25T15:19:59Z")
    if pointer.endswith("/end"):
        values = put(values, pointer.replace("/end", "/start"), "2026-11-01T00:00:00Z")
    found = indicators(decode(json.dumps(values).encode(), CODES), CODES, NOW)
    assert [(each.code, each.at) for each in found] == [(code, pointer) for code in codes]


@pytest.mark.parametrize(
    ("name", "observed", "codes"),
    [
        ("szr-1", "2026-11-22T09:00:00Z", ["observed-apart"]),
        ("szr-1", "2026-11-24T23:40:00Z", []),
        ("brr-1", "2026-11-01T00:00:00Z", ["observed-apart"]),
        ("rfi-1", "2026-11-01T00:00:00Z", []),
    ],
)
def test_two_times_for_one_event_are_warned_of(name, observed, codes):
    found = indicators(changed(name, "/observed", observed), CODES, NOW)
    assert [(each.code, each.at) for each in found] == [(code, "/observed") for code in codes]


def test_a_network_of_which_nothing_is_listed_is_warned_of():
    values = plain("ocn-2")
    for name in ("persons", "organizations", "accounts", "wallets", "links", "transfers"):
        values["content"].pop(name, None)
    values["content"].pop("properties", None)
    values["declares"] = []
    found = indicators(decode(json.dumps(values).encode(), CODES), CODES, NOW)
    assert [(each.code, each.at) for each in found] == [("network-bare", "/content")]


SEEN = "/content/seen/at"
WHERE = "/content/seen/place/geometry"


@pytest.mark.parametrize(
    ("name", "pointer", "value", "codes"),
    [
        ("voi-2", SEEN, "2025-11-22T04:30:00Z", []),
        ("voi-2", SEEN, "2016-11-22T04:30:00Z", ["date-far"]),
        ("voi-2", "/content/eta", "2029-11-22T04:30:00Z", ["date-far"]),
        ("szr-1", "/content/seized_at", "2006-11-22T04:30:00Z", ["date-far"]),
        ("sta-1", "/content/period/start", "2006-11-22T04:30:00Z", ["date-far"]),
        ("sta-1", "/content/period/start", "2010-11-22T04:30:00Z", []),
        ("szr-1", "/content/seized_at", LATER, ["after-issue"]),
        ("szr-1", "/content/seized_at", "2096-11-22T04:30:00Z", ["date-far"]),
        ("voi-2", "/observed", LATER, ["after-issue"]),
        ("szr-1", "/content/custody/1/at", LATER, ["after-issue"]),
    ],
)
def test_dates_far_off_and_after_issue_are_warned_of(name, pointer, value, codes):
    found = indicators(changed(name, pointer, value), CODES, NOW)
    assert [each.code for each in found if each.code != "eta-before-seen"] == codes
    assert all(each.at == pointer for each in found if each.code in codes)


def ring(*first):
    return [[list(first), [-79.0, 7.0], [-78.0, 7.0], list(first)]]


@pytest.mark.parametrize(
    ("geometry", "code", "at"),
    [
        ({"type": "Point", "coordinates": [-79.5, 8.9]}, None, ""),
        ({"type": "Point", "coordinates": [-74.8, -11.0]}, None, ""),
        ({"type": "Point", "coordinates": [4.5, 51.9]}, None, ""),
        ({"type": "Point", "coordinates": [8.9, -79.5]}, "position-swapped", ""),
        ({"type": "Point", "coordinates": [79.5, 8.9]}, "position-hemisphere", ""),
        (
            {"type": "LineString", "coordinates": [[-79.5, 8.9], [8.9, -79.5], [79.5, 8.9]]},
            "position-swapped",
            "/1",
        ),
        ({"type": "Polygon", "coordinates": ring(79.5, 8.9)}, "position-hemisphere", "/0/0"),
    ],
)
def test_swapped_and_mirrored_positions_are_warned_of(geometry, code, at):
    found = indicators(changed("voi-2", WHERE, geometry), CODES, NOW)
    told = [(each.code, each.at) for each in found]
    assert told == ([(code, f"{WHERE}/coordinates{at}")] if code else [])


@pytest.mark.parametrize(
    ("mmsi", "flag"),
    [
        *((mid + "000000", "PAN") for mid in ("351", "357", "370", "374")),
        *((mid + "000000", "USA") for mid in ("303", "338", "358", "366", "369", "379")),
    ],
)
def test_prefixes_of_both_nations_are_known(mmsi, flag):
    values = put(
        put(plain("voi-2"), "/content/vessel/mmsi", mmsi), "/content/vessel/flag", flag
    )
    assert indicators(decode(json.dumps(values).encode(), CODES), CODES, NOW) == []


def test_the_published_totals_are_quoted_with_their_source():
    figures = {
        figure.year: (figure.quantity.qualifier, figure.quantity.value, figure.quantity.unit)
        for name in ("sta-1", "sta-2")
        for figure in example(name).content.published
        if "January 2017" in figure.source.text + figure.source.translations[0].text
    }
    assert figures == {2015: ("at-least", 58.0, "t"), 2016: ("at-least", 68.0, "t")}
