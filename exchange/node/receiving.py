"""Take in what another node recorded, one entry after another, each proved before."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from exchange.broker import intake, peering
from exchange.errors import Fault

if TYPE_CHECKING:
    from exchange.broker.peering import Crossing
    from exchange.node.served import Answer
    from exchange.node.settings import Settings
    from exchange.node.writer import Writer


async def receive(writer: Writer, settings: Settings, crossing: Crossing) -> Answer:
    """Take in an entry of another node; return what became of it here.

    Its attachments are uploaded before, by nobody (``""``). One must be recorded before the
    next is given: what is in force at its home decides on what comes after it.

    Raises:
        Refusal: it does not bear out what it says: nothing of it is taken in.
        Fault: nothing can be recorded.
    """
    loop = asyncio.get_running_loop()
    raw, taken_ms = peering.object_of(crossing), writer.stamp()
    judge = partial(peering.consider, crossing, writer.homes, writer.view, taken_ms)
    considered = await loop.run_in_executor(settings.executor, judge)
    answered: asyncio.Future[Answer | Fault] = loop.create_future()
    arrival = intake.Arrival("", raw, crossing.body or b"", taken_ms)
    writer.take_judged(arrival, considered, answered.set_result)
    answer = await answered
    if isinstance(answer, Fault):
        raise answer
    return answer
