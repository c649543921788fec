"""What rows say, in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from exchange import render
from exchange.client.reading import Delivered, Locked
from exchange.errors import Code, Refusal
from exchange.model.bulletin import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.desk.shelf import Row
    from exchange.model.codes import Codes, Lang
    from exchange.model.header import Marking
    from exchange.model.view import View


def title(row: Row, lang: Lang, codes: Codes) -> tuple[str, bool]:
    """Return what a row is about, and whether that is not the language of its author.

    Of what does not open it is the reason, in words.
    """
    if row.title:
        said = next(iter(row.title))
        told = row.title.get(lang)
        return (told, said != lang) if told is not None else (row.title[said], False)
    locked = row.item.locked if isinstance(row.item, Delivered | Locked) else None
    if locked is not None or row.kind == "bulletin":
        return render.refusal(locked or Refusal(Code.CANNOT_DECRYPT), lang, codes).what, False
    return row.id, False


def marking(of: Marking) -> str:
    """Return a marking as it stands above and below a page: alike in either language."""
    said = (f"TLP:{of.tlp.upper()}", f"REL {', '.join(of.releasable_to)}")
    return " · ".join((*said, *(code.upper() for code in of.handling)))


def nation(row: Row, view: View) -> str:
    """Return the nation of a bulletin's originator, ISO alpha-3; empty where not known."""
    if not isinstance(row.item, Delivered):
        return ""
    standing = view.endpoints.get(row.item.header.endpoint)
    return "" if standing is None else standing.alpha3


def places(row: Row) -> list[blocks.Place]:
    """Return every place that a bulletin names, in the order of its schema."""
    item = row.item
    if not isinstance(item, Delivered) or item.bulletin is None:
        return []
    return list(_places(item.bulletin.content))


def _places(value: Any) -> Iterator[blocks.Place]:
    if isinstance(value, blocks.Place):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _places(getattr(value, name))
    elif isinstance(value, list):
        for each in value:
            yield from _places(each)


def place(row: Row, lang: Lang, codes: Codes) -> str:
    """Return where something was, in a few words: its first place that has any."""
    for each in places(row):
        named = each.name or (each.locode and codes.words("ports", each.locode, lang))
        zone = codes.words("zones", each.zone, lang) if each.zone else ""
        said = ", ".join(filter(None, (named, zone)))
        if said:
            return said
    return ""
