"""An endpoint is reminded of what was withdrawn or corrected until it acknowledges that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from exchange.client.chasing import Followed, reminders
from tests.builders import DAY, NOW, NOW_MS, OPS, WATCH, world
from tests.client.test_bearing import bearing, delivered


def told(*items, seen=(), now=NOW, endpoint=WATCH):
    timely = [msgspec.structs.replace(each, taken_ms=NOW_MS) for each in items]
    found = reminders(timely, endpoint, seen, world().view, now)
    return [(each.item.index, each.relation, each.by, each.target) for each in found]


def granted(item):
    # Whose grant it is makes no difference here.
    grant: Any = SimpleNamespace(endpoint=OPS)
    return msgspec.structs.replace(item, grant=grant)


@pytest.mark.parametrize("verb", ["correct", "cancel"])
def test_it_is_owed_until_acknowledged_whether_or_not_its_target_is_here(verb):
    first = delivered(5)
    later = bearing(7, verb, first)
    assert told(first, later) == [(7, f"{verb}s", 7, 5)]
    assert told(later) == [(7, f"{verb}s", 7, None)]
    assert told(first, later, seen={first.digest}) == [(7, f"{verb}s", 7, 5)]
    assert told(first, later, seen={later.digest}) == []


def test_bulletin_and_update_are_not_owed_one():
    first = delivered(5)
    assert told(first, bearing(7, "update", first)) == []


def test_our_own_is_not_owed_by_ourselves():
    assert told(bearing(7, "cancel", delivered(5)), endpoint=OPS) == []


def test_retention_that_ends_is_that_of_the_target_where_it_is_here():
    first = delivered(5, retain_until=NOW + 2 * DAY)
    later = bearing(7, "correct", first, retain_until=NOW + 9 * DAY)
    assert told(first, later, now=NOW + 2 * DAY - 1)
    assert not told(first, later, now=NOW + 2 * DAY)
    assert told(later, now=NOW + 9 * DAY - 1)
    assert not told(later, now=NOW + 9 * DAY)


def test_of_what_is_withdrawn_the_cancellation_is_owed():
    first = delivered(5)
    correction = bearing(7, "correct", first)
    withdrawal = bearing(8, "cancel", correction)
    assert told(first, correction, withdrawal) == [(8, "cancels", 8, 7)]


@pytest.mark.parametrize("is_here", [True, False])
def test_correction_of_what_is_cancelled_is_not_owed(is_here):
    first = delivered(5)
    items = [bearing(7, "correct", first), bearing(8, "cancel", first)]
    target = 5 if is_here else None
    assert told(*[first][:is_here], *items) == [(8, "cancels", 8, target)]


def test_cancellation_by_another_member_ends_nothing():
    first = delivered(5)
    items = [bearing(7, "correct", first), bearing(8, "cancel", first, endpoint="us.uscg/ops")]
    assert (7, "corrects", 7, 5) in told(first, *items)


def test_second_correction_does_not_stand_for_the_first():
    first = delivered(5)
    items = [bearing(7, "correct", first), bearing(8, "correct", first)]
    assert [each[0] for each in told(first, *items)] == [7, 8]
    assert [each[0] for each in told(first, *items, seen={items[1].digest})] == [7]


@pytest.mark.parametrize("relation", ["cancels", "corrects"])
def test_what_its_own_entry_tells_is_acknowledged_with_the_bulletin(relation):
    first = delivered(5, earlier=[(relation, 3)])
    assert told(first) == [(5, relation, 3, 5)]
    assert told(first, seen={first.digest}) == []
    # What is in this inbox is owed for itself.
    verb = {"cancels": "cancel", "corrects": "correct"}[relation]
    assert told(bearing(3, verb, first), first) == [(3, relation, 3, 5)]


def test_all_corrections_that_its_entry_tells_of_are_said_and_those_here_by_themselves():
    first = delivered(5, earlier=[("corrects", 2), ("corrects", 3), ("corrects", 4)])
    assert [each[2] for each in told(first)] == [2, 3, 4]
    here = bearing(3, "correct", first)
    assert told(here, first) == [
        (3, "corrects", 3, 5),
        (5, "corrects", 2, 5),
        (5, "corrects", 4, 5),
    ]
    withdrawn = delivered(5, earlier=[("cancels", 1), ("corrects", 2)])
    assert told(withdrawn) == [(5, "cancels", 1, 5)]


def test_of_what_its_entry_tells_a_cancellation_that_is_here_is_owed_instead():
    first = delivered(5, earlier=[("cancels", 3)])
    assert told(first, bearing(8, "cancel", first)) == [(8, "cancels", 8, 5)]


def test_update_that_its_entry_tells_of_is_not_owed():
    assert told(delivered(5, earlier=[("supersedes", 3)])) == []


def test_who_was_granted_what_was_corrected_acknowledges_with_the_bulletin():
    first = granted(delivered(5, earlier=[("corrects", 3)]))
    correction = granted(bearing(3, "correct", first))
    assert told(first) == [(5, "corrects", 3, 5)]
    assert told(first, correction) == [(5, "corrects", 3, 5)]
    cancellation = bearing(8, "cancel", first)
    assert told(first, correction, cancellation) == [(8, "cancels", 8, 5)]


def test_at_which_rows_it_is_said():
    first = delivered(5)
    items = [first, bearing(7, "cancel", first)]
    (each,) = reminders(items, WATCH, (), world().view, NOW)
    assert each.concerns == (5, 7)
    (alone,) = reminders(items[1:], WATCH, (), world().view, NOW)
    assert alone.concerns == (7,)


def test_what_is_followed_reminds_of_the_same_as_the_whole_inbox_whenever_it_is_asked():
    first, second, third = (delivered(index, to=[WATCH]) for index in (10, 11, 12))
    early = delivered(20, earlier=[("corrects", 3), ("supersedes", 4)])
    others = [delivered(index) for index in range(30, 60)]
    correction = bearing(13, "correct", second)
    came = [
        bearing(9, "correct", first),  # before its target
        first,
        second,
        third,
        correction,
        bearing(14, "cancel", correction),
        granted(delivered(15, earlier=[("corrects", 13)])),
        early,
        *others[:15],
        bearing(61, "cancel", others[20]),
        bearing(62, "cancel", early),
        bearing(63, "update", third),
        *others[15:],
    ]
    followed, held = Followed(), {}
    for item in came:
        held[item.index] = item
        everything = [held[index] for index in sorted(held)]
        kept = followed.take(held)
        assert told(*kept) == told(*everything)
    assert len(told(*kept)) == 5
    # Of what nobody does anything to, nothing is kept; and what takes a place is taken.
    assert {each.index for each in kept} == {9, 10, 11, 13, 14, 15, 20, 50, 61, 62}
    held[9] = msgspec.structs.replace(held[9], ahead=True)
    assert followed.take(held)[0].ahead


def test_item_that_was_looked_at_is_not_looked_at_again(monkeypatch):
    followed, looked_at = Followed(), []
    look_at = Followed._look_at
    monkeypatch.setattr(
        Followed, "_look_at", lambda *each: (looked_at.append(each[1]), look_at(*each))
    )
    held = {index: delivered(index) for index in range(5)}
    followed.take(held)
    held[7] = delivered(7)
    followed.take(held)
    followed.take(held)
    assert looked_at == [0, 1, 2, 3, 4, 7]
