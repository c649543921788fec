"""What was not looked up for a group is looked up when another of the group leads there."""

from __future__ import annotations

import asyncio

import pytest

from exchange.broker import keys, records
from exchange.broker.intake import consider
from exchange.errors import Code
from exchange.model.header import MAX_RECIPIENTS
from exchange.model.identity import digest
from exchange.store.memory import MemoryStore
from tests.books import Book
from tests.builders import COAST, DESK, WATCH, WATCH_DESK, refers, world
from tests.node.running import Gate, post, running, until
from tests.node.test_writer import done_in


async def test_grant_beside_its_bulletin_in_a_group_is_refused_as_it_is_after_it(monkeypatch):
    monkeypatch.setattr(records, "MAX_OWED", MAX_RECIPIENTS + 4)
    gate, w = Gate(MemoryStore()), world()
    closed = w.closed(to=[WATCH])
    refs = refers("corrects", closed.envelope)
    early = w.closed(type="cor", verb="correct", refs=refs, to=[WATCH])
    async with running(gate) as node:
        for each in (early.envelope, w.grant(early, WATCH_DESK), w.grant(early, DESK)):
            assert (await post(node, each)).refusal is None
        gate.shut()
        first = post(node, w.envelope())
        await until(lambda: gate.batches == [1])
        both = [post(node, each) for each in (closed.envelope, w.grant(closed, COAST))]
        await until(lambda: len(done_in(node.writer.arrivals._under_way)) == len(both))
        gate.open.set()
        _, taken, refused = await asyncio.gather(first, *both)
    assert gate.batches == [1, 2]
    assert taken.refusal is None
    assert refused.refusal.code is Code.OVERSIZED


def test_key_that_was_not_looked_up_is_never_taken_for_one_that_leads_nowhere():
    book = Book()
    arrival = world().arrival(world().envelope())
    considered = consider(arrival, book.view)
    known, ledger = book.look_up(considered), book.ledger()
    del known[keys.by_digest(digest(arrival.raw))]
    with pytest.raises(records.NotLookedUp):
        ledger.settle(considered, arrival[:3], known)
    assert not ledger.records
