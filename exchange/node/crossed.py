"""What is kept of our inboxes at another node: how much they hold, and what is not here.

It is for the endpoints: each holds the places that it has to what their node signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from exchange.broker import keys
from exchange.model import entry as entries
from exchange.model import wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.broker.records import Found
    from exchange.node.ports import Store


class HomeHead(msgspec.Struct, frozen=True):
    """The newest proved heads of our endpoints at another node, under a checkpoint of its own.

    ``kept_at`` is when they came, seconds UTC. ``trouble`` is the code by which the link was
    stopped since, or over them; empty: all that they cover was taken in.
    """

    note: str
    heads: wire.LinkHeads
    kept_at: int
    trouble: str = ""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A place in an endpoint's inbox at another node that did not come into its inbox here.

    ``index`` and ``leaf`` are of the entry there; ``order`` is that entry whole, where it is an
    order to purge. Why another one is not here, the journal says: see ``account``; while it
    waits, the notice about ``of``, the digest of its bulletin's header.
    """

    position: int
    index: int
    leaf: str
    order: str = ""
    of: str = ""


# It is in the inbox; and: it is not here yet.
HERE, WAITING = -1, -2


async def account(store: Store, endpoint: str, found: Found | None) -> int:
    """Return the entry here that says why one from another node is not in an inbox.

    Args:
        store: the journal's.
        endpoint: whose inbox.
        found: the entry here that it became.

    Returns:
        ``HERE`` where it is in the inbox; ``WAITING`` where nothing became of it yet.
    """
    if found is None:
        return WAITING
    if endpoint in {each.endpoint for each in entries.owed_in(found.entry)}:
        return HERE
    facts = entries.decode(found.entry).facts
    if not isinstance(facts, entries.Accepted):
        return found.index
    # Its header is not for who may not have it: our notice says why.
    once = keys.notice(facts.digest, "refused", endpoint)
    notice = (await store.find([once])).get(once)
    return notice.index if notice else WAITING


class HomeHeads(Protocol):
    """Where both are kept: what ``keep`` and ``add`` returned from is durable.

    Several processes may read while one writes. All raise ``Fault`` (``file``).
    """

    def newest(self, node: str) -> HomeHead | None:
        """Return what was kept last of a node; None before anything was."""

    def keep(self, node: str, head: HomeHead) -> None:
        """Keep it in place of the one before."""

    def places(self, node: str, endpoint: str) -> list[Place]:
        """Return what is not here of an endpoint's inbox there, in order; each place once."""

    def add(self, node: str, endpoint: str, places: Sequence[Place]) -> None:
        """Add such places; again is harmless."""
