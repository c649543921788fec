"""A bulletin's time line: what is known of it, when, and by which entry of the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client.reading import (
    Acked,
    Confirmed,
    Consented,
    Delivered,
    Granted,
    Locked,
    Noticed,
    PurgeOrdered,
    Released,
    Requested,
)
from exchange.model.objects import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.client.reading import Item
    from exchange.desk.station import Station


class Fact(msgspec.Struct, frozen=True):
    """One fact: a key of the catalogue, when (ms UTC), where it stands, and who is in it.

    Attributes:
        key: ``fact.KEY`` says it in words.
        at_ms: when; None where nobody here can know.
        index: its entry; of a node other than ours where ``node`` is not empty.
        node: whose journal.
        who: whom it is of; an endpoint, an officer.
        outcome: of an acknowledgement: its code.
        is_row: it has a row of its own in the inbox, and so a page.
    """

    key: str
    at_ms: int | None
    index: int | None = None
    node: str = ""
    who: str = ""
    outcome: str = ""
    is_row: bool = False


def of(station: Station, item: Delivered, items: Sequence[Item]) -> list[Fact]:
    """Return the facts of one bulletin, in the order of their time."""
    found = [*_made(item), *_taken(item), *_ours(station, item)]
    found += _told(item, items)
    marks = station.shelf.marks(item.index)
    for mark in marks:
        row = station.shelf.row(mark.index)
        at_ms = row.taken_ms if row else None
        found.append(Fact(mark.relation, at_ms, mark.index, is_row=row is not None))
    return sorted(found, key=lambda each: (each.at_ms is None, each.at_ms or 0))


def _made(item: Delivered) -> Iterator[Fact]:
    header = item.header
    if header.observed is not None:
        yield Fact("observed", header.observed * 1000)
    yield Fact("issued", header.issued * 1000, who=header.endpoint)


def _taken(item: Delivered) -> Iterator[Fact]:
    if (came := item.taken_in) is not None:
        yield Fact("taken-abroad", came.taken_ms, came.index, came.node)
    if item.grant is None:
        yield Fact("late" if item.late else "taken", item.taken_ms, item.index, is_row=True)
        return
    yield Fact("taken", item.accepted_ms, item.accepted)
    yield Fact("granted", item.taken_ms, item.index, who=item.grant.endpoint, is_row=True)


def _ours(station: Station, item: Delivered) -> Iterator[Fact]:
    """Yield what was said of it from here; without an entry it waits for the node."""
    acks = station.agency.world.outbox.acks
    for identity, ack in station.seen.of(item.digest):
        receipt = acks.receipt(identity)
        yield Fact(
            "acknowledged" if receipt else "acknowledged-waits",
            ack.at * 1000,
            receipt.index if receipt else None,
            who=ack.officer or ack.endpoint,
            outcome=ack.outcome,
        )


def _told(item: Delivered, items: Sequence[Item]) -> Iterator[Fact]:
    """Yield what the inbox tells of it: grants, confirmations, notices, orders to purge."""
    subject = Subject(item.header.endpoint, item.header.id, item.digest)
    for each in items:
        said = _said(each, subject, item.accepted)
        if said is not None and not isinstance(each, Locked):
            key, who, outcome = said
            made = Fact(key, each.taken_ms, each.index, who=who, outcome=outcome, is_row=True)
            yield made


def _said(  # noqa: PLR0911  (one for each kind)
    each: Item, subject: Subject, accepted: int
) -> tuple[str, str, str] | None:
    """Return what one item says of a bulletin: a key, who, and an outcome; None of another."""
    match each:
        case PurgeOrdered(of=of) if of == accepted:
            return "purge", "", ""
        case Confirmed(confirmation=made) if made.of == subject:
            return "confirmed", made.endpoint, ""
        case Granted(grant=grant) if grant.of == subject:
            return "granted-to", grant.to, ""
        case Released(release=release) if release.of == subject:
            return "released", release.officer or release.endpoint, ""
        case Consented(consent=consent) if consent.of == subject:
            return "consented", consent.to, ""
        case Requested(request=request) if request.of == subject:
            return "requested", request.endpoint, ""
        case Noticed(notice=notice) if notice.of == subject:
            return "noticed", notice.node, ""
        case Acked(ack=ack) if ack.of == subject:
            return "acked-by", ack.endpoint, ack.outcome
        case _:
            return None
