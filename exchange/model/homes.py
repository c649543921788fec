"""What is in force in other journals, at each of their trust entries that came here."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Refusal
from exchange.model.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchange.model.entry import Facts, Home, Trust
    from exchange.model.view import Change


class Received(NamedTuple):
    """A trust document of another journal: its entry there, what it changes, and when (ms)."""

    home: Home
    change: Change
    taken_ms: int


class _Known(NamedTuple):
    view: View
    taken_ms: int


class Homes:
    """The views of each other node, by index in its journal.

    One nation's order is not the other's: a key that was good there then may be over here now.
    What a node's entries say of its order is not believed: the order of its trust entries is
    as they came, and each other entry stands between two of them.
    """

    def __init__(self, anchor: str) -> None:
        """Begin with none: the first root of every journal is the same anchor."""
        self._known: dict[str, list[_Known]] = {}
        self._none = [_Known(View(anchor=anchor), 0)]

    def newest(self, node: str) -> View:
        """Return what is in force in a journal, as far as its trust entries came here."""
        return self._known.get(node, self._none)[-1].view

    def after(self, home: Home, facts: Trust) -> View:
        """Return what a trust entry of another journal is judged under: it is the next one.

        Raises:
            Refusal: ``bad-proof``: it says that it goes on from another one.
        """
        view, taken_ms = self._known.get(home.node, self._none)[-1]
        if facts.view != view.index or home.index <= view.index:
            raise Refusal(Code.BAD_PROOF, "/view", name=home.node, expected=view.index)
        if facts.position != view.position:
            raise Refusal(Code.BAD_PROOF, "/position", name=home.node, expected=view.position)
        if facts.taken_ms < taken_ms:
            raise Refusal(Code.BAD_PROOF, "/taken_ms", name=home.node, found=home.index)
        return view

    def at(self, home: Home, facts: Facts) -> View:
        """Return what was in force where another journal has an entry that is no trust entry.

        Raises:
            Refusal: ``bad-proof``: it says another view, or a time when that was not in force.
        """
        known = self._known.get(home.node, self._none)
        place = bisect_left(known, home.index, key=lambda each: each.view.index)
        view, since_ms = known[place - 1]
        if facts.view != view.index:
            raise Refusal(Code.BAD_PROOF, "/view", name=home.node, expected=view.index)
        is_over = place < len(known) and facts.taken_ms > known[place].taken_ms
        if facts.taken_ms < since_ms or is_over:
            raise Refusal(Code.BAD_PROOF, "/taken_ms", name=home.node, found=home.index)
        return view

    def before(self, node: str, index: int) -> View:
        """Return what was in force in a journal before an index of it."""
        known = self._known.get(node, self._none)
        return known[bisect_left(known, index, key=lambda each: each.view.index) - 1].view

    def follow(self, received: Iterable[Received]) -> None:
        """Go on with what is in force after trust entries there, each judged under the last."""
        for home, change, taken_ms in received:
            known = self._known.setdefault(home.node, list(self._none))
            known.append(_Known(known[-1].view.after(change, home.index), taken_ms))
