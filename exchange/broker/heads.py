"""What inbox-heads entries are made of: every inbox's head, folded from the entries in order.

The node folds what it reads back before it signs; the auditor folds what it has judged. Both do
it here, so that they cannot come to different roots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Refusal
from exchange.journal.heads import EMPTY, HeadsMap, InboxHead, Snapshot, names
from exchange.model import entry as entries
from exchange.model.codec import unb64
from exchange.model.lost import skipped_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.model.entry import Facts, Owed
    from exchange.model.view import View


class Step(NamedTuple):
    """What one entry does to the heads: its leaf hash, its places, and its salt if unshown.

    ``skipped`` are inboxes that it sets on: places of theirs are among what was lost.
    """

    leaf: bytes
    owed: Sequence[Owed]
    seed: str | None
    skipped: Sequence[Owed] = ()


def step(leaf: bytes, facts: Facts) -> Step:
    """Return what an entry does to the heads."""
    seed = facts.salt if isinstance(facts, entries.UNSHOWN) else None
    return Step(leaf, entries.owed_by(facts), seed, skipped_in(facts))


class Inboxes:
    """The heads of all inboxes after the first ``size`` entries.

    ``seed`` is the newest entry among these that no endpoint is shown, and its salt.
    """

    def __init__(self, size: int = 0, inboxes: Mapping[str, InboxHead] | None = None) -> None:
        """Begin before entry ``size``, with what the inboxes hold by then."""
        self.size = size
        self.inboxes = dict(inboxes or {})
        self.seed: tuple[int, bytes] | None = None

    def fold(self, entry: Step) -> None:
        """Take the next entry in.

        Raises:
            Refusal: ``bad-proof``: it says to have a place that is not the next one there.
        """
        for owed in entry.owed:
            head = self.inboxes.get(owed.endpoint, EMPTY)
            if owed.position != head.count:
                raise Refusal(Code.BAD_PROOF, "/owed", name=owed.endpoint, found=self.size)
            self.inboxes[owed.endpoint] = head.after(self.size, entry.leaf)
        for owed in entry.skipped:
            head = self.inboxes.get(owed.endpoint, EMPTY)
            if owed.position <= head.count:
                raise Refusal(Code.BAD_PROOF, "/skipped", name=owed.endpoint, found=self.size)
            self.inboxes[owed.endpoint] = head.set_on(owed.position)
        if entry.seed is not None:
            self.seed = (self.size, unb64(entry.seed))
        self.size += 1

    def map(self, view: View) -> tuple[int, HeadsMap] | None:
        """Return the tree over these heads, and the entry that seeds it, if there is one.

        Args:
            view: in force before entry ``size``.
        """
        if self.seed is None:
            return None
        index, seed = self.seed
        return index, HeadsMap(
            [(name, self.inboxes.get(name, EMPTY)) for name in _known(view)], seed
        )

    def snapshot(self, at: int, view: View) -> Snapshot:
        """Return what a store keeps, where the inbox-heads entry stands at index ``at``."""
        return Snapshot.of(at, self.size, self.inboxes, _known(view))


def _known(view: View) -> list[str]:
    return names(entries.TRUST_INBOX, view.endpoints, view.nodes)
