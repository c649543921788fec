"""A page of what crosses, on the wire: one line of JSON, and then the bodies it counts, joined.

A body is one request less over a link that takes 600 ms for each; attachments, which may be
large, are asked for by themselves.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from exchange.broker import peering
from exchange.errors import Code, Fault, Refusal
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model import wire
from exchange.model.codec import unb64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.entry import Facts
    from exchange.model.header import Blob


# On one page, beside what goes ahead.
MAX_ITEMS: Final = 256


class Offered(msgspec.Struct, frozen=True):
    """An entry of the other node's journal as it was told: nothing of it is proved yet.

    ``by`` is the entry before which it is to cross; its own index where it crosses for itself.
    ``body`` are the bytes that it names first; None where they are there no more, or none.
    ``is_ahead``: it is urgent, and comes again in its place.
    """

    index: int
    by: int
    raw: bytes
    facts: Facts
    path: list[bytes]
    body: bytes | None
    is_ahead: bool
    # Its leaf hash, of the bytes above.
    leaf: bytes = b""

    def __post_init__(self) -> None:
        """Hash it once: it is asked for wherever a place is counted."""
        msgspec.structs.force_setattr(self, "leaf", leaf_hash(self.raw))

    @property
    def blobs(self) -> list[Blob]:
        """The bytes that it names and that cross with it, its body first."""
        return peering.names(self.facts)


class Asked(NamedTuple):
    """What a caller says of itself when it asks for a page.

    ``told`` was told ahead of its place; ``again`` is asked for once more, out of its place.
    ``trust`` is the newest trust entry that it has, -1 before any; None: it does not say.
    ``heads`` is the entry of the inbox heads that it has; 0: none. ``most`` is how many entries
    it wants on the page.
    """

    told: Sequence[int] = ()
    again: Sequence[int] = ()
    trust: int | None = None
    heads: int = 0
    most: int = MAX_ITEMS


NOTHING: Final = Asked()


class Page(NamedTuple):
    """What crosses after an index, under a checkpoint; ``cursor`` is where to go on.

    ``came_s`` is how long its bytes took to come, from the first to the last.
    """

    items: list[Offered]
    cursor: int
    note: bytes
    grown: list[bytes]
    heads: wire.LinkHeads | None = None
    vouched: bytes = b""
    since_vouched: Sequence[bytes] = ()
    came_s: float = 0.0

    def is_trust_alone(self, after: int) -> bool:
        """Tell whether it has nothing but trust that had to come first, asked for ``after``."""
        is_trust = [isinstance(item.facts, entries.Trust) for item in self.items]
        return self.cursor == after and bool(is_trust) and all(is_trust)


def encode(page: wire.LinkPage, bodies: Sequence[bytes]) -> bytes:
    """Return a page and the bodies of those of its items that have one, in order."""
    return b"".join((msgspec.json.encode(page), b"\n", *bodies))


def decode(raw: bytes, node: str) -> Page:
    """Take a page apart.

    Raises:
        Fault: it is none, or was cut.
        Refusal: an entry on it is none.
    """
    line, _, rest = raw.partition(b"\n")
    try:
        page = msgspec.json.decode(line, type=wire.LinkPage)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Fault(Code.NODE_UNREACHABLE, name=node, found="page") from error
    items, at = [], 0
    # Neighbours share all but the lowest nodes of their paths.
    read = cache(_hash)
    for each in page.items:
        entry = each.entry.encode()
        facts = entries.decode(entry).facts
        named, body = peering.names(facts), None
        if each.has_body and named:
            body = rest[at : at + named[0].size]
            at += named[0].size
            if len(body) != named[0].size:
                raise Fault(Code.NODE_UNREACHABLE, name=node, found="cut")
        path = list(map(read, each.path))
        items.append(Offered(each.index, each.by, entry, facts, path, body, each.is_ahead))
    grown = list(map(_hash, page.grown))
    note, since = page.note.encode(), list(map(_hash, page.since_vouched or ()))
    # Without a proof that it is of the same past it proves nothing: neither silence nor a lie.
    vouched = b"" if page.since_vouched is None else page.vouched.encode()
    return Page(items, page.cursor, note, grown, page.heads, vouched, since)


def _hash(told: str) -> bytes:
    try:
        return unb64(told)
    except Refusal as refusal:
        raise Refusal(Code.BAD_PROOF, "/path") from refusal
