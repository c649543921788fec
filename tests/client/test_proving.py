"""That nothing is missing, proved by whom it is owed to; and each alarm, by a node that lies.

The lies are told by a front between a real node and a real client: real TLS, the pinned key.
An honest node, whatever happens to it, raises none.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import msgspec
import pytest

from exchange.cli.proving import held_to
from exchange.cli.serve import log_signers
from exchange.client.proving import MAX_AGE_S, verify
from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.bundle import TlogProof
from exchange.journal.tree import Group, leaf_hash
from exchange.model import entry as entries
from exchange.model import wire
from exchange.node.checkpoints import AGAIN_S
from exchange.store.memory import MemoryStore
from tests.api.serving import serving
from tests.builders import COAST, MINSA, NOW_MS, WATCH, WATCH_DESK, suspended, world
from tests.client.proving import SKEW_S, alarm, reader, scene, sent
from tests.node.running import post

# -- an honest node ------------------------------------------------------------------------


async def test_all_that_is_owed_is_proved_to_be_here(tmp_path):
    async with scene(tmp_path) as (door, _, line, clock):
        await sent(door, 3)
        items = await line.everything()
        proven = await line.prove()
        size = c2sp.parse(door.node.newest).size
        assert (proven.count, proven.trust) == (len(items), len(world().documents))
        assert (proven.size, proven.entry, proven.covered) == (size, size - 1, size - 1)
        assert proven.signed == clock.ms // 1000


@pytest.mark.parametrize("endpoint", [WATCH_DESK, COAST])
async def test_that_nothing_is_owed_is_proved_as_well(tmp_path, endpoint):
    async with scene(tmp_path, endpoint) as (door, _, line, _):
        await sent(door)
        assert (await line.prove()).count == 0


async def test_what_was_not_fetched_yet_is_fetched_to_be_proved(tmp_path, monkeypatch):
    async with scene(tmp_path) as (door, _, line, _):
        await sent(door, 5)
        # Page by page, and nothing was read before.
        monkeypatch.setattr(wire, "MAX_PAGE_BYTES", 8_000)
        assert (await line.prove()).count == 5


async def test_what_came_after_the_checkpoint_is_not_judged_and_alarms_nobody(tmp_path):
    async with scene(tmp_path) as (door, _, line, _):
        await sent(door, 2)
        await post(door.node, world().envelope(to=[WATCH]))
        assert len(await line.everything()) == 3
        assert (await line.prove()).count == 2
        await door.node.checkpoints.checkpoint()
        assert (await line.prove()).count == 3


async def test_honest_node_raises_no_alarm_through_all_that_happens_to_it(tmp_path):
    store = MemoryStore()
    async with scene(tmp_path, store=store) as (door, _, line, clock):
        await sent(door, 2)
        assert (await line.prove()).count == 2
        # Acknowledged, the directory changed, another reader; idle for an hour; a restart.
        envelope = world().envelope(to=[WATCH, COAST])
        await post(door.node, envelope)
        await post(door.node, world().ack(envelope))
        await post(door.node, world().amended(COAST, suspended), MINSA)
        await sent(door)
        assert (await line.prove()).count == 4
        for _ in range(60):
            clock.ms += AGAIN_S * 1000
            await door.node.checkpoints.checkpoint()
        proven = await line.prove()
        assert (proven.count, proven.signed) == (4, clock.ms // 1000)
    async with serving(store.reopen(), clock=clock, documents=[]) as door:
        await sent(door)
        async with reader(door.url, tmp_path, clock) as line:
            assert (await line.prove()).count == 5


async def test_while_others_post_and_checkpoints_are_made_no_alarm_is_raised(tmp_path):
    async with scene(tmp_path) as (door, _, line, _):
        await sent(door)
        envelopes = [world().envelope(to=[WATCH]) for _ in range(30)]

        async def posting():
            for place, each in enumerate(envelopes):
                await post(door.node, each)
                if place % 3 == 0:
                    await door.node.checkpoints.checkpoint()

        busy = asyncio.ensure_future(posting())
        proved = []
        while not busy.done():
            proved.append((await line.prove()).count)
        await busy
        await door.node.checkpoints.checkpoint()
        assert proved == sorted(proved)
        assert (await line.prove()).count == 31


async def test_before_the_first_checkpoint_nothing_is_proved(tmp_path):
    async with scene(tmp_path) as (_, _, line, _):
        await alarm(line, Code.NOT_FOUND, "")


# -- a node that withholds -----------------------------------------------------------------


def inbox(change):
    def changed(path, value):
        return change(value) if path == "/v1/inbox" else value

    return changed


def evidence(folder):
    """What was kept of what the node signed that it owes: where, and the bytes."""
    return [(str(path), path.read_bytes()) for path in folder.rglob("*.owed")]


def without_the_last(page):
    """As if it had never been: numbers and total fit."""
    page["items"] = [item for item in page["items"] if item["position"] < 2]
    page["total"] = 2
    return page


async def test_item_withheld_from_the_end_is_found_though_the_inbox_shows_no_gap(tmp_path):
    async with scene(tmp_path) as (door, liar, line, _):
        await sent(door, 3)
        liar.change = inbox(without_the_last)
        assert len(await line.everything()) == 2
        refusal = await alarm(line, Code.ITEM_WITHHELD, "/own")
        ((kept, raw),) = evidence(tmp_path)
        assert refusal.facts == {"expected": 3, "found": 2, "evidence": kept}
        # What the node signed that it owes, as it told it: anybody can hold it to its keys.
        owed = msgspec.json.decode(raw, type=wire.Heads)
        assert verify(owed, WATCH, "pa", line.trust).own.count == 3


async def test_gap_is_found(tmp_path):
    async with scene(tmp_path) as (door, liar, line, _):
        await sent(door, 3)

        def gap(page):
            page["items"] = [item for item in page["items"] if item["position"] != 1]
            return page

        liar.change = inbox(gap)
        refusal = await alarm(line, Code.INBOX_GAP, "/position")
        assert (refusal.facts["expected"], refusal.facts["found"]) == (1, 2)
        assert refusal.facts["evidence"] in dict(evidence(tmp_path))


async def test_gap_of_which_nothing_is_signed_yet_stays_the_alarm(tmp_path):
    async with scene(tmp_path) as (door, liar, line, _):
        await sent(door)
        assert len(await line.everything()) == 1
        for _ in range(2):
            await post(door.node, world().envelope(to=[WATCH]))

        def gap(page):
            page["items"] = [item for item in page["items"] if item["position"] != 1]
            return page

        liar.change = inbox(gap)
        items, outcome = await held_to(line)
        assert isinstance(outcome, Refusal)
        assert (outcome.code, outcome.facts) == (Code.INBOX_GAP, {"expected": 1, "found": 2})
        assert [len(items), evidence(tmp_path)] == [1, []]
        liar.change = lambda _, value: value
        items, outcome = await held_to(line)
        assert [len(items), outcome.count] == [3, 1]


async def test_withheld_trust_document_is_found(tmp_path):
    async with scene(tmp_path) as (door, liar, line, _):
        await post(door.node, world().amended(COAST, suspended), MINSA)
        await sent(door)

        def change(path, value):
            if path == "/v1/trust":
                first = len(world().documents)
                value["items"] = [each for each in value["items"] if each["position"] < first]
                value["total"] = first
            return value

        liar.change = change
        await alarm(line, Code.ITEM_WITHHELD, "/trust")


# -- a node that changes -------------------------------------------------------------------


def exchanged(one, other):
    """Put two items in each other's place: numbers and order stay."""

    def change(page):
        found = {item["position"]: item for item in page["items"]}
        if {one, other} <= found.keys():
            a, b = found[one], found[other]
            a["entry"], b["entry"] = b["entry"], a["entry"]
        return page

    return change


def first_replaced(page):
    for item in page["items"]:
        if item["position"] == 0:
            read = entries.decode(item["entry"].encode())
            facts = msgspec.structs.replace(read.facts, late=True)
            item["entry"] = entries.encode(facts, read.object).decode()
    return page


def moved_up(page):
    for item in page["items"]:
        item["index"] -= item["position"] == 0
    return page


@pytest.mark.parametrize("change", [exchanged(0, 1), exchanged(1, 2), first_replaced, moved_up])
async def test_reordered_replaced_or_moved_item_is_found(tmp_path, change):
    async with scene(tmp_path) as (door, liar, line, _):
        await sent(door, 3)
        liar.change = inbox(change)
        await alarm(line, Code.CHAIN_DIFFERS, "/own")


async def test_item_shown_otherwise_the_second_time_blocks_nothing_and_is_found(tmp_path):
    async with scene(tmp_path) as (door, liar, line, _):
        await sent(door, 2)
        await line.everything()
        liar.change = inbox(first_replaced)
        assert len(await line.everything()) == 2
        async with aclosing(line.follow()) as items:
            await anext(items)
        refusal = await alarm(line, Code.CHAIN_DIFFERS, "/items")
        assert refusal.facts == {"found": 0}


async def test_item_added_that_nobody_owes_is_found(tmp_path):
    async with scene(tmp_path) as (door, liar, line, _):
        await sent(door, 1)

        def more(page):
            if page["items"]:
                # Before the heads' own place: an entry of the journal that is not ours.
                (item,) = page["items"]
                page["items"] = [{**item, "index": 1}, {**item, "position": 1}]
                page["total"] = 2
            return page

        liar.change = inbox(more)
        await line.everything()
        await alarm(line, Code.CHAIN_DIFFERS, "/own")


# -- a node that freezes or goes back ------------------------------------------------------


def replaying(recorded):
    """Give what was given before, for ever: the node stands still."""

    def change(path, value):
        return msgspec.json.decode(recorded.setdefault(path, msgspec.json.encode(value)))

    return change


async def test_frozen_node_is_found_by_the_time_of_its_checkpoint(tmp_path):
    async with scene(tmp_path) as (door, liar, line, clock):
        await sent(door, 2)
        recorded = {}
        liar.change = lambda path, value: (
            replaying(recorded)(path, value) if path == "/v1/heads" else value
        )
        assert (await line.prove()).count == 2
        await sent(door)
        # As long as it may be true, it may be true.
        clock.ms += (MAX_AGE_S + SKEW_S) * 1000
        assert (await line.prove()).count == 2
        clock.ms += 1000
        refusal = await alarm(line, Code.STALE_HEAD, "/signed")
        assert refusal.facts["limit"] == MAX_AGE_S + SKEW_S


async def test_checkpoint_of_the_future_is_no_fresh_one(tmp_path):
    """Else a node could sign ahead, and stand still."""
    async with scene(tmp_path) as (door, _, line, clock):
        clock.ms = NOW_MS + (SKEW_S + 1) * 1000
        await sent(door)
        clock.ms = NOW_MS
        await alarm(line, Code.STALE_HEAD, "/signed")


async def test_head_that_went_back_is_found_even_by_another_run_of_the_client(tmp_path):
    async with scene(tmp_path) as (door, liar, line, clock):
        await sent(door)
        old = (await door.get("/v1/heads", WATCH)).json
        await sent(door)
        await line.prove()
        liar.change = lambda path, value: old if path == "/v1/heads" else value
        await alarm(line, Code.HEAD_WENT_BACK, "/size")
        url = line.profile.url
        async with reader(url, tmp_path, clock) as again:
            await alarm(again, Code.HEAD_WENT_BACK, "/size")
        liar.change = lambda _, value: value
        assert (await line.prove()).count == 2


async def test_rolled_back_store_is_found(tmp_path):
    """The node is honest, and began again from yesterday's copy of its disk."""
    async with scene(tmp_path) as (door, _, line, clock):
        await sent(door, 2)
        await line.prove()
    async with serving(MemoryStore(), clock=clock) as door:
        await sent(door)
        async with reader(door.url, tmp_path, clock) as line:
            await alarm(line, Code.HEAD_WENT_BACK, "/size")


async def test_other_journal_that_is_longer_is_found(tmp_path):
    async with scene(tmp_path) as (door, _, line, clock):
        await sent(door)
        await line.prove()
    async with serving(MemoryStore(), clock=clock) as door:
        await sent(door, 9)
        async with reader(door.url, tmp_path, clock) as line:
            await alarm(line, Code.HEAD_WENT_BACK, "/root")


async def test_what_was_proved_may_not_change_under_a_head_that_goes_on(tmp_path):
    """A chain that was seen is held to the one that is here, whatever the node signs later."""
    async with scene(tmp_path) as (door, _, line, _):
        await sent(door, 2)
        await line.prove()
        memory = line.world.seen
        seen = memory.read(line.profile.anchor, "pa")
        memory.keep(msgspec.structs.replace(seen, chain="A" * 43))
        await alarm(line, Code.CHAIN_DIFFERS, "/items")
        # Not forgotten by alarming.
        await alarm(line, Code.CHAIN_DIFFERS, "/items")


async def test_count_that_went_back_under_a_longer_journal_is_found(tmp_path):
    async with scene(tmp_path) as (door, _, line, _):
        await sent(door, 2)
        await line.prove()
        memory = line.world.seen
        seen = memory.read(line.profile.anchor, "pa")
        memory.keep(msgspec.structs.replace(seen, count=3))
        await alarm(line, Code.HEAD_WENT_BACK, "/own")


async def test_checkpoint_that_went_back_is_found_though_nothing_was_owed_since(tmp_path):
    async with scene(tmp_path) as (door, liar, line, _):
        await sent(door)
        old = (await door.get("/v1/heads", WATCH)).json
        await sent(door, to=(COAST,))
        await line.prove()
        liar.change = lambda path, value: old if path == "/v1/heads" else value
        await alarm(line, Code.HEAD_WENT_BACK, "/size")


async def test_heads_that_claim_to_cover_what_comes_after_them_are_refused(tmp_path):
    """No honest node makes them: signed here with its keys."""
    async with scene(tmp_path) as (door, _, line, clock):
        await sent(door)
        answer = msgspec.convert((await door.get("/v1/heads", WATCH)).json, wire.Heads)
        await line.view()
        facts = entries.decode(answer.entry.encode()).facts
        for size, is_told in ((facts.size, True), (facts.size + 1, False)):
            entry = entries.encode(msgspec.structs.replace(facts, size=size))
            leaves = [row.leaf for row in await door.node.store.read(0, facts.size)]
            tree = Group([*leaves, leaf_hash(entry)])
            signed = c2sp.sign(
                c2sp.Checkpoint("exchange/pa", len(tree), tree.root),
                log_signers("pa", world().node),
                clock.ms // 1000,
            )
            path = tuple(tree.path(facts.size))
            proof = TlogProof(index=facts.size, path=path, note=signed).encode().decode()
            lie = msgspec.structs.replace(answer, entry=entry.decode(), proof=proof)
            if is_told:
                verify(lie, WATCH, "pa", line.trust)
                continue
            with pytest.raises(Refusal) as caught:
                verify(lie, WATCH, "pa", line.trust)
            assert (caught.value.code, caught.value.at) == (Code.BAD_PROOF, "/entry/size")


async def test_damaged_memory_is_a_fault_and_not_begun_anew(tmp_path):
    async with scene(tmp_path) as (door, _, line, _):
        await sent(door)
        path = tmp_path / WATCH.replace("/", "-") / "head.json"
        path.write_bytes(b'{"anchor":')
        with pytest.raises(Fault) as caught:
            await line.prove()
        assert caught.value.code is Code.HEAD_MEMORY
        assert path.read_bytes() == b'{"anchor":'
