"""Reading: pages by cursor, waits with a bound, and a record that anybody can check."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from exchange.journal import bundle
from exchange.journal import checkpoint as c2sp
from exchange.journal.tree import leaf_hash, root_of, verify_path
from exchange.model import wire
from exchange.model.identity import digest
from tests.api.serving import serving
from tests.builders import COAST, OPS, WATCH, world
from tests.node.running import post, until

AUDIT = "us.oig/audit"


async def filled(door, count=5):
    sent = [world().envelope(to=[WATCH]) for _ in range(count)]
    await asyncio.gather(*(post(door.node, each) for each in sent))
    return sent


async def test_pages_join_to_the_whole_inbox_without_a_gap():
    async with serving() as door:
        await filled(door, 7)
        after, positions, indexes = -1, [], []
        while True:
            said = await door.get(f"/v1/inbox?after={after}&limit=3", WATCH)
            page = msgspec.json.decode(said.body, type=wire.InboxPage)
            assert (page.endpoint, page.total) == (WATCH, 7)
            assert len(page.items) <= 3
            if not page.items:
                break
            positions += [item.position for item in page.items]
            indexes += [item.index for item in page.items]
            after = page.cursor
        assert positions == list(range(7))
        assert indexes == sorted(set(indexes))
        assert after == indexes[-1]


async def test_page_is_bounded_in_bytes_and_loses_nothing(monkeypatch):
    async with serving() as door:
        await filled(door, 5)
        one = (await door.get("/v1/inbox?limit=1", WATCH)).json["items"][0]["entry"]
        monkeypatch.setattr(wire, "MAX_PAGE_BYTES", 2 * len(one) + 100)
        page = (await door.get("/v1/inbox", WATCH)).json
        assert [item["position"] for item in page["items"]] == [0, 1]
        assert (page["cursor"], page["total"]) == (page["items"][-1]["index"], 5)
        monkeypatch.setattr(wire, "MAX_PAGE_BYTES", 1)
        assert len((await door.get("/v1/inbox", WATCH)).json["items"]) == 1
        assert len((await door.get("/v1/journal", AUDIT)).json["items"]) == 1


async def test_long_poll_is_answered_by_the_commit_and_not_before():
    async with serving() as door:
        poll = asyncio.ensure_future(door.get("/v1/inbox?wait=30", WATCH))
        await until(lambda: WATCH in door.node.inboxes._bells)
        assert not poll.done()
        await filled(door, 1)
        page = (await asyncio.wait_for(poll, 5)).json
        assert (len(page["items"]), page["total"]) == (1, 1)


async def test_long_poll_ends_empty_at_its_bound():
    async with serving() as door:
        began = time.monotonic()
        said = await door.get("/v1/inbox?wait=1&after=-1", COAST)
        assert (said.status, said.json["items"], said.json["cursor"]) == (200, [], -1)
        assert 0.9 < time.monotonic() - began < 5


async def test_total_is_never_more_than_what_a_reader_can_have_seen():
    async with serving() as door:
        inbox = door.node.store.inbox
        late = world().envelope(to=[WATCH])

        async def overtaken(*args):
            rows = await inbox(*args)
            await post(door.node, late)  # committed after the page was read
            return rows

        door.node.store.inbox = overtaken
        page = (await door.get("/v1/inbox", WATCH)).json
        assert (page["items"], page["total"]) == ([], 0)


async def test_body_is_served_byte_for_byte():
    async with serving() as door:
        (envelope,) = await filled(door, 1)
        index = (await door.get("/v1/inbox", WATCH)).json["cursor"]
        said = await door.get(f"/v1/blobs/{digest(envelope.body)}?index={index}", WATCH)
        assert (said.status, said.body) == (200, envelope.body)
        for wrong in (index - 1, index + 1):
            path = f"/v1/blobs/{digest(envelope.body)}?index={wrong}"
            assert (await door.get(path, WATCH)).code == "not-found"


async def test_proof_leads_from_the_entry_to_the_checkpoint():
    async with serving() as door:
        await filled(door, 5)
        await door.node.checkpoints.checkpoint()
        item = (await door.get("/v1/inbox", WATCH)).json["items"][3]
        said = (await door.get(f"/v1/proof?index={item['index']}", WATCH)).json
        proof = bundle.parse(said["proof"].encode())
        newest = (await door.get("/v1/checkpoint", WATCH)).body
        found = c2sp.parse(newest)
        assert (proof.index, proof.note, said["size"]) == (item["index"], newest, found.size)
        leaf = leaf_hash(item["entry"].encode())
        verify_path(leaf, proof.index, found.size, list(proof.path), found.root)


async def test_proof_is_for_whom_the_entry_concerns():
    async with serving() as door:
        await filled(door, 1)
        await door.node.checkpoints.checkpoint()
        index = (await door.get("/v1/inbox", WATCH)).json["cursor"]
        statuses = {
            who: (await door.get(f"/v1/proof?index={index}", who)).status
            for who in (WATCH, OPS, AUDIT, COAST)
        }
        assert statuses == {WATCH: 200, OPS: 200, AUDIT: 200, COAST: 404}


async def test_tiles_are_the_leaf_hashes_of_the_journal():
    async with serving() as door:
        await asyncio.gather(*(post(door.node, b"x", OPS) for _ in range(300)))
        size = door.node.writer.size
        entries = [row.entry for row in await door.node.store.read(0, 999)]
        full = (await door.get("/v1/tile/0/000")).body
        rest = (await door.get(f"/v1/tile/0/001.p/{size - 256}")).body
        hashes = [leaf_hash(each) for each in entries]
        assert full + rest == b"".join(hashes)
        assert (await door.get("/v1/tile/1/000.p/1")).body == root_of(hashes[:256])
        # Narrower is served, since it was once all there was; wider is not there yet.
        narrower = (await door.get(f"/v1/tile/0/001.p/{size - 257}")).body
        assert narrower == rest[:-32]
        assert (await door.get(f"/v1/tile/0/001.p/{size - 255}")).status == 404


async def test_journal_is_read_by_auditors_and_holds_no_ciphertext():
    async with serving() as door:
        (envelope,) = await filled(door, 1)
        page = (await door.get("/v1/journal?limit=256", AUDIT)).json
        assert [item["index"] for item in page["items"]] == list(range(page["size"]))
        text = "".join(item["entry"] for item in page["items"]).encode()
        assert envelope.header in text
        ciphertext = msgspec.json.decode(envelope.body)["ciphertext"].encode()
        assert ciphertext[:60] not in text


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_health_tells_no_more_than_it_says(path):
    async with serving() as door:
        said = (await door.get(path, None)).json
        assert set(said) == {"node", "ready", "quorum", "unwitnessed_s"}
        assert said["ready"]


async def test_node_without_an_arrangement_is_alive_and_not_ready():
    async with serving(documents=[]) as door:
        assert (await door.get("/livez", None)).status == 200
        said = await door.get("/readyz", None)
        assert (said.status, said.json["ready"]) == (503, False)
