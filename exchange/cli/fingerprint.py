"""Digests that people read to each other: in words, in both languages, and as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from exchange.cli.usage import Unusable
from exchange.custody import words
from exchange.errors import Refusal
from exchange.model.codes import LANGUAGES

if TYPE_CHECKING:
    from exchange.cli.main import Session
    from exchange.model.codes import Lang

_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")
_COLUMNS = 4
_WIDTH = 12  # a longest word has ten letters
_TITLES: dict[Lang, str] = {
    "es": "Español (lee una delegación, sigue la otra)",
    "en": "English (one delegation reads, the other follows)",
}


class Digest(click.ParamType[str]):
    """A digest as it is, 43 characters, or as its 24 words in either language, in quotes."""

    name = "digest"

    def convert(
        self,
        value: str,
        param: click.Parameter | None,
        ctx: click.Context | None,  # noqa: ARG002
    ) -> str:
        """Return the 43 characters."""
        hint = param.opts[0] if param is not None else None
        if " " in value.strip():
            try:
                return words.heard(value)
            except Refusal as refusal:
                place = refusal.facts["place"]
                raise Unusable(
                    f"no son las 24 palabras de una huella: vea la palabra {place}.",
                    f"these are not the 24 words of a fingerprint: look at word {place}.",
                    hint,
                ) from None
        if not _DIGEST.fullmatch(value):
            raise Unusable(
                f"{value[:64]}: no son 43 caracteres de base64url, ni 24 palabras.",
                f"{value[:64]}: neither 43 characters of base64url nor 24 words.",
                hint,
            )
        return value


def spoken(digest: str) -> dict[Lang, str]:
    """Return a digest's words for programs: one line in each language."""
    return {lang: " ".join(words.said(digest, lang)) for lang in LANGUAGES}


def lines(digest: str) -> list[str]:
    """Return a digest as it stands on a screen and on paper: numbered words, both languages.

    The same whoever reads it, so that both delegations look at the same page.
    """
    shown = []
    for lang in LANGUAGES:
        said = words.said(digest, lang)
        cells = [f"{place:2} {word:{_WIDTH}}" for place, word in enumerate(said, 1)]
        rows = [cells[at : at + _COLUMNS] for at in range(0, len(cells), _COLUMNS)]
        shown += [f"  {_TITLES[lang]}", *("    " + "".join(row).rstrip() for row in rows)]
    return [*shown, f"  SHA-256, base64url: {digest}"]


def show(session: Session, spanish: str, english: str, digest: str) -> None:
    """Show a person a digest that is to be compared by voice, under a title."""
    if not session.as_json:
        session.say(spanish, english)
        click.echo("\n".join(lines(digest)))
