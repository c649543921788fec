"""Bulletins that cancel, correct or supersede another one, and what a book says of them."""

from __future__ import annotations

from typing import Any

from exchange.model import entry as entries
from tests import builders
from tests.books import Book
from tests.builders import refers

WORLD = builders.world()
DESK_US = "us.jiatfs/desk"


def facts(book: Book, index: int) -> Any:
    return entries.decode(book.entries[index - book.base]).facts


def owed(book: Book, index: int) -> dict[str, int]:
    return {each.endpoint: each.position for each in facts(book, index).owed}


def cancelling(target: builders.Envelope, **changes: Any) -> builders.Envelope:
    told: dict[str, Any] = {"type": "can", "verb": "cancel", "refs": refers("cancels", target)}
    return WORLD.envelope(**{**told, **changes})


def correcting(target: builders.Envelope, **changes: Any) -> builders.Envelope:
    told: dict[str, Any] = {
        "type": "cor",
        "verb": "correct",
        "refs": refers("corrects", target),
    }
    return WORLD.envelope(**{**told, **changes})


def updating(target: builders.Envelope, **changes: Any) -> builders.Envelope:
    return WORLD.envelope(**{"verb": "update", "refs": refers("supersedes", target), **changes})
