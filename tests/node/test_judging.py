"""A real front judges what crossed; what it was asked when it died is answered with nothing."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal

from exchange.broker.peering import Crossing
from exchange.model import entry as entries
from exchange.model.identity import digest
from exchange.node.judging import Asked
from tests.crash.exercise import Exercise
from tests.link.test_judging import forged_of
from tests.node.running import until
from tests.node.test_fronts import ALFA, ECHO, WAIT_S, posted, serving


async def test_a_front_judges_as_the_home_did_and_says_nothing_once_it_is_gone(tmp_path):
    async with serving(Exercise(tmp_path), 1) as served:
        node, (way,) = served.node, served.fronts._ways()
        async with served.to(ALFA) as alfa:
            envelope = served.exercise.envelope(ALFA, [ECHO])
            receipt = await posted(alfa, envelope)
        (row,) = await node.store.read(receipt.index, 1)
        home, facts = entries.Home(node.name, receipt.index), entries.decode(row.entry).facts
        good = Crossing(home, row.entry, envelope.body)
        bare = good._replace(body=envelope.body[:-1])
        line, _, header = row.entry.partition(b"\n")
        other = forged_of(header)
        named = line.replace(facts.digest.encode(), digest(other).encode())
        forged = good._replace(entry=named + b"\n" + other)
        view = node.view
        asked = Asked(node.name, view, pickle.dumps(view), [], [good, bare, forged])
        said = await asyncio.wait_for(way.judge(asked), WAIT_S)
        assert said == [True, False, False]
        # One of our own agencies does not post by the other node.
        ours = asked._replace(here=[ALFA.partition(".")[0]], crossings=[good])
        assert await asyncio.wait_for(way.judge(ours), WAIT_S) == [False]
        (pid,) = served.pids()
        os.kill(pid, signal.SIGSTOP)
        (front,) = served.fronts._fronts
        front.coming = 1
        waits = way.judge(asked)
        assert (way.under_way, waits.done()) == (3, False)
        os.kill(pid, signal.SIGKILL)
        assert await asyncio.wait_for(waits, WAIT_S) == []
        assert (way.under_way, front.coming) == (0, 0)
        await until(lambda: served.fronts._ways() not in ([], [way]))
