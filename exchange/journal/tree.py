"""The Merkle tree of RFC 6962 over SHA-256: hashes, a growing edge, paths in small trees."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

HASH_BYTES: Final = 32
MAX_SIZE: Final = 2**63 - 1  # C2SP tlog-cosignature: no number over the wire is larger
EMPTY_ROOT: Final = sha256(b"").digest()

# Two prefixes, so that no entry can be passed off as an inner node (RFC 6962, section 2.1).
_LEAF = b"\x00"
_NODE = b"\x01"


def leaf_hash(entry: bytes) -> bytes:
    """Return the 32-byte hash under which one entry stands in the tree.

    Source: RFC 6962, section 2.1.
    """
    return sha256(_LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of an inner node from the hashes of its two children."""
    return sha256(_NODE + left + right).digest()


def _parents(nodes: Sequence[bytes]) -> list[bytes]:
    """Hash an even number of neighbours in pairs."""
    pairs = iter(nodes)
    return [
        sha256(_NODE + left + right).digest() for left, right in zip(pairs, pairs, strict=True)
    ]


def fold(subtrees: Sequence[bytes]) -> bytes:
    """Return the root over full subtrees given from left (largest) to right (smallest).

    Raises:
        ValueError: there are none.
    """
    if not subtrees:
        message = "nothing to fold"
        raise ValueError(message)
    root = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        root = node_hash(left, root)
    return root


class Frontier(msgspec.Struct, frozen=True):
    """The right edge of a tree: all that is needed to append to it and to tell its root.

    Args:
        size: number of leaves.
        edge: hashes of the full subtrees that make up the tree, 32 bytes each, largest first:
            one per bit set in ``size``, so at most 63.

    Raises:
        ValueError: the number or length of the hashes does not fit ``size``.
    """

    size: int = 0
    edge: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an edge that no tree of this size has."""
        if not 0 <= self.size <= MAX_SIZE:
            message = f"size {self.size} is not that of a tree"
            raise ValueError(message)
        if len(self.edge) != self.size.bit_count() or any(
            len(node) != HASH_BYTES for node in self.edge
        ):
            message = f"{len(self.edge)} hashes do not make the edge of {self.size} leaves"
            raise ValueError(message)

    def extend(self, leaf_hashes: Sequence[bytes]) -> Frontier:
        """Return the frontier after these leaves (32 bytes each) were appended, in order.

        Costs one hash per leaf; 512 leaves take 0.2 ms (one shared core, Python 3.11).
        """
        edge = list(self.edge)
        remains: list[bytes] = []  # the new edge, smallest first
        nodes = list(leaf_hashes)
        height = 0
        while nodes:
            if self.size >> height & 1:
                nodes.insert(0, edge.pop())
            if len(nodes) & 1:
                remains.append(nodes.pop())
            nodes = _parents(nodes)
            height += 1
        # Whatever stands above the last pair made is untouched.
        return Frontier(self.size + len(leaf_hashes), (*edge, *reversed(remains)))

    def root(self) -> bytes:
        """Return the 32-byte root; ``EMPTY_ROOT`` for a tree without leaves."""
        return fold(self.edge) if self.edge else EMPTY_ROOT

    def encode(self) -> bytes:
        """Return the size (8 bytes, big-endian) and the hashes, for a store to keep."""
        return self.size.to_bytes(8) + b"".join(self.edge)

    @classmethod
    def decode(cls, stored: bytes) -> Frontier:
        """Return the frontier that ``encode`` wrote.

        Raises:
            ValueError: these are not such bytes; a store turns this into its own fault.
        """
        if len(stored) < 8:
            message = "a frontier begins with 8 bytes of size"
            raise ValueError(message)
        return cls(int.from_bytes(stored[:8]), tuple(split(stored[8:])))


def split(joined: bytes) -> list[bytes]:
    """Return the 32-byte hashes that stand one after another in ``joined``.

    Raises:
        ValueError: the length is not a multiple of 32.
    """
    if len(joined) % HASH_BYTES:
        message = f"{len(joined)} bytes are not a row of hashes"
        raise ValueError(message)
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over these leaf hashes; ``EMPTY_ROOT`` when there are none."""
    return Frontier().extend(leaf_hashes).root()


class Group:
    """A small whole tree kept in memory, such as one commit group: its root and every path.

    Args:
        leaf_hashes: 32 bytes each, in journal order.

    A path costs no hashing, so each of 512 receipts gets its own from one tree.
    """

    def __init__(self, leaf_hashes: Sequence[bytes]) -> None:
        self._rows: list[list[bytes]] = [list(leaf_hashes)]
        while len(row := self._rows[-1]) > 1:
            # A last node without a neighbour moves up as it is (RFC 6962, section 2.1).
            alone = [row[-1]] if len(row) & 1 else []
            self._rows.append(_parents(row[: len(row) & ~1]) + alone)

    def __len__(self) -> int:
        """Return the number of leaves."""
        return len(self._rows[0])

    @property
    def root(self) -> bytes:
        """The 32-byte root; ``EMPTY_ROOT`` for no leaves."""
        return self._rows[-1][0] if self._rows[0] else EMPTY_ROOT

    def path(self, index: int) -> list[bytes]:
        """Return the sibling hashes of one leaf, lowest level first; empty for a single leaf.

        Raises:
            ValueError: ``index`` is outside the group.
        """
        if not 0 <= index < len(self):
            message = f"index {index} is outside a group of {len(self)}"
            raise ValueError(message)
        siblings = []
        for row in self._rows[:-1]:
            if index ^ 1 < len(row):
                siblings.append(row[index ^ 1])
            index >>= 1
        return siblings


def path_in(index: int, leaf_hashes: Sequence[bytes]) -> list[bytes]:
    """Return the path of one leaf in a small tree; for many paths of one tree use ``Group``.

    Raises:
        ValueError: ``index`` is outside the tree.
    """
    return Group(leaf_hashes).path(index)


def verify_path(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Return only if this leaf is number ``index`` of the ``size`` leaves under ``root``.

    Args:
        leaf: leaf hash, 32 bytes, computed by the caller from the entry it holds.
        index: claimed number of the leaf, from 0.
        size: number of leaves, from the same source as ``root``: a root alone does not fix it.
        path: claimed sibling hashes, lowest level first.
        root: 32 bytes from a source the caller trusts.

    Raises:
        Refusal: ``bad-proof``; the claim does not follow.
        ValueError: ``leaf`` or ``root`` is not a hash (a mistake in the caller).

    Source: RFC 9162, section 2.1.3.2.
    """
    require_hashes(leaf, root)
    if not 0 <= index < size <= MAX_SIZE:
        raise Refusal(Code.BAD_PROOF, index=index, size=size)
    refuse_misshapen(path)
    node, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Refusal(Code.BAD_PROOF, index=index, size=size)
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            node, last = skip_levels_without_sibling(node, last)
        else:
            found = node_hash(found, sibling)
        node >>= 1
        last >>= 1
    if last or found != root:
        raise Refusal(Code.BAD_PROOF, index=index, size=size)


class Under:
    """Holds leaves to one root, as ``verify_path`` does: what paths share is hashed once.

    Neighbours share all but the lowest of their nodes.
    """

    def __init__(self, size: int, root: bytes) -> None:
        """Hold them to the root over ``size`` leaves, from a source that the caller trusts.

        Raises:
            ValueError: ``root`` is not a hash (a mistake in the caller).
        """
        require_hashes(root)
        self._size = size
        self._root = root
        # By level and number, nodes that a path led from to the root, and their neighbours.
        self._known: dict[tuple[int, int], bytes] = {}

    def verify(self, leaf: bytes, index: int, path: Sequence[bytes]) -> None:
        """Return only if this leaf is number ``index`` under the root.

        Raises:
            Refusal: ``bad-proof``; the claim does not follow.
            ValueError: ``leaf`` is not a hash (a mistake in the caller).
        """
        require_hashes(leaf)
        refusal = Refusal(Code.BAD_PROOF, index=index, size=self._size)
        if not 0 <= index < self._size <= MAX_SIZE:
            raise refusal
        refuse_misshapen(path)
        # Also of what is not looked at, since it is known: as long as it must be.
        if len(path) != _steps(index, self._size - 1):
            raise refusal
        on_way: dict[tuple[int, int], bytes] = {}
        level, node, last, found = 0, index, self._size - 1, leaf
        for sibling in path:
            if (known := self._known.get((level, node))) is not None:
                if known != found:
                    raise refusal
                break
            on_way[level, node] = found
            if node & 1 or node == last:
                while not node & 1:
                    # Without a neighbour it moves up as it is.
                    level, node, last = level + 1, node >> 1, last >> 1
                on_way[level, node - 1] = sibling
                found = node_hash(sibling, found)
            else:
                on_way[level, node + 1] = sibling
                found = node_hash(found, sibling)
            level, node, last = level + 1, node >> 1, last >> 1
        else:
            if found != self._root:
                raise refusal
        # All of it was hashed on the way to what is known.
        self._known |= on_way


def _steps(index: int, last: int) -> int:
    """Return how many hashes a leaf's path has: below where it leaves the last's, and above."""
    below = (index ^ last).bit_length()
    return below + (index >> below).bit_count()


def skip_levels_without_sibling(node: int, last: int) -> tuple[int, int]:
    """Climb past the levels where the last node has no neighbour (RFC 9162, 2.1.3.2)."""
    while node and not node & 1:
        node >>= 1
        last >>= 1
    return node, last


def require_hashes(*trusted: bytes) -> None:
    """Raise ValueError unless each is 32 bytes: these come from the caller, no proof."""
    if any(len(given) != HASH_BYTES for given in trusted):
        message = "a leaf hash or root is 32 bytes"
        raise ValueError(message)


def refuse_misshapen(claimed: Sequence[bytes]) -> None:
    """Refuse a proof whose parts are not hashes: a longer one could be read as two."""
    for given in claimed:
        if len(given) != HASH_BYTES:
            raise Refusal(Code.BAD_PROOF, hash_bytes=len(given))
