"""What is in force in other journals, at each of their trust entries that came here."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.model.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchange.model.entry import Home
    from exchange.model.view import Change


class Homes:
    """The views of each other node, by index in its journal.

    One nation's order is not the other's: a key that was good there then may be over here now.
    """

    def __init__(self, anchor: str) -> None:
        """Begin with none: the first root of every journal is the same anchor."""
        self._views: dict[str, list[View]] = {}
        self._none = [View(anchor=anchor)]

    def newest(self, node: str) -> View:
        """Return what is in force in a journal, as far as its trust entries came here."""
        return self._views.get(node, self._none)[-1]

    def at(self, node: str, index: int) -> View:
        """Return what was in force in a journal once its trust entry at ``index`` was.

        Raises:
            Refusal: ``bad-proof``: no such one came here, or not yet.
        """
        views = self._views.get(node, self._none)
        place = bisect_right(views, index, key=lambda view: view.index)
        if place == 0 or views[place - 1].index != index:
            raise Refusal(Code.BAD_PROOF, "/view", name=node, expected=index)
        return views[place - 1]

    def follow(self, received: Iterable[tuple[Home, Change]]) -> None:
        """Go on with what is in force after trust entries there, each judged under the last."""
        for home, change in received:
            views = self._views.setdefault(home.node, list(self._none))
            views.append(views[-1].after(change, home.index))
