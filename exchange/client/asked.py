"""What a draft in the release queue is about: of ours, or of who asks us to release it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.client.reading import Drafted
from exchange.errors import Code, Refusal
from exchange.model import bulletin as bulletins
from exchange.model import header as headers
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.agency import Agency
    from exchange.client.reading import Item
    from exchange.client.releasing import Queued
    from exchange.model.bulletin import AnyBulletin
    from exchange.model.header import Header


async def content(
    agency: Agency, each: Queued, items: Sequence[Item]
) -> tuple[Header, AnyBulletin, str | None]:
    """Return header and text of what is to be released; and of a grant, to whom it gives.

    Args:
        agency: the endpoint's.
        each: how it stands.
        items: the whole inbox, verified.

    Raises:
        Refusal: it is not here any more; or as ``Releasing.opened``.
        Fault: as there.
    """
    if not each.is_ours:
        found = await agency.releasing.opened(item_of(each, items))
        if found.bulletin is None:
            raise Refusal(Code.CANNOT_DECRYPT, id=each.id)
        return found.header, found.bulletin, found.grant.to if found.grant else None
    box = agency.world.outbox if each.gives else agency.world.held
    envelope = box.envelope(each.bulletin or "")
    if envelope is None:
        raise Refusal(Code.NOT_FOUND, "/outbox", id=each.id)
    header = headers.decode(jws.read(envelope.header, headers.MAX_HEADER_BYTES).payload)
    world, openers = agency.world, [*agency.keys.openers, *agency.keys.destroyed]
    text = world.kept.text(envelope, header, openers, world.now())
    return header, bulletins.decode(text, world.codes), each.gives


def item_of(each: Queued, items: Sequence[Item]) -> Drafted:
    """Return the item of an inbox in which we are asked for a release.

    Raises:
        Refusal: ``not-found``.
    """
    for item in items:
        if isinstance(item, Drafted) and item.index == each.index:
            return item
    raise Refusal(Code.NOT_FOUND, "", id=each.id)
