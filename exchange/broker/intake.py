"""Consider: what is to be said of one arrival, from its bytes, the view in force, and a time.

Pure, and so run in parallel; the auditor's replay calls it with the facts that an entry kept.
What depends on the order of arrivals is settled afterwards (``broker.settle``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.broker import drafting, enrolling, establishing
from exchange.broker.drafting import Drafted, Submitted
from exchange.broker.establishing import Established
from exchange.errors import Code, Refusal
from exchange.model import header as headers
from exchange.model import metadata, objects
from exchange.model.header import Blob, Header
from exchange.model.identity import digest
from exchange.policy import releasing, requesting, retention, rules
from exchange.policy import sealed as came
from exchange.policy.ageing import is_late, must_be_past
from exchange.policy.attesting import must_name_officer
from exchange.seal import body, jws
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.model.entry import Home
    from exchange.model.objects import (
        Acknowledgement,
        Confirmation,
        Consent,
        Grant,
        Notice,
        Release,
        Request,
    )
    from exchange.model.view import Change, View
    from exchange.seal.body import Seen


# Of whatever JWS it is; each kind has its own limit besides.
MAX_READ_BYTES = 256 * 1024


class Arrival(NamedTuple):
    """One object at the door, with the body that came with it (empty where none belongs)."""

    caller: str
    raw: bytes
    body: bytes
    taken_ms: int


class Admitted(NamedTuple):
    """A bulletin that may pass, and whom it is owed to by its own header.

    ``is_marked``: perhaps only if somebody released it, which is settled later.
    """

    header: Header
    digest: str
    seen: Seen
    owed: tuple[str, ...]
    late: bool
    is_marked: bool = False


class Attested(NamedTuple):
    """An acknowledgement that its recipient did sign; whether it was owed is settled later."""

    ack: Acknowledgement
    digest: str


class Conferred(NamedTuple):
    """A grant that its granter did sign, to one who is there; its bulletin is settled later."""

    grant: Grant
    digest: str
    seen: Seen


class Countersigned(NamedTuple):
    """A release that a releaser did sign; its bulletin is settled later."""

    release: Release
    digest: str


class Upheld(NamedTuple):
    """A confirmation that its originator did sign; its bulletin is settled later."""

    confirmation: Confirmation
    digest: str


class Permitted(NamedTuple):
    """A consent, or its withdrawal, that its originator did sign; the rest is settled later."""

    consent: Consent
    digest: str


class Requested(NamedTuple):
    """A request for a grant that may be made, or an answer to one that is settled later."""

    request: Request
    digest: str


class Heard(NamedTuple):
    """A notice that the other nation's node did sign, and whom it owes it to.

    Its bulletin, and who of these may be told, is settled later.
    """

    notice: Notice
    digest: str
    told: tuple[str, ...]


class Overheard(NamedTuple):
    """A trust document that took effect in the other nation's journal, in its order.

    ``taken_ms`` is when it did so there.
    """

    change: Change
    blob: Blob
    taken_ms: int


class Declined(NamedTuple):
    """No, and why. ``digest`` and ``size`` name what was refused; its bytes are not kept."""

    refusal: Refusal
    digest: str
    size: int


# What is of bulletins; and all that endpoints sign, but for documents.
OfBulletins = (
    Admitted | Attested | Conferred | Countersigned | Submitted | Upheld | Permitted | Requested
)
Signed = OfBulletins | enrolling.Enrolling
Decision = Signed | Established | Heard | Overheard | Declined


class Came(NamedTuple):
    """The entry in the other nation's journal that an object came from, and its facts there."""

    home: Home
    line: bytes


class Considered(NamedTuple):
    """A decision, with the facts it was made under; ``came`` of what was posted abroad."""

    decision: Decision
    view: int
    taken_ms: int
    came: Came | None = None


def digest_of(decision: Decision) -> str:
    """Return the digest of the object that was decided on."""
    if isinstance(decision, Established | Overheard):
        return decision.blob.digest
    return decision.digest


class Sealed(NamedTuple):
    """What was read of a bulletin: its header, and of its body the keys it is wrapped to."""

    header: Header
    seen: Seen


class Read(NamedTuple):
    """An arrival as it was read; nothing in it is verified yet.

    ``signed`` is None of TUF metadata, which is no JWS; ``seal.trust`` reads it.
    """

    signed: jws.Signed | None
    sealed: Sealed | None
    wrapped: body.Wrapped | None = None
    drafted: Drafted | None = None


def consider(arrival: Arrival, view: View) -> Considered:
    """Conclude on one arrival. Never raises a refusal: a refusal is a decision too."""
    return judge(arrival, read(arrival), view)


def read(arrival: Arrival) -> Read | Refusal:
    """Read one arrival: the first half of ``consider``, which needs no view.

    Who has many to consider reads them all before judging any: the processor then holds on to
    the program that reads, which verifying pushes out (10 to 20 us a bulletin).
    """
    try:
        return _read(arrival)
    except Refusal as refusal:
        return refusal


def judge(arrival: Arrival, found: Read | Refusal, view: View) -> Considered:
    """Conclude on an arrival that was read: the second half of ``consider``."""
    if isinstance(found, Refusal):
        return decline(arrival, found, view)
    try:
        return Considered(_decide(arrival, found, view), view.index, arrival.taken_ms)
    except Refusal as refusal:
        return decline(arrival, refusal, view)


def decline(arrival: Arrival, refusal: Refusal, view: View) -> Considered:
    """Conclude that an arrival is refused."""
    declined = Declined(refusal, digest(arrival.raw), len(arrival.raw))
    return Considered(declined, view.index, arrival.taken_ms)


def _read(arrival: Arrival) -> Read:
    if arrival.raw.startswith(metadata.BEGINS):
        if arrival.body:
            raise Refusal(Code.BAD_FRAMING, "/body")
        return Read(None, None)
    signed = jws.read(arrival.raw, MAX_READ_BYTES)
    if signed.typ == headers.TYP:
        if not arrival.body:
            raise Refusal(Code.MISSING_BLOB, "/body")
        jws.must_be(signed, headers.TYP, headers.MAX_HEADER_BYTES)
        header = headers.decode(signed.payload)
        # The suite that the header claims; it must be the directory's (``View.signatory``)
        # before anything more is said of the body.
        return Read(signed, Sealed(header, body.look(arrival.body, header.suite)))
    if signed.typ == objects.GRANT_TYP:
        if not arrival.body:
            raise Refusal(Code.MISSING_BLOB, "/body")
        return Read(signed, None, body.look_at_wrap(arrival.body))
    if signed.typ == objects.DRAFT_TYP:
        return Read(signed, None, drafted=drafting.read(signed, arrival.body))
    if arrival.body:
        raise Refusal(Code.BAD_FRAMING, "/body")
    return Read(signed, None)


def _decide(arrival: Arrival, found: Read, view: View) -> Decision:
    signed, now = found.signed, arrival.taken_ms // 1000
    if signed is None:
        return establishing.metadata(arrival, view, now)
    if found.sealed is not None:
        return bulletin(signed, found.sealed, arrival.caller, view, now)
    if found.wrapped is not None:
        return _grant(signed, found.wrapped, arrival.caller, view, now)
    if found.drafted is not None:
        return drafting.judge(signed, found.drafted, arrival.caller, view, now)
    if signed.typ == objects.SUBSCRIPTION_TYP:
        return establishing.subscription(arrival, view, now)
    if bare := _BARE.get(signed.typ):
        return bare(signed, arrival.caller, view, now)
    raise Refusal(Code.UNKNOWN_OBJECT, "/signatures/0/protected", found=signed.typ[:48])


def bulletin(signed: jws.Signed, sealed: Sealed, caller: str, view: View, now: int) -> Admitted:
    """Admit a bulletin, in the order of envelope.md, "Checking", then by policy.

    Args:
        signed: the signed header as read.
        sealed: its payload decoded, and the digest, size and wrapped keys of its body.
        caller: the endpoint that holds the session.
        view: the trust documents in force.
        now: taken time, seconds UTC.

    Raises:
        Refusal: the first check that fails.
    """
    header, seen = sealed
    jws.must_be(signed, headers.TYP, headers.MAX_HEADER_BYTES)
    standing = view.signatory(header.origin, header.endpoint, header.suite)
    if header.endpoint != caller:
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=header.endpoint)
    jws.verify_by(signed, standing, now)
    # What takes back must not wait for custodians who renew too late; keys are looked at above.
    must_hold = header.verb != "cancel"
    if must_hold:
        view.must_hold(standing.member.nation, now, "/endpoint")
    if seen.blob.size != header.body.size:
        raise Refusal(Code.SIZE_MISMATCH, "/body/size", expected=header.body.size)
    if seen.blob.digest != header.body.digest:
        raise Refusal(Code.DIGEST_MISMATCH, "/body/digest", expected=header.body.digest)
    owed = [
        rules.known_recipient(name, view, f"/to/{place}")
        for place, name in enumerate(header.to)
    ]
    came.wraps(seen.wraps, owed, SUITES[header.suite].wrap, now)
    # What was released before it, the ledger knows.
    rules.decide("accept", header, view, now, released=None)
    for place, each in enumerate(owed if must_hold else ()):
        view.must_hold(each.member.nation, now, f"/to/{place}")
    retention.admit(header, view.agreed(), now)
    late = is_late(header, view, now)
    is_marked = releasing.is_marked(header, view)
    return Admitted(header, signed.digest, seen, tuple(header.to), late, is_marked)


def acknowledgement(signed: jws.Signed, caller: str, view: View, now: int) -> Attested:
    """Hold an acknowledgement to its signer.

    Raises:
        Refusal: the first check that fails.
    """
    jws.must_be(signed, objects.ACK_TYP, objects.MAX_OBJECT_BYTES)
    ack = objects.decode_acknowledgement(signed.payload)
    standing = view.signatory(ack.origin, ack.endpoint, ack.suite)
    if ack.endpoint != caller:
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=ack.endpoint)
    jws.verify_by(signed, standing, now)
    must_name_officer(ack.outcome, ack.officer, view.agreed())
    must_be_past(ack.at, view, now)
    return Attested(ack, signed.digest)


def _grant(
    signed: jws.Signed, wrapped: body.Wrapped, caller: str, view: View, now: int
) -> Conferred:
    conferred = grant(signed, wrapped.seen, caller, view, now)
    # The key that it names says how it is wrapped; the record keeps that name.
    key = view.endpoints[conferred.grant.to].keys[wrapped.seen.wraps[0]]
    if key.jwk.alg != wrapped.alg:
        raise Refusal(Code.WRONG_VALUE, "/body/header/alg", expected=key.jwk.alg)
    return conferred


def grant(signed: jws.Signed, seen: Seen, caller: str, view: View, now: int) -> Conferred:
    """Hold a grant to its signer, its wrapped key and its recipient.

    Args:
        signed: the signed grant as read.
        seen: what was seen of the wrapped key: its digest, size and whose key it is for.
        caller: the endpoint that holds the session.
        view: the trust documents in force.
        now: taken time, seconds UTC.

    Raises:
        Refusal: the first check that fails.
    """
    jws.must_be(signed, objects.GRANT_TYP, objects.MAX_OBJECT_BYTES)
    granted = objects.decode_grant(signed.payload)
    standing = view.signatory(granted.origin, granted.endpoint, granted.suite)
    if granted.endpoint != caller:
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=granted.endpoint)
    jws.verify_by(signed, standing, now)
    view.must_hold(standing.member.nation, now, "/endpoint")
    if seen.blob.size != granted.wrap.size:
        raise Refusal(Code.SIZE_MISMATCH, "/wrap/size", expected=granted.wrap.size)
    if seen.blob.digest != granted.wrap.digest:
        raise Refusal(Code.DIGEST_MISMATCH, "/wrap/digest", expected=granted.wrap.digest)
    reader = rules.known_recipient(granted.to, view, "/to")
    view.must_hold(reader.member.nation, now, "/to")
    came.wrap(seen.wraps[0], reader, now)
    must_be_past(granted.at, view, now)
    return Conferred(granted, signed.digest, seen)


def release(signed: jws.Signed, caller: str, view: View, now: int) -> Countersigned:
    """Hold a release to its releaser. The author may bring it as well, with its header.

    Raises:
        Refusal: the first check that fails.
    """
    jws.must_be(signed, objects.RELEASE_TYP, objects.MAX_OBJECT_BYTES)
    released = objects.decode_release(signed.payload)
    standing = view.signatory(released.origin, released.endpoint, released.suite)
    if caller not in (released.endpoint, released.of.endpoint):
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=released.endpoint)
    jws.verify_by(signed, standing, now)
    view.must_hold(standing.member.nation, now, "/endpoint")
    releasing.may_release(released, standing)
    must_name_officer("released", released.officer, view.agreed())
    view.standing(released.of.endpoint, "/of/endpoint")
    must_be_past(released.at, view, now)
    return Countersigned(released, signed.digest)


def confirmation(signed: jws.Signed, caller: str, view: View, now: int) -> Upheld:
    """Hold a confirmation to its signer, who posts for the bulletin's member.

    Raises:
        Refusal: the first check that fails.
    """
    jws.must_be(signed, objects.CONFIRMATION_TYP, objects.MAX_OBJECT_BYTES)
    confirmed = objects.decode_confirmation(signed.payload)
    standing = view.signatory(confirmed.origin, confirmed.endpoint, confirmed.suite)
    if confirmed.endpoint != caller:
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=confirmed.endpoint)
    jws.verify_by(signed, standing, now)
    if "poster" not in standing.endpoint.roles:
        raise Refusal(Code.MISSING_ROLE, "/endpoint", name="poster")
    must_be_past(confirmed.at, view, now)
    return Upheld(confirmed, signed.digest)


def consent(signed: jws.Signed, caller: str, view: View, now: int) -> Permitted:
    """Hold a consent, or its withdrawal, to its signer, who posts for the bulletin's member.

    Raises:
        Refusal: the first check that fails.
    """
    jws.must_be(signed, objects.CONSENT_TYP, objects.MAX_OBJECT_BYTES)
    given = objects.decode_consent(signed.payload)
    standing = view.signatory(given.origin, given.endpoint, given.suite)
    if given.endpoint != caller:
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=given.endpoint)
    jws.verify_by(signed, standing, now)
    if "poster" not in standing.endpoint.roles:
        raise Refusal(Code.MISSING_ROLE, "/endpoint", name="poster")
    # Withdrawn it may be of whomever, and whatever became of its nation's documents.
    if given.until is not None:
        view.must_hold(standing.member.nation, now, "/endpoint")
        for at, name in (("/by", given.by), ("/to", given.to)):
            view.must_hold(rules.known_recipient(name, view, at).member.nation, now, at)
    must_be_past(given.at, view, now)
    return Permitted(given, signed.digest)


def request(signed: jws.Signed, caller: str, view: View, now: int) -> Requested:
    """Hold a request for a grant, or the answer to one, to its signer.

    Raises:
        Refusal: the first check that fails.
    """
    jws.must_be(signed, objects.REQUEST_TYP, objects.MAX_OBJECT_BYTES)
    asked = objects.decode_request(signed.payload)
    standing = view.signatory(asked.origin, asked.endpoint, asked.suite)
    if asked.endpoint != caller:
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=asked.endpoint)
    jws.verify_by(signed, standing, now)
    if asked.step == "asked":
        requesting.may_ask(asked, view)
    else:
        requesting.may_answer(standing)
    must_be_past(asked.at, view, now)
    return Requested(asked, signed.digest)


# Objects that come alone, without a second half.
_BARE: dict[str, Callable[[jws.Signed, str, View, int], Decision]] = {
    objects.ACK_TYP: acknowledgement,
    objects.RELEASE_TYP: release,
    objects.CONFIRMATION_TYP: confirmation,
    objects.CONSENT_TYP: consent,
    objects.REQUEST_TYP: request,
    objects.INVITATION_TYP: enrolling.invitation,
    objects.ENROLMENT_TYP: enrolling.request,
    objects.VERDICT_TYP: enrolling.verdict,
}
