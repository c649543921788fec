"""A correction goes round no guard-rail: people and cells in it are held to the same."""

from __future__ import annotations

import json

import msgspec
import pytest

from exchange.errors import Code, Refusal
from exchange.model.bulletin import changes, check_audience, decode
from tests.model.bulletins import CODES, drafted, example, plain, put, said

NOW = 1795620000
OTHER = "0192f3a0-0000-7000-8000-0000000000fe"
NARROW = drafted("smg-1.es.toml").post.marking


def correcting(name, *changed, declares=("persons", "protected-person")):
    """A correction of an example, with these changes."""
    target = plain(name)
    values = plain("cor-1") | {"id": OTHER, "declares": list(declares)}
    values["content"]["target"] = {name: target[name] for name in ("id", "origin", "type")}
    values["content"]["changes"] = [
        dict(zip(("pointer", "before", "after"), each, strict=True)) for each in changed
    ]
    return values


def person(**more):
    return plain("smg-1")["content"]["persons"][1] | more


def whole(**more):
    return ("/content/persons/1", person(), person(**more))


def test_a_person_is_corrected_whole_and_declared():
    values = correcting("smg-1", whole(birth_date="2011"))
    assert decode(json.dumps(values).encode(), CODES)
    for declares, rule in ((["persons"], "protected-declared"), ([], "persons-declared")):
        with pytest.raises(Refusal) as caught:
            decode(json.dumps(values | {"declares": declares}).encode(), CODES)
        assert caught.value.facts["expected"] == rule


def test_who_it_may_be_told_to_is_as_narrow():
    values = correcting("smg-1", whole(birth_date="2011"))
    told = decode(json.dumps(values).encode(), CODES)
    assert check_audience(told, NARROW, NOW) is None
    for change, code in (
        ({"tlp": "amber"}, Code.PROTECTED_PERSONS),
        ({"releasable_to": ["PAN", "VEN"]}, Code.ASYLUM_TO_ORIGIN),
    ):
        with pytest.raises(Refusal) as caught:
            check_audience(told, msgspec.structs.replace(NARROW, **change), NOW)
        assert caught.value.code is code


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("smg-1", ("/content/persons/1/surname", "A", "B"), "/content/changes/0/pointer"),
        ("smg-1", ("/content/persons/1", {}, None), "/content/changes/0/before"),
        ("smg-1", whole(suspicion=5), "/content/changes/0/after"),
        ("smg-1", whole(face_image="x"), "/content/changes/0/after"),
        (
            "smg-1",
            ("/content/persons", [person()], [person(face="x")]),
            "/content/changes/0/after/0",
        ),
        ("mig-1", ("/content/flow/0/n", 71, 2), "/content/changes/0/after"),
        ("mig-1", ("/content/flow/0/n", 3, 71), "/content/changes/0/before"),
        ("mig-1", ("/content/vulnerable/1", {"n": 3}, None), "/content/changes/0/before/n"),
        ("dcf-1", ("/content/window_key", "A" * 43, None), "/content/changes/0/pointer"),
    ],
)
def test_what_the_bulletin_itself_may_not_say_its_correction_may_not(name, change, told):
    values = correcting(name, change)
    assert said(values) == ("wrong-value", told)


def test_a_member_that_the_target_has_not_is_not_brought_in():
    change = ("/content/place", {"name": "A"}, {"name": "A", "face": "B"})
    values = correcting("szr-1", change, declares=())
    assert said(values) == ("unknown-member", "/content/changes/0/after/face")


def test_the_difference_of_two_versions_names_a_person_whole():
    before = example("smg-1")
    values = put(plain("smg-1"), "/content/persons/1/surname", "OTHER")
    (change,) = changes(before, decode(json.dumps(values).encode(), CODES))
    assert change.pointer == "/content/persons/1"
    assert change.after["surname"] == "OTHER"
    corrects = correcting("smg-1", (change.pointer, change.before, change.after))
    assert decode(json.dumps(corrects).encode(), CODES)
