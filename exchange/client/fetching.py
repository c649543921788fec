"""Take back what this same endpoint posted from another machine: its header and its receipt.

What waits here under the same id, sealed otherwise, gives way: a copy of this mail posted its
own, so that no receipt will ever come of these bytes. In the very same bytes it is settled.

Then it is cancelled, corrected, confirmed and traced from here as well. Nothing is believed of
the node that gives it: the header is held to its id, to this endpoint and to its signature, as
those who received it hold it, and its receipt as when it was posted. Its text was sealed to
others, and does not come back; nor does its content key, so nobody is granted it from here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from exchange.client import reading, recorded
from exchange.client.alone import alone
from exchange.client.judging import under
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.identity import Uuid7
from exchange.seal import jws
from exchange.seal.close import Envelope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.client.agency import Agency
    from exchange.client.trust import TrustLog
    from exchange.model.objects import Receipt


class Fetched(msgspec.Struct, frozen=True):
    """A bulletin that is in the outbox now as sent; not new: it was there, and its bytes stay.

    ``receipt`` is None where it has none here: it waits.
    """

    id: str
    receipt: Receipt | None
    is_new: bool


async def fetch(agency: Agency, identity: str) -> Fetched:
    """Ask our node for a bulletin that this endpoint posted, and keep it as sent.

    Args:
        agency: open, with the endpoint's keys.
        identity: the bulletin's id.

    Raises:
        Refusal: ``not-found``: this endpoint has posted no bulletin under that id.
        Fault: what the node gives does not hold, and nothing of it is kept; or as ``receipt``.
    """
    _must_be_id(identity)
    world = agency.world
    async with alone(world.cabinet, identity, world.pause):
        box, waits = world.outbox, world.outbox.waits(identity)
        if box.is_here(identity) and waits is None:
            return Fetched(identity, box.receipt(identity), is_new=False)
        kept = None if waits is None else box.envelope(identity)
        signed = await _given(agency, identity, waits=waits is not None)
        if signed is None:
            return Fetched(identity, None, is_new=False)
        if kept is not None and kept.header == signed:
            return await _settled(agency, identity, kept)
        with _faults():
            typ = _ours(signed, identity, agency.profile.endpoint)
        if typ == objects.ACK_TYP:
            # It has an id too; nobody cancels or traces it.
            raise Refusal(Code.NOT_FOUND, "/id", id=identity)
        receipt, _ = await agency.receipt(identity, Envelope(signed, b""))
        with _faults():
            _must_be_signed(signed, receipt, agency.trust)
        # Everything holds: from here on, as with what is posted from here.
        world.kept.destroy_cancelled(signed, box)
        # At once: else the id could lead nowhere, and what waited under it go a second time.
        with world.cabinet.change():
            if waits is not None:
                # The key of what waited opens nothing that anybody has.
                world.kept.drop(identity)
                box.discard(identity)
            box.take_back(identity, Envelope(signed, b""), receipt)
        if waits is not None:
            world.cabinet.sweep()
    return Fetched(identity, receipt, is_new=True)


async def _given(agency: Agency, identity: str, *, waits: bool) -> bytes | None:
    """Return what our node has of ours under an id; None where it has not what waits here."""
    try:
        return await agency.transport.get(f"/v1/posted/{identity}")
    except Refusal as refusal:
        if waits and refusal.code is Code.NOT_FOUND:
            return None
        raise


async def _settled(agency: Agency, identity: str, kept: Envelope) -> Fetched:
    """Settle what waits here in the very bytes that our node has: the answer to them was lost.

    What it cancels must not be handed out until somebody resumes.
    """
    receipt, _ = await agency.receipt(identity, kept)
    agency.world.kept.destroy_cancelled(kept.header, agency.world.outbox)
    agency.world.outbox.settle(identity, receipt)
    return Fetched(identity, receipt, is_new=False)


def _must_be_id(identity: str) -> None:
    # It becomes part of an address.
    try:
        msgspec.convert(identity, Uuid7)
    except msgspec.ValidationError:
        raise Refusal(Code.NOT_FOUND, "/id", id=identity) from None


class _Named(msgspec.Struct, frozen=True):
    """What a bulletin and an acknowledgement both say: which one, and of whom."""

    id: str
    endpoint: str


@contextmanager
def _faults() -> Iterator[None]:
    """Have what does not hold of a node's answer be the node's fault, as of its receipts."""
    try:
        yield
    except Refusal as refusal:
        raise Fault(refusal.code, refusal.at, **refusal.facts) from refusal


def _ours(raw: bytes, identity: str, endpoint: str) -> str:
    """Hold what a node gives to what was asked for; return what it is signed as.

    Raises:
        Refusal: ``bad-proof``, or it is no signed object.
    """
    signed = jws.read(raw, headers.MAX_HEADER_BYTES)
    try:
        said = msgspec.json.decode(signed.payload, type=_Named)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise Refusal(Code.MALFORMED, "/payload") from None
    if said.id != identity:
        raise Refusal(Code.BAD_PROOF, "/id")
    # Whoever received a bulletin has seen its id, and may post another under the same.
    if said.endpoint != endpoint:
        raise Refusal(Code.BAD_PROOF, "/endpoint")
    return signed.typ


def _must_be_signed(raw: bytes, receipt: Receipt, trust: TrustLog) -> None:
    """Hold a header to its signature under what was in force at its entry; keys change since.

    Raises:
        Refusal: as ``reading.header_in``.
    """
    entry = entries.decode(recorded.entry_of(receipt, raw))
    if not isinstance(entry.facts, entries.Accepted):
        raise Refusal(Code.BAD_PROOF, "/facts", found=entries.kind_of(entry.facts))
    reading.header_in(entry.facts, entry.object, under(entry, receipt.index, trust))
