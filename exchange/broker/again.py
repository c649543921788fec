"""Judge again what an entry says was let in, under the view and at the time it was.

An auditor does so with every entry of a journal; a node with what comes from the other one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.broker import drafting, intake
from exchange.broker.posters import poster
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.seal import jws
from exchange.seal.body import Seen

if TYPE_CHECKING:
    from exchange.broker.intake import OfBulletins
    from exchange.model.view import View

Judged = (
    entries.Accepted
    | entries.Acknowledged
    | entries.Granted
    | entries.Released
    | entries.Drafted
    | entries.Confirmed
    | entries.Consented
    | entries.Requested
)
# What a node lets other processes of its own say yes to; and what that comes to.
Told = entries.Accepted | entries.Acknowledged | entries.Granted
Claimed = intake.Admitted | intake.Attested | intake.Conferred


def of_bulletins(facts: Judged, raw: bytes, view: View, now: int, index: int) -> OfBulletins:  # noqa: PLR0911  (one for each kind)
    """Return the decision on what an endpoint posted, from its record.

    Args:
        facts: of its entry.
        raw: its object.
        view: the trust documents that were in force.
        now: taken time, seconds UTC.
        index: of the entry.

    Raises:
        Refusal: the first check that fails.
    """
    signed = jws.read(raw, objects.MAX_OBJECT_BYTES)
    match facts:
        case entries.Accepted():
            if not facts.blobs:
                raise Refusal(Code.BAD_PROOF, "/blobs", found=index)
            header = headers.decode(signed.payload)
            sealed = intake.Sealed(header, Seen(facts.blobs[0], facts.wraps))
            return intake.bulletin(signed, sealed, header.endpoint, view, now)
        case entries.Acknowledged():
            return intake.acknowledgement(signed, poster(signed), view, now)
        case entries.Granted():
            seen = Seen(facts.wrap, [facts.kid])
            return intake.grant(signed, seen, poster(signed), view, now)
        case entries.Released():
            return intake.release(signed, poster(signed), view, now)
        case entries.Drafted():
            drafted = drafting.recorded(signed, facts)
            return drafting.judge(signed, drafted, poster(signed), view, now)
        case entries.Confirmed():
            return intake.confirmation(signed, poster(signed), view, now)
        case entries.Consented():
            return intake.consent(signed, poster(signed), view, now)
        case entries.Requested():
            return intake.request(signed, poster(signed), view, now)


def claimed(facts: Told, raw: bytes, index: int) -> Claimed:
    """Return what an entry comes to where it is verified elsewhere: read here, not judged.

    Of a bulletin neither whether it is late, nor whether it is marked.

    Args:
        facts: of its entry.
        raw: its object.
        index: of the entry.

    Raises:
        Refusal: it cannot be read as what its facts say.
    """
    signed = jws.read(raw, objects.MAX_OBJECT_BYTES)
    match facts:
        case entries.Accepted():
            jws.must_be(signed, headers.TYP, headers.MAX_HEADER_BYTES)
            if not facts.blobs:
                raise Refusal(Code.BAD_PROOF, "/blobs", found=index)
            header, seen = headers.decode(signed.payload), Seen(facts.blobs[0], facts.wraps)
            return intake.Admitted(header, signed.digest, seen, tuple(header.to), late=False)
        case entries.Acknowledged():
            jws.must_be(signed, objects.ACK_TYP, objects.MAX_OBJECT_BYTES)
            return intake.Attested(
                objects.decode_acknowledgement(signed.payload), signed.digest
            )
        case entries.Granted():
            jws.must_be(signed, objects.GRANT_TYP, objects.MAX_OBJECT_BYTES)
            granted, seen = objects.decode_grant(signed.payload), Seen(facts.wrap, [facts.kid])
            return intake.Conferred(granted, signed.digest, seen)
