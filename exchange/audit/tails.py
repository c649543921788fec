"""A journal's lost end, looked for in the places that may have it, each entry held to its own.

    what is here > the groups of the second place, as they go on > up to the first that is wrong

With the leaf hashes that another node keeps, an entry is right or it is not. Without them the
root at the size of a checkpoint tells that all of it is right, or that some of it is not.
Nothing is written here: whoever takes it in judges each entry again (``audit.rebuild``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from exchange.errors import Fault
from exchange.journal.stored import leaf_of
from exchange.journal.tree import Frontier, leaf_hash
from exchange.model.lost import is_stub

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from exchange.node.ports import Shipped


class Leaves(Protocol):
    """Leaf hashes of the journal as somebody else keeps them."""

    @property
    def size(self) -> int:
        """Of how many entries."""

    def leaves(self, first: int, count: int) -> list[bytes]:
        """Return the hashes of so many entries from one on, or of those that there are."""


class Looked(NamedTuple):
    """What the places have between them.

    Args:
        size: entries, in order from the first, each its own as far as there are hashes.
        roots: at each of the sizes that were asked for and are reached.
        wrong: the first entry whose bytes are there and are not its own; None: there is none.
    """

    size: int
    roots: dict[int, bytes]
    wrong: int | None


class Tail:
    """Commit groups out of several places, one after another, as one journal.

    ``places`` each give their groups in order, whole groups from before an entry on; the first
    place that has the next one right gives it.
    """

    def __init__(
        self, places: Sequence[Callable[[int], Iterable[Shipped]]], leaves: Leaves | None
    ) -> None:
        """Look there; nothing is read yet."""
        self._places = places
        self._leaves = leaves
        self.wrong: int | None = None
        # How many entries each place gave.
        self.given = [0 for _ in places]

    def groups(self, limit: int | None = None) -> Iterator[Shipped]:
        """Yield the groups that are right, those that end by ``limit`` where there is one.

        A place that cannot be read any further has nothing more.
        """
        size, self.wrong = 0, None
        self.given = [0 for _ in self._places]
        for number, place in enumerate(self._places):
            for group in _readable(place(size)):
                if group.first < size:
                    continue
                end = group.first + len(group.entries)
                if group.first != size or (limit is not None and end > limit):
                    break
                if (wrong := first_wrong(group, self._leaves)) is not None:
                    self.wrong = wrong if self.wrong is None else self.wrong
                    break
                self.given[number] += len(group.entries)
                yield group
                size = end
        if self.wrong is not None and self.wrong < size:
            # Another place had it right.
            self.wrong = None

    def look(self, sizes: Collection[int], told: Callable[[int], None]) -> Looked:
        """Say how far they lead, and the roots at some sizes; nothing is judged.

        ``told`` hears how many entries were looked at.
        """
        frontier, roots = Frontier(), dict[int, bytes]()
        for group in self.groups():
            leaves = [leaf_of(each) for each in group.entries]
            for size in sizes:
                if frontier.size < size <= frontier.size + len(leaves):
                    roots[size] = frontier.extend(leaves[: size - frontier.size]).root()
            frontier = frontier.extend(leaves)
            told(frontier.size)
        return Looked(frontier.size, roots, self.wrong)


def first_wrong(group: Shipped, leaves: Leaves | None) -> int | None:
    """Return the first entry of a group that is not its own; None where none is known to be.

    A stub carries the hash of what it stands for: anybody can write one in the place of what
    survives elsewhere. It is its own only in the group of a declared loss.
    """
    stray = None if _is_loss(group.entries) else _first_stub(group.entries)
    if stray is not None:
        return group.first + stray
    known = [] if leaves is None else leaves.leaves(group.first, len(group.entries))
    for index, (raw, leaf) in enumerate(zip(group.entries, known, strict=False), group.first):
        if leaf_of(raw) != leaf:
            return index
    return None


def _first_stub(kept: Sequence[bytes]) -> int | None:
    return next((place for place, each in enumerate(kept) if is_stub(each)), None)


def _is_loss(kept: Sequence[bytes]) -> bool:
    """Tell whether a group is stubs and what declares them.

    The last of them is of an index that nobody held a hash of, so it stands in the tree under
    the hash of its own bytes: that one is not to be had by whoever rewrites a group.
    """
    *stubs, behind = kept or [b""]
    is_run = bool(stubs) and all(map(is_stub, stubs)) and not is_stub(behind)
    return is_run and leaf_of(stubs[-1]) == leaf_hash(stubs[-1])


def missing(
    first: int, end: int, groups: Iterable[Shipped], leaves: Leaves | None
) -> list[tuple[int, int]]:
    """Return which entries survive nowhere, as ranges: first and last of each.

    Args:
        first: the one to begin with.
        end: one more than the last.
        groups: whatever can be read in any place, in any order.
        leaves: those whose hashes are others do not count.
    """
    found: set[int] = set()
    for group in _readable(groups):
        if first_wrong(group, leaves) is None:
            found.update(range(group.first, group.first + len(group.entries)))
    ranges: list[tuple[int, int]] = []
    for index in range(first, end):
        if index in found:
            continue
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1] = ranges[-1][0], index
        else:
            ranges.append((index, index))
    return ranges


def _readable(groups: Iterable[Shipped]) -> Iterator[Shipped]:
    """Yield groups up to where they cannot be read."""
    try:
        yield from groups
    except Fault:
        return
