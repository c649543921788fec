"""Ask the person at the terminal before something that cannot be taken back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from exchange.cli.usage import Unusable

if TYPE_CHECKING:
    from exchange.cli.main import Session


def must_be_there(
    session: Session,
    spanish: str = "Nadie puede confirmar aquí: --yes lo hace sin preguntar.",
    english: str = "Nobody is here to confirm: --yes does it unasked.",
) -> None:
    """Return only if somebody can answer, and is shown what it is about.

    Raises:
        Unusable: neither; where nobody is there, in these words.
    """
    if session.as_json:
        raise Unusable(
            "Con --json no se muestra antes qué es: --yes lo hace sin preguntar.",
            "With --json it is not shown first what it is: --yes does it unasked.",
        )
    if not sys.stdin.isatty():
        raise Unusable(spanish, english)


def confirm(session: Session, spanish: str, english: str) -> None:
    """Ask a question, and end the command unless the answer is yes, in either language.

    Raises:
        Unusable: nobody is there to answer, or was shown what it is about.
        Abort: the answer is no.
    """
    must_be_there(session)
    asked = f"{spanish} [s/N]" if session.lang == "es" else f"{english} [y/N]"
    said = click.prompt(asked, default="n", show_default=False, err=True)
    if said.strip().lower() not in ("s", "si", "sí", "y", "yes"):
        raise click.Abort
