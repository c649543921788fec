"""Stubs: what stands in a journal where an entry's bytes survive nowhere.

Every store, frame and reader has something to carry, and it verifies for nobody as what it
replaces: the tree holds the hash of what was lost, to which nothing in the stub leads. So
whoever asks for the hash of an entry that it *stores* asks ``leaf_of``; whoever holds an entry
that it was *shown* to a proof asks ``journal.tree.leaf_hash``, and a stub fails there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.codec import unb64

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exchange.model.entry import Facts, Owed
    from exchange.model.trust import Loss
    from exchange.model.view import View

# Of one declaration: bounds what is held of it at once.
MAX_LOST: Final = 100_000
_BEGINS = b'{"kind":"lost",'


def skipped_in(facts: Facts) -> Sequence[Owed]:
    """Return the inboxes that an entry sets on, each with the place that it gives next."""
    if isinstance(facts, entries.Lost) and facts.skipped is not msgspec.UNSET:
        return facts.skipped
    return ()


def is_stub(entry: bytes) -> bool:
    """Tell whether an entry says that it is a stub; it may be malformed."""
    return entry.startswith(_BEGINS)


def leaf_in(entry: bytes) -> bytes | None:
    """Return the leaf hash that a stub gives, 32 bytes; None of every other entry.

    Raises:
        Refusal: it is a stub, and malformed.
    """
    if not is_stub(entry):
        return None
    facts = entries.decode(entry).facts
    if not isinstance(facts, entries.Lost) or facts.leaf is msgspec.UNSET:
        return None
    return unb64(facts.leaf)


def losses_in(view: View, node: str) -> list[Loss]:
    """Return what of a node's journal is declared lost under a view, in its order."""
    return [] if view.arrangement is None else view.arrangement.losses_of(node)


def must_not_be_lost(index: int, declared: Iterable[Loss]) -> None:
    """Hold an entry that is shown, or that a receipt is of, to what its journal declared lost.

    That stubs stand there only who replays the journal sees. Whoever is given an entry from
    among them knows that they do not: its bytes survive where they were said to be nowhere.

    Raises:
        Refusal: ``entry-untrue``.
    """
    if any(loss.first <= index < loss.end for loss in declared):
        raise Refusal(Code.ENTRY_UNTRUE, "/index", found=index)


def must_stand(before: View, after: View, node: str) -> None:
    """Hold what a trust entry newly declares lost to where the entry stands in that journal.

    Args:
        before: the trust documents before it.
        after: those after it.
        node: whose journal it stands in. What it declares of another's takes effect there.

    Raises:
        Refusal: ``lost-undeclared``: it is not right behind what it declares lost, or some
            trust entry stood among that.
    """
    fresh = losses_in(after, node)[len(losses_in(before, node)) :]
    if fresh and [(each.end, each.trust) for each in fresh] != [(after.index, before.index)]:
        raise Refusal(Code.LOST_UNDECLARED, "/losses", found=after.index)
