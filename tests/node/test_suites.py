"""A node whose own suite is not the first, and endpoints of several suites at its door."""

from __future__ import annotations

import pytest

from exchange.cli.serve import log_signers
from exchange.client import receipts
from exchange.model import entry as entries
from exchange.seal.software import SoftwareSigner
from tests import builders
from tests.builders import COAST, OPS, WATCH
from tests.node.running import post, running

WORLDS = {
    "xb1-c": builders.world("xb1-c"),
    "xb1-ch": builders.world("xb1-ch"),
    "mixed": builders.mixed(),
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
async def test_node_takes_bulletins_and_signs_receipts_in_its_suite(world):
    async with running(
        documents=world.documents,
        signer=SoftwareSigner.of(world.node.of("sign")),
        anchor=world.anchor,
        log=log_signers("pa", world.node),
    ) as node:
        for author in (OPS, WATCH, COAST):
            to = sorted({OPS, WATCH, COAST} - {author})
            sent = world.envelope(endpoint=author, to=to)
            answer = await post(node, sent, author)
            assert answer.receipt is not None, answer
            facts = receipts.verify(answer.receipt, sent.header, world.view)
            assert isinstance(facts, entries.Accepted)
            ack = world.ack(sent, to[0])
            answer = await post(node, ack, to[0])
            facts = receipts.verify(answer.receipt, ack, world.view)
            assert isinstance(facts, entries.Acknowledged)
