"""What rows say, in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from exchange import render
from exchange.client import news
from exchange.client.reading import Acked, Delivered, Locked
from exchange.errors import Code, Refusal
from exchange.model.bulletin import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.client.reading import Item
    from exchange.desk.shelf import Row
    from exchange.errors import ExchangeError
    from exchange.model.codes import Codes, Lang
    from exchange.model.header import Header, Marking
    from exchange.model.view import View


def title(row: Row, lang: Lang, codes: Codes) -> tuple[str, bool]:
    """Return what a row is about, and whether that is not the language of its author.

    Of what does not open it is the reason, in words.
    """
    if row.title:
        said = next(iter(row.title))
        told = row.title.get(lang)
        return (told, said != lang) if told is not None else (row.title[said], False)
    match row.item:
        case Delivered(locked=locked) | Locked(locked=locked):
            why = locked or Refusal(Code.CANNOT_DECRYPT)
            return render.refusal(why, lang, codes).what, False
        case Acked(ack=ack):
            said = codes.words("ack-outcomes", ack.outcome, lang)
            return f"{said} ({ack.officer})" if ack.officer else said, False
        case item:
            return news.piece(item, lang, codes).title, False


def why(error: ExchangeError | None, lang: Lang, codes: Codes) -> str:
    """Return what went wrong and what to do, in a line; empty where nothing did."""
    if error is None:
        return ""
    told = render.refusal(error, lang, codes)
    return f"{told.what} {told.next} [{told.code}]"


def next_step(error: ExchangeError | None, lang: Lang, codes: Codes) -> str:
    """Return what to do about what is locked, and its code; empty where nothing is."""
    if error is None:
        return ""
    told = render.refusal(error, lang, codes)
    return f"{told.next} [{told.code}]"


def text_in(text: blocks.Text, lang: Lang) -> str:
    """Return a text in the reader's language, or as it was written."""
    translated = (each.text for each in text.translations if each.lang == lang)
    return text.text if text.lang == lang else next(translated, text.text)


def marking(of: Marking) -> str:
    """Return a marking as it stands above and below a page: alike in either language."""
    said = (f"TLP:{of.tlp.upper()}", f"REL {', '.join(of.releasable_to)}")
    return " · ".join((*said, *(code.upper() for code in of.handling)))


def marked(header: Header, lang: Lang, codes: Codes) -> str:
    """Return what stands above and below a bulletin, on each sheet of paper, too."""
    if header.status == "actual":
        return marking(header.marking)
    return f"{codes.words('status', header.status, lang)} · {marking(header.marking)}"


def nation(row: Row, view: View) -> str:
    """Return the nation of a bulletin's originator, ISO alpha-3; empty where not known."""
    if not isinstance(row.item, Delivered):
        return ""
    standing = view.endpoints.get(row.item.header.endpoint)
    return "" if standing is None else standing.alpha3


def places_of(item: Item) -> list[blocks.Place]:
    """Return every place that a bulletin names, in the order of its schema."""
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
    return place_of(places_of(row.item), lang, codes)


def place_of(places: Sequence[blocks.Place], lang: Lang, codes: Codes) -> str:
    """Return the first of these that says where it is in words; empty where none does."""
    for each in places:
        named = each.name or (each.locode and codes.words("ports", each.locode, lang))
        zone = codes.words("zones", each.zone, lang) if each.zone else ""
        said = ", ".join(filter(None, (named, zone)))
        if said:
            return said
    return ""
