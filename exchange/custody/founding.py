"""Found an exchange for an exercise: keys and signed trust documents of two small nations.

For demonstrations, trials and tests: one place makes all the keys, which no real arrangement
would allow. The real ceremony is between custodians who share files and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.custody.container import Secrets
from exchange.model import trust
from exchange.model.identity import Signatory, digest
from exchange.model.trust import (
    Arrangement,
    Custodians,
    Endpoint,
    EndpointKey,
    Feed,
    Limits,
    Member,
    Node,
    Root,
    Witnesses,
)
from exchange.seal import jws
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
    from collections.abc import Callable, Sequence

    from exchange.model.identity import Nation, SuiteId
    from exchange.model.trust import Document, Label, Role

SUITE: SuiteId = "xb1-h"  # what is founded by unless another is named
_YEAR_S = 365 * 86_400
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
    """The node to found: its name, where it answers, its certificate's digest, its suite."""

    name: str
    url: str
    tls: str
    suite: SuiteId = SUITE


class Founded(NamedTuple):
    """An exchange about to begin: public documents in their order, and everybody's secrets."""

    anchor: str
    documents: list[bytes]
    custodians: dict[str, Secrets]
    endpoints: dict[str, Secrets]
    node: Secrets


class Founder:
    """Makes keys and signs documents; keeps the custodians' signers for later versions."""

    def __init__(
        self,
        randomness: Callable[[int], bytes],
        now: int,
        suites: Sequence[SuiteId] = (SUITE,),
    ) -> None:
        """Begin with fresh custodians of both nations, who sign by the first of these suites.

        Every endpoint receives by each of the suites, whichever its own is.
        """
        self._randomness = randomness
        self._now = now
        self.suites = tuple(suites)
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

    def root(self, version: int = 1) -> Root:
        """Return the anchor: the custodians of each nation."""
        return Root(
            v="xb1",
            version=version,
            issued=self._now,
            suite=self.suites[0],
            nations={
                nation: Custodians(
                    CUSTODIANS,
                    [Signatory(name, list(each.keys)) for name, each in signers.items()],
                )
                for nation, signers in self.custodians.items()
            },
        )

    def signed(self, document: Document, nations: Sequence[Nation] = ("pa", "us")) -> bytes:
        """Return a document signed by all custodians of these nations."""
        signers = [each for nation in nations for each in self.custodians[nation].values()]
        return jws.sign(trust.encode(document), trust.TYP, signers)

    def member(self, plan: MemberPlan, secrets: dict[str, Secrets], version: int = 1) -> Member:
        """Return a member's document over endpoints whose keys exist."""
        return Member(
            v="xb1",
            version=version,
            issued=self._now,
            member=plan.member,
            nation=plan.nation,
            title=plan.title,
            endpoints=[self._endpoint(each, secrets[each.id]) for each in plan.endpoints],
        )

    def _endpoint(self, plan: EndpointPlan, secrets: Secrets) -> Endpoint:
        until = self._now + _YEAR_S
        keys = [
            EndpointKey("sig", load(secret)[0], self._now, until)
            for secret in secrets.of("sign")
        ]
        keys += [
            EndpointKey("enc", SoftwareOpener(secret).key, self._now, until)
            for secret in secrets.of("open")
        ]
        return Endpoint(plan.id, plan.title, "active", plan.suite, list(plan.roles), keys)

    def node(self, plan: NodePlan, secrets: Secrets, version: int = 1) -> Node:
        """Return a node's document; it serves both nations."""
        return Node(
            v="xb1",
            version=version,
            issued=self._now,
            node=plan.name,
            nation="pa" if plan.name.startswith("pa") else "us",
            serves=["pa", "us"],
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


def found(
    founder: Founder,
    members: Sequence[MemberPlan],
    node: NodePlan,
    feeds: Sequence[Feed],
    witnesses: Witnesses | None = None,
) -> Founded:
    """Make everybody's keys, and the documents that begin an exchange, in order.

    Args:
        founder: with its custodians.
        members: the agencies and their endpoints.
        node: the one node that serves both nations.
        feeds: what the arrangement lets flow.
        witnesses: who must cosign the node's checkpoints; None: nobody.
    """
    secrets = {
        plan.id: founder.new_endpoint(plan.id, plan.suite)
        for each in members
        for plan in each.endpoints
    }
    node_secrets = founder.new_node(node.name, node.suite)
    node_document = founder.node(node, node_secrets)
    root = founder.signed(founder.root())
    agreed = arrangement(
        feeds, founder.root().issued, suites=founder.suites, witnesses=witnesses
    )
    documents = [
        root,
        founder.signed(agreed),
        founder.signed(node_document, [node_document.nation]),
        *(founder.signed(founder.member(each, secrets), [each.nation]) for each in members),
    ]
    everyone = {
        each.holder: each
        for secrets_of in founder.custodian_secrets.values()
        for each in secrets_of
    }
    return Founded(digest(root), documents, everyone, secrets, node_secrets)


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
        regimes=["salas-becker"],
        limits=Limits(lifetime_s=90 * 86_400, skew_s=300, late_s=3600),
        quorum="none" if witnesses is None else "witnesses",
        exercise=True,
        witnesses=witnesses,
    )


def _nations() -> tuple[Nation, Nation]:
    return ("pa", "us")
