"""What may differ between two minor versions of a schema, and what breaks a partner."""

from __future__ import annotations

import copy
import json

import pytest

from exchange import resources
from exchange.model.bulletin import TYPES
from exchange.model.bulletin.evolution import differences


def document(code="szr"):
    return json.loads(resources.read(f"v1/{code}.schema.json"))


def changed(path, value):
    found = copy.deepcopy(document())
    *steps, last = path.split("/")
    here = found
    for step in steps:
        here = here[step]
    if value is ...:
        del here[last]
    else:
        here[last] = value
    return found


@pytest.mark.parametrize("code", sorted(TYPES))
def test_a_schema_does_not_differ_from_itself(code):
    assert differences(document(code), document(code)) == []


PLACE = "$defs/Place/properties"
CASES = {
    "an optional member": (f"{PLACE}/depth_m", {"type": "number"}, "member-added", True),
    "no such member": (f"{PLACE}/zone", ..., "member-removed", False),
    "a member now required": ("$defs/Place/required", ["zone"], "member-required", False),
    "one that need not be there": ("required", ["type"], "member-optional", False),
    "a narrower bound": (f"{PLACE}/accuracy_m/anyOf/0/maximum", 5, "bound-narrower", False),
    "a wider bound": (f"{PLACE}/accuracy_m/anyOf/0/maximum", 1e9, "bound-wider", False),
    "a bound that was not": ("properties/declares/minItems", 1, "bound-narrower", False),
    "a bound that is gone": ("properties/declares/maxItems", ..., "bound-wider", False),
    "another form": ("properties/id/pattern", "^x$", "form-changed", False),
    "another kind": ("properties/id/type", "number", "form-changed", False),
}


@pytest.mark.parametrize("what", CASES)
def test_each_difference_is_told_with_its_place(what):
    path, value, kind, is_allowed = CASES[what]
    if "anyOf/0" in path:
        after = document()
        after["$defs"]["Place"]["properties"]["accuracy_m"]["anyOf"][0]["maximum"] = value
    else:
        after = changed(path, value)
    found = differences(document(), after)
    assert {each.kind for each in found} == {kind}
    assert {each.is_allowed for each in found} == {is_allowed}
    assert all(each.at.startswith("/") for each in found)


def test_codes_may_be_added_and_never_taken_away():
    codes = document()["$defs"]["codes-zones"]["enum"]
    for now, kind in (([*codes, "moon"], "code-added"), (codes[1:], "code-removed")):
        (found,) = differences(document(), changed("$defs/codes-zones/enum", now))
        assert (found.kind, found.at) == (kind, "/content/place/zone")


def test_the_version_itself_does_not_count():
    assert differences(document(), changed("properties/schema/pattern", "^1\\.1$")) == []


@pytest.mark.parametrize(
    "other",
    [
        {"properties": [1]},
        {"properties": {"id": {"$ref": "#/$defs/none"}}},
        {"properties": {"id": {"anyOf": []}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"properties": {"id": 1}},
        {"required": 1},
    ],
)
def test_what_is_no_schema_of_ours_is_a_value_error(other):
    with pytest.raises(ValueError, match=r"\w+"):
        differences(document(), other)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$defs/Point/properties/coordinates/prefixItems", []),
        ("additionalProperties", True),
        ("$defs/Place/additionalProperties", True),
    ],
)
def test_no_keyword_differs_unseen(path, value):
    (found,) = {each.kind for each in differences(document(), changed(path, value))}
    assert found == "form-changed"


def test_another_kind_of_geometry_breaks_a_reader():
    forms = document()["$defs"]["Place"]["properties"]["geometry"]["anyOf"][0]["oneOf"]
    after = document()
    after["$defs"]["Place"]["properties"]["geometry"]["anyOf"][0]["oneOf"] = [*forms, forms[0]]
    (found,) = differences(document(), after)
    assert (found.kind, found.at) == ("form-changed", "/content/place/geometry")


@pytest.mark.parametrize("value", [..., False, [{"type": "string"}], True])
def test_items_that_are_taken_away_or_of_another_form_break_a_reader(value):
    path = "$defs/Vessel/properties/former_names"
    before = document()
    here = before["$defs"]["Vessel"]["properties"]["former_names"]
    assert isinstance(here["items"], dict)
    after = changed(f"{path}/items", value)
    found = differences(before, after)
    assert [each.is_allowed for each in found] == [False]
    assert not differences(after, before)[0].is_allowed


@pytest.mark.parametrize("branch", [{"type": "string"}, {}])
def test_another_branch_of_what_may_be_null_breaks_a_reader(branch):
    path = f"{PLACE}/zone/anyOf"
    wider = [*document()["$defs"]["Place"]["properties"]["zone"]["anyOf"], branch]
    assert any(not each.is_allowed for each in differences(document(), changed(path, wider)))
    assert any(not each.is_allowed for each in differences(changed(path, wider), document()))
