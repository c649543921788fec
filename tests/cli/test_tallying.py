"""Who watches is alarmed once where a node, of either nation, keeps something back."""

from __future__ import annotations

import asyncio
import json
import re

import msgspec
import pytest
from msgspec.structs import replace

from exchange.cli import output, tallying
from exchange.cli.home import Home
from exchange.cli.main import Session
from exchange.cli.tallying import EVERY_S, Tally
from exchange.client.homes import MAX_AGE_S
from exchange.errors import Code, Fault
from tests.builders import WATCH, border
from tests.link.test_completeness import PATH, bulletins, changed, scene, without


@pytest.fixture
def session(tmp_path):
    return Session(Home(tmp_path), None, "en")


async def stepped(tally, capsys):
    """What one proof says."""
    capsys.readouterr()
    async with tally.agency.transport:
        await tally.step()
    told = capsys.readouterr()
    lines = (told.out + told.err).splitlines()
    # Not what the nodes of this process write into their diaries.
    return [line for line in lines if line.strip() and not _DIARY.match(line)]


_DIARY = re.compile(r"\d{4}-\d\d-\d\d ")


async def test_what_the_other_node_keeps_back_is_an_alarm_once(tmp_path, session, capsys):
    async with scene(tmp_path) as here:
        tally = Tally(session, here.reader)
        assert await stepped(tally, capsys) == []
        here.offers.change = lambda page: without(page, bulletins(page)[-1:])
        for _ in range(2):
            await here.both.pa.post(border().envelope())
        assert await here.stopped() is Code.ITEM_WITHHELD
        first, *_ = await stepped(tally, capsys)
        assert first == "!!! ALARM [item-withheld /homes/pa/there] !!!"
        assert await stepped(tally, capsys) == []
        assert tally.exit_code == output.EXIT_TAMPERED
        # It is well again; and it is an alarm once more when that happens once more.
        here.offers.change = lambda page: page
        here.both.us.puller.trouble = None
        await here.both.settle()
        assert await stepped(tally, capsys) == []
        changed(here, lambda told: {**told, "own": {**told["own"], "count": 1}})
        assert len(await stepped(tally, capsys)) > 0
        assert tally.exit_code == output.EXIT_TAMPERED


async def test_what_our_node_keeps_back_of_the_others_is_an_alarm(tmp_path, session, capsys):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        tally = Tally(session, here.reader)
        assert await stepped(tally, capsys) == []
        session.as_json = True
        # It says no more how much theirs owes.
        here.both.us.node.crossed = None
        first, *_ = await stepped(tally, capsys)
        told = json.loads(first)
        assert (told["kind"], told["error"]["code"]) == ("alarm", "head-missing")
        assert told["error"]["at"] == "/homes/pa"
        assert await stepped(tally, capsys) == []


async def test_a_word_that_is_old_is_said_once_and_is_no_alarm(tmp_path, session, capsys):
    async with scene(tmp_path) as here:
        await here.sent([WATCH])
        tally = Tally(session, here.reader)
        here.both.clock.ms += 3_600_000
        await here.both.us.sign()
        lines = await stepped(tally, capsys)
        assert any("That is old" in line for line in lines)
        assert await stepped(tally, capsys) == []
        await here.both.settle()
        assert await stepped(tally, capsys) == []
        here.both.clock.ms += 3_600_000
        await here.both.us.sign()
        assert len(await stepped(tally, capsys)) == len(lines)
        assert tally.exit_code == 0


async def test_a_node_that_answers_no_question_of_proof_is_told_of_after_a_while(
    tmp_path, session, capsys
):
    async with scene(tmp_path) as here:
        tally = Tally(session, here.reader)

        async def away():
            raise Fault(Code.NODE_UNREACHABLE, name="us")

        tally.agency.prove = away
        for seconds, is_said in ((0, False), (MAX_AGE_S, False), (1, True), (60, False)):
            here.both.clock.ms += seconds * 1000
            assert bool(await stepped(tally, capsys)) is is_said
        assert tally.exit_code == 0

        async def broken():
            raise ValueError

        # A mistake of ours ends no proving without a word.
        tally.agency.prove = broken
        assert await stepped(tally, capsys)


async def test_it_is_proved_at_once_and_then_once_a_minute(tmp_path, session):
    async with scene(tmp_path) as here:
        pauses, has_paused = [], asyncio.Event()

        async def pause(seconds):
            pauses.append(seconds)
            if len(pauses) == 3:
                has_paused.set()
                await asyncio.Event().wait()

        here.reader.world = replace(here.reader.world, pause=pause)
        asked = 0

        def count(path, value):
            nonlocal asked
            asked += path == PATH
            return value

        here.liar.change = count
        await here.sent([WATCH])
        async with tallying.tallying(session, here.reader) as tally:
            # Beside what arrives, and what else is asked.
            async for item in here.reader.follow(-1):
                assert item.index
                break
            await asyncio.wait_for(has_paused.wait(), 10)
        assert (pauses, asked, tally.exit_code) == ([EVERY_S] * 3, 3, 0)


async def test_who_stops_at_once_has_proved_once(tmp_path, session):
    async with scene(tmp_path) as here:
        changed(here, lambda told: msgspec.json.decode(msgspec.json.encode(told)))
        here.both.us.node.crossed = None
        await here.sent([WATCH])
        here.both.clock.ms += 600_000
        await here.both.settle()
        async with tallying.tallying(session, here.reader) as tally:
            pass
        assert tally.exit_code == output.EXIT_TAMPERED
