"""Who calls from the other side: a node proves by its keys that it is one, and gets a token."""

from __future__ import annotations

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
# Of strangers and of peers: more at once is nobody's honest doing.
_MAX_NONCES = 256
_MAX_TOKENS = 64


class _Session(NamedTuple):
    node: str
    kids: tuple[str, ...]
    ends: int


class Greeter:
    """Gives nonces and tokens to other nodes; they are kept in memory, and end with it."""

    def __init__(self, node: str, randomness: Callable[[int], bytes]) -> None:
        """Speak for the node of this name."""
        self._node = node
        self._randomness = randomness
        self._nonces: dict[str, int] = {}
        self._sessions: dict[str, _Session] = {}

    def nonce(self, now: int) -> str:
        """Return a challenge to sign, good once and for two minutes."""
        self._nonces = {each: end for each, end in self._nonces.items() if end > now}
        while len(self._nonces) >= _MAX_NONCES:
            self._nonces.pop(next(iter(self._nonces)))
        made = b64(self._randomness(24))
        self._nonces[made] = now + NONCE_LIFETIME_S
        return made

    def open(self, raw: bytes, view: View, now: int) -> str:
        """Return a token for the node that signed this.

        Raises:
            Refusal: ``bad-session``: one answer to strangers, whatever is wrong.
        """
        try:
            node, signed = _proven(raw, view)
            request = peers.decode(signed.payload)
            ends = self._nonces.pop(request.nonce, 0)
            _must(request.to == self._node, "/to")
            _must(node.node != self._node, "/node")
            _must(ends > now and abs(request.issued - now) <= NONCE_LIFETIME_S, "/nonce")
        except Refusal as refusal:
            raise Refusal(Code.BAD_SESSION) from refusal
        while len(self._sessions) >= _MAX_TOKENS:
            self._sessions.pop(next(iter(self._sessions)))
        token = b64(self._randomness(24))
        kids = tuple(claim.kid for claim in signed.claims)
        self._sessions[token] = _Session(node.node, kids, now + TOKEN_LIFETIME_S)
        return token

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


def _proven(raw: bytes, view: View) -> tuple[Node, jws.Signed]:
    signed = jws.read(raw, objects.MAX_OBJECT_BYTES)
    _must(signed.typ == peers.TYP, "/signatures/0/protected")
    request = peers.decode(signed.payload)
    node = view.nodes.get(request.node)
    if node is None:
        raise Refusal(Code.BAD_SESSION, "/node")
    suite = suite_of_node(node)
    _must(request.suite == suite and suite in view.agreed().suites, "/suite")
    jws.verify_by_signatory(signed, node.receipts, suite)
    return node, signed


def _must(holds: bool, at: str) -> None:
    if not holds:
        raise Refusal(Code.BAD_SESSION, at)
