"""The adapter to other systems: opened bulletins out into their formats, and drafts in.

Pure functions on the agency's side: nothing here posts, reads a file or asks a node. ``taking``
says what a format may be given, ``losses`` what it does not carry; ``cover`` is what it is told
of the header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from exchange.errors import Code, Refusal
from exchange.gateway import cap, drafting, geojson, members, misp, stix, stix_reading, tables
from exchange.gateway.cover import (
    SHARINGS,
    Bearing,
    Cover,
    Sharing,
    banner,
    of_draft,
    of_header,
)
from exchange.gateway.losses import lost
from exchange.gateway.noting import Noted
from exchange.gateway.taking import FORMATS, Format, admit, takes

if TYPE_CHECKING:
    from exchange.model.bulletin import Bulletin
    from exchange.model.codes import Codes, Lang

__all__ = [
    "FORMATS",
    "IMPORTED",
    "SHARINGS",
    "SOURCES",
    "Bearing",
    "Cover",
    "Format",
    "Imported",
    "Noted",
    "Sharing",
    "Source",
    "banner",
    "export",
    "imported",
    "lost",
    "of_draft",
    "of_header",
    "takes",
]

Source = Literal["stix", "csv"]
SOURCES: tuple[Source, ...] = get_args(Source)
IMPORTED = tables.WIDE


class Imported(NamedTuple):
    """A draft in TOML, the JSON pointers of what it still lacks, and what it leaves aside."""

    draft: str
    missing: list[str]
    noted: list[Noted]


def export(bulletin: Bulletin, cover: Cover, to: Format, lang: Lang, codes: Codes) -> bytes:
    """Return a bulletin in another system's format, its marking with it.

    Args:
        bulletin: opened, or completed from a draft.
        cover: what its header says, and how far it may travel in MISP.
        to: the format.
        lang: of titles and labels; codes are the same in both.
        codes: the code lists.

    Raises:
        Refusal: ``format-lacks-type``, ``no-place`` or ``format-lacks-marking``.
    """
    admit(to, bulletin, cover)
    bulletin = members.without_quoted_keys(bulletin)
    match to:
        case "geojson":
            return geojson.write(bulletin, cover, lang, codes)
        case "csv":
            return tables.write(bulletin, cover, lang, codes)
        case "stix":
            return stix.write(bulletin, cover, lang, codes)
        case "misp":
            return misp.write(bulletin, cover, lang, codes)
        case "cap":
            return cap.write(bulletin, cover, codes)


def imported(data: bytes, source: Source, type_: str, lang: Lang, codes: Codes) -> Imported:
    """Return another system's file as a draft of a VOI or SZR. It is not checked, nor posted.

    Args:
        data: the file.
        source: its format.
        type_: ``voi`` or ``szr``.
        lang: of the draft's comments.
        codes: the code lists.

    Raises:
        Refusal: it cannot be read, holds nothing of the type, or what no draft can hold.
    """
    read = tables.read if source == "csv" else stix_reading.read
    values = read(data, type_)
    try:
        draft = drafting.draft(values, type_, lang, codes)
    except RecursionError:
        raise Refusal(Code.TOO_DEEP) from None
    return Imported(draft, drafting.missing(values, type_), values["noted"])
