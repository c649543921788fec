"""A clock that is wrong does not vouch for itself at the next start."""

from __future__ import annotations

import asyncio

import pytest

from exchange.errors import Code, Fault
from exchange.model import entry as entries
from exchange.model.trust import ACCEPT_ALL, Witnesses
from exchange.node import clock as clocks
from exchange.node import known_time
from exchange.node.known_time import KnownTime
from exchange.store.memory import MemoryStore
from exchange.store.pledge import PledgeFile
from tests.builders import DAY, HOUR, NOW, NOW_MS, WATCH, world
from tests.node.running import Clock, running, until
from tests.node.test_clock import AWAY_MS, started, written
from tests.node.test_retaining import a_case
from tests.node.vouching import Road, documents, signer, vouched

DAY_MS = DAY * 1000


async def begun(folder, retain_s):
    """A node of right time that holds a bulletin until so long after NOW."""
    async with a_case(folder) as case:
        await case.post(world().envelope(to=[WATCH], retain_until=NOW + retain_s))


async def passing(folder, ms, **options):
    """Start at a time and stop at once."""
    async with a_case(folder, clock=Clock(ms), is_new=False, **options):
        pass


async def purged(folder, ms, later_ms=60_000, **options):
    """Start at a time; how much is purged so much later."""
    async with a_case(folder, clock=Clock(ms), is_new=False, **options) as case:
        await case.at((ms + later_ms) // 1000)
        return len(await case.told(entries.PurgeOrdered))


@pytest.mark.parametrize("starts", [0, 1, 3])
async def test_start_makes_no_time_known_that_the_wrong_clock_alone_told(tmp_path, starts):
    await begun(tmp_path, DAY + HOUR)
    wrong = NOW_MS + 2 * DAY_MS
    for start in range(starts):
        await passing(tmp_path, wrong + start * 1000)
    assert await purged(tmp_path, wrong + starts * 1000) == 0


async def test_clock_that_goes_ahead_at_each_start_is_stopped_where_one_leap_would_be(tmp_path):
    await begun(tmp_path, 10 * DAY)
    await passing(tmp_path, NOW_MS + 2 * DAY_MS)
    with pytest.raises(Fault) as caught:
        await passing(tmp_path, NOW_MS + 4 * DAY_MS)
    assert caught.value.code is Code.CLOCK_AHEAD
    assert caught.value.facts["known"] == "2026-11-30T00:53:20Z"


async def test_word_of_the_operator_outlasts_the_start_that_it_was_given_for(tmp_path):
    await begun(tmp_path, DAY + HOUR)
    late = NOW_MS + 9 * DAY_MS
    await passing(tmp_path, late, clock_is_right=True)
    assert await purged(tmp_path, late + DAY_MS) == 1


async def test_day_that_nobody_disturbed_outlasts_its_start(tmp_path):
    await begun(tmp_path, 3 * DAY)
    late = NOW_MS + 2 * DAY_MS
    assert await purged(tmp_path, late, clocks.UNDISTURBED_MS) == 1
    await passing(tmp_path, late + clocks.UNDISTURBED_MS + AWAY_MS)


async def test_what_went_by_while_the_node_ran_is_known_at_the_next_start(tmp_path):
    """However short each start was, and though none was for long."""
    await begun(tmp_path, DAY)
    for quarter in range(5):
        ms = NOW_MS + quarter * DAY_MS // 4
        assert await purged(tmp_path, ms, DAY_MS // 4) == (quarter >= 3)


async def test_node_that_is_killed_has_kept_what_it_began_with(tmp_path):
    kept, store = PledgeFile(tmp_path / "known-time"), await written()
    async with running(store.reopen(), Clock(NOW_MS + 5000), documents=[], known_time=kept):
        raw = await kept.newest()
    assert raw == b"%d\n" % NOW_MS


async def test_file_that_cannot_be_read_knows_of_no_time(tmp_path):
    await begun(tmp_path, DAY)
    for raw in (b"", b"soon\n", b"-1\n", b"\x00" * 8, b"1" * 30 + b"\n"):
        (tmp_path / "known-time").write_bytes(raw)
        with pytest.raises(Fault) as caught:
            await passing(tmp_path, NOW_MS)
        assert caught.value.code is Code.CLOCK_AHEAD
    await passing(tmp_path, NOW_MS + 1000, clock_is_right=True)
    await passing(tmp_path, NOW_MS + 2000)


async def test_what_went_by_is_kept_while_the_node_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(known_time, "KEEP_S", 0.01)
    kept, clock, store = PledgeFile(tmp_path / "known-time"), Clock(), await written()
    async with running(store.reopen(), clock, documents=[], known_time=kept) as node:
        clock.ms += DAY_MS
        node.writer.stamp()
        for _ in range(500):
            if await kept.newest() == b"%d\n" % clock.ms:
                break
            await asyncio.sleep(0.01)
        assert await kept.newest() == b"%d\n" % clock.ms


class Full:
    """Meets ``ports.Pledge`` on a disk that is full."""

    def __init__(self, raw=None):
        self.raw = raw

    async def newest(self):
        return self.raw

    async def keep(self, _):
        raise Fault(Code.STORE_FAILED, reason="full")


async def test_time_that_cannot_be_kept_stops_a_node_only_where_none_is():
    store, soon = await written(), NOW_MS + 1000
    assert await started(store, soon, known_time=Full()) is Code.STORE_FAILED
    assert await started(store, soon, known_time=Full(b"%d\n" % NOW_MS)) == soon


@pytest.mark.parametrize(("node", "is_known"), [("us", True), ("pa", False)])
async def test_cosignature_of_another_is_known_to_be_past(tmp_path, node, is_known):
    """What a witness dated stands in ``cosigned.note``, also where nothing else was kept."""
    line = f"witness w1 {signer('w1').key} https://127.0.0.1:1#node={node}"
    clock, store = Clock(), MemoryStore()
    files = {
        "cosigned": PledgeFile(tmp_path / "cosigned.note"),
        "known_time": PledgeFile(tmp_path / "known-time"),
    }
    named = Witnesses([line, "quorum w1"], 4 * 3600, ACCEPT_ALL)
    road = Road(tmp_path / "road", clock, ["w1"])
    options = {"road": road, "store": store, "documents": documents(named)}
    async with vouched(tmp_path, clock=clock, **options, **files) as (at, _):
        clock.ms += 2 * DAY_MS
        note = await at.checkpoints.checkpoint()
        await at.witnessing._round(road, at.witnessing.policy, note)
    await files["known_time"].keep(b"%d\n" % NOW_MS)
    await road.close()
    late = clock.ms + 2 * DAY_MS
    expected = late if is_known else Code.CLOCK_AHEAD
    assert await started(store, late, **files) == expected


@pytest.mark.parametrize("jump_ms", [0, 3_600_000, -3_600_000])
async def test_day_with_a_jump_is_not_undisturbed(jump_ms):
    wall, steady = Clock(), Clock()
    made = clocks.Clock(wall, steady)
    made.know(NOW_MS - 3 * DAY_MS)
    for passed in (0, DAY_MS // 2, DAY_MS):
        wall.ms, steady.ms = NOW_MS + passed + (passed > 0) * jump_ms, NOW_MS + passed
        if jump_ms and passed:
            # Once, and for good.
            with pytest.raises(Fault):
                made.stamp()
        else:
            made.stamp()
    assert made.sure_ms() == (NOW_MS - 2 * DAY_MS if jump_ms else NOW_MS + DAY_MS)


@pytest.mark.parametrize("is_right", [True, False])
async def test_jump_while_the_node_runs_makes_no_time_known(tmp_path, is_right):
    """Whoever bore its clock out before: the readings after it agree, and are as wrong."""
    await begun(tmp_path, 30 * DAY)
    wall, steady = Clock(NOW_MS + 1000), Clock(NOW_MS + 1000)
    told = {"monotonic": steady, "clock_is_right": is_right}
    async with a_case(tmp_path, clock=wall, is_new=False, **told) as case:
        wall.ms += 700 * DAY_MS
        for _ in range(3):
            await case.node.retainer.step()
            await case.node.known_time.keep()
            wall.ms, steady.ms = wall.ms + 1000, steady.ms + 1000
        assert case.node.writer.fault.code is Code.CLOCK
    assert int((tmp_path / "known-time").read_bytes()) <= NOW_MS + 1000
    with pytest.raises(Fault) as caught:
        await passing(tmp_path, wall.ms)
    assert caught.value.code is Code.CLOCK_AHEAD


@pytest.mark.parametrize("jump_ms", [3_600_000, -3_600_000])
async def test_jump_of_a_clock_that_was_borne_out_takes_back_nothing_that_was_known(
    tmp_path, jump_ms
):
    await begun(tmp_path, DAY + HOUR)
    late = NOW_MS + 2 * DAY_MS
    wall, steady = Clock(late), Clock(late)
    told = {"monotonic": steady, "clock_is_right": True}
    async with a_case(tmp_path, clock=wall, is_new=False, **told) as case:
        await until(lambda: (tmp_path / "known-time").read_bytes() == b"%d\n" % late)
        wall.ms += jump_ms
        await case.node.known_time.keep()
        case.node.writer.stamp()
        assert case.node.writer.fault.code is Code.CLOCK
    assert (tmp_path / "known-time").read_bytes() == b"%d\n" % late
    assert await purged(tmp_path, late + AWAY_MS) == 1


async def test_clock_that_is_set_right_vouches_for_no_time_that_it_told_before(tmp_path):
    """Within three days nobody asks; set right, a witness agrees with it all at once."""
    line = f"witness w1 {signer('w1').key} https://127.0.0.1:1#node=us"
    named = Witnesses([line, "quorum w1"], 4 * 3600, ACCEPT_ALL)
    road = Road(tmp_path / "road", Clock(), ["w1"])
    async with a_case(tmp_path, documents=documents(named)) as case:
        await case.post(world().envelope(to=[WATCH], retain_until=NOW + DAY + HOUR))
    wall, told = Clock(NOW_MS + 2 * DAY_MS), {"monotonic": Clock(), "documents": []}
    async with a_case(tmp_path, clock=wall, is_new=False, **told) as case:
        node = case.node
        note = await node.checkpoints.checkpoint()
        for ms, is_borne_out in ((wall.ms, False), (NOW_MS, True)):
            wall.ms = ms
            await node.witnessing.ask_the_time(road, note)
            assert node.writer.clock._is_borne_out == is_borne_out
        await node.known_time.keep()
    assert (tmp_path / "known-time").read_bytes() == b"%d\n" % NOW_MS
    assert await purged(tmp_path, NOW_MS + 2 * DAY_MS, documents=[]) == 0
    await road.close()


async def test_no_earlier_time_is_kept_in_place_of_a_later_one(tmp_path):
    kept = PledgeFile(tmp_path / "known-time")
    await kept.keep(b"%d\n" % (NOW_MS + DAY_MS))
    # The clock is behind, within what a journal allows.
    made = KnownTime(clocks.Clock(Clock(), Clock()), kept)
    await made.begin(0)
    await made.keep()
    assert await kept.newest() == b"%d\n" % (NOW_MS + DAY_MS)


async def test_first_start_is_held_to_what_the_custodians_dated():
    year = NOW_MS + 365 * DAY_MS
    assert await started(MemoryStore(), year, issued_s=NOW) is Code.CLOCK_AHEAD
    assert await started(MemoryStore(), year, issued_s=NOW, clock_is_right=True) == year
    assert await started(MemoryStore(), NOW_MS + AWAY_MS, issued_s=NOW) == NOW_MS + AWAY_MS
    # It was started before there was anything to take in.
    store = await written(documents=[])
    assert await started(store, year, issued_s=NOW) is Code.CLOCK_AHEAD
