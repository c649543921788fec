"""Which of its keys a node signs with: those that the directory lists, now or at that size.

A node's keys are handed over by a trust document that lists the new ones. So the entry that
brings it divides the journal: a checkpoint of so many entries is signed by the keys listed
before the last of them, whenever it is signed or looked at. What was signed before stays good,
and nobody who has the old keys can sign what came after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.journal.logkeys import log_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.journal.checkpoint import Signer as LogSigner
    from exchange.model.view import View
    from exchange.seal.jws import Signer


class Rings(NamedTuple):
    """A node's keys: those it has, and those that it asked to have listed, if there are any."""

    node: str
    receipts: Sequence[Signer]
    log: Sequence[Sequence[LogSigner]]

    def signer(self, view: View) -> Signer:
        """Return who signs receipts and timestamps; the first where none is listed."""
        listed = view.nodes.get(self.node)
        fit = [
            each for each in self.receipts if listed and listed.receipts.keys == list(each.keys)
        ]
        return (*fit, *self.receipts)[0]

    def log_signers(self, view: View, size: int) -> Sequence[LogSigner]:
        """Return who signs a checkpoint of so many entries; the first where none is listed."""
        listed = view.node_before(self.node, size)
        keys = log_keys(listed) if listed else []
        fit = [each for each in self.log if [signer.key for signer in each] == keys]
        return (*fit, *self.log)[0]
