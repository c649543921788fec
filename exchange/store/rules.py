"""What every store refuses to append: a batch that would leave a gap or contradict itself.

These are mistakes of the writer, not of a poster; a store is the last place to catch them.
Messages hold indexes, never names or bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exchange.journal.tiles import MAX_LEVEL, TILE_WIDTH
from exchange.journal.tree import HASH_BYTES
from exchange.model.entry import attached_in
from exchange.model.lost import skipped_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.node.ports import Batch

KEY_BYTES: Final = 32


def require_whole(batch: Batch, expect: int) -> None:
    """Return only if a batch is complete in itself and fits where it is to stand.

    Args:
        batch: the commit group.
        expect: index that its first entry is to have.

    Raises:
        ValueError: it is empty, a hash, key, or root of a tile is missing, too many, or not 32
            bytes long.
    """
    if not batch.records:
        message = "the batch is empty"
        raise ValueError(message)
    if len(batch.leaves) != len(batch.records):
        message = "entries and leaf hashes differ in number"
        raise ValueError(message)
    hashes = [*batch.leaves, *(tile.root for tile in batch.tiles)]
    if any(len(each) != HASH_BYTES for each in hashes):
        message = "a hash is not 32 bytes"
        raise ValueError(message)
    _require_rows(batch, expect)
    _require_keys(batch)


def _require_rows(batch: Batch, expect: int) -> None:
    """Each row of the tree must go on exactly where it ended, or proofs fail much later."""
    after = expect + len(batch.records)
    given = sorted((tile.level, tile.number) for tile in batch.tiles)
    due = [
        (level, number)
        for level in range(MAX_LEVEL + 1)
        for number in range(
            expect // TILE_WIDTH ** (level + 1), after // TILE_WIDTH ** (level + 1)
        )
    ]
    if given != due:
        message = "the roots are not those of the tiles completed"
        raise ValueError(message)


def _require_keys(batch: Batch) -> None:
    keys = [key for record in batch.records for key in record.keys]
    if any(len(key) != KEY_BYTES for key in keys):
        message = "a key is not 32 bytes"
        raise ValueError(message)
    if len(set(keys)) != len(keys):
        message = "a key is taken already"
        raise ValueError(message)


def counts_after(batch: Batch, held: Mapping[str, int]) -> dict[str, int]:
    """Return how many entries each inbox of this batch holds after it.

    Args:
        batch: the commit group.
        held: counts before it; an inbox without any may be absent. What a batch sets on (see
            ``model.lost``) counts on from there.

    Raises:
        ValueError: a position is not the next one of its inbox, or one entry takes two places
            in an inbox (a cursor is an index, and would skip the second).
    """
    counts: dict[str, int] = {}
    for at, record in enumerate(batch.records):
        if len({owed.endpoint for owed in record.owed}) != len(record.owed):
            message = f"entry {at} of the batch is owed twice to one inbox"
            raise ValueError(message)
        for owed in record.owed:
            due = counts.get(owed.endpoint, held.get(owed.endpoint, 0))
            if owed.position != due:
                message = f"entry {at} of the batch has position {owed.position}, not {due}"
                raise ValueError(message)
            counts[owed.endpoint] = due + 1
        for skip in skipped_in(record.facts):
            if skip.position <= counts.get(skip.endpoint, held.get(skip.endpoint, 0)):
                message = f"entry {at} of the batch sets an inbox back"
                raise ValueError(message)
            counts[skip.endpoint] = skip.position
    return counts


def named_by(batch: Batch) -> list[str]:
    """Return the inboxes that a batch changes, in order."""
    owed = {each.endpoint for record in batch.records for each in record.owed}
    skipped = (skipped_in(record.facts) for record in batch.records)
    return sorted(owed | {each.endpoint for part in skipped for each in part})


def chased_rows(batch: Batch, first: int) -> list[tuple[str, int, int, int, int, int]]:
    """Return (endpoint, index, target, rank, taken in ms, until in s) of what is chased."""
    return sorted(
        (endpoint, index, each.chased.target, each.chased.rank, each.facts.taken_ms, until)
        for index, each in enumerate(batch.records, first)
        if each.chased is not None
        for until in (each.chased.until,)
        for endpoint in each.chased.endpoints
    )


def blobs_of(batch: Batch) -> list[tuple[str, bytes]]:
    """Return the blobs that a batch brings, by digest."""
    return [(each.blob[0].digest, each.blob[1]) for each in batch.records if each.blob]


def attached_by(batch: Batch) -> list[str]:
    """Return the attachments that a batch names, each as often as it does."""
    return [blob.digest for each in batch.records for blob in attached_in(each.facts)]


def urgent_rows(batch: Batch, first: int) -> list[tuple[str, int, int, int, int]]:
    """Return (endpoint, rank, index, taken in ms, until in s) of what presses in a batch."""
    return sorted(
        (endpoint, each.pressing.rank, index, each.facts.taken_ms, each.pressing.until)
        for index, each in enumerate(batch.records, first)
        if each.pressing is not None
        for endpoint in each.pressing.endpoints
    )
