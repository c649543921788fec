"""The verb ``desk``: the liaison officer's pages, served to this machine alone."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.cli import officer as on_watch
from exchange.cli import output, view, world
from exchange.cli.main import Session, verb
from exchange.custody import container
from exchange.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.cli.home import Context


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Listen here; else on a free port.")
@click.option("--plain-host", is_flag=True, help="Go by 127.0.0.1, not by a name of its own.")
@click.option(
    "--lock-after",
    type=click.IntRange(1, 240),
    metavar="MINUTES",
    default=15,
    show_default=True,
    help="Ask for the passphrase again when nobody was there for so long.",
)
@click.option(
    "--overlays",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Folder of your own GeoJSON files, as layers of the map.",
)
@verb
def desk(
    session: Session,
    port: int | None,
    *,
    plain_host: bool,
    lock_after: int,
    overlays: Path | None,
) -> None:
    """Open the officer's desk: inbox, bulletins, map, in a browser on this machine.

    Keys and texts stay on this machine: pages are served on loopback, to who opens the link
    that is printed here. Each link is good once; when one was used, another is printed.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(_desk(session, port or 0, lock_after * 60, overlays, is_plain=plain_host))


async def _desk(
    session: Session, port: int, idle_s: int, overlays: Path | None, *, is_plain: bool
) -> None:
    # Loaded here: no other verb needs them.
    from exchange.desk import lock as locks  # noqa: PLC0415
    from exchange.desk.app import application  # noqa: PLC0415
    from exchange.desk.station import Station  # noqa: PLC0415
    from exchange.web.door import Door  # noqa: PLC0415
    from exchange.web.serving import served  # noqa: PLC0415

    context = session.context()
    door = Door(world.randomness, world.elapsed_ms, session.lang, is_plain=is_plain)
    async with context.agency() as agency:
        station = Station(agency, world.codes(), on_watch.of(context), view.file(context))
        station.keep_officer = partial(on_watch.keep, context)
        await station.fill()
        used, lock = (
            asyncio.Event(),
            locks.Lock(world.elapsed_ms, partial(_opens, context), idle_s),
        )
        async with (
            served(application(station, door, used.set, lock, overlays), port) as link,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(locks.keep(lock, lambda: station.on_news(False)))
            tasks.create_task(_tell_links(session, link, used))
            tasks.create_task(station.keep_up())


def _opens(context: Context, passphrase: str) -> bool:
    """Tell whether a passphrase opens the keys of an endpoint."""
    sealed = context.sealed()
    try:
        if sealed is not None:
            container.unseal(sealed, passphrase)
    except Fault as fault:
        if fault.facts.get("expected") != "its-passphrase":
            raise
        return False
    return sealed is not None


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
