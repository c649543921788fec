"""Packages never become kilograms: no author writes it, and every reader is warned of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exchange import resources
from exchange.cli import drafting
from exchange.errors import Refusal
from exchange.model.bulletin import decode, indicators, written
from exchange.model.bulletin.indicators import turned
from exchange.model.bulletin.weighing import Told, of_correction, of_text
from tests.model.bulletins import (
    CODES,
    drafted,
    plain,
    put,
    told_at,
    verdict,
    warned,
    written_at,
)
from tests.model.correcting import correcting

NOW = 1795620000
DRUGS = "/content/drugs"
AT = f"{DRUGS}/0/quantity"
RULE = "weighed-beside-packages"
BESIDE = "packages-beside-estimate"
PACKED = {"qualifier": "exact", "count": "field", "packages": 1200}
GUESS = {"qualifier": "estimate", "count": "field", "unit": "kg", "basis": "estimated"}
SCALE = {"qualifier": "exact", "count": "official", "unit": "kg", "basis": "bulk"}
FROZEN = (Path(str(resources.schemas())) / "v1" / "frozen" / "1.0.jsonl").read_bytes()


def guess(value, **more):
    return {**GUESS, "value": value, **more}


def packed(n):
    return {**PACKED, "packages": n}


def cocaine(quantity):
    return {"drug": "cocaine-salts", "quantity": quantity}


def heroin(quantity):
    return {"drug": "heroin", "quantity": quantity}


def seizure(*quantities):
    values = plain("szr-1")
    drug = values["content"]["drugs"][0]
    values["content"]["drugs"] = [{**drug, "quantity": each} for each in quantities]
    return values


def newer(values):
    return json.dumps({**values, "schema": "1.1"}).encode()


def corrected(*changed):
    return correcting("szr-1", *changed, declares=())


def turns(values):
    """Where the reader of a correction is warned that packages may have become a weight."""
    told = of_correction(decode(json.dumps(values).encode(), CODES).content)
    return [each.at for each in turned(told)]


@pytest.mark.parametrize(
    ("quantity", "passes"),
    [
        (guess(850, packages=34), False),
        (guess(34, packages=34), False),
        (guess(34_000, unit="g", packages=34), False),
        (guess(0.034, unit="t", packages=34), False),
        (guess(850), True),
        (packed(34), True),
        ({**SCALE, "value": 811.4, "packages": 34}, True),
        ({**SCALE, "value": 34, "packages": 34}, True),
        # Drums and tablets: no weight is made of either.
        (guess(900, unit="L", packages=9), True),
        (guess(900, unit="{tbl}", packages=9), True),
    ],
)
def test_no_author_writes_an_estimated_weight_beside_packages_and_any_reader_may(
    quantity, passes
):
    values = put(seizure(quantity), f"{DRUGS}/0/drug", "precursors")
    if quantity.get("unit") == "{tbl}":
        values = put(values, f"{DRUGS}/0/drug", "ecstasy")
    # What others wrote, or was written once, is read.
    assert verdict(values) is None
    assert written_at(values) == (None if passes else (f"{AT}/basis", RULE))
    codes = [code for code, _ in warned(values)]
    assert set(codes) <= {BESIDE, "packages-as-weight"}
    assert passes or len(codes) == 1


def test_nothing_is_made_up_that_no_author_writes():
    hold = drafting._as_written(drafted("szr-1.es.toml").post.marking, NOW)
    hold(decode(json.dumps(seizure(PACKED)).encode(), CODES))
    guessed = seizure(guess(850, packages=34))
    with pytest.raises(Refusal) as caught:
        hold(decode(json.dumps(guessed).encode(), CODES))
    assert caught.value.facts["expected"] == RULE


# --- what was accepted once ---


@pytest.mark.parametrize(
    "after",
    [
        {**SCALE, "value": 1187.5, "packages": 1200},
        {**SCALE, "value": 1187.5},
        PACKED,
    ],
)
def test_what_was_accepted_once_is_corrected_to_what_is_right(after):
    old = guess(1200, packages=1200)
    values = corrected((AT, old, after))
    assert verdict(seizure(old)) is None
    assert verdict(values) is None
    assert written_at(values) is None
    assert warned(values) == []


def test_what_was_written_once_may_be_quoted_and_not_told_anew():
    old = guess(850, packages=34)
    values = corrected((AT, old, {**old, "value": 860}))
    assert verdict(values) is None
    after = "/content/changes/0/after"
    assert written_at(values) == (f"{after}/basis", RULE)
    assert warned(values) == [(BESIDE, f"{after}/value")]


def test_what_stood_already_hinders_no_correction_of_what_is_beside_it():
    old, other = cocaine(guess(850, packages=34)), heroin(PACKED)
    # A list grows, and is sorted, only as a whole.
    for after in ([old, other, heroin(packed(5))], [other, old]):
        values = corrected((DRUGS, [old, other], after))
        assert written_at(values) is None
        assert [code for code, _ in warned(values)] == [BESIDE]
    values = corrected((DRUGS, [old, other], [other, cocaine(guess(860, packages=34))]))
    assert written_at(values) == ("/content/changes/0/after/1/quantity/basis", RULE)


def test_what_stood_once_stands_once_of_whichever_drug():
    old = guess(850, packages=34)
    # That it was another drug may be corrected: the quantity is no newer for it.
    values = corrected((DRUGS, [cocaine(old)], [heroin(old)]))
    assert written_at(values) is None
    values = corrected((DRUGS, [cocaine(old)], [cocaine(old), heroin(old)]))
    assert written_at(values) == ("/content/changes/0/after/1/quantity/basis", RULE)
    before, after = (
        decode(json.dumps(seizure(old, *more)).encode(), CODES) for more in ((), (old,))
    )
    with pytest.raises(Refusal) as caught:
        written.check_corrected(before, after)
    assert caught.value.at == "/content/drugs/1/quantity/basis"


def test_correction_that_was_accepted_once_is_read_and_warned_of():
    values = corrected((AT, PACKED, guess(1200)))
    assert verdict(values) is None
    assert turns(values) == ["/content/changes/0/after/value"]


def test_estimate_that_was_frozen_is_read_for_ever():
    assert b'"value":850.0,"unit":"kg","basis":"estimated","packages":34' in FROZEN
    assert b'"value":1200.0,"unit":"kg","basis":"estimated","packages":1200' in FROZEN


# --- in a correction's own words ---


@pytest.mark.parametrize(
    ("after", "passes"),
    [
        (guess(1200), False),
        (guess(30_000), False),
        (guess(30_000, packages=1200), False),
        # Not said how it was weighed.
        ({"qualifier": "exact", "count": "field", "value": 1200, "unit": "kg"}, False),
        ({**SCALE, "value": 1187.5}, True),
        ({**SCALE, "value": 1187.5, "packages": 1200}, True),
        ({**SCALE, "value": 1187.5, "basis": "net"}, True),
        (packed(1201), True),
        (guess(900, unit="L"), True),
    ],
)
@pytest.mark.parametrize("place", ["", f"{DRUGS}/0", DRUGS])
def test_packages_are_corrected_to_what_was_weighed_alone(after, passes, place):
    def around(quantity):
        drug = cocaine(quantity)
        return {"": quantity, f"{DRUGS}/0": drug, DRUGS: [drug]}[place]

    values = corrected((place or AT, around(PACKED), around(after)))
    inner = {"": "", f"{DRUGS}/0": "/quantity", DRUGS: "/0/quantity"}[place]
    found = f"/content/changes/0/after{inner}"
    assert verdict(values) is None
    assert written_at(values) == (None if passes else (f"{found}/basis", RULE))
    assert turns(values) == ([] if passes else [f"{found}/value"])


def test_weight_may_turn_out_to_be_an_estimate_where_no_packages_were_counted():
    values = corrected((AT, {**SCALE, "value": 1200}, guess(1100)))
    assert written_at(values) is None
    assert turns(values) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([cocaine(PACKED)], [cocaine(guess(1200)), heroin(packed(1))]),
        ([cocaine(PACKED)], [cocaine(guess(1200)), heroin(PACKED)]),
        ([cocaine(PACKED), heroin(guess(5))], [cocaine(guess(1200))]),
    ],
)
def test_no_other_drug_pays_for_packages_that_became_a_weight(before, after):
    values = corrected((DRUGS, before, after))
    at = "/content/changes/0/after/0/quantity"
    assert written_at(values) == (f"{at}/basis", RULE)
    assert turns(values) == [f"{at}/value"]


@pytest.mark.parametrize(
    ("before", "after", "is_warned"),
    [
        ([cocaine(packed(5)), cocaine(packed(7))], [cocaine(packed(12)), heroin(guess(3))], 0),
        ([cocaine(PACKED), heroin(guess(5))], [cocaine(PACKED), heroin(guess(6))], 0),
        ([cocaine(PACKED), cocaine(guess(5))], [cocaine(guess(5))], 0),
        # Of another drug: nobody knows whether it is what the packages were.
        ([cocaine(PACKED), heroin(packed(5))], [cocaine(PACKED), cocaine(guess(3))], 1),
        ([cocaine(PACKED)], [{**cocaine(guess(1200)), "drug": "cocaine-base"}], 1),
        # Some packages of the drug stay.
        ([cocaine(PACKED), cocaine(guess(5))], [cocaine(packed(1190)), cocaine(guess(6))], 1),
    ],
)
def test_honest_corrections_of_packages_pass(before, after, is_warned):
    values = corrected((DRUGS, before, after))
    assert written_at(values) is None
    assert len(turns(values)) == is_warned


@pytest.mark.parametrize(("drug", "passes"), [("heroin", True), ("cocaine-salts", False)])
def test_quantity_is_of_the_drug_that_is_corrected_along_with_it(drug, passes):
    changed = [(AT, packed(5), guess(3))]
    if drug == "heroin":
        changed.append((f"{DRUGS}/0/drug", "cocaine-salts", drug))
    assert (written_at(corrected(*changed)) is None) is passes


def test_packages_are_paired_over_all_changes_of_a_correction():
    values = corrected(
        (f"{DRUGS}/0", cocaine(PACKED), heroin(packed(1))),
        (f"{DRUGS}/1", heroin(guess(5)), cocaine(guess(1200))),
    )
    assert written_at(values) == ("/content/changes/1/after/quantity/basis", RULE)


def test_correction_says_what_stood_where_something_must_have():
    values = corrected((AT, None, guess(1200)))
    assert verdict(values) is None
    assert written_at(values) == ("/content/changes/0/before", "change-possible")
    # What is optional, or may be null, may not have been there.
    grading = plain("szr-1")["grading"]
    for pointer, after in ((f"{DRUGS}/0/purity_pct", 79.0), ("/grading", grading)):
        assert written_at(corrected((pointer, None, after))) is None


# --- beside each other ---


@pytest.mark.parametrize(
    ("quantities", "told"),
    [
        ([{**SCALE, "value": 1200, "packages": 1200}], [("packages-as-weight", 0)]),
        ([PACKED, guess(1200)], [("packages-as-weight", 1)]),
        ([{**SCALE, "value": 1187.5, "packages": 1200}], []),
        ([packed(34), guess(850)], [(BESIDE, 1)]),
        ([packed(34), {**SCALE, "value": 850}], []),
        ([{**SCALE, "value": 811.4, "packages": 34}, guess(5)], []),
        ([guess(850), guess(5)], []),
    ],
)
def test_packages_and_a_weight_of_one_drug_are_warned_of(quantities, told):
    values = seizure(*quantities)
    found = [(code, f"{DRUGS}/{place}/quantity/value") for code, place in told]
    assert warned(values) == found
    said = indicators(decode(json.dumps(values).encode(), CODES), CODES, NOW)
    assert [(each.code, each.at) for each in said] == found
    # A loose amount beside counted packages is honest.
    assert written_at(values) is None


@pytest.mark.parametrize(
    ("value", "code"), [(1200, "packages-as-weight"), (1100, "packages-beside-estimate")]
)
def test_packages_and_a_weight_of_one_drug_are_warned_of_in_statistics_too(value, code):
    totals = [cocaine(PACKED), cocaine(guess(value))]
    values = put(plain("sta-2"), "/content/drug_totals", totals)
    assert warned(values) == [(code, "/content/drug_totals/1/quantity/value")]


def test_packages_of_another_drug_are_not_held_to_a_weight():
    values = put(seizure(PACKED, guess(1200)), f"{DRUGS}/1/drug", "heroin")
    assert indicators(decode(json.dumps(values).encode(), CODES), CODES, NOW) == []


def test_nothing_estimated_beside_no_packages_is_no_multiplication():
    nothing = heroin(guess(0, packages=0))
    assert told_at(put(plain("sta-2"), "/content/drug_totals/0", nothing)) is None


def test_an_update_tells_a_weight_where_its_earlier_text_told_packages():
    def told(was, now):
        texts = [decode(json.dumps(seizure(each)).encode(), CODES) for each in (was, now)]
        return [each.at for each in turned(Told(*map(of_text, texts)))]

    assert told(PACKED, guess(1200)) == [f"{AT}/value"]
    assert told(PACKED, {**SCALE, "value": 1187.5}) == []
    assert told(guess(1100), guess(1200)) == []


# --- of a newer version ---


def test_what_is_new_beside_a_guess_excuses_nothing():
    values = seizure(guess(1200, packages=1200, sampled="x"))
    assert warned(newer(values)) == [("packages-as-weight", f"{AT}/value")]
    values["content"]["samples"] = [guess(900, packages=1200), guess(900)]
    assert warned(newer(values))[1:] == [(BESIDE, "/content/samples/0")]


def test_a_way_to_weigh_that_is_not_known_here_is_no_guess():
    certified = {**SCALE, "value": 1187.5, "basis": "certified"}
    for packages in ({}, {"packages": 1200}):
        values = corrected((AT, PACKED, certified | packages))
        assert warned(newer(values)) == []
        assert warned(newer(seizure(certified | packages))) == []
    values = seizure(PACKED)
    values["content"]["samples"] = [{**certified, "packages": 1200}]
    assert warned(newer(values)) == []


def test_what_a_correction_of_what_is_not_known_here_quotes_is_warned_of_on_one_side():
    old = guess(900, packages=1200)
    values = newer(corrected(("/content/samples/0", old, {**old, "value": 950})))
    assert warned(values) == [(BESIDE, "/content/changes/0/after")]
