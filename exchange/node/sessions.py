"""Sessions without state: nonce and token are MACs under a node key that its fronts share."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import objects
from exchange.model.codec import b64, unb64
from exchange.policy import rules
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exchange.model.identity import Jwk
    from exchange.model.view import Standing, View

NONCE_LIFETIME_S = 120
TOKEN_LIFETIME_S = 3600
KEY_BYTES = 32
# Tokens whose MAC was found right are remembered, so many of them: 10 us of a request, and as
# much of each event. What they claim is held to the time and the view as ever.
_REMEMBERED = 4096


class _Claims(msgspec.Struct, frozen=True, array_like=True):
    use: str
    endpoint: str
    suite: str
    kids: list[str]
    expires: int
    random: str


class _Challenge(msgspec.Struct, frozen=True, array_like=True):
    """What a nonce claims; frozen vectors hold one, with two members that stay empty."""

    use: str
    endpoint: str
    kid: str
    expires: int
    random: str


C = TypeVar("C", _Claims, _Challenge)

_CLAIMS = {"token": msgspec.json.Decoder(_Claims)}
_CHALLENGES = {"nonce": msgspec.json.Decoder(_Challenge)}


class Sessions:
    """Gives nonces and tokens, and says whose a token is."""

    def __init__(self, node: str, key: bytes, randomness: Callable[[int], bytes]) -> None:
        """Use a node key of 32 bytes."""
        if len(key) != KEY_BYTES:
            message = "a session key is 32 bytes"
            raise ValueError(message)
        self._node = node
        self._key = key
        self._randomness = randomness
        self._known: dict[str, _Claims] = {}

    def nonce(self, now: int) -> str:
        """Return a challenge to sign, good for two minutes and for this node."""
        return self._make(_Challenge("nonce", "", "", now + NONCE_LIFETIME_S, self._random()))

    def open(self, raw: bytes, view: View, now: int) -> objects.Answered:
        """Return a token for the endpoint that signed this request.

        Raises:
            Refusal: ``bad-session``; or what keeps a caller out that did prove who it is.
        """
        signed = jws.read(raw, objects.MAX_OBJECT_BYTES)
        if signed.typ != objects.SESSION_TYP:
            raise Refusal(Code.UNKNOWN_OBJECT, "/signatures/0/protected", found=signed.typ[:48])
        request = objects.decode_session(signed.payload)
        if request.node != self._node:
            raise Refusal(Code.BAD_SESSION, "/node", expected=self._node)
        if abs(request.issued - now) > NONCE_LIFETIME_S:
            raise Refusal(Code.BAD_SESSION, "/issued", found=request.issued)
        try:
            self._check(_CHALLENGES, request.nonce, now)
        except Refusal:
            raise Refusal(Code.BAD_SESSION, "/nonce") from None
        standing = _proven(signed, request, view, now)
        here = view.nodes.get(self._node)
        serves = here.serves if here is not None else ()
        rules.must_be_home(standing.member.nation, serves, request.endpoint, "/node")
        expires = now + TOKEN_LIFETIME_S
        kids = [claim.kid for claim in signed.claims]
        claims = _Claims(
            "token", request.endpoint, request.suite, kids, expires, self._random()
        )
        return objects.Answered(self._make(claims), expires)

    def caller(self, authorization: str | None, view: View, now: int) -> Standing:
        """Return who calls, if the token is ours, in time, and its endpoint still active.

        Raises:
            Refusal: ``no-token``, ``bad-token``, ``endpoint-suspended``; ``unknown-key`` or
                ``key-not-valid`` once any key that opened the session may not sign any more;
                ``suite-not-allowed`` once its endpoint has another suite, or none is agreed.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme != "Bearer" or not token:
            raise Refusal(Code.NO_TOKEN)
        claims = self._claimed(token, now)
        # Asked of the view in force now: suspension and revocation bite at the next request.
        standing = view.standing(claims.endpoint, "")
        # All of them: whoever holds one key of two cannot open a session, nor go on with one.
        for kid in claims.kids:
            standing.signing_key(kid, now, "")
        view.must_sign_as(standing, standing.member.member, claims.suite)
        return standing

    def _claimed(self, token: str, now: int) -> _Claims:
        """Return what a token of ours claims, in its time."""
        known = self._known.get(token)
        if known is not None and known.expires > now:
            return known
        claims = self._check(_CLAIMS, token, now)
        if len(self._known) >= _REMEMBERED:
            # All at once: whoever comes again is asked for the MAC once more, and no more.
            self._known.clear()
        self._known[token] = claims
        return claims

    def _random(self) -> str:
        return b64(self._randomness(12))

    def _make(self, claims: _Claims | _Challenge) -> str:
        body = b64(msgspec.json.encode(claims))
        return f"{body}.{b64(self._mac(body))}"

    def _check(self, of: Mapping[str, msgspec.json.Decoder[C]], token: str, now: int) -> C:
        body, _, mac = token.partition(".")
        # Ours are ASCII; of other text not even the MAC can be taken.
        if not body.isascii():
            raise Refusal(Code.BAD_TOKEN)
        try:
            given = unb64(mac)
        except Refusal:
            raise Refusal(Code.BAD_TOKEN) from None
        if not hmac.compare_digest(given, self._mac(body)):
            raise Refusal(Code.BAD_TOKEN)
        # Only what we made ourselves gets this far; another version of us may have made it.
        ((use, decoder),) = of.items()
        try:
            claims = decoder.decode(unb64(body))
        except msgspec.ValidationError:
            raise Refusal(Code.BAD_TOKEN) from None
        if claims.use != use or claims.expires <= now:
            raise Refusal(Code.BAD_TOKEN)
        return claims

    def _mac(self, body: str) -> bytes:
        return hmac.digest(self._key, f"{self._node}\n{body}".encode(), sha256)


def _proven(
    signed: jws.Signed, request: objects.SessionRequest, view: View, now: int
) -> Standing:
    """Return the endpoint whose keys signed a request, if it may act.

    Which endpoints and keys there are is not for strangers: until the signatures verify, there
    is one answer, and its cause goes to the diagnostics. After that the caller is told all.

    Raises:
        Refusal: ``bad-session``; ``endpoint-suspended`` or ``key-not-valid`` to their holder.
    """
    try:
        standing = view.endpoints.get(request.endpoint)
        if standing is None:
            raise Refusal(Code.UNKNOWN_ENDPOINT, "/endpoint")  # noqa: TRY301
        view.must_sign_as(standing, request.origin, request.suite)
        _verify(signed, standing)
    except Refusal as refusal:
        raise Refusal(Code.BAD_SESSION) from refusal
    view.standing(request.endpoint)
    for claim in signed.claims:
        standing.signing_key(claim.kid, now, claim.at)
    return standing


def _verify(signed: jws.Signed, standing: Standing) -> None:
    def key_of(claim: jws.Claim) -> Jwk:
        # One past its time as well: its holder is told so, once that is proven.
        return standing.known_key(claim.kid, claim.at).jwk

    jws.verify(signed.claims, standing.endpoint.suite, key_of)
