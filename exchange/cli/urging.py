"""Boarding requests that nobody answered: told where an officer looks, and again in time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from exchange.cli import ageing, world
from exchange.cli.case_told import SILENCE
from exchange.cli.times import zulu
from exchange.client import cases, documenting, story
from exchange.client.cases import Duty
from exchange.model.bulletin import Bulletin, decode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from exchange.cli.main import Session
    from exchange.client.agency import Agency
    from exchange.client.reading import Item
    from exchange.client.story import Posted
    from exchange.model.header import Header

# So often it is looked whether something is due (seconds): a clock may run for minutes.
_LOOK_S = 10.0


def held(agency: Agency, items: Sequence[Item], *, texts: bool = False) -> cases.Held:
    """Return what cases are made of: what was posted from here, and what came."""

    def text_of(header: Header) -> Bulletin | None:
        opened = documenting.own_text(agency, header)
        text = decode(opened.text, agency.world.codes) if opened else None
        return text if isinstance(text, Bulletin) else None

    posted = story.every(agency.world.outbox)
    told = cases.Held(posted, items, agency.trust, agency.world.now())
    return told._replace(text_of=text_of) if texts else told


class _Followed:
    """What waits for an answer, for whoever asks again and again: what is posted is read once.

    What has no receipt yet is looked at anew.
    """

    def __init__(self, agency: Agency) -> None:
        self._agency = agency
        self._posted: dict[str, Posted] = {}

    async def pause(self) -> None:
        await self._agency.world.pause(_LOOK_S)

    def now(self, items: Sequence[Item]) -> list[Duty]:
        agency, outbox = self._agency, self._agency.world.outbox
        for identity in {*outbox.sent(), *outbox.waiting()}:
            known = self._posted.get(identity)
            if known is None or known.facts is None:
                posted = story.posted(outbox, identity)
                if posted is not None:
                    self._posted[identity] = posted
        every, now = list(self._posted.values()), agency.world.now()
        found = cases.cases(cases.Held(every, items, agency.trust, now))
        return cases.duties(found, agency.profile.endpoint, now)


def open_here(agency: Agency, items: Sequence[Item]) -> list[Duty]:
    """Return which boarding requests wait for an answer: from here, or to here."""
    found = cases.cases(held(agency, items))
    return cases.duties(found, agency.profile.endpoint, agency.world.now())


def told(each: Duty) -> dict[str, Any]:
    """Return it as values."""
    case = each.case
    return {
        "id": case.request.header.id,
        "index": case.request.index,
        "role": each.role,
        "state": case.case.state,
        "reason": case.case.reason,
        "precedence": case.request.header.precedence,
        "due": None if each.due is None else zulu(each.due),
        "due_in_s": each.left_s,
        "urged": each.urged,
    }


def add(row: dict[str, Any], duties: Sequence[Duty], session: Session) -> dict[str, Any]:
    """Return a row of the inbox that says by when it is to be answered, if it is."""
    mine = [e for e in duties if e.role == "asked" and e.case.request.header.id == row["id"]]
    due = next((e for e in mine if row.get("kind") == "bulletin"), None)
    if session.as_json:
        return {**row, "answer_due_in_s": due.left_s if due else None}
    if due is None:
        return row
    words = _by_when(due, session)
    return {**row, "state": f"{words}, {row['state']}" if row["state"] else words}


def show(duties: Sequence[Duty], session: Session, *, err: bool = False) -> None:
    """Say what waits for an answer, and by which command; loudly what was to be urged."""
    for each in duties:
        line = _line(each, session)
        click.echo(f"!!! {line} !!!" if each.urged else line, err=err)


def _by_when(each: Duty, session: Session) -> str:
    spanish, left_s = session.lang == "es", each.left_s
    if left_s is None:
        return "SE ESPERA RESPUESTA" if spanish else "ANSWER AWAITED"
    span = ageing.span(abs(left_s), session.lang)
    if left_s < 0:
        return f"RESPUESTA VENCIDA hace {span}" if spanish else f"ANSWER OVERDUE by {span}"
    return f"RESPONDER EN {span}" if spanish else f"ANSWER DUE in {span}"


def _line(each: Duty, session: Session) -> str:
    case, spanish = each.case, session.lang == "es"
    header, terms = case.request.header, case.terms
    if each.role == "asked":
        means = SILENCE[terms.silence][not spanish]
        clock = "" if terms.minutes is None else means
        said = f"{_by_when(each, session)}: BRQ {header.endpoint}"
        if clock:
            said += f" ({'callar significa' if spanish else 'silence means'}: {clock})"
        return f"{said}: exchange reply {case.request.index} FILE"
    to, state = ", ".join(case.asked), world.codes().words(
        "case-states", case.case.state, session.lang
    )  # fmt: skip
    said = f"{state}: BRQ > {to}"
    if each.due is not None and each.left_s is not None and each.left_s < 0:
        said = f"{'VENCIDA' if spanish else 'OVERDUE'}: {state} "
        said += f"{'desde' if spanish else 'since'} {zulu(each.due)}: BRQ > {to}"
    return f"{said}: exchange case {header.id}"


@asynccontextmanager
async def urging(
    session: Session, agency: Agency, arrived: Mapping[int, Item]
) -> AsyncGenerator[None, None]:
    """Say on stderr what waits for an answer: now, and each time that it is to be urged.

    ``arrived``, the inbox by index, may grow meanwhile; what other commands on this machine
    post is seen.
    """
    followed = _Followed(agency)
    begun = followed.now(_in_order(arrived))
    show(begun, session, err=True)
    counts = {each.key: each.urged for each in begun}
    task = asyncio.create_task(_urge(session, followed, arrived, counts))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _urge(
    session: Session,
    followed: _Followed,
    arrived: Mapping[int, Item],
    counts: dict[tuple[str, str], int],
) -> None:
    while True:
        await followed.pause()
        due = [
            each
            for each in followed.now(_in_order(arrived))
            if each.urged > counts.get(each.key, -1)
        ]
        counts |= {each.key: each.urged for each in due}
        show(due, session, err=True)


def _in_order(arrived: Mapping[int, Item]) -> list[Item]:
    return [arrived[index] for index in sorted(arrived)]
