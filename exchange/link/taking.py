"""Take in a page that was proved: trust one by one, the rest side by side; each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import structlog

from exchange.broker import keys
from exchange.broker.peering import Crossing
from exchange.errors import Refusal
from exchange.link.telling import tell
from exchange.model import entry as entries
from exchange.model import metadata, objects
from exchange.node.receiving import receive
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from exchange.link.pages import Offered
    from exchange.model.header import Blob
    from exchange.node.node import Node

# Whose uploads are those that come over the link.
_NOBODY: Final = ""

_log = structlog.get_logger("exchange.link")


class Source(Protocol):
    """Where a page came from, and more comes from."""

    node: str

    def pieces(self, digest: str, index: int, by: int, offset: int) -> AsyncIterator[bytes]:
        """Yield the bytes of an attachment from an offset on."""


async def take(node: Node, far: Source, items: Sequence[Offered]) -> None:
    """Take these in, each that is not here yet, and tell of whom they may not be owed to.

    Raises:
        Refusal: an entry does not bear out what it says.
        Fault: the other node does not answer, or ours cannot write.
    """
    # What is told ahead comes again in its place, and may be told for two that it is beside.
    once = {item.index: item for item in items}
    trust = {index: item for index, item in once.items() if _is_trust(item)}
    for _, item in sorted(trust.items()):
        await _take(node, far, [item])
        await _adopt(node, item)
    await _take(node, far, [item for index, item in once.items() if index not in trust])


def _is_trust(item: Offered) -> bool:
    return isinstance(item.facts, entries.Trust)


async def _take(node: Node, far: Source, items: Iterable[Offered]) -> None:
    wanted = {
        keys.crossed(entries.Home(far.node, item.index)): item
        for item in items
        if _may_come(node, far.node, item)
    }
    known = await node.store.find(list(wanted))
    here = [(item, known[key].index) for key, item in wanted.items() if key in known]
    come = [
        (item, crossing)
        for key, item in wanted.items()
        if key not in known and (crossing := await _crossing(node, far, item))
    ]
    answers = await receive(node.writer, node.settings, [each for _, each in come])
    here += [
        (item, answer.receipt.index) for (item, _), answer in zip(come, answers, strict=True)
    ]
    for item, index in here:
        await tell(node, index, item.raw)


def _may_come(node: Node, far: str, item: Offered) -> bool:
    """Tell whether an entry is to be taken in; one told ahead waits until its trust is here."""
    if isinstance(item.facts, entries.PurgeOrdered):
        # It was shown so that no place is missing; our own orders are given here.
        return False
    return not item.is_ahead or item.facts.view <= node.writer.homes.newest(far).index


async def _crossing(node: Node, far: Source, item: Offered) -> Crossing | None:
    """Return what is to be taken in, its attachments fetched; None of what is gone there."""
    home, blobs = entries.Home(far.node, item.index), item.blobs
    if not blobs:
        return Crossing(home, item.raw, b"")
    try:
        for blob in blobs[1:] if item.body is not None else ():
            await _fetch(node, far, blob, item)
    except Refusal as refusal:
        _log.warning("gone", node=far.node, index=item.index, code=refusal.code.value)
        return None
    if item.body is None:
        # Purged there before it came here: nobody can be given it any more.
        _log.warning("gone", node=far.node, index=item.index)
        return None
    return Crossing(home, item.raw, item.body)


async def _fetch(node: Node, far: Source, blob: Blob, item: Offered) -> None:
    """Fetch an attachment, from where an earlier try was cut."""
    come = await node.blobs.progress(_NOBODY, blob)
    if come.complete:
        return
    at = come.offset
    async for piece in far.pieces(blob.digest, item.index, item.by, at):
        at = (await node.blobs.append(_NOBODY, blob, at, piece)).offset
    await node.blobs.finish(_NOBODY, blob)


async def _adopt(node: Node, item: Offered) -> None:
    """Have a trust document take effect here as well, if it is news and holds here."""
    facts, document = item.facts, item.body or b""
    if not isinstance(facts, entries.Trust) or facts.name.startswith("timestamps/"):
        # A node's own snapshot and timestamp say what is in force there, and nowhere else.
        return
    if node.view.version_of(facts.name) >= facts.version:
        return
    caller = ""
    if not document.startswith(metadata.BEGINS):
        signed = jws.read(document, objects.MAX_OBJECT_BYTES)
        caller = objects.decode_subscription(signed.payload).endpoint
    answer = await node.submit(caller, document, b"")
    if answer.refusal is not None:
        code = answer.refusal.code.value
        _log.warning("not-adopted", name=facts.name, version=facts.version, code=code)
