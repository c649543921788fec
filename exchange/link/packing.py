"""Write what crosses to another node into files: what the link would have said, in its order.

Reads the journal and the folder of attachments of a node that may be running, and writes to
neither. All files of one go are under one checkpoint; each can be taken in by itself where what
comes before it is there.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from functools import partial
from itertools import groupby
from typing import IO, TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from exchange.broker import peering
from exchange.journal import checkpoint as c2sp
from exchange.journal.rest import unfinished
from exchange.journal.tree import HASH_BYTES
from exchange.link import gathering, heading, leaves, parcels
from exchange.link.parcels import Section
from exchange.model import entry as entries
from exchange.model import peers
from exchange.node.heads import Heads
from exchange.node.stored import with_hashes
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.link.gathering import Crosses
    from exchange.model.header import Blob
    from exchange.node.ports import Blobs, Store
    from exchange.seal.jws import Signer

_PIECE_BYTES: Final = 1024 * 1024


class Journal(NamedTuple):
    """What is read: meets ``link.gathering.Offers``."""

    store: Store
    blobs: Blobs
    clock: Callable[[], int]

    def now(self) -> int:
        """Return the time, seconds UTC."""
        return self.clock()


class Plan(NamedTuple):
    """Of whose journal, for whom, and how much.

    Args:
        node: whose journal it is.
        to: the other node.
        nations: those that it serves, and ours does not.
        signer: who signs for us now.
        note: the checkpoint that all is proved to be under.
        file_bytes: about how large one file may become.
        attached_bytes: a bulletin with more of attachments is not exported, nor what follows.
    """

    node: str
    to: str
    nations: frozenset[str]
    signer: Signer
    note: bytes
    file_bytes: int
    attached_bytes: int


class Part(msgspec.Struct):
    """What is in one file; ``stopped`` is the bulletin that is too large, if one is."""

    after: int
    cursor: int
    size: int
    kinds: dict[str, int]
    attachments: int = 0
    attached_bytes: int = 0
    file_bytes: int = 0
    stopped: int | None = None


class Files(Protocol):
    """Where the files are written to."""

    def begin(self, number: int) -> AbstractContextManager[IO[bytes]]:
        """Return a file, numbered from 0, that is there once the context ends well."""


def kind_of(facts: entries.Facts) -> str:
    """Return under which kind an entry is told of; every document is of the kind trust."""
    return str(type(facts).__struct_config__.tag)


class _Counted(NamedTuple):
    """The journal with its heads; cosignatures stay with the node that has them."""

    store: Store
    heads: Heads
    cosigned: bytes | None = None


class Packer:
    """Writes one export; ``run`` returns what became of it."""

    def __init__(
        self,
        journal: Journal,
        plan: Plan,
        files: Files,
        told: Callable[[int, int], None],
        trust_bytes: int = gathering.MAX_PAGE_BYTES,
    ) -> None:
        """Prepare; ``told`` hears how many entries were looked through, and of how many.

        Trust comes first, in pages of about so many bytes.
        """
        self._trust_bytes = trust_bytes
        self._journal = journal
        self._counted = _Counted(journal.store, Heads(journal.store))
        self._plan = plan
        self._files = files
        self._told = told
        self._size = c2sp.parse(plan.note).size
        # What was looked up of attachments: whether they are still here.
        self._kept: dict[Blob, bool] = {}
        # The newest trust entry that was written: it is told once, in the first file.
        self._trust = -1

    async def run(self, after: int) -> list[Part]:
        """Write all that crosses after an entry.

        Raises:
            Fault: the journal cannot be read, or an attachment is damaged.
            OSError: a file cannot be written.
        """
        parts: list[Part] = []
        self._trust = after
        while not parts or (parts[-1].stopped is None and after + 1 < self._size):
            with self._files.begin(len(parts)) as file:
                parts.append(await self._part(parcels.Writing(file), after))
            after = parts[-1].cursor
        return parts

    async def _part(self, writing: parcels.Writing, after: int) -> Part:
        part = Part(after, after, self._size, {})
        await self._hashes(writing, after + 1)
        await self._trust_first(writing, part)
        written, is_paged, carried = None, False, set[str]()
        while part.cursor + 1 < self._size and part.stopped is None:
            found, cursor = await self._look(part.cursor, is_first=not is_paged)
            found, cursor, part.stopped = await self._fitting(found, cursor)
            if found:
                page = await self._page(found, cursor)
                blobs = await self._blobs(found, carried)
                whole = len(page) + sum(blob.size for blob, _ in blobs)
                if is_paged and writing.size + whole > self._plan.file_bytes:
                    part.stopped = None
                    break
                await self._write(writing, page, blobs)
                written, is_paged = cursor, True
                self._count(part, found, blobs)
            part.cursor = cursor
            self._told(cursor + 1, self._size)
        if written != part.cursor:
            await self._write(writing, await self._page([], part.cursor), [])
        writing.finish(partial(self._signed, part))
        part.file_bytes = writing.size
        return part

    async def _look(self, after: int, *, is_first: bool) -> tuple[list[Crosses], int]:
        """Return what crosses next; with the first of a file also what goes ahead."""
        whose = (self._journal, self._plan.nations, after, self._size)
        had = gathering.Had(trust=self._trust)
        if is_first:
            return await gathering.gathered(*whose, had)
        return await gathering.crossing(*whose, had)

    async def _trust_first(self, writing: parcels.Writing, part: Part) -> None:
        """Write the pages of trust that is in no file yet; none of them leads any further."""
        held: list[Crosses] = []
        weight = 0

        async def write() -> None:
            await self._write(writing, await self._page(held, part.after), [])
            for each in held:
                self._count_kind(part, each)

        async for each in gathering.trust_ahead(self._journal, self._trust, self._size):
            size = len(each.entry) + len(each.body or b"")
            if held and weight + size > self._trust_bytes:
                await write()
                held, weight = [], 0
            held.append(each)
            weight, self._trust = weight + size, each.index
        if held:
            await write()

    async def _hashes(self, writing: parcels.Writing, begin: int) -> None:
        """Write what proves the checkpoint to go on from whichever its reader has."""
        store = self._journal.store
        for row in await with_hashes(store, partial(unfinished, begin)):
            writing.add(Section("tiles", len(row)), [row])
        writing.begin(Section("leaves", (self._size - begin) * HASH_BYTES))
        async for piece in leaves.joined(store, begin, self._size):
            writing.go_on(piece)

    async def _fitting(
        self, found: Sequence[Crosses], cursor: int
    ) -> tuple[list[Crosses], int, int | None]:
        """Return what there is room for, up to which entry, and what is too large for any."""
        kept: list[Crosses] = []
        held, is_placed = 0, False
        for (is_ahead, by), group in groupby(found, lambda each: (each.is_ahead, each.by)):
            beside = list(group)
            sizes = [sum(blob.size for blob in await self._attached(each)) for each in beside]
            is_large = max(sizes) > self._plan.attached_bytes
            is_full = held + sum(sizes) > self._plan.file_bytes
            if is_ahead and (is_large or is_full):
                # It comes in its place.
                continue
            if is_large:
                return kept, by - 1, by
            if is_full and is_placed:
                return kept, by - 1, None
            kept += beside
            held += sum(sizes)
            is_placed = is_placed or not is_ahead
        return kept, cursor, None

    async def _attached(self, crosses: Crosses) -> list[Blob]:
        """Return the attachments of an entry that are still here."""
        named = peering.names(entries.decode(crosses.entry).facts)[1:]
        for blob in named:
            if blob not in self._kept:
                self._kept[blob] = await self._journal.blobs.is_kept(blob)
        return [blob for blob in named if self._kept[blob]]

    async def _page(self, found: list[Crosses], cursor: int) -> bytes:
        # What proves that it grew is made by its reader, out of the hashes.
        note, nations = self._plan.note, self._plan.nations
        heads = await heading.offered(self._counted, note, nations, (cursor, 0))
        beside = gathering.Beside(heads)
        return await gathering.encoded(self._journal, found, cursor, note, 0, beside)

    async def _blobs(
        self, found: Sequence[Crosses], carried: set[str]
    ) -> list[tuple[Blob, bytes | None]]:
        """Return what goes with a page and is not in the file yet; bodies with their bytes."""
        wanted: dict[str, tuple[Blob, bytes | None]] = {}
        for each in found:
            named = peering.names(entries.decode(each.entry).facts)[:1]
            for blob in named if each.body is None else ():
                body = await self._journal.store.blob(blob.digest)
                if body is not None:
                    wanted[blob.digest] = (blob, body)
            wanted |= {blob.digest: (blob, None) for blob in await self._attached(each)}
        fresh = [each for digest, each in wanted.items() if digest not in carried]
        carried.update(wanted)
        return fresh

    async def _write(
        self,
        writing: parcels.Writing,
        page: bytes,
        blobs: Sequence[tuple[Blob, bytes | None]],
    ) -> None:
        writing.add(Section("page", len(page)), [page])
        for blob, body in blobs:
            writing.begin(Section("blob", blob.size, blob.digest))
            if body is not None:
                writing.go_on(body)
                continue
            for at in range(0, blob.size, _PIECE_BYTES):
                limit = min(_PIECE_BYTES, blob.size - at)
                writing.go_on(await self._journal.blobs.read(blob.digest, at, limit))
                # A large one is many pieces: who waits for the end of it may give up between.
                await asyncio.sleep(0)

    @staticmethod
    def _count_kind(part: Part, each: Crosses) -> None:
        kind = kind_of(entries.decode(each.entry).facts)
        part.kinds[kind] = part.kinds.get(kind, 0) + 1

    def _count(
        self,
        part: Part,
        found: Sequence[Crosses],
        blobs: Sequence[tuple[Blob, bytes | None]],
    ) -> None:
        for each in found:
            if not each.is_ahead:
                self._count_kind(part, each)
        attached = [blob.size for blob, body in blobs if body is None]
        part.attachments += len(attached)
        part.attached_bytes += sum(attached)

    def _signed(self, part: Part, digest: str) -> bytes:
        plan = self._plan
        parcel = peers.Parcel(
            v="xb1",
            suite=plan.signer.suite,
            node=plan.node,
            to=plan.to,
            after=part.after,
            cursor=part.cursor,
            size=part.size,
            issued=self._journal.now(),
            digest=digest,
        )
        return jws.sign(msgspec.json.encode(parcel), peers.PARCEL, [plan.signer])
