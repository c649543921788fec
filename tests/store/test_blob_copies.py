"""Attachments copied away and brought back: counted as before, and none that is purged."""

from __future__ import annotations

import stat

import pytest

from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.store.blob_copies import Copied, Copies, marked
from exchange.store.blob_files import BlobFiles
from tests.builders import COAST, OPS
from tests.node.running import Clock

ONE, TWO = b"exercise one", b"exercise two!"


@pytest.fixture
async def files(tmp_path):
    (tmp_path / "second").mkdir()
    opened = BlobFiles(tmp_path / "blobs", Clock(), second=tmp_path / "second")
    for data, endpoints in ((ONE, (OPS,)), (TWO, (OPS, COAST))):
        for endpoint in endpoints:
            blob = Blob(digest(data), len(data))
            await opened.append(endpoint, blob, 0, data)
            await opened.finish(endpoint, blob)
            await opened.keep(endpoint, [blob])
    yield opened
    await opened.close()


def brought_back(tmp_path):
    copies = Copies(tmp_path / "back")
    copies.make()
    for copied, file in Copies(tmp_path / "blobs").kept():
        with copies.taking(copied) as taken:
            taken.write(file.read())
    copies.settle()
    return copies


async def test_what_is_kept_comes_back_and_counts_for_the_same(files, tmp_path):
    copies = brought_back(tmp_path)
    assert copies.count() == 2
    again = BlobFiles(tmp_path / "back", Clock())
    assert await again.kept() == await files.kept()
    for data in (ONE, TWO):
        assert await again.read(digest(data), 0, 100) == data
        path = tmp_path / "back" / "kept" / digest(data)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await again.close()


@pytest.mark.usefixtures("files")
async def test_who_it_counts_for_and_how_long_it_is_are_told(tmp_path):
    found = {copied for copied, _ in map(told, Copies(tmp_path / "blobs").kept())}
    assert found == {
        (digest(ONE), len(ONE), ("pa.senan",)),
        (digest(TWO), len(TWO), ("pa.senan", "us.uscg")),
    }


def told(each):
    copied, file = each
    return (copied.digest, copied.size, tuple(sorted(copied.members))), file


async def test_purge_is_marked_in_the_second_place_before_anything_is_deleted(files, tmp_path):
    assert marked(tmp_path / "second") == []
    await files.purge(digest(ONE))
    assert marked(tmp_path / "second") == [digest(ONE)]
    assert Copies(tmp_path / "blobs").purged() == [digest(ONE)]
    # Where the mark cannot be made, what is there stays: else a backup would bring it back.
    (tmp_path / "second" / "purged" / digest(ONE)).unlink()
    (tmp_path / "second" / "purged").rmdir()
    (tmp_path / "second").rmdir()
    with pytest.raises(Exception, match="store-failed"):
        await files.purge(digest(TWO))
    assert await files.read(digest(TWO), 0, 100) == TWO


@pytest.mark.usefixtures("files")
async def test_what_was_purged_since_does_not_come_back(tmp_path):
    copies = brought_back(tmp_path)
    assert copies.purge([digest(ONE), "A" * 43]) == 1
    again = BlobFiles(tmp_path / "back", Clock())
    assert not await again.is_kept(Blob(digest(ONE), len(ONE)))
    assert not copies.has(digest(ONE))
    counting = (tmp_path / "back" / "counted").glob("*/*")
    assert {path.name for path in counting} == {f"{digest(TWO)}.{len(TWO)}"}
    await again.close()


async def test_second_place_that_comes_later_learns_what_was_purged_before(files, tmp_path):
    await files.purge(digest(ONE))
    (tmp_path / "blobs" / "purged" / "stray").touch()
    (tmp_path / "later").mkdir()
    again = BlobFiles(tmp_path / "blobs", Clock(), second=tmp_path / "later")
    await again.sweep()
    await again.close()
    assert marked(tmp_path / "later") == [digest(ONE)]
    assert {path.name for path in (tmp_path / "later" / "purged").iterdir()} == {digest(ONE)}


async def test_what_goes_while_it_is_copied_is_left_out(files, tmp_path):
    kept = Copies(tmp_path / "blobs").kept()
    first, _ = next(kept)
    for data in (ONE, TWO):
        if digest(data) != first.digest:
            await files.purge(digest(data))
    assert list(kept) == []


@pytest.mark.usefixtures("files")
def test_what_is_no_attachment_is_left_where_it_lies(tmp_path):
    strays = (".nfs0001", "lost+found", "A" * 42)
    (tmp_path / "second" / "purged").mkdir()
    for folder in ("blobs/kept", "blobs/purged", "second/purged"):
        for name in strays:
            (tmp_path / folder / name).mkdir()
    copies = Copies(tmp_path / "blobs")
    found = {copied.digest for copied, _ in copies.kept()}
    assert (found, copies.count()) == ({digest(ONE), digest(TWO)}, 2)
    assert (copies.purged(), marked(tmp_path / "second")) == ([], [])


def test_nothing_is_written_over(tmp_path):
    copies = Copies(tmp_path / "back")
    copies.make()
    copied = Copied(digest(ONE), len(ONE), [])
    with copies.taking(copied) as file:
        file.write(ONE)
    with pytest.raises(FileExistsError), copies.taking(copied):
        pass
