"""Ask the person at the terminal before something that cannot be taken back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from exchange.cli.main import Session


def confirm(session: Session, spanish: str, english: str) -> None:
    """Ask a question, and end the command unless the answer is yes.

    Raises:
        UsageError: nobody is there to answer, or was shown what it is about.
        Abort: the answer is no.
    """
    is_spanish = session.lang == "es"
    if session.as_json:
        raise click.UsageError(
            "Con --json no se muestra antes qué es: --yes lo hace sin preguntar."
            if is_spanish
            else "With --json it is not shown first what it is: --yes does it unasked."
        )
    if not sys.stdin.isatty():
        raise click.UsageError(
            "Nadie puede confirmar aquí: --yes lo hace sin preguntar."
            if is_spanish
            else "Nobody is here to confirm: --yes does it unasked."
        )
    asked = f"{spanish} [s/N]" if is_spanish else f"{english} [y/N]"
    said = click.prompt(asked, default="n", show_default=False, err=True)
    if said.strip().lower() not in ("s", "si", "sí", "y", "yes"):
        raise click.Abort
