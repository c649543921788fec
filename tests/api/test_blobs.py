"""Attachments over HTTP: sent in pieces, verified, and shown to none but whom they are owed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exchange.api.routes import IN_FLIGHT
from exchange.model import wire
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.store.blob_memory import MemoryBlobs
from tests.api.attached import BLOB, DATA, SMALL, accepted, send, told, where
from tests.api.serving import serving
from tests.builders import AUDIT, COAST, DESK, MINSA, NOW_MS, OPS, WATCH, world
from tests.node.running import Clock, until


async def test_upload_in_pieces_a_bulletin_and_a_download_from_any_byte():
    async with serving() as door:
        assert await told(door) == (0, False)
        for at in range(0, len(DATA), 300_000):
            said = await send(door, DATA[at : at + 300_000], at)
            assert said.status == 200
        assert said.json["complete"]
        assert await told(door) == (len(DATA), True)
        index = (await accepted(door, BLOB)).json["index"]
        # Named by an entry, it no longer takes its poster's room.
        assert await told(door) == (0, False)
        for offset in (0, 1, 300_000, len(DATA) - 1, len(DATA)):
            path = f"/v1/blobs/{BLOB.digest}?index={index}&offset={offset}"
            got = await door.get(path, WATCH)
            assert (got.status, got.media) == (200, "application/octet-stream")
            assert got.body == DATA[offset:]
        past = await door.get(
            f"/v1/blobs/{BLOB.digest}?index={index}&offset={len(DATA) + 1}", WATCH
        )
        assert (past.status, past.code) == (400, "bad-request")


async def test_body_can_be_asked_for_from_any_byte_too():
    async with serving() as door:
        envelope = world().envelope()
        index = (await door.post(envelope.framed())).json["index"]
        path = f"/v1/blobs/{digest(envelope.body)}?index={index}&offset="
        assert (await door.get(f"{path}100", WATCH)).body == envelope.body[100:]
        past = await door.get(f"{path}{len(envelope.body) + 1}", WATCH)
        assert past.code == "bad-request"


async def test_header_is_refused_until_its_attachments_are_whole():
    async with serving() as door:
        assert (await accepted(door, BLOB)).code == "missing-blob"
        await send(door, DATA[:-1])
        said = await accepted(door, BLOB)
        assert (said.status, said.code) == (422, "missing-blob")
        await send(door, DATA[-1:], len(DATA) - 1)
        assert (await accepted(door, BLOB)).status == 201


async def test_same_header_again_is_the_same_entry_though_its_upload_is_let_go():
    async with serving() as door:
        await send(door)
        envelope = world().envelope(attachments=[BLOB])
        first = await door.post(envelope.framed())
        again = await door.post(envelope.framed())
        assert (first.status, again.status) == (201, 200)
        assert first.json["index"] == again.json["index"]


async def test_bulletin_posted_again_beside_a_new_one_does_not_confuse_their_attachments():
    async with serving() as door:
        await send(door)
        plain, other = world().envelope(), world().envelope()
        for each in (plain, other):
            assert (await door.post(each.framed())).status == 201
        named = world().envelope(attachments=[BLOB])
        answers = await door.batch(plain.framed() + named.framed())
        assert [each.problem for each in answers] == [None, None]
        assert await door.node.blobs.is_kept(BLOB)


async def test_what_another_uploaded_does_not_make_a_header_whole():
    """Else its author could read it by sending it to itself, and learn that it is here."""
    async with serving() as door:
        await send(door)
        await accepted(door, BLOB)
        await send(door)
        envelope = world().envelope(endpoint=COAST, to=[WATCH], attachments=[BLOB])
        assert (await door.post(envelope.framed(), COAST)).code == "missing-blob"
        never = world().envelope(
            endpoint=COAST, to=[WATCH], attachments=[Blob("A" * 43, len(DATA))]
        )
        unlike, alike = [
            json.loads((await door.post(each.framed(), COAST)).body)
            for each in (envelope, never)
        ]
        for each in (unlike, alike):
            del each["receipt"], each["facts"]["digest"]
        assert unlike == alike


async def test_answers_are_alike_whether_or_not_others_uploaded_it():
    async with serving() as door:
        await send(door, by=COAST)

        async def answers(blob: Blob) -> list[Any]:
            said = [
                await door.get(where(blob)),
                await door.ask("PATCH", where(blob, 5), data=b"x"),
                await door.ask("PATCH", where(blob, 0), data=b"x"),
                await door.get(where(blob)),
                await door.ask("DELETE", where(blob)),
            ]
            return [
                (each.status, each.body.replace(blob.digest.encode(), b"")) for each in said
            ]

        assert await answers(BLOB) == await answers(Blob("A" * 43, len(DATA)))


@pytest.mark.parametrize("by", [COAST, MINSA, AUDIT, OPS])
async def test_attachment_is_read_through_an_entry_that_is_owed_alone(by):
    async with serving() as door:
        await send(door)
        index = (await accepted(door, BLOB, to=(WATCH,))).json["index"]
        got = await door.get(f"/v1/blobs/{BLOB.digest}?index={index}", by)
        # Who may receive nothing is told so, whatever is there.
        expected = (403, "missing-role") if by == AUDIT else (404, "not-found")
        assert (got.status, got.code) == expected
        for wrong in (index - 1, index + 1, 0):
            path = f"/v1/blobs/{BLOB.digest}?index={wrong}"
            assert (await door.get(path, WATCH)).code == "not-found"
        assert (await door.get(f"/v1/blobs/{BLOB.digest}?index={index}", WATCH)).body == DATA


async def test_attachment_of_one_entry_is_not_read_through_another():
    async with serving() as door:
        await send(door)
        await accepted(door, BLOB, to=(COAST,))
        mine = (await accepted(door, to=(WATCH,))).json["index"]
        got = await door.get(f"/v1/blobs/{BLOB.digest}?index={mine}", WATCH)
        assert (got.status, got.code) == (404, "not-found")


async def test_purged_attachment_is_not_found():
    async with serving() as door:
        await send(door)
        index = (await accepted(door, BLOB)).json["index"]
        await door.node.blobs.purge(BLOB.digest)
        got = await door.get(f"/v1/blobs/{BLOB.digest}?index={index}", WATCH)
        assert (got.status, got.code) == (404, "not-found")


async def test_piece_that_does_not_follow_is_refused_with_where_to_go_on():
    async with serving() as door:
        await send(door, DATA[:100])
        for offset in (0, 99, 101):
            said = await send(door, b"x", offset)
            assert (said.status, said.code) == (409, "offset-mismatch")
            assert said.json["facts"] == {"expected": 100}


async def test_wrong_digest_is_refused_and_nothing_of_it_stays():
    async with serving() as door:
        said = await send(door, DATA[:-1] + bytes([DATA[-1] ^ 1]))
        assert (said.status, said.code) == (422, "digest-mismatch")
        assert await told(door) == (0, False)
        assert (await accepted(door, BLOB)).code == "missing-blob"
        assert (await send(door)).json["complete"]


async def chunked(*parts: bytes) -> Any:
    for part in parts:
        yield part


async def test_more_than_was_announced_is_refused():
    async with serving() as door:
        assert (await send(door, DATA + b"x")).code == "oversized"
        assert await told(door) == (0, False)
        # Without a length told beforehand, as much as fits is taken.
        said = await send(door, chunked(DATA[:500], DATA[500:] + b"x"))
        assert (said.status, said.code) == (413, "oversized")
        assert (await told(door))[1] is False


async def test_blob_over_the_limit_is_refused():
    async with serving() as door:
        huge = Blob("A" * 43, wire.MAX_BLOB_BYTES + 1)
        said = await send(door, b"x", blob=huge)
        assert (said.status, said.code) == (413, "oversized")


async def test_quota_is_told_and_given_back():
    async with serving(blobs=MemoryBlobs(Clock(), SMALL)) as door:
        await send(door)
        other = Blob("A" * 43, 400_000)
        said = await send(door, b"x", blob=other)
        assert (said.status, said.code) == (413, "quota")
        assert said.json["facts"] == {"limit": 1_000_000}
        assert (await door.ask("DELETE", where())).json["offset"] == 0
        assert (await send(door, b"x", blob=other)).status == 200


async def test_who_may_not_post_may_not_upload():
    async with serving() as door:
        for method in ("GET", "PATCH", "DELETE"):
            said = await door.ask(method, where(offset=0), DESK, data=b"")
            assert (said.status, said.code) == (403, "missing-role")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/uploads/x?size=1&offset=0",
        f"/v1/uploads/{'A' * 44}?size=1&offset=0",
        "/v1/uploads/..%2F..%2Fjournal.db?size=1&offset=0",
        f"/v1/uploads/{'A' * 42}%0A?size=1&offset=0",
        f"/v1/uploads/{'A' * 43}?size=1",
        f"/v1/uploads/{'A' * 43}?offset=0",
        f"/v1/uploads/{'A' * 43}?size=0&offset=0",
        f"/v1/uploads/{'A' * 43}?size=1&offset=-1",
        f"/v1/uploads/{'A' * 43}?size=x&offset=0",
    ],
)
async def test_request_that_makes_no_sense_is_refused(path):
    async with serving() as door:
        assert (await door.ask("PATCH", path, data=b"x")).code in ("bad-request", "not-found")


async def test_streams_of_one_caller_and_of_all_are_bounded():
    async with serving() as door:
        await send(door)
        index = (await accepted(door, BLOB)).json["index"]
        path = f"/v1/blobs/{BLOB.digest}?index={index}"
        for taken, most in (
            (WATCH, wire.MAX_IN_FLIGHT_OF_ONE_BYTES),
            (COAST, wire.MAX_IN_FLIGHT_BYTES),
        ):
            door.app[IN_FLIGHT][taken] = most - wire.STREAM_BYTES + 1
            said = await door.get(path, WATCH)
            assert (said.status, said.code) == (429, "too-many")
            assert (await send(door, b"x", by=WATCH)).code == "too-many"
            door.app[IN_FLIGHT][taken] = most - wire.STREAM_BYTES
            assert (await door.get(path, WATCH)).status == 200
            assert door.app[IN_FLIGHT][taken] == most - wire.STREAM_BYTES
            del door.app[IN_FLIGHT][taken]


async def test_body_is_given_out_however_busy_others_keep_the_node():
    async with serving() as door:
        envelope = world().envelope(to=[WATCH])
        index = (await door.post(envelope.framed())).json["index"]
        door.app[IN_FLIGHT].update({COAST: wire.MAX_IN_FLIGHT_BYTES, WATCH: 2**40})
        said = await door.get(f"/v1/blobs/{digest(envelope.body)}?index={index}", WATCH)
        assert (said.status, said.body) == (200, envelope.body)


async def test_stale_uploads_are_given_up_by_the_node_itself():
    clock = Clock(NOW_MS - 2 * SMALL.stale_ms)
    blobs = MemoryBlobs(clock, SMALL)
    await blobs.append(OPS, BLOB, 0, b"x")
    clock.ms = NOW_MS
    async with serving(blobs=blobs):
        await until(lambda: not blobs._uploads)


async def test_compressed_piece_is_refused():
    async with serving() as door:
        headers = {"Content-Encoding": "gzip"}
        said = await door.ask("PATCH", where(offset=0), data=b"x", headers=headers)
        assert said.code == "bad-request"
        assert await told(door) == (0, False)
