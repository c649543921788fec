"""Who may be told of people: each rule alone, before sealing and on opening."""

from __future__ import annotations

import json

import msgspec
import pytest

from exchange.errors import Code, Refusal
from exchange.model import draft
from exchange.model.bulletin import check_audience, check_onward, decode, decode_newer
from tests.model.bulletins import CODES, INDEX, drafted, example, plain, put

NAME = "smg-1.es.toml"
NOW = 1795620000
NARROW = drafted(NAME).post.marking


def refused(bulletin, issued=NOW, **changes):
    try:
        check_audience(bulletin, msgspec.structs.replace(NARROW, **changes), issued)
    except Refusal as refusal:
        return refusal.code, refusal.at
    return None


def test_the_example_may_go_to_whom_it_is_marked_for():
    assert refused(example(NAME)) is None


@pytest.mark.parametrize("tlp", ["green", "clear"])
def test_who_is_named_is_not_named_to_a_community(tlp):
    assert refused(example("ocn-1"), tlp=tlp) == (Code.PERSONS_AUDIENCE, "/marking/tlp")
    assert refused(example("ocn-2"), tlp=tlp) is None
    assert refused(example("crm-2"), tlp=tlp) == (Code.PERSONS_AUDIENCE, "/marking/tlp")


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"tlp": "amber"}, "/marking/tlp"),
        ({"handling": ["h0"]}, "/marking/handling"),
        ({"originator_control": False}, "/marking/handling"),
    ],
)
def test_who_is_protected_is_named_to_few(changes, at):
    assert refused(example(NAME), **changes) == (Code.PROTECTED_PERSONS, at)
    assert refused(example("ocn-1"), **changes) is None


def test_that_somebody_seeks_asylum_is_not_told_to_their_country():
    changes = {"releasable_to": ["PAN", "USA", "VEN"]}
    told = (Code.ASYLUM_TO_ORIGIN, "/marking/releasable_to")
    assert refused(example(NAME), **changes) == told
    values = put(plain(NAME), "/content/persons/1/protections", ["minor", "victim"])
    other = decode(json.dumps(values).encode(), CODES)
    assert refused(other, **changes) is None


@pytest.mark.parametrize(
    ("by", "holds"),
    [
        ("2026-11-25T15:20:00Z", False),
        ("2026-11-25T15:20:01Z", True),
        ("2031-11-29T15:20:00Z", True),
        ("2031-11-29T15:20:01Z", False),
    ],
)
def test_a_person_is_reviewed_within_five_years(by, holds):
    values = put(plain("crm-2"), "/content/person/review_by", by)
    found = refused(decode(json.dumps(values).encode(), CODES))
    assert found == (None if holds else (Code.WRONG_VALUE, "/content/person/review_by"))


@pytest.mark.parametrize(
    ("name", "declares"),
    [
        ("smg-1.es.toml", ["persons", "protected-person"]),
        ("smg-2.en.toml", []),
        ("ocn-1.es.toml", ["persons"]),
        ("crm-1.es.toml", []),
        ("crm-2.en.toml", ["persons"]),
    ],
)
def test_what_a_node_must_enforce_is_declared_without_being_asked_for(name, declares):
    assert "declares" not in drafted(name).bulletin
    assert example(name).declares == declares


def test_an_author_cannot_leave_a_declaration_out():
    read = drafted(NAME)
    text = draft.Draft(read.post, {**read.bulletin, "declares": []})
    with pytest.raises(Refusal) as caught:
        draft.complete(text, codes=CODES, **INDEX[NAME])
    assert caught.value.facts["expected"] == "persons-declared"


def test_what_is_declared_binds_though_nobody_is_named():
    values = put(plain("voi-1"), "/declares", ["persons", "protected-person"])
    told = decode(json.dumps(values).encode(), CODES)
    assert refused(told) is None
    assert refused(told, tlp="amber") == (Code.PROTECTED_PERSONS, "/marking/tlp")


def test_papers_of_a_country_tell_as_much_as_its_nationality():
    values = plain(NAME)
    values["content"]["persons"][1]["documents"] = [
        {"document_kind": "passport", "document_number": "EX1", "issued_by": "COL"}
    ]
    told = decode(json.dumps(values).encode(), CODES)
    origin = (Code.ASYLUM_TO_ORIGIN, "/marking/releasable_to")
    assert refused(told, releasable_to=["COL", "PAN"]) == origin
    assert refused(told, releasable_to=["PAN", "USA"]) is None


@pytest.mark.parametrize(
    ("born", "holds"),
    [
        ("2008-11-25", True),
        ("2008-11-26", False),
        ("2008-12", False),
        ("2008", True),
        (None, True),
    ],
)
def test_who_is_certainly_a_minor_is_protected_as_one(born, holds):
    values = put(plain("crm-2"), "/content/person/birth_date", born)
    found = refused(decode(json.dumps(values).encode(), CODES))
    assert found == (None if holds else (Code.WRONG_VALUE, "/content/person/protections"))


def test_a_missing_child_is_named_to_few():
    values = plain("crm-2")
    values["content"] |= {"notice_class": "missing-person"}
    for name in ("warrant", "court", "offences"):
        del values["content"][name]
    values["content"]["person"] |= {
        "person_role": "missing",
        "birth_date": "2015",
        "protections": ["minor"],
    }
    values["declares"] = ["persons", "protected-person"]
    told = decode(json.dumps(values).encode(), CODES)
    assert refused(told) is None
    assert refused(told, tlp="amber") == (Code.PROTECTED_PERSONS, "/marking/tlp")


@pytest.mark.parametrize(
    ("to", "place"),
    [
        (["pa.mp", "us.ice", "int.unhcr"], None),
        # Whose two letters these are is not known here: nothing is let go to a guess.
        (["pa.mp", "ve.sebin"], 1),
        (["cr.sp"], 0),
    ],
)
def test_leave_to_pass_on_tells_nobody_of_an_asylum_seeker_at_home(to, place):
    found = None
    try:
        check_onward(example(NAME), to)
    except Refusal as refusal:
        found = (refusal.code, refusal.at)
    expected = (Code.ASYLUM_TO_ORIGIN, f"/bulletin/content/proposed_to/{place}")
    assert found == (None if place is None else expected)
    # Of others who are named nothing is asked.
    check_onward(example("ocn-1"), to)


def test_leave_is_refused_for_one_of_the_two_nations_that_was_fled():
    values = put(plain(NAME), "/content/persons/1/nationality", "PAN")
    fled = decode(json.dumps(values).encode(), CODES)
    with pytest.raises(Refusal) as caught:
        check_onward(fled, ["us.ice", "pa.mp"])
    assert caught.value.at == "/bulletin/content/proposed_to/1"


def test_leave_is_refused_of_whoever_may_have_fled_in_a_newer_versions_words():
    values = put(
        plain(NAME), "/content/persons/1/protections", ["minor", "stateless", "victim"]
    )
    elsewhere = plain(NAME)
    [_, somebody] = elsewhere["content"]["persons"]
    elsewhere["content"]["persons"].pop()
    elsewhere["content"]["crew"] = [somebody]
    for each in (values, elsewhere):
        read = decode_newer(json.dumps({**each, "schema": "1.1"}).encode(), CODES, "1.1")
        check_onward(read.bulletin, ["pa.mp"], read.unknown)
        with pytest.raises(Refusal) as caught:
            check_onward(read.bulletin, ["pa.mp", "ve.sebin"], read.unknown)
        assert caught.value.code is Code.ASYLUM_TO_ORIGIN
