"""What ``inbox --prove`` says: how much is proved and as of when, or which alarm there is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from exchange import render
from exchange.cli import output, witnessed, world
from exchange.cli.times import zulu
from exchange.client.proving import WITHHOLDING, Proven
from exchange.errors import Refusal

if TYPE_CHECKING:
    from exchange.cli.main import Session
    from exchange.client.agency import Agency
    from exchange.client.reading import Item

Outcome = Proven | Refusal | None


async def held_to(agency: Agency) -> tuple[list[Item], Proven | Refusal]:
    """Return what came, and what is proved of it; where a gap shows, what came before it.

    The proof may have evidence of it. Where it has none, as nothing was signed of it yet, the
    gap stays the alarm.
    """
    try:
        return await _proven(agency, await agency.everything())
    except Refusal as refusal:
        if refusal.code not in WITHHOLDING:
            raise
        gap = refusal
    try:
        await agency.prove()
    except Refusal as refusal:
        gap = refusal
    return await agency.inbox.as_held(), gap


async def _proven(agency: Agency, items: list[Item]) -> tuple[list[Item], Proven | Refusal]:
    """Return what is proved to be all, or the alarm, which hides nothing that came."""
    while True:
        try:
            proven = await agency.prove()
        except Refusal as refusal:
            return items, refusal
        if proven.count <= len(items):
            return items, proven
        # More came meanwhile, and it is proved of that too: show it.
        items = await agency.everything()


def told(outcome: Outcome) -> dict[str, Any]:
    """Return the members of a JSON answer: ``proof``, null beside an ``error``; or none."""
    match outcome:
        case None:
            return {}
        case Proven():
            return {"proof": outcome}
        case Refusal():
            return {"proof": None, "error": output.problem(outcome)}


def conclude(outcome: Outcome, session: Session) -> None:
    """Say it below the list; an alarm goes to stderr and ends the command."""
    match outcome:
        case Proven():
            session.say(*line(outcome))
        case Refusal():
            if not session.as_json:
                words = render.refusal_text(outcome, session.lang, world.codes())
                click.echo(words, err=True)
            session.announce()
            sys.exit(output.exit_code(outcome))
        case None:
            pass


def line(proven: Proven) -> tuple[str, str]:
    """Return what is proved, in Spanish and in English."""
    when = zulu(proven.signed)
    others = proven.abroad.items()
    theirs = "".join(f", los {count} del nodo {name}" for name, count in others)
    also = "".join(f", all {count} of node {name}" for name, count in others)
    vouched = witnessed.line(proven.quorum, witnessed.values(proven.witnessed))
    spanish = (
        f"Nada falta: los {proven.count} elementos que se le deben entre los primeros "
        f"{proven.covered} asientos están aquí, y los {proven.trust} documentos de "
        f"confianza{theirs}; "
        f"punto de control de {proven.size} asientos, firmado {when}.\n{vouched[0]}"
    )
    english = (
        f"Nothing is missing: all {proven.count} items owed to you among the first "
        f"{proven.covered} entries are here, and all {proven.trust} trust documents{also}; "
        f"checkpoint of {proven.size} entries, signed {when}.\n{vouched[1]}"
    )
    return spanish, english
