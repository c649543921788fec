"""Under what an entry is judged: what was in force when it was taken in, where that was.

What came from another nation's node was let in there: its signatures, keys and times are
judged under that journal's view, at its place and time there. Neither node chooses: which view
that was, the order of the trust documents says; and what our node says of it is held to the
facts of its entry there, which stand in ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.policy import rules

if TYPE_CHECKING:
    from collections.abc import Collection

    from exchange.client.reading import Delivered
    from exchange.client.trust import TrustLog
    from exchange.model.entry import Facts
    from exchange.model.header import Header
    from exchange.model.view import Standing, View

# What both journals say of one object, each of its own seeing; the rest is each one's own.
_ALIKE: Final[dict[type[Facts], tuple[str, ...]]] = {
    entries.Accepted: ("digest", "blobs", "wraps"),
    entries.Granted: ("digest", "wrap", "kid"),
}


class Came(msgspec.Struct, frozen=True):
    """Where an item was taken in first: the node, its entry there, and when (ms UTC)."""

    node: str
    index: int
    taken_ms: int


class Under(NamedTuple):
    """The view and the time (seconds UTC) that an object is judged by; and where that was.

    ``node`` is whose journal's they are; ``came`` is None where that is our own node's, and
    ``ours`` else the nations that ours serves: what theirs sign is posted here.
    """

    view: View
    now: int
    node: str
    came: Came | None = None
    ours: Collection[str] = ()

    def must_be_home(self, standing: Standing) -> None:
        """Hold who signed to being at home where it was taken in: nobody posts elsewhere.

        Raises:
            Refusal: ``not-home``.
        """
        nation, name = standing.member.nation, standing.endpoint.id
        rules.must_be_home(nation, _served(self.node, self.view), name, "/endpoint")
        if nation in self.ours:
            raise Refusal(Code.NOT_HOME, "/endpoint", name=name)

    def must_share_trust(self, header: Header) -> None:
        """Hold the sender's trust log to what we saw of it: a node shows all the same one.

        Raises:
            Refusal: ``trust-invalid``: the sender sealed under documents that we never saw.
        """
        place, heads = header.trust.position, self.view.heads
        # Position 0 would be of any history.
        if not 1 <= place <= self.view.position or heads[place] != header.trust.head:
            limit = self.view.position
            raise Refusal(Code.TRUST_INVALID, "/trust", found=place, limit=limit)


def under(entry: entries.Entry, index: int, trust: TrustLog, since_ms: int = 0) -> Under:
    """Return under what an entry of our node's journal is judged.

    Args:
        entry: as the node gave it.
        index: its own.
        trust: every view that there has been up to now, here and at other nodes.
        since_ms: when the item before it was taken in.

    Raises:
        Refusal: ``trust-invalid``: it says another view, or another time, than it can have
            had; or ``home-mismatch``.
    """
    facts, known = entry.facts, trust.before(index)
    if facts.view != known.view.index:
        raise Refusal(Code.TRUST_INVALID, "/view", expected=known.view.index, found=facts.view)
    if facts.taken_ms < max(known.taken_ms, since_ms):
        raise Refusal(Code.TRUST_INVALID, "/taken_ms", found=facts.taken_ms)
    home = entries.home_of(facts)
    if home is None:
        return Under(known.view, facts.taken_ms // 1000, trust.node)
    there = entries.decode(entry.at_home).facts
    view = _view_there(home, there, index, trust)
    _must_be_of_one(facts, there)
    came = Came(home.node, home.index, there.taken_ms)
    ours = _served(trust.node, known.view)
    return Under(view, there.taken_ms // 1000, home.node, came, ours)


def under_of(item: Delivered, trust: TrustLog) -> Under:
    """Return under what a bulletin was judged that verified."""
    if (came := item.taken_in) is None:
        view, now = trust.before(item.accepted).view, item.accepted_ms // 1000
        return Under(view, now, trust.node)
    known, _ = trust.home(came.node).around(came.index)
    return Under(known.view, came.taken_ms // 1000, came.node, came)


def _served(node: str, view: View) -> Collection[str]:
    """Return the nations that a node serves; none of one that is not listed."""
    found = view.nodes.get(node)
    return () if found is None else found.serves


def declined_in(facts: entries.Accepted) -> list[entries.Unowed]:
    """Return which recipients here our node does not owe a bulletin from another one to."""
    return facts.declined if isinstance(facts.declined, list) else []


def _view_there(home: entries.Home, there: Facts, index: int, trust: TrustLog) -> View:
    """Return what was in force in another journal at an entry of it.

    Raises:
        Refusal: ``trust-invalid``.
    """
    known, until_ms = trust.home(home.node).around(home.index)
    if there.view != known.view.index:
        expected = known.view.index
        raise Refusal(Code.TRUST_INVALID, "/there/view", expected=expected, found=there.view)
    if known.entry >= index:
        # Trust crosses first: else a node could tell afterwards what it had judged by.
        raise Refusal(Code.TRUST_INVALID, "/home", expected=known.entry, found=index)
    is_late = until_ms is not None and there.taken_ms > until_ms
    if there.taken_ms < known.taken_ms or is_late:
        raise Refusal(Code.TRUST_INVALID, "/there/taken_ms", found=there.taken_ms)
    return known.view


def _must_be_of_one(facts: Facts, there: Facts) -> None:
    """Hold what our node says of an object to what its home said of the same.

    That it came to its home from nowhere else needs no look: its entry there would have a line
    more, and that stands before no object.

    Raises:
        Refusal: ``home-mismatch``.
    """
    if type(there) is not type(facts):
        raise Refusal(Code.HOME_MISMATCH, "/kind", found=entries.kind_of(there))
    for name in _ALIKE.get(type(facts), ("digest",)):
        if getattr(facts, name) != getattr(there, name):
            raise Refusal(Code.HOME_MISMATCH, f"/{name}")
