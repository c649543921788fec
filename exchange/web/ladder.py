"""An inclusion proof as a ladder: from an entry's leaf, rung by rung, to the checkpoint's root.

Each rung is one hash of the proof, on its side, and what the two together hash to. The same
steps are told in words. Everything is computed here from the entry's bytes: a ladder that does
not end in the root that was signed says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from exchange.journal.tree import node_hash, skip_levels_without_sibling
from exchange.model.codec import b64

if TYPE_CHECKING:
    from collections.abc import Sequence

Side = Literal["left", "right"]

WIDTH: Final = 640
_ROW: Final = 56
_BOX: Final = 30


class Rung(NamedTuple):
    """One step up: the sibling's hash and side, what comes of it, and where it is drawn."""

    number: int
    side: Side
    sibling: str
    result: str
    y: int


class Ladder(NamedTuple):
    """A proof, drawn from the root at the top to the leaf at the bottom."""

    entry: int
    size: int
    leaf: str
    root: str
    holds: bool
    # In the order in which they are computed: from the leaf on.
    rungs: tuple[Rung, ...]
    height: int
    leaf_y: int
    width: int = WIDTH
    box: int = _BOX


def climb(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> Ladder:
    """Return the ladder of a proof.

    Args:
        index: of the entry, less than ``size``.
        size: that the checkpoint is of.
        leaf: hash of the entry's bytes, 32 bytes.
        path: the proof, lowest level first.
        root: that the checkpoint signs.

    Source: RFC 9162, section 2.1.3.2.
    """
    node, last, result = index, size - 1, leaf
    top = _ROW * len(path) + _BOX + 12
    rungs = []
    for place, sibling in enumerate(path):
        side: Side = "left" if node & 1 or node == last else "right"
        if side == "left":
            result = node_hash(sibling, result)
            node, last = skip_levels_without_sibling(node, last)
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
        rungs.append(Rung(place + 1, side, b64(sibling), b64(result), top - _ROW * (place + 1)))
    holds = result == root and last == 0
    height = top + _BOX + 8
    return Ladder(index, size, b64(leaf), b64(root), holds, tuple(rungs), height, top)
