"""Which bulletins of an inbox are sealed to which of our keys: asked before a key goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects, wire
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exchange.client.agency import Agency


class Sealed(msgspec.Struct, frozen=True):
    """A bulletin of the inbox or a grant of one, and the keys it is sealed to, also others'.

    What is granted is retained as long as its bulletin, whose time a grant does not tell: None.
    """

    id: str
    index: int
    retain_until: int | None
    kids: frozenset[str]

    def is_retained(self, now: int) -> bool:
        """Tell whether it must still be possible to open it."""
        return self.retain_until is None or self.retain_until > now


async def sealed(agency: Agency) -> AsyncIterator[Sealed]:
    """Yield every bulletin of the inbox, oldest first, without opening any.

    What it is sealed to is the node's word, as it recorded it.

    Raises:
        Refusal: ``bad-proof``: something owed was left out, so nothing is known for certain.
    """
    after, expected = -1, 0
    while True:
        page = await agency.transport.get_as(
            wire.InboxPage, "/v1/inbox", after=after, limit=wire.MAX_PAGE
        )
        for item in page.items:
            if item.position != expected:
                raise Refusal(Code.BAD_PROOF, "/position", expected=expected)
            after, expected = item.index, expected + 1
            found = _sealed(item)
            if found is not None:
                yield found
        if not page.items:
            break
    if page.total > expected:
        raise Refusal(Code.BAD_PROOF, "/total", expected=expected, found=page.total)


def _sealed(item: wire.InboxItem) -> Sealed | None:
    entry = entries.decode(item.entry.encode())
    if isinstance(entry.facts, entries.Granted):
        grant = objects.decode_grant(jws.read(entry.object, objects.MAX_OBJECT_BYTES).payload)
        return Sealed(grant.of.id, item.index, None, frozenset([entry.facts.kid]))
    if not isinstance(entry.facts, entries.Accepted):
        return None
    header = headers.decode(jws.read(entry.object, headers.MAX_HEADER_BYTES).payload)
    return Sealed(header.id, item.index, header.retain_until, frozenset(entry.facts.wraps))
