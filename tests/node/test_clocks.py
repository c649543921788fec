"""One node that serves both nations runs the clock of boarding requests, through restarts."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest

from exchange.broker import retaining
from exchange.broker.due import Change
from exchange.broker.replay import Replayer
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.ticking import Ticking
from exchange.model.trust import Clock as Agreed
from exchange.model.view import View
from exchange.seal import jws
from exchange.store.sqlite import SqliteStore
from tests.builders import (
    MINSA,
    NOW,
    OPS,
    WATCH,
    feeds,
    refers,
    world,
)
from tests.node.running import Clock, journal, post, running

DUE = NOW + 7200
REFUSED = Agreed("salas-becker", 120, "deemed-refusal", reminders=[25, 75])


@asynccontextmanager
async def a_node(folder, clock):
    async with running(SqliteStore.open(folder / "journal.db"), clock) as node:
        yield node


async def ask(node):
    feed = feeds()[0]
    types = sorted([*feed.types, "brp", "brq"])
    changed = [msgspec.structs.replace(feed, types=types), *feeds()[1:]]
    await post(node, world().rearranged(clocks=[REFUSED], feeds=changed), MINSA)
    request = world().envelope(type="brq", regime="salas-becker", due=None, to=[WATCH])
    await post(node, request)
    return request


async def told(node):
    """What was told of the request, and to whom, in order."""
    found = []
    for each in await journal(node):
        if isinstance(each.facts, entries.Noticed):
            signed = jws.read(each.object, objects.MAX_OBJECT_BYTES)
            about = objects.decode_notice(signed.payload).about
            found.append((about, [owed.endpoint for owed in each.facts.owed]))
    return found


async def test_clock_runs_on_after_a_restart_and_each_thing_is_told_once(tmp_path):
    clock, both = Clock(), [WATCH, OPS]
    async with a_node(tmp_path, clock) as node:
        await ask(node)
        await node.clocks.step()
        await node.clocks.step()
        assert await told(node) == [("clock", both)]
    # At the first reminder's time it was down, and is up again before the second.
    clock.ms = (NOW + 1801) * 1000
    async with a_node(tmp_path, clock) as node:
        await node.clocks.step()
        await node.clocks.step()
        assert await told(node) == [("clock", both), ("reminder", [WATCH])]
        clock.ms = (NOW + 5400) * 1000
        await node.clocks.step()
        await node.clocks.step()
        assert [about for about, _ in await told(node)] == ["clock", "reminder", "reminder"]
    clock.ms = DUE * 1000
    async with a_node(tmp_path, clock) as node:
        await node.checkpoints.checkpoint()
        await node.clocks.step()
        assert len(await told(node)) == 3
        # Its time is over; without a checkpoint after it, silence is not proved.
        clock.ms += 1000
        await node.clocks.step()
        assert len(await told(node)) == 3
        clock.ms += 60_000
        await node.checkpoints.checkpoint()
        await node.clocks.step()
        await node.clocks.step()
        assert (await told(node))[3:] == [("deemed", both)]
        assert not [row for row in await node.store.all_due() if row.what in (4, 5)]


async def test_reply_ends_it_and_an_update_begins_it_anew(tmp_path):
    clock = Clock()
    async with a_node(tmp_path, clock) as node:
        request = await ask(node)
        await node.clocks.step()
        update = world().envelope(
            type="brq",
            regime="salas-becker",
            due=DUE + 9,
            verb="update",
            to=[WATCH],
            refs=refers("supersedes", request),
        )
        await post(node, update)
        rows = [row for row in await node.store.all_due() if row.what in (4, 5)]
        assert {row.at for row in rows} == {NOW, DUE + 10}
        assert len({row.index for row in rows}) == 1
        reply = world().envelope(
            type="brp", verb="reply", endpoint=WATCH, to=[OPS], refs=refers("answers", update)
        )
        await post(node, reply, WATCH)
        assert not [row for row in await node.store.all_due() if row.what in (4, 5)]


async def test_under_a_regime_without_a_clock_nothing_is_told(tmp_path):
    async with a_node(tmp_path, Clock()) as node:
        feed = feeds()[0]
        types = sorted([*feed.types, "brq"])
        changed = [msgspec.structs.replace(feed, types=types), *feeds()[1:]]
        await post(node, world().rearranged(feeds=changed), MINSA)
        await post(node, world().envelope(type="brq", regime="salas-becker", to=[WATCH]))
        await node.clocks.step()
        assert await told(node) == []
        assert not [row for row in await node.store.all_due() if row.what in (4, 5)]


def replay(rows, documents):
    raw = [row.entry for row in rows]
    replayer = Replayer(View(anchor=world().anchor), raw.__getitem__, documents.get)
    for each in raw:
        replayer.step(each)


@pytest.mark.parametrize(
    ("lie", "clock", "at"),
    [
        ({}, {}, None),
        ({"code": "deemed-consent"}, {}, "/clock"),
        ({"about": "overdue", "code": "salas-becker"}, {}, "/clock"),
        ({}, {"due": DUE - 9}, "/clock"),
        ({}, {"dated": DUE + 99}, "/clock/dated"),
        ({}, {"note": "early"}, "/clock"),
        ({"about": "reminder", "code": "salas-becker"}, {"note": "", "dated": 0}, None),
        (
            {"about": "reminder", "code": "salas-becker"},
            {"note": "", "dated": 0, "due": DUE + 9},
            "/clock",
        ),
        ({"about": "clock", "code": "salas-becker"}, {"note": "", "dated": 0}, "/clock"),
    ],
)
async def test_auditor_finds_what_a_node_says_against_its_own_journal(tmp_path, lie, clock, at):
    time = Clock()
    async with a_node(tmp_path, time) as node:
        request = await ask(node)
        await node.clocks.step()
        early = await node.checkpoints.checkpoint()
        time.ms = (DUE + 60) * 1000
        late = await node.checkpoints.checkpoint()
        index = next(row.index for row in await node.store.all_due() if row.what == 5)
        told = Ticking("salas-becker", "deemed-refusal", "pa", index, NOW, DUE, "", 0)
        says = {"note": b64(late), "dated": DUE + 60, **clock}
        if says["note"] == "early":
            says |= {"note": b64(early), "dated": NOW}
        said = {
            "about": "deemed",
            "code": "deemed-refusal",
            "at": DUE + 60,
            "clock": msgspec.structs.replace(told, **says),
            **lie,
        }
        raw = world().notice(request, **said)
        gone = Change((), ((index, 4), (index, 5)))
        to = [WATCH] if said["about"] == "reminder" else [WATCH, OPS]
        await node.writer.enter(
            lambda ledger, _: retaining.notify(ledger, raw, index, to, gone)
        )
        rows = await node.store.read(0, 1000)
        named = [
            facts.document.digest
            for row in rows
            if isinstance(facts := entries.decode(row.entry).facts, entries.Trust)
        ]
        documents = {each: await node.store.blob(each) for each in named}
    if at is None:
        replay(rows, documents)
        return
    with pytest.raises(Refusal) as refusal:
        replay(rows, documents)
    assert (refusal.value.code, refusal.value.at) == (Code.BAD_PROOF, at)
