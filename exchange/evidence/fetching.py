"""Make a package of a bulletin that one holds oneself: entries and proofs from one's own node.

Nothing that the node says is believed: what it gives must hold as any package must.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.client import amending, documenting, elsewhere, witnessing
from exchange.errors import Code, Fault, Refusal
from exchange.evidence import making, package
from exchange.evidence.making import Cut, Trusted
from exchange.evidence.parts import ROLES, Shown
from exchange.journal import checkpoint as c2sp
from exchange.journal import terms
from exchange.journal.tiles import TILE_WIDTH, tile_path, tile_width
from exchange.journal.tree import HASH_BYTES
from exchange.model import entry as entries
from exchange.model import wire
from exchange.seal.open import open_body

if TYPE_CHECKING:
    from exchange.client.agency import Agency
    from exchange.client.transport import Transport
    from exchange.model.header import Header
    from exchange.model.objects import Receipt
    from exchange.model.view import View
    from exchange.seal.open import Opened

# A proof needs a few tiles of each level; this bounds what a lying node can make us fetch.
_MAX_TILES = 100_000


class Fetched(NamedTuple):
    """A bulletin, what one's own node shows of it, and its text, where that was asked for."""

    of: package.Of
    shown: Shown
    opened: Opened | None

    def pack(self) -> bytes:
        """Return the package, once it holds.

        Raises:
            Refusal: it does not.
        """
        return package.make(self.of, [self.shown], self.opened)


async def fetch(agency: Agency, identity: str, *, with_body: bool) -> Fetched:
    """Return what an agency can show of a bulletin that it posted or received.

    Args:
        agency: in a session.
        identity: the bulletin's id.
        with_body: open it, for whoever may read it, and put the text in.

    Raises:
        Refusal: ``not-found``: it is neither in the outbox nor in the inbox;
            ``bad-checkpoint``: what the node shows does not hold; or it cannot be opened.
        Fault: ``no-checkpoint``: none covers it yet, or no quorum vouches for one.
    """
    view = await agency.view()
    index, entry, receipt, acks = await _found(agency, identity)
    _, signed, header = making.accepted_in(entry)
    acks = [each for each in acks if making.is_by_recipient(each[1], header)]
    opened = None
    if with_body:
        opened = await _opened(agency, index, header, is_own=receipt is not None)
    note = await _vouched(agency, view, index)
    told = await _trusted(agency.transport, view)
    tiles = _Tiles(c2sp.parse(note).size)
    cut = Cut(note, tiles.size, tiles)
    given = None if receipt is None else msgspec.json.encode(receipt)
    while True:
        try:
            node = agency.profile.node
            shown = making.cut_to(node, cut, (index, entry), told, acks, given)
            break
        except _Lacking as lacking:
            await tiles.fetch(agency.transport, *lacking.tile)
    return Fetched(package.Of(header, signed, view.anchor), shown, opened)


async def _opened(agency: Agency, index: int, header: Header, *, is_own: bool) -> Opened:
    """Return the text: of what was posted here by the key that was kept, and no other."""
    if is_own:
        # From another machine it may have been cancelled: then it is handed out no more.
        await elsewhere.learn(agency, header.id)
        opened = documenting.own_text(agency, header)
        if opened is None:
            raise _gone(agency, header)
        return opened
    raw = await agency.transport.get(f"/v1/blobs/{header.body.digest}", index=index)
    return open_body(header, raw, agency.keys.openers)


def _gone(agency: Agency, header: Header) -> Refusal:
    """Return why the text of what was posted here is gone: a cancellation destroys its key."""
    marks = amending.marks(agency.world.outbox, header.id)
    by = [mark.index for mark in marks if mark.relation == "cancels"]
    facts = {"entry": by[0]} if by else {}
    return Refusal(Code.CONTENT_KEY_GONE, "", id=header.id, **facts)


_Entries = list[tuple[int, bytes]]


async def _found(agency: Agency, identity: str) -> tuple[int, bytes, Receipt | None, _Entries]:
    """Return where a bulletin stands, its entry, one's receipt, and its acknowledgements."""
    box = agency.world.outbox
    receipt, envelope = box.receipt(identity), box.envelope(identity)
    index, entry = -1, b""
    if receipt is not None and envelope is not None:
        index, entry = receipt.index, receipt.facts.encode() + b"\n" + envelope.header
    acks: _Entries = []
    after = -1
    while True:
        page = await agency.transport.get_as(
            wire.InboxPage, "/v1/inbox", after=after, limit=wire.MAX_PAGE
        )
        for item in page.items:
            raw = item.entry.encode()
            facts = entries.decode(raw).facts
            if isinstance(facts, entries.Accepted):
                if not entry and making.accepted_in(raw)[2].id == identity:
                    index, entry = item.index, raw
            elif isinstance(facts, entries.Acknowledged) and facts.of == index:
                acks.append((item.index, raw))
        if not page.items:
            break
        after = page.cursor
    if not entry:
        raise Refusal(Code.NOT_FOUND, "", id=identity[:64])
    return index, entry, receipt, acks


async def _vouched(agency: Agency, view: View, index: int) -> bytes:
    """Return the newest checkpoint; where the arrangement asks for a quorum, its newest."""
    must = int(view.agreed().witnesses is not None)
    note = await agency.transport.get("/v1/checkpoint", cosigned=must)
    needed = terms.of(note, agency.profile.node, view)
    verified = needed.verify(note)
    vouched = witnessing.by_quorum(verified, needed)
    if verified.checkpoint.size <= index or (must and vouched is None):
        # What verifies and is only too early accuses nobody.
        raise Fault(Code.NO_CHECKPOINT, index=index, found=verified.checkpoint.size)
    return note


async def _trusted(transport: Transport, view: View) -> Trusted:
    told, documents, after = [], [], -1
    while True:
        page = await transport.get_as(wire.TrustPage, "/v1/trust", after=after)
        for item in page.items:
            told.append((item.index, item.entry.encode()))
            if item.name in ROLES:
                documents.append((item.index, item.document.encode()))
        if not page.items:
            return Trusted(told, documents, view)
        after = page.cursor


class _Lacking(Exception):  # noqa: N818  (no mistake: it is fetched, and tried again)
    """A tile is needed that was not fetched yet."""

    def __init__(self, tile: tuple[int, int]) -> None:
        super().__init__(tile)
        self.tile = tile


class _Tiles:
    """The tiles of a tree of one size, as far as they were fetched."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._held: dict[tuple[int, int], bytes] = {}

    def read(self, level: int, first: int, count: int) -> bytes:
        tile = (level, first // TILE_WIDTH)
        if tile not in self._held:
            raise _Lacking(tile)
        begun = first % TILE_WIDTH * HASH_BYTES
        return self._held[tile][begun : begun + count * HASH_BYTES]

    async def fetch(self, transport: Transport, level: int, index: int) -> None:
        width = tile_width(level, index, self.size)
        if len(self._held) >= _MAX_TILES or not width:
            raise Refusal(Code.BAD_PROOF, "/tile", found=index)
        raw = await transport.get(f"/v1/{tile_path(level, index, width)}")
        if len(raw) != width * HASH_BYTES:
            raise Refusal(Code.BAD_PROOF, "/tile", found=index)
        self._held[level, index] = raw
