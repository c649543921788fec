"""Found an exchange for an exercise: keys and signed trust documents of two small nations.

For demonstrations, trials and tests: one place makes all the keys, which no real arrangement
would allow. The real ceremony is between custodians who share files and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.custody.container import Secrets
from exchange.model.identity import Signatory, digest
from exchange.model.metadata import info
from exchange.model.trust import (
    Arrangement,
    Clock,
    Endpoint,
    EndpointKey,
    Feed,
    Limits,
    Member,
    Node,
    Witnesses,
    encode,
)
from exchange.model.view import Custodians, View
from exchange.seal import trust, trust_making, trust_online
from exchange.seal.open import SoftwareOpener
from exchange.seal.software import (
    SEED_BYTES,
    SecretKey,
    SoftwareSigner,
    load,
    new_opening,
    new_signing,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exchange.model.identity import Nation, SuiteId
    from exchange.model.metadata import Root, Targets
    from exchange.model.trust import Document, Label, Role
    from exchange.seal.jws import Signer

SUITE: SuiteId = "xb1-h"  # what is founded by unless another is named
REGIME = "salas-becker"
_YEAR_S = 365 * 86_400
# A little longer than the keys of an exercise: what ends first is what is trained for.
LIFETIME_S = 400 * 86_400
_BUNDLE_BYTES = 900_000
# Each nation's documents take two custodians, as the real arrangement will.
CUSTODIANS = 2


class EndpointPlan(NamedTuple):
    """An endpoint to found: ``pa.senan/ops``, its title, what it may do, and how it signs."""

    id: str
    title: Label
    roles: tuple[Role, ...] = ("poster", "reader")
    feeds: tuple[str, ...] = ()
    suite: SuiteId = SUITE


class MemberPlan(NamedTuple):
    """An agency to found."""

    member: str
    title: Label
    endpoints: tuple[EndpointPlan, ...]

    @property
    def nation(self) -> Nation:
        """The nation that its name begins with."""
        return "pa" if self.member.startswith("pa.") else "us"


class NodePlan(NamedTuple):
    """A node to found: its name, where it answers, its certificate's digest, whom it serves."""

    name: str
    url: str
    tls: str
    suite: SuiteId = SUITE
    serves: tuple[Nation, ...] = ("pa", "us")


class Founded(NamedTuple):
    """An exchange about to begin: public documents in their order, and everybody's secrets."""

    anchor: str
    documents: list[bytes]
    # The first node's first snapshot and timestamp: it makes its own when it finds none.
    stamp: bytes
    custodians: dict[str, Secrets]
    endpoints: dict[str, Secrets]
    nodes: dict[str, Secrets]

    @property
    def node(self) -> Secrets:
        """The keys of the first node: the only one, where it serves both nations."""
        return next(iter(self.nodes.values()))


class Founder:
    """Makes keys and signs documents; keeps the custodians' signers for later versions."""

    def __init__(
        self,
        randomness: Callable[[int], bytes],
        now: int,
        suites: Sequence[SuiteId] = (SUITE,),
        lifetime_s: int = LIFETIME_S,
    ) -> None:
        """Begin with fresh custodians of both nations, who sign by the first of these suites.

        Every endpoint receives by each of the suites, whichever its own is. What custodians
        sign is good for ``lifetime_s``.
        """
        self._randomness = randomness
        self.now = now
        self.suites = tuple(suites)
        self.expires = now + lifetime_s
        self.custodian_secrets: dict[Nation, list[Secrets]] = {
            nation: [
                self._custodian(f"{nation}-custodian-{number + 1}")
                for number in range(CUSTODIANS)
            ]
            for nation in _nations()
        }
        self.custodians: dict[Nation, dict[str, SoftwareSigner]] = {
            nation: {each.holder: SoftwareSigner.of(each.of("sign")) for each in secrets}
            for nation, secrets in self.custodian_secrets.items()
        }

    def _custodian(self, name: str) -> Secrets:
        return Secrets(name, {"sign": new_signing(self.suites[0], self._randomness)})

    @property
    def circles(self) -> dict[Nation, Custodians]:
        """The custodians of each nation: the same people for every role."""
        return {
            nation: Custodians(
                CUSTODIANS,
                tuple(Signatory(name, list(each.keys)) for name, each in signers.items()),
            )
            for nation, signers in self.custodians.items()
        }

    def root(self, nodes: Mapping[str, Signatory], version: int = 1) -> Root:
        """Return the anchor: the custodians of each nation, and the nodes' keys."""
        return trust_making.root(version, self.expires, self.circles, nodes)

    def signers(self, nations: Sequence[Nation] = ("pa", "us")) -> list[Signer]:
        """Return all custodians of these nations, in the order in which they sign."""
        return [each for nation in nations for each in self.custodians[nation].values()]

    def signed(
        self,
        made: Root | Targets,
        files: Sequence[bytes] = (),
        nations: Sequence[Nation] = ("pa", "us"),
    ) -> bytes:
        """Return metadata with its files, signed by all custodians of these nations."""
        return trust_making.signed(made, files, self.signers(nations))

    def rearranged(self, view: View, after: Arrangement) -> bytes:
        """Return the next version of the arrangement's bundle."""
        if "targets" in view.files:
            return self.signed(*trust_making.rearranged(view, after, self.expires))
        circles: dict[str, Mapping[Nation, Custodians]] = {
            nation: {nation: circle} for nation, circle in self.circles.items()
        }
        raw = encode(after)
        return self.signed(trust_making.top(1, self.expires, info(raw), circles), [raw])

    def of_nation(
        self,
        view: View,
        nation: Nation,
        documents: Sequence[Document],
        by: Sequence[Nation] | None = None,
    ) -> bytes:
        """Return a nation's next bundle, with these members and nodes as they shall be."""
        made, files = trust_making.of_nation(view, nation, documents, self.expires)
        return self.signed(made, files, [nation] if by is None else by)

    def member(self, plan: MemberPlan, secrets: dict[str, Secrets], version: int = 1) -> Member:
        """Return a member's document over endpoints whose keys exist."""
        return Member(
            v="xb1",
            version=version,
            issued=self.now,
            member=plan.member,
            nation=plan.nation,
            title=plan.title,
            endpoints=[self._endpoint(each, secrets[each.id]) for each in plan.endpoints],
        )

    def _endpoint(self, plan: EndpointPlan, secrets: Secrets) -> Endpoint:
        until = self.now + _YEAR_S
        keys = [
            EndpointKey("sig", load(secret)[0], self.now, until)
            for secret in secrets.of("sign")
        ]
        keys += [
            EndpointKey("enc", SoftwareOpener(secret).key, self.now, until)
            for secret in secrets.of("open")
        ]
        return Endpoint(plan.id, plan.title, "active", plan.suite, list(plan.roles), keys)

    def node(self, plan: NodePlan, secrets: Secrets, version: int = 1) -> Node:
        """Return a node's document."""
        return Node(
            v="xb1",
            version=version,
            issued=self.now,
            node=plan.name,
            nation="pa" if plan.name.startswith("pa") else "us",
            serves=list(plan.serves),
            url=plan.url,
            tls=plan.tls,
            receipts=Signatory(
                f"{plan.name}-receipts", [load(each)[0] for each in secrets.of("sign")]
            ),
            log=[load(each)[0] for each in secrets.of("log")],
        )

    def new_endpoint(self, name: str, suite: SuiteId = SUITE) -> Secrets:
        """Return fresh keys for an endpoint: to sign, and to open what any suite sealed."""
        opening = [new_opening(each, self._randomness) for each in self.suites]
        return Secrets(name, {"sign": new_signing(suite, self._randomness), "open": opening})

    def new_node(self, name: str, suite: SuiteId = SUITE) -> Secrets:
        """Return fresh keys for a node: receipts, and the log. None of them opens anything."""
        log = [SecretKey(alg, self._randomness(SEED_BYTES)) for alg in ("Ed25519", "ML-DSA-44")]
        return Secrets(name, {"sign": new_signing(suite, self._randomness), "log": log})


def found(  # noqa: PLR0913, PLR0917  (all that an exchange begins with)
    founder: Founder,
    members: Sequence[MemberPlan],
    nodes: Sequence[NodePlan],
    feeds: Sequence[Feed],
    witnesses: Witnesses | None = None,
    clocks: Sequence[Clock] = (),
) -> Founded:
    """Make everybody's keys, and the documents that begin an exchange, in order.

    Args:
        founder: with its custodians.
        members: the agencies and their endpoints.
        nodes: one that serves both nations, or one of each.
        feeds: what the arrangement lets flow.
        witnesses: who must cosign the node's checkpoints; None: nobody.
        clocks: for boarding requests.
    """
    secrets = {
        plan.id: founder.new_endpoint(plan.id, plan.suite)
        for each in members
        for plan in each.endpoints
    }
    keys = {each.name: founder.new_node(each.name, each.suite) for each in nodes}
    listed_nodes = [founder.node(each, keys[each.name]) for each in nodes]
    online = {each.node: each.receipts for each in listed_nodes}
    documents = [founder.signed(founder.root(online))]
    view = View(anchor=digest(documents[0]))
    now = founder.now

    def add(made: bytes) -> None:
        nonlocal view
        view = trust.apply(made, view, len(documents), now, is_known=True)
        documents.append(made)

    view = trust.apply(documents[0], view, 0, now, is_known=True)
    plain = arrangement(feeds, now, suites=founder.suites, witnesses=witnesses)
    agreed = msgspec.structs.replace(plain, clocks=[*clocks])
    add(founder.rearranged(view, agreed))
    for nation in _nations():
        listed: list[Document] = [
            founder.member(each, secrets) for each in members if each.nation == nation
        ]
        listed += [each for each in listed_nodes if each.nation == nation]
        for part in _parts(listed):
            add(founder.of_nation(view, nation, part))
    first = nodes[0].name
    stamp = trust_online.make(first, view, SoftwareSigner.of(keys[first].of("sign")), now)
    everyone = {
        each.holder: each
        for secrets_of in founder.custodian_secrets.values()
        for each in secrets_of
    }
    return Founded(digest(documents[0]), documents, stamp, everyone, secrets, keys)


def _parts(documents: Sequence[Document]) -> list[list[Document]]:
    """Return documents in as many bundles as it takes for each to be let in."""
    parts: list[list[Document]] = [[]]
    size = 0
    for each in documents:
        size += len(encode(each))
        if size > _BUNDLE_BYTES and parts[-1]:
            parts.append([])
            size = len(encode(each))
        parts[-1].append(each)
    return parts


def arrangement(
    feeds: Sequence[Feed],
    now: int,
    version: int = 1,
    suites: Sequence[SuiteId] = (SUITE,),
    witnesses: Witnesses | None = None,
) -> Arrangement:
    """Return an exercise's arrangement over these feeds."""
    return Arrangement(
        v="xb1",
        version=version,
        issued=now,
        name={
            "es": "EJERCICIO: arreglo de demostración",
            "en": "EXERCISE: demonstration arrangement",
        },
        suites=list(suites),
        schemas=["1.0"],
        feeds=list(feeds),
        regimes=[REGIME],
        limits=Limits(lifetime_s=90 * 86_400, skew_s=300, late_s=3600),
        quorum="none" if witnesses is None else "witnesses",
        exercise=True,
        witnesses=witnesses,
    )


def _nations() -> tuple[Nation, Nation]:
    return ("pa", "us")
