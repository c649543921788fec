"""How a report tells of witnesses: down is who is waited for, and never a quiet node."""

from __future__ import annotations

import datetime as dt
import struct

import msgspec
import pytest

from exchange.audit.report import figures
from exchange.audit.report.making import Asked, make
from exchange.audit.report.marks import Marks, Signed, Vouched, marks, up
from exchange.audit.report.telling import catalogue, tell
from exchange.audit.suspicions import Look, Settings, slow_witness
from exchange.audit.verify import Stored
from exchange.journal import checkpoint as cp
from exchange.journal.note import Line
from exchange.model import entry as entries
from exchange.model.identity import digest
from exchange.node.witnessing import _Given
from exchange.store.memory import MemoryStore
from exchange.store.pledge import PledgeFile
from tests.audit.made import DAY_MS, HOUR_MS, Made, index_of
from tests.builders import NOW, border, world
from tests.model.bulletins import CODES
from tests.node.running import Clock, post, until
from tests.node.vouching import LIMIT_S, NAMES, SIGNERS, Road, agreed, signer, vouched


class Read:
    """A journal's entries, as marks are read from a mirror."""

    def __init__(self, rows):
        self.rows = rows

    def read(self, first, limit):
        kept = self.rows[first : first + limit]
        return [Stored(index, raw, b"") for index, raw in enumerate(kept, first)]

    def kinds(self, first, limit):
        return [
            entries.kind_of(entries.decode(raw).facts)
            for raw in self.rows[first : first + limit]
        ]


async def signed(node):
    """Have something under a checkpoint, and return its size."""
    await post(node, world().envelope())
    return cp.parse(await node.checkpoints.checkpoint()).size


async def cosigned(node, size, at=NOW):
    """Wait until it is, and is kept: who still keeps it is asked of the next one later."""
    standing = node.witnessing._witnesses.values()
    await until(lambda: node.witnessing.size == size and node.witnessing.at >= at)
    await until(lambda: all(each.task and each.task.done() for each in standing))


async def idle(node, clock, hours):
    """Let time go by in which nothing happens but that the newest one is signed again."""
    for _ in range(hours):
        clock.ms += HOUR_MS
        await node.checkpoints.checkpoint()
        await cosigned(node, node.witnessing.size, clock.ms // 1000)


async def told(node, since_ms, clock):
    """Have two more cosigned, so that the journal tells of the first; how witnesses stood."""
    for _ in range(2):
        clock.ms += 1000
        await cosigned(node, await signed(node))
    found = marks(Read([row.entry for row in await node.store.read(0, 1000)]))
    return found, up(found, LIMIT_S, since_ms, clock.ms, clock.ms)


async def test_a_node_in_which_nothing_happens_for_a_night_is_not_down(tmp_path):
    clock = Clock()
    async with vouched(tmp_path, clock=clock) as (node, _):
        since_ms = clock.ms
        await cosigned(node, await signed(node))
        await idle(node, clock, 23)
        found, stood = await told(node, since_ms, clock)
        assert found.vouched[0].at == NOW
        assert (stood.cosigned, stood.longest_s, stood.down_s) == (2, 0, 0)
        assert (stood.unknown_s, stood.share) == (0, 10_000)
        # Nor is it unusual, to who watches.
        journal = Made("pa")
        journal.entries = [row.entry for row in await node.store.read(0, 1000)]
    with index_of(tmp_path / "x.index", journal) as index:
        assert list(slow_witness(Look(index, Settings(witness_s=LIMIT_S)))) == []


async def test_a_quorum_is_complete_when_the_last_of_it_signed(tmp_path, monkeypatch):
    monkeypatch.setattr("exchange.node.witnessing._REST_S", 0.01)
    clock = Clock()
    road = Road(tmp_path, clock)
    async with vouched(tmp_path, clock=clock, road=road) as (node, _):
        road.closed = {"w1"}
        since_ms, size = clock.ms, await signed(node)
        await until(lambda: ("w2", 200) in road.asked)
        clock.ms += 20 * HOUR_MS
        road.closed = set()
        await until(lambda: node.witnessing.size == size)
        found, stood = await told(node, since_ms, clock)
        assert (found.vouched[0].at, found.vouched[0].by) == (NOW + 20 * 3600, ("w1", "w2"))
        assert (stood.cosigned, stood.longest_s) == (1, 20 * 3600)
        assert (stood.down_s, stood.unknown_s) == (16 * 3600, 0)
    await road.close()


async def test_a_witness_that_comes_late_changes_nothing_of_a_quorum_that_was_there(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("exchange.node.witnessing._REST_S", 0.01)
    monkeypatch.setattr("exchange.node.witnessing._LONGEST_REST_S", 0.02)
    clock = Clock()
    road = Road(tmp_path, clock)
    options = {"road": road, "witnesses": agreed(rule="any")}
    async with vouched(tmp_path, clock=clock, **options) as (node, _):
        road.closed = {"w1"}
        since_ms = clock.ms
        await cosigned(node, await signed(node))
        clock.ms += 20 * HOUR_MS
        road.closed = set()
        await until(lambda: ("w1", 200) in road.asked and node.witnessing.at > NOW)
        found, stood = await told(node, since_ms, clock)
        assert (found.vouched[0].at, found.vouched[0].by) == (NOW, ("w2",))
        assert (stood.down_s, stood.share) == (0, 10_000)
    await road.close()


@pytest.mark.parametrize("is_kept", [True, False])
async def test_of_what_was_signed_before_a_start_it_is_not_known_when_it_was_vouched_for(
    tmp_path, is_kept
):
    """It was kept as it was cosigned last, or not at all: that need not be the first time."""
    clock = Clock()
    store, kept = MemoryStore(), PledgeFile(tmp_path / "cosigned.note")
    road = Road(tmp_path / "road", clock)
    options = {"clock": clock, "road": road, "cosigned": kept if is_kept else None}
    async with vouched(tmp_path, store=store, **options) as (node, _):
        since_ms = clock.ms
        await cosigned(node, await signed(node))
        await idle(node, clock, 20)
        size = node.witnessing.size
    again = {**options, "store": store.reopen(), "documents": []}
    async with vouched(tmp_path, **again) as (node, _):
        # They are asked of the newest one as soon as it starts.
        await cosigned(node, size)
        found, stood = await told(node, since_ms, clock)
        assert [each.not_before_ms is None for each in found.vouched] == [False, True]
        assert (stood.cosigned, stood.undecided, stood.longest_s) == (1, 1, None)
        assert (stood.down_s, stood.unknown_s, stood.share) == (0, 16 * 3600, None)
    await road.close()


@pytest.mark.parametrize("older", [False, True])
async def test_a_quorum_is_the_first_only_where_none_before_it_goes_untold(tmp_path, older):
    """One that came for the older of two, and then for the newer: the journal tells of that."""
    road = Road(tmp_path, Clock())
    road.closed = set(NAMES)
    async with vouched(tmp_path, road=road, witnesses=agreed(rule="any")) as (node, _):
        notes = []
        for _ in range(2):
            await post(node, world().envelope())
            notes.append(await node.checkpoints.checkpoint())
        witnessing = node.witnessing
        assert witnessing.news() is msgspec.UNSET
        for note in notes if older else notes[1:]:
            given = _Given(cp.sign_line(cp.parse(note), SIGNERS["w1"], NOW), NOW)
            await witnessing._take(witnessing.policy, note, "w1", given)
        told = witnessing.news()
        assert (told.size, told.first) == (cp.parse(notes[1]).size, not older)
        # Until an entry was made with it: what failed is tried again.
        assert witnessing.news() == told
        await signed(node)
        assert witnessing.news() is msgspec.UNSET
    await road.close()


def test_what_is_known_of_cosignatures_that_need_not_be_the_first():
    """By the checkpoint before the entry there was none; by their own time there was."""
    checkpoints = (Signed(10, 10, 0), Signed(20, 20, 300_000), Signed(30, 30, 900_000))
    found = Marks(checkpoints, (Vouched(30, 20, 500, ("us",), 300_000),))
    stood = up(found, 100, 0, 1_000_000, 1_000_000)
    # The first waited for 300 s at least and 500 at most; the second for 200 at most; the last
    # one waits for 100 so far, which is just what is allowed.
    assert (stood.checkpoints, stood.cosigned, stood.undecided) == (3, 0, 2)
    assert (stood.down_s, stood.unknown_s) == (200, 200)
    assert (stood.longest_s, stood.share) == (None, None)
    soon = Marks(checkpoints[:2], (Vouched(20, 20, 350, ("us",), 300_000),))
    assert up(soon, 400, 0, 900_000, 900_000)[1:] == (2, 0, 350, 0, 0, 10_000)


def test_one_that_nobody_vouched_for_is_not_in_time_because_the_period_ends():
    found = Marks((Signed(10, 10, 0), Signed(20, 20, 40_000)), ())
    stood = up(found, 14_400, 0, 50_000, 50_000)
    assert (stood.checkpoints, stood.cosigned, stood.undecided) == (2, 0, 2)
    # What came of it after the period, up to the size, decides it.
    after = found._replace(vouched=(Vouched(30, 20, 60, ("us",)),))
    assert up(after, 14_400, 0, 50_000, 50_000)[1:4] == (2, 0, 60)


def line(at_s):
    key = signer("w1").key
    made = Line(key.name, key.key_id, struct.pack(">Q", at_s) + bytes(2420))
    return made.encode().decode().removesuffix("\n")


ACKED = {"of": 0, "owed": [], "digest": digest(b"a")}


def witnessed(*journals, rounds=3):
    """Have witnesses agreed on, and so many checkpoints cosigned at once from 1 December on."""
    for each in journals:
        each.ms = int(dt.datetime(2026, 12, 1, tzinfo=dt.UTC).timestamp()) * 1000
        each.trust([border().rearranged(quorum="witnesses", witnesses=agreed(), issued=NOW)])
        for _ in range(rounds):
            each.add(entries.Acknowledged, **ACKED)
            size = len(each.entries)
            each.checkpoint()
            cosigned = entries.Cosigned(size, [line(each.ms // 1000)], first=True)
            of = len(each.entries)
            each.add(entries.Checkpointed, size=of, note="", cosigned=cosigned, after_ms=60_000)


@pytest.fixture
def dead():
    """Two journals whose witnesses answer for minutes in December, and never again."""
    both = [Made("pa"), Made("us")]
    for each in both:
        each.trust(border().documents)
        witnessed(each)
        for _ in range(200):
            each.add(entries.Acknowledged, after_ms=DAY_MS, **ACKED)
            each.checkpoint()
    return both


def test_nobody_waits_for_witnesses_of_what_was_signed_before_they_were_agreed_on():
    both = [Made("pa"), Made("us")]
    for each in both:
        each.trust(border().documents)
        each.checkpoint()
    witnessed(*both)
    made = make(both, Asked("2026-11-01", "2026-12-01T00:01:00Z", "anchor"))
    table = made.table("witnesses")
    assert table.cells("down") == [0, 0]
    assert table.cells("checkpoints") == table.cells("cosigned_in_time")


def test_witnesses_that_never_came_back_have_no_share_of_a_period_that_was_not_looked_at(dead):
    made = make(dead, Asked("2026-12-01", "2026-12-31", "anchor"))
    assert made.whole is False
    table = made.table("witnesses")
    place = {column.name: at for at, column in enumerate(table.columns)}
    for row, held in zip(table.rows, made.table("verified").rows, strict=True):
        assert row[place["until"]] == held[3] < dead[0].ms - 190 * DAY_MS
        assert row[place["up"]] is None
        assert row[place["checkpoints"]] == row[place["cosigned_in_time"]] > 0
    notes = tell(made, "en", catalogue(), CODES).notes
    assert "what is looked at does not reach to the end of the period" in notes[1]
    # Of what was looked at, all is known.
    there = make(dead, Asked("2026-12-01", "2026-12-01T00:01:00Z", "anchor"))
    assert [row[place["up"]] for row in there.table("witnesses").rows] == [10_000, 10_000]


def test_a_mirror_that_was_pulled_later_tells_the_same_of_witnesses(dead):
    """The quorum of the size itself stands behind it, and counts: in any mirror that has it."""
    asked = Asked("2026-12-01", "2026-12-31", "anchor")
    late = make(dead, asked)
    for each in dead:
        del each.entries[-390:]
    assert figures.encode(make(dead, asked)) == figures.encode(late)
    assert late.table("witnesses").cells("undecided") == [0, 0]


def test_of_what_was_signed_before_a_start_and_told_after_it_no_wait_is_sure():
    """Who ran before may have had a quorum of it at once, and not come to tell."""
    checkpoints = (Signed(10, 10, 0), Signed(20, 20, 72_000_000))
    vouched = (Vouched(30, 20, 72_001, ("us",)),)
    for starts, down_s, unknown_s in (((), 57_601, 0), ((15,), 0, 57_601), ((35,), 57_601, 0)):
        stood = up(Marks(checkpoints, vouched, starts), 4 * 3600, 0, 80_000_000, 80_000_000)
        assert (stood.down_s, stood.unknown_s) == (down_s, unknown_s)
        assert (stood.share is None) == bool(unknown_s)
