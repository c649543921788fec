"""What of a header goes along into another system's file: status, marking, from whom, when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from exchange.model import draft as drafts
from exchange.model.bulletin import doubts
from exchange.model.header import Marking, Precedence, Reference, Status, Verb

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exchange.model.bulletin import Bulletin
    from exchange.model.codes import Codes, Lang
    from exchange.model.draft import Draft
    from exchange.model.header import Header


Sharing = Literal["organisation", "community", "connected", "all"]
# What was done to a bulletin since, as far as is known here, what of it is overdue, and whether
# its reader is warned of what it says.
Bearing = Literal["cancelled", "superseded", "corrected", "review-overdue", "doubted"]
SHARINGS: tuple[Sharing, ...] = get_args(Sharing)


class Cover(msgspec.Struct, frozen=True):
    """The part of a header that other systems are told; times are integer seconds UTC.

    ``sharing`` is how far who exports it lets it travel where a format asks (MISP). ``bears``
    is what was done to it since: it leads every marking.
    """

    endpoint: str
    verb: Verb
    status: Status
    precedence: Precedence
    marking: Marking
    issued: int
    expires: int
    refs: list[Reference]
    sharing: Sharing = "organisation"
    bears: list[Bearing] = []


def of_header(
    header: Header, sharing: Sharing = "organisation", bears: Sequence[Bearing] = ()
) -> Cover:
    """Return the cover of a bulletin that was posted."""
    return Cover(
        endpoint=header.endpoint,
        verb=header.verb,
        status=header.status,
        precedence=header.precedence,
        marking=header.marking,
        issued=header.issued,
        expires=header.expires,
        refs=header.refs,
        sharing=sharing,
        bears=list(bears),
    )


def of_draft(
    draft: Draft, bulletin: Bulletin, issued: int, sharing: Sharing = "organisation"
) -> Cover:
    """Return the cover a draft would get, were it posted at that second; its refs as written.

    Raises:
        Refusal: ``wrong-value``: it would end at no such day or time of day.
    """
    return Cover(
        endpoint=bulletin.origin,
        verb=drafts.verb_of(draft, bulletin),
        status=draft.post.status,
        precedence=draft.post.precedence,
        marking=draft.post.marking,
        issued=issued,
        expires=drafts.expires_at(draft.post, issued),
        refs=draft.post.refs,
        sharing=sharing,
        bears=["doubted"] if doubts(bulletin) else [],
    )


def banner(cover: Cover) -> str:
    """Return status and marking as one line of codes that reads the same in both languages.

    For instance ``EXERCISE // TLP:AMBER // REL TO PAN, USA // H2 // ORCON``; one that was taken
    back begins with ``CANCELLED``.
    """
    marking = cover.marking
    return banner_of(
        bears=cover.bears,
        status=cover.status,
        tlp=marking.tlp,
        releasable_to=marking.releasable_to,
        handling=marking.handling,
        is_controlled=marking.originator_control,
    )


def banner_of(  # noqa: PLR0913  (one for each part)
    *,
    bears: Sequence[str],
    status: str,
    tlp: str,
    releasable_to: Sequence[str],
    handling: Sequence[str],
    is_controlled: bool,
) -> str:
    """Return a banner of codes that nobody has looked at; see ``banner``."""
    parts = [
        *(each.upper().replace("-", " ") for each in bears),
        status.upper() if status != "actual" else "",
        f"TLP:{tlp.upper()}",
        f"REL TO {', '.join(releasable_to)}",
        ", ".join(code.upper() for code in handling),
        "ORCON" if is_controlled else "",
    ]
    return " // ".join(part for part in parts if part)


_SINCE: dict[Bearing, str] = {
    "cancelled": "bears-cancelled",
    "superseded": "bears-superseded",
    "corrected": "bears-corrected",
    "review-overdue": "bears-review-overdue",
    "doubted": "bears-doubted",
}


def statement(cover: Cover, lang: Lang, codes: Codes) -> str:
    """Return how the content may be handled, in words, as lines of one text."""
    marking = cover.marking
    control = codes.phrase("yes" if marking.originator_control else "no", lang)
    facts = (
        ("status", codes.words("status", cover.status, lang)),
        ("tlp", codes.words("tlp", marking.tlp, lang)),
        ("releasable_to", _all("countries", marking.releasable_to, lang, codes)),
        ("handling", _all("handling", marking.handling, lang, codes)),
        ("originator_control", control),
    )
    named = [(codes.words("fields", name, lang), words) for name, words in facts]
    since = [codes.phrase(_SINCE[each], lang) for each in cover.bears]
    return "\n".join([*since, *(f"{label}: {words}" for label, words in named if words)])


def _all(name: str, found: Iterable[str], lang: Lang, codes: Codes) -> str:
    return "; ".join(codes.words(name, code, lang) for code in found)


def moment(seconds: int) -> str:
    """Return a time of a cover in the one spelling that bulletins have."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
