"""The way of a bulletin to each holder, told from receipts and acknowledgements alone."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.client import story
from exchange.client.reading import Acked, Granted
from exchange.client.story import GrantTold, Posted
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.header import RELATION_OF, Reference
from exchange.model.identity import digest
from tests.builders import COAST, DAY, NOW, NOW_MS, OPS, WATCH, WATCH_DESK, new_id, world
from tests.client.dealing import agency

KIND = {"correct": "cor", "cancel": "can", "update": "voi"}


def put(index, owed=(WATCH,), early=None, **header: Any) -> Posted:
    """A bulletin recorded at an entry, a second later for each; without an index it waits."""
    made = world().header(**{"to": [WATCH], **header})
    named = digest(f"{made.id}{index}".encode())
    if index is None:
        return Posted(made, named)
    facts = entries.Accepted(
        digest=named,
        blobs=[],
        wraps=[],
        owed=[entries.Owed(name, index * 10) for name in owed],
        late=False,
        salt="",
        taken_ms=NOW_MS + index * 1000,
        view=0,
        **(early or {}),
    )
    return Posted(made, named, index, facts)


def done(index, verb, target, owed=(WATCH,), **more: Any) -> Posted:
    refs = [Reference(RELATION_OF[verb], target.header.id, target.digest)]
    return put(index, owed, **{"type": KIND[verb], "verb": verb, "refs": refs, **more})


def acked(of, by=WATCH, outcome="opened", index=90):
    ack = objects.Acknowledgement(
        v="xb1",
        suite="xb1-h",
        id=new_id(),
        origin=by.partition("/")[0],
        endpoint=by,
        of=of.subject,
        outcome=outcome,
        at=NOW,
        officer=None,
    )
    return Acked(0, index, NOW_MS + index * 1000, ack)


def way(every, of, items=(), holder=WATCH, now=NOW):
    steps = story.of_address(story.past(every, of, items), holder, world().view, now)
    return {each.step: each for each in steps}


def ended(step):
    return step.chase.ended


def test_steps_come_in_order_of_time_and_fetching_is_not_known_before_an_acknowledgement():
    first = put(1)
    after = done(5, "correct", first)
    past = story.past([first, after], first, [])
    names = [each.step for each in story.of_address(past, WATCH, world().view, NOW)]
    assert names == ["owed", "corrected", "fetched"]
    past = story.past([first, after], first, [acked(first, index=3)])
    names = [each.step for each in story.of_address(past, WATCH, world().view, NOW)]
    assert names == ["owed", "acknowledged", "corrected"]


def test_another_bulletin_of_the_same_id_and_another_holder_say_nothing():
    first = put(1)
    other = Posted(first.header, digest(b"another"), 2, first.facts)
    assert "acknowledged" not in way([first], first, [acked(other), acked(first, by=COAST)])


@pytest.mark.parametrize(
    ("precedence", "early", "step"),
    [
        ("flash", None, "sent-ahead"),
        ("immediate", None, "sent-ahead"),
        ("priority", None, "owed"),
        ("flash", {"cancelled_by": 0}, "owed"),
    ],
)
def test_what_is_urgent_is_told_ahead_unless_it_was_cancelled_first(precedence, early, step):
    first = put(1, early=early, precedence=precedence)
    assert way([first], first)[step].position == 10


def test_who_holds_its_target_gets_the_header_alone():
    first = put(1, owed=(WATCH, COAST))
    assert way([first], first)["owed"].reason is None
    assert way([first], first, holder=COAST)["owed"].reason == "header-only"


def test_what_has_no_receipt_yet_is_no_step_with_a_time():
    first = put(1)
    step = way([first, done(None, "correct", first)], first)["corrected"]
    assert (step.at_ms, step.index, step.reason, step.chase) == (None, None, "no-receipt", None)
    assert story.of_address(story.past([], put(None), []), WATCH, world().view, NOW) == []


def test_correction_waits_for_its_own_acknowledgement():
    first = put(1)
    after = done(2, "correct", first)
    every = [first, after]
    assert ended(way(every, first)["corrected"]) is None
    assert ended(way(every, first, [acked(first)])["corrected"]) is None
    assert ended(way(every, first, [acked(after, outcome="delivered")])["corrected"]) is None
    assert ended(way(every, first, [acked(after)])["corrected"]) == "acknowledged"
    assert ended(way(every, after)["owed"]) is None
    assert ended(way(every, after, [acked(after)])["owed"]) == "acknowledged"


@pytest.mark.parametrize("verb", ["correct", "cancel"])
def test_who_learns_by_the_bulletins_entry_acknowledges_with_it(verb):
    relation = {"correct": "corrected", "cancel": "cancelled"}[verb]
    first = put(2, early={f"{relation}_by": 1})
    before = done(1, verb, first, owed=(COAST,))
    every = [first, before]
    step = way(every, first)[relation]
    assert (step.reason, ended(step)) == ("told-by-its-entry", None)
    # It waits since the bulletin came, not since what came before it.
    assert step.chase.since_ms == first.facts.taken_ms
    assert ended(way(every, first, [acked(before)])[relation]) is None
    assert ended(way(every, first, [acked(first)])[relation]) == "acknowledged"


def test_of_what_its_entry_tells_a_later_cancellation_is_chased_instead():
    first = put(2, early={"cancelled_by": 1})
    before, later = done(1, "cancel", first, owed=(COAST,)), done(3, "cancel", first)
    past = story.past([first, before, later], first, [])
    steps = story.of_address(past, WATCH, world().view, NOW)
    chases = [(each.index, ended(each)) for each in steps if each.step == "cancelled"]
    assert chases == [(1, "target-cancelled"), (3, None)]


def test_what_the_entry_does_not_name_was_not_told_and_is_not_chased():
    first = put(3, early={"corrected_by": 1})
    second = done(2, "correct", first, owed=(COAST,))
    step = way([first, second], first)["corrected"]
    assert (step.reason, step.chase) == ("not-told", None)


def test_every_correction_that_the_entry_names_is_chased_of_who_was_told_by_it():
    first = put(3, early={"corrected_by": 1, "corrected_also_by": [2]})
    early = [done(index, "correct", first, owed=(COAST,)) for index in (1, 2)]
    past = story.past([first, *early], first, [])
    steps = [each for each in story.of_address(past, WATCH, world().view, NOW) if each.id]
    assert [(each.index, each.reason, ended(each)) for each in steps] == [
        (1, "told-by-its-entry", None),
        (2, "told-by-its-entry", None),
    ]


def test_withdrawn_and_moot_are_by_name_both_in_its_own_story_and_in_its_targets():
    first = put(1)
    after = done(2, "correct", first)
    withdrawal, cancellation = done(3, "cancel", after), done(4, "cancel", first)
    for by, rule in ((withdrawal, "withdrawn"), (cancellation, "target-cancelled")):
        every = [first, after, by]
        assert ended(way(every, first)["corrected"]) == rule
        assert ended(way(every, after)["owed"]) == rule
    # A cancellation is not ended by a second one; what has no receipt ends nothing.
    every = [first, cancellation, done(5, "cancel", first)]
    assert ended(way(every, first)["cancelled"]) is None
    assert ended(way(every, cancellation)["owed"]) is None
    every = [first, after, done(None, "cancel", first), done(None, "cancel", after)]
    assert ended(way(every, first)["corrected"]) is None


def test_retention_is_that_of_what_is_corrected_where_that_was_posted_from_here():
    first = put(1, retain_until=NOW + 2 * DAY)
    after = done(2, "correct", first, retain_until=NOW + 9 * DAY)
    over = NOW + 2 * DAY
    assert ended(way([first, after], first, now=over)["corrected"]) == "retention-over"
    assert ended(way([first, after], after, now=over)["owed"]) == "retention-over"
    assert ended(way([after], after, now=over)["owed"]) is None


def test_update_is_not_chased_and_neither_is_its_author():
    first = put(1)
    update = done(2, "update", first)
    assert way([first, update], first)["superseded"].chase is None
    assert way([first, update], update)["owed"].chase is None
    after = done(3, "correct", first, owed=(WATCH, OPS))
    assert way([first, after], after, holder=OPS)["owed"].chase is None


def granted(of, index):
    grant = objects.Grant(
        v="xb1",
        suite="xb1-h",
        id=new_id(),
        origin="pa.senan",
        endpoint="pa.senan/desk",
        of=of.subject,
        to=WATCH_DESK,
        wrap=objects.Blob(of.digest, 1),
        at=NOW,
    )
    taken = None if index is None else NOW_MS
    return grant, GrantTold(grant, index, taken, frozenset({2}))


def test_grant_without_a_receipt_says_so_and_what_it_names_is_told_by_it():
    first = put(1)
    before, after = done(2, "correct", first), done(4, "correct", first, (WATCH, WATCH_DESK))
    past = story.past([first, before, after], first, [])
    (waits, *_) = story.of_grant(past, granted(first, None)[1], world().view, NOW)
    assert (waits.step, waits.at_ms, waits.reason) == ("granted", None, "no-receipt")
    steps = story.of_grant(past, granted(first, 3)[1], world().view, NOW)
    assert [(each.step, each.index, each.reason) for each in steps] == [
        ("granted", 3, None),
        ("corrected", 2, "told-by-its-entry"),
        ("corrected", 4, None),
        ("fetched", None, "fetching-not-recorded"),
    ]


def test_grants_of_another_bulletin_under_the_same_id_are_not_ours(tmp_path):
    first, box = put(1), agency("https://127.0.0.1:1", tmp_path).world.outbox
    other = Posted(first.header, digest(b"another"), 2, first.facts)
    items = [Granted(0, 5, NOW_MS, granted(each, 5)[0], 1) for each in (other, first)]
    found = [each.grant.of for each in story.grants(box, first, items)]
    assert found == [first.subject]
