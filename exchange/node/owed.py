"""What an endpoint may fetch by what is owed to it: an entry opens its own blobs, no others.

A grant opens its wrapped key and, to the one it is for, the bulletin that it grants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Fault
from exchange.model import entry as entries

if TYPE_CHECKING:
    from exchange.model.header import Blob
    from exchange.node.ports import Row, Store


class Named(NamedTuple):
    """What an entry names: digests of what lies in the journal's file, and attachments."""

    kept: frozenset[str] = frozenset()
    attached: frozenset[Blob] = frozenset()


async def blobs(store: Store, endpoint: str, index: int) -> Named:
    """Return what an entry owed to this endpoint names; nothing if it is not owed.

    Sealed to others, a bulletin whose correction one holds is still not one's own.
    """
    facts = await _owed(store, endpoint, index)
    if isinstance(facts, entries.Accepted):
        return _named(facts)
    row = await granted(store, endpoint, index)
    if not isinstance(facts, entries.Granted) or row is None:
        return Named()
    given = entries.decode(row.entry).facts
    named = _named(given) if isinstance(given, entries.Accepted) else Named()
    return Named(named.kept | {facts.wrap.digest}, named.attached)


async def granted(store: Store, endpoint: str, index: int) -> Row | None:
    """Return the bulletin's entry that a grant at ``index`` gives to this endpoint, if any.

    Raises:
        Fault: the store does not answer, or holds a grant of nothing.
    """
    facts = await _owed(store, endpoint, index)
    # The posting endpoint is owed a colleague's grant as news; it opens nothing.
    if not isinstance(facts, entries.Granted) or facts.owed[0].endpoint != endpoint:
        return None
    found = await store.read(facts.of, 1)
    if not found:
        raise Fault(Code.STORE_FAILED, found=facts.of)
    return found[0]


def _named(facts: entries.Accepted) -> Named:
    # The first is the body; attachments follow.
    body, *attached = facts.blobs
    return Named(frozenset({body.digest}), frozenset(attached))


async def _owed(store: Store, endpoint: str, index: int) -> entries.Facts | None:
    rows = await store.inbox(endpoint, index - 1, 1)
    return entries.decode(rows[0].entry).facts if rows and rows[0].index == index else None
