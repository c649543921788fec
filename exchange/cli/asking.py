"""Ask the person at the terminal before something that cannot be taken back."""

from __future__ import annotations

import sys

import click

from exchange.model.codes import Lang


def confirm(lang: Lang, spanish: str, english: str) -> None:
    """Ask a question, and end the command unless the answer is yes.

    Raises:
        UsageError: nobody is there to answer.
        Abort: the answer is no.
    """
    if not sys.stdin.isatty():
        raise click.UsageError(
            "Nadie puede confirmar aquí: --yes lo hace sin preguntar."
            if lang == "es"
            else "Nobody is here to confirm: --yes does it unasked."
        )
    asked = f"{spanish} [s/N]" if lang == "es" else f"{english} [y/N]"
    said = click.prompt(asked, default="n", show_default=False, err=True)
    if said.strip().lower() not in ("s", "si", "sí", "y", "yes"):
        raise click.Abort
