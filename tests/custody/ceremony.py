"""Two delegations for tests: custodians with keys, a node, a draft, and who signs what."""

from __future__ import annotations

import os

from exchange.cli.state import make_certificate
from exchange.custody import cards, consent, proposal, proposing
from exchange.custody.cards import CustodianCard, NodeCard
from exchange.custody.proposing import Wanted
from exchange.model.identity import Signatory
from exchange.model.trust import Arrangement, Feed, Label, Limits, Member, Node
from exchange.model.view import View
from exchange.seal.software import SEED_BYTES, SecretKey, SoftwareSigner, load, new_signing

NOW = 1_790_000_000
DAY_S = 86_400
UNTIL = NOW + 366 * DAY_S
NAMES = ("pa-custodian-1", "pa-custodian-2", "us-custodian-1", "us-custodian-2")
TITLE: Label = {"es": "PRUEBA", "en": "TEST"}
# By the first key: a node's card as it was signed, and its keys.
NODE_CARDS: dict[str, bytes] = {}
NODE_SIGNERS: dict[str, SoftwareSigner] = {}
FEED = Feed("maritime", TITLE, ["voi"], ["pa.senan"], ["us.jiatfs"])


class Delegations:
    """Custodians of both nations, and where their trust documents are."""

    def __init__(self, names=NAMES, suite="xb1-h"):
        self.signers = {
            name: SoftwareSigner.of(new_signing(suite, os.urandom)) for name in names
        }
        self.view = View(anchor="")
        self.bundles = []

    def card(self, name, issued=NOW):
        signer = self.signers[name]
        who = Signatory(name, list(signer.keys))
        return cards.sign(CustodianCard("xb1", issued, name[:2], who), signer)

    def cards(self, names=None):
        return [cards.read(self.card(name)) for name in names or self.signers]

    def propose(self, wanted, now=NOW, until=UNTIL):
        """With the card of everybody new, and of each node."""
        shown = [self.card(each.signatory.name) for each in wanted.custodians]
        shown += [NODE_CARDS[each.receipts.keys[0].kid] for each in wanted.nodes]
        wanted = wanted._replace(shown=[*shown, *wanted.shown])
        return proposal.read(proposing.propose(self.view, wanted, now, until))

    def steps(self, proposed, now=NOW):
        return proposal.steps(proposed, self.view, now)

    def sign(self, proposed, name, now=NOW):
        return consent.read(
            consent.sign(proposed, self.steps(proposed, now), self.signers[name])
        )

    def agree(self, proposed, names, now=NOW):
        given = [self.sign(proposed, name, now) for name in names]
        return consent.agree(proposed, self.steps(proposed, now), given, now)

    def take(self, wanted, names, now=NOW, until=UNTIL):
        agreed = self.agree(self.propose(wanted, now, until), names, now)
        self.view = agreed.view
        self.bundles += agreed.bundles
        return agreed

    def founding(self, node=None):
        return Wanted(
            custodians=self.cards(),
            arrangement=arrangement(),
            nodes=[(node or new_node()).node],
        )


def new_node(name="pa", url="https://127.0.0.1:1", serves=("pa", "us")):
    seed = os.urandom(32)
    certificate, tls = make_certificate("127.0.0.1", seed, NOW)
    signer = SoftwareSigner.of(new_signing("xb1-h", os.urandom))
    log = [load(SecretKey(alg, os.urandom(SEED_BYTES)))[0] for alg in ("Ed25519", "ML-DSA-44")]
    receipts = Signatory(f"{name}-receipts", list(signer.keys))
    node = Node("xb1", 1, NOW, name, name[:2], list(serves), url, tls, receipts, log)
    raw = cards.sign(NodeCard("xb1", NOW, node, certificate), signer)
    NODE_CARDS[signer.keys[0].kid], NODE_SIGNERS[signer.keys[0].kid] = raw, signer
    return cards.read(raw)


def arrangement(feeds=(FEED,)):
    return Arrangement(
        v="xb1",
        version=1,
        issued=NOW,
        name=TITLE,
        suites=["xb1-h"],
        schemas=["1.0"],
        feeds=list(feeds),
        regimes=[],
        limits=Limits(90 * DAY_S, 300, 3600),
        quorum="none",
        exercise=True,
    )


def member(name="pa.senan", endpoints=()):
    return Member("xb1", 1, NOW, name, name[:2], TITLE, list(endpoints))
