"""The world as this process finds it: clock, randomness, code lists, language, passphrase."""

from __future__ import annotations

import os
import random
import shlex
import sys
import time
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from exchange import resources
from exchange.errors import Code, Fault, Refusal
from exchange.model import codes as code_lists

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.custody.uris import TokenPlace
    from exchange.model.codes import Codes, Lang

# NIST SP 800-63B-4, 3.1.1.2: of a password that nothing else stands beside.
LEAST_CHARACTERS = 15


def clock_ms() -> int:
    """Return the wall clock in milliseconds UTC."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Return a clock that only ever goes on, in milliseconds."""
    return time.monotonic_ns() // 1_000_000


def elapsed_ms() -> int:
    """Return a clock that only ever goes on, in milliseconds, also while the machine sleeps.

    The monotonic clock stands still in suspend: a desk would be as open after it as before.
    """
    # Linux alone has it; elsewhere the monotonic one is the best there is.
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000_000


def now() -> int:
    """Return the wall clock in seconds UTC."""
    return clock_ms() // 1000


randomness = os.urandom


def called() -> str:
    """Return the words that call this program from where the person stands.

    ``run`` of a checkout says how it was called; an installed one is on the path.
    """
    return shlex.quote(os.environ.get("EXCHANGE_CALLED") or "exchange")


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


def passphrase(holder: str, *, is_new: bool = False) -> str:
    """Return the passphrase of a key container.

    From ``EXCHANGE_PASSPHRASE``, or the file that ``EXCHANGE_PASSPHRASE_FILE`` names, or the
    person at the terminal; never from the command line, where others can see it.

    Args:
        holder: whose container it is; the person is told.
        is_new: it is being set, so that a slip would lock the keys away: asked for twice, and
            held to a least length.

    Raises:
        Fault: ``no-secret``: there is none, and nobody to ask; ``key-file``: it is no text.
        Refusal: ``weak-passphrase``: a new one has fewer than ``LEAST_CHARACTERS``.
    """
    asked = "New passphrase / Contraseña nueva" if is_new else "Passphrase / Contraseña"
    return _secret("EXCHANGE_PASSPHRASE", f"{asked} ({holder})", holder, is_new=is_new)


def backup_passphrase(holder: str, *, is_new: bool = False) -> str:
    """Return the passphrase of a backup, from ``EXCHANGE_BACKUP_PASSPHRASE`` and so on.

    Raises:
        Fault, Refusal: as ``passphrase``.
    """
    asked = f"Passphrase of the backup / Contraseña del respaldo ({holder})"
    return _secret("EXCHANGE_BACKUP_PASSPHRASE", asked, holder, is_new=is_new)


def pin(place: TokenPlace) -> str:
    """Return a token's PIN: from the file that its URI names, or ``EXCHANGE_PIN`` and so on."""
    name = place.token or place.serial or ""
    if place.pin_source is not None:
        return _from_file(place.pin_source)
    return _secret("EXCHANGE_PIN", f"PIN ({name})", name)


def _secret(variable: str, asked: str, holder: str, *, is_new: bool = False) -> str:
    said = _given(variable, asked, holder, is_new=is_new)
    if is_new and (found := _length(said)) < LEAST_CHARACTERS:
        at = f"/{variable}"
        raise Refusal(
            Code.WEAK_PASSPHRASE, at, name=holder, found=found, limit=LEAST_CHARACTERS
        )
    return said


def _length(said: str) -> int:
    """Return how many characters count: no blank at either end, and none that repeats two."""
    counted = unicodedata.normalize("NFC", said).strip()
    return sum(counted[max(at - 2, 0) : at] != 2 * each for at, each in enumerate(counted))


def _given(variable: str, asked: str, holder: str, *, is_new: bool) -> str:
    import click  # noqa: PLC0415  (most processes ask nobody)

    from exchange.render.visible import visible  # noqa: PLC0415

    if variable in os.environ:
        return _text(os.environ[variable], variable)
    if named := os.environ.get(f"{variable}_FILE"):
        return _from_file(named)
    if not sys.stdin.isatty():
        raise Fault(Code.NO_SECRET, name=holder, expected=variable)
    try:
        # Who holds a file is read from it before anything tells that it is genuine.
        said = click.prompt(
            visible(asked), hide_input=True, err=True, confirmation_prompt=is_new
        )
    except UnicodeDecodeError:
        raise _no_text(holder) from None
    return _text(said, holder)


def _from_file(named: str) -> str:
    try:
        return _text(Path(named).read_text(encoding="utf-8").rstrip("\n"), named)
    except UnicodeDecodeError:
        raise _no_text(named) from None
    except OSError as error:
        raise Fault(Code.KEY_FILE, name=named, found=type(error).__name__) from error


def _text(secret: str, source: str) -> str:
    """Return a secret that UTF-8 can spell: Python lets other bytes pass as surrogates."""
    try:
        secret.encode()
    except UnicodeEncodeError:
        raise _no_text(source) from None
    return secret


def _no_text(source: str) -> Fault:
    # Without its cause: what cannot be read would be quoted there.
    return Fault(Code.KEY_FILE, name=source, expected="utf-8-secret")


def picks(seed: int | None) -> Callable[[int], int]:
    """Return what picks a number below its argument: for exercises, never for secrets.

    The same seed picks the same numbers; None picks others every time.
    """
    return random.Random(seed).randrange  # noqa: S311
