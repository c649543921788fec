"""What commands print: words for people, JSON for programs, and exit codes for both."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import click
import msgspec

from exchange import render
from exchange.cli import world
from exchange.cli.usage import in_the_way
from exchange.client.files import write_durably
from exchange.errors import Code, ExchangeError, Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from exchange.model.bulletin import Indicator
    from exchange.model.codes import Lang

# Documented in the README; 2 is click's own, for a command line that makes no sense.
EXIT_REFUSED = 1
EXIT_FAULT = 3
EXIT_UNKNOWN = 4
EXIT_TAMPERED = 5
# All of it holds, and nobody said from which anchor.
EXIT_UNANCHORED = 6
# The node is away: what was sealed waits, what is shown is as last known.
EXIT_AWAY = 7
# A node that leaves out, changes or takes back what it owes: somebody must be told.
ALARMS = frozenset(
    {
        Code.INBOX_GAP,
        Code.ITEM_WITHHELD,
        Code.CHAIN_DIFFERS,
        Code.STALE_HEAD,
        Code.HEAD_WENT_BACK,
        Code.HEAD_MISSING,
        Code.HOME_MISMATCH,
        Code.JOURNAL_FORKED,
        Code.ENTRY_UNTRUE,
        Code.MIRRORS_DIFFER,
        Code.PAST_DIFFERS,
        Code.STALE_WITNESS,
    }
)

# Short columns that are copied and searched; the others may be broken, and none is ever cut.
_WHOLE = frozenset({"index", "taken", "type", "kind", "code"})
# Narrower, and a terminal that has few columns would lose some of them whole.
_LEAST_BROKEN = 8
# In a pipe nothing needs breaking: an id with its table is under 200 characters.
_WIDTH_OF_FILES = 200


# Where what is not found may have been posted by this endpoint all the same.
_OF_POSTED = frozenset({"/outbox", "/target"})
_POSTED_ELSEWHERE: dict[Lang, str] = {
    "es": "Lo enviado desde otra máquina, o antes de restaurar aquí estas claves, no está en"
    " esta bandeja de salida hasta que se trae: exchange outbox fetch ID",
    "en": "What was posted from another machine, or before these keys were restored here, is"
    " not in this outbox until it is fetched: exchange outbox fetch ID",
}


def exit_code(error: ExchangeError) -> int:
    """Return the exit code that an error ends the command with."""
    if error.code is Code.OUTCOME_UNKNOWN:
        return EXIT_UNKNOWN
    if error.code in ALARMS:
        return EXIT_TAMPERED
    return EXIT_FAULT if isinstance(error, Fault) else EXIT_REFUSED


def show_json(value: object) -> None:
    """Print one JSON document on a line of its own.

    An object gets the member ``keys_expiring`` where there is something to tell.
    """
    context = click.get_current_context(silent=True)
    expiring = context.obj.expiring() if context is not None and context.obj else []
    if expiring and isinstance(value, dict):
        value = {**value, "keys_expiring": expiring}
    # As bytes: JSON is UTF-8, whatever a terminal takes.
    click.echo(msgspec.json.encode(value, order="deterministic"))


def fail(error: ExchangeError, lang: Lang, *, as_json: bool) -> NoReturn:
    """Say what went wrong and end the command: on stderr, or as JSON on stdout."""
    is_elsewhere = error.code is Code.NOT_FOUND and error.at in _OF_POSTED
    if as_json:
        hint = {"hint": _POSTED_ELSEWHERE} if is_elsewhere else {}
        show_json({"error": {**problem(error), **hint}})
    else:
        click.echo(render.refusal_text(error, lang, world.codes()), err=True)
        if is_elsewhere:
            click.echo(_POSTED_ELSEWHERE[lang], err=True)
    sys.exit(exit_code(error))


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet: whole, durably, and over nothing.

    Raises:
        Unusable: there is such a file already.
        OSError: it could not be written.
    """
    must_be_new(path)
    write_durably(path, data)


def must_be_new(path: Path) -> None:
    """Refuse a file that could not be written as a new one; ask before asking a node.

    Raises:
        Unusable: there is such a file already.
        OSError: there is no folder for it.
    """
    if path.exists():
        in_the_way(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def problem(error: ExchangeError) -> dict[str, Any]:
    """Return an error as plain values, in both languages."""
    codes = world.codes()
    return {
        "code": error.code.value,
        "at": error.at,
        "facts": error.facts,
        "en": msgspec.to_builtins(render.refusal(error, "en", codes)),
        "es": msgspec.to_builtins(render.refusal(error, "es", codes)),
    }


def warnings(found: Iterable[Indicator]) -> list[dict[str, str]]:
    """Return warnings as values: the code, where, and the sentence in both languages."""
    codes = world.codes()
    return [
        {
            "code": each.code,
            "at": each.at,
            "es": render.indicator(each, "es", codes),
            "en": render.indicator(each, "en", codes),
        }
        for each in found
    ]


def table(rows: Sequence[Mapping[str, object]], heads: Mapping[str, str]) -> None:
    """Print rows as a table; ``heads`` says which columns, in which order, under which head.

    Where a terminal is too narrow for that, each row is told cell by cell.
    """
    if not rows:
        return
    # rich is slow to import, and most commands do without.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    width = None if sys.stdout.isatty() else _WIDTH_OF_FILES
    console = Console(highlight=False, no_color=_is_plain(), width=width)
    if console.width < _least_width(rows, heads):
        _records(rows, heads)
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name, head in heads.items():
        shown.add_column(head, overflow="fold", no_wrap=name in _WHOLE)
    for row in rows:
        # Text, not markup: what came from elsewhere has no say in how it is shown.
        shown.add_row(*(Text(render.visible(str(row.get(name, "")))) for name in heads))
    console.print(shown)


def _least_width(rows: Sequence[Mapping[str, object]], heads: Mapping[str, str]) -> int:
    """Return in how many columns of a terminal each cell can still be read."""

    def least(name: str, head: str) -> int:
        longest = max(len(head), *(len(str(row.get(name, ""))) for row in rows))
        return longest if name in _WHOLE else min(longest, _LEAST_BROKEN)

    return sum(least(name, head) + 2 for name, head in heads.items()) - 2


def _records(rows: Sequence[Mapping[str, object]], heads: Mapping[str, str]) -> None:
    """Print rows one below the other, a line for each cell that is not empty."""
    for place, row in enumerate(rows):
        if place:
            click.echo()
        for name, head in heads.items():
            if told := str(row.get(name, "")):
                click.echo(f"{head}: {render.visible(told)}")


def _is_plain() -> bool:
    context = click.get_current_context(silent=True)
    return bool(context and context.find_root().params.get("plain"))
