"""``watch``: what arrives, as it arrives; and whether anything is kept back, once a minute."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

import click

from exchange import render
from exchange.cli import bearing as shown
from exchange.cli import chasing, output, releasing, tallying, urging, world
from exchange.cli.main import Session, verb
from exchange.cli.reading import row_of
from exchange.cli.times import zulu
from exchange.client import bearing, purging
from exchange.client.reading import Delivered, Drafted, Item, PurgeOrdered, Released

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.client.agency import Agency
    from exchange.errors import ExchangeError

_AHEAD = {"en": "ahead of what waits", "es": "antes que lo que espera"}


@click.command()
@click.option("--after", default=-1, help="Begin after this entry.")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    metavar="INTEGER",
    help="Stop after so many; else never.",
)
@click.option(
    "--prove", is_flag=True, help="Prove each minute that nothing is missing; alarm once."
)
@verb
def watch(session: Session, after: int, count: int | None, prove: bool) -> None:
    """Show what arrives, as it arrives. One line each; with --json, one object a line.

    With --prove it says on stderr where a node withholds, changes or takes back anything, also
    of what the other nation's agencies addressed to you, and ends with 5 if it did.
    """
    if code := asyncio.run(_watch(session, after, count, prove=prove)):
        session.announce()
        sys.exit(code)


async def _watch(session: Session, after: int, count: int | None, *, prove: bool) -> int:
    async with session.context().agency() as agency:
        if not prove:
            await _follow(session, agency, after, count)
            return 0
        async with tallying.tallying(session, agency) as tally:
            await _follow(session, agency, after, count)
        return tally.exit_code


async def _follow(session: Session, agency: Agency, after: int, count: int | None) -> None:
    seen = 0
    held = {item.index: item for item in (await agency.known()).items}
    trouble = partial(_tell_broken, session, agency.heard_ms)
    async with (
        chasing.reminding(session, agency, held),
        urging.urging(session, agency, held),
    ):
        async for item in agency.follow(after, trouble):
            held.setdefault(item.index, item)
            _show_arrived(session, item)
            if isinstance(item, PurgeOrdered):
                await purging.attest(agency, await agency.everything())
            elif isinstance(item, Released | Drafted):
                await releasing.arrived(session, agency, item)
            seen += 1
            if seen == count:
                return


def _show_arrived(session: Session, item: Item) -> None:
    # What went before is not compared with; what its entry names is.
    marks = bearing.marks([item])
    row = row_of(item, session, [item], marks.get(item.index, []))
    words = [_AHEAD[session.lang]] if item.ahead else []
    if isinstance(item, Delivered):
        words += shown.says_to_do(item, session)
    told = "state_text" if session.as_json else "state"
    row[told] = ", ".join(filter(None, [*words, row[told]]))
    if session.as_json:
        output.show_json({**row, "ahead": item.ahead})
    else:
        names = ("index", "taken", "precedence", "type", "origin", "title", "state")
        click.echo("  ".join(render.visible(str(row[name])) for name in names))


def _tell_broken(
    session: Session, heard_ms: Callable[[], int | None], error: ExchangeError, pause_s: float
) -> None:
    """Say on stderr that the node is away, and when it is tried again."""
    what = render.refusal(error, session.lang, world.codes()).what
    as_of_ms = heard_ms()
    if not pause_s and as_of_ms is not None:
        heard = zulu(as_of_ms // 1000)
        held = f"se muestra lo guardado, a las {heard}" if session.lang == "es" else ""
        held = held or f"showing what is held, as of {heard}"
        click.echo(f"{what} [{error.code.value}]; {held}", err=True)
        return
    seconds = ceil(pause_s)
    again = (
        f"se intenta otra vez en {seconds} s"
        if session.lang == "es"
        else f"trying again in {seconds} s"
    )
    click.echo(f"{what} [{error.code.value}]; {again}", err=True)
