"""Invitations: what a link holds, what its holder proves by it, and who may have approved.

The link's secret is nobody's but the inviter's and the invited's. What is shown to the node is
an HMAC under it over all that the link says, and what the node was given before is the digest
of that: so whoever alters the link in any part has no proof, and the secret itself is in no
request, record or log. A proof is worth nothing once it was used.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import objects
from exchange.model.codec import b64, unb64
from exchange.model.identity import EndpointId, Seconds, SuiteId, Word, digest, member_of
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.identity import Jwk, Nation
    from exchange.model.objects import Enrolment, Invitation, Verdict
    from exchange.model.view import View

SECRET_BYTES = 32
# The longest that an invitation may be open.
MAX_LIFE_S = 3 * 86_400
_BEGINS = "xb1-invite."
_CHECK = 6
_MAX_LINK = 2048

# Visible ASCII: it is shown to who compares the anchor.
Url = Annotated[str, msgspec.Meta(pattern=r"^https://[!-~]{1,240}$")]


class Bound(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What an invitation is bound to, as its link says it; ``tls`` and ``anchor`` digests."""

    endpoint: EndpointId
    suite: SuiteId
    node: Word
    url: Url
    tls: bytes
    anchor: bytes
    until: Seconds


class Link(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """All that a new machine is told: what it is bound to, which invitation, and the secret."""

    bound: Bound
    invitation: bytes
    secret: bytes

    @property
    def shown(self) -> objects.Shown:
        """What its holder puts into a request."""
        return objects.Shown(b64(self.invitation), proof(self.bound, self.secret))


def write(link: Link) -> str:
    """Return a link as text, of characters that shells, mail and QR codes leave alone."""
    packed = msgspec.msgpack.encode(link)
    return f"{_BEGINS}{b64(packed)}.{digest(packed)[:_CHECK]}"


def read(text: str) -> Link:
    """Return what a link says.

    Raises:
        Refusal: ``bad-invitation``: it is none, or was damaged on the way.
    """
    body, _, check = text.strip().removeprefix(_BEGINS).partition(".")
    try:
        packed = unb64(body) if len(text) <= _MAX_LINK else b""
        if not text.strip().startswith(_BEGINS) or digest(packed)[:_CHECK] != check:
            raise Refusal(Code.BAD_INVITATION)  # noqa: TRY301
        link = msgspec.msgpack.decode(packed, type=Link)
    except (Refusal, msgspec.MsgspecError, UnicodeDecodeError):
        raise Refusal(Code.BAD_INVITATION) from None
    # Shown above the words that a person compares; the $ of a pattern passes a line feed.
    bound = link.bound
    if not all(each.isprintable() for each in (bound.endpoint, bound.node, bound.url)):
        raise Refusal(Code.BAD_INVITATION)
    sizes = (32, 32, 32, SECRET_BYTES)
    if tuple(map(len, (bound.tls, bound.anchor, link.invitation, link.secret))) != sizes:
        raise Refusal(Code.BAD_INVITATION)
    return link


def secret_of(key: bytes, identity: str) -> bytes:
    """Return the secret of an invitation by its id, under a key that its inviter keeps.

    So the inviter can show a link again, and nothing of it has to be kept.
    """
    return hmac.digest(key, f"xb1-invite secret\n{identity}".encode(), sha256)


def proof(bound: Bound, secret: bytes) -> str:
    """Return what only a holder of the link can say, and nobody who holds another."""
    packed = msgspec.msgpack.encode(bound)
    return b64(hmac.digest(secret, b"xb1-invite proof\n" + packed, sha256))


def lock(shown: str) -> str:
    """Return the digest by which a node knows a proof that it has not seen yet."""
    return digest(b"xb1-invite lock\n" + shown.encode())


def must_unlock(invitation: Invitation, shown: objects.Shown) -> None:
    """Hold a proof to its invitation.

    Raises:
        Refusal: ``bad-invitation``.
    """
    if not hmac.compare_digest(lock(shown.proof), invitation.lock):
        raise Refusal(Code.BAD_INVITATION, "/invitation")


def must_be_for(invitation: Invitation, enrolment: Enrolment) -> None:
    """Hold a request to the name and node that its invitation is for.

    Raises:
        Refusal: ``invitation-other``.
    """
    if enrolment.endpoint != invitation.invited:
        raise Refusal(Code.INVITATION_OTHER, "/endpoint", expected=invitation.invited)
    if enrolment.node != invitation.node:
        raise Refusal(Code.INVITATION_OTHER, "/node", expected=invitation.node)


def must_be_second(invitation: Invitation, verdict: Verdict) -> None:
    """Hold an approval to another person than the inviter, at another endpoint.

    Raises:
        Refusal: ``own-invitation``.
    """
    if verdict.endpoint == invitation.endpoint:
        raise Refusal(Code.OWN_INVITATION, "/endpoint", name=verdict.endpoint)
    if verdict.officer.lower() == invitation.officer.lower():
        raise Refusal(Code.OWN_INVITATION, "/officer", name=verdict.officer)


def nation_of(endpoint: str, view: View, at: str) -> Nation:
    """Return the nation of an endpoint's member, whether or not the endpoint is listed.

    Raises:
        Refusal: ``unknown-endpoint``: the member is not.
    """
    member = view.member(member_of(endpoint))
    if member is None:
        raise Refusal(Code.UNKNOWN_ENDPOINT, at, name=member_of(endpoint))
    return member.nation


def must_be_used(named: str, invitation: Invitation, enrolment: Enrolment) -> None:
    """Hold a request to the invitation that it is by, given with its digest.

    Raises:
        Refusal: ``bad-invitation``: by another, or without its proof; ``invitation-other``.
    """
    shown = enrolment.invitation
    if not isinstance(shown, objects.Shown) or shown.invitation != named:
        raise Refusal(Code.BAD_INVITATION, "/invitation")
    must_unlock(invitation, shown)
    must_be_for(invitation, enrolment)


def must_be_operator(
    signed: jws.Signed,
    made: Invitation | Verdict,
    endpoint: str,
    view: View,
    times: Sequence[int] = (),
) -> None:
    """Verify what an operator of the endpoint's nation signed.

    Args:
        signed: as it was signed.
        made: its payload.
        endpoint: whom it is about.
        view: the trust documents in force.
        times: seconds UTC at which the operator's keys must hold; none: be they over by now.

    Raises:
        Refusal: the first thing wrong.
    """
    standing = view.signatory(made.origin, made.endpoint, made.suite)

    def key_of(claim: jws.Claim) -> Jwk:
        for when in times:
            standing.signing_key(claim.kid, when, claim.at)
        return standing.known_key(claim.kid, claim.at).jwk

    jws.verify(signed.claims, made.suite, key_of)
    if "operator" not in standing.endpoint.roles:
        raise Refusal(Code.MISSING_ROLE, "/endpoint", name="operator")
    if standing.member.nation != nation_of(endpoint, view, "/endpoint"):
        raise Refusal(Code.NOT_APPROVED, "/invitation", name=endpoint)
