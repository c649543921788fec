"""Inbox heads: one root that says how much is owed to whom, and exactly what.

For each inbox there is a count and a chain, folded over the index and leaf hash of each entry
owed, in order: to leave one out, to swap two or to put another in its place is to change it.
A Merkle tree has one leaf for each name in a list that every reader knows (the trust inbox and
the endpoints of the directory, sorted), so each has one place only and nobody can be shown two.

Leaves are salted, all of them anew for each root: who is given the hash of a neighbour's leaf
can neither guess what is in it nor see that it is the same as last time.
"""

from __future__ import annotations

from hashlib import sha256, shake_256
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from exchange.errors import Code, Refusal
from exchange.journal.tree import HASH_BYTES, Group, leaf_hash, verify_path

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

SALT_BYTES: Final = 16
# So that none of these hashes is that of an entry or of anything else that is hashed here.
_CHAIN: Final = b"xb1-inbox\0"
_LEAF: Final = b"xb1-inbox-head\0"
_SALTS: Final = b"xb1-inbox-salts\0"


class InboxHead(msgspec.Struct, frozen=True, gc=False):
    """How many entries an inbox holds, and the chain over them: 32 bytes, zeros for none."""

    count: int = 0
    chain: bytes = bytes(HASH_BYTES)

    def after(self, index: int, leaf: bytes) -> InboxHead:
        """Return the head once the entry at ``index`` with this leaf hash is owed as well."""
        chain = sha256(_CHAIN + self.chain + index.to_bytes(8) + leaf).digest()
        return InboxHead(self.count + 1, chain)

    def set_on(self, count: int) -> InboxHead:
        """Return the head at a later place: what took those between is declared lost."""
        return InboxHead(count, self.chain)


EMPTY: Final = InboxHead()


def names(trust: str, endpoints: Collection[str], nodes: Collection[str] = ()) -> list[str]:
    """Return whose heads a map has, in the order of its leaves.

    Args:
        trust: the inbox of trust documents.
        endpoints: all in the directory.
        nodes: all in the directory. Where there are several, the documents of each have an
            inbox of their own besides, in the order of its journal.
    """
    abroad = {f"{trust}/{node}" for node in nodes} if len(nodes) > 1 else ()
    return sorted({trust, *endpoints, *abroad})


class Place(NamedTuple):
    """What one needs to find one's head under a root: its leaf's salt, and the path from it."""

    salt: bytes
    path: list[bytes]


class HeadsMap:
    """The tree over all heads, whole: 1.5 ms for 1,000 inboxes, whatever the journal's length.

    Args:
        heads: name and head of each leaf, in the order of ``names``.
        seed: 16 bytes that no endpoint knows.
    """

    def __init__(self, heads: Sequence[tuple[str, InboxHead]], seed: bytes) -> None:
        self.heads = dict(heads)
        # One call for all: a hash for each salt would cost as much as the leaves.
        salts = shake_256(_SALTS + seed).digest(SALT_BYTES * len(heads))
        self._salts = {
            name: salts[at * SALT_BYTES : (at + 1) * SALT_BYTES]
            for at, (name, _) in enumerate(heads)
        }
        self._numbers = {name: at for at, (name, _) in enumerate(heads)}
        self._tree = Group([_leaf(name, head, self._salts[name]) for name, head in heads])

    @property
    def root(self) -> bytes:
        """The root, 32 bytes."""
        return self._tree.root

    def place(self, name: str) -> Place | None:
        """Return where one head stands; None for a name that is not in the map."""
        number = self._numbers.get(name)
        if number is None:
            return None
        return Place(self._salts[name], self._tree.path(number))


def _leaf(name: str, head: InboxHead, salt: bytes) -> bytes:
    # All but the name are of one length each, so no two leaves are spelled alike.
    return leaf_hash(_LEAF + salt + head.count.to_bytes(8) + head.chain + name.encode())


def verify(name: str, head: InboxHead, place: Place, known: Sequence[str], root: bytes) -> None:
    """Return only if this is the head of ``name`` under a root, in the one place it can have.

    Args:
        name: endpoint, or the trust inbox.
        head: as it was told.
        place: as it was told.
        known: what ``names`` gives of the directory in force where the map was made.
        root: 32 bytes, of an inbox-heads entry that is under a verified checkpoint.

    Raises:
        Refusal: ``bad-proof``.
    """
    if (
        name not in known
        # Else the same bytes could be cut into another count and chain.
        or len(place.salt) != SALT_BYTES
        or not 0 <= head.count < 2**63
    ):
        raise Refusal(Code.BAD_PROOF, "/heads", name=name)
    leaf = _leaf(name, head, place.salt)
    verify_path(leaf, known.index(name), len(known), place.path, root)


def _row(name: str, head: InboxHead) -> tuple[str, int, bytes]:
    return name, head.count, head.chain


class Snapshot(msgspec.Struct, frozen=True):
    """What a store keeps of the heads under its newest checkpoint: to serve, and to go on from.

    Args:
        at: index of the inbox-heads entry whose root is over ``mapped``.
        size: how many entries the heads cover, from the journal's first.
        mapped: name, count and chain of each leaf, in order.
        others: likewise, of inboxes whose endpoints are in the directory no more.
    """

    at: int
    size: int
    mapped: list[tuple[str, int, bytes]]
    others: list[tuple[str, int, bytes]]

    @classmethod
    def of(
        cls, at: int, size: int, inboxes: Mapping[str, InboxHead], known: Sequence[str]
    ) -> Snapshot:
        """Return the snapshot of these heads, where ``known`` are in the map."""
        others = sorted(inboxes.keys() - set(known))
        return cls(
            at,
            size,
            [_row(name, inboxes.get(name, EMPTY)) for name in known],
            [_row(name, inboxes[name]) for name in others],
        )

    def map(self, seed: bytes) -> HeadsMap:
        """Return the tree; whoever trusts it compares its root with the entry's."""
        heads = [(name, InboxHead(count, chain)) for name, count, chain in self.mapped]
        return HeadsMap(heads, seed)

    def inboxes(self) -> dict[str, InboxHead]:
        """Return the heads of all inboxes that hold anything."""
        every = [*self.mapped, *self.others]
        return {name: InboxHead(count, chain) for name, count, chain in every if count}

    def encode(self) -> bytes:
        """Return it as a store keeps it: 90 bytes or so for each inbox."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, stored: bytes) -> Snapshot:
        """Return the snapshot that ``encode`` wrote.

        Raises:
            ValueError: these are not such bytes.
        """
        try:
            return msgspec.json.decode(stored, type=cls)
        except msgspec.MsgspecError as error:
            message = "not a snapshot of inbox heads"
            raise ValueError(message) from error
