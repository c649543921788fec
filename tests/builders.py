"""Two nations in a few lines: a founded exchange, and valid objects to change one thing of.

Everything is synthetic and marked exercise. ``world()`` is made once for a test run: keys and
signatures cost milliseconds each. A world is never changed: what differs is another view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec

from exchange.broker.intake import Arrival
from exchange.custody.container import Secrets
from exchange.custody.founding import (
    EndpointPlan,
    Founder,
    MemberPlan,
    NodePlan,
    arrangement,
    found,
)
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.header import Blob, Header, Marking, Reference, TrustPoint
from exchange.model.identity import Jwk, Nation, SuiteId, digest
from exchange.model.metadata import Root, Targets
from exchange.model.trust import Arrangement, Document, Endpoint, Member, Node
from exchange.model.view import LIFETIME_S, View
from exchange.seal import jws, notices, trust, trust_making, trust_online
from exchange.seal.close import UNSEALED, Closed, Envelope, close_with_key, wrap
from exchange.seal.jws import Signer
from exchange.seal.open import SoftwareOpener
from exchange.seal.software import SoftwareSigner
from exchange.seal.suites import SUITES, suite_of
from tests.given import (
    AUDIT,
    COAST,
    DAY,
    DESK,
    ENDPOINTS,
    FOUNDED,
    HOUR,
    MINSA,
    NOW,
    NOW_MS,
    TEXT,
    TLS_MADE,
    TLS_SEED,
    WATCH,
    WATCH_DESK,
    Randomness,
    certificate,
    new_id,
    releaser,
    suspended,
)
from tests.looking import OPS, author, decoded, unpadded
from tests.nations import ALL, feeds, members

__all__ = [
    "ALL",
    "AUDIT",
    "COAST",
    "DAY",
    "DESK",
    "ENDPOINTS",
    "FOUNDED",
    "HOUR",
    "MINSA",
    "NOW",
    "NOW_MS",
    "OPS",
    "TEXT",
    "TLS_MADE",
    "TLS_SEED",
    "WATCH",
    "WATCH_DESK",
    "Arrival",
    "Closed",
    "EndpointPlan",
    "Envelope",
    "Founder",
    "MemberPlan",
    "Randomness",
    "SoftwareOpener",
    "SoftwareSigner",
    "View",
    "World",
    "arrangement",
    "author",
    "certificate",
    "decoded",
    "digest",
    "feeds",
    "members",
    "new_id",
    "objects",
    "refers",
    "releaser",
    "subject",
    "suspended",
    "unpadded",
    "world",
]


class World(NamedTuple):
    """A founded exchange: what is public, and everybody's secrets."""

    anchor: str
    documents: list[bytes]
    view: View
    founder: Founder
    secrets: dict[str, Secrets]
    nodes: dict[str, Secrets]
    signers: dict[str, SoftwareSigner]
    openers: dict[str, list[SoftwareOpener]]

    @property
    def node(self) -> Secrets:
        """The secrets of the node, or of Panama's."""
        return self.nodes["pa"]

    # -- objects -------------------------------------------------------------------------

    def header(self, **changes: Any) -> Header:
        """A valid header from pa.senan/ops, but for its commit and body, with changes.

        ``origin`` follows ``endpoint`` unless it is given too.
        """
        endpoint = changes.get("endpoint", OPS)
        suite = changes.get("suite", self.suite(endpoint))
        usual = Header(
            v="xb1",
            suite=suite,
            id=new_id(),
            origin=endpoint.partition("/")[0],
            endpoint=endpoint,
            type="voi",
            schema="1.0",
            verb="new",
            status="exercise",
            feed="maritime",
            to=[WATCH, COAST],
            marking=Marking("amber", ["PAN", "USA"], [], originator_control=False),
            declares=[],
            precedence="priority",
            observed=None,
            issued=NOW - 60,
            due=None,
            expires=NOW + DAY,
            retain_until=NOW + 30 * DAY,
            regime=None,
            refs=[],
            commit="A" * (43 if suite == "xb1-h" else 64),
            body=UNSEALED,
            attachments=[],
            trust=TrustPoint(self.view.position, self.view.heads[-1]),
        )
        return msgspec.structs.replace(usual, **changes)

    def envelope(
        self,
        header: Header | None = None,
        text: bytes = TEXT,
        recipients: Sequence[Jwk] | None = None,
        signer: SoftwareSigner | None = None,
        **changes: Any,
    ) -> Envelope:
        """A sealed and signed bulletin; ``changes`` are the header's."""
        return self.closed(header, text, recipients, signer, **changes).envelope

    def closed(
        self,
        header: Header | None = None,
        text: bytes = TEXT,
        recipients: Sequence[Jwk] | None = None,
        signer: SoftwareSigner | None = None,
        **changes: Any,
    ) -> Closed:
        """The same with its content key."""
        header = header or self.header(**changes)
        if recipients is None:
            recipients = [self.key(to, header.suite) for to in header.to]
        by = signer or self.signers[header.endpoint]
        return close_with_key(text, header, recipients, by, Randomness(header.id))

    def suite(self, endpoint: str) -> SuiteId:
        """The suite that the directory gives an endpoint; of OPS where there is none."""
        found = self.view.endpoints.get(endpoint) or self.view.endpoints[OPS]
        return found.endpoint.suite

    def key(self, endpoint: str, suite: SuiteId | None = None) -> Jwk:
        """The encryption key of an endpoint to which senders of a suite wrap: its own's."""
        wrap = SUITES[suite or self.suite(endpoint)].wrap
        return next(each.key for each in self.openers[endpoint] if each.key.alg == wrap)

    def sign(self, payload: object, typ: str, *endpoints: str) -> bytes:
        """Any payload, signed by these endpoints: bytes as they are, else as JSON."""
        raw = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        return jws.sign(raw, typ, [self.signers[each] for each in endpoints])

    def ack(self, of: Envelope, by: str = WATCH, /, **changes: Any) -> bytes:
        """A signed acknowledgement of an envelope."""
        ack = objects.Acknowledgement(
            v="xb1",
            suite=self.suite(by),
            id=new_id(),
            origin=by.partition("/")[0],
            endpoint=by,
            of=subject(of),
            outcome="opened",
            at=NOW,
            officer="exercise-officer",
        )
        return self.sign(msgspec.structs.replace(ack, **changes), objects.ACK_TYP, by)

    def grant(
        self, of: Closed, to: str = WATCH_DESK, by: str = OPS, /, **changes: Any
    ) -> Envelope:
        """A signed grant of a bulletin, with the wrapped key in the place of a body."""
        header = of.header
        wrapped = msgspec.json.encode(wrap(of.key, header, self.key(to, header.suite)))
        grant = objects.Grant(
            v="xb1",
            suite=self.suite(by),
            id=new_id(),
            origin=by.partition("/")[0],
            endpoint=by,
            of=subject(of.envelope),
            to=to,
            wrap=Blob(digest(wrapped), len(wrapped)),
            at=NOW,
        )
        changed = msgspec.structs.replace(grant, **changes)
        return Envelope(self.sign(changed, objects.GRANT_TYP, by), wrapped)

    def release(self, of: Envelope, by: str = DESK, /, **changes: Any) -> bytes:
        """A signed release of an envelope."""
        release = objects.Release(
            v="xb1",
            suite=self.suite(by),
            id=new_id(),
            origin=by.partition("/")[0],
            endpoint=by,
            of=subject(of),
            at=NOW,
            officer="exercise-releaser",
        )
        return self.sign(msgspec.structs.replace(release, **changes), objects.RELEASE_TYP, by)

    def notice(self, of: Envelope, **changes: Any) -> bytes:
        """A notice about an envelope, signed by the node it names: Panama's, or another."""
        secrets = self.nodes.get(changes.get("node", "pa"), self.node).of("sign")
        suite = suite_of([each.alg for each in secrets])
        assert suite is not None
        signer = SoftwareSigner(suite.id, secrets)
        notice = objects.Notice(
            v="xb1",
            suite=signer.suite,
            id=new_id(),
            node="pa",
            of=subject(of),
            about="late",
            recipient=None,
            code=None,
            at=NOW,
        )
        return notices.sign(msgspec.structs.replace(notice, **changes), signer)

    def subscription(
        self, by: str = WATCH, feeds: Sequence[str] = ("maritime",), **changes: Any
    ) -> bytes:
        """A signed subscription."""
        chosen = objects.Subscription(
            v="xb1",
            suite=self.suite(by),
            origin=by.partition("/")[0],
            endpoint=by,
            version=1,
            feeds=list(feeds),
            issued=NOW,
        )
        changed = msgspec.structs.replace(chosen, **changes)
        return self.sign(changed, objects.SUBSCRIPTION_TYP, by)

    def arrival(
        self, what: Envelope | bytes, caller: str | None = None, at: int = NOW
    ) -> Arrival:
        """What stands at the door; the caller is the author unless told otherwise."""
        raw, body = what if isinstance(what, Envelope) else (what, b"")
        return Arrival(caller if caller is not None else author(raw), raw, body, at * 1000)

    # -- trust ---------------------------------------------------------------------------

    def member(self, name: str) -> Member:
        """A member's document in force."""
        return self.view.endpoints.documents[name]

    def root(self, **changes: Any) -> Root:
        """The root after the one in force: the same people, once more."""
        root = self.founder.root(self.view.online, self.view.version_of("root") + 1)
        return msgspec.structs.replace(root, **changes)

    def signed(
        self, what: Document | Root | Targets, nations: Sequence[Nation] = ("pa", "us")
    ) -> bytes:
        """The bundle that brings this, signed by all custodians of these nations."""
        return self.signed_by(what, *self.founder.signers(nations))

    def signed_by(self, what: Document | Root | Targets, *signers: Signer) -> bytes:
        """The bundle that brings this, signed by these, in this order."""
        made, files = self.made(what)
        return trust_making.signed(made, files, signers)

    def made(self, what: Document | Root | Targets) -> tuple[Root | Targets, list[bytes]]:
        """The metadata that brings this, to be signed, and its files."""
        match what:
            case Arrangement():
                return trust_making.rearranged(self.view, what, self.founder.expires)
            case Member() | Node():
                own, until = what.nation, self.founder.expires
                return trust_making.of_nation(self.view, own, [what], until)
            case _:
                return what, []

    def amended(self, endpoint: str, change: Callable[[Endpoint], Endpoint]) -> bytes:
        """The next version of a member's document, one endpoint of it changed."""
        before = self.member(endpoint.partition("/")[0])
        after = msgspec.structs.replace(
            before,
            version=before.version + 1,
            endpoints=[
                change(each) if each.id == endpoint else each for each in before.endpoints
            ],
        )
        return self.signed(after, [before.nation])

    def rearranged(self, **changes: Any) -> bytes:
        """The next version of the arrangement."""
        before = arrangement(feeds(), FOUNDED, 2, self.founder.suites)
        return self.signed(msgspec.structs.replace(before, **changes))

    def stamped(self, now: int = NOW, lifetime_s: int = LIFETIME_S) -> bytes:
        """The node's next snapshot and timestamp."""
        signer = SoftwareSigner.of(self.node.of("sign"))
        return trust_online.make("pa", self.view, signer, now, lifetime_s)

    def after(self, *documents: bytes, now: int = NOW) -> World:
        """The world with these trust documents in force."""
        return self._replace(view=self.later(*documents, now=now))

    def later(self, *documents: bytes, now: int = NOW) -> View:
        """The view after more trust documents, each verified."""
        view = self.view
        for raw in documents:
            view = trust.apply(raw, view, view.index + 1, now)
        return view

    @property
    def arrangement(self) -> Arrangement:
        return self.view.agreed()


@cache
def world(suite: SuiteId = "xb1-h") -> World:
    """Two nations, all of one suite: five days old in no time, the same for every test."""
    seed = "exercise" if suite == "xb1-h" else f"exercise {suite}"
    return _founded(
        Founder(Randomness(seed), FOUNDED, [suite]), dict.fromkeys(ENDPOINTS, suite)
    )


@cache
def mixed() -> World:
    """The same nations with endpoints of every suite, each of whom receives from all."""
    founder = Founder(Randomness("exercise mixed"), FOUNDED, ["xb1-ch", "xb1-h", "xb1-c"])
    return _founded(
        founder, {**dict.fromkeys(ENDPOINTS, "xb1-h"), OPS: "xb1-ch", WATCH: "xb1-c"}
    )


def _founded(founder: Founder, suites: Mapping[str, SuiteId]) -> World:
    url, pin = "https://localhost:8443", certificate()[1]
    return _founded_at(founder, suites, NodePlan("pa", url, pin, founder.suites[0]))


@cache
def border() -> World:
    """The same nations, each with a node of its own: ``pa`` and ``us``."""
    founder = Founder(Randomness("exercise border"), FOUNDED, ["xb1-h"])
    pin = certificate()[1]
    nations: tuple[Nation, Nation] = ("pa", "us")
    nodes = [
        NodePlan(each, f"https://localhost:{port}", pin, serves=(each,))
        for each, port in zip(nations, (8443, 9443), strict=True)
    ]
    return _founded_at(founder, dict.fromkeys(ENDPOINTS, "xb1-h"), *nodes)


def _founded_at(founder: Founder, suites: Mapping[str, SuiteId], *nodes: NodePlan) -> World:
    plans = [
        plan._replace(
            endpoints=tuple(each._replace(suite=suites[each.id]) for each in plan.endpoints)
        )
        for plan in members()
    ]
    founded = found(founder, plans, nodes, feeds())
    documents = [*founded.documents, founded.stamp]
    view = View(anchor=founded.anchor)
    for index, document in enumerate(documents):
        view = trust.apply(document, view, index, FOUNDED)
    return World(
        founded.anchor,
        documents,
        view,
        founder,
        founded.endpoints,
        founded.nodes,
        {
            name: SoftwareSigner.of(secrets.of("sign"))
            for name, secrets in founded.endpoints.items()
        },
        {
            name: [SoftwareOpener(each) for each in secrets.of("open")]
            for name, secrets in founded.endpoints.items()
        },
    )


def subject(of: Envelope) -> objects.Subject:
    """The bulletin, or grant, that an object is about."""
    said = msgspec.json.decode(unpadded(msgspec.json.decode(of.header)["payload"]))
    return objects.Subject(said["endpoint"], said["id"], digest(of.header))


def refers(rel: Any, to: Envelope) -> list[Reference]:
    """The reference to another bulletin, as ``refs``."""
    return [Reference(rel, decoded(to.header).id, digest(to.header))]


def salt() -> str:
    return b64(bytes(16))
