"""What is to be mended, in words of the form: others speak of files, members and commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exchange.errors import Code
from exchange.web import frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from exchange.web.pages import Reader

# Codes that a form brings forth, and whose text tells of files, members and commands.
_MENDED_HERE: Final = frozenset(
    {
        Code.MISSING_MEMBER.value,
        Code.NO_READERS.value,
        Code.OVERSIZED.value,
        Code.PROTECTED_PERSONS.value,
        Code.REFERENCE_MISSING.value,
        Code.RETENTION_TOO_LONG.value,
        Code.TYPE_NOT_ON_FEED.value,
        Code.UNKNOWN_FEED.value,
        Code.UNKNOWN_RECIPIENT.value,
        Code.WRONG_VALUE.value,
    }
)


def of_the_form(
    problems: Sequence[dict[str, str]], request: web.Request, reader: Reader
) -> list[dict[str, str]]:
    """Return what to do next as it is done in a form; the code's own text is of commands."""
    words = request.app[frame.FRAME].pages.words
    return [
        {**each, "next": words.text(reader.lang, f"mend.{each['code']}")}
        if each["code"] in _MENDED_HERE
        else each
        for each in problems
    ]
