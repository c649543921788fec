"""Take in what another node recorded: judged as at its home, kept in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from exchange.broker import intake, peering
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.broker.intake import Considered
    from exchange.broker.peering import Crossing
    from exchange.node.judging import Judging
    from exchange.node.served import Answer
    from exchange.node.writer import Writer


async def receive(
    writer: Writer, judging: Judging, crossings: Sequence[Crossing]
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
    # All together: a group costs a signature and a commit, however long it is.
    waiting, refusal = _handed_on(writer, crossings, await judging.judge(crossings))
    answers = []
    for answer in await asyncio.gather(*waiting):
        if isinstance(answer, Fault):
            raise answer
        answers.append(answer)
    if refusal is not None:
        raise refusal
    return answers


def _handed_on(
    writer: Writer, crossings: Sequence[Crossing], judged: Sequence[Considered | Refusal]
) -> tuple[list[asyncio.Future[Answer | Fault]], Refusal | None]:
    """Give the writer what was judged, up to the first that does not bear out what it says."""
    waiting: list[asyncio.Future[Answer | Fault]] = []
    for crossing, found in zip(crossings, judged, strict=True):
        if isinstance(found, Refusal):
            return waiting, found
        considered = found if crossing.body is not None else _gone(crossing, found)
        answered: asyncio.Future[Answer | Fault] = asyncio.get_running_loop().create_future()
        waiting.append(answered)
        raw, decision = peering.object_of(crossing), considered.decision
        caller = decision.header.endpoint if isinstance(decision, intake.Admitted) else ""
        arrival = intake.Arrival(caller, raw, crossing.body or b"", considered.taken_ms)
        writer.take_judged(arrival, considered, _heard(answered))
    return waiting, None


def _heard(answered: asyncio.Future[Answer | Fault]) -> Callable[[Answer | Fault], None]:
    def reply(answer: Answer | Fault) -> None:
        # Whoever asked may have given up meanwhile; what is recorded stays recorded.
        if not answered.done():
            answered.set_result(answer)

    return reply


def _gone(crossing: Crossing, considered: Considered) -> Considered:
    """Refuse what was judged, and whose body its home has no more."""
    size = len(peering.object_of(crossing))
    refusal = Refusal(Code.BODY_GONE, "/body", found=crossing.home.index)
    declined = intake.Declined(refusal, intake.digest_of(considered.decision), size)
    return considered._replace(decision=declined)
