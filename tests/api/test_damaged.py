"""An attachment that the node lost, or that was altered: a fault of ours, and an alarm."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from exchange.api import blobs as routes
from exchange.store.blob_files import BlobFiles
from tests.api.attached import BLOB, DATA, accepted, send
from tests.api.serving import Door, serving
from tests.api.test_metrics import gauge
from tests.builders import MINSA, WATCH
from tests.node.running import Clock

COUNT = "exchange_attachments_damaged_total"


@asynccontextmanager
async def kept(folder: Path) -> AsyncIterator[tuple[Door, str, Path]]:
    """A node that keeps an attachment, where it is asked for, and its file."""
    async with serving(blobs=BlobFiles(folder, Clock())) as door:
        await send(door)
        index = (await accepted(door, BLOB)).json["index"]
        path = f"/v1/blobs/{BLOB.digest}?index={index}"
        assert (await door.get(path, WATCH)).body == DATA
        yield door, path, folder / "kept" / BLOB.digest


def another(file: Path) -> None:
    file.write_bytes(bytes(len(DATA)))


def longer(file: Path) -> None:
    file.write_bytes(DATA + b"x")


@pytest.mark.parametrize("damage", [Path.unlink, another, longer])
async def test_it_is_told_as_a_fault_counted_and_logged(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    async with kept(tmp_path / "blobs") as (door, path, file):
        assert gauge((await door.get("/metrics", None)).body.decode(), COUNT) == 0
        damage(file)
        with structlog.testing.capture_logs() as logs:
            for offset in ("", "&offset=5"):
                said = await door.get(path + offset, WATCH)
                assert (said.status, said.code) == (503, "attachment-damaged")
        alarms = [each for each in logs if each["log_level"] == "error"]
        assert [(each["event"], each["digest"]) for each in alarms] == [
            ("attachment-damaged", BLOB.digest)
        ] * 2
        assert gauge((await door.get("/metrics", None)).body.decode(), COUNT) == 2
        # To whom it is not owed it is told no more than before.
        assert (await door.get(path, MINSA)).code == "not-found"
        file.unlink(missing_ok=True)
        file.write_bytes(DATA)
        assert (await door.get(path, WATCH)).body == DATA


async def test_one_that_was_purged_is_simply_not_there(tmp_path: Path) -> None:
    async with kept(tmp_path / "blobs") as (door, path, _):
        await door.node.blobs.purge(BLOB.digest)
        assert (await door.get(path, WATCH)).code == "not-found"


async def test_one_that_is_cut_off_while_it_is_sent_is_an_alarm_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kept(tmp_path / "blobs") as (door, path, file):
        monkeypatch.setattr(routes, "_PIECE_BYTES", 1000)
        read = door.node.blobs.read

        async def reading(digest: str, offset: int, limit: int) -> bytes:
            if offset == 1000:
                file.write_bytes(DATA[:1500])
            return await read(digest, offset, limit)

        monkeypatch.setattr(door.node.blobs, "read", reading)
        with structlog.testing.capture_logs() as logs, pytest.raises(Exception, match=r"."):
            await door.get(path, WATCH)
        assert ("attachment-damaged", "error") in [
            (each["event"], each["log_level"]) for each in logs
        ]
        assert gauge((await door.get("/metrics", None)).body.decode(), COUNT) == 1
