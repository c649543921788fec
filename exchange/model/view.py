"""The view: everything the trust documents say at one journal index, ready to be asked."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.codec import b64, unb64
from exchange.model.identity import ALPHA3
from exchange.model.objects import Subscription
from exchange.model.trust import Arrangement, Document, Member, Node, Root, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.trust import Endpoint, EndpointKey, Feed

# Head of an empty trust inbox.
NO_HEAD = b64(bytes(32))


class Standing(NamedTuple):
    """An endpoint in its member, with its keys by thumbprint."""

    member: Member
    endpoint: Endpoint
    keys: dict[str, EndpointKey]

    @property
    def alpha3(self) -> str:
        """The nation as releasability spells it: PAN or USA."""
        return ALPHA3[self.member.nation]

    @property
    def is_active(self) -> bool:
        """Whether it may sign and receive at all."""
        return self.endpoint.status == "active"

    def known_key(self, kid: str, at: str) -> EndpointKey:
        """Return the key that a signature names, whether or not it is valid now.

        Raises:
            Refusal: ``unknown-key``.
        """
        key = self.keys.get(kid)
        if key is None:
            raise Refusal(Code.UNKNOWN_KEY, at, kid=kid[:64], name=self.endpoint.id)
        return key

    def signing_key(self, kid: str, now: int, at: str) -> EndpointKey:
        """Return a signing key by thumbprint, valid at this second.

        Raises:
            Refusal: ``unknown-key`` or ``key-not-valid``.
        """
        key = self.known_key(kid, at)
        if key.use != "sig" or not key.since <= now < key.until:
            raise Refusal(Code.KEY_NOT_VALID, at, kid=kid[:64], name=self.endpoint.id)
        return key


class View(msgspec.Struct, frozen=True):
    """The trust documents in force after the journal entry at ``index`` (-1: none yet).

    ``heads`` is the chain over the trust inbox: ``heads[n]`` covers its first n documents.
    Immutable: a view that was handed out never changes under its holder.
    """

    anchor: str
    index: int = -1
    heads: tuple[str, ...] = (NO_HEAD,)
    versions: dict[str, int] = {}
    root: Root | None = None
    arrangement: Arrangement | None = None
    nodes: dict[str, Node] = {}
    endpoints: dict[str, Standing] = {}
    subscriptions: dict[str, Subscription] = {}

    @property
    def position(self) -> int:
        """How many documents the trust inbox holds."""
        return len(self.heads) - 1

    def standing(self, endpoint: str, at: str = "/endpoint") -> Standing:
        """Return an active endpoint.

        Raises:
            Refusal: ``unknown-endpoint`` or ``endpoint-suspended``.
        """
        standing = self.endpoints.get(endpoint)
        if standing is None:
            raise Refusal(Code.UNKNOWN_ENDPOINT, at, name=endpoint)
        if not standing.is_active:
            raise Refusal(Code.ENDPOINT_SUSPENDED, at, name=endpoint)
        return standing

    def signatory(self, origin: str, endpoint: str, suite: str) -> Standing:
        """Return the endpoint that an object says it is signed by, if it may sign like that.

        The suite is the one that the directory gives the endpoint: there is no negotiation.

        Raises:
            Refusal: unknown or suspended endpoint, another member's, or another suite.
        """
        standing = self.standing(endpoint)
        self.must_sign_as(standing, origin, suite)
        return standing

    def must_sign_as(self, standing: Standing, origin: str, suite: str) -> None:
        """Hold an object to the member and the suite of the endpoint that it names.

        Raises:
            Refusal: ``origin-mismatch`` or ``suite-not-allowed``.
        """
        if origin != standing.member.member:
            raise Refusal(Code.ORIGIN_MISMATCH, "/origin", expected=standing.member.member)
        allowed = standing.endpoint.suite
        if suite != allowed or allowed not in self.agreed().suites:
            raise Refusal(Code.SUITE_NOT_ALLOWED, "/suite", expected=allowed, found=suite)

    def agreed(self) -> Arrangement:
        """Return the arrangement; nothing flows before there is one."""
        if self.arrangement is None:
            raise Refusal(Code.TRUST_INVALID, "/trust", name="arrangement")
        return self.arrangement

    def feed(self, name: str, at: str = "/feed") -> Feed:
        """Return a feed of the arrangement, or refuse."""
        feed = self.agreed().feed(name)
        if feed is None:
            raise Refusal(Code.UNKNOWN_FEED, at, name=name)
        return feed

    def sealing_key(self, endpoint: str, alg: str, now: int, at: str = "/to") -> EndpointKey:
        """Return the newest encryption key of an endpoint that is valid now.

        Args:
            endpoint: the recipient.
            alg: of the sender's suite: one bulletin is wrapped in one way.
            now: seconds UTC.
            at: JSON pointer of the recipient.

        Raises:
            Refusal: ``unknown-recipient``, ``recipient-lacks-suite``, or
                ``recipient-key-unfit``: naming the recipient and what is wrong with its keys.
        """
        standing = self.endpoints.get(endpoint)
        if standing is None:
            raise Refusal(Code.UNKNOWN_RECIPIENT, at, name=endpoint)
        if not standing.is_active:
            raise Refusal(
                Code.RECIPIENT_KEY_UNFIT, at, name=endpoint, expected="active-endpoint"
            )
        keys = [
            key for key in standing.endpoint.keys if key.use == "enc" and key.jwk.alg == alg
        ]
        if not keys:
            raise Refusal(Code.RECIPIENT_LACKS_SUITE, at, name=endpoint, expected=alg)
        fit = [key for key in keys if key.since <= now < key.until]
        if not fit:
            raise Refusal(Code.RECIPIENT_KEY_UNFIT, at, name=endpoint, **_unfit(keys, now))
        return max(fit, key=lambda key: key.since)

    def subscribers(self, feed: str) -> list[str]:
        """Return the endpoints that subscribe to a feed and may read it, sorted."""
        readers = set(self.feed(feed).read)
        return sorted(
            name
            for name, subscription in self.subscriptions.items()
            if feed in subscription.feeds
            and (standing := self.endpoints.get(name)) is not None
            and standing.is_active
            and "reader" in standing.endpoint.roles
            and standing.member.member in readers
        )

    def with_document(self, document: Document | Subscription, named: str, index: int) -> View:
        """Return the view after one more trust document; ``named`` is its digest.

        Raises:
            Refusal: ``stale-version``: versions count up by one.
        """
        name = trust_name(document)
        expected = self.versions.get(name, 0) + 1
        if document.version != expected:
            raise Refusal(
                Code.STALE_VERSION, "/version", expected=expected, found=document.version
            )
        changed = msgspec.structs.replace(
            self,
            index=index,
            heads=(*self.heads, chain(self.heads[-1], named)),
            versions={**self.versions, name: document.version},
        )
        replace = msgspec.structs.replace
        match document:
            case Root():
                return replace(changed, root=document)
            case Arrangement():
                return replace(changed, arrangement=document)
            case Node():
                return replace(changed, nodes={**self.nodes, document.node: document})
            case Member():
                return replace(changed, endpoints=_with_member(self.endpoints, document))
            case Subscription():
                chosen = {**self.subscriptions, document.endpoint: document}
                return replace(changed, subscriptions=chosen)


def _unfit(keys: Sequence[EndpointKey], now: int) -> dict[str, str]:
    """Return why none of these keys is valid now, as facts of the refusal."""
    if begins := [key.since for key in keys if key.since > now]:
        return {"expected": "begun-key", "since": _day(min(begins))}
    return {"expected": "unexpired-key", "until": _day(max(key.until for key in keys))}


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def trust_name(document: Document | Subscription) -> str:
    """Return the name that a document's versions are counted under."""
    if isinstance(document, Subscription):
        return f"subscriptions/{document.endpoint}"
    return name_of(document)


def chain(head: str, named: str) -> str:
    """Return the head of the trust inbox after a document with this digest."""
    return b64(sha256(unb64(head) + unb64(named)).digest())


def _with_member(endpoints: dict[str, Standing], member: Member) -> dict[str, Standing]:
    others = {
        name: standing
        for name, standing in endpoints.items()
        if standing.member.member != member.member
    }
    for endpoint in member.endpoints:
        keys = {key.jwk.kid: key for key in endpoint.keys}
        others[endpoint.id] = Standing(member, endpoint, keys)
    return others
