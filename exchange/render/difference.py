"""What changed between two versions of a bulletin: field, before, after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.model.bulletin import difference, kinds
from exchange.render.page import WIDTH, Writer

if TYPE_CHECKING:
    from exchange.model.bulletin.amendments import Change
    from exchange.model.bulletin.kinds import AnyBulletin
    from exchange.model.codes import Codes, Lang


def diff(
    before: AnyBulletin, after: AnyBulletin, lang: Lang, codes: Codes, width: int = WIDTH
) -> str:
    """Return each member that differs as its label, what it said and what it says.

    Args:
        before: the earlier version.
        after: the later one, of the same type.
        lang: the reader's language.
        codes: the code lists.
        width: columns, at least 40.
    """
    writer = Writer(lang, codes, width, kinds.TYPES)
    rows: list[str] = []
    for change in difference.changes(before, after):
        plain = msgspec.to_builtins(change)
        rows += [*writer.change(before.type, plain, 0), ""]
    return "\n".join(rows[:-1]) if rows else codes.phrase("no-difference", lang)


def claim(kind: str, change: Change, found: object, *, lang: Lang, codes: Codes) -> str:
    """Return a change that does not hold: what it claims, and what the bulletin says.

    Args:
        kind: the type of the bulletin that it should correct.
        change: as the correction has it.
        found: what that bulletin says there; None where it says nothing.
        lang: the reader's language.
        codes: the code lists.
    """
    writer = Writer(lang, codes, WIDTH, kinds.TYPES)
    plain = msgspec.to_builtins(change)
    said = writer.side(kind, change.pointer, found)
    label = codes.phrase("bulletin-says", lang)
    return "\n".join([*writer.change(kind, plain, 0), *writer.row(label, said, 0)])
