"""An older reader meets a newer minor version: it keeps and shows what it does not know."""

from __future__ import annotations

import json

import msgspec
import pytest

from exchange.errors import Code, Refusal
from exchange.model.bulletin import (
    OfNewerType,
    check_audience,
    decode,
    decode_newer,
    encode,
)
from exchange.model.bulletin.newer import is_newer
from exchange.model.bulletin.strangers import Unknown
from exchange.model.codes import LANGUAGES
from exchange.render import page
from tests.model.bulletins import CODES, NAMES, drafted, example, plain, put, warned
from tests.model.correcting import correcting
from tests.model.test_bulletin_schemas import places

NOW = 1795620000


def newer(values, **members):
    return json.dumps({**values, "schema": "1.1", **members}, ensure_ascii=False).encode()


def read(data, schema="1.1"):
    return decode_newer(data, CODES, schema)


def refused(data):
    with pytest.raises(Refusal) as caught:
        read(data)
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
    found = read(newer(plain(name)))
    assert (found.schema, found.unknown) == ("1.1", [])
    assert found.bulletin == example(name)


def test_members_codes_and_lists_that_are_not_known_are_set_apart():
    values = plain("szr-1")
    values["wildlife"] = True
    values["content"]["modality"] = "drone-swarm"
    values["content"]["place"]["geometry"]["altitude_m"] = 12
    values["content"]["drugs"][0]["quantity"]["tested~by/x"] = {"lab": "EXERCISE"}
    found = read(newer(values))
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
    found = read(newer(values))
    assert isinstance(found.bulletin, OfNewerType)
    assert (found.bulletin.type, found.bulletin.title.lang) == ("wld", "es")
    assert found.unknown == [Unknown("/content", {"species": "EXERCISE"})]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_is_not_understood_is_shown_and_nothing_hides_in_it(lang):
    values = put(plain("voi-1"), "/type", "wld")
    values["content"] = {"species": "a\u202eb"}
    found = read(newer(values))
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
        read(data)


@pytest.mark.parametrize("kind", [[], {}, 1, None, "x", "voia", "VOI"])
def test_a_type_that_is_none_is_refused(kind):
    assert refused(newer(plain("voi-1"), type=kind)) == (Code.WRONG_VALUE, "/type")


def test_an_integer_too_long_to_be_one_is_refused():
    text = newer(plain("voi-1")).replace(b'"n": 3', b'"n": ' + b"9" * 5000)
    assert refused(text) == (Code.MALFORMED, "")


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" + b"0" * 400 + b".5"])
def test_a_number_too_large_to_be_held_is_refused_where_nothing_is_known_too(number):
    change = ("/content/weather", 1, 66.5)
    for values in (plain("voi-1") | {"weather": 66.5}, correcting("voi-1", change)):
        text = newer(values)
        assert read(text)
        assert refused(text.replace(b"66.5", number)) == (Code.MALFORMED, "")


def test_a_text_of_another_version_than_its_header_is_not_even_read():
    with pytest.raises(Refusal) as caught:
        read(newer(plain("voi-1"), type=[]), "1.0")
    assert (caught.value.code, caught.value.at) == (Code.HEADER_BODY_MISMATCH, "/schema")


@pytest.mark.parametrize(
    ("name", "at", "value", "rule"),
    [
        ("mig-1", "/content/flow/2/n", 2, "small-cell"),
        ("ocn-1", "/declares", [], "persons-declared"),
        ("voi-2", "/content/vessel/imo", "1234560", "imo"),
        ("ocn-1", "/content/persons/0/birth_date", "1981-02-29", "date"),
        ("smg-1", "/content/persons/1/nationality", ..., "asylum-nationality"),
        ("smg-1", "/content/persons/0/suspicion", ..., "suspicion-basis"),
    ],
)
@pytest.mark.parametrize("more", [{}, {"weather": 1}])
def test_check_digits_and_the_rules_on_people_hold_in_any_version(name, at, value, rule, more):
    with pytest.raises(Refusal) as caught:
        read(newer(put(plain(name), at, value), **more))
    assert caught.value.facts["expected"] == rule


def test_a_rule_is_passed_over_only_where_something_unknown_may_keep_it():
    values = plain("szr-1")
    for name in ("drugs", "goods_seized"):
        values["content"][name] = []
    assert refused(newer(values)) == (Code.WRONG_VALUE, "/content")
    values["content"]["wildlife_seized"] = [{"n": 3}]
    assert [each.at for each in read(newer(values)).unknown] == ["/content/wildlife_seized"]
    values["content"]["route"] = {}
    values["content"]["custody"][0]["at"] = "2027-01-01T00:00:00Z"
    assert read(newer(values))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_is_changed_is_a_traceback(name):
    for at, value in list(places(plain(name))):
        others = ("x", 1, [], {}, None, 1.5)
        for other in (*others, ...) if isinstance(value, dict | list) else others:
            try:
                found = read(newer(put(plain(name), at, other)))
            except Refusal:
                continue
            assert page(found.bulletin, "es", CODES, unknown=found.unknown)


def test_a_correction_of_what_a_newer_version_added_is_read_in_part():
    person = plain("smg-1")["content"]["persons"][1]
    values = correcting(
        "smg-1",
        ("/content/weather", 3, 4),
        ("/content/persons/1", person, {**person, "eye_colour": "x", "birth_date": "2011"}),
        ("/content/stages/0", {"name": "A"}, {"name": "B", "zone": "orbit"}),
    )
    found = read(newer(values))
    assert [(each.at, each.value) for each in found.unknown] == [
        ("/content/changes/0/pointer", "/content/weather"),
        ("/content/changes/1/after/eye_colour", "x"),
        ("/content/changes/2/after/zone", "orbit"),
    ]
    assert found.bulletin.content.changes[1].after["eye_colour"] == "x"
    for lang in LANGUAGES:
        assert page(found.bulletin, lang, CODES, unknown=found.unknown)
    # Of our own version each of them is wrong.
    for change in values["content"]["changes"]:
        with pytest.raises(Refusal):
            decode(json.dumps(correcting("smg-1", tuple(change.values()))).encode(), CODES)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"suspicion": None, "person_role": "suspect"}, "after/suspicion"),
        ({"nationality": None}, "after/nationality"),
    ],
)
def test_people_in_a_correction_of_a_newer_version_are_guarded_as_ever(change, told):
    person = plain("smg-1")["content"]["persons"][1]
    after = {**person, **change, "eye_colour": "x"}
    values = correcting("smg-1", ("/content/persons/1", person, after))
    assert refused(newer(values)) == (Code.WRONG_VALUE, f"/content/changes/0/{told}")


def hidden(where, somebody):
    """A bulletin of a newer version that names somebody where we know of no place for it."""
    if where == "member":
        return plain("smg-1") | {"victims": [somebody]}
    if where == "behind another":
        adult = {**plain("smg-1")["content"]["persons"][0], "children": [somebody]}
        return plain("smg-1") | {"victims": [adult]}
    if where == "type":
        return put(plain("voi-1"), "/type", "wld") | {"content": {"led_by": {"who": somebody}}}
    values = correcting("smg-1", ("/content/victims/0", None, somebody))
    if where == "correction of a type":
        values["content"]["target"]["type"] = "wld"
    return values


@pytest.mark.parametrize(
    "where", ["member", "behind another", "type", "correction", "correction of a type"]
)
def test_whoever_a_newer_version_names_is_guarded_wherever_that_is(where):
    somebody = plain("smg-1")["content"]["persons"][1] | {"eye_colour": "x"}
    everybody = ["persons", "protected-person"]
    values = hidden(where, somebody) | {"declares": everybody}
    found = read(newer(values))
    narrow = drafted("smg-1.es.toml").post.marking
    assert check_audience(found.bulletin, narrow, NOW, unknown=found.unknown) is None
    wide = msgspec.structs.replace(narrow, releasable_to=["PAN", "VEN"])
    with pytest.raises(Refusal) as caught:
        check_audience(found.bulletin, wide, NOW, unknown=found.unknown)
    assert caught.value.code is Code.ASYLUM_TO_ORIGIN
    for declares in ([], ["persons"]):
        assert refused(newer(values | {"declares": declares})) == (
            Code.WRONG_VALUE,
            "/declares",
        )
    unnamed = {**somebody, "surname": None, "given_names": None, "aliases": []}
    values = hidden(where, unnamed) | {"declares": everybody}
    with pytest.raises(Refusal) as caught:
        read(newer(values))
    assert caught.value.facts["expected"] == "person-named"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("ref", ...),
        ("review_by", ...),
        ("person_role", None),
        ("birth_date", "x"),
        ("aliases", None),
        ("documents", "x"),
        ("birth_date", "2011-02-30"),
        ("person_role", ...),
    ],
)
@pytest.mark.parametrize(
    "where", ["member", "behind another", "type", "correction", "correction of a type"]
)
def test_nobody_passes_unguarded_by_one_member_that_is_not_as_it_was(where, member, value):
    somebody = put(plain("smg-1")["content"]["persons"][1], f"/{member}", value)
    for declares in ([], ["persons", "protected-person"]):
        code, at = refused(newer(hidden(where, somebody) | {"declares": declares}))
        assert code in (Code.WRONG_TYPE, Code.WRONG_VALUE, Code.MISSING_MEMBER)
        assert f"/{member}" in at


@pytest.mark.parametrize(
    "where", ["member", "behind another", "type", "correction", "correction of a type"]
)
def test_papers_of_whoever_a_newer_version_names_are_checked_as_anywhere(where):
    paper = {"document_kind": "passport", "document_number": "L898902C3", "issued_by": "VEN"}
    somebody = plain("smg-1")["content"]["persons"][1]
    declares = ["persons", "protected-person"]
    for digit, kind, passes in (
        ("6", "passport", True),
        ("6", "pass", True),
        ("1", "pass", False),
    ):
        told = {**paper, "document_kind": kind, "check_digit": digit}
        values = hidden(where, {**somebody, "documents": [told]}) | {"declares": declares}
        if passes:
            assert read(newer(values)).unknown
        else:
            code, at = refused(newer(values))
            assert (code, at.rpartition("/")[2]) == (Code.WRONG_VALUE, "check_digit")


def test_more_protections_than_are_known_here_are_read():
    protections = ["asylum-seeker", "minor", "stateless", "victim"]
    values = put(plain("smg-1"), "/content/persons/1/protections", protections)
    assert [each.value for each in read(newer(values)).unknown] == ["stateless"]


CELL = {"nationality": "VEN", "sex": "f", "minority": "child", "age_group": "x"}


@pytest.mark.parametrize("where", ["member", "type", "correction", "correction of a type"])
@pytest.mark.parametrize("cell", [CELL, {"vulnerability": "pregnant"}])
@pytest.mark.parametrize(("n", "passes"), [(2, False), ("2", False), (5, True), (0, True)])
def test_no_number_points_at_people_wherever_a_newer_version_tells_it(where, cell, n, passes):
    values = hidden(where, {**cell, "n": n}) | {"declares": []}
    if where == "member":
        values["declares"] = ["persons", "protected-person"]
    if passes:
        assert read(newer(values)).unknown
    else:
        code, at = refused(newer(values))
        assert (code, at.rpartition("/")[2]) == (Code.WRONG_VALUE, "n")


def cells(*numbers, **more):
    """A flow of women, girls and others, of which those without a number are None."""
    values = plain("mig-1")
    kinds = [(sex, age) for sex in "fx" for age in ("adult", "child", "unaccompanied")]
    flow = [
        {"nationality": "VEN", "sex": sex, "minority": age} | ({} if n is None else {"n": n})
        for n, (sex, age) in zip(numbers, kinds, strict=False)
    ]
    values["content"] |= {"flow": flow, "vulnerable": [], **more}
    return values


@pytest.mark.parametrize(
    ("at", "value", "passes"),
    [
        ("/content/trend", "falling-fast", False),
        ("/content/flow/0/age_group", "young", False),
        ("/content/place/depth_m", 2, False),
        ("/weather", 1, False),
        ("/title/tone", 1, False),
        # No part of a total.
        ("/content/route", "x", False),
        ("/content/checked", True, False),
        ("/content/routes", ["x"], False),
        ("/content/unsure", None, False),
        # What is told of the flow itself may be part of its total.
        ("/content/unclassified", 9, True),
        ("/content/unclassified", 9.5, True),
        ("/content/others", [{"age_group": "young"}], True),
        ("/content/others", {"young": 9}, True),
    ],
)
def test_what_is_new_elsewhere_lets_no_sum_tell_a_hidden_cell(at, value, passes):
    vulnerable = [{"vulnerability": "pregnant", "n": 18}]
    leaking = put(cells(10, None, None, total_persons=None, vulnerable=vulnerable), at, value)
    told = [] if passes else [("small-number", "/content/vulnerable/0/n")]
    assert warned(newer(leaking)) == told
    values = put(cells(10, None, None, total_persons=12), at, value)
    if passes:
        assert read(newer(values)).unknown
    else:
        with pytest.raises(Refusal) as caught:
            read(newer(values))
        assert caught.value.facts["expected"] == "small-cell-total"


@pytest.mark.parametrize(
    ("cells_", "vulnerable"),
    [
        ([("m", "elderly", 30), ("f", "child", 9)], ("older", 25)),
        ([("m", "adult", 30), ("t", "adult", 30)], ("pregnant", 25)),
        # More than there are, as far as is known here: nobody is hidden.
        ([("f", "adult", 10), ("t", "adult", 30)], ("older", 45)),
        # Somebody there may be hidden, and may be one of them.
        ([("m", "elderly", 30), ("f", "adult", 10), ("f", "child", None)], ("older", 25)),
    ],
)
def test_newer_sex_or_age_locks_no_count_of_the_vulnerable(cells_, vulnerable):
    values = plain("mig-1")
    flow = [
        {"nationality": "VEN", "sex": sex, "minority": age} | ({} if n is None else {"n": n})
        for sex, age, n in cells_
    ]
    counted = dict(zip(("vulnerability", "n"), vulnerable, strict=True))
    values["content"] |= {"flow": flow, "vulnerable": [counted]}
    del values["content"]["total_persons"]
    assert read(newer(values)).unknown
    assert warned(newer(values)) == []
    code, at = ("small-number", "/content/vulnerable/0/n")
    flow[-1].pop("n", None)
    flow[0].pop("n", None)
    assert warned(newer(values)) == [(code, at)]


@pytest.mark.parametrize("where", ["member", "correction"])
@pytest.mark.parametrize("cell", [{"nationality": "SYR"}, {"sex": "f"}])
def test_in_a_flow_any_count_by_nationality_or_sex_is_of_people(where, cell):
    told = [{**cell, "n": 2}]
    if where == "member":
        values = put(plain("mig-1"), "/content/by_country", told)
    else:
        values = correcting("mig-1", ("/content/by_country", None, told), declares=())
    code, at = refused(newer(values))
    assert (code, at.rpartition("/")[2]) == (Code.WRONG_VALUE, "n")
    # Elsewhere it is of whoever was on board, or arrested.
    assert read(newer(put(plain("brr-1"), "/content/rescued", told))).unknown


def test_who_is_protected_as_what_is_not_known_here_is_not_released_home():
    protections = ["minor", "stateless", "victim"]
    values = put(plain("smg-1"), "/content/persons/1/protections", protections)
    found = read(newer(values))
    narrow = drafted("smg-1.es.toml").post.marking
    assert check_audience(found.bulletin, narrow, NOW, unknown=found.unknown) is None
    wide = msgspec.structs.replace(narrow, releasable_to=["PAN", "VEN"])
    with pytest.raises(Refusal) as caught:
        check_audience(found.bulletin, wide, NOW, unknown=found.unknown)
    assert caught.value.code is Code.ASYLUM_TO_ORIGIN


def test_the_content_as_a_whole_is_not_corrected_in_any_version():
    content = plain("smg-1")["content"]
    values = correcting("smg-1", ("/content", content, {**content, "weather": 1}))
    assert refused(newer(values)) == (Code.WRONG_VALUE, "/content/changes/0/pointer")


def test_what_a_newer_version_may_keep_by_what_it_added_is_passed_over():
    network = plain("ocn-1")
    network["content"]["ledgers"] = [{"ref": "z9"}]
    network["content"]["links"][0]["to_ref"] = "z9"
    account = plain("ocn-1")
    account["content"]["accounts"][0] = {"ref": "a1", "clabe": "032180000118359719"}
    flow = plain("mig-1")
    flow["content"]["flow"].append({**flow["content"]["flow"][0], "age_group": "young"})
    flow["content"]["total_persons"] += flow["content"]["flow"][0]["n"]
    for values in (network, account, flow):
        assert read(newer(values)).unknown
