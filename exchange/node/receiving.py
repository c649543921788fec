"""Take in what another node recorded: judged as at its home, side by side; kept in order."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from exchange.broker import intake, peering
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from exchange.broker.intake import Considered
    from exchange.broker.peering import Crossing
    from exchange.model.view import View
    from exchange.node.served import Answer
    from exchange.node.settings import Settings
    from exchange.node.writer import Writer

# Judged by one thread in one go.
_SLICE = 16


async def receive(
    writer: Writer, settings: Settings, crossings: Sequence[Crossing]
) -> list[Answer]:
    """Take in entries of another node, in order; return what became of each here.

    Their attachments are uploaded before, as by who posted them. Of what has a body and comes
    without one it is recorded that it is ``body-gone``. What is in force there decides on
    what comes after it: a trust entry must be recorded before what is under it is given.

    Raises:
        Refusal: one does not bear out what it says: those before it are recorded, nothing of it
            and of what comes after it is.
        Fault: nothing can be recorded.
    """
    loop = asyncio.get_running_loop()
    taken_ms, view = writer.stamp(), writer.view
    here = peering.nations_of(settings.node, view)
    judge = partial(_judged, writer, view=view, taken_ms=taken_ms, here=here)
    slices = [crossings[at : at + _SLICE] for at in range(0, len(crossings), _SLICE)]
    judging = [loop.run_in_executor(settings.executor, judge, each) for each in slices]
    waiting: list[asyncio.Future[Answer | Fault]] = []
    refusal: Refusal | None = None
    try:
        for part, found in zip(slices, judging, strict=True):
            # While one slice is settled and committed, the next ones are judged.
            taken, refusal = _handed_on(writer, part, await found, taken_ms)
            waiting += taken
            if refusal is not None:
                break
    finally:
        for found in judging:
            found.cancel()
    answers = []
    for answer in await asyncio.gather(*waiting):
        if isinstance(answer, Fault):
            raise answer
        answers.append(answer)
    if refusal is not None:
        raise refusal
    return answers


def _handed_on(
    writer: Writer,
    crossings: Sequence[Crossing],
    judged: Sequence[Considered | Refusal],
    taken_ms: int,
) -> tuple[list[asyncio.Future[Answer | Fault]], Refusal | None]:
    """Give the writer what was judged, up to the first that does not bear out what it says."""
    waiting: list[asyncio.Future[Answer | Fault]] = []
    for crossing, considered in zip(crossings, judged, strict=True):
        if isinstance(considered, Refusal):
            return waiting, considered
        answered: asyncio.Future[Answer | Fault] = asyncio.get_running_loop().create_future()
        waiting.append(answered)
        raw, decision = peering.object_of(crossing), considered.decision
        caller = decision.header.endpoint if isinstance(decision, intake.Admitted) else ""
        arrival = intake.Arrival(caller, raw, crossing.body or b"", taken_ms)
        writer.take_judged(arrival, considered, _heard(answered))
    return waiting, None


def _heard(answered: asyncio.Future[Answer | Fault]) -> Callable[[Answer | Fault], None]:
    def reply(answer: Answer | Fault) -> None:
        # Whoever asked may have given up meanwhile; what is recorded stays recorded.
        if not answered.done():
            answered.set_result(answer)

    return reply


def _judged(
    writer: Writer,
    crossings: Sequence[Crossing],
    *,
    view: View,
    taken_ms: int,
    here: Collection[str],
) -> list[Considered | Refusal]:
    found: list[Considered | Refusal] = []
    for each in crossings:
        try:
            considered = peering.consider(each, writer.homes, view, taken_ms, here)
            found.append(considered if each.body is not None else _gone(each, considered))
        except Refusal as refusal:
            found.append(refusal)
    return found


def _gone(crossing: Crossing, considered: Considered) -> Considered:
    """Refuse what was judged, and whose body its home has no more."""
    size = len(peering.object_of(crossing))
    refusal = Refusal(Code.BODY_GONE, "/body", found=crossing.home.index)
    declined = intake.Declined(refusal, intake.digest_of(considered.decision), size)
    return considered._replace(decision=declined)
