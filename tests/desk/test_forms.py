"""The forms: all that the language can say can be asked, written and read back."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange import resources
from exchange.desk import filled, forms
from exchange.errors import Refusal
from exchange.model import codes as code_lists
from exchange.model import draft as drafts
from exchange.model.bulletin import shape as shapes
from exchange.model.bulletin.kinds import TYPES

CODES = code_lists.load(resources.read)
EXAMPLES = sorted((resources.schemas() / "v1/examples").glob("*.toml"))
ID = "0192f3a0-0000-7000-8000-000000000001"


def _example(path):
    return drafts.read_draft(path.read_bytes(), toml=True).bulletin


def _sent(field: forms.Field) -> dict[str, list[str]]:
    """Return what a browser sends of a form as it stands."""
    sent: dict[str, list[str]] = {}
    for each in forms.every(field):
        if each.kind == "place":
            sent[each.at] = [each.value]
            sent[f"{each.at}/type"] = list(each.chosen)
        elif each.kind == "some-of":
            sent[each.at] = list(each.chosen)
        elif each.kind not in ("group", "rows"):
            sent[each.at] = [each.value]
    return sent


def _close(value):
    """Return a value with its positions rounded: a form shows them to the thousandth minute."""
    match value:
        case float():
            return round(value, 4)
        case dict():
            return {name: _close(inner) for name, inner in value.items()}
        case list():
            return [_close(inner) for inner in value]
        case _:
            return value


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_goes_through_its_form_unchanged(path):
    said = _example(path)
    form = forms.of_type(said["type"], said, "es", CODES)
    read = filled.values(said["type"], _sent(form))
    for name in forms.FILLED - {"type"}:
        said.pop(name, None)
    assert _close(read) == _close(json.loads(json.dumps(said)))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_a_form_read_is_judged_as_the_example_is(path):
    """Bulletin or refusal, with the same code at the same place."""
    draft = drafts.read_draft(path.read_bytes(), toml=True)
    said = draft.bulletin
    form = forms.of_type(said["type"], said, "en", CODES)
    read = filled.values(said["type"], _sent(form))
    declared = {name: said[name] for name in ("declares",) if name in said}
    assert _judged(drafts.Draft(draft.post, read | declared)) == _judged(draft)


def _judged(draft):
    try:
        bulletin = drafts.complete(draft, id=ID, origin="pa.senan", codes=CODES)
    except Refusal as refused:
        return refused.code, refused.at
    return bulletin.type, bulletin.title


@given(
    st.dictionaries(st.from_regex(r"(/[a-z_0-9-]{0,12}){0,5}"), st.lists(st.text(), max_size=3))
)
def test_any_names_and_texts_are_values_or_are_refused(sent):
    with suppress(Refusal):
        assert filled.values("voi", sent)["type"] == "voi"


@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize("lang", ["es", "en"])
def test_every_field_has_a_label_in_the_readers_language(code, lang):
    for field in forms.every(forms.of_type(code, {}, lang, CODES)):
        name = field.at.rpartition("/")[2]
        assert field.label, field.at
        assert not name or not field.at or CODES.word("fields", name), field.at


@pytest.mark.parametrize("code", TYPES)
def test_every_member_of_the_schema_is_asked_for(code):
    """By its pointer; what the desk fills in, and what is a choice, apart."""
    asked = {field.at for field in _with_blanks(forms.of_type(code, {}, "en", CODES))}
    for at in _members(shapes.of(code), ""):
        assert at in asked, at


def _with_blanks(field):
    yield field
    for inner in (*field.fields, *([field.blank] if field.blank else [])):
        yield from _with_blanks(inner)


def _members(form, at):
    for member in form.members:
        here = f"{at}/{member.name}"
        if not at and member.name in forms.FILLED:
            continue
        yield here
        if member.shape.kind == "struct":
            yield from _members(member.shape, here)
        elif member.shape.kind == "list" and member.shape.items[0].kind == "struct":
            yield from _members(member.shape.items[0], f"{here}/{forms.NEW}")


def test_nothing_written_is_nothing_said():
    form = forms.of_type("voi", {}, "en", CODES)
    assert filled.values("voi", _sent(form)) == {"type": "voi"}
    assert not form.is_said


def test_rows_close_up_where_one_is_left_empty():
    at = "/content/vessel/former_names"
    assert filled.values("voi", {at: ["MAR UNO\n\n MAR DOS "]})["content"]["vessel"] == {
        "former_names": ["MAR UNO", "MAR DOS"]
    }
    sent = {
        "/title/translations/0/text": [" "],
        "/title/translations/2/text": ["TEST two"],
        "/title/translations/10/text": ["TEST ten"],
        "/title/translations/-/text": ["of a row that is not there yet"],
        "/title/translations/1x/text": ["of no row"],
    }
    rows = filled.values("voi", sent)["title"]["translations"]
    assert [row["text"] for row in rows] == ["TEST two", "TEST ten"]


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("231801ZNOV26", "2026-11-23T18:01:00Z"),
        ("010005Zene27", "2027-01-01T00:05:00Z"),
        ("2026-11-23 18:01", "2026-11-23T18:01:00Z"),
        ("2026-11-23T18:01:30Z", "2026-11-23T18:01:30Z"),
        ("yesterday", "yesterday"),
        ("231801ZXXX26", "231801ZXXX26"),
    ],
)
def test_time_is_read_as_it_is_typed(typed, read):
    assert filled.moment(typed) == read


def test_number_that_is_none_stays_for_the_rules_to_refuse():
    sent = {"/content/vessel/length_m": ["12,5"], "/content/vessel/gross_tonnage": ["many"]}
    vessel = filled.values("voi", sent)["content"]["vessel"]
    assert vessel == {"length_m": 12.5, "gross_tonnage": "many"}


def test_area_is_closed_by_us_and_a_track_is_not():
    at = "/content/area/geometry"
    typed = "8 0 N 80 0 W\n8 0 N 79 0 W\n9 0 N 79 0 W"
    area = filled.values("opn", {at: [typed], f"{at}/type": ["Polygon"]})
    ring = area["content"]["area"]["geometry"]["coordinates"][0]
    assert ring == [[-80.0, 8.0], [-79.0, 8.0], [-79.0, 9.0], [-80.0, 8.0]]
    track = filled.values("opn", {at: [typed], f"{at}/type": ["LineString"]})
    assert track["content"]["area"]["geometry"]["coordinates"] == ring[:-1]


def test_position_that_cannot_be_read_is_refused_at_its_field():
    at = "/content/seen/place/geometry"
    with pytest.raises(Refusal) as refused:
        filled.values("voi", {at: ["off Colón"]})
    assert (refused.value.code, refused.value.at) == ("wrong-value", at)
