"""The verb ``desk``: the liaison officer's pages, served to this machine alone."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from exchange.cli import officer as on_watch
from exchange.cli import output, world
from exchange.cli.main import Session, verb

if TYPE_CHECKING:
    from collections.abc import Callable


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Listen here; else on a free port.")
@click.option("--plain-host", is_flag=True, help="Go by 127.0.0.1, not by a name of its own.")
@verb
def desk(session: Session, port: int | None, plain_host: bool) -> None:
    """Open the officer's desk: inbox, bulletins, map, in a browser on this machine.

    Keys and texts stay on this machine: pages are served on loopback, to who opens the link
    that is printed here. Each link is good once; when one was used, another is printed.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(_desk(session, port or 0, is_plain=plain_host))


async def _desk(session: Session, port: int, *, is_plain: bool) -> None:
    # Loaded here: no other verb needs them.
    from exchange.desk.app import application  # noqa: PLC0415
    from exchange.desk.station import Station  # noqa: PLC0415
    from exchange.web.door import Door  # noqa: PLC0415
    from exchange.web.serving import served  # noqa: PLC0415

    context = session.context()
    door = Door(world.randomness, world.monotonic_ms, session.lang, is_plain=is_plain)
    async with context.agency() as agency:
        station = Station(agency, world.codes(), on_watch.of(context))
        await station.fill()
        used = asyncio.Event()
        async with (
            served(application(station, door, used.set), port) as link,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(_tell_links(session, link, used))
            tasks.create_task(station.keep_up())


async def _tell_links(session: Session, link: Callable[[], str], used: asyncio.Event) -> None:
    """Print the link, and a new one when it was used: each is good once."""
    while True:
        address = link()
        if session.as_json:
            output.show_json({"desk": address})
        else:
            session.say(f"Mesa de enlace: {address}", f"Liaison desk: {address}")
        await used.wait()
        used.clear()
