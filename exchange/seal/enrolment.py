"""Enrolment: whether new keys may be listed, and the member document that lists them.

The custodians of a nation run both steps on their own machine. A node looks at a request in the
same way when it comes by an invitation, and admits nothing by that.
Every signing key signs the request that brings it. An encryption key cannot sign, and whoever
knows it could answer any challenge that a file carries, so nothing here proves that it is the
asker's: its software opened a test seal with it, and the signing keys answer for that. What an
endpoint could gain by listing another's key is taken away instead: no key is listed twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import objects
from exchange.model.trust import Endpoint, EndpointKey, Member
from exchange.seal import jws
from exchange.seal.suites import SUITES, check_signature_key, check_wrap_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exchange.model.identity import Jwk
    from exchange.model.objects import Enrolment
    from exchange.model.view import Standing, View

_DAY_S = 86_400
# How long a key may live, from now or from its beginning, whichever is the earlier: whoever
# takes one unnoticed has it for no longer. A year, and four months; each with a month's grace.
MAX_LIFE_S: Mapping[str, int] = {"sig": 397 * _DAY_S, "enc": 124 * _DAY_S}
# A request that lay about for longer may not be what the endpoint wants any more.
MAX_AGE_S = 31 * _DAY_S
# Clocks on machines that are never online differ by more than a node's may.
MAX_AHEAD_S = _DAY_S


def check(raw: bytes, view: View, now: int, *, anew: bool = False) -> Enrolment:
    """Return an enrolment that came by hand and may be admitted.

    Args:
        raw: the request as it came.
        view: the trust documents in force, as far as the custodians have them.
        now: seconds UTC.
        anew: the endpoint lost its keys, or let them expire: its request need not be signed
            by those in force, and who it comes from was made sure of by other means. So it is
            how one that is suspended asks; whether it is let in again is said apart.

    Raises:
        Refusal: malformed, not signed as it must be, a key weak or known already, or dates
            that make no sense; it names the first thing wrong. ``not-approved``: it is by an
            invitation, and who stands for it is not with it.
    """
    enrolment = judge(jws.read(raw, objects.MAX_OBJECT_BYTES), view, now, anew=anew)
    if isinstance(enrolment.invitation, objects.Shown):
        raise Refusal(Code.NOT_APPROVED, "/invitation", name=enrolment.endpoint)
    return enrolment


def judge(signed: jws.Signed, view: View, now: int, *, anew: bool = False) -> Enrolment:
    """Return an enrolment whose keys could be listed; who stands for it is not looked at.

    Raises:
        Refusal: as ``check``.
    """
    if signed.typ != objects.ENROLMENT_TYP:
        raise Refusal(Code.UNKNOWN_OBJECT, "/signatures/0/protected", found=signed.typ[:48])
    enrolment = objects.decode_enrolment(signed.payload)
    standing = _place(enrolment, view, anew=anew)
    _check_age(enrolment, now)
    _check_keys(enrolment, now)
    _check_signatures(signed, enrolment, None if anew else standing, now)
    _check_not_known(enrolment, view)
    _check_replaced(enrolment, standing)
    return enrolment


def _place(enrolment: Enrolment, view: View, *, anew: bool) -> Standing | None:
    """Return the endpoint as it stands, once the request is for a place in this exchange."""
    if not enrolment.endpoint.startswith(f"{enrolment.origin}/"):
        raise Refusal(Code.ORIGIN_MISMATCH, "/origin", found=enrolment.origin)
    if enrolment.node not in view.nodes:
        raise Refusal(Code.NOT_HOME, "/node", name=enrolment.node)
    if enrolment.suite not in view.agreed().suites:
        raise Refusal(Code.SUITE_NOT_ALLOWED, "/suite", found=enrolment.suite)
    if enrolment.endpoint not in view.endpoints:
        return None
    # Keys that may be another's by now ask for no others; new ones, vouched for, replace them.
    standing = view.endpoints[enrolment.endpoint] if anew else view.standing(enrolment.endpoint)
    view.must_sign_as(standing, enrolment.origin, enrolment.suite)
    return standing


def new_signing(enrolment: Enrolment) -> list[Jwk]:
    """Return the signing keys that it brings, in order: one set of its suite, or none."""
    return [key.jwk for key in enrolment.keys if key.use == "sig"]


def _check_age(enrolment: Enrolment, now: int) -> None:
    """Refuse what was asked too long ago, or has still to be asked."""
    if enrolment.issued > now + MAX_AHEAD_S:
        raise Refusal(Code.NOT_YET_ISSUED, "/issued", found=enrolment.issued)
    if enrolment.issued < now - MAX_AGE_S:
        raise Refusal(Code.REQUEST_STALE, "/issued", found=enrolment.issued, limit=MAX_AGE_S)


def _check_keys(enrolment: Enrolment, now: int) -> None:
    """Refuse weak and malformed keys, sets that are not whole, and dates without sense."""
    algorithms = [each.name for each in SUITES[enrolment.suite].signatures]
    found = [key.alg for key in new_signing(enrolment)]
    if found not in ([], algorithms):
        raise Refusal(Code.WRONG_VALUE, "/keys", expected=", ".join(algorithms))
    kids = set()
    for place, key in enumerate(enrolment.keys):
        at = f"/keys/{place}"
        if key.use == "sig":
            check_signature_key(key.jwk, f"{at}/jwk")
        else:
            check_wrap_key(key.jwk, f"{at}/jwk")
        if key.until <= max(key.since, now):
            raise Refusal(Code.KEY_NOT_VALID, f"{at}/until", kid=key.jwk.kid)
        if key.until - min(key.since, now) > MAX_LIFE_S[key.use]:
            limit = MAX_LIFE_S[key.use]
            raise Refusal(Code.KEY_LIFETIME, f"{at}/until", kid=key.jwk.kid, limit=limit)
        if key.jwk.kid in kids:
            raise Refusal(Code.KEY_KNOWN, f"{at}/jwk", kid=key.jwk.kid)
        kids.add(key.jwk.kid)


def _check_signatures(
    signed: jws.Signed, enrolment: Enrolment, standing: Standing | None, now: int
) -> None:
    """Verify one group of signatures by the keys in force, then one by the keys it brings."""
    suite, brought = enrolment.suite, {key.kid: key for key in new_signing(enrolment)}

    def in_force(claim: jws.Claim) -> Jwk:
        if standing is None:
            raise Refusal(Code.UNKNOWN_KEY, claim.at, kid=claim.kid[:64])
        return standing.signing_key(claim.kid, now, claim.at).jwk

    def possessed(claim: jws.Claim) -> Jwk:
        if claim.kid not in brought:
            raise Refusal(Code.UNKNOWN_KEY, claim.at, kid=claim.kid[:64])
        return brought[claim.kid]

    groups = [in_force] if standing is not None else []
    groups += [possessed] if brought else []
    size = len(SUITES[suite].signatures)
    # No group at all is a mismatch too: what was read has a signature at least.
    if len(signed.claims) != size * len(groups):
        expected = size * max(1, len(groups))
        raise Refusal(
            Code.SIGNATURE_COUNT, "/signatures", expected=expected, found=len(signed.claims)
        )
    for place, key_of in enumerate(groups):
        jws.verify(signed.claims[place * size :][:size], suite, key_of)


def _check_not_known(enrolment: Enrolment, view: View) -> None:
    """Refuse a key that is listed already, whoever's it is: also one renewed by its owner."""
    kids = {key.jwk.kid for key in enrolment.keys}
    listed = dict((*view.keepers(kids), *view.endpoints.owners(kids)))
    for place, key in enumerate(enrolment.keys):
        if key.jwk.kid in listed:
            raise Refusal(Code.KEY_KNOWN, f"/keys/{place}/jwk", name=listed[key.jwk.kid])


def _check_replaced(enrolment: Enrolment, standing: Standing | None) -> None:
    """Refuse to end a key that is not the asker's, or that nothing new stands in for."""
    mine = standing.keys if standing is not None else {}
    algorithms = {key.jwk.alg for key in enrolment.keys}
    for place, kid in enumerate(enrolment.replaces):
        if kid not in mine or mine[kid].jwk.alg not in algorithms:
            raise Refusal(Code.UNKNOWN_KEY, f"/replaces/{place}", kid=kid)


def admitted(
    member: Member,
    enrolment: Enrolment,
    now: int,
    overlap_s: int,
    fresh: Endpoint | None = None,
) -> Member:
    """Return the next version of a member's document, with what a checked enrolment asks.

    A key that is replaced stays valid for the overlap, so that what is under way, or sealed
    by somebody who has not seen the new directory, is still good. Expired keys are left out:
    old bulletins are judged under the documents of their own time.

    Args:
        member: the document in force.
        enrolment: checked.
        now: seconds UTC.
        overlap_s: how long a replaced key stays valid beside its successor.
        fresh: title, roles and suite of an endpoint that is not listed yet, without keys.

    Raises:
        Refusal: ``unknown-endpoint``: not listed, and nothing is known of it.
    """
    if member.member != enrolment.origin:
        raise Refusal(Code.ORIGIN_MISMATCH, "/origin", expected=member.member)
    listed = {each.id: each for each in member.endpoints}
    before = listed.pop(enrolment.endpoint, fresh)
    if before is None:
        raise Refusal(Code.UNKNOWN_ENDPOINT, "/endpoint", name=enrolment.endpoint)
    keys = [*_kept(before.keys, enrolment, now, overlap_s), *enrolment.keys]
    after = msgspec.structs.replace(before, keys=keys)
    endpoints = sorted([*listed.values(), after], key=lambda each: each.id)
    return msgspec.structs.replace(
        member, version=member.version + 1, issued=now, endpoints=endpoints
    )


def ended(member: Member, endpoint: str, now: int, overlap_s: int) -> Member:
    """Return a member's document in which the keys that an endpoint lost come to their end.

    Whoever holds lost keys could sign a request and take the endpoint back: signing keys end
    at once. Opening keys end after the overlap, for what is under way; of an endpoint that is
    suspended at once, for nothing was sealed to it since.

    Args:
        member: the document in force.
        endpoint: whose keys were lost.
        now: seconds UTC.
        overlap_s: how long an opening key stays valid.
    """

    def end(each: Endpoint) -> Endpoint:
        opens_s = overlap_s if each.status == "active" else 0
        ends = {"sig": now, "enc": now + opens_s}
        keys = [
            msgspec.structs.replace(key, until=min(key.until, ends[key.use]))
            for key in each.keys
        ]
        return msgspec.structs.replace(each, keys=keys)

    endpoints = [end(each) if each.id == endpoint else each for each in member.endpoints]
    return msgspec.structs.replace(member, endpoints=endpoints)


def _kept(
    keys: Sequence[EndpointKey], enrolment: Enrolment, now: int, overlap_s: int
) -> Iterator[EndpointKey]:
    begins = {key.jwk.alg: max(now, key.since) for key in enrolment.keys}
    for key in keys:
        until = key.until
        if key.jwk.kid in enrolment.replaces:
            until = min(until, begins[key.jwk.alg] + overlap_s)
        if until > now:
            yield msgspec.structs.replace(key, until=until)
