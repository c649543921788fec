"""What was shown to an auditor is in the journal, and leads to no more of it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from structlog.testing import capture_logs

from exchange.audit import forms
from exchange.broker.audited import KEPT_MS
from exchange.broker.replay import Replayer
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from exchange.model.shown import Shown
from exchange.model.view import View
from exchange.node.auditing import Reads, Told
from exchange.store.memory import MemoryStore
from tests.api.serving import serving
from tests.api.test_sessions import PATHS
from tests.builders import AUDIT, MINSA, NOW_MS, OPS, WATCH, world
from tests.faults import Failure, FaultyStore
from tests.node.running import Clock, journal, post, running


def reader(endpoint):
    return msgspec.structs.replace(endpoint, roles=["reader"])


async def noted(node):
    """What stands in the journal of what was shown, each as its auditor, times and reads."""
    facts = [each.facts for each in await journal(node)]
    found = [each for each in facts if isinstance(each, entries.AuditRead)]
    return [(each.auditor, each.since_ms, each.until_ms, each.reads) for each in found]


async def must_replay(node):
    """Judge all of a journal again, by the rules and by its form."""
    rows = await node.store.read(0, 1000)
    told = [entries.decode(row.entry).facts for row in rows]
    named = [each.document.digest for each in told if isinstance(each, entries.Trust)]
    documents = {each: await node.store.blob(each) for each in named}
    listed = forms.Listed()
    replayer = Replayer(View(anchor=world().anchor), lambda at: rows[at].entry, documents.get)
    for row in rows:
        replayer.step(row.entry)
        listed.follow(replayer.view)
        forms.check(told[row.index], row.index, listed)
        if isinstance(told[row.index], entries.AuditRead):
            with pytest.raises(Refusal) as caught:
                forms.check(told[row.index], row.index, forms.Listed([OPS, AUDIT], [OPS]))
            assert caught.value.at == "/auditor"


async def test_what_an_auditor_is_shown_within_a_minute_is_one_entry():
    clock = Clock()
    async with serving(clock=clock) as door:
        node, other = door.node, "pa.contraloria/audit"
        index = (await post(node, world().envelope())).receipt.index
        await node.checkpoints.checkpoint()
        size = node.size
        assert (await door.get("/v1/journal?first=1&limit=3", AUDIT)).status == 200
        clock.ms += 7000
        for path in (f"/v1/proof?index={index}", f"/v1/tile/0/000.p/{size}"):
            assert (await door.get(path, AUDIT)).status == 200
        for path in ("/v1/journal?first=2&limit=256", f"/v1/journal?first={index}&limit=1"):
            assert (await door.get(path, other)).status == 200
        await node.auditing.enter()
        assert await noted(node) == [
            (
                AUDIT,
                NOW_MS,
                NOW_MS + 7000,
                [
                    Shown("entries", 1, 1, 3, 3),
                    Shown("proofs", 1, index, index, 1),
                    Shown("tiles", 1, 0, size - 1, size),
                ],
            ),
            (
                other,
                NOW_MS + 7000,
                NOW_MS + 7000,
                [Shown("entries", 2, 2, size - 1, size - 1)],
            ),
        ]
        assert all(not entries.owed_by(each.facts) for each in (await journal(node))[-2:])
        await must_replay(node)


async def test_following_an_idle_journal_leaves_it_as_it_is():
    async with serving() as door:
        node, first = door.node, 0
        await post(node, world().envelope())
        await node.checkpoints.checkpoint()
        sizes, heads = [], node.size - 2
        for _ in range(4):
            page = (await door.get(f"/v1/journal?first={first}&limit=256", AUDIT)).json
            first += len(page["items"])
            assert (await door.get(f"/v1/proof?index={heads}", AUDIT)).status == 200
            await node.auditing.enter()
            await node.checkpoints.checkpoint()
            sizes.append(node.size)
        # What was read first is news; that it was read is none, nor is reading that.
        assert len(set(sizes)) == 1
        assert first == node.size
        assert len(await noted(node)) == 1


async def test_what_every_endpoint_is_given_and_what_others_are_shown_is_not_noted():
    alike = ("checkpoint", "trust", "heads", "inbox", "journal?first=9999")
    async with serving() as door:
        index = (await post(door.node, world().envelope(to=[WATCH]))).receipt.index
        await door.node.checkpoints.checkpoint()
        for path in alike:
            assert (await door.get(f"/v1/{path}", AUDIT)).status == 200
        assert (await door.get(f"/v1/proof?index={index}", OPS)).status == 200
        assert (await door.get(PATHS["/v1/tile/{path:.+}"], OPS)).status == 200
        await door.node.auditing.enter()
        assert await noted(door.node) == []


async def test_node_that_is_stopped_enters_first_what_it_showed():
    store = MemoryStore()
    async with running(store) as node:
        node.reads.add(AUDIT, Shown("entries", 1, 0, 0, 1))
    (last,) = [row.entry for row in await store.reopen().read(node.size - 1, 9)]
    assert isinstance(entries.decode(last).facts, entries.AuditRead)


async def test_what_cannot_be_written_now_is_written_with_what_comes():
    store = FaultyStore(MemoryStore())
    async with running(store) as node:
        node.reads.add(AUDIT, Shown("entries", 1, 2, 4, 3))
        store.fail(Failure.REFUSE)
        with capture_logs() as logs:
            await node.auditing.enter()
        assert [(each["event"], each["code"]) for each in logs] == [
            ("audit-read", Code.STORE_FAILED.value)
        ]
        assert await noted(node) == []
        node.reads.add(AUDIT, Shown("entries", 1, 0, 2, 3))
        await node.auditing.enter()
        assert await noted(node) == [(AUDIT, NOW_MS, NOW_MS, [Shown("entries", 2, 0, 4, 6)])]


async def test_node_that_may_write_no_more_still_ends():
    async with running() as node:
        node.reads.add(AUDIT, Shown("entries", 1, 0, 0, 1))
        node.writer.fault = Fault(Code.CLOCK)
    with pytest.raises(Fault, match="the store is closed"):
        await node.store.head()


@pytest.mark.parametrize(
    ("auditor", "shown", "event"),
    [
        (OPS, Shown("entries", 1, 0, 0, 1), "no-auditor"),
        ("us.oig/nobody", Shown("entries", 1, 0, 0, 1), "no-auditor"),
        (AUDIT, Shown("entries", 1, 0, 2**50, 1), "audit-read"),
        (AUDIT, Shown("entries", 1, 3, 2, 1), "audit-read"),
        (AUDIT, Shown("proofs", 9, 0, 0, 1), "audit-read"),
        (AUDIT, Shown("entries", 1, 0, 0, 2**53 - 1), "audit-read"),
    ],
)
async def test_front_that_lies_of_reads_brings_nothing_into_the_journal(auditor, shown, event):
    async with running() as node:
        size = node.size
        with capture_logs() as logs:
            node.auditing.hear(auditor, shown)
            await node.auditing.enter()
        assert [(each["event"], each["log_level"]) for each in logs] == [(event, "critical")]
        assert node.size == size


async def test_what_a_front_invents_neither_stops_a_node_nor_costs_what_others_showed():
    honest = Shown("entries", 5, 0, 3, 20)
    store = MemoryStore()
    async with running(store) as node:
        await post(node, world().envelope())
        with capture_logs() as logs:
            node.auditing.hear(AUDIT, honest)
            for lie in (Shown("entries", 1, 0, 0, 2**53 - 1), Shown("entries", 1, 0, 2**50, 1)):
                node.auditing.hear(AUDIT, lie)
            await node.auditing.enter()
        assert {each["log_level"] for each in logs if each["event"] == "audit-read"} == {
            "critical"
        }
        assert await noted(node) == [(AUDIT, NOW_MS, NOW_MS, [honest])]
    async with running(store.reopen()) as node:
        await post(node, world().envelope())
        await node.checkpoints.checkpoint()
        await must_replay(node)


async def test_what_a_front_showed_before_the_writer_heard_of_it_is_entered_too():
    async with running() as node:
        ahead = Shown("entries", 1, node.size, node.size, 1)
        node.auditing.hear(AUDIT, ahead)
        assert node.reads.some.is_set()
        await post(node, world().envelope())
        await node.auditing.enter()
        assert [each[3] for each in await noted(node)] == [[ahead]]


async def test_it_is_not_dated_before_it_was_shown():
    clock = Clock()
    async with running(clock=clock) as node:
        clock.ms += 3000
        node.reads.add(AUDIT, Shown("entries", 1, 0, 0, 1))
        clock.ms -= 3000
        entering = asyncio.create_task(node.auditing.enter())
        await post(node, world().envelope())
        assert await noted(node) == []
        clock.ms += 3000
        await entering
        assert [each[1:3] for each in await noted(node)] == [(NOW_MS + 3000, NOW_MS + 3000)]
        await must_replay(node)


@pytest.mark.parametrize("until_ms", [NOW_MS, NOW_MS - KEPT_MS - 5])
async def test_what_could_not_be_written_for_more_than_a_week_is_said_to_be_a_week_old(
    until_ms,
):
    async with running() as node:
        read, oldest_ms = Shown("entries", 1, 0, 0, 1), NOW_MS - KEPT_MS
        told = Told(oldest_ms - 9, until_ms, {"entries": read})
        node.reads.put_back(AUDIT, told)
        await node.auditing.enter()
        assert await noted(node) == [(AUDIT, oldest_ms, max(until_ms, oldest_ms), [read])]


async def test_auditor_that_is_none_any_more_was_shown_it_all_the_same():
    async with running() as node:
        await post(node, world().amended(AUDIT, reader), MINSA)
        node.auditing.hear(AUDIT, Shown("entries", 1, 0, 0, 1))
        await node.auditing.enter()
        assert [each[0] for each in await noted(node)] == [AUDIT]


async def test_what_is_gathered_is_a_few_numbers_of_each_auditor():
    reads = Reads(Clock())
    for at in range(1000):
        reads.add(AUDIT, Shown("entries", 1, at, at + 9, 10))
    (told,) = reads.take().values()
    assert told.reads == {"entries": Shown("entries", 1000, 0, 1008, 10_000)}
    assert not reads.some.is_set()
