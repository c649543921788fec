"""The leaf hashes of another node's journal: asked for over the link, proved, and kept.

A node that lost the end of its journal has it back, if at all, from places that nobody else
vouches for. Whoever keeps its leaf hashes can tell of each entry whether it is that one: 32
bytes an entry, and nothing of it, for a salt blinds each. They are kept only where they lead to
the root of a checkpoint that was held to be theirs; how far is kept with them, so a link that
is cut goes on from there.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec
import structlog

from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.proofs import consistency_proof, root_at, verify_consistency
from exchange.journal.tiles import TILE_WIDTH
from exchange.journal.tree import HASH_BYTES, split
from exchange.model import wire
from exchange.model.codec import b64, unb64
from exchange.node.stored import with_hashes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exchange.journal.checkpoint import Checkpoint
    from exchange.journal.rest import Rest
    from exchange.journal.tree import Frontier
    from exchange.link.pulling import Puller
    from exchange.node.ports import Store

# Of one answer: 1 MiB. Bounds what is held of it on both sides.
MAX_LEAVES: Final = 32_768
_REST_S: Final = 1.0
# The other node may be of an older program, or the disk may have no room.
_LONGEST_REST_S: Final = 60.0

_log = structlog.get_logger("exchange.link")


async def joined(store: Store, first: int, end: int) -> AsyncIterator[bytes]:
    """Yield a journal's leaf hashes from one entry to before another, a tile at a time."""
    while first < end:
        count = min(TILE_WIDTH - first % TILE_WIDTH, end - first)
        yield await store.hashes(0, first, count)
        first += count


async def answer(store: Store, first: int, size: int) -> bytes:
    """Return what is told of a journal's leaf hashes: a line of JSON, and then they, joined.

    Args:
        store: holds the journal.
        first: the entry to begin with, below ``size``.
        size: of the checkpoint to which they lead, at once or by the proof that comes along.
    """
    end = min(first + MAX_LEAVES, size)
    found = [piece async for piece in joined(store, first, end)]
    grown = await with_hashes(store, partial(consistency_proof, end, size))
    told = wire.LinkLeaves(first, [b64(step) for step in grown])
    return b"".join((msgspec.json.encode(told), b"\n", *found))


class Told(NamedTuple):
    """Leaf hashes as they were told, joined; nothing of them is proved yet."""

    leaves: bytes
    grown: list[bytes]


def decode(raw: bytes, node: str) -> Told:
    """Take apart what ``answer`` made.

    Raises:
        Fault: it is nothing of the kind.
        Refusal: ``bad-proof``: what is to prove it is no proof.
    """
    line, _, rest = raw.partition(b"\n")
    try:
        told = msgspec.json.decode(line, type=wire.LinkLeaves)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Fault(Code.NODE_UNREACHABLE, name=node, found="leaves") from error
    try:
        return Told(rest, [unb64(each) for each in told.grown])
    except Refusal as refusal:
        raise Refusal(Code.BAD_PROOF, "/leaves") from refusal


def prove(told: Told, known: Frontier, top: Checkpoint) -> Frontier:
    """Return how far these hashes lead on from what is known, below a checkpoint that holds.

    Raises:
        Refusal: ``bad-proof``: they do not lead to its root.
    """
    count, odd = divmod(len(told.leaves), HASH_BYTES)
    size = known.size + count
    if odd or not known.size < size <= top.size:
        raise Refusal(Code.BAD_PROOF, "/leaves", found=size)
    after = known.extend(split(told.leaves))
    try:
        verify_consistency(size, top.size, told.grown, after.root(), top.root)
    except Refusal as refusal:
        raise Refusal(Code.BAD_PROOF, "/leaves", found=size) from refusal
    return after


class Far(Protocol):
    """Another node; ``link.transport.Peer`` is one."""

    node: str

    async def leaves(self, first: int, size: int) -> Told:
        """Return leaf hashes from an entry on, which lead to a checkpoint of this size."""


class Kept(Protocol):
    """Where they are kept from one start to the next. ``store.leaf_files.LeafFile`` is one.

    Methods raise ``Fault`` where it cannot be read or written, or there is no room.
    """

    @property
    def frontier(self) -> Frontier:
        """How far they go: the edge of the tree over all that are kept."""

    def recall(self) -> bool:
        """Read what was kept before; tell whether there is any. What is damaged is not."""

    def add(self, leaves: bytes, after: Frontier, note: str) -> None:
        """Add hashes, durably; ``note`` is the checkpoint which they reach, if they do."""

    def vouch(self, note: str) -> None:
        """Keep the newest checkpoint which a quorum of witnesses cosigned, of no more."""

    def clear(self) -> None:
        """Keep none of it."""


class Leaves:
    """Keeps the leaf hashes of the journal that one puller follows."""

    def __init__(self, far: Far, puller: Puller, kept: Kept) -> None:
        """Keep them there; ``run`` asks for them."""
        self._far = far
        self._puller = puller
        self._kept = kept
        self._is_recalled = False
        # What was kept before may be of another past, or damaged: that accuses nobody.
        self._is_doubtful = False
        self._vouched = b""
        self._turn = asyncio.Lock()
        # Why none come, while none do.
        self.why: Fault | None = None

    @property
    def size(self) -> int:
        """Of how many entries the hashes are kept; 0 before that was read."""
        return self._kept.frontier.size

    async def run(self) -> None:
        """Follow until cancelled, or until the other node cannot prove what it says."""
        rest_s, clock = _REST_S, asyncio.get_running_loop().time
        while self._puller.trouble is None:
            self._puller.news.clear()
            begun = clock()
            try:
                is_all = await self.follow()
            except Refusal as refusal:
                self._puller.stop(refusal)
                return
            except Fault as fault:
                if self.why is None:
                    _log.warning("leaves", node=self._far.node, code=fault.code.value)
                self.why = fault
                await asyncio.sleep(rest_s)
                rest_s = min(2 * rest_s, _LONGEST_REST_S)
                continue
            self.why, rest_s = None, _REST_S
            if is_all:
                await self._puller.news.wait()
            else:
                # Half of the time the link, and the processor, are for what crosses alone.
                await asyncio.sleep(min(clock() - begun, _LONGEST_REST_S))

    async def follow(self) -> bool:
        """Ask once for what comes next; tell whether all is here that is known of.

        Raises:
            Refusal: ``bad-proof``: the hashes do not lead to the root that was signed.
            Fault: the other node does not answer, or they cannot be kept.
        """
        async with self._turn:
            await self._recall()
            note = self._puller.pulled.note
            known = self._kept.frontier
            if not note or known.size >= (top := c2sp.parse(note.encode())).size:
                await self._vouch()
                return True
            told = await self._told(known.size, top.size)
            try:
                after = await asyncio.to_thread(prove, told, known, top)
            except Refusal:
                if not self._is_doubtful:
                    raise
                _log.warning("leaves-anew", node=self._far.node, size=known.size)
                await self._clear()
                return False
            reached = note if after.size == top.size else ""
            await asyncio.to_thread(self._kept.add, told.leaves, after, reached)
            # They lead to what was signed, and so do those before them.
            self._is_doubtful = False
            return False

    async def came_by_file(self, begin: int, rest: Rest) -> None:
        """Take in what a file has, from an entry on, whose hashes led to its checkpoint.

        Hashes kept here that do not lead there are let go; what cannot be kept is left out.
        """
        note = self._puller.pulled.note
        try:
            async with self._turn:
                await self._recall()
                await self._from_file(begin, rest, note)
                await self._vouch()
        except Fault as fault:
            _log.warning("leaves", node=self._far.node, code=fault.code.value)

    async def _from_file(self, begin: int, rest: Rest, note: str) -> None:
        top = c2sp.parse(note.encode()) if note else None
        while begin <= (known := self._kept.frontier).size < rest.size:
            leaves = await asyncio.to_thread(_read, rest, known.size)
            after = await asyncio.to_thread(known.extend, split(leaves))
            if after.root() == root_at(rest.size, rest):
                is_top = top is not None and (top.size, top.root) == (after.size, after.root())
                reached = note if is_top else ""
                await asyncio.to_thread(self._kept.add, leaves, after, reached)
                self._is_doubtful = False
                return
            if not known.size:
                return
            await self._clear()

    async def _told(self, first: int, size: int) -> Told:
        try:
            return await self._far.leaves(first, size)
        except Refusal as refusal:
            if refusal.code is Code.BAD_PROOF:
                raise
            # It does not let us in, or has less than it showed: pages tell that better.
            name, found = self._far.node, refusal.code.value
            raise Fault(Code.NODE_UNREACHABLE, name=name, found=found) from refusal

    async def _recall(self) -> None:
        if not self._is_recalled:
            self._is_doubtful = await asyncio.to_thread(self._kept.recall)
            self._is_recalled = True

    async def _clear(self) -> None:
        self._is_doubtful = False
        await asyncio.to_thread(self._kept.clear)

    async def _vouch(self) -> None:
        note = self._puller.vouched
        if note in {b"", self._vouched}:
            return
        if self._puller.is_vouched(note):
            if c2sp.parse(note).size > self._kept.frontier.size:
                return
            await asyncio.to_thread(self._kept.vouch, note.decode())
        self._vouched = note


def _read(rest: Rest, first: int) -> bytes:
    pieces = []
    while first < rest.size:
        count = min(TILE_WIDTH - first % TILE_WIDTH, rest.size - first)
        pieces.append(rest.read(0, first, count))
        first += count
    return b"".join(pieces)
