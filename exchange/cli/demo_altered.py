"""A node whose program was altered so that it keeps something back: for the demo and its tests.

    python -m exchange.cli.demo_altered third|frozen ENDPOINT FROM up --state ...

No verb and no setting of a node leads here: whoever runs such a node has changed its program,
as is done below. FROM is the place in that inbox from which on it is kept short.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from exchange.broker import heads
from exchange.cli import main
from exchange.node import spawning
from exchange.node.inboxes import Inboxes
from exchange.node.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exchange.node.ports import InboxRow

EVERY = 3


def _show(short: str, is_shown: Callable[[int], bool]) -> None:
    """Answer with those places of an inbox alone that are shown, as if no other were there."""
    honest = Inboxes.read

    async def read(  # noqa: PLR0913, PLR0917  (as it is)
        self: Inboxes,
        endpoint: str,
        after: int,
        limit: int,
        wait_s: float,
        must_stand: Callable[[], None] = lambda: None,
    ) -> list[InboxRow]:
        rows = await honest(self, endpoint, after, limit, wait_s, must_stand)
        return [row for row in rows if endpoint != short or is_shown(row.position)]

    Inboxes.read = read  # type: ignore[method-assign]


def third(endpoint: str, begin: int) -> None:
    """Withhold every third delivery to an endpoint, from a place of its inbox on."""
    _show(endpoint, lambda place: place < begin or (place - begin + 1) % EVERY != 0)


def frozen(short: str, begin: int) -> None:
    """Freeze an endpoint's inbox at so many items, and what is signed of it likewise."""
    _show(short, lambda place: place < begin)
    honest_total, honest_fold = Node.inbox_total, heads.Inboxes.fold

    def total(self: Node, endpoint: str) -> int:
        found = honest_total(self, endpoint)
        return min(found, begin) if endpoint == short else found

    def fold(self: heads.Inboxes, entry: heads.Step) -> None:
        kept = [each for each in entry.owed if each.endpoint != short or each.position < begin]
        honest_fold(self, entry._replace(owed=kept))

    Node.inbox_total = total  # type: ignore[method-assign]
    heads.Inboxes.fold = fold  # type: ignore[method-assign]


ALTERED: Mapping[str, Callable[[str, int], None]] = {"third": third, "frozen": frozen}

if __name__ == "__main__":
    _, named, kept_short, begin, *words = sys.argv
    ALTERED[named](kept_short, int(begin))
    # Its fronts would be processes of their own, and honest.
    spawning.MAX_FRONTS = 0
    sys.argv = [sys.argv[0], *words]
    main()
