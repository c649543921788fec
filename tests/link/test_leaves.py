"""The leaf hashes of the other node's journal: proved, kept, gone on from, never believed."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest
from aiohttp import web

from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.tree import leaf_hash
from exchange.link import leaves as told
from exchange.link.leaves import Leaves
from exchange.model import wire
from exchange.store.leaf_files import LeafFile
from tests.builders import border
from tests.link.bordered import bordered


@asynccontextmanager
async def followed(folder, **how):
    """Both nodes, and the US node's leaf hashes of the Panama journal."""
    async with bordered(**how) as both:
        await both.settle()
        yield both, kept_by(both, folder)


def kept_by(both, folder):
    puller = both.us.puller
    puller.leaves = Leaves(puller._far, puller, LeafFile(folder, "pa"))
    return puller.leaves


def altered(change):
    """The Panama node's answers on leaf hashes are changed."""

    def between(app, name):
        @web.middleware
        async def change_it(request, handler):
            answer = await handler(request)
            if name == "pa" and request.path == "/leaves":
                return web.Response(body=change(answer.body), status=answer.status)
            return answer

        app.middlewares.append(change_it)
        return app

    return between


async def hashes(node, size):
    return b"".join([leaf_hash(row.entry) for row in await node.store.read(0, size)])


async def all_of(leaves):
    while not await leaves.follow():
        pass


async def test_the_hashes_of_all_entries_up_to_the_newest_checkpoint_are_kept(tmp_path):
    async with followed(tmp_path) as (both, leaves):
        await all_of(leaves)
        size = both.us.puller.size
        assert size > 5
        kept = LeafFile(tmp_path, "pa")
        assert kept.recall()
        assert b"".join(kept.pieces(size)) == await hashes(both.pa.node, size)
        assert c2sp.parse(kept.reached.note.encode()).size == size


async def test_many_come_in_pieces_each_proved_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(told, "MAX_LEAVES", 3)
    async with followed(tmp_path) as (both, leaves):
        size = both.us.puller.size
        asked = 0
        while not await leaves.follow():
            asked += 1
            assert leaves._kept.frontier.size == min(3 * asked, size)
        assert asked == -(-size // 3)
        # Cut anywhere, it goes on from there, and after a start as well.
        await both.pa.post(border().envelope())
        await both.settle()
        other = kept_by(both, tmp_path)
        assert not await other.follow()
        assert other._kept.frontier.size == size + 3


@pytest.mark.parametrize(
    ("change", "at"),
    [
        (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "/leaves"),
        (lambda raw: raw[:-32], "/leaves"),
        (lambda raw: raw[:-1], "/leaves"),
        (lambda raw: raw + bytes(32), "/leaves"),
        (lambda raw: raw.partition(b"\n")[0] + b"\n", "/leaves"),
        (lambda raw: raw.replace(b'"grown":[]', b'"grown":["?"]'), "/leaves"),
    ],
)
async def test_hashes_that_do_not_lead_to_the_signed_root_are_not_kept(tmp_path, change, at):
    async with followed(tmp_path, between=altered(change)) as (_, leaves):
        with pytest.raises(Refusal) as caught:
            await leaves.follow()
        assert (caught.value.code, caught.value.at) == (Code.BAD_PROOF, at)
        assert not LeafFile(tmp_path, "pa").recall()


async def test_wrong_hashes_stop_the_link(tmp_path):
    async with followed(tmp_path, between=altered(lambda raw: raw[:-32] + bytes(32))) as (
        both,
        leaves,
    ):
        await leaves.run()
        assert both.us.puller.trouble.code is Code.BAD_PROOF
        with pytest.raises(Refusal):
            await both.us.puller.pull()


async def test_what_was_kept_of_another_past_accuses_nobody_and_is_begun_anew(tmp_path):
    other = LeafFile(tmp_path, "pa")
    wrong = leaf_hash(b"another past")
    other.add(wrong, other.frontier.extend([wrong]), "")
    async with followed(tmp_path) as (both, leaves):
        assert not await leaves.follow()
        assert leaves._kept.frontier.size == 0
        await all_of(leaves)
        assert leaves._kept.frontier.size == both.us.puller.size


async def test_an_older_program_that_has_no_hashes_accuses_nobody(tmp_path):
    def without(app, name):
        @web.middleware
        async def hide(request, handler):
            return web.Response(status=404) if is_leaves(request) else await handler(request)

        def is_leaves(request):
            return name == "pa" and request.path == "/leaves"

        app.middlewares.append(hide)
        return app

    async with followed(tmp_path, between=without) as (both, leaves):
        with pytest.raises(Fault) as caught:
            await leaves.follow()
        assert caught.value.facts["found"] == 404
        await both.pa.post(border().envelope())
        await both.settle()
        assert both.us.puller.trouble is None


async def test_nothing_is_told_without_a_token_or_of_more_than_was_signed(tmp_path):
    async with followed(tmp_path) as (both, _):
        peer, size = both.us.puller._far, both.us.puller.size
        for first, of in ((0, size + 100), (size, size), (0, 0)):
            with pytest.raises(Refusal) as caught:
                await peer.leaves(first, of)
            assert caught.value.code is Code.BAD_REQUEST
        with pytest.raises(Refusal) as caught:
            await peer._send("GET", "/leaves", {"from": "0", "size": str(size)})
        assert caught.value.code is Code.NO_TOKEN


async def test_what_is_no_answer_is_a_fault():
    with pytest.raises(Fault):
        told.decode(b"<html>", "pa")
    line = msgspec.json.encode(wire.LinkLeaves(0, []))
    assert told.decode(line + b"\nxx", "pa").leaves == b"xx"
