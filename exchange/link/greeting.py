"""Who calls from the other side: a node proves by its keys that it is one, and gets a token."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Refusal
from exchange.model import objects, peers
from exchange.model.codec import b64
from exchange.seal import jws
from exchange.seal.trust import suite_of_node

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.model.trust import Node
    from exchange.model.view import View

NONCE_LIFETIME_S = 120
TOKEN_LIFETIME_S = 3600
# Of peers: more at once is nobody's honest doing.
_MAX_USED = 256
_MAX_TOKENS = 64


class _Session(NamedTuple):
    node: str
    kids: tuple[str, ...]
    ends: int


class Greeter:
    """Gives nonces and tokens to other nodes; all ends with the process.

    A nonce is a MAC with its end: strangers, who may ask for any number, make us keep nothing.
    Used ones are remembered, of those who proved who they are.
    """

    def __init__(self, node: str, randomness: Callable[[int], bytes]) -> None:
        """Speak for the node of this name."""
        self._node = node
        self._randomness = randomness
        self._key = randomness(32)
        self._used: dict[str, int] = {}
        self._sessions: dict[str, _Session] = {}

    def nonce(self, now: int) -> str:
        """Return a challenge to sign, good once and for two minutes."""
        said = f"{now + NONCE_LIFETIME_S}.{b64(self._randomness(24))}"
        return f"{said}.{self._mac(said)}"

    def open(self, raw: bytes, view: View, now: int) -> str:
        """Return a token for the node that signed this.

        Raises:
            Refusal: ``bad-session``: one answer to strangers, whatever is wrong.
        """
        try:
            signed = jws.read(raw, objects.MAX_OBJECT_BYTES)
            _must(signed.typ == peers.TYP, "/signatures/0/protected")
            request = peers.decode(signed.payload)
            # Cheap checks first: a stranger without a nonce causes no verifying of signatures.
            _must(request.to == self._node, "/to")
            _must(request.node != self._node, "/node")
            ends = self._ends(request.nonce)
            _must(ends > now and abs(request.issued - now) <= NONCE_LIFETIME_S, "/nonce")
            node = _proven(signed, request, view)
            self._use(request.nonce, ends, now)
        except Refusal as refusal:
            raise Refusal(Code.BAD_SESSION) from refusal
        while len(self._sessions) >= _MAX_TOKENS:
            self._sessions.pop(next(iter(self._sessions)))
        token = b64(self._randomness(24))
        kids = tuple(claim.kid for claim in signed.claims)
        self._sessions[token] = _Session(node.node, kids, now + TOKEN_LIFETIME_S)
        return token

    def _ends(self, nonce: str) -> int:
        """Return when a nonce ends; 0 of one that is not ours, or was used."""
        said, _, mac = nonce.rpartition(".")
        is_ours = nonce.isascii() and hmac.compare_digest(mac, self._mac(said))
        return int(said.partition(".")[0]) if is_ours and nonce not in self._used else 0

    def _use(self, nonce: str, ends: int, now: int) -> None:
        """Remember a nonce for as long as it would hold."""
        self._used = {each: end for each, end in self._used.items() if end > now}
        _must(len(self._used) < _MAX_USED, "/nonce")
        self._used[nonce] = ends

    def _mac(self, said: str) -> str:
        return b64(hmac.digest(self._key, said.encode(), sha256))

    def caller(self, authorization: str | None, view: View, now: int) -> Node:
        """Return which node calls: it, and the keys that it proved, are still listed.

        Raises:
            Refusal: ``no-token`` or ``bad-token``.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme != "Bearer" or not token:
            raise Refusal(Code.NO_TOKEN)
        session = self._sessions.get(token)
        node = view.nodes.get(session.node) if session else None
        if session is None or node is None or session.ends <= now:
            raise Refusal(Code.BAD_TOKEN)
        listed = {key.kid for key in node.receipts.keys}
        if not listed.issuperset(session.kids):
            raise Refusal(Code.BAD_TOKEN)
        return node


def _proven(signed: jws.Signed, request: peers.PeerRequest, view: View) -> Node:
    node = view.nodes.get(request.node)
    if node is None:
        raise Refusal(Code.BAD_SESSION, "/node")
    suite = suite_of_node(node)
    _must(request.suite == suite and suite in view.agreed().suites, "/suite")
    jws.verify_by_signatory(signed, node.receipts, suite)
    return node


def _must(holds: bool, at: str) -> None:
    if not holds:
        raise Refusal(Code.BAD_SESSION, at)
