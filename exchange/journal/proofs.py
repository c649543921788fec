"""Proofs that an entry is under a root, and that a journal only grew: made and checked.

Making one reads ranges of tiles (about three per bit of the size) and hashes at most 256 nodes
for each tile level; checking one needs the proof alone. Checks raise; they never return False.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.journal.tiles import TilesOnce
from exchange.journal.tree import (
    EMPTY_ROOT,
    MAX_SIZE,
    Frontier,
    fold,
    node_hash,
    refuse_misshapen,
    require_hashes,
    root_of,
    skip_levels_without_sibling,
    split,
    verify_path,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.journal.tiles import Hashes

verify_inclusion = verify_path


def _full(height: int, index: int, hashes: Hashes) -> bytes:
    """Return the root over the ``2**height`` leaves from ``index * 2**height`` on."""
    level, inside = divmod(height, 8)
    return root_of(split(hashes.read(level, index << inside, 1 << inside)))


def _subtrees(start: int, end: int, hashes: Hashes) -> list[bytes]:
    """Return the roots of the full subtrees that make up leaves ``start`` to ``end``."""
    subtrees = []
    while start < end:
        # The subtree begins at a multiple of its own width, so its largest full part does too.
        height = (end - start).bit_length() - 1
        subtrees.append(_full(height, start >> height, hashes))
        start += 1 << height
    return subtrees


def _root_between(start: int, end: int, hashes: Hashes) -> bytes:
    """Return the root over leaves ``start`` up to ``end``, a subtree of the recursion."""
    return fold(_subtrees(start, end, hashes))


def _left_width(width: int) -> int:
    """Return the largest power of two below ``width``, which is at least 2."""
    return 1 << (width - 1).bit_length() - 1


def frontier_at(size: int, hashes: Hashes) -> Frontier:
    """Return the right edge the journal had when it held ``size`` entries."""
    return Frontier(size, tuple(_subtrees(0, size, hashes)))


def root_at(size: int, hashes: Hashes) -> bytes:
    """Return the root the journal had when it held ``size`` entries.

    Raises:
        ValueError: ``size`` is negative.
    """
    if not 0 <= size <= MAX_SIZE:
        message = f"no journal has {size} entries"
        raise ValueError(message)
    return _root_between(0, size, hashes) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, hashes: Hashes) -> list[bytes]:
    """Return the hashes that prove one entry is under the root of a journal.

    Args:
        index: entry number from 0, less than ``size``.
        size: journal size the root commits to; ``hashes`` may hold more.
        hashes: the journal.

    Returns:
        At most 63 hashes of 32 bytes, lowest level first; empty when ``size`` is 1.

    Raises:
        ValueError: ``index`` is outside the journal (a mistake in the caller).

    Source: RFC 9162, section 2.1.3.1.
    """
    return _path(index, size, partial(_root_between, hashes=hashes))


def inclusion_proofs(indexes: Sequence[int], size: int, hashes: Hashes) -> list[list[bytes]]:
    """Return ``inclusion_proof`` of each: what several need is read and hashed once.

    Neighbours share all but the lowest of their nodes: 20 us each instead of some 40 reads.
    """
    root = cache(partial(_root_between, hashes=TilesOnce(hashes, size)))
    return [_path(index, size, root) for index in indexes]


def _path(index: int, size: int, root: Callable[[int, int], bytes]) -> list[bytes]:
    if not 0 <= index < size <= MAX_SIZE:
        message = f"index {index} is outside a journal of {size}"
        raise ValueError(message)
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _left_width(end - start)
        if index < middle:
            path.append(root(middle, end))
            end = middle
        else:
            path.append(root(start, middle))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, hashes: Hashes) -> list[bytes]:
    """Return the hashes that prove a journal of ``new`` entries only added to one of ``old``.

    Args:
        old: earlier size, at least 0.
        new: later size, at least ``old``; ``hashes`` may hold more.
        hashes: the journal.

    Returns:
        At most 64 hashes of 32 bytes; empty when ``old`` is 0 or equals ``new``.

    Raises:
        ValueError: the sizes are negative or in the wrong order.

    Source: RFC 9162, section 2.1.4.1; for ``old`` 0, C2SP tlog-witness.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        message = f"a journal cannot grow from {old} to {new}"
        raise ValueError(message)
    if old in {0, new}:
        return []
    start, end, path = 0, new, []
    while end != old:
        middle = start + _left_width(end - start)
        if old <= middle:
            path.append(_root_between(middle, end, hashes))
            end = middle
        else:
            path.append(_root_between(start, middle, hashes))
            start = middle
    if start:  # else the subtree left over is the whole old journal: its root is known
        path.append(_root_between(start, end, hashes))
    return path[::-1]


def verify_consistency(
    old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Return only if the journal under ``new_root`` only added to the one under ``old_root``.

    Args:
        old: size, from the same checkpoint as ``old_root``: a root alone does not fix it.
        new: size, from the same checkpoint as ``new_root``.
        path: claimed proof.
        old_root: 32 bytes, from a checkpoint verified before.
        new_root: 32 bytes, from the checkpoint in question.

    Raises:
        Refusal: ``bad-proof``; it shrank, was rewritten, or the proof is not one.
        ValueError: a root is not a hash (a mistake in the caller).

    Source: RFC 9162, section 2.1.4.2; for ``old`` 0 and equal sizes, C2SP tlog-witness.
    """
    require_hashes(old_root, new_root)
    refusal = Refusal(Code.BAD_PROOF, old=old, new=new)
    if not 0 <= old <= new <= MAX_SIZE:
        raise refusal
    refuse_misshapen(path)
    if old in {0, new}:
        known = EMPTY_ROOT if old == 0 else new_root
        if path or old_root != known or (new == 0 and new_root != EMPTY_ROOT):
            raise refusal
    elif not path or _replay(old, new, _whole(old, path, old_root)) != (old_root, new_root):
        raise refusal


def _whole(old: int, path: Sequence[bytes], old_root: bytes) -> list[bytes]:
    """Return a proof's path from its first node on."""
    # A power of two: the old root is itself a node of the new tree, and is not told.
    return [old_root, *path] if old & (old - 1) == 0 else list(path)


def prefix_of(old: int, new: int, path: Sequence[bytes], new_root: bytes) -> bytes | None:
    """Return the root over the first ``old`` entries of the journal under ``new_root``.

    There is only one that a path can lead to, so whoever signed another one for that size has
    told of two pasts.

    Args:
        old: size of the beginning, at least 1.
        new: size of the whole, greater.
        path: a consistency proof; where ``old`` is a power of two, with the root before it.
        new_root: 32 bytes.

    Returns:
        32 bytes; None when the path does not lead from anything there to ``new_root``.
    """
    if not 0 < old < new <= MAX_SIZE or not path:
        return None
    refuse_misshapen(path)
    found = _replay(old, new, path)
    return found[0] if found is not None and found[1] == new_root else None


def _replay(old: int, new: int, steps: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Return the old and the new root the path leads to; None when its length is wrong."""
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    then = now = steps[0]
    for step in steps[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            then, now = node_hash(step, then), node_hash(step, now)
            node, last = skip_levels_without_sibling(node, last)
        else:
            now = node_hash(now, step)
        node >>= 1
        last >>= 1
    return None if last else (then, now)
