"""Consider: what is to be said of one arrival, from its bytes, the view in force, and a time.

Pure, and so run in parallel; the auditor's replay calls it with the facts that an entry kept.
What depends on the order of arrivals is settled afterwards (``broker.settle``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Refusal
from exchange.model import header as headers
from exchange.model import objects
from exchange.model import trust as trusts
from exchange.model.header import Blob, Header
from exchange.model.identity import digest
from exchange.model.view import trust_name
from exchange.policy import rules
from exchange.seal import body, jws, trust

if TYPE_CHECKING:
    from exchange.model.objects import Acknowledgement, Subscription
    from exchange.model.trust import Document
    from exchange.model.view import View
    from exchange.seal.body import Seen


class Arrival(NamedTuple):
    """One object at the door, with the body that came with it (empty where none belongs)."""

    caller: str
    raw: bytes
    body: bytes
    taken_ms: int


class Admitted(NamedTuple):
    """A bulletin that may pass, and whom it is owed to by its own header."""

    header: Header
    digest: str
    seen: Seen
    owed: tuple[str, ...]
    late: bool


class Attested(NamedTuple):
    """An acknowledgement that its recipient did sign; whether it was owed is settled later."""

    ack: Acknowledgement
    digest: str


class Established(NamedTuple):
    """A trust document that may take effect next."""

    document: Document | Subscription
    name: str
    blob: Blob


class Declined(NamedTuple):
    """No, and why. ``digest`` and ``size`` name what was refused; its bytes are not kept."""

    refusal: Refusal
    digest: str
    size: int


Decision = Admitted | Attested | Established | Declined


class Considered(NamedTuple):
    """A decision, with the facts it was made under."""

    decision: Decision
    view: int
    taken_ms: int


def consider(arrival: Arrival, view: View) -> Considered:
    """Conclude on one arrival. Never raises a refusal: a refusal is a decision too."""
    try:
        return Considered(_decide(arrival, view), view.index, arrival.taken_ms)
    except Refusal as refusal:
        return decline(arrival, refusal, view)


def decline(arrival: Arrival, refusal: Refusal, view: View) -> Considered:
    """Conclude that an arrival is refused."""
    declined = Declined(refusal, digest(arrival.raw), len(arrival.raw))
    return Considered(declined, view.index, arrival.taken_ms)


def _decide(arrival: Arrival, view: View) -> Decision:
    signed = jws.read(arrival.raw, trusts.MAX_TRUST_BYTES)
    now = arrival.taken_ms // 1000
    if signed.typ == headers.TYP:
        # The body's strict parse needs no directory; the header is held to its suite below.
        if not arrival.body:
            raise Refusal(Code.MISSING_BLOB, "/body")
        seen = body.look(arrival.body, "xb1-h")
        return bulletin(signed, seen, arrival.caller, view, now)
    if arrival.body:
        raise Refusal(Code.BAD_FRAMING, "/body")
    if signed.typ == objects.ACK_TYP:
        return acknowledgement(signed, arrival.caller, view, now)
    if signed.typ in (trusts.TYP, objects.SUBSCRIPTION_TYP):
        return _trust(arrival, view, now)
    raise Refusal(Code.UNKNOWN_OBJECT, "/signatures/0/protected", found=signed.typ[:48])


def bulletin(signed: jws.Signed, seen: Seen, caller: str, view: View, now: int) -> Admitted:
    """Admit a bulletin, in the order of envelope.md, "Checking", then by policy.

    Args:
        signed: the signed header as read.
        seen: what was seen of its body: its digest, size and wrapped keys.
        caller: the endpoint that holds the session.
        view: the trust documents in force.
        now: taken time, seconds UTC.

    Raises:
        Refusal: the first check that fails.
    """
    _sized(signed.size, headers.MAX_HEADER_BYTES)
    header = headers.decode(signed.payload)
    standing = view.signatory(header.origin, header.endpoint, header.suite)
    if header.endpoint != caller:
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=header.endpoint)
    jws.verify_by(signed, standing, now)
    if seen.blob.size != header.body.size:
        raise Refusal(Code.SIZE_MISMATCH, "/body/size", expected=header.body.size)
    if seen.blob.digest != header.body.digest:
        raise Refusal(Code.DIGEST_MISMATCH, "/body/digest", expected=header.body.digest)
    owed = rules.recipients(header, view)
    rules.wraps(seen.wraps, owed, now)
    rules.admit(header, standing, view, now)
    late = rules.is_late(header, view, now)
    return Admitted(header, signed.digest, seen, tuple(header.to), late)


def acknowledgement(signed: jws.Signed, caller: str, view: View, now: int) -> Attested:
    """Hold an acknowledgement to its signer.

    Raises:
        Refusal: the first check that fails.
    """
    _sized(signed.size, objects.MAX_OBJECT_BYTES)
    ack = objects.decode_acknowledgement(signed.payload)
    standing = view.signatory(ack.origin, ack.endpoint, ack.suite)
    if ack.endpoint != caller:
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=ack.endpoint)
    jws.verify_by(signed, standing, now)
    if ack.at > now + view.agreed().limits.skew_s:
        raise Refusal(Code.NOT_YET_ISSUED, "/at", limit=view.agreed().limits.skew_s)
    return Attested(ack, signed.digest)


def _trust(arrival: Arrival, view: View, now: int) -> Established:
    established = trust_document(arrival.raw, view, now)
    if isinstance(established.document, objects.Subscription):
        if established.document.endpoint != arrival.caller:
            raise Refusal(Code.NOT_YOURS, "/endpoint", name=established.document.endpoint)
    elif arrival.caller and "operator" not in view.standing(arrival.caller).endpoint.roles:
        # The node's own operator brings the first documents, before there is any endpoint.
        raise Refusal(Code.MISSING_ROLE, "", name="operator")
    return established


def trust_document(raw: bytes, view: View, now: int) -> Established:
    """Return a trust document that may take effect next; see ``seal.trust.judge``."""
    document = trust.judge(raw, view, now)
    return Established(document, trust_name(document), Blob(digest(raw), len(raw)))


def _sized(size: int, limit: int) -> None:
    if size > limit:
        raise Refusal(Code.OVERSIZED, limit=limit, found=size)
