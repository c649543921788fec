"""Where a node signs another past than its mirror holds: its own two signatures, if any."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from exchange.errors import ExchangeError
from exchange.journal import bundle, forks
from exchange.journal import checkpoint as c2sp
from exchange.journal.proofs import consistency_proof, root_at
from exchange.journal.stored import leaf_of
from exchange.journal.tree import node_hash
from exchange.model import wire
from exchange.model.codec import unb64

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exchange.client.transport import Transport
    from exchange.journal.terms import Terms
    from exchange.journal.tiles import Hashes

# The newest covers all that an older one does; the node may have signed it over both pasts'
# beginning alone, or give no path from it.
_TRIED: Final = 3


async def evidence_of(
    transport: Transport,
    note: bytes,
    mirrored: Iterable[bytes],
    hashes: Hashes,
    terms: Callable[[bytes], Terms],
) -> forks.Evidence | None:
    """Return two checkpoints of a node that cannot both be; None: nothing proves that.

    Args:
        transport: asked for a path between two checkpoints where the mirror has none.
        note: a checkpoint that the node signed over another past than is mirrored.
        mirrored: the checkpoints in the mirror, newest first.
        hashes: the mirror's tree.
        terms: what a checkpoint of this journal needs.
    """
    for known in islice(mirrored, _TRIED):
        try:
            found = (
                _by_mirror(note, known, hashes)
                if c2sp.parse(note).size <= c2sp.parse(known).size
                else await _by_node(transport, known)
            )
            needed = [terms(each) for each in (found.shorter, found.longer)]
            forks.check(found, needed[0].origin, [each.log for each in needed])
        except (ExchangeError, ValueError):
            # The node gives no path, or it leads nowhere: this one proves nothing.
            continue
        return found
    return None


def _by_mirror(note: bytes, known: bytes, hashes: Hashes) -> forks.Evidence:
    short, long = c2sp.parse(note).size, c2sp.parse(known).size
    path = consistency_proof(short, long, hashes)
    if short & (short - 1) == 0 and short < long:
        path.insert(0, root_at(short, hashes))
    return forks.of(note, known, path)


async def _by_node(transport: Transport, known: bytes) -> forks.Evidence:
    since = c2sp.parse(known).size
    if since & (since - 1) == 0:
        return await _by_first(transport, known, since.bit_length() - 1)
    heads = await transport.get_as(wire.Heads, "/v1/heads", since=since)
    path = [unb64(step) for step in heads.consistency]
    return forks.of(known, bundle.parse(heads.proof.encode()).note, path)


async def _by_first(transport: Transport, known: bytes, height: int) -> forks.Evidence:
    """Return evidence against a checkpoint of a whole subtree, which a path leaves out.

    The way from entry 0 to the root passes by it: below are its leaves, above is that path.
    """
    page = await transport.get_as(wire.JournalPage, "/v1/journal", first=0, limit=1)
    answer = await transport.get_as(wire.Proof, "/v1/proof", index=0)
    found = bundle.parse(answer.proof.encode())
    (first,) = page.items
    past = leaf_of(first.entry.encode())
    for step in found.path[:height]:
        past = node_hash(past, step)
    return forks.of(known, found.note, [past, *found.path[height:]])
