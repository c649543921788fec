"""Drafts out of other systems' STIX: all of what is ours, the plain words of what is not."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import gateway
from exchange.errors import Refusal
from exchange.model import draft as drafts
from tests.gateway.handed import SHORT, exported, filled
from tests.model.bulletins import CODES, NAMES, drafted, example

BACK = [name for name in SHORT if name[:3] in ("voi", "szr")]
AMBER = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"
CLEAR = "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9"
GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
VESSEL = {
    "type": "infrastructure",
    "id": "infrastructure--1",
    "name": "EXERCISE HERON",
    "aliases": ["EXERCISE EGRET"],
    "description": "EXERCISE. No lights.",
    "object_marking_refs": [AMBER],
}
SIGHTING = {
    "type": "sighting",
    "object_marking_refs": [AMBER],
    "sighting_of_ref": "infrastructure--1",
    "last_seen": "2026-11-20T10:00:00.500Z",
    "where_sighted_refs": ["location--1"],
}
PLACE = {
    "type": "location",
    "id": "location--1",
    "object_marking_refs": [AMBER],
    "longitude": -80.25,
    "latitude": 7.5,
    "precision": 500.0,
    "administrative_area": "PA-7",
}
REPORT = {
    "type": "report",
    "name": "EXERCISE: una lancha",
    "lang": "es",
    "object_refs": ["infrastructure--1"],
    "object_marking_refs": [GREEN],
}
INCIDENT = {"type": "incident", "name": "EXERCISE: packages adrift", "description": "Adrift."}


def bundle(*objects):
    return json.dumps({"type": "bundle", "id": "bundle--1", "objects": objects}).encode()


def imported(data, type_="voi"):
    return gateway.imported(data, "stix", type_, "en", CODES)


def values(data, type_="voi"):
    return tomllib.loads(imported(data, type_).draft)


def refused(data, type_="voi"):
    with pytest.raises(Refusal) as caught:
        imported(data, type_)
    return caught.value.code.value


@pytest.mark.parametrize("lang", ["es", "en"])
@pytest.mark.parametrize("name", BACK)
def test_our_own_bundle_is_imported_without_loss(name, lang):
    made = gateway.imported(exported(name, "stix", lang), "stix", name[:3], lang, CODES)
    assert made.missing == ["/post/feed", "/post/expires", "/post/retain"]
    again = drafts.read_draft(filled(made.draft), toml=True)
    was = example(name)
    assert drafts.complete(again, id=was.id, origin=was.origin, codes=CODES) == was
    file = next(found for found in NAMES if found.startswith(name))
    for part in ("marking", "status", "precedence"):
        assert getattr(again.post, part) == getattr(drafted(file).post, part)


def test_of_anothers_vessel_the_plain_words_of_stix_are_taken():
    draft = values(bundle(REPORT, VESSEL, SIGHTING, PLACE))
    assert draft["post"] == {"marking": {"tlp": "amber"}}
    told = draft["bulletin"]
    assert told["title"] == {"lang": "es", "text": "EXERCISE: una lancha"}
    assert told["content"]["vessel"] == {
        "name": "EXERCISE HERON",
        "former_names": ["EXERCISE EGRET"],
    }
    # Where STIX names no language, it is English.
    assert told["content"]["suspicion"] == {"lang": "en", "text": "EXERCISE. No lights."}
    assert f"{told['content']['seen']['at']:%Y-%m-%dT%H:%M:%SZ}" == "2026-11-20T10:00:00Z"
    assert told["content"]["seen"]["place"] == {
        "geometry": {"type": "Point", "coordinates": [-80.25, 7.5]},
        "accuracy_m": 500.0,
        "subdivision": "PA-7",
    }


def test_what_the_source_lacks_is_marked_and_not_made_up():
    made = imported(bundle(REPORT, VESSEL))
    assert "# MISSING: notice = " in made.draft
    assert "# MISSING: releasable_to = " in made.draft
    assert made.missing == [
        "/post/feed",
        "/post/precedence",
        "/post/status",
        "/post/marking/releasable_to",
        "/post/marking/handling",
        "/post/marking/originator_control",
        "/post/expires",
        "/post/retain",
        "/bulletin/content/notice",
        "/bulletin/content/action",
    ]
    with pytest.raises(Refusal, match="missing-member /post/"):
        drafts.read_draft(made.draft.encode(), toml=True)


def test_the_draft_is_accepted_once_the_missing_is_written():
    made = imported(bundle(REPORT, VESSEL)).draft
    marking = 'releasable_to = ["PAN"]\nhandling = []\noriginator_control = true\n'
    made = made.replace("[post.marking]\n", f"[post.marking]\n{marking}")
    made = made.replace("[post]\n", '[post]\nprecedence = "routine"\nstatus = "exercise"\n')
    about = 'notice = "lookout"\naction = "report"\n'
    made = made.replace("[bulletin.content]\n", f"[bulletin.content]\n{about}")
    draft = drafts.read_draft(filled(made), toml=True)
    bulletin = drafts.complete(draft, id=example("voi-1").id, origin="pa.senan", codes=CODES)
    assert bulletin.content.vessel.name == "EXERCISE HERON"


def test_of_anothers_seizure_the_text_and_the_only_place_are_taken():
    told = values(bundle(INCIDENT, PLACE), "szr")["bulletin"]
    assert told["title"]["text"] == "EXERCISE: packages adrift"
    assert told["remarks"]["text"] == "Adrift."
    assert told["content"]["place"]["subdivision"] == "PA-7"
    other = {**PLACE, "id": "location--2"}
    assert values(bundle(INCIDENT, PLACE, other), "szr")["bulletin"]["content"]["place"] == {}


def test_the_newest_sighting_and_the_narrowest_marking_hold():
    older = {**SIGHTING, "last_seen": "2026-11-19T10:00:00Z", "object_marking_refs": [RED]}
    draft = values(bundle(REPORT, VESSEL, SIGHTING, older, PLACE))
    assert draft["post"]["marking"]["tlp"] == "red"
    assert draft["bulletin"]["content"]["seen"]["at"].day == 20


def marked(definition):
    """A vessel that is GREEN, and marked by somebody's own definition."""
    vessel = {**VESSEL, "object_marking_refs": [GREEN, "marking-definition--1"]}
    told = {"type": "marking-definition", "id": "marking-definition--1", **definition}
    return bundle(REPORT, vessel, told)


def test_a_marking_of_a_part_and_one_of_somebodys_own_count_too():
    part = [{"marking_ref": RED, "selectors": ["description"]}]
    vessel = {**VESSEL, "object_marking_refs": [GREEN], "granular_markings": part}
    assert values(bundle(REPORT, vessel))["post"] == {"marking": {"tlp": "red"}}
    own = {"definition_type": "tlp", "name": "TLP:RED", "definition": {"tlp": "red"}}
    assert values(marked(own))["post"] == {"marking": {"tlp": "red"}}


def test_a_marking_that_is_not_understood_leaves_the_tlp_missing_and_is_told():
    own = {"definition_type": "statement", "definition": {"statement": "ORCON"}}
    for definition, name in ((own, "ORCON"), ({"definition": 7}, "marking-definition--1")):
        made = imported(marked(definition))
        assert "/post/marking" in made.missing
        assert gateway.Noted("marking", name) in made.noted
    for strange in ({"object_marking_refs": RED[:-1]}, {"granular_markings": [7]}):
        assert "/post/marking" in imported(bundle(REPORT, {**VESSEL, **strange})).missing


def test_a_bundle_of_ours_that_was_narrowed_on_its_way_stays_narrow():
    made = json.loads(exported("voi-1", "stix"))
    for each in made["objects"]:
        if each["type"] == "report":
            each["object_marking_refs"].append(RED)
    marking = values(json.dumps(made).encode())["post"]["marking"]
    assert (marking["tlp"], marking["handling"]) == ("red", ["h2"])


@pytest.mark.parametrize("bare", range(4))
def test_a_tlp_is_taken_only_where_all_that_is_taken_has_one(bare):
    made = [dict(each) for each in (VESSEL, REPORT, SIGHTING, PLACE)]
    made[bare]["object_marking_refs"] = []
    told = imported(bundle(*made))
    assert "/post/marking" in told.missing
    assert gateway.Noted("tlp", "amber") in told.noted
    # Neither a marking of a part of it, nor of what stands beside it, says anything of it.
    beside = {"type": "malware", "id": "malware--1", "object_marking_refs": [CLEAR]}
    who = {**beside, "type": "identity"}
    part = [{"marking_ref": CLEAR, "selectors": ["name"]}]
    made[bare]["granular_markings"] = part
    assert "/post/marking" in imported(bundle(*made, beside, who)).missing
    # What a definition is marked with says nothing of what it marks.
    own = {
        "type": "marking-definition",
        "id": "marking-definition--1",
        "definition": {},
        "object_marking_refs": [CLEAR],
        "granular_markings": part,
    }
    made[bare]["object_marking_refs"] = [own["id"]]
    assert "/post/marking" in imported(bundle(*made, own)).missing


def test_what_stands_beside_narrows_a_tlp():
    who = {"type": "identity", "id": "identity--1", "object_marking_refs": [RED]}
    assert values(bundle(REPORT, VESSEL, who))["post"]["marking"]["tlp"] == "red"


def test_the_title_is_of_the_one_report_that_refers_to_it():
    other = {**REPORT, "name": "EXERCISE: another matter", "object_refs": ["malware--1"]}
    title = values(bundle(other, REPORT, VESSEL))["bulletin"]["title"]
    assert title["text"] == "EXERCISE: una lancha"
    # Of none, or of several, it is its own name.
    for several in ((other,), (REPORT, REPORT)):
        title = values(bundle(*several, VESSEL))["bulletin"]["title"]
        assert title["text"] == "EXERCISE HERON"


def test_what_was_revoked_is_told_and_a_sighting_that_was_is_not_taken():
    gone = {"revoked": True}
    for made in ((VESSEL, {**REPORT, **gone}), ({**VESSEL, **gone}, REPORT)):
        assert gateway.Noted("bears", "revoked") in imported(bundle(*made)).noted
    newer = {**SIGHTING, **gone, "last_seen": "2026-11-21T10:00:00Z"}
    told = imported(bundle(VESSEL, REPORT, SIGHTING, newer, PLACE))
    assert told.noted == []
    assert tomllib.loads(told.draft)["bulletin"]["content"]["seen"]["at"].day == 20


def test_of_several_versions_of_an_object_the_one_modified_last_is_read():
    def version(of, modified, **changes):
        return {"id": "x--1", **of, "modified": f"2026-11-20T10:00:00{modified}Z", **changes}

    sighted = version(SIGHTING, ""), version(SIGHTING, ".5", revoked=True)
    named = (
        version(REPORT, ".5", id="x--2"),
        version(REPORT, "", id="x--2", name="EXERCISE old"),
    )
    red = version(REPORT, "", id="x--2", object_marking_refs=[RED])
    told = values(bundle(VESSEL, *sighted, *named, PLACE))["bulletin"]
    assert "seen" not in told["content"]
    assert told["title"]["text"] == "EXERCISE: una lancha"
    # What marked an earlier one still narrows.
    assert values(bundle(VESSEL, red, named[0]))["post"]["marking"]["tlp"] == "red"


def test_the_marking_of_another_bulletin_in_the_bundle_is_not_taken():
    ours = json.loads(exported("voi-1", "stix"))["objects"]
    markings = [each for each in ours if each["type"] == "marking-definition"]
    made = imported(bundle(REPORT, VESSEL, SIGHTING, PLACE, *markings))
    wanted = {f"/post/marking/{name}" for name in ("releasable_to", "handling")}
    assert {*wanted, "/post/status", "/post/precedence"} <= set(made.missing)
    # Nor where what it has itself leads nowhere, with or without the right one beside it.
    (report,) = [each for each in ours if each["type"] == "report"]
    for besides in (report["object_marking_refs"], []):
        report["object_marking_refs"] = [*besides, "marking-definition--1"]
        made = imported(json.dumps({"type": "bundle", "objects": ours}).encode())
        assert {"/post/marking", "/post/status", "/post/precedence"} <= set(made.missing)
        assert gateway.Noted("marking", "marking-definition--1") in made.noted


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "malformed"),
        (b"[]", "malformed"),
        (b'{"type":"report"}', "malformed"),
        (b'{"type":"bundle"}', "malformed"),
        (b'{"type":"bundle","objects":[1]}', "malformed"),
        (b'{"type":"bundle","objects":[{"a":' + b"[" * 100_000, "malformed"),
        (b"\xff", "malformed"),
        (b" " * (4 * 1024 * 1024 + 1), "oversized"),
        (bundle(), "nothing-to-import"),
        (bundle(REPORT, PLACE), "nothing-to-import"),
        (bundle(VESSEL, {**VESSEL, "id": "infrastructure--2"}), "nothing-to-import"),
        (exported("szr-1", "stix"), "nothing-to-import"),
        (exported("rfi-1", "stix"), "nothing-to-import"),
    ],
    ids=range(13),
)
def test_a_file_that_holds_none_is_refused(data, told):
    assert refused(data) == told


def test_our_extension_with_values_of_another_kind_is_refused_at_the_member():
    made = json.loads(exported("voi-1", "stix"))
    (report,) = [each for each in made["objects"] if each["type"] == "report"]
    (told,) = report["extensions"].values()
    for value in (7, [], "vessel", [1]):
        told["bulletin"]["content"]["vessel"] = value
        with pytest.raises(Refusal) as caught:
            imported(json.dumps(made).encode())
        assert (caught.value.code.value, caught.value.at) == (
            "wrong-type",
            "/bulletin/content/vessel",
        )


@pytest.mark.parametrize("value", [7, "drugs", {"drug": "heroin"}, True])
@pytest.mark.parametrize("member", ["drugs", "conveyance/former_names"])
def test_what_is_no_list_is_refused_where_a_list_belongs(member, value):
    made = json.loads(exported("szr-1", "stix"))
    (report,) = [each for each in made["objects"] if each["type"] == "report"]
    (told,) = report["extensions"].values()
    *path, last = member.split("/")
    here = told["bulletin"]["content"]
    for step in path:
        here = here[step]
    here[last] = value
    with pytest.raises(Refusal) as caught:
        imported(json.dumps(made).encode(), "szr")
    assert (caught.value.code.value, caught.value.at) == (
        "wrong-type",
        f"/bulletin/content/{member}",
    )


def test_values_nested_too_deep_for_a_draft_are_refused():
    data = exported("voi-1", "stix")
    deep = b'"notice":' + b"[" * 600 + b"]" * 600
    with pytest.raises(Refusal, match="too-deep"):
        imported(data.replace(b'"notice":"sighting"', deep))


def test_text_of_a_source_is_quoted_and_adds_no_line():
    nasty = 'x"\n[post]\nfeed = "other"\n\x7f\\'
    draft = imported(bundle({**REPORT, "name": nasty}, VESSEL)).draft
    assert tomllib.loads(draft)["bulletin"]["title"]["text"] == nasty
    assert draft.count("\n[post]\n") == 1


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    [
        "vessel",
        "seen",
        "notice",
        "eta",
        "suspicion",
        "persons_on_board",
        "last_port",
        "geometry",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(MEMBERS, VALUES, max_size=4), VALUES)
def test_any_values_in_our_extension_give_a_draft_or_a_refusal(content, title):
    made = json.loads(exported("voi-1", "stix"))
    (report,) = [each for each in made["objects"] if each["type"] == "report"]
    (told,) = report["extensions"].values()
    told["bulletin"]["content"] = content
    told["bulletin"]["title"] = title
    try:
        draft = imported(json.dumps(made).encode()).draft
    except Refusal:
        return
    tomllib.loads(draft)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_give_a_draft_or_a_refusal(data):
    for source in gateway.SOURCES:
        try:
            tomllib.loads(gateway.imported(data, source, "szr", "en", CODES).draft)
        except Refusal:
            continue


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.text(max_size=20))
def test_any_cell_gives_a_draft_or_a_refusal(cell, row):
    quoted = cell.replace('"', '""')
    told = row.replace('"', '""')
    head = "row,type,content.seized_at,content.place.name"
    data = f'{head}\r\n"{told}",szr,"{quoted}","{quoted}"\r\n'
    try:
        made = gateway.imported(data.encode(), "csv", "szr", "en", CODES)
    except Refusal:
        return
    tomllib.loads(made.draft)


@pytest.mark.parametrize(
    "column",
    [
        "content.seen.place.geometry.coordinates",
        "content.vessel.former_names.500000000",
        "content.vessel.former_names.0",
        "post.refs.1.id",
        "x.0",
    ],
)
def test_a_column_that_is_no_member_is_left_aside(column):
    cells = ("[1, 2]", "1", "x")
    for cell in cells:
        data = f'row,type,content.notice,{column}\r\nbulletin,voi,lookout,"{cell}"\r\n'
        made = gateway.imported(data.encode(), "csv", "voi", "en", CODES)
        values = tomllib.loads(made.draft)["bulletin"]["content"]
        assert values == {"notice": "lookout", "vessel": {}}


@pytest.mark.parametrize(
    "title",
    [
        {"lang": "en", "text": "x", "translations": [1]},
        {"lang": "en", "text": "x", "translations": 1},
        {"lang": "en", "text": "x", "translations": [[{}]]},
    ],
)
def test_translations_of_another_kind_give_a_draft_or_a_refusal(title):
    made = json.loads(exported("voi-1", "stix"))
    (report,) = [each for each in made["objects"] if each["type"] == "report"]
    (told,) = report["extensions"].values()
    told["bulletin"]["title"] = title
    try:
        draft = imported(json.dumps(made).encode()).draft
    except Refusal as refusal:
        assert refusal.code.value == "wrong-type"  # noqa: PT017
        return
    tomllib.loads(draft)


@pytest.mark.parametrize("when", ["2026-99-99T00:00:00Z", "2026-02-30T00:00:00Z"])
def test_a_day_that_does_not_exist_still_gives_a_draft_that_can_be_read(when):
    data = f"row,type,observed\r\nbulletin,voi,{when}\r\n"
    draft = gateway.imported(data.encode(), "csv", "voi", "en", CODES).draft
    assert tomllib.loads(draft)["bulletin"]["observed"] == when
