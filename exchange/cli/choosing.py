"""Which bulletin an id or an entry number means. Under one id there may be two: never choose.

Whoever received a bulletin has seen its id, and may post another under the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.cli import naming
from exchange.client.reading import Delivered, Locked
from exchange.errors import Code, Refusal
from exchange.model import header as headers
from exchange.model.bulletin.blocks import Target
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from exchange.client.agency import Agency
    from exchange.client.outbox import Outbox
    from exchange.client.reading import Item


def in_inbox(items: Sequence[Item], identity: str) -> Delivered:
    """Return the bulletin of an inbox that is meant.

    Raises:
        Refusal: ``not-found``; ``id-unclear``, with the entry numbers; or what locks it.
    """
    found = _named(items, identity)
    _must_be_one(identity, {(each.header.endpoint, each.digest): each.index for each in found})
    for item in items:
        if isinstance(item, Locked) and identity == str(item.index):
            raise item.locked
    if not found:
        raise Refusal(Code.NOT_FOUND, "", id=identity)
    # What came locked, sealed to others, may have been granted since.
    return next((item for item in found if item.bulletin), found[0])


def _named(items: Iterable[Item], identity: str) -> list[Delivered]:
    return [
        item
        for item in items
        if isinstance(item, Delivered) and identity in (item.header.id, str(item.index))
    ]


async def target(agency: Agency, identity: str) -> Target:
    """Return the bulletin that is meant: posted from here, or in the inbox.

    Raises:
        Refusal: as ``in_inbox``.
    """
    found = {
        (header.endpoint, header_digest): (index, header)
        for header, header_digest, index in _posted(agency.world.outbox, identity)
    }
    for item in _named((await agency.known()).items, identity):
        found[item.header.endpoint, item.digest] = (item.index, item.header)
    _must_be_one(identity, {which: index for which, (index, _) in found.items()})
    for (_, header_digest), (_, header) in found.items():
        return Target(
            id=header.id, origin=header.origin, type=header.type, header_digest=header_digest
        )
    raise Refusal(Code.NOT_FOUND, "/target", id=identity)


def _posted(box: Outbox, said: str) -> Iterator[tuple[headers.Header, str, int | None]]:
    """Yield what was posted from here and is called so, with its entry number."""
    identity = naming.posted(box, said)
    envelope = box.envelope(identity)
    if envelope is None:
        return
    signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES)
    if signed.typ == headers.TYP:
        receipt = box.receipt(identity)
        yield headers.decode(signed.payload), signed.digest, receipt.index if receipt else None


def _must_be_one(identity: str, found: dict[tuple[str, str], int | None]) -> None:
    if len(found) > 1:
        entries = ", ".join(str(index) for index in found.values() if index is not None)
        raise Refusal(Code.ID_UNCLEAR, "", id=identity, found=entries)
