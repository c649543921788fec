"""Another implementation holds a node's receipts to what section 7 of docs/protocol.md says."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from exchange.model.codec import b64
from tests.builders import FOUNDED, world
from tests.node.running import post, running
from tests.peers.javascript import needs_packages

pytestmark = needs_packages


@pytest.fixture(scope="module")
def group():
    """Five envelopes committed together: (object, receipt) of each."""

    async def made():
        async with running() as node:
            sent = [world().envelope() for _ in range(5)]
            answers = await asyncio.gather(*(post(node, each) for each in sent))
            return [
                (each.header, msgspec.json.decode(msgspec.json.encode(answer.receipt)))
                for each, answer in zip(sent, answers, strict=True)
            ]

    return asyncio.run(made())


@pytest.fixture(scope="module")
def ask(peer):
    documents = [raw.decode() for raw in world().documents]
    told = {"anchor": world().anchor, "founded": FOUNDED, "documents": documents}

    def asked(receipt, posted, home="pa"):
        return peer.ask("receipt", world=told, receipt=receipt, object=b64(posted), home=home)

    return asked


def test_receipts_of_one_commit_hold(group, ask):
    assert max(len(receipt["path"]) for _, receipt in group) > 1
    for posted, receipt in group:
        assert ask(receipt, posted)["kind"] == "accepted"


def flipped(receipt, place):
    signatures = [dict(each) for each in receipt["group"]["signatures"]]
    text = signatures[place]["signature"]
    signatures[place]["signature"] = ("A" if text[0] != "A" else "B") + text[1:]
    return {**receipt["group"], "signatures": signatures}


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("bad-proof", lambda told: {"index": told["index"] + 1}),
        ("bad-proof", lambda told: {"index": told["index"] - 1}),
        ("bad-proof", lambda _: {"index": -1}),
        ("bad-proof", lambda told: {"facts": told["facts"].replace("watch", "match")}),
        ("bad-proof", lambda told: {"facts": told["facts"].replace("accepted", "refused")}),
        ("bad-proof", lambda told: {"path": told["path"][::-1]}),
        ("bad-proof", lambda told: {"path": told["path"][:-1]}),
        ("bad-proof", lambda told: {"path": [*told["path"], "A" * 43]}),
        ("bad-proof", lambda _: {"node": "us"}),
        ("bad-signature", lambda told: {"group": flipped(told, 0)}),
        ("bad-signature", lambda told: {"group": flipped(told, 1)}),
    ],
)
def test_altered_receipt_is_refused(code, change, group, ask):
    posted, receipt = group[1]
    assert ask({**receipt, **change(receipt)}, posted) == {"code": code}


def test_receipt_is_for_one_object_and_one_node(group, ask):
    assert ask(group[1][1], group[2][0]) == {"code": "bad-proof"}
    assert ask(group[1][1], group[1][0] + b" ") == {"code": "bad-proof"}


def test_statement_without_its_second_signature_is_refused(group, ask):
    posted, receipt = group[0]
    alone = {**receipt["group"], "signatures": receipt["group"]["signatures"][:1]}
    assert ask({**receipt, "group": alone}, posted) == {"code": "signature-count"}
