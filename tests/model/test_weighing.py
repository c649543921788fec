"""Packages never become kilograms: not in one quantity, not by a correction, not in a draft."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from exchange import resources
from exchange.cli import drafting
from exchange.errors import Refusal
from exchange.model import draft
from exchange.model.bulletin import decode, decode_newer, indicators
from tests.model.bulletins import CODES, drafted, plain, put, told_at, verdict
from tests.model.correcting import correcting

NOW = 1795620000
AT = "/content/drugs/0/quantity"
PACKED = {"qualifier": "exact", "count": "field", "packages": 1200}
GUESS = {"qualifier": "estimate", "count": "field", "unit": "kg", "basis": "estimated"}
SCALE = {"qualifier": "exact", "count": "official", "unit": "kg", "basis": "bulk"}
FROZEN = (Path(str(resources.schemas())) / "v1" / "frozen" / "1.0.jsonl").read_bytes()


def seizure(*quantities):
    values = plain("szr-1")
    drug = values["content"]["drugs"][0]
    values["content"]["drugs"] = [{**drug, "quantity": each} for each in quantities]
    return values


def written(values):
    """What an author writes, as a draft of that type is completed."""
    told = {key: each for key, each in values.items() if key not in draft._FILLED}
    post = drafted("szr-1.es.toml").post
    try:
        draft.complete(
            draft.Draft(msgspec.structs.replace(post, verb=None), told),
            id=values["id"],
            origin=values["origin"],
            codes=CODES,
        )
    except Refusal as refusal:
        return refusal.at, refusal.facts["expected"]
    return None


@pytest.mark.parametrize(("value", "unit"), [(1200, "kg"), (1_200_000, "g"), (1.2, "t")])
def test_estimate_of_a_kilogram_a_package_is_refused_in_every_unit(value, unit):
    quantity = {**GUESS, "value": value, "unit": unit}
    assert told_at(seizure({**quantity, "packages": 1200})) == (
        f"{AT}/basis",
        "weighed-beside-packages",
    )
    assert told_at(seizure({**quantity, "packages": 1201})) is None
    assert told_at(seizure(quantity)) is None


def test_what_is_new_beside_it_excuses_nothing():
    values = seizure({**GUESS, "value": 1200, "packages": 1200, "sampled": "x"})
    with pytest.raises(Refusal) as caught:
        decode_newer(json.dumps({**values, "schema": "1.1"}).encode(), CODES, "1.1")
    assert caught.value.facts["expected"] == "weighed-beside-packages"


@pytest.mark.parametrize(
    ("quantity", "passes"),
    [
        ({**GUESS, "value": 850, "packages": 34}, False),
        ({**GUESS, "value": 850}, True),
        ({**PACKED, "packages": 34}, True),
        ({**SCALE, "value": 811.4, "packages": 34}, True),
        ({**SCALE, "value": 34, "packages": 34}, True),
        # Drums and tablets: no weight is made of either.
        ({**GUESS, "value": 900, "unit": "L", "packages": 9}, True),
        ({**GUESS, "value": 900, "unit": "{tbl}", "packages": 9}, True),
    ],
)
def test_no_author_writes_an_estimated_weight_beside_packages(quantity, passes):
    values = put(seizure(quantity), "/content/drugs/0/drug", "precursors")
    if quantity.get("unit") == "{tbl}":
        values = put(values, "/content/drugs/0/drug", "ecstasy")
    # What others wrote, or was written once, is read.
    assert verdict(values) is None
    at = f"/bulletin{AT}/basis"
    assert written(values) == (None if passes else (at, "weighed-beside-packages"))


def test_nothing_is_made_up_that_no_author_writes():
    hold = drafting._as_written(drafted("szr-1.es.toml").post.marking, NOW)
    hold(decode(json.dumps(seizure(PACKED)).encode(), CODES))
    guessed = seizure({**GUESS, "value": 850, "packages": 34})
    with pytest.raises(Refusal) as caught:
        hold(decode(json.dumps(guessed).encode(), CODES))
    assert caught.value.facts["expected"] == "weighed-beside-packages"


def test_what_was_written_once_may_be_quoted_and_not_told_anew():
    old = {**GUESS, "value": 850, "packages": 34}
    weighed = {**SCALE, "value": 811.4, "packages": 34}
    assert written(correcting("szr-1", (AT, old, weighed), declares=())) is None
    values = correcting("szr-1", (AT, old, {**old, "value": 860}), declares=())
    assert verdict(values) is None
    at = "/bulletin/content/changes/0/after/basis"
    assert written(values) == (at, "weighed-beside-packages")


@pytest.mark.parametrize(
    ("after", "passes"),
    [
        ({**GUESS, "value": 1200}, False),
        ({**GUESS, "value": 30_000}, False),
        ({**GUESS, "value": 30_000, "packages": 1200}, False),
        # Not said how it was weighed.
        ({"qualifier": "exact", "count": "field", "value": 1200, "unit": "kg"}, False),
        ({**SCALE, "value": 1187.5}, True),
        ({**SCALE, "value": 1187.5, "packages": 1200}, True),
        ({**SCALE, "value": 1187.5, "basis": "net"}, True),
        ({**PACKED, "packages": 1201}, True),
        ({**GUESS, "value": 900, "unit": "L"}, True),
    ],
)
@pytest.mark.parametrize("place", ["", "/content/drugs/0", "/content/drugs"])
def test_packages_are_corrected_to_what_was_weighed_alone(after, passes, place):
    def around(quantity):
        drug = {"drug": "cocaine-salts", "quantity": quantity}
        return {"": quantity, "/content/drugs/0": drug, "/content/drugs": [drug]}[place]

    change = (place or AT, around(PACKED), around(after))
    found = told_at(correcting("szr-1", change, declares=()))
    told = ("/content/changes/0/after", "weighed-beside-packages")
    assert found == (None if passes else told)


def test_weight_may_turn_out_to_be_an_estimate_where_no_packages_were_counted():
    change = (AT, {**SCALE, "value": 1200}, {**GUESS, "value": 1100})
    assert told_at(correcting("szr-1", change, declares=())) is None


def test_another_drug_may_be_corrected_beside_packages():
    cocaine = {"drug": "cocaine-salts", "quantity": PACKED}
    herb = {"drug": "cannabis-herb", "quantity": {**GUESS, "value": 5}}
    more = {"drug": "cannabis-herb", "quantity": {**GUESS, "value": 6}}
    for after in ([cocaine, more], [{**cocaine, "drug": "cocaine-base"}, more]):
        change = ("/content/drugs", [cocaine, herb], after)
        assert told_at(correcting("szr-1", change, declares=())) is None


@pytest.mark.parametrize(
    ("quantities", "places"),
    [
        ([{**SCALE, "value": 1200, "packages": 1200}], [0]),
        ([PACKED, {**GUESS, "value": 1200}], [1]),
        ([{**SCALE, "value": 1187.5, "packages": 1200}], []),
        ([PACKED, {**GUESS, "value": 5}], []),
    ],
)
def test_as_many_kilograms_as_packages_is_warned_of(quantities, places):
    found = indicators(decode(json.dumps(seizure(*quantities)).encode(), CODES), CODES, NOW)
    assert [(each.code, each.at) for each in found] == [
        ("packages-as-weight", f"/content/drugs/{place}/quantity/value") for place in places
    ]


def test_packages_of_another_drug_are_not_held_to_a_weight():
    values = put(seizure(PACKED, {**GUESS, "value": 1200}), "/content/drugs/1/drug", "heroin")
    assert indicators(decode(json.dumps(values).encode(), CODES), CODES, NOW) == []


def test_nothing_estimated_beside_no_packages_is_no_multiplication():
    nothing = {"drug": "heroin", "quantity": {**GUESS, "value": 0, "packages": 0}}
    assert told_at(put(plain("sta-2"), "/content/drug_totals/0", nothing)) is None


def test_estimate_that_was_frozen_is_read_for_ever():
    assert b'"value":850.0,"unit":"kg","basis":"estimated","packages":34' in FROZEN
