"""One contract for every place that holds attachments; then what is true of files alone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.errors import Code, Fault, Refusal
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.node.ports import Progress
from exchange.store.blob_files import BlobFiles
from exchange.store.blob_memory import MemoryBlobs
from exchange.store.quota import LEAST_COUNTED_BYTES, Allowance
from tests.builders import COAST, OPS, Randomness
from tests.node.running import Clock

DATA = Randomness("blob")(100_000)
BLOB = Blob(digest(DATA), len(DATA))
SMALL = Allowance(bytes=250_000, uploads=3, stale_ms=1000, spare=0)
BOUNDED = Allowance(spare=0, kept_bytes=4 * LEAST_COUNTED_BYTES)
SHIP = "pa.senan/ship"
THREE = (OPS, SHIP, OPS)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "files"])
async def blobs(request, tmp_path, clock):
    if request.param == "memory":
        opened = MemoryBlobs(clock, SMALL)
    else:
        opened = BlobFiles(tmp_path / "blobs", clock, SMALL)
    yield opened
    await opened.close()


@pytest.fixture
async def files(tmp_path, clock):
    opened = BlobFiles(tmp_path / "blobs", clock, SMALL)
    yield opened
    await opened.close()


async def upload(blobs, data=DATA, endpoint=OPS):
    blob = Blob(digest(data), len(data))
    await blobs.append(endpoint, blob, 0, data)
    assert await blobs.finish(endpoint, blob) == Progress(len(data), complete=True)
    return blob


DAMAGED = (Code.ATTACHMENT_DAMAGED, {"digest": BLOB.digest})


async def refused(awaitable, kind=Refusal):
    with pytest.raises(kind) as caught:
        await awaitable
    return caught.value.code, caught.value.facts


async def contents(blobs, name):
    found = b""
    while piece := await blobs.read(name, len(found), 30_000):
        found += piece
    return found


async def test_upload_grows_piece_by_piece_and_is_kept(blobs):
    assert await blobs.progress(OPS, BLOB) == Progress(0, complete=False)
    for at in range(0, len(DATA), 30_000):
        piece = DATA[at : at + 30_000]
        found = await blobs.append(OPS, BLOB, at, piece)
        assert found == Progress(at + len(piece), complete=False)
        assert await blobs.progress(OPS, BLOB) == found
        assert await blobs.held(OPS, [BLOB]) == frozenset()
    assert await blobs.finish(OPS, BLOB) == Progress(len(DATA), complete=True)
    assert await blobs.progress(OPS, BLOB) == Progress(len(DATA), complete=True)
    assert await blobs.held(OPS, [BLOB]) == {BLOB}
    assert await refused(blobs.is_kept(BLOB), Fault) == DAMAGED
    await blobs.keep(OPS, [BLOB])
    await blobs.discard(OPS, BLOB)
    assert await blobs.is_kept(BLOB)
    assert await contents(blobs, BLOB.digest) == DATA
    assert await blobs.progress(OPS, BLOB) == Progress(0, complete=False)


async def test_piece_that_does_not_follow_is_refused_and_told_where_to_go_on(blobs):
    await blobs.append(OPS, BLOB, 0, DATA[:10])
    for offset in (0, 9, 11):
        said = await refused(blobs.append(OPS, BLOB, offset, b"x"))
        assert said == (Code.OFFSET_MISMATCH, {"expected": 10})
    assert await refused(blobs.finish(OPS, BLOB)) == (Code.OFFSET_MISMATCH, {"expected": 10})
    assert await refused(blobs.finish(COAST, BLOB)) == (Code.OFFSET_MISMATCH, {"expected": 0})
    await blobs.append(OPS, BLOB, 10, DATA[10:])
    await blobs.finish(OPS, BLOB)
    said = await refused(blobs.append(OPS, BLOB, 10, b"x"))
    assert said == (Code.OFFSET_MISMATCH, {"expected": len(DATA)})


async def test_more_than_the_blob_is_refused_and_not_written(blobs):
    assert (await refused(blobs.append(OPS, BLOB, 0, DATA + b"x")))[0] == Code.OVERSIZED
    await blobs.append(OPS, BLOB, 0, DATA)
    assert (await refused(blobs.append(OPS, BLOB, len(DATA), b"x")))[0] == Code.OVERSIZED
    await blobs.finish(OPS, BLOB)
    assert (await refused(blobs.append(OPS, BLOB, len(DATA), b"x")))[0] == Code.OVERSIZED


async def test_finishing_twice_does_no_harm(blobs):
    await upload(blobs)
    assert await blobs.finish(OPS, BLOB) == Progress(len(DATA), complete=True)
    assert await blobs.append(OPS, BLOB, len(DATA), b"") == Progress(len(DATA), complete=True)


async def test_wrong_digest_is_refused_and_the_upload_begins_anew(blobs):
    await blobs.append(OPS, BLOB, 0, DATA[:-1] + b"?")
    assert (await refused(blobs.finish(OPS, BLOB)))[0] == Code.DIGEST_MISMATCH
    assert await blobs.progress(OPS, BLOB) == Progress(0, complete=False)
    await upload(blobs)
    assert await blobs.held(OPS, [BLOB]) == {BLOB}


async def test_what_one_uploaded_does_not_show_to_another(blobs):
    await upload(blobs)
    await blobs.keep(OPS, [BLOB])
    assert await blobs.progress(COAST, BLOB) == Progress(0, complete=False)
    assert await blobs.held(COAST, [BLOB]) == frozenset()
    assert (await refused(blobs.keep(COAST, [BLOB]), Fault))[0] == Code.STORE_FAILED
    found = await blobs.append(COAST, BLOB, 0, DATA[:5])
    assert found == Progress(5, complete=False)
    await blobs.append(COAST, BLOB, 5, DATA[5:])
    await blobs.finish(COAST, BLOB)
    await blobs.keep(COAST, [BLOB])
    assert await contents(blobs, BLOB.digest) == DATA


async def test_digest_under_another_size_is_another_blob(blobs):
    await upload(blobs)
    assert await blobs.held(OPS, [Blob(BLOB.digest, len(DATA) + 1)]) == frozenset()


async def test_only_what_is_whole_is_kept(blobs):
    await blobs.append(OPS, BLOB, 0, DATA)
    assert (await refused(blobs.keep(OPS, [BLOB]), Fault))[0] == Code.STORE_FAILED
    assert await refused(blobs.is_kept(BLOB), Fault) == DAMAGED


async def test_what_is_not_kept_cannot_be_read(blobs):
    await upload(blobs)
    assert (await refused(blobs.read(BLOB.digest, 0, 1), Fault))[0] == Code.STORE_FAILED


async def test_quota_counts_what_was_announced(blobs):
    await upload(blobs)
    second = Blob("B" * 43, 150_000)
    await blobs.append(OPS, second, 0, b"")
    said = await refused(blobs.append(OPS, Blob("C" * 43, 1), 0, b""))
    assert said == (Code.QUOTA, {"limit": 250_000})
    # Another endpoint has its own; and room comes back with what is given up.
    await blobs.append(COAST, Blob("C" * 43, 1), 0, b"x")
    await blobs.discard(OPS, second)
    await blobs.append(OPS, Blob("C" * 43, 1), 0, b"x")
    await blobs.append(OPS, Blob("D" * 43, 1), 0, b"x")
    assert await refused(blobs.append(OPS, Blob("E" * 43, 1), 0, b"x")) == (
        Code.QUOTA,
        {"limit": 3},
    )


async def test_blob_over_the_limit_is_refused_before_its_first_byte(blobs):
    huge = Blob("B" * 43, 129 * 1024 * 1024 + 1)
    assert (await refused(blobs.append(OPS, huge, 0, b"")))[0] == Code.OVERSIZED
    assert await blobs.progress(OPS, huge) == Progress(0, complete=False)


async def test_purged_blob_is_gone_and_is_not_kept_again(blobs):
    await upload(blobs)
    await blobs.keep(OPS, [BLOB])
    await blobs.append(COAST, BLOB, 0, DATA[:5])
    other = await upload(blobs, b"another")
    await blobs.purge(BLOB.digest)
    assert not await blobs.is_kept(BLOB)
    assert await blobs.held(OPS, [BLOB, other]) == {other}
    for by in (OPS, COAST):
        assert await blobs.progress(by, BLOB) == Progress(0, complete=False)
    # Sent again, it is told to be complete like any other, and nothing of it stays.
    await upload(blobs, endpoint=COAST)
    assert await blobs.progress(COAST, BLOB) == Progress(0, complete=False)
    assert await blobs.held(COAST, [BLOB]) == frozenset()
    assert (await refused(blobs.keep(COAST, [BLOB]), Fault))[0] == Code.STORE_FAILED
    await blobs.purge(BLOB.digest)


# -- how much is kept of an organisation ------------------------------------------------------


def bytes_of(name, size=LEAST_COUNTED_BYTES):
    return Randomness(name)(size)


async def kept_three(blobs):
    """Three of the four that BOUNDED lets an organisation keep, of two of its endpoints."""
    three = [
        await upload(blobs, bytes_of(name), by) for name, by in zip("abc", THREE, strict=True)
    ]
    for by, each in zip(THREE, three, strict=True):
        await blobs.keep(by, [each])
        await blobs.discard(by, each)
    return three


@pytest.fixture
async def bounded(blobs):
    blobs._allowance = BOUNDED
    return blobs


async def test_what_is_kept_of_an_organisation_is_bounded_and_no_other_pays_for_it(bounded):
    await kept_three(bounded)
    size = LEAST_COUNTED_BYTES
    assert await bounded.kept() == {"pa.senan": 3 * size}
    too_much = Blob("B" * 43, size + 1)
    said = await refused(bounded.append(SHIP, too_much, 0, b""))
    assert said == (Code.KEPT_QUOTA, {"limit": 4 * size})
    assert await bounded.progress(SHIP, too_much) == Progress(0, complete=False)
    await bounded.append(COAST, too_much, 0, b"")
    # What has begun counts as it was announced, whichever of its endpoints began it.
    await bounded.append(SHIP, Blob("C" * 43, size), 0, b"")
    for by in (OPS, SHIP):
        assert (await refused(bounded.append(by, BLOB, 0, b"")))[0] == Code.KEPT_QUOTA


async def test_what_has_begun_is_kept_to_the_last_byte_of_the_bound(bounded):
    await kept_three(bounded)
    last = await upload(bounded, bytes_of("d"))
    await bounded.keep(OPS, [last])
    assert await bounded.kept() == {"pa.senan": 4 * LEAST_COUNTED_BYTES}


async def test_room_comes_back_with_what_is_purged(bounded):
    first, *_ = await kept_three(bounded)
    await bounded.keep(OPS, [await upload(bounded, bytes_of("d"))])
    await bounded.discard(OPS, Blob(digest(bytes_of("d")), LEAST_COUNTED_BYTES))
    assert (await refused(bounded.append(OPS, BLOB, 0, b"")))[0] == Code.KEPT_QUOTA
    await bounded.purge(first.digest)
    assert await bounded.kept() == {"pa.senan": 3 * LEAST_COUNTED_BYTES}
    await bounded.append(OPS, Blob("C" * 43, LEAST_COUNTED_BYTES), 0, b"")


async def test_what_two_organisations_posted_counts_for_both_and_twice_for_none(blobs):
    for by in (OPS, SHIP, COAST):
        await blobs.keep(by, [await upload(blobs, endpoint=by)])
    assert await blobs.kept() == {"pa.senan": len(DATA), "us.uscg": len(DATA)}
    await blobs.purge(BLOB.digest)
    assert set((await blobs.kept()).values()) == {0}


async def test_small_file_counts_for_what_it_costs(blobs):
    await blobs.keep(OPS, [await upload(blobs, b"small")])
    assert await blobs.kept() == {"pa.senan": LEAST_COUNTED_BYTES}


async def test_stale_uploads_are_swept_and_what_goes_on_or_is_kept_stays(blobs, clock):
    stale, going, kept = (Blob(name * 43, 10) for name in "BCD")
    for blob in (stale, going):
        await blobs.append(OPS, blob, 0, b"x")
    kept = await upload(blobs, b"kept")
    await blobs.keep(OPS, [kept])
    clock.ms += 700
    await blobs.append(OPS, going, 1, b"x")
    clock.ms += 700
    await blobs.sweep()
    assert await blobs.progress(OPS, stale) == Progress(0, complete=False)
    assert await blobs.progress(OPS, going) == Progress(2, complete=False)
    assert await contents(blobs, kept.digest) == b"kept"


async def test_what_was_just_found_held_is_not_swept(blobs, clock):
    await upload(blobs)
    clock.ms += 1500
    assert await blobs.held(OPS, [BLOB]) == {BLOB}
    await blobs.sweep()
    await blobs.keep(OPS, [BLOB])


# -- files -------------------------------------------------------------------------------------


async def test_another_process_goes_on_where_the_first_ended(files, tmp_path, clock):
    await files.append(OPS, BLOB, 0, DATA[:40_000])
    await files.close()
    again = BlobFiles(tmp_path / "blobs", clock, SMALL)
    assert await again.progress(OPS, BLOB) == Progress(40_000, complete=False)
    await again.append(OPS, BLOB, 40_000, DATA[40_000:])
    await again.finish(OPS, BLOB)
    await again.close()
    third = BlobFiles(tmp_path / "blobs", clock, SMALL)
    assert await third.held(OPS, [BLOB]) == {BLOB}
    await third.close()


async def test_what_is_kept_is_counted_from_the_folder_after_a_restart(tmp_path, clock):
    first = BlobFiles(tmp_path / "blobs", clock, BOUNDED)
    await kept_three(first)
    await first.close()
    again = BlobFiles(tmp_path / "blobs", clock, BOUNDED)
    assert await again.kept() == {"pa.senan": 3 * LEAST_COUNTED_BYTES}
    assert (await refused(again.append(SHIP, BLOB, 0, b"")))[0] == Code.KEPT_QUOTA
    await again.close()


async def test_what_is_not_there_any_more_counts_for_nobody_after_the_next_sweep(
    files, tmp_path
):
    first, *_ = await kept_three(files)
    (tmp_path / "blobs" / "kept" / first.digest).unlink()
    await files.sweep()
    assert await files.kept() == {"pa.senan": 2 * LEAST_COUNTED_BYTES}


async def test_two_processes_of_one_organisation_take_no_more_than_its_bound(tmp_path, clock):
    """Each looks while the other begins: whoever is second must see the first."""
    ways = [BlobFiles(tmp_path / "blobs", clock, BOUNDED) for _ in range(4)]
    begun = await asyncio.gather(
        *(
            ways[place % 4].append(
                f"pa.senan/e{place}", Blob("B" * 43, LEAST_COUNTED_BYTES), 0, b""
            )
            for place in range(40)
        ),
        return_exceptions=True,
    )
    assert sum(each == Progress(0, complete=False) for each in begun) == 4
    for each in ways:
        await each.close()


async def test_two_uploaders_of_one_blob_write_each_byte_once(files, tmp_path, clock):
    """Two fronts, one upload: whoever is second is told where to go on, and nothing tears."""
    other = BlobFiles(tmp_path / "blobs", clock, SMALL)

    async def send(blobs):
        sent, at = 0, 0
        while at < len(DATA):
            try:
                at = (await blobs.append(OPS, BLOB, at, DATA[at : at + 500])).offset
                sent += 1
            except Refusal as refusal:
                at = int(refusal.facts["expected"])
        return sent

    assert sum(await asyncio.gather(send(files), send(other))) == len(DATA) // 500
    finished = await asyncio.gather(
        files.finish(OPS, BLOB), other.finish(OPS, BLOB), return_exceptions=True
    )
    assert finished == [Progress(len(DATA), complete=True)] * 2
    await other.keep(OPS, [BLOB])
    await other.close()
    assert await contents(files, BLOB.digest) == DATA


async def test_upload_begun_anew_while_the_first_was_verified_is_not_taken_for_it(
    files, monkeypatch
):
    from exchange.store import blob_files  # noqa: PLC0415

    verify = blob_files.digest_of

    def replaced_meanwhile(file):
        found = verify(file)
        files._discard(OPS, BLOB)
        files._append(OPS, BLOB, 0, bytes(len(DATA)))
        return found

    await files.append(OPS, BLOB, 0, DATA)
    monkeypatch.setattr(blob_files, "digest_of", replaced_meanwhile)
    await files.finish(OPS, BLOB)
    assert await files.held(OPS, [BLOB]) == frozenset()


async def cut_off_purge(blobs, folder):
    """Leave what a purge leaves that ends right after its mark, of a kept and a new upload."""
    await upload(blobs)
    await blobs.keep(OPS, [BLOB])
    await upload(blobs, endpoint=SHIP)
    (folder / "purged" / BLOB.digest).touch(mode=0o600)


async def test_what_is_marked_purged_is_neither_held_nor_kept_nor_shown(files, tmp_path):
    await cut_off_purge(files, tmp_path / "blobs")
    for by in (OPS, SHIP):
        assert await files.held(by, [BLOB]) == frozenset()
        assert (await refused(files.keep(by, [BLOB]), Fault))[0] == Code.STORE_FAILED
    assert not await files.is_kept(BLOB)
    assert (await refused(files.read(BLOB.digest, 0, 1), Fault))[0] == Code.STORE_FAILED


async def test_purge_that_was_cut_off_is_finished_by_the_next_sweep(files, tmp_path):
    await cut_off_purge(files, tmp_path / "blobs")
    await files.sweep()
    (left,) = (tmp_path / "blobs").rglob(f"{BLOB.digest}*")
    assert left.parent.name == "purged"
    assert await files.kept() == {"pa.senan": 0}


async def test_only_the_owner_can_read_the_folder(files, tmp_path):
    await upload(files)
    await files.keep(OPS, [BLOB])
    for path in [tmp_path / "blobs", *(tmp_path / "blobs").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


async def test_disk_kept_for_the_journal_is_not_taken(tmp_path, clock):
    blobs = BlobFiles(tmp_path / "blobs", clock, Allowance(spare=2**62))
    said = await refused(blobs.append(OPS, BLOB, 0, DATA), Fault)
    assert said == (Code.STORE_FAILED, {"reason": "the disk is nearly full"})
    assert await blobs.progress(OPS, BLOB) == Progress(0, complete=False)
    await blobs.close()


_FILL = """
import asyncio, resource, signal, sys
from pathlib import Path
from exchange.errors import Code, Fault
from exchange.model.header import Blob
from exchange.store.blob_files import BlobFiles
from exchange.store.quota import Allowance

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

async def main():
    blobs = BlobFiles(Path(sys.argv[1]), lambda: 0, Allowance(spare=0))
    blob = Blob("B" * 43, 100_000)
    try:
        await blobs.append("pa.senan/ops", blob, 0, bytes(100_000))
    except Fault as fault:
        assert fault.code is Code.STORE_FAILED, fault
        assert fault.facts == {"reason": "EFBIG"}, fault.facts
    else:
        sys.exit("not told")
    print((await blobs.progress("pa.senan/ops", blob)).offset)
    await blobs.close()

asyncio.run(main())
"""


def test_disk_that_takes_no_more_is_a_fault_and_what_it_took_is_gone_on_from(tmp_path):
    """The kernel refuses to write beyond 50,000 bytes, as it does when a disk is full."""
    folder = tmp_path / "blobs"
    ran = subprocess.run(
        [sys.executable, "-c", _FILL, str(folder)],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parents[2],
        timeout=60,
    )
    assert ran.stdout == b"50000\n", ran.stderr


async def test_folder_that_cannot_be_made_is_a_fault(tmp_path, clock):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Fault) as caught:
        BlobFiles(tmp_path / "file", clock)
    assert caught.value.code is Code.STORE_FAILED
    assert str(tmp_path) not in str(caught.value)


async def test_what_is_asked_after_closing_is_a_fault(tmp_path, clock):
    blobs = BlobFiles(tmp_path / "blobs", clock)
    await blobs.close()
    assert (await refused(blobs.progress(OPS, BLOB), Fault))[0] == Code.STORE_FAILED


async def test_complete_upload_was_synced_file_and_folders(files, monkeypatch):
    synced = []
    real = os.fsync

    def fsync(file):
        synced.append(Path(f"/proc/self/fd/{file}").readlink().name)
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    await files.append(OPS, BLOB, 0, DATA)
    assert synced == ["counted"]
    synced.clear()
    await files.finish(OPS, BLOB)
    assert synced == [f"{BLOB.digest}.{BLOB.size}.part", "pa.senan+ops", "uploads"]
    synced.clear()
    await files.keep(OPS, [BLOB])
    assert synced == ["kept", "pa.senan"]
