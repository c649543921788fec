"""What may go ahead of its place: nothing whose outcome hangs on what is still to cross.

Over there an outcome is for good: a cancellation that came before the grant by which its reader
holds what it cancels would be refused, and its place found taken when it comes again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exchange.broker import citing, holding, keys
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model.identity import member_of
from exchange.seal import jws

if TYPE_CHECKING:
    from exchange.link.gathering import Offers
    from exchange.model.header import Header


# So many bulletins are remembered even where they no longer wait; what waits always is.
_MOST: Final = 4096
# It may go ahead before anything else; and: not before its place.
AT_ONCE, IN_PLACE = -1, None


class Hasting:
    """Remembers from where on what presses may go ahead: each page asks of all that waits.

    It never changes: what it hangs on is earlier in the journal, and stands.
    """

    def __init__(self, node: Offers) -> None:
        """Look in this journal; nothing was looked up yet."""
        self._node = node
        self._since: dict[int, int | None] = {}

    def passed(self, after: int) -> None:
        """Forget, where it is much, what no longer waits: the caller has all up to there.

        What does wait is kept, however much: what was forgotten would be looked up with each
        page anew, and what comes after it never.
        """
        if len(self._since) > _MOST:
            self._since = {at: since for at, since in self._since.items() if at > after}

    def is_known(self, index: int) -> bool:
        """Tell whether a bulletin was looked up, or put in its place, before."""
        return index in self._since

    async def look_up(self, index: int, entry: bytes) -> None:
        """Look a bulletin up, and remember it."""
        self._since[index] = await hastes_from(self._node, entry)

    def keep_in_place(self, index: int) -> None:
        """Remember that an entry never goes ahead."""
        self._since[index] = IN_PLACE

    def may(self, index: int, after: int) -> bool:
        """Tell whether one that is known may go ahead where all up to ``after`` is there."""
        since = self._since[index]
        return since is not IN_PLACE and since <= after


async def hastes_from(node: Offers, entry: bytes) -> int | None:
    """Return after which entry a bulletin of this journal is judged there as in its place.

    Its release comes with it, and trust before it. What else could let it in are grants, where
    it cancels for others than its target was sealed to, and consents, where it cites what is
    under another member's control: who controls what is cited needs nobody's consent. What
    bears on another bulletin waits for that one: it is owed to who holds it there, and may
    repeat what it cites.

    Returns:
        An entry after which it may go ahead; ``AT_ONCE``; or ``IN_PLACE``: not before its own.
    """
    header = _header(entries.decode(entry).object)
    found = await node.store.find(citing.lookups(header))
    relation, since = headers.RELATION_OF.get(header.verb), AT_ONCE
    if relation in headers.BEARING and (bears_on := header.reference(relation)):
        target_at = found.get(keys.by_digest(bears_on.header_digest))
        if target_at is None:
            return IN_PLACE
        since = target_at.index
    cited = [_header_of(each.entry) for each in found.values()]
    if header.verb == "cancel":
        return await _cancels_from(node, header, cited, since)
    members = {member_of(name) for name in header.to}
    is_free = all(
        each is not None
        and (
            each.origin == header.origin
            or not each.marking.is_controlled
            or members == {each.origin}
        )
        for _, each in cited
    )
    return since if is_free else IN_PLACE


async def _cancels_from(
    node: Offers, header: Header, cited: list[tuple[str, Header | None]], since: int
) -> int | None:
    """Return after which entry all whom a cancellation names hold what it cancels."""
    target = header.reference("cancels")
    if target is None:
        return since if not header.to else IN_PLACE
    had = {
        name
        for digest, each in cited
        if each and digest == target.header_digest
        for name in each.to
    }
    given = await node.store.find(holding.lookups(target.header_digest))
    granted: dict[str, int] = {}
    for name, index in holding.grants(target.header_digest, given.get):
        granted[name] = min(index, granted.get(name, index))
    without = [name for name in header.to if name not in had]
    if not granted.keys() >= set(without):
        return IN_PLACE
    return max([since, *(granted[name] for name in without)])


def _header_of(entry: bytes) -> tuple[str, Header | None]:
    """Return digest and header of a bulletin's entry; no header of any other's."""
    found = entries.decode(entry)
    if not isinstance(found.facts, entries.Accepted):
        return "", None
    return found.facts.digest, _header(found.object)


def _header(raw: bytes) -> Header:
    return headers.decode(jws.read(raw, headers.MAX_HEADER_BYTES).payload)
