"""Named views of an inbox: what is shown of it, never what is owed, proved or acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client.reading import Delivered
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.reading import Item


class NamedView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is shown; an empty list asks for nothing."""

    feeds: list[str] = []
    types: list[str] = []
    precedence: list[str] = []
    status: list[str] = []
    origins: list[str] = []

    def shows(self, item: Item) -> bool:
        """Tell whether an item is shown: by its header, if it is a bulletin that opens.

        Whatever else there is needs looking at: it is shown always.
        """
        if not isinstance(item, Delivered) or item.locked is not None:
            return True
        header = item.header
        asked = (
            (self.feeds, header.feed),
            (self.types, header.type),
            (self.precedence, header.precedence),
            (self.status, header.status),
            (self.origins, header.origin),
        )
        return all(not wanted or value in wanted for wanted, value in asked)


def read(raw: bytes) -> dict[str, NamedView]:
    """Return the views that were saved.

    Raises:
        Fault: ``file``: it is none of ours.
    """
    try:
        return msgspec.json.decode(raw, type=dict[str, NamedView])
    except msgspec.MsgspecError as error:
        raise Fault(Code.FILE, name="views.json") from error


def named(views: dict[str, NamedView], name: str) -> NamedView:
    """Return a view by its name.

    Raises:
        Refusal: ``not-found``.
    """
    if name not in views:
        raise Refusal(Code.NOT_FOUND, "/view", name=name)
    return views[name]


def split(items: Sequence[Item], view: NamedView) -> tuple[list[Item], int]:
    """Return what a view shows, and how many it hides."""
    shown = [item for item in items if view.shows(item)]
    return shown, len(items) - len(shown)
