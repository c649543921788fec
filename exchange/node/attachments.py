"""The writer's dealings with attachments: what is here, and what an entry is about to name.

Uploads end before their header comes. The writer asks which are here when it settles, keeps
them before it commits, and lets go of the uploads after: whoever dies in between loses nothing,
and may leave a kept file that no entry names.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import structlog

from exchange.broker import lookups, records, settle
from exchange.errors import Fault
from exchange.model import entry as entries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchange.broker.intake import Considered
    from exchange.model.header import Blob
    from exchange.node.ports import Blobs


class Naming(NamedTuple):
    """One poster's blobs that an entry names; and whether it needs its uploads no more."""

    caller: str
    blobs: list[Blob]
    is_last: bool


# Of all entries of a group.
Named = list[Naming]

_log = structlog.get_logger("exchange.node")


async def held(blobs: Blobs, caller: str, considered: Considered) -> frozenset[Blob]:
    """Return which attachments of a decision its caller has uploaded; asks nothing if none."""
    wanted = lookups.attachments(considered)
    return await blobs.held(caller, wanted) if wanted else frozenset()


def named(settled: Iterable[tuple[str, records.Settled]], ledger: settle.Ledger) -> Named:
    """Return the attachments that new entries of a group name, with who uploaded them."""
    found: Named = []
    for caller, result in settled:
        if isinstance(result, records.Recorded) and result.is_new:
            facts = ledger.records[result.index - ledger.first].facts
            if blobs := entries.attached_in(facts):
                # What a draft names, its bulletin is to find again.
                is_last = isinstance(facts, entries.Accepted)
                found.append(Naming(caller, blobs, is_last))
    return found


async def keep(blobs: Blobs, found: Named) -> tuple[set[str], Fault | None]:
    """Make them durable under their digests; to be done before the entries are.

    Returns:
        Whose could not be, and why: a poster may have given one up since it was looked for.
        Then the group may not be committed, and others are not to suffer for it.
    """
    failed: set[str] = set()
    why: Fault | None = None
    for caller, each, _ in found:
        try:
            await blobs.keep(caller, each)
        except Fault as fault:
            failed.add(caller)
            why = fault
    return failed, why


async def let_go(blobs: Blobs, found: Named) -> None:
    """Free their posters' room for other uploads; what fails here expires by itself."""
    for caller, each, is_last in found:
        for blob in each if is_last else ():
            with suppress(Fault):
                await blobs.discard(caller, blob)


async def sweep(blobs: Blobs) -> None:
    """Give up stale uploads; a disk that does not answer is asked again the next time."""
    try:
        await blobs.sweep()
    except Fault as fault:
        _log.error("sweep", code=fault.code.value)
