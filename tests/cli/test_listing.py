"""Which entries an auditor is shown, and which anybody may prove."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from click.testing import CliRunner

from exchange.cli import listing
from exchange.cli.main import cli
from exchange.errors import Code, Refusal
from exchange.journal import bundle
from exchange.journal.logkeys import log_keys
from exchange.journal.tree import leaf_hash
from exchange.model import wire
from exchange.store.sqlite import SqliteStore
from tests.api.serving import serving
from tests.builders import COAST, OPS, WATCH, world
from tests.client.dealing import agency, draft
from tests.node.running import running


async def test_every_entry_of_a_file_is_listed_once_over_many_pages(tmp_path):
    store = SqliteStore.open(tmp_path / "j.db")
    async with running(store) as node:
        await asyncio.gather(*(node.submit(OPS, b"junk %d" % n, b"") for n in range(300)))
        size = node.size
    found = await asyncio.to_thread(listing.of_file, tmp_path / "j.db", 3, 1000)
    assert [index for index, _ in found] == list(range(3, size))
    assert max(Counter(raw for _, raw in found).values()) == 1


@pytest.mark.parametrize(
    "words", [["log", "{}", "--first", "-5"], ["log", "{}", "--limit", "-1"], ["proof", "-5"]]
)
def test_number_below_none_makes_no_sense(tmp_path, words):
    file = tmp_path / "file"
    file.touch()
    words = [word.format(file) for word in words]
    # Behind "--" or not, it is no entry number.
    ran = CliRunner().invoke(cli, ["audit", words[0], *words[1:]])
    assert ran.exit_code == 2
    if words[0] == "proof":
        ran = CliRunner().invoke(cli, ["audit", "proof", "--", "-5"])
        assert (ran.exit_code, "-5" in ran.output) == (2, True)


async def test_own_acknowledgement_is_proved_without_being_an_auditor(tmp_path):
    async with serving() as door, agency(door.url, tmp_path / "watch", WATCH) as line:
        async with agency(door.url, tmp_path / "ops") as ops:
            await ops.post(await ops.prepare(draft()))
        (item,) = await line.everything()
        index = (await line.acknowledge(item, "opened")).index
        await door.node.checkpoints.checkpoint()
        raw = await listing.one(line, index)
        answer = await line.transport.get_as(wire.Proof, "/v1/proof", index=index)
        keys = log_keys(world().view.nodes["pa"])
        found = bundle.parse(answer.proof.encode())
        bundle.verify_proof(found, leaf_hash(raw), origin="exchange/pa", required=keys)
        async with agency(door.url, tmp_path / "coast", COAST) as other:
            with pytest.raises(Refusal) as caught:
                await listing.one(other, index)
            assert caught.value.code is Code.MISSING_ROLE
