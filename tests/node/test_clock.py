"""A clock that is wrong as a node starts writes nothing, and destroys nothing."""

from __future__ import annotations

import pytest

from exchange.errors import Code, Fault
from exchange.journal.checkpoint import parse
from exchange.model import entry as entries
from exchange.model.trust import ACCEPT_ALL, Witnesses
from exchange.node import clock as clocks
from exchange.node.checkpoints import AGAIN_S
from exchange.store.memory import MemoryStore
from exchange.store.pledge import PledgeFile
from tests.broker.amending import cancelling
from tests.builders import DAY, HOUR, MINSA, NOW, NOW_MS, WATCH, world
from tests.node.running import Clock, journal, post, running, until
from tests.node.test_retaining import a_case
from tests.node.vouching import Road, agreed, documents, signer, vouched

AWAY_MS = clocks.MAX_AWAY_MS


async def written(**options):
    """A journal of one bulletin; how many entries it has is ``len`` of its rows."""
    store = MemoryStore()
    async with running(store, **options) as node:
        await post(node, world().envelope(to=[WATCH]))
        await node.checkpoints.checkpoint()
    return store


async def started(store, ms, **options):
    """Start at a time; the code with which it did not, or how late its first entry is."""
    again = store.reopen()
    size = (await again.head()).size
    try:
        async with running(again, Clock(ms), **{"documents": [], **options}) as node:
            return (await journal(node))[size].facts.taken_ms
    except Fault as fault:
        assert len(again._tables.entries) == size
        return fault.code


async def test_clock_that_is_days_ahead_writes_nothing_without_the_operator_s_word():
    store = await written()
    assert await started(store, NOW_MS + AWAY_MS + 1) is Code.CLOCK_AHEAD
    year = NOW_MS + 365 * DAY * 1000
    assert await started(store, year) is Code.CLOCK_AHEAD
    assert await started(store, NOW_MS + AWAY_MS) == NOW_MS + AWAY_MS
    store = await written()
    assert await started(store, year, clock_is_right=True) == year


async def test_fault_says_both_times():
    store = await written()
    with pytest.raises(Fault) as caught:
        async with running(store.reopen(), Clock(NOW_MS + 2 * AWAY_MS), documents=[]):
            pass
    assert caught.value.facts == {
        "found": "2026-12-06T00:53:20Z",
        "known": "2026-11-30T00:53:20Z",
    }


async def test_idle_node_is_known_by_what_it_signed_last(tmp_path):
    pledge, clock, store = PledgeFile(tmp_path / "signed.note"), Clock(), MemoryStore()
    async with running(store, clock, pledge=pledge) as node:
        await node.checkpoints.checkpoint()
        clock.ms += AGAIN_S * 1000
        await node.checkpoints.checkpoint()
    at = NOW_MS + AGAIN_S * 1000 + AWAY_MS
    assert await started(store, at + 1, pledge=pledge) is Code.CLOCK_AHEAD
    assert await started(store, at, pledge=pledge) == at


async def test_journal_that_nobody_founded_yet_has_nothing_to_lose():
    store = await written(documents=[])
    assert await started(store, NOW_MS + 2 * AWAY_MS) == NOW_MS + 2 * AWAY_MS


@pytest.mark.parametrize(("away_s", "node", "is_confirmed"), [
    (0, "us", True),
    (0, "", True),
    (600, "us", False),  # one of the two clocks is wrong
    (0, "pa", False),  # our own has our clock
])  # fmt: skip
async def test_witness_of_another_bears_out_a_clock_by_its_own(
    tmp_path, away_s, node, is_confirmed
):
    end = f"#node={node}" if node else ""
    line = f"witness w1 {signer('w1').key} https://127.0.0.1:1{end}"
    named = Witnesses([line, "quorum w1"], 4 * 3600, ACCEPT_ALL)
    clock, late_ms = Clock(), NOW_MS + 30 * DAY * 1000
    road, store = Road(tmp_path / "road", clock, ["w1"]), MemoryStore()
    async with vouched(tmp_path, road=road, store=store, documents=documents(named)) as (at, _):
        await at.checkpoints.checkpoint()
    # Soon after, where nobody need ask: each checkpoint is cosigned all the same.
    async with running(store.reopen(), Clock(), documents=[], courier=road) as at:
        await post(at, world().envelope(to=[WATCH]))
        size = parse(await at.checkpoints.checkpoint()).size
        await until(lambda: at.witnessing.size == size)
        assert at.writer.clock._is_borne_out == (node != "pa")
    clock.ms = late_ms + away_s * 1000
    found = await started(store, late_ms, courier=road)
    assert found == (late_ms if is_confirmed else Code.CLOCK_AHEAD)
    await road.close()


async def test_witness_that_is_away_leaves_it_to_the_operator(tmp_path):
    road, store = Road(tmp_path / "road", Clock(NOW_MS + 2 * AWAY_MS)), MemoryStore()
    async with vouched(tmp_path, road=road, store=store, documents=documents(agreed())):
        road.closed = {"w1", "w2"}
    late = NOW_MS + 2 * AWAY_MS
    assert await started(store, late, courier=road) is Code.CLOCK_AHEAD
    road.closed = {"w1"}
    assert await started(store, late, courier=road) == late
    await road.close()


async def purged_after(tmp_path, ms, *, is_borne_out=False, cancelled=False):
    """Start two days late with what is due after one; how much is purged, so much later."""
    async with a_case(tmp_path) as case:
        # An hour after what a day makes of the newest time known.
        envelope = world().envelope(to=[WATCH], retain_until=NOW + DAY + HOUR)
        await case.post(envelope)
    clock = Clock(NOW_MS + 2 * DAY * 1000)
    async with a_case(tmp_path, clock=clock, is_new=False) as case:
        if is_borne_out:
            case.node.writer.clock.bear_out()
        if cancelled:
            times = {"issued": NOW + 2 * DAY, "expires": NOW + 3 * DAY}
            late = cancelling(
                envelope, **times, retain_until=NOW + 4 * DAY, declares=["must-purge"]
            )
            await case.post(late)
        await case.at((clock.ms + ms) // 1000)
        return len(await case.told(entries.PurgeOrdered))


async def test_nothing_is_purged_by_a_time_that_only_a_new_start_tells(tmp_path):
    for name, ms, borne_out, cancelled, expected in (
        ("soon", 60_000, False, False, 0),
        ("one day less a second", DAY * 1000 - 1000, False, False, 0),
        ("undisturbed", clocks.UNDISTURBED_MS, False, False, 1),
        ("borne out", 60_000, True, False, 1),
        ("withdrawn", 0, False, True, 1),
    ):
        (tmp_path / name).mkdir()
        found = await purged_after(
            tmp_path / name, ms, is_borne_out=borne_out, cancelled=cancelled
        )
        assert found == expected, name


async def test_what_was_over_when_the_node_ran_last_is_purged_at_once(tmp_path):
    clock = Clock()
    async with a_case(tmp_path, clock=clock) as case:
        await case.post(world().envelope(to=[WATCH], retain_until=NOW + DAY))
        clock.ms += DAY * 1000
        await post(case.node, world().amended(WATCH, lambda each: each), MINSA)
    async with a_case(tmp_path, clock=clock, is_new=False) as case:
        await case.at(NOW + DAY)
        assert len(await case.told(entries.PurgeOrdered)) == 1


def test_clock_that_is_set_between_a_start_and_its_first_stamp_has_jumped():
    wall, steady = Clock(), Clock()
    made = clocks.Clock(wall, steady)
    wall.ms += clocks.MAX_JUMP_MS + 1
    with pytest.raises(Fault) as caught:
        made.stamp()
    assert caught.value.code is Code.CLOCK
