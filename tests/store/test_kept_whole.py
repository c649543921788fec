"""What is kept is held to its name: read once, and again only where its file has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exchange.errors import Fault
from exchange.model.header import Blob
from exchange.store import blob_files
from exchange.store.blob_files import BlobFiles
from exchange.store.kept_files import KeptFiles
from tests.builders import OPS
from tests.node.running import Clock
from tests.store.test_blobs import BLOB, DATA, upload


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    files = BlobFiles(tmp_path / "blobs", Clock())
    await upload(files)
    await files.keep(OPS, [BLOB])
    await files.discard(OPS, BLOB)
    await files.close()
    return tmp_path / "blobs"


async def test_a_file_that_did_not_change_is_read_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []
    digest_of = blob_files.digest_of

    def noting(file: int) -> str:
        hashed.append(file)
        return digest_of(file)

    monkeypatch.setattr(blob_files, "digest_of", noting)
    files = BlobFiles(folder, Clock())
    for _ in range(3):
        assert await files.is_kept(BLOB)
    assert len(hashed) == 1
    # Altered, with its length and its time put back.
    kept = folder / "kept" / BLOB.digest
    was = kept.stat()
    kept.write_bytes(bytes(len(DATA)))
    os.utime(kept, ns=(was.st_atime_ns, was.st_mtime_ns))
    with pytest.raises(Fault, match="attachment-damaged"):
        await files.is_kept(BLOB)
    await files.close()


async def test_one_that_is_purged_while_it_is_looked_for_is_not_damaged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = BlobFiles(folder, Clock())
    await files.purge(BLOB.digest)
    marked = iter([False, True])
    monkeypatch.setattr(files, "_is_purged", lambda _: next(marked))
    assert not await files.is_kept(BLOB)
    await files.close()


async def test_only_so_many_are_remembered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_files, "_VERIFIED", 1)
    files = BlobFiles(folder, Clock())
    other = await upload(files, b"another")
    await files.keep(OPS, [other])
    for each in (BLOB, other):
        assert await files.is_kept(each)
    assert list(files._verified) == [other]
    await files.close()


def test_an_auditor_sees_what_is_there_and_what_is_said_to_be_purged(folder: Path) -> None:
    files = KeptFiles(folder)
    assert files.look(BLOB.digest) == BLOB
    assert files.look("A" * 43) is None
    assert not files.is_purged(BLOB.digest)
    (folder / "purged" / BLOB.digest).touch()
    assert files.is_purged(BLOB.digest)
    kept = folder / "kept" / BLOB.digest
    kept.write_bytes(DATA[1:])
    found = files.look(BLOB.digest)
    assert isinstance(found, Blob)
    assert found != BLOB
    kept.unlink()
    kept.symlink_to(folder)
    with pytest.raises(Fault, match="store-failed"):
        files.look(BLOB.digest)
