"""Each guard-rail on people by the one case that only it refuses, and its honest neighbour."""

from __future__ import annotations

import copy
import json

import msgspec
import pytest

from exchange.cli.world import picks
from exchange.errors import Code, Refusal
from exchange.model.bulletin import check_audience, decode, decode_newer
from exchange.model.bulletin.evolution import differences
from exchange.model.bulletin.varying import vary
from exchange.model.bulletin.written import check_corrected
from tests.model.bulletins import (
    CODES,
    drafted,
    plain,
    put,
    verdict,
    warned,
    written_at,
)
from tests.model.test_bulletin_schemas import validator

NOW = 1795620000
NARROW = drafted("smg-1.es.toml").post.marking
PAPER = {"document_kind": "refugee-document", "document_number": "EX1", "issued_by": "PAN"}


def person(**more):
    return plain("smg-1")["content"]["persons"][1] | more


def correcting(name, pointer, before, after):
    target = plain(name)
    values = plain("cor-1") | {"declares": ["persons", "protected-person"]}
    values["id"] = "0192f3a0-0000-7000-8000-0000000000fe"
    values["content"]["target"] = {key: target[key] for key in ("id", "origin", "type")}
    values["content"]["changes"] = [{"pointer": pointer, "before": before, "after": after}]
    return values


def told(values):
    refusal = verdict(values)
    return None if refusal is None else (refusal.at, refusal.facts["expected"])


def test_nobody_protected_is_named_by_correcting_another_type():
    for name, passes in (("ocn-1", False), ("smg-1", True)):
        values = correcting(name, "/content/persons/0", person(), person(birth_date="2011"))
        at = "/content/changes/0/before/protections"
        assert told(values) == (None if passes else (at, "protected-elsewhere"))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"person_role": "suspect"}, "suspicion"),
        ({"surname": None, "given_names": None}, ""),
        ({"protections": ["asylum-seeker", "minor"]}, "protections"),
    ],
)
def test_somebody_in_a_correction_is_named_as_anywhere(change, rule):
    values = correcting("smg-1", "/content/persons/1", person(), person(**change))
    found = told(values)
    assert found is not None
    assert found[0] == f"/content/changes/0/after{'/' if rule else ''}{rule}"


@pytest.mark.parametrize("country", [None, "XXX"])
def test_of_an_asylum_seeker_it_is_known_to_where_nothing_may_be_told(country):
    values = put(plain("smg-1"), "/content/persons/1/nationality", country)
    assert told(values) == ("/content/persons/1/nationality", "asylum-nationality")
    values = put(values, "/content/persons/1/protections", ["minor", "victim"])
    assert told(values) is None


def test_who_carries_papers_of_a_refugee_is_protected_as_one():
    values = plain("smg-1")
    values["content"]["persons"][1] |= {
        "documents": [PAPER],
        "protections": ["minor", "victim"],
    }
    assert told(values) == ("/content/persons/1/protections", "protection-told")
    values["content"]["persons"][1]["protections"] = ["asylum-seeker", "minor", "victim"]
    assert told(values) is None


def test_the_country_that_took_somebody_in_may_be_told():
    values = plain("smg-1")
    values["content"]["persons"][1]["documents"] = [PAPER]
    bulletin = decode(json.dumps(values).encode(), CODES)
    assert check_audience(bulletin, NARROW, NOW) is None
    values["content"]["persons"][1]["documents"] = [{**PAPER, "document_kind": "passport"}]
    bulletin = decode(json.dumps(values).encode(), CODES)
    with pytest.raises(Refusal) as caught:
        check_audience(bulletin, NARROW, NOW)
    assert caught.value.code is Code.ASYLUM_TO_ORIGIN


@pytest.mark.parametrize(
    "media_type", ["image/png", "video/mp4", "audio/mpeg", "application/zip"]
)
@pytest.mark.parametrize("name", ["mig-1", "smg-1"])
def test_no_picture_film_or_voice_of_people_on_the_move_travels(name, media_type):
    file = {"name": "x", "size": 1, "digest": "A" * 43, "key": "A" * 43}
    values = plain(name) | {"attachments": [{**file, "media_type": media_type}]}
    assert told(values) == ("/attachments/0/media_type", "no-pictures")


def flow(*numbers, total):
    values = plain("mig-1")
    cells = [
        {
            "nationality": "VEN",
            "sex": sex,
            "minority": minority,
            **({} if n is None else {"n": n}),
        }
        for n, (sex, minority) in zip(
            numbers,
            [(sex, age) for sex in "fmx" for age in ("adult", "child", "unaccompanied")],
            strict=False,
        )
    ]
    values["content"] |= {"flow": cells, "vulnerable": [], "total_persons": total}
    return values


@pytest.mark.parametrize(
    ("numbers", "total", "holds"),
    [
        ((10, 20), 30, True),
        ((10, 20), 31, False),
        ((10, 20), 29, False),
        # One without a number is the rest itself.
        ((10, None), 12, False),
        # Two are told by a rest of 2 or 8, and nearly by 3, 4 or 7.
        ((10, None, None), 12, False),
        ((10, None, None), 14, False),
        ((10, None, None), 15, True),
        ((10, None, None), 17, True),
        ((10, None, None), 18, False),
        # Six of one each, and of at most four.
        ((10, *[None] * 6), 16, False),
        ((10, *[None] * 6), 17, True),
        ((10, *[None] * 6), 33, True),
        ((10, *[None] * 6), 34, False),
        # Nought is a number, and points at nobody.
        ((10, 0, None, None), 15, True),
    ],
)
def test_a_total_agrees_and_gives_no_small_cell_away(numbers, total, holds):
    found = told(flow(*numbers, total=total))
    assert found == (None if holds else ("/content/total_persons", "small-cell-total"))


@pytest.mark.parametrize(
    ("numbers", "vulnerability", "n", "rule"),
    [
        ((10, None, None), "pregnant", 18, "small-cell-total"),
        ((10, None, None), "pregnant", 19, "vulnerable-within"),
        ((10, None, None), "pregnant", 17, None),
        # All are told: nothing is hidden.
        ((10, 20, 30), "pregnant", 60, None),
        # Of men, whom nobody counts as pregnant.
        ((10, 20, 30, None), "pregnant", 60, None),
        # One without a number: whoever of them is not in the others is in it.
        ((10, None), "ill-or-injured", 14, "small-cell-total"),
        ((10, None), "ill-or-injured", 13, "small-cell-total"),
        ((10, None), "ill-or-injured", 11, "small-cell-total"),
        ((10, None), "ill-or-injured", 10, None),
        ((10, None, None), "pregnant", 14, "small-cell-total"),
        ((10, None, None), "pregnant", 15, None),
        ((10, None), "older", 10, None),
    ],
)
def test_no_count_of_the_vulnerable_gives_a_small_cell_away(numbers, vulnerability, n, rule):
    values = flow(*numbers, total=None)
    values["content"]["vulnerable"] = [{"vulnerability": vulnerability, "n": n}]
    at = "/content/vulnerable/0/n"
    assert written_at(values) == (None if rule is None else (at, rule))
    # What no flow can be is refused by all; what was accepted once is warned of.
    if rule == "vulnerable-within":
        assert told(values) == (at, rule)
    else:
        assert warned(values) == ([] if rule is None else [("small-number", at)])


@pytest.mark.parametrize(("n", "passes"), [(10, True), (12, False), (15, True), (17, True)])
def test_vulnerable_of_a_known_total_give_no_small_cell_away(n, passes):
    values = flow(10, None, None, total=17)
    values["content"]["vulnerable"] = [{"vulnerability": "ill-or-injured", "n": n}]
    assert told(values) is None
    assert (written_at(values) is None) is passes


def test_where_the_total_is_told_all_of_them_may_be_vulnerable():
    values = flow(10, None, None, total=17)
    values["content"]["vulnerable"] = [{"vulnerability": "ill-or-injured", "n": 17}]
    assert told(values) is None


@pytest.mark.parametrize(
    ("before", "after", "passes"),
    [(50, 3, False), (3, 50, True), (50, 51, True), (50, 0, True)],
)
def test_no_correction_tells_a_total_that_points_at_people(before, after, passes):
    values = correcting("mig-1", "/content/total_persons", before, after)
    values["declares"] = []
    assert told(values) is None
    at = "/content/changes/0/after"
    assert written_at(values) == (None if passes else (at, "small-cell"))
    assert warned(values) == ([] if passes else [("small-number", at)])


@pytest.mark.parametrize(("before", "after", "side"), [(50, 3, "after"), (3, 50, "before")])
def test_no_correction_tells_a_cell_that_points_at_people(before, after, side):
    values = correcting("mig-1", "/content/flow/0/n", before, after)
    assert told(values) == (f"/content/changes/0/{side}", "small-cell")


@pytest.mark.parametrize(
    ("at", "value", "rule"),
    [
        ("/content/persons/0/suspicion", ..., "suspicion-basis"),
        ("/content/persons/1/surname", ..., None),
        ("/content/persons/1/protections", ["asylum-seeker", "minor"], "protection-told"),
    ],
)
def test_what_is_new_beside_somebody_excuses_nothing(at, value, rule):
    values = put(plain("smg-1"), at, value)
    if rule is None:
        values = put(values, "/content/persons/1/given_names", ...)
        rule = "person-named"
    for each in values["content"]["persons"]:
        each["eye_colour"] = "x"
    data = json.dumps({**values, "schema": "1.1"}).encode()
    with pytest.raises(Refusal) as caught:
        decode_newer(data, CODES, "1.1")
    assert caught.value.facts["expected"] == rule


def test_what_is_new_beside_a_small_cell_excuses_nothing():
    values = put(plain("mig-1"), "/content/flow/2/n", 3)
    values["content"]["flow"][2]["age_group"] = "x"
    with pytest.raises(Refusal) as caught:
        decode_newer(json.dumps({**values, "schema": "1.1"}).encode(), CODES, "1.1")
    assert caught.value.facts["expected"] == "small-cell"


def test_declared_people_are_not_for_a_community_though_nobody_is_named_by_field():
    values = put(plain("voi-1"), "/declares", ["persons"])
    bulletin = decode(json.dumps(values).encode(), CODES)
    marking = msgspec.structs.replace(NARROW, tlp="green")
    with pytest.raises(Refusal) as caught:
        check_audience(bulletin, marking, NOW)
    assert caught.value.code is Code.PERSONS_AUDIENCE


def test_a_list_of_codes_that_is_opened_or_closed_breaks_a_reader():
    before = validator("szr").schema
    after = copy.deepcopy(before)
    zone = after["$defs"]["codes-zones"]
    del zone["enum"]
    for first, second in ((before, after), (after, before)):
        found = differences(first, second)
        assert found
        assert not any(each.is_allowed for each in found if each.kind == "form-changed")
        assert "form-changed" in {each.kind for each in found}


def test_what_a_bulletin_answers_stays_when_another_is_made_up():
    pick = picks(4)
    target = plain("rpy-1")["content"]["target"]
    for _ in range(20):
        assert vary(plain("rpy-1"), CODES, pick)["content"]["target"] == target


def test_a_vulnerability_is_counted_once():
    values = plain("mig-1")
    values["content"]["vulnerable"][0] = {"vulnerability": "ill-or-injured", "n": 5}
    assert told(values) == ("/content/vulnerable", "cell-once")


def pregnant(n, women, men=30):
    values = flow(women, None, total=None)
    man = {"nationality": "VEN", "sex": "m", "minority": "adult", "n": men}
    values["content"]["flow"].append(man)
    values["content"]["vulnerable"] = [{"vulnerability": "pregnant", "n": n}]
    return decode(json.dumps(values).encode(), CODES)


@pytest.mark.parametrize(
    ("before", "after", "passes"),
    [
        # The cells were corrected, and what was counted among them now tells one.
        ((15, 20), (15, 13), False),
        ((15, 13), (15, 13), True),
        ((15, 13), (15, 20), True),
        ((15, 13), (16, 13), False),
        # Of others, whom it is not counted among.
        ((15, 13), (15, 13, 31), True),
    ],
)
def test_a_correction_is_held_to_what_it_makes_of_a_flow(before, after, passes):
    was, now = pregnant(*before), pregnant(*after)
    if passes:
        assert check_corrected(was, now) is None
        return
    with pytest.raises(Refusal) as caught:
        check_corrected(was, now)
    told = ("/content/vulnerable/0/n", "small-cell-total")
    assert (caught.value.at, caught.value.facts["expected"]) == told
