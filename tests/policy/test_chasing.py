"""A chase goes on until somebody acknowledges, or a named rule ends it; alarms are counted."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from exchange import resources
from exchange.model.codes import load
from exchange.model.trust import Targets
from exchange.policy.chasing import Chase, Ending, Known, chase, ending
from tests.builders import NOW, NOW_MS, WATCH, world

KNOWN = Known(holder=WATCH, precedence="flash", taken_ms=NOW_MS, until=NOW + 90_000)
TARGET_S = 600


def view(status: str = "active") -> Any:
    changed = world().amended(WATCH, lambda each: msgspec.structs.replace(each, status=status))
    return world().later(changed) if status != "active" else world().later()


@pytest.mark.parametrize(
    ("change", "ended"),
    [
        ({"is_acknowledged": True}, "acknowledged"),
        ({"is_withdrawn": True}, "withdrawn"),
        ({"is_moot": True}, "target-cancelled"),
        ({"until": NOW}, "retention-over"),
        ({"holder": "us.jiatfs/gone"}, "holder-revoked"),
        ({}, None),
        ({"until": NOW + 1}, None),
    ],
)
def test_chase_ends_by_acknowledgement_or_by_a_named_rule(change, ended):
    known = msgspec.structs.replace(KNOWN, **change)
    assert ending(known, view(), NOW) == ended
    told = chase(known, view(), NOW)
    assert told.ended == ended
    assert (told.next_alarm is None) == (ended is not None)


def test_suspended_holder_is_not_chased_and_is_again_once_it_is_back():
    assert ending(KNOWN, view("suspended"), NOW) == "holder-revoked"
    assert ending(KNOWN, view("active"), NOW) is None


def test_acknowledged_is_acknowledged_whatever_else_holds():
    known = msgspec.structs.replace(
        KNOWN, is_acknowledged=True, is_withdrawn=True, is_moot=True, until=NOW
    )
    assert ending(known, view("suspended"), NOW) == "acknowledged"


def test_alarms_are_counted_from_the_target_on_and_the_next_one_is_known():
    def after(seconds: int) -> Chase:
        return chase(KNOWN, view(), NOW + seconds)

    assert after(0) == Chase(NOW_MS, next_alarm=NOW + TARGET_S)
    assert after(TARGET_S - 1).alarms == 0
    assert after(TARGET_S) == Chase(NOW_MS, None, 0, 1, NOW + 2 * TARGET_S)
    assert after(2 * TARGET_S - 1) == Chase(NOW_MS, None, 599, 1, NOW + 2 * TARGET_S)
    assert after(2 * TARGET_S) == Chase(NOW_MS, None, 600, 2, NOW + 3 * TARGET_S)


def test_target_of_no_time_at_all_is_alarmed_at_once_and_then_once_a_minute():
    changed = world().later(world().rearranged(targets=Targets(0, 0, 0, 0)))
    told = chase(KNOWN, changed, NOW)
    assert (told.alarms, told.next_alarm) == (1, NOW + 60)


def test_each_end_of_a_chase_has_words_and_no_other_has():
    words = load(resources.read).lists["chase-ends"]
    assert set(words) == set(get_args(Ending))
