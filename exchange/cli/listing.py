"""Entries of a journal, of a file or of the node; and the one that is to be proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.cli.journal_file import opened
from exchange.errors import Code, Refusal
from exchange.model import wire

if TYPE_CHECKING:
    from pathlib import Path

    from exchange.client.agency import Agency

_PAGE = 256


def of_file(file: Path, first: int, limit: int) -> list[tuple[int, bytes]]:
    """Return at most ``limit`` entries from index ``first`` on, each with its index."""
    with opened(file) as source:
        found: list[tuple[int, bytes]] = []
        while len(found) < limit and (
            page := source.read(first + len(found), min(_PAGE, limit - len(found)))
        ):
            found += [(stored.index, stored.entry) for stored in page]
        return found


async def of_node(agency: Agency, first: int, limit: int) -> list[tuple[int, bytes]]:
    """Return the same of the node, which gives them to an auditor."""
    found: list[tuple[int, bytes]] = []
    while len(found) < limit:
        page = await agency.transport.get_as(
            wire.JournalPage,
            "/v1/journal",
            first=first + len(found),
            limit=min(wire.MAX_PAGE, limit - len(found)),
        )
        found += [(item.index, item.entry.encode()) for item in page.items]
        if not page.items:
            break
    return found


async def one(agency: Agency, index: int) -> bytes:
    """Return an entry: of what was posted from here, in the inbox, or as an auditor.

    Raises:
        Refusal: ``not-found``; or ``missing-role``: it is neither ours nor are we an auditor.
    """
    for box in (agency.world.outbox, agency.world.outbox.acks):
        for identity in box.sent():
            receipt, envelope = box.receipt(identity), box.envelope(identity)
            if receipt is not None and envelope is not None and receipt.index == index:
                return receipt.facts.encode() + b"\n" + envelope.header
    page = await agency.transport.get_as(wire.InboxPage, "/v1/inbox", after=index - 1, limit=1)
    if page.items and page.items[0].index == index:
        return page.items[0].entry.encode()
    found = await of_node(agency, index, 1)
    if not found:
        raise Refusal(Code.NOT_FOUND, "/index", found=index)
    return found[0][1]
