"""How much the other node's endpoints are owed here, provably: with each page, under its note.

Their node holds it to what crossed, and keeps it for them (``link.counting``).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from exchange.broker import peering
from exchange.errors import Code, Refusal
from exchange.journal.checkpoint import parse
from exchange.journal.proofs import consistency_proof, inclusion_proof
from exchange.model import wire
from exchange.model.codec import b64
from exchange.node.stored import with_hashes

if TYPE_CHECKING:
    from collections.abc import Collection

    from exchange.journal.heads import HeadsMap
    from exchange.journal.tiles import Hashes
    from exchange.node.heads import Heads
    from exchange.node.ports import Store


class Counted(Protocol):
    """A journal with its inbox heads: of a node, or of its file."""

    @property
    def store(self) -> Store:
        """What it holds."""

    @property
    def heads(self) -> Heads:
        """The heads under its newest checkpoint."""

    @property
    def cosigned(self) -> bytes | None:
        """The newest checkpoint that a quorum cosigned, if one is at hand."""


async def offered(
    node: Counted, note: bytes, nations: Collection[str], stands: tuple[int, int]
) -> wire.LinkHeads | None:
    """Return the heads of all endpoints of some nations under a checkpoint.

    None where it has none, where the page does not lead as far as they cover, and where the
    caller has them.

    Args:
        node: ours.
        note: the checkpoint of the page.
        nations: whom the caller's node serves.
        stands: the page's cursor, and the entry of the heads that the caller has.
    """
    cursor, known = stands
    try:
        shown, found = await node.heads.under(note)
    except Refusal as refusal:
        if refusal.code is Code.NOT_FOUND:
            return None
        raise
    at = found.snapshot.at
    if shown != note or at == known or cursor + 1 < found.snapshot.size:
        return None
    size, cosigned = parse(note).size, node.cosigned
    if cosigned is not None and parse(cosigned).size > size:
        cosigned = None
    vouched = size if cosigned is None else parse(cosigned).size
    proofs = await with_hashes(node.store, partial(_proofs, at, size, vouched))
    return wire.LinkHeads(
        at,
        found.entry.decode(),
        proofs.path,
        (cosigned or b"").decode(),
        proofs.witnessed,
        _own(found.tree, nations),
    )


class _Proofs(NamedTuple):
    path: list[str]
    witnessed: list[str]


def _proofs(at: int, size: int, vouched: int, hashes: Hashes) -> _Proofs:
    return _Proofs(
        [b64(step) for step in inclusion_proof(at, size, hashes)],
        [b64(step) for step in consistency_proof(vouched, size, hashes)],
    )


def _own(tree: HeadsMap, nations: Collection[str]) -> dict[str, wire.OwnHead]:
    own = {}
    for name, head in tree.heads.items():
        place = tree.place(name) if peering.is_here(name, nations) else None
        if place is not None:
            path = [b64(step) for step in place.path]
            own[name] = wire.OwnHead(head.count, b64(head.chain), b64(place.salt), path)
    return own
