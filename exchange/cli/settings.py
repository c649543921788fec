"""Verbs about who one is: ``context``, ``feeds``, ``subscribe``, ``completion``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from exchange.cli import output, world
from exchange.cli.asking import confirm
from exchange.cli.main import Session, verb
from exchange.errors import Code, Fault
from exchange.policy import choices

if TYPE_CHECKING:
    from exchange.model.view import View


@click.command()
@click.argument("name", required=False)
@verb
def context(session: Session, name: str | None) -> None:
    """List the endpoints on this machine, or make NAME the current one."""
    if name:
        session.home.use(name)
    names = session.home.names()
    current = _current(session) if names else None
    rows = [{"name": each, "current": "*" if each == current else ""} for each in names]
    if session.as_json:
        output.show_json(
            {"contexts": names, "current": current, "home": str(session.home.folder)}
        )
    elif rows:
        output.table(
            rows, {"current": "", "name": "context" if session.lang == "en" else "contexto"}
        )
    else:
        this = world.called()
        session.say(
            f"No hay contextos en {session.home.folder}. «{this} demo --keep DIR» deja unos.",
            f"No contexts in {session.home.folder}. `{this} demo --keep DIR` leaves some.",
        )


def _current(session: Session) -> str | None:
    """Return the context that verbs would work in; None where they would ask which."""
    try:
        return session.context().name
    except Fault:
        if session.chosen:
            raise
        return None


@click.command()
@verb
def feeds(session: Session) -> None:
    """List the feeds: what they carry, and whether this endpoint posts, reads, subscribes."""
    view = asyncio.run(_view(session))
    me = session.context().profile()
    member, mine = me.member, view.subscriptions.get(me.endpoint)
    subscribed = set(mine.feeds) if mine else set()
    listed = view.agreed().feeds
    rows = [
        {
            "feed": feed.name,
            "title": feed.title[session.lang],
            "types": " ".join(feed.types),
            "may_post": member in feed.post,
            "may_read": member in feed.read,
            "subscribed": feed.name in subscribed,
            "subscribers": choices.subscribers(feed.name, view),
        }
        for feed in listed
    ]
    if session.as_json:
        output.show_json({"endpoint": me.endpoint, "feeds": rows})
        return
    yes = {True: "sí" if session.lang == "es" else "yes", False: "-"}
    shown = [
        {
            **row,
            "may_post": yes[bool(row["may_post"])],
            "may_read": yes[bool(row["may_read"])],
            "subscribed": yes[bool(row["subscribed"])],
        }
        for row in rows
    ]
    spanish = {
        "feed": "canal",
        "title": "título",
        "types": "tipos",
        "may_post": "publica",
        "may_read": "lee",
        "subscribed": "suscrito",
    }
    english = {
        "feed": "feed",
        "title": "title",
        "types": "types",
        "may_post": "posts",
        "may_read": "reads",
        "subscribed": "subscribed",
    }
    output.table(shown, spanish if session.lang == "es" else english)


@click.command()
@click.argument("feed", nargs=-1)
@click.option("--none", is_flag=True, help="Subscribe to nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before ending others.")
@verb
def subscribe(session: Session, feed: tuple[str, ...], none: bool, yes: bool) -> None:
    """Sign this endpoint's choice of feeds: exactly these, in place of the one before.

    Asks before it ends one that is not among them. Without a FEED it changes nothing and shows
    the choice in force; --none ends them all.
    """
    if not feed and not none:
        _show_choice(session)
        return
    ended, receipt = asyncio.run(_subscribe(session, feed, unasked=yes or none))
    if session.as_json:
        output.show_json({"feeds": sorted(set(feed)), "ended": ended, "index": receipt})
    session.say(
        f"Suscrito a: {', '.join(feed) or '(ninguno)'}. Asiento {receipt}.",
        f"Subscribed to: {', '.join(feed) or '(none)'}. Entry {receipt}.",
    )
    if ended:
        session.say(f"Terminado: {', '.join(ended)}.", f"Ended: {', '.join(ended)}.")


def _show_choice(session: Session) -> None:
    mine = asyncio.run(_view(session)).subscriptions.get(session.context().profile().endpoint)
    chosen = mine.feeds if mine else []
    if session.as_json:
        output.show_json({"feeds": chosen, "index": None})
    session.say(
        f"Suscrito a: {', '.join(chosen) or '(ninguno)'}.",
        f"Subscribed to: {', '.join(chosen) or '(none)'}.",
    )


async def _subscribe(
    session: Session, chosen: tuple[str, ...], *, unasked: bool
) -> tuple[list[str], int]:
    """Subscribe; return which feeds that ended, and the entry."""
    async with session.context().agency() as agency:
        view = await agency.view()
        # Nobody is asked about what the node would refuse.
        choices.decide(agency.profile.endpoint, sorted(set(chosen)), view)
        mine = view.subscriptions.get(agency.profile.endpoint)
        ended = sorted(set(mine.feeds if mine else ()) - set(chosen))
        if ended and not unasked:
            confirm(
                session,
                f"Termina: {', '.join(ended)}. ¿Suscribirse solo a {', '.join(chosen)}?",
                f"It ends: {', '.join(ended)}. Subscribe to {', '.join(chosen)} alone?",
            )
        return ended, (await agency.subscribe(chosen)).index


async def _view(session: Session) -> View:
    async with session.context().agency() as agency:
        return await agency.view()


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@verb
def completion(session: Session, shell: str) -> None:
    """Print the completion script for SHELL; source it from the shell's own settings."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    from exchange.cli.main import cli  # noqa: PLC0415

    found = get_completion_class(shell)
    if found is None:
        raise Fault(Code.INTERNAL, found=shell)
    script = found(cli, {}, "exchange", "_EXCHANGE_COMPLETE").source()
    if session.as_json:
        output.show_json({"shell": shell, "script": script})
    else:
        click.echo(script)
