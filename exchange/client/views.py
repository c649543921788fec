"""Named views of an inbox: what is shown of it, never what is owed, proved or acknowledged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.client.files import write_durably
from exchange.client.reading import Delivered
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from exchange.client.reading import Item

# What a view may be called: lower-case letters, digits and hyphens.
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


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


def saved(file: Path) -> dict[str, NamedView]:
    """Return the views that an endpoint saved on this machine; none where there is no file.

    Raises:
        Fault: as ``read``.
    """
    return read(file.read_bytes()) if file.exists() else {}


def keep(file: Path, views: Mapping[str, NamedView]) -> None:
    """Save these views, in place of all that were."""
    write_durably(file, msgspec.json.encode(views, order="sorted") + b"\n")


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
