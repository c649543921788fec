"""Packages that somebody changed, and packages of journals that somebody made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from exchange.evidence import archive, parts
from exchange.evidence.parts import Proved
from exchange.journal import checkpoint as cp
from exchange.journal.tree import Group, leaf_hash
from exchange.model.identity import digest
from tests.builders import NOW
from tests.node.vouching import LOG, ORIGIN, SIGNERS

JOURNAL = "pa"


def listed_anew(found: Mapping[str, bytes], **changes: Any) -> bytes:
    """A package of these parts whose manifest says so: what anybody can make."""
    manifest = msgspec.json.decode(found[parts.MANIFEST], type=parts.Manifest)
    rest = {name: data for name, data in found.items() if name != parts.MANIFEST}
    told = msgspec.structs.replace(manifest, parts=parts.listed(rest), **changes)
    return archive.pack({parts.MANIFEST: msgspec.json.encode(told), **rest})


def replaced(raw: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """The package with one part changed, and listed so."""
    found = archive.unpack(raw)
    return listed_anew({**found, name: change(found[name])})


class Forger:
    """Makes up a journal around what a package shows, signed by whoever is told to sign.

    By default by the node's own keys and the witnesses': they are in it together.
    """

    def __init__(self, raw: bytes) -> None:
        self.parts = archive.unpack(raw)
        self.shown = parts.shown(JOURNAL, self.parts)
        self.signers: list[cp.Signer] = [*LOG, *SIGNERS.values()]
        self.origin = ORIGIN
        self.entry = self.shown.entry
        self.trust = list(self.shown.trust)
        self.acks = list(self.shown.acknowledgements)
        self.documents = list(self.shown.documents)
        self.receipt = self.shown.receipt

    def made(self, **changes: Any) -> bytes:
        """The package, all of it under a new root."""
        told = [self.entry, *self.trust, *self.acks]
        size = max(each.index for each in told) + 2
        leaves = [bytes(32)] * size
        for each in told:
            leaves[each.index] = leaf_hash(each.entry.encode())
        tree = Group(leaves)

        def proved(each: Proved) -> Proved:
            path = b"".join(tree.path(each.index)).hex()
            return msgspec.structs.replace(each, path=path)

        head = cp.Checkpoint(self.origin, size, tree.root)
        shown = self.shown._replace(
            checkpoint=cp.sign(head, self.signers, NOW),
            entry=proved(self.entry),
            trust=[proved(each) for each in self.trust],
            acknowledgements=[proved(each) for each in self.acks],
            documents=self.documents,
            receipt=self.receipt,
        )
        found = {**self.parts, **shown.encode()}
        if self.receipt is None:
            found.pop(f"{JOURNAL}/{parts.RECEIPT}", None)
        return listed_anew(found, **changes)


def facts(each: Proved, **changes: Any) -> Proved:
    """An entry with other facts."""
    line, _, rest = each.entry.partition("\n")
    told = {**msgspec.json.decode(line), **changes}
    return msgspec.structs.replace(each, entry=f"{msgspec.json.encode(told).decode()}\n{rest}")


def holding(each: Proved, signed: bytes, **changes: Any) -> Proved:
    """An entry that holds another object, with its digest."""
    line = each.entry.partition("\n")[0]
    entry = msgspec.structs.replace(each, entry=f"{line}\n{signed.decode()}")
    return facts(entry, digest=digest(signed), **changes)
