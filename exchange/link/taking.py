"""Take in a page that was proved: trust one by one, the rest side by side; each once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

import structlog

from exchange.broker import keys, peering
from exchange.broker.peering import Crossing
from exchange.errors import Code, Fault, Refusal
from exchange.link.telling import tell, tell_waiting
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.model.outcome import outcome_in
from exchange.node.receiving import receive
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Sequence

    from exchange.link.adopting import Adopter
    from exchange.link.pages import Offered
    from exchange.link.waiting import Waits
    from exchange.model.outcome import Outcome
    from exchange.node.node import Node

_log = structlog.get_logger("exchange.link")


class Source(Protocol):
    """Where a page came from, and more comes from."""

    node: str

    def pieces(self, digest: str, index: int, by: int, offset: int) -> AsyncIterator[bytes]:
        """Yield the bytes of an attachment from an offset on."""


def begin(node: Node, far: str, items: Sequence[Offered]) -> None:
    """Have these judged ahead, as far as their bytes came with them; nothing is proved yet."""
    node.judging.begin(
        [
            Crossing(entries.Home(far, item.index), item.raw, body, item.facts)
            for item in {item.index: item for item in items}.values()
            if (body := item.body if item.blobs else b"") is not None
        ]
    )


async def take(
    node: Node, far: Source, items: Sequence[Offered], adopter: Adopter, waits: Waits
) -> Taken:
    """Take these in, each that is not here yet, and tell of whom they may not be owed to.

    Documents that are in force there take effect here, as far as they hold, before the rest.
    What lacks bytes that may still come ``waits``, with what is about it, and its author is
    told; the others go on.

    Returns:
        Of which entries the bytes that they name are there no more, as it was told; and who of
        ours has each that is here.

    Raises:
        Refusal: an entry does not bear out what it says.
        Fault: the other node does not answer, or ours cannot write.
    """
    # What is told ahead comes again in its place, and may be told for two that it is beside.
    once = {item.index: item for item in items}
    trust = {index: item for index, item in once.items() if _is_trust(item)}
    taking = _Taking(node, far, waits)
    for _, item in sorted(trust.items()):
        await taking.take([item])
    await adopter.run()
    rest = [item for index, item in once.items() if index not in trust]
    # What presses is committed, and so told, before the rest is looked at.
    await taking.take([item for item in rest if item.is_ahead])
    await taking.take([item for item in rest if not item.is_ahead])
    return taking.taken


def _is_trust(item: Offered) -> bool:
    return isinstance(item.facts, entries.Trust)


class Taken(NamedTuple):
    """What became of a page: see ``take``."""

    gone: set[int]
    has: dict[int, Collection[str]]


class _Taking:
    """One page, as it is taken in."""

    def __init__(self, node: Node, far: Source, waits: Waits) -> None:
        self.taken = Taken(set(), {})
        self._node = node
        self._far = far
        self._waits = waits

    async def take(self, items: Iterable[Offered]) -> None:
        node, far, waits = self._node, self._far, self._waits
        wanted = {
            keys.crossed(entries.Home(far.node, item.index)): item
            for item in items
            if _may_come(node, far.node, item)
        }
        known = await node.store.find(list(wanted))
        here = peering.nations_of(node.name, node.view)
        come: list[tuple[Crossing, Offered]] = []
        for key, item in wanted.items():
            if before := known.get(key):
                await self._became(item, before.index, outcome_in(before.entry))
                waits.came(item)
                continue
            if lacks := waits.lacks(item, here):
                await self._wait(item, (lacks.code, lacks.of))
                continue
            attached = _attached(node, item)
            try:
                if attached:
                    # Each with its own in turn: there is no room for those of a page at once.
                    await self._record(come)
                    come = []
                body = await _bytes(node, far, item, attached, waits)
            except _LaterError as later:
                await self._wait(item, (later.code, item.index))
                continue
            if body is None:
                _log.warning("gone", node=far.node, index=item.index)
                self.taken.gone.add(item.index)
            home = entries.Home(far.node, item.index)
            come.append((Crossing(home, item.raw, body, item.facts), item))
            waits.came(item)
            if attached:
                await self._record(come)
                come = []
                await _let_go(node, attached)
        await self._record(come)

    async def _wait(self, item: Offered, why: tuple[str, int]) -> None:
        code, of = why
        _log.warning("waits", node=self._far.node, index=item.index, code=code)
        self._waits.put(item, code, of)
        await tell_waiting(self._node, item.raw, code)

    async def _record(self, come: Sequence[tuple[Crossing, Offered]]) -> None:
        node = self._node
        answers = await receive(node.writer, node.judging, [each for each, _ in come])
        for (_, item), answer in zip(come, answers, strict=True):
            outcome = outcome_in(answer.receipt.facts.encode())
            await self._became(item, answer.receipt.index, outcome)

    async def _became(self, item: Offered, index: int, outcome: Outcome) -> None:
        """Note what became of an entry, and tell of who goes without."""
        if outcome.code == Code.BODY_GONE:
            self.taken.gone.add(item.index)
        self.taken.has[item.index] = outcome.has
        await tell(self._node, index, outcome, item)


def _may_come(node: Node, far: str, item: Offered) -> bool:
    """Tell whether an entry is to be taken in; one told ahead waits until its trust is here."""
    if isinstance(item.facts, entries.PurgeOrdered):
        # It was shown so that no place is missing; our own orders are given here.
        return False
    return not item.is_ahead or item.facts.view <= node.writer.homes.newest(far).index


class _Attached(NamedTuple):
    """An attachment, and whose: it counts for the organisation that posted it."""

    endpoint: str
    blob: Blob


def _attached(node: Node, item: Offered) -> list[_Attached]:
    """Return the attachments that a header names; what its entry names must be the same.

    Of an entry that names none, that is held to its header where it is judged.
    """
    if not (named := entries.attached_in(item.facts)):
        return []
    signed = jws.read(entries.decode(item.raw).object, headers.MAX_HEADER_BYTES)
    header = headers.decode(signed.payload)
    ours = node.view.nodes.get(node.name)
    if ours is not None and peering.is_here(header.endpoint, ours.serves):
        # Nor may anything of it count for an agency of ours.
        raise Refusal(Code.BAD_PROOF, "/object", found=item.index)
    if named != header.attachments:
        raise Refusal(Code.BAD_PROOF, "/blobs", found=item.index)
    return [_Attached(header.endpoint, each) for each in header.attachments]


async def _bytes(
    node: Node, far: Source, item: Offered, attached: Sequence[_Attached], waits: Waits
) -> bytes | None:
    """Return the body that came with an entry or is asked for; None where something is gone."""
    body = item.body
    if not item.blobs:
        return b""
    try:
        if body is None:
            body = await _body(far, item)
        await _fetch_all(node, far, item, attached, waits)
    except _GoneError:
        return None
    return body


class _GoneError(Exception):
    """The other node says that it has these bytes no more."""


class _LaterError(Exception):
    """These bytes may come another time, and what comes after them need not wait for it."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code


async def _body(far: Source, item: Offered) -> bytes:
    """Fetch a body for which there was no room on its page."""
    named, body = item.blobs[0], b""
    async for piece in _pieces(far, named, item, 0):
        body += piece
        if len(body) > named.size:
            break
    if Blob(digest(body), len(body)) != named:
        raise Refusal(Code.BAD_PROOF, "/body", found=item.index)
    return body


async def _fetch_all(
    node: Node, far: Source, item: Offered, attached: Sequence[_Attached], waits: Waits
) -> None:
    """Fetch what is attached; nothing of it is sent where there is no room for all."""
    try:
        for endpoint, blob in attached:
            if not (await node.blobs.progress(endpoint, blob)).offset:
                await node.blobs.append(endpoint, blob, 0, b"")
        for each in attached:
            await _fetch(node, far, each, item, waits)
    except Refusal as refusal:
        # No room here, or its bytes are others: what it took of that room is for others again.
        await _let_go(node, attached)
        raise _LaterError(refusal.code.value) from refusal
    except _LaterError as later:
        if later.code != Code.NODE_UNREACHABLE:
            await _let_go(node, attached)
        raise


async def _fetch(node: Node, far: Source, each: _Attached, item: Offered, waits: Waits) -> None:
    """Fetch an attachment, from where an earlier try was cut."""
    endpoint, blob = each
    come = await node.blobs.progress(endpoint, blob)
    if come.complete:
        return
    at = come.offset
    try:
        async for piece in _pieces(far, blob, item, at):
            at = (await node.blobs.append(endpoint, blob, at, piece)).offset
    except Fault as fault:
        if fault.code is not Code.NODE_UNREACHABLE or at > come.offset:
            raise
        # A link that is down is down for all: that it is this one alone shows in time.
        if waits.is_stuck(item):
            raise _LaterError(fault.code.value) from fault
        raise
    await node.blobs.finish(endpoint, blob)


async def _pieces(far: Source, blob: Blob, item: Offered, offset: int) -> AsyncIterator[bytes]:
    try:
        async for piece in far.pieces(blob.digest, item.index, item.by, offset):
            yield piece
    except Refusal as refusal:
        if refusal.code is Code.NOT_FOUND:
            raise _GoneError from refusal
        name, found = far.node, refusal.code.value
        raise Fault(Code.NODE_UNREACHABLE, name=name, found=found) from refusal
    except Fault as fault:
        if fault.code is Code.NODE_UNREACHABLE:
            raise
        # It answers, and cannot read this one: its file is damaged, say.
        raise _LaterError(fault.code.value) from fault


async def _let_go(node: Node, attached: Sequence[_Attached]) -> None:
    """Give up the uploads of what is not to come now; what fails here expires by itself."""
    for endpoint, blob in attached:
        with suppress(Fault):
            await node.blobs.discard(endpoint, blob)
