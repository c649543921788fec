"""Verbs about what flows: ``feeds``, ``subscribe``, ``unsubscribe``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from exchange.cli import output
from exchange.cli.asking import confirm
from exchange.cli.main import Session, verb
from exchange.errors import Code, Refusal
from exchange.policy import choices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.agency import Agency
    from exchange.model.trust import Feed
    from exchange.model.view import View

_COLUMNS = {
    "feed": ("canal", "feed"),
    "title": ("título", "title"),
    "types": ("tipos", "types"),
    "post": ("envían", "posted by"),
    "read": ("leen", "read by"),
    "may_post": ("envío", "I post"),
    "may_read": ("leo", "I read"),
    "subscribed": ("suscrito", "subscribed"),
}


@click.command()
@verb
def feeds(session: Session) -> None:
    """List the feeds: what they carry, who posts and reads, and what this endpoint chose."""
    view = asyncio.run(_view(session))
    me = session.context().profile().endpoint
    rows = [_row(feed, me, view, session) for feed in view.agreed().feeds]
    if session.as_json:
        output.show_json({"endpoint": me, "feeds": rows})
        return
    yes = {True: "sí" if session.lang == "es" else "yes", False: "-"}
    shown = [{name: _told(value, yes) for name, value in row.items()} for row in rows]
    spoken = 0 if session.lang == "es" else 1
    output.table(shown, {name: heads[spoken] for name, heads in _COLUMNS.items()})
    if any(row["subscribed"] and not row["may_read"] for row in rows):
        session.say(
            "«suscrito» sin «leo»: se escogió cuando se podía leer; ya no llega nada.",
            "`subscribed` without `I read`: chosen while that was allowed; nothing comes now.",
        )


def _row(feed: Feed, me: str, view: View, session: Session) -> dict[str, Any]:
    standing, chosen = view.standing(me), view.subscriptions.get(me)
    return {
        "feed": feed.name,
        "title": feed.title[session.lang],
        "types": list(feed.types),
        "statuses": feed.statuses,
        "tlp": feed.tlp,
        "handling": feed.handling,
        "post": list(feed.post),
        "read": list(feed.read),
        "may_post": standing.member.member in feed.post and "poster" in standing.endpoint.roles,
        "may_read": choices.is_entitled(me, feed.name, view),
        "subscribed": chosen is not None and feed.name in chosen.feeds,
        "subscribers": choices.subscribers(feed.name, view),
    }


def _told(value: object, yes: dict[bool, str]) -> object:
    if isinstance(value, bool):
        return yes[value]
    return " ".join(value) if isinstance(value, list) else value


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
    ended, index = asyncio.run(_subscribe(session, feed, unasked=yes or none))
    _tell(session, sorted(set(feed)), ended, index)


@click.command()
@click.argument("feed", nargs=-1, required=True)
@verb
def unsubscribe(session: Session, feed: tuple[str, ...]) -> None:
    """End this endpoint's subscription to each FEED, and keep the others.

    What it may not read any more ends as well: a new choice is one that it is entitled to.
    """
    kept, ended, index = asyncio.run(_unsubscribe(session, feed))
    _tell(session, kept, ended, index)


def _tell(session: Session, chosen: list[str], ended: list[str], index: int) -> None:
    if session.as_json:
        output.show_json({"feeds": chosen, "ended": ended, "index": index})
    named = ", ".join(chosen)
    session.say(
        f"Suscrito a: {named or '(ninguno)'}. Asiento {index}.",
        f"Subscribed to: {named or '(none)'}. Entry {index}.",
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
        ended = sorted(set(_chosen(agency, view)) - set(chosen))
        if ended and not unasked:
            confirm(
                session,
                f"Termina: {', '.join(ended)}. ¿Suscribirse solo a {', '.join(chosen)}?",
                f"It ends: {', '.join(ended)}. Subscribe to {', '.join(chosen)} alone?",
            )
        return ended, (await agency.subscribe(chosen)).index


async def _unsubscribe(
    session: Session, leaving: Sequence[str]
) -> tuple[list[str], list[str], int]:
    """Subscribe to the rest; return what is left, what ended, and the entry."""
    async with session.context().agency() as agency:
        view = await agency.view()
        before = _chosen(agency, view)
        for place, name in enumerate(leaving):
            if name not in before:
                raise Refusal(Code.NOT_FOUND, f"/feeds/{place}", name=name)
        me = agency.profile.endpoint
        staying = [name for name in before if name not in leaving]
        kept = choices.entitled(me, staying, view)
        index = (await agency.subscribe(kept)).index
        return kept, sorted(set(before) - set(kept)), index


def _chosen(agency: Agency, view: View) -> list[str]:
    mine = view.subscriptions.get(agency.profile.endpoint)
    return list(mine.feeds) if mine else []


async def _view(session: Session) -> View:
    async with session.context().agency() as agency:
        return await agency.view()
