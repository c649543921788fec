"""A command line that makes no sense, told in both languages."""

from __future__ import annotations

import errno
from gettext import gettext
from typing import TYPE_CHECKING, NoReturn

import click

from exchange.cli import speaking

if TYPE_CHECKING:
    from pathlib import Path

    from exchange.model.codes import Lang


class Unusable(click.UsageError):
    """What is wrong with a command line; ``hint`` names the option or argument, if one is."""

    def __init__(self, spanish: str, english: str, hint: str | None = None) -> None:
        """Keep both texts: which is shown is known when it is."""
        self._said: dict[Lang, str] = {"es": spanish, "en": english}
        self._hint = hint
        super().__init__(english)

    def format_message(self) -> str:
        """Return it in the language that is spoken."""
        said = self._said[speaking.spoken()]
        if self._hint is None:
            return said
        told = gettext("Invalid value for {param_hint}: {message}")
        return told.format(param_hint=gettext(self._hint), message=said)


def unreadable(path: Path, error: OSError, hint: str) -> Unusable:
    """Return that a file which was named cannot be read."""
    if isinstance(error, FileNotFoundError):
        return Unusable(f"{path} no existe.", f"{path}: there is no such file.", hint)
    why = errno.errorcode.get(error.errno or 0, "?")
    return Unusable(
        f"{path}: no se puede leer ({why}).", f"{path}: cannot be read ({why}).", hint
    )


def in_the_way(path: Path, hint: str = "FILE") -> NoReturn:
    """Refuse to write over a file that is there."""
    told = (f"{path} ya existe, y nada se sobrescribe.", f"{path} exists, and stays as it is.")
    raise Unusable(*told, hint)
