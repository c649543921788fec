"""Rows of an inbox that are no bulletins and no acknowledgements: grants, releases, notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exchange.cli import world
from exchange.client import news

if TYPE_CHECKING:
    from exchange.cli.main import Session
    from exchange.client.reading import News


def row(item: News, session: Session, taken: str) -> dict[str, Any]:
    """Return what is shown of one piece of news; ``taken`` is its time as it is shown."""
    found = news.piece(item, session.lang, world.codes())
    return {
        "index": item.index,
        "position": item.position,
        "taken": taken,
        "precedence": "",
        "state": "",
        "kind": found.kind,
        # The column is narrow.
        "type": "confirm" if found.kind == "confirmation" else found.kind,
        "origin": found.origin,
        "title": found.title,
        "id": found.id,
        **found.more,
    }
