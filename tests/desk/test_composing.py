"""What was written in a form: in order, judged, shown again; nothing typed is lost."""

from __future__ import annotations

import pytest

from exchange import resources
from exchange.desk import composing, forms
from exchange.errors import Refusal
from exchange.model import codes as code_lists
from exchange.model import draft as drafts

CODES = code_lists.load(resources.read)
EXAMPLES = sorted((resources.schemas() / "v1/examples").glob("*.toml"))
ID = "0192f3a0-0000-7000-8000-0000000000aa"
GEOMETRY = "/bulletin/content/seen/place/geometry"
IMO = "/bulletin/content/vessel/imo"


def _sent(path):
    """Return what a browser sends of an example."""
    draft = drafts.read_draft(path.read_bytes(), toml=True)
    code = draft.bulletin["type"]
    form = composing.under(forms.of_type(code, draft.bulletin, "es", CODES), {})
    sent = {}
    for field in forms.every(form):
        if field.kind == "place":
            sent |= {field.at: [field.value], f"{field.at}/type": list(field.chosen)}
        elif field.kind == "some-of":
            sent[field.at] = list(field.chosen)
        elif field.kind not in ("group", "rows"):
            sent[field.at] = [field.value]
    post = {
        "feed": draft.post.feed,
        "precedence": draft.post.precedence,
        "status": draft.post.status,
        "expires": draft.post.expires,
        "retain": draft.post.retain,
        "to": draft.post.to,
        "marking": {
            "tlp": draft.post.marking.tlp,
            "releasable_to": draft.post.marking.releasable_to,
            "handling": draft.post.marking.handling,
            "originator_control": draft.post.marking.originator_control,
        },
    }
    return code, sent | composing.texts_of(post, "/post")


def _judged(code, sent, member="pa.senan"):
    settled = composing.settle(sent, "es", member)
    return composing.judge(code, settled, ID, member, CODES)


def _voi(**changes):
    code, sent = _sent(next(path for path in EXAMPLES if path.name == "voi-1.es.toml"))
    return code, sent | {at: [text] for at, text in changes.items()}


def _faults(judged):
    return [(each.code, each.at) for each in judged.faults]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_as_it_is_sent_is_judged_as_its_file_is(path):
    draft = drafts.read_draft(path.read_bytes(), toml=True)
    member = "us.jiatfs"
    judged = _judged(*_sent(path), member)
    assert judged.missing == []
    # The form asks for no verb or references, nor for what is declared.
    assert judged.draft.post.marking == draft.post.marking
    assert _faults(judged) == _refused(draft, member)
    assert judged.is_fit == (not _faults(judged))


def _refused(draft, member):
    try:
        drafts.complete(draft, id=ID, origin=member, codes=CODES)
    except Refusal as refusal:
        return [(refusal.code, refusal.at)]
    return []


def test_each_fault_is_told_at_its_field_and_none_that_leaving_out_made():
    course = "/bulletin/content/seen/course_deg"
    wrong = {IMO: "9319467", course: "north", GEOMETRY: "off Colón"}
    judged = _judged(*_voi(**wrong))
    assert sorted(at for _, at in _faults(judged)) == sorted(wrong)
    # This one must be there: left out, it would be missing, and is not told of twice.
    notice = "/bulletin/content/notice"
    assert [at for _, at in _faults(_judged(*_voi(**{notice: "shout"})))] == [notice]
    assert judged.missing == []


def test_nothing_written_is_missing_and_not_wrong():
    judged = _judged("voi", {})
    assert "/bulletin/title/text" in judged.missing
    assert [each.at for each in judged.faults if each.at.startswith("/bulletin")] == []
    assert judged.draft is None


def test_posting_is_refused_at_its_field():
    judged = _judged(*_voi(**{"/post/expires": "soon"}))
    assert [at for _, at in _faults(judged)] == ["/post/expires"]


def test_what_cannot_be_read_is_shown_again_as_it_was_typed():
    code, sent = _voi(**{GEOMETRY: "off Colón\n9 N", IMO: "IMO 12"})
    settled = composing.settle(sent, "es", "pa.senan")
    shown = {
        field.at: field for field in forms.every(composing.form_of(code, settled, "en", CODES))
    }
    assert shown[GEOMETRY].value == "off Colón\n9 N"
    assert shown[IMO].value == "IMO 12"


def test_rows_close_up_and_are_told_under_the_names_they_were_sent_with():
    rows = "/bulletin/content/sightings"
    sent = {
        f"{rows}/1/a/text": [" "],
        f"{rows}/4/a/text": ["TEST"],
        f"{rows}/-/a/text": ["of no row"],
        f"{rows}/7/b/0/c": ["TEST"],
        f"{rows}/9/geometry": [""],
        f"{rows}/9/geometry/type": ["Point"],
    }
    settled = composing.settle(sent, "es", "pa.senan")
    assert settled.written[f"{rows}/0/a/text"] == ["TEST"]
    assert settled.written[f"{rows}/1/b/0/c"] == ["TEST"]
    assert not any(at.startswith(f"{rows}/2") for at in settled.written)
    assert settled.sent_at(f"{rows}/1/b/0/c") == f"{rows}/7/b/0/c"
    assert settled.sent_at("/post/feed") == "/post/feed"


def test_text_is_in_the_language_of_the_page_and_its_translation_in_the_other():
    title = "/bulletin/title"
    sent = {f"{title}/text": ["TEST"], f"{title}/translations/0/text": ["TEST"]}
    written = composing.settle(sent, "es", "pa.senan").written
    assert written[f"{title}/lang"] == ["es"]
    assert written[f"{title}/translations/0/lang"] == ["en"]
    assert written[f"{title}/translations/0/by"] == ["pa.senan"]
    said = composing.settle(sent | {f"{title}/lang": ["en"]}, "es", "pa.senan").written
    assert said[f"{title}/lang"] == ["en"]


def test_position_is_told_back_as_sailors_write_it():
    sent = {GEOMETRY: ["8.95 -79.55"], "/bulletin/content/area/geometry": ["nowhere"]}
    settled = composing.settle(sent, "es", "pa.senan")
    assert composing.told_back(settled, "en") == {GEOMETRY: "08°57.000' N 079°33.000' W"}
    assert composing.told_back(settled, "es") == {GEOMETRY: "08°57.000' N 079°33.000' O"}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ("/marking/tlp", "/post/marking/tlp"),
        ("/to/0", "/post/to/0"),
        ("/retain_until", "/post/retain"),
        ("/bulletin/title", "/bulletin/title"),
    ],
)
def test_what_a_rule_says_of_the_header_is_told_at_the_form(said, field):
    assert composing.place_of(said) == field


def test_pointer_without_end_is_not_followed():
    assert composing.settle({"/a" * 9999: ["x"]}, "es", "pa.senan").written == {}
