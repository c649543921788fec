"""What is said while the node is away: as of when something is shown, or that it waits."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from exchange import render
from exchange.cli import output, world
from exchange.cli.times import zulu

if TYPE_CHECKING:
    from exchange.cli.main import Session
    from exchange.client.agency import Agency
    from exchange.client.inbox import Shown
    from exchange.errors import ExchangeError

_SEND = "exchange outbox send"


def told(agency: Agency, shown: Shown) -> dict[str, Any]:
    """Return the member ``as_of`` of a JSON answer; none where the node was asked."""
    if shown.away is None or shown.as_of_ms is None:
        return {}
    seen, profile = agency.world.seen, agency.profile
    newest = seen.read(profile.anchor, profile.node) if seen else None
    return {
        "as_of": {
            "heard": zulu(shown.as_of_ms // 1000),
            "proved": newest.size if newest else None,
            "why": output.problem(shown.away),
        }
    }


def conclude(as_of: dict[str, Any], session: Session) -> None:
    """Say on stderr as of when this is, and end with a code of its own."""
    if not as_of:
        return
    known = as_of["as_of"]
    heard, size, why = known["heard"], known["proved"], known["why"][session.lang]["what"]
    if session.lang == "es":
        proved = f"; el último punto de control probado es de {size} asientos" if size else ""
        line = (
            f"¡Atención! {why} Esto es lo guardado, a las {heard}{proved}: puede faltar algo."
        )
    else:
        proved = f"; the newest checkpoint proved is of {size} entries" if size else ""
        line = f"Note! {why} This is what is held, as of {heard}{proved}: there may be more."
    if not session.as_json:
        click.echo(line, err=True)
    leave(session)


def leave(session: Session) -> None:
    """End with the code for a node that is away."""
    session.announce()
    sys.exit(output.EXIT_AWAY)


def queued(identity: str, why: ExchangeError | None) -> dict[str, Any]:
    """Return what a program is told of something that waits to be sent."""
    told = {"sent": False, "queued": True, "id": identity, "next": _SEND}
    return {**told, "why": None if why is None else output.problem(why)}


def say_queued(
    session: Session, identity: str, why: ExchangeError | None, *, fresh: bool
) -> None:
    """Say that something waits to be sent.

    Args:
        session: whose words these are.
        identity: of what was posted, or is acknowledged.
        why: what keeps it, if anything but its author.
        fresh: it was never sent; else the node may have it, and is asked first.
    """
    if why is not None and not session.as_json:
        click.echo(render.refusal(why, session.lang, world.codes()).what, err=True)
    spanish = "nadie lo tiene aún" if fresh else "se preguntará al nodo si ya lo tiene"
    english = "nobody has it yet" if fresh else "the node will be asked whether it has it"
    session.say(
        f"Sellado y guardado: {identity} espera en la bandeja de salida, y {spanish}."
        f" Cuando el nodo responda: {_SEND}",
        f"Sealed and kept: {identity} waits in the outbox, and {english}."
        f" Once the node answers: {_SEND}",
    )


def say_unacknowledged(session: Session, identity: str, why: ExchangeError) -> None:
    """Say that an acknowledgement is signed and waits to be sent."""
    if not session.as_json:
        click.echo(render.refusal(why, session.lang, world.codes()).what, err=True)
    session.say(
        f"Firmado y guardado: el acuse de {identity} espera en la bandeja de salida."
        f" Cuando el nodo responda: {_SEND}",
        f"Signed and kept: the acknowledgement of {identity} waits in the outbox."
        f" Once the node answers: {_SEND}",
    )
