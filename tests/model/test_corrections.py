"""A correction goes round no guard-rail: people and cells in it are held to the same."""

from __future__ import annotations

import json

import msgspec
import pytest

from exchange.errors import Code, Refusal
from exchange.model.bulletin import changes, check_audience, corrected, decode
from exchange.model.bulletin.people_rules import persons
from tests.model.bulletins import CODES, drafted, example, plain, put, said, verdict
from tests.model.correcting import correcting

NOW = 1795620000
ILL = {"vulnerability": "ill-or-injured", "n": 3}
PACKED = {"qualifier": "exact", "count": "field", "packages": 40}
NARROW = drafted("smg-1.es.toml").post.marking


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
        ("mig-1", ("/content/flow/0/n", 71, 2), "/content/changes/0/after"),
        ("mig-1", ("/content/flow/0/n", 3, 71), "/content/changes/0/before"),
        ("mig-1", ("/content/vulnerable", [ILL], None), "/content/changes/0/before/0/n"),
        ("mig-1", ("/content/vulnerable/1", None, ILL), "/content/changes/0/before"),
        ("dcf-1", ("/content/window_key", "A" * 43, None), "/content/changes/0/pointer"),
    ],
)
def test_what_the_bulletin_itself_may_not_say_its_correction_may_not(name, change, told):
    values = correcting(name, change)
    assert said(values) == ("wrong-value", told)


@pytest.mark.parametrize(
    ("name", "change", "code", "told"),
    [
        ("smg-1", ("/content/persons/1", {}, person()), "missing-member", "before/ref"),
        ("smg-1", whole(suspicion=5), "wrong-type", "after/suspicion"),
        ("smg-1", whole(face_image="x"), "unknown-member", "after/face_image"),
        (
            "smg-1",
            ("/content/persons", [person()], [person(face="x")]),
            "unknown-member",
            "after/0/face",
        ),
        (
            "smg-1",
            whole(suspicion=None, person_role="suspect"),
            "wrong-value",
            "after/suspicion",
        ),
        ("ocn-1", ("/content/network", "A", [person()]), "wrong-type", "after"),
        (
            "ocn-1",
            ("/content/organizations/0", {}, [[person()]]),
            "missing-member",
            "before/ref",
        ),
        ("szr-1", ("/content/modality", "adrift", "nonsense"), "wrong-value", "after"),
        ("voi-2", ("/content/vessel/imo", "9074729", "1234568"), "wrong-value", "after"),
        ("szr-1", ("/content/drugs", None, True), "wrong-type", "after"),
        ("szr-1", ("/observed", None, "hello"), "wrong-value", "after"),
        ("szr-1", ("/observed", None, "2026-11-23T13:01:00-05:00"), "wrong-value", "after"),
        ("szr-1", ("/content/event", "A", "A\nB"), "wrong-value", "after"),
        (
            "mig-1",
            ("/content/trend", "falling", "Juan Perez, 3 minors"),
            "wrong-value",
            "after",
        ),
        ("mig-1", ("/content/flow/0", ["JUAN PEREZ"], {}), "wrong-type", "before"),
        ("mig-1", ("/content/flow/0/n", 71, 3.0), "wrong-type", "after"),
        ("mig-1", ("/content/flow/0/n", 71, 72.0), "wrong-type", "after"),
        ("mig-1", ("/content/flow/0/n", 71, "3"), "wrong-type", "after"),
        ("mig-1", ("/content/flow/0/n", 71, {"n": {"x": 2}}), "wrong-type", "after"),
        ("mig-1", ("/content/flow/0/n", True, 71), "wrong-type", "before"),
        ("szr-1", ("/content/modality", "adrift", None), "wrong-value", "after"),
        ("szr-1", ("/content/drugs/0", {}, None), "wrong-value", "after"),
        ("szr-1", ("/content/drugs/0/quantity/value", 850, 9), "wrong-value", "pointer"),
        (
            "szr-1",
            ("/content/drugs/0/quantity", PACKED, {**PACKED, "value": 40, "unit": "kg"}),
            "wrong-value",
            "after/basis",
        ),
        (
            "voi-1",
            ("/content/seen/place/geometry/coordinates/0", 1, 2),
            "wrong-value",
            "pointer",
        ),
        ("cor-1", ("/content/changes/0/after", None, person()), "wrong-value", "pointer"),
        ("cor-1", ("/content/changes", [], [{}]), "wrong-value", "pointer"),
        ("voi-1", ("/content/vessel/former_names/01", "A", "B"), "wrong-value", "pointer"),
        ("szr-1", ("/grading/reliability", "b", "a"), "wrong-value", "pointer"),
        ("smg-1", ("/content/persons/1/ref", "p2", "p3"), "wrong-value", "pointer"),
        ("voi-1", ("/content/vessel/former_names", [], ["A\nB"]), "wrong-value", "after/0"),
        ("voi-1", ("/content/vessel/former_names", [], [None]), "wrong-type", "after/0"),
        ("smg-1", ("/content/persons/1", person(), None), "wrong-value", "after"),
    ],
)
def test_what_could_not_stand_in_a_bulletin_does_not_stand_in_a_correction(
    name, change, code, told
):
    assert said(correcting(name, change)) == (code, f"/content/changes/0/{told}")


@pytest.mark.parametrize("name", ["smg-1", "ocn-1", "crm-2", "dcf-1", "szr-1"])
def test_the_content_as_a_whole_is_not_corrected(name):
    content = plain(name)["content"]
    after = {**content, "network": "EXERCISE"}
    for declares in ((), ("persons", "protected-person")):
        values = correcting(name, ("/content", content, after), declares=declares)
        assert said(values) == ("wrong-value", "/content/changes/0/pointer")


def test_what_was_said_before_there_was_a_rule_can_be_corrected():
    transfer = {"from_ref": "w1", "to_ref": "w1", "money": {"amount": 1, "currency": "USD"}}
    right = {**transfer, "to_ref": "o1"}
    values = correcting("ocn-1", ("/content/transfers/0", transfer, right), declares=())
    assert decode(json.dumps(values).encode(), CODES)
    values = correcting("ocn-1", ("/content/transfers/0", right, transfer), declares=())
    assert said(values) == ("wrong-value", "/content/changes/0/after/to_ref")


def test_a_review_that_is_overdue_can_be_corrected():
    was, will = "2026-11-20T00:00:00Z", "2027-11-20T00:00:00Z"
    for before, after, passes in ((was, will, True), (will, was, False)):
        change = ("/content/persons/1", person(review_by=before), person(review_by=after))
        told = decode(json.dumps(correcting("smg-1", change)).encode(), CODES)
        if passes:
            assert check_audience(told, NARROW, NOW) is None
            continue
        with pytest.raises(Refusal) as caught:
            check_audience(told, NARROW, NOW)
        assert caught.value.at == "/content/changes/0/after/review_by"


def test_nobody_is_sent_home_by_what_a_correction_takes_back():
    change = ("/content/persons/1", person(), person(nationality="COL"))
    told = decode(json.dumps(correcting("smg-1", change)).encode(), CODES)
    wide = msgspec.structs.replace(NARROW, releasable_to=["PAN", "VEN"])
    with pytest.raises(Refusal) as caught:
        check_audience(told, wide, NOW)
    assert caught.value.code is Code.ASYLUM_TO_ORIGIN


@pytest.mark.parametrize(
    ("name", "media_type", "passes"),
    [
        ("smg-1", "image/jpeg", False),
        ("mig-1", "audio/wav", False),
        ("mig-1", "application/octet-stream", False),
        ("smg-1", "application/pdf", True),
        ("szr-1", "image/jpeg", True),
    ],
)
def test_no_picture_travels_beside_people_on_the_move_nor_beside_their_correction(
    name, media_type, passes
):
    told = {
        "name": "x",
        "media_type": media_type,
        "size": 1,
        "digest": "A" * 43,
        "key": "A" * 43,
    }
    title = ("/title/text", "A", "B")
    for values in (plain(name), correcting(name, title, declares=())):
        values["attachments"] = [told]
        if passes:
            assert decode(json.dumps(values).encode(), CODES)
        else:
            assert said(values) == ("wrong-value", "/attachments/0/media_type")


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


@pytest.mark.parametrize(
    "before",
    [
        {"lang": "en", "text": "A", "translations": []},
        {"lang": "en", "text": "A", "translations": [], "weather": None},
    ],
)
def test_what_says_nothing_makes_no_difference_to_what_was_said_before(before):
    values = put(plain("szr-1"), "/remarks", {"lang": "en", "text": "A"})
    target = decode(json.dumps(values).encode(), CODES)
    correction = correcting("szr-1", ("/remarks", before, {"lang": "en", "text": "B"}))
    refused = verdict(correction)
    if "weather" in before:
        assert refused.code is Code.UNKNOWN_MEMBER
        return
    made = corrected(target, decode(json.dumps(correction).encode(), CODES), CODES)
    assert made.remarks.text == "B"


def test_nobody_is_named_where_a_type_has_no_place_for_it_nor_missed_where_it_has():
    named = {"/content/persons/0", "/content/persons/1"}
    assert {at for at, _ in persons(example("smg-1"))} == named
    assert [at for at, _ in persons(example("crm-2"))] == ["/content/person"]
    assert list(persons(example("voi-1"))) == []
    values = correcting("smg-1", ("/content/persons", [person()], [person(), person()]))
    told = decode(json.dumps(values).encode(), CODES)
    at = "/content/changes/0"
    assert [each for each, _ in persons(told)] == [
        f"{at}/before/0",
        f"{at}/after/0",
        f"{at}/after/1",
    ]
