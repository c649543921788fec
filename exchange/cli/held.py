"""What ``post`` and ``grant`` say of what goes out only once a second person released it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from exchange.cli import away, output
from exchange.cli.asking import confirm
from exchange.client.transport import is_away
from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exchange.cli.main import Session
    from exchange.client.agency import Agency
    from exchange.client.compose import Prepared
    from exchange.client.granting import Granting
    from exchange.client.pending import Pending

OFFICER = click.option(
    "--officer", help="Who asks for a release, where it needs one: a name, not a secret."
)


class Asked(NamedTuple):
    """Under which mark; and if nobody is asked before."""

    mark: str
    unasked: bool


def told(prepared: Prepared | Granting) -> dict[str, Any]:
    """Return what a program is told of who can release it; nothing where that needs nobody."""
    if not prepared.releasers:
        return {}
    return {"needs_release": True, "releasers": [each.endpoint for each in prepared.releasers]}


def show(session: Session, prepared: Prepared | Granting) -> None:
    """Say that it needs a release, and who is asked."""
    if prepared.releasers:
        names = ", ".join(each.endpoint for each in prepared.releasers)
        session.say(
            f"\nSegún el arreglo sale solo si otra persona lo autoriza. Se pide a: {names}",
            f"\nBy the arrangement it goes out only once another person releases it."
            f" Asked: {names}",
        )


def taken_up(session: Session, agency: Agency, mark: str) -> bool | None:
    """Say that this very thing waits for its release, if it does: False; else None."""
    waiting = agency.asking.under(mark)
    if waiting is None:
        return None
    say_waits(session, waiting, again=True)
    return False


async def ask(
    session: Session,
    agency: Agency,
    send: Callable[[], Awaitable[Pending]],
    review: dict[str, Any],
    asked: Asked,
) -> bool:
    """Put it in the releasers' queue, and say so; it was not posted: False, as ``post`` wants.

    Args:
        session: whose words these are.
        agency: the author's.
        send: seals it, and asks for its release.
        review: what was reviewed, as told to programs.
        asked: how.
    """
    mark, unasked = asked
    if not unasked:
        confirm(session, "¿Pedir que se autorice su salida?", "Ask for its release?")
    try:
        pending = await send()
    except Fault as fault:
        waiting = agency.asking.under(mark)
        if not is_away(fault) or fault.code is Code.OUTCOME_UNKNOWN or waiting is None:
            raise
        if session.as_json:
            output.show_json({**review, **away.queued(waiting.draft, fault)})
        away.say_queued(session, waiting.draft, fault, fresh=True)
        return False
    say_waits(session, pending, review)
    return False


def say_waits(
    session: Session,
    pending: Pending,
    review: dict[str, Any] | None = None,
    *,
    again: bool = False,
) -> None:
    """Say that something waits for its release, and how to see what becomes of it."""
    if session.as_json:
        told = {"sent": False, "awaits_release": True, "id": pending.id, "draft": pending.draft}
        said = {"again": True} if again else {}
        output.show_json({**(review or {}), **said, **told, "asked": pending.to})
    names = ", ".join(pending.to)
    session.say(
        f"Sellado, y nadie lo tiene aún: el borrador {pending.draft} espera que lo autorice"
        f" {names}. Cómo va, y enviarlo una vez autorizado: exchange release list",
        f"Sealed, and nobody has it yet: draft {pending.draft} waits to be released by"
        f" {names}. How it stands, and to post it once released: exchange release list",
    )
