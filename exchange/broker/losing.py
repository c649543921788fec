"""Lost entries: the stubs that stand for them, and the declaration that must stand behind them.

    what was kept | stubs: their hashes known | stubs: unknown | the arrangement that declares

Only what custodians of both nations declare in the arrangement is lost, and only where their
declaration stands right behind it: what a node withholds it cannot call lost. No index and no
place in an inbox is given a second time: each inbox goes on as many places further as there are
entries that may have been owed to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Refusal
from exchange.journal.tree import Frontier
from exchange.model import entry as entries
from exchange.model.codec import b64, unb64
from exchange.model.lost import MAX_LOST, losses_in, skipped_in
from exchange.model.trust import Arrangement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from exchange.model.entry import Owed
    from exchange.model.trust import Loss
    from exchange.model.view import Change, View

# Inboxes that one stub sets on: with names of the longest it still fits under a leaf's 64 KiB.
_SKIPPED = 256


class Run:
    """Stubs in a row, as far as they were taken in; nothing else may stand until declared."""

    def __init__(self, first: int, before: Frontier, positions: Mapping[str, int]) -> None:
        """Begin.

        Args:
            first: the index of the first.
            before: the tree's edge there.
            positions: how far each inbox was there.
        """
        self.first = self.end = first
        self._frontier = before
        self._positions = dict(positions)
        self._skipped: list[Owed] = []
        self._is_known = True

    def take(self, facts: entries.Lost) -> None:
        """Take in the next.

        Raises:
            Refusal: ``lost-undeclared``: a hash behind one that is not known, or so many.
        """
        if facts.leaf is msgspec.UNSET:
            self._is_known = False
        elif not self._is_known or facts.skipped is not msgspec.UNSET:
            raise Refusal(Code.LOST_UNDECLARED, "/leaf", found=self.end)
        else:
            self._frontier = self._frontier.extend([unb64(facts.leaf)])
        self._skipped += skipped_in(facts)
        self.end += 1
        if self.end - self.first > MAX_LOST:
            raise Refusal(Code.LOST_UNDECLARED, "", found=self.end, limit=MAX_LOST)

    def must_be(self, loss: Loss, view: View) -> None:
        """Return only if just these are declared lost.

        Args:
            loss: as declared.
            view: in force before it.

        Raises:
            Refusal: ``lost-undeclared``: it is another range, of other entries, or would lose
                a trust entry; or some inbox is not set on as far as it must be.
        """
        frontier = self._frontier
        found: tuple[tuple[str, object, object], ...] = (
            ("/first", loss.first, self.first),
            ("/size", loss.size, frontier.size),
            ("/end", loss.end, self.end),
            ("/root", loss.root, b64(frontier.root())),
            ("/trust", loss.trust, view.index),
        )
        for at, declared, here in found:
            if declared != here:
                raise Refusal(Code.LOST_UNDECLARED, at, found=self.first)
        if self._skipped != _skipped(view, self._positions, loss):
            raise Refusal(Code.LOST_UNDECLARED, "/skipped", found=self.first)


def stubs(
    loss: Loss,
    leaves: Sequence[bytes],
    view: View,
    positions: Mapping[str, int],
    common: Callable[[], dict[str, Any]],
) -> Iterator[entries.Lost]:
    """Yield the stubs of a loss, in order.

    Args:
        loss: as declared.
        leaves: the leaf hashes that are known, from ``loss.first`` to before ``loss.size``.
        view: in force before it.
        positions: how far each inbox is there.
        common: returns what the facts of every entry have, with a fresh salt each time.

    Raises:
        Refusal: ``lost-undeclared``: there is no room to set all inboxes on.
    """
    for leaf in leaves:
        yield entries.Lost(leaf=b64(leaf), **common())
    every = _skipped(view, positions, loss)
    for place in range(loss.end - loss.size):
        part = every[place * _SKIPPED : (place + 1) * _SKIPPED]
        yield entries.Lost(skipped=part or msgspec.UNSET, **common())
    if (loss.end - loss.size) * _SKIPPED < len(every):
        raise Refusal(Code.LOST_UNDECLARED, "/end", expected=least_end(loss.size, view))


def least_end(size: int, view: View) -> int:
    """Return where a loss ends at the earliest, of which the hashes are known to a size."""
    return size + 1 + len(view.endpoints) // _SKIPPED + 1


def _skipped(view: View, positions: Mapping[str, int], loss: Loss) -> list[Owed]:
    """Return each inbox that may have given places among the lost, and which one comes next."""
    # Trust is not among the lost; nobody was listed meanwhile.
    held = {name for name in positions if "/" in name and not name.startswith(_TRUST)}
    return [
        entries.Owed(name, positions.get(name, 0) + loss.end - loss.first)
        for name in sorted(held | set(view.endpoints))
    ]


_TRUST = f"{entries.TRUST_INBOX}/"


def declared(change: Change, view: View, node: str) -> list[Loss]:
    """Return what of a node's journal an arrangement declares lost that was not before."""
    before = len(losses_in(view, node))
    for document in change.documents:
        if isinstance(document, Arrangement):
            return document.losses_of(node)[before:]
    return []


def must_stand(  # noqa: PLR0913, PLR0917  (what a journal is, and what is known of others)
    change: Change,
    view: View,
    node: str,
    run: Run | None,
    index: int,
    elsewhere: Callable[[str], View],
) -> None:
    """Hold a trust document to the stubs before it: declared by it, or by none.

    What it declares lost of another's journal stands there first, where that journal is known
    here: no later arrangement may leave a loss out, and a loss that cannot be entered (what was
    lost is found, say) would leave the two nodes under arrangements that never meet again.

    Args:
        change: what it changes.
        view: in force before it.
        node: whose journal it is to stand in.
        run: the stubs right before it; None where there are none.
        index: where it is to stand.
        elsewhere: returns what is in force in another node's journal, as far as that is here.

    Raises:
        Refusal: ``lost-undeclared``: the stubs are not what it declares; or it declares lost
            what stands here, or never was. ``loss-not-entered``.
    """
    fresh = declared(change, view, node)
    if run is None and not fresh:
        _must_be_entered(change, view, elsewhere)
        return
    if run is None or len(fresh) != 1:
        raise Refusal(
            Code.LOST_UNDECLARED, "/losses", found=index if run is None else run.first
        )
    run.must_be(fresh[0], view)


def _must_be_entered(change: Change, view: View, elsewhere: Callable[[str], View]) -> None:
    for loss in _all_declared(change, view):
        there = elsewhere(loss.node)
        if there.index >= 0 and loss not in losses_in(there, loss.node):
            raise Refusal(Code.LOSS_NOT_ENTERED, "/losses", name=loss.node, found=loss.first)


def _all_declared(change: Change, view: View) -> list[Loss]:
    before = [] if view.arrangement is None else view.arrangement.losses
    documents = (each for each in change.documents if isinstance(each, Arrangement))
    return [loss for each in documents for loss in each.losses if loss not in before]
