"""``audit console``: what mirrors of one or both nodes hold, as pages on this machine."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.cli import options, output, progress, world
from exchange.cli.journal_file import at_one_moment, opened
from exchange.cli.keeping import keep_evidence
from exchange.cli.main import Session, verb
from exchange.cli.usage import Unusable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence


_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("console")
@click.argument("mirrors", nargs=-1, required=True, type=_FILE)
@options.anchor()
@click.option(
    "--follow",
    multiple=True,
    metavar="CONTEXT",
    help="Follow the node of this context, which is an auditor's: the first for the first"
    " MIRROR, and so on. A MIRROR that is not there yet is begun.",
)
@click.option(
    "--own",
    is_flag=True,
    help="MIRRORS are nodes' own files, or copies: commit groups and bodies are held too.",
)
@click.option("--index", "index_at", type=_FILE, help="The index. Else beside MIRROR.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0: any.")
@click.option(
    "--plain-address",
    is_flag=True,
    help="Go by 127.0.0.1, for a browser that knows no names under localhost.",
)
@verb
def console(  # noqa: PLR0913, PLR0917  (one for each option)
    session: Session,
    mirrors: tuple[Path, ...],
    anchor: str | None,
    follow: tuple[str, ...],
    own: bool,
    index_at: Path | None,
    port: int,
    plain_address: bool,
) -> None:
    """Show MIRRORS of one or both nodes as pages in a browser, on this machine alone.

    Prints a link that opens them once; each use is told, with the next link. Nothing is asked
    of anybody but the nodes that are followed. Ctrl-C ends it.
    """
    missing = [each for each in mirrors[len(follow) :] if not each.exists()]
    if missing or len(follow) > len(mirrors):
        name = missing[0] if missing else follow[-1]
        raise Unusable(
            f"{name}: no hay tal archivo, o sobra un --follow.",
            f"{name}: no such file, or a --follow too many.",
            "--follow",
        )
    at = index_at or mirrors[0].with_name(f"{mirrors[0].name}.index")
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(session, mirrors, follow, anchor, own, at, port, plain_address))


async def _serve(  # noqa: PLR0913, PLR0917  (one for each option)
    session: Session,
    mirrors: Sequence[Path],
    follow: Sequence[str],
    anchor: str | None,
    own: bool,
    at: Path,
    port: int,
    plain_address: bool,
) -> None:
    from exchange.audit.console.app import Console  # noqa: PLC0415
    from exchange.audit.console.background import Setup  # noqa: PLC0415
    from exchange.web.door import Door  # noqa: PLC0415
    from exchange.web.serving import served  # noqa: PLC0415

    door = Door(world.randomness, world.elapsed_ms, session.lang, is_plain=plain_address)
    async with AsyncExitStack() as stack:
        following = [
            await _following(session, stack, context, mirror)
            for context, mirror in zip(follow, mirrors, strict=False)
        ]
        keep = partial(keep_evidence, mirrors[0])
        setup = Setup(
            mirrors, at, opened, at_one_moment, anchor, not own, following, world.now, keep
        )
        made = Console(setup, world.codes())
        link: list[Callable[[], str]] = []
        app = made.application(door, lambda: _tell(session, link[0](), is_first=False))
        await stack.enter_async_context(made.running(progress.counted(session)))
        link.append(await stack.enter_async_context(served(app, port)))
        _tell(session, link[0](), is_first=True)
        await asyncio.Event().wait()


async def _following(
    session: Session, stack: AsyncExitStack, context: str, mirror: Path
) -> Callable[[], Awaitable[object]]:
    """Begin or go on with a mirror; return what copies the rest, as often as it is called."""
    from exchange.audit.mirror import Desk, Mirror  # noqa: PLC0415
    from exchange.store.sqlite import SqliteStore  # noqa: PLC0415

    agency = await stack.enter_async_context(session.home.current(context).agency())
    await agency.transport.get("/v1/journal", first=0, limit=1)
    mirror.parent.mkdir(parents=True, exist_ok=True)
    store = SqliteStore.open(mirror)
    stack.push_async_callback(store.close)
    told, anchor = progress.counted(session), agency.profile.anchor
    desk = Desk(world.now, partial(keep_evidence, mirror))
    taken = await Mirror.take_up(agency.transport, store, anchor, desk, told)
    await taken.advance(told)

    def nothing(*_: int) -> None:
        """Say nothing: nobody waits for it."""

    return lambda: taken.advance(nothing)


def _tell(session: Session, link: str, *, is_first: bool) -> None:
    """Print a link; and where the one before was used, that it was."""
    if session.as_json:
        output.show_json({"link": link, "entered": not is_first})
        return
    if is_first:
        session.say(
            f"Consola de auditoría, solo en esta máquina. Abra (una vez):\n  {link}",
            f"Audit console, on this machine alone. Open (once):\n  {link}",
        )
        return
    session.say(
        "Alguien entró por el enlace. Si no fue usted, termine con Ctrl-C."
        f" El siguiente:\n  {link}",
        "Somebody came in by the link. If it was not you, end this with Ctrl-C."
        f" The next one:\n  {link}",
    )
