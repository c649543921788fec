"""The world as this process finds it: clock, randomness, code lists, language, passphrase."""

from __future__ import annotations

import os
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange import resources
from exchange.errors import Code, Fault
from exchange.model import codes as code_lists

if TYPE_CHECKING:
    from exchange.model.codes import Codes, Lang


def clock_ms() -> int:
    """Return the wall clock in milliseconds UTC."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Return a clock that only ever goes on, in milliseconds."""
    return time.monotonic_ns() // 1_000_000


def now() -> int:
    """Return the wall clock in seconds UTC."""
    return clock_ms() // 1000


randomness = os.urandom


@cache
def codes() -> Codes:
    """Return the code lists that came with this installation."""
    return code_lists.load(resources.read)


def language(chosen: str | None = None) -> Lang:
    """Return the reader's language: as asked for, else as the environment says."""
    for text in (chosen, os.environ.get("EXCHANGE_LANG"), os.environ.get("LANG")):
        if text:
            return "es" if text.lower().startswith("es") else "en"
    return "en"


def passphrase(holder: str) -> str:
    """Return the passphrase of a key container.

    From ``EXCHANGE_PASSPHRASE``, or the file that ``EXCHANGE_PASSPHRASE_FILE`` names, or the
    person at the terminal; never from the command line, where others can see it.

    Raises:
        Fault: ``key-file``: there is none, and nobody to ask.
    """
    if "EXCHANGE_PASSPHRASE" in os.environ:
        return os.environ["EXCHANGE_PASSPHRASE"]
    if named := os.environ.get("EXCHANGE_PASSPHRASE_FILE"):
        try:
            return Path(named).read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Fault(Code.KEY_FILE, name=named, found=type(error).__name__) from error
    if sys.stdin.isatty():
        return str(
            click.prompt(f"Passphrase / Contraseña ({holder})", hide_input=True, err=True)
        )
    raise Fault(Code.KEY_FILE, name=holder, expected="EXCHANGE_PASSPHRASE")
