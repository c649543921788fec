"""What is withdrawn or corrected and not acknowledged here: told loudly, and again in time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from exchange.cli import ageing
from exchange.cli.times import zulu, zulu_ms
from exchange.client import ageing as seen
from exchange.client import chasing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from exchange.cli.main import Session
    from exchange.client.agency import Agency
    from exchange.client.chasing import Reminder
    from exchange.client.reading import Delivered, Item


def open_here(agency: Agency, items: Sequence[Item]) -> list[Reminder]:
    """Return what is still to be acknowledged, as far as this machine knows."""
    done = seen.seen_to(agency.world.outbox.acks)
    view, now = agency.trust.newest, agency.world.now()
    return chasing.reminders(items, agency.profile.endpoint, done, view, now)


def about(item: Delivered, reminders: Sequence[Reminder]) -> list[Reminder]:
    """Return what is to be acknowledged that an item is, or that is done to it."""
    return [each for each in reminders if item.index in each.concerns]


class _Open:
    """What is still to be acknowledged of an inbox that grows: only what is new is read."""

    def __init__(self, agency: Agency, held: Mapping[int, Item]) -> None:
        self._agency, self._held = agency, held
        self._seen = seen.SeenTo(agency.world.outbox.acks)
        self._followed = chasing.Followed()

    def now(self) -> list[Reminder]:
        agency, items = self._agency, self._followed.take(self._held)
        done, view, now = self._seen.digests(), agency.trust.newest, agency.world.now()
        return chasing.reminders(items, agency.profile.endpoint, done, view, now)


def told(each: Reminder) -> dict[str, Any]:
    """Return a reminder as values."""
    again = each.chase.next_alarm
    return {
        "acknowledge": each.item.index,
        "id": each.item.header.id,
        "relation": each.relation,
        "by": each.by,
        "target": each.target,
        "precedence": each.item.header.precedence,
        "since": zulu_ms(each.chase.since_ms),
        "overdue_s": each.chase.overdue_s,
        "alarms": each.chase.alarms,
        "next_alarm": None if again is None else zulu(again),
    }


def add(row: dict[str, Any], reminders: Sequence[Reminder], session: Session) -> dict[str, Any]:
    """Return a row of the inbox that says which entries about it are to be acknowledged."""
    # One acknowledgement is for all that the entry of a bulletin names.
    here = [each.item.index for each in reminders if row["index"] in each.concerns]
    owed = list(dict.fromkeys(here))
    if session.as_json:
        return {**row, "unacknowledged": owed}
    if not owed:
        return row
    word = "ACUSE PENDIENTE" if session.lang == "es" else "ACKNOWLEDGE"
    named = f"{word} {', '.join(map(str, owed))}"
    # What was done to it comes first; below the table it is said loudly.
    return {**row, "state": f"{row['state']}, {named}" if row["state"] else named}


def show(reminders: Sequence[Reminder], session: Session, *, err: bool = False) -> None:
    """Say loudly what is to be acknowledged, and by which command."""
    for each in reminders:
        click.echo(f"!!! {_line(each, session)} !!!", err=err)


def _line(each: Reminder, session: Session) -> str:
    spanish, late_s = session.lang == "es", each.chase.overdue_s
    what = {
        "cancels": ("RETIRADO Y SIN ACUSE", "WITHDRAWN AND NOT ACKNOWLEDGED"),
        "corrects": ("CORREGIDO Y SIN ACUSE", "CORRECTED AND NOT ACKNOWLEDGED"),
    }[each.relation][not spanish]
    does = {"cancels": ("cancela", "cancels"), "corrects": ("corrige", "corrects")}
    verb, place = does[each.relation][not spanish], each.target
    if place is None:
        about = "lo que no está aquí" if spanish else "what is not here"
    else:
        about = f"el asiento {place}" if spanish else f"entry {place}"
    entry = f"el asiento {each.by}" if spanish else f"entry {each.by}"
    late = ""
    if late_s is not None:
        span = ageing.span(late_s, session.lang)
        late = f", vencido hace {span}" if spanish else f", overdue by {span}"
    return f"{what}: {entry} {verb} {about}{late}: exchange ack {each.item.index}"


@asynccontextmanager
async def reminding(
    session: Session, agency: Agency, held: Mapping[int, Item]
) -> AsyncGenerator[None, None]:
    """Say on stderr what is to be acknowledged: now, and whenever a target passes again.

    ``held``, the inbox by index, may grow meanwhile; acknowledgements of other commands on this
    machine are seen.
    """
    still_open = _Open(agency, held)
    begun = still_open.now()
    show(begun, session, err=True)
    task = asyncio.create_task(_remind(session, agency, still_open, begun))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


# So often it is looked whether an alarm is due (seconds).
_LOOK_S = 30.0


async def _remind(
    session: Session, agency: Agency, still_open: _Open, begun: Sequence[Reminder]
) -> None:
    counts = {each.item.index: each.chase.alarms for each in begun}
    while True:
        await agency.world.pause(_LOOK_S)
        due = [
            each
            for each in still_open.now()
            if each.chase.alarms > counts.get(each.item.index, 0)
        ]
        counts |= {each.item.index: each.chase.alarms for each in due}
        show(due, session, err=True)
