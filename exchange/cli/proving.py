"""What ``inbox --prove`` says: how much is proved and as of when, or which alarm there is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from exchange import render
from exchange.cli import output, witnessed, world
from exchange.cli.times import zulu
from exchange.client.proving import Proven
from exchange.errors import Refusal

if TYPE_CHECKING:
    from exchange.cli.main import Session

Outcome = Proven | Refusal | None


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
