"""Attachments when something goes wrong on the way: cuts, suspensions, disks that fail."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from exchange.errors import Code, Fault
from exchange.model.header import Blob
from exchange.store.blob_files import BlobFiles
from exchange.store.blob_memory import MemoryBlobs
from tests.api.attached import BLOB, DATA, SMALL, accepted, send, told, where
from tests.api.serving import Door, keyless, serving
from tests.builders import MINSA, NOW_MS, OPS, WATCH, suspended, world
from tests.node.running import Clock, post, until

if TYPE_CHECKING:
    from pathlib import Path


async def cut(door: Door, sent: bytes, offset: int = 0) -> None:
    """Begin a request that announces all the rest, send some of it; hang up once that came."""
    _, writer = await door.connect()
    head = (
        f"PATCH {where(offset=offset)} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {door.token()}\r\nContent-Length: {len(DATA) - offset}\r\n\r\n"
    )
    writer.write(head.encode() + sent)
    await stands(door, offset + len(sent))
    writer.transport.abort()


async def stands(door: Door, least: int) -> int:
    offset = 0

    async def come() -> bool:
        nonlocal offset
        offset = (await told(door))[0]
        return offset >= least

    async with asyncio.timeout(10):
        while not await come():
            pass
    return offset


async def test_what_came_before_a_cut_stays(tmp_path: Path):
    blobs = BlobFiles(tmp_path / "blobs", Clock(NOW_MS), SMALL)
    async with serving(blobs=blobs) as door:
        await cut(door, DATA[:100_000])
        assert await told(door) == (100_000, False)
        await cut(door, DATA[100_000:250_000], 100_000)
        assert (await send(door, DATA[250_000:], 250_000)).json["complete"]


async def test_connection_that_hangs_keeps_nobody_from_going_on():
    """At sea a link may go silently: the node learns of it long after the ship calls again."""
    async with serving() as door:
        reader, writer = await door.connect()
        head = (
            f"PATCH {where(offset=0)} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {door.token()}\r\nContent-Length: {len(DATA)}\r\n\r\n"
        )
        writer.write(head.encode() + DATA[:50_000])
        await stands(door, 50_000)
        assert (await send(door, DATA[50_000:], 50_000)).json["complete"]
        # It comes back to life after all, and is told that it is late.
        writer.write(DATA[50_000:60_000])
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
        assert b"409" in answer
        writer.close()
        assert (await accepted(door, BLOB)).status == 201


@pytest.mark.parametrize("ending", [suspended, keyless])
async def test_who_is_suspended_or_loses_its_keys_on_the_way_goes_no_further(ending):
    async with serving() as door:
        reader, writer = await door.connect()
        head = (
            f"PATCH {where(offset=0)} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {door.token()}\r\nContent-Length: {len(DATA)}\r\n\r\n"
        )
        writer.write(head.encode() + DATA[:1_000])
        await stands(door, 1_000)
        amended = world().amended(OPS, ending)
        assert (await post(door.node, amended, MINSA)).refusal is None
        writer.write(DATA[1_000:2_000])
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
        assert (b"403" if ending is suspended else b"422") in answer
        writer.close()
        progress = await door.node.blobs.progress(OPS, BLOB)
        assert progress.offset == 1_000


class Slow(MemoryBlobs):
    """Reads one piece, and the next when it is told to."""

    def __init__(self) -> None:
        super().__init__(Clock(NOW_MS))
        self.read_once = asyncio.Event()
        self.go_on = asyncio.Event()

    async def read(self, name: str, offset: int, limit: int) -> bytes:
        if offset:
            self.read_once.set()
            await self.go_on.wait()
        return await super().read(name, offset, limit)


async def _download_interrupted(change: Any) -> None:
    blobs = Slow()
    async with serving(blobs=blobs) as door:
        await send(door)
        index = (await accepted(door, BLOB)).json["index"]
        path = f"/v1/blobs/{BLOB.digest}?index={index}"
        got = asyncio.ensure_future(door.get(path, WATCH))
        async with asyncio.timeout(10):
            await blobs.read_once.wait()
        await change(door)
        blobs.go_on.set()
        # The connection ends: no problem document is mixed into the bytes.
        with pytest.raises(Exception, match=r"not completed|closed|reset|payload|Disconnected"):
            await asyncio.wait_for(got, 10)


@pytest.mark.parametrize("ending", [suspended, keyless])
async def test_download_ends_when_its_reader_is_suspended_or_loses_its_keys(ending):
    async def change(door: Door) -> None:
        amended = world().amended(WATCH, ending)
        assert (await post(door.node, amended, MINSA)).refusal is None

    await _download_interrupted(change)


async def test_download_ends_when_the_blob_is_purged():
    async def change(door: Door) -> None:
        await door.node.blobs.purge(BLOB.digest)

    await _download_interrupted(change)


class Short(MemoryBlobs):
    """A disk that gives a byte less than it has."""

    async def read(self, name: str, offset: int, limit: int) -> bytes:
        return (await super().read(name, offset, limit))[:-1]


async def test_download_of_what_the_disk_gives_only_in_part_ends_at_once():
    async with serving(blobs=Short(Clock(NOW_MS))) as door:
        await send(door)
        index = (await accepted(door, BLOB)).json["index"]
        reader, writer = await door.connect()
        head = (
            f"GET /v1/blobs/{BLOB.digest}?index={index} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {door.token(WATCH)}\r\n\r\n"
        )
        writer.write(head.encode())
        got = b""
        with suppress(OSError):
            async with asyncio.timeout(10):
                while data := await reader.read(2**16):
                    got += data
        # Not even what it did give: nobody knows which bytes those are.
        assert got.partition(b"\r\n\r\n")[2] == b""
        writer.close()


class Full(MemoryBlobs):
    """A disk on which nothing can be kept any more."""

    async def keep(self, *_: Any) -> None:
        raise Fault(Code.STORE_FAILED, reason="ENOSPC")


async def test_nothing_is_acknowledged_when_attachments_cannot_be_kept():
    async with serving(blobs=Full(Clock(NOW_MS))) as door:
        await send(door)
        size = door.node.size
        said = await accepted(door, BLOB)
        assert (said.status, said.code) == (503, "store-failed")
        assert door.node.size == size
        # Others go on.
        assert (await accepted(door)).status == 201


async def test_attachments_are_kept_before_the_entry_is_durable_and_let_go_after():
    order = []

    class Noted(MemoryBlobs):
        async def keep(self, endpoint: str, blobs: Any) -> None:
            order.append(("keep", door.node.size))
            await super().keep(endpoint, blobs)

        async def discard(self, endpoint: str, blob: Blob) -> None:
            order.append(("discard", door.node.size))
            await super().discard(endpoint, blob)

    async with serving(blobs=Noted(Clock(NOW_MS))) as door:
        await send(door)
        index = (await accepted(door, BLOB)).json["index"]
        await until(lambda: len(order) == 2)
        assert order == [("keep", index), ("discard", index + 1)]


async def test_refused_header_keeps_nothing():
    async with serving() as door:
        await send(door)
        envelope = world().envelope(attachments=[BLOB, Blob("A" * 43, 1)])
        assert (await door.post(envelope.framed())).code == "missing-blob"
        with pytest.raises(Fault, match="attachment-damaged"):
            await door.node.blobs.is_kept(BLOB)
        assert await told(door) == (len(DATA), True)
