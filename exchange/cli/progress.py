"""How far a transfer has come, on stderr: rewritten in place on a terminal, else by tenths."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.cli.main import Session

_MB = 1_000_000


def teller(session: Session, spanish: str, english: str) -> Callable[[int, int], None]:
    """Return what tells of a transfer: called with the bytes done, and of how many."""
    label = spanish if session.lang == "es" else english
    said = ""

    def tell(done: int, whole: int) -> None:
        nonlocal said
        percent = 100 * done // whole if whole else 100
        on_terminal = sys.stderr.isatty()
        if not on_terminal:
            percent -= percent % 10
        line = f"{label}: {percent} % ({whole / _MB:.1f} MB)"
        if line != said:
            said = line
            end = "\n" if done >= whole or not on_terminal else ""
            start = "\r" if on_terminal else ""
            click.echo(f"{start}{line}{end}", err=True, nl=False)

    return tell


def counted(session: Session) -> Callable[[int, int], None]:
    """Return what tells how many entries are done; to people at a terminal alone."""
    shown = sys.stderr.isatty() and not session.as_json

    def told(done: int, of: int) -> None:
        if shown:
            click.echo(f"\r{done}/{of}", nl=done >= of, err=True)

    return told
