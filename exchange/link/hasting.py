"""What may go ahead of its place: nothing whose outcome hangs on what is still to cross.

Over there an outcome is for good: a cancellation that came before the grant by which its reader
holds what it cancels would be refused, and its place found taken when it comes again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.broker import citing, holding, keys
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model.identity import member_of
from exchange.seal import jws

if TYPE_CHECKING:
    from exchange.link.gathering import Offers
    from exchange.model.header import Header


async def may_haste(node: Offers, entry: bytes, after: int = -1) -> bool:
    """Tell whether a bulletin of this journal is judged there as well before what precedes it.

    Its release comes with it, and trust before it. What else could let it in are grants, where
    it cancels for others than its target was sealed to, and consents, where it cites what is
    under another member's control. The grants up to ``after`` are there; and who controls what
    is cited needs nobody's consent. What bears on another bulletin waits for that one: it is
    owed to who holds it there, and may repeat what it cites.
    """
    header = _header(entries.decode(entry).object)
    found = await node.store.find(citing.lookups(header))
    relation = headers.RELATION_OF.get(header.verb)
    if relation in headers.BEARING and (bears_on := header.reference(relation)):
        target_at = found.get(keys.by_digest(bears_on.header_digest))
        if target_at is None or target_at.index > after:
            return False
    cited = [_header_of(each.entry) for each in found.values()]
    if header.verb == "cancel":
        target = header.reference("cancels")
        has = {
            name
            for digest, each in cited
            if each and target and digest == target.header_digest
            for name in each.to
        }
        if target is not None:
            given = await node.store.find(holding.lookups(target.header_digest))
            granted = holding.grants(target.header_digest, given.get)
            has |= {name for name, index in granted if index <= after}
        return has.issuperset(header.to)
    members = {member_of(name) for name in header.to}
    return all(
        each is not None
        and (
            each.origin == header.origin
            or not each.marking.is_controlled
            or members == {each.origin}
        )
        for _, each in cited
    )


def _header_of(entry: bytes) -> tuple[str, Header | None]:
    """Return digest and header of a bulletin's entry; no header of any other's."""
    found = entries.decode(entry)
    if not isinstance(found.facts, entries.Accepted):
        return "", None
    return found.facts.digest, _header(found.object)


def _header(raw: bytes) -> Header:
    return headers.decode(jws.read(raw, headers.MAX_HEADER_BYTES).payload)
