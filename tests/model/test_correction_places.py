"""What a correction tells is held to just what it would be held to in the bulletin itself."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from exchange.errors import Code, Refusal
from exchange.model.bulletin import changes, corrected, decode
from tests.model.bulletins import CODES, NAMES, example, verdict
from tests.model.correcting import correcting, told

# Of a correction alone: what cannot be corrected, or only as a whole.
ITS_OWN = {"change", "change-pointer", "change-possible", "change-whole-person"}


def is_spelling(refusal):
    """Whether it was refused by its text, where a member's name told what belongs there."""
    return refusal.code in LEXICAL or refusal.facts.get("expected") == "time"


LEXICAL = (Code.LEXICAL_NUMBER, Code.CONTROL_CHARACTER)


def judged(each):
    """How a correction is refused, alone or when it is applied; and what it makes."""
    refusal = verdict(each.correction)
    if refusal is not None:
        return refusal, None, True
    correction = decode(json.dumps(each.correction).encode(), CODES)
    try:
        return None, corrected(example(each.name), correction, CODES), False
    except Refusal as caught:
        return caught, None, False


# A cancellation is not corrected.
CORRECTED = [name for name in NAMES if not name.startswith("can")]


@pytest.mark.parametrize("name", CORRECTED)
def test_a_value_is_judged_in_a_correction_as_in_its_place(name):
    seen = Counter()
    for each in told(name, 60, seed=1):
        direct = verdict(each.direct)
        refusal, made, alone = judged(each)
        if refusal is not None and refusal.facts.get("expected") in ITS_OWN:
            seen["not corrected"] += 1
        elif direct is None:
            assert refusal is None, (each.correction["content"], str(refusal))
            assert made == decode(json.dumps(each.direct).encode(), CODES)
            seen["accepted"] += 1
        else:
            assert refusal is not None, (each.correction["content"], str(direct))
            seen["refused"] += 1
            # What joins it with other places is judged when it is applied; no type waits.
            if direct.code is not Code.WRONG_VALUE and direct.at.startswith(each.pointer):
                assert alone
            if alone and direct.at.startswith(each.pointer):
                assert refusal.at.startswith("/content/changes/0/after")
                if not is_spelling(direct):
                    # Of two faults a list's length or its item may be told first.
                    inner = f"/content/changes/0/after{direct.at.removeprefix(each.pointer)}"
                    assert inner.startswith(refusal.at) or refusal.at.startswith(inner)
    assert seen["refused"] > 5, seen


@pytest.mark.parametrize("name", CORRECTED)
def test_what_differs_between_two_versions_is_a_correction_that_makes_one_of_the_other(name):
    count = 0
    for each in told(name, 150, seed=2):
        if verdict(each.direct) is not None:
            continue
        after = decode(json.dumps(each.direct).encode(), CODES)
        found = changes(example(name), after)
        if not found:
            continue
        told_all = [(one.pointer, one.before, one.after) for one in found]
        values = correcting(name, *told_all)
        if verdict(values) is not None:
            # A key, a file: fixed, and never told.
            assert verdict(values).facts["expected"] == "change-pointer", told_all
            continue
        correction = decode(json.dumps(values).encode(), CODES)
        assert corrected(example(name), correction, CODES) == after
        count += 1
    assert count, name
