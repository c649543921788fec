"""What a reader refuses to save, and what is never attached; names and files stay harmless."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from exchange.client import attaching, compose, saving
from exchange.client.attaching import MEDIA_TYPES, look
from exchange.client.reading import Delivered
from exchange.client.uploading import Patience
from exchange.errors import Code, Fault, Refusal
from exchange.model import header as headers
from exchange.model.bulletin.blocks import Attachment
from exchange.model.bulletin.words import MAX_ATTACHMENT_BYTES
from exchange.model.codec import b64
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.seal import jws
from exchange.seal.attachment import Sealing
from tests.builders import WATCH, Randomness
from tests.client.attached import Pauses, a_file, endpoint, node, posted, received
from tests.client.dealing import draft, fronted, lied_to
from tests.model.bulletins import CODES


async def test_other_bytes_than_the_header_names_are_refused_and_deleted(tmp_path):
    async with lied_to() as (door, _, _):
        await posted(door, tmp_path, a_file(tmp_path))

        async def other(request: Any) -> Any:
            async with door.http.get(
                door.url + request.path_qs,
                headers={"Authorization": request.headers.get("Authorization", "")},
            ) as answer:
                body, media = await answer.read(), answer.content_type
            if request.path.startswith("/v1/blobs/") and len(body) > 500_000:
                body = body[:-1] + bytes([body[-1] ^ 1])
            return web.Response(body=body, status=answer.status, content_type=media)

        (tmp_path / "in").mkdir()
        async with endpoint(door.url, tmp_path / "box", WATCH) as (reader, _):
            item = await received(reader)
            async with fronted(other) as lying:
                reader.transport._profile = msgspec.structs.replace(reader.profile, url=lying)
                with pytest.raises(Refusal) as refused:
                    await reader.save(item, 0, tmp_path / "in")
        assert refused.value.code is Code.DIGEST_MISMATCH
        assert list((tmp_path / "in").iterdir()) == []


async def test_more_bytes_than_the_header_names_are_refused(tmp_path):
    class Lavish:
        async def stream(self, *_: Any, **__: Any) -> Any:
            yield b"x" * 11

    with pytest.raises(Refusal) as refused:
        await saving.fetch(
            Lavish(),
            0,
            Blob("A" * 43, 10),
            tmp_path / "part",
            Patience(Pauses()),
            lambda *_: None,
        )
    assert refused.value.code is Code.SIZE_MISMATCH
    assert (tmp_path / "part").stat().st_size == 0


async def test_two_that_fetch_the_same_do_not_write_between_each_other(tmp_path):
    part = tmp_path / "part"
    with saving._gone_on_with(part), pytest.raises(Fault) as taken:
        await saving.fetch(
            None,
            0,
            Blob("A" * 43, 10),
            part,
            Patience(Pauses()),
            lambda *_: None,
        )
    assert taken.value.code is Code.STORE_FAILED


async def test_body_that_describes_other_files_than_its_header_locks_the_bulletin(tmp_path):
    """A node takes it in: it cannot see what the body says."""
    path = a_file(tmp_path, size=100)
    async with node(tmp_path) as door, endpoint(door.url, tmp_path / "out") as (poster, _):
        prepared = await poster.prepare(draft(), attach=[path])
        attached = await poster.attachments.seal(
            prepared.files, prepared.header.id, lambda *_: None
        )
        untold = compose.seal(
            msgspec.structs.replace(prepared, header=prepared.header),
            poster.keys.signer,
            poster.world.randomness,
        )
        untold = untold.envelope
        header = headers.decode(jws.read(untold.header, headers.MAX_HEADER_BYTES).payload)
        header = msgspec.structs.replace(header, attachments=[attached[0].blob])
        raw = jws.sign(msgspec.json.encode(header), headers.TYP, [poster.keys.signer])
        poster.world.outbox.keep(header.id, untold._replace(header=raw))
        await poster.resume()
        async with endpoint(door.url, tmp_path / "in", WATCH) as (reader, _):
            (item,) = await reader.everything()
            assert isinstance(item, Delivered)
            assert item.locked is not None
            found = (item.locked.code, item.locked.at)
            assert found == (Code.HEADER_BODY_MISMATCH, "/attachments")
            with pytest.raises(Refusal):
                await reader.save(item, 0, tmp_path)


# -- saving ------------------------------------------------------------------------------------


async def saved_as(tmp_path: Path, name: str, data: bytes, folder: Path) -> Path:
    key = Randomness("saved")(32)
    sealing = Sealing(key, "id", 0)
    part = tmp_path / "part"
    part.write_bytes(sealing.update(data) + sealing.finish())
    told = Attachment(name, "text/plain", len(data), digest(data), b64(key))
    return saving.save(part, told, "id", 0, folder)


async def test_namesake_is_never_written_over(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"mine")
    (folder / "a-2.txt").symlink_to(tmp_path / "elsewhere")
    found = await saved_as(tmp_path, "a.txt", b"theirs", folder)
    assert found == folder / "a-3.txt"
    assert found.read_bytes() == b"theirs"
    assert (folder / "a.txt").read_bytes() == b"mine"
    assert not (tmp_path / "elsewhere").exists()


async def test_name_that_leads_elsewhere_is_saved_here(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    found = await saved_as(tmp_path, "../\u202ea.txt", b"x", folder)
    assert found.parent == folder
    assert [each.name for each in folder.iterdir()] == ["_a.txt"]


async def test_file_that_does_not_hold_leaves_nothing_behind(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    part = tmp_path / "part"
    part.write_bytes(bytes(200))
    told = Attachment("a.txt", "text/plain", 100, "A" * 43, "A" * 43)
    with pytest.raises(Refusal) as refused:
        saving.save(part, told, "id", 0, folder)
    assert refused.value.code is Code.CANNOT_DECRYPT
    assert list(folder.iterdir()) == []


async def test_folder_that_cannot_be_written_to_is_a_fault(tmp_path):
    with pytest.raises(Fault) as failed:
        await saved_as(tmp_path, "a.txt", b"x", tmp_path / "absent")
    assert failed.value.code is Code.STORE_FAILED
    assert "absent" not in str(failed.value)


# Saves what is in a folder, and is killed at the fsync whose number is given.
KILLED = """
import os, signal, sys
from pathlib import Path
from exchange.client import saving
from exchange.model.bulletin.blocks import Attachment
import msgspec

folder, told, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
synced, real = 0, os.fsync

def fsync(file):
    global synced
    synced += 1
    if synced == at:
        os.kill(os.getpid(), signal.SIGKILL)
    real(file)

os.fsync = fsync
attachment = msgspec.json.decode(told, type=Attachment)
saving.save(folder / ".part", attachment, "id", 0, folder)
"""


def killed(folder: Path, told: Attachment, at: int) -> list[str]:
    """What a saving leaves that is killed before its n-th fsync: of the file, of the folder."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            KILLED,
            str(folder),
            msgspec.json.encode(told).decode(),
            str(at),
        ],
        cwd=Path(__file__).parents[2],
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    return sorted(path.name for path in folder.iterdir())


def sealed_part(folder: Path, name: str, data: bytes) -> Attachment:
    folder.mkdir(exist_ok=True)
    key = Randomness("saved")(32)
    sealing = Sealing(key, "id", 0)
    (folder / ".part").write_bytes(sealing.update(data) + sealing.finish())
    return Attachment(name, "text/plain", len(data), digest(data), b64(key))


def test_killed_before_the_file_is_whole_nothing_has_its_name(tmp_path):
    folder = tmp_path / "in"
    told = sealed_part(folder, "a.txt", b"text")
    left = killed(folder, told, 1)
    assert len(left) == 2
    assert left[0].startswith(".attachment.")
    assert left[1] == ".part"
    # Said again, it is saved under its name, and what was left is gone.
    assert saving.save(folder / ".part", told, "id", 0, folder) == folder / "a.txt"
    assert [path.name for path in folder.iterdir()] == ["a.txt"]
    assert (folder / "a.txt").read_bytes() == b"text"


def test_killed_once_it_has_its_name_the_file_is_whole(tmp_path):
    folder = tmp_path / "in"
    told = sealed_part(folder, "a.txt", b"text")
    assert killed(folder, told, 2)[-1] == "a.txt"
    assert (folder / "a.txt").read_bytes() == b"text"
    assert (folder / ".part").exists()


async def test_what_nobody_resumes_is_cleared_by_the_next_saving_and_no_other_files(tmp_path):
    folder = tmp_path / "in"
    killed(folder, sealed_part(folder, "a.txt", b"text"), 1)
    for name in ("mine.new", ".other.new", ".attachment.new"):
        (folder / name).write_bytes(b"mine")
    with saving._beside(folder) as (_, another):
        assert await saved_as(tmp_path, "b.txt", b"x", folder) == folder / "b.txt"
        # Somebody is writing that one.
        assert another.exists()
    assert sorted(path.name for path in folder.iterdir()) == [
        *(".attachment.new", ".other.new", ".part"),
        *("b.txt", "mine.new"),
    ]


async def test_new_file_that_was_cleared_before_it_was_held_is_made_anew(tmp_path, monkeypatch):
    cleared = []
    flock = saving.fcntl.flock

    def late(file: Any, how: int) -> None:
        if not cleared:
            (path,) = tmp_path.glob(".attachment.*.new")
            path.unlink()
            cleared.append(path)
        flock(file, how)

    monkeypatch.setattr(saving.fcntl, "flock", late)
    with saving._beside(tmp_path) as (_, beside):
        assert cleared != [beside]
        assert beside.exists()
    assert list(tmp_path.iterdir()) == []


async def test_file_is_durable_before_its_name_and_its_name_before_its_ciphertext_goes(
    tmp_path, monkeypatch
):
    folder, real, synced = tmp_path / "in", os.fsync, []
    folder.mkdir()

    def fsync(file: int) -> None:
        name = Path(f"/proc/self/fd/{file}").readlink().name
        there = {path.name for path in (folder / "a.txt", tmp_path / "part") if path.exists()}
        synced.append((name[:12], there))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    await saved_as(tmp_path, "a.txt", b"x", folder)
    assert synced == [(".attachment.", {"part"}), ("in", {"a.txt", "part"})]
    assert not (tmp_path / "part").exists()


async def test_where_there_are_no_hard_links_nothing_is_written_over_either(
    tmp_path, monkeypatch
):
    """As on a memory stick: the kernel is asked to rename, and not over anything."""

    def without_links(*_: Any) -> None:
        raise OSError(errno.EPERM, "no hard links")

    monkeypatch.setattr(os, "link", without_links)
    await test_namesake_is_never_written_over(tmp_path)
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == [
        *("a-2.txt", "a-3.txt", "a.txt")
    ]


async def test_name_that_cannot_be_given_is_a_fault(tmp_path, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    (tmp_path / "in").mkdir()
    monkeypatch.setattr(os, "link", full)
    with pytest.raises(Fault) as failed:
        await saved_as(tmp_path, "a.txt", b"x", tmp_path / "in")
    assert failed.value.code is Code.STORE_FAILED
    assert list((tmp_path / "in").iterdir()) == []
    # What came is there still: it need not be fetched again.
    assert (tmp_path / "part").exists()


# -- looking at files --------------------------------------------------------------------------


def test_every_media_type_that_is_told_is_in_the_list():
    assert {*MEDIA_TYPES.values(), attaching.OTHER_TYPE} == set(CODES.lists["media-types"])


def test_files_that_cannot_be_attached_are_named_by_place(tmp_path):
    good = a_file(tmp_path, size=1)
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(MAX_ATTACHMENT_BYTES + 1)
    (tmp_path / "odd").mkdir()
    bad = tmp_path / os.fsdecode(b"\xff.txt")
    bad.write_bytes(b"")
    for path, kind, code, at in (
        (tmp_path / "absent", Fault, Code.STORE_FAILED, "/attachments/1"),
        (tmp_path / "odd", Fault, Code.STORE_FAILED, "/attachments/1"),
        (huge, Refusal, Code.OVERSIZED, "/attachments/1"),
        (bad, Refusal, Code.WRONG_VALUE, "/attachments/1/name"),
    ):
        with pytest.raises(kind) as told:
            look([good, path])
        assert (told.value.code, told.value.at) == (code, at)
        assert "absent" not in str(told.value)
    with pytest.raises(Refusal) as told:
        look([good] * 17)
    assert told.value.code is Code.TOO_MANY


async def test_name_that_no_bulletin_may_say_is_refused_before_anything_is_sealed(tmp_path):
    async with node(tmp_path) as door, endpoint(door.url, tmp_path / "out") as (poster, _):
        path = a_file(tmp_path, "a\x1bb.txt", 1)
        with pytest.raises(Refusal) as told:
            await poster.prepare(draft(), attach=[path])
        found = (told.value.code, told.value.at)
        assert found == (Code.CONTROL_CHARACTER, "/attachments/0/name")


async def test_file_that_changed_after_it_was_shown_is_not_sent(tmp_path):
    async with node(tmp_path) as door, endpoint(door.url, tmp_path / "out") as (poster, _):
        path = a_file(tmp_path)
        prepared = await poster.prepare(draft(), attach=[path])
        with path.open("ab") as file:
            file.write(b"x")
        with pytest.raises(Refusal) as told:
            await poster.post(prepared)
        assert (told.value.code, told.value.at) == (Code.SIZE_MISMATCH, "/attachments/0/size")
        assert not list((tmp_path / "out").glob("*.attached"))
        assert poster.world.outbox.waiting() == []


async def test_sealed_file_is_readable_by_its_owner_alone(tmp_path):
    path = a_file(tmp_path, size=10)
    into = tmp_path / "sealed"
    (file,) = look([path])
    attaching.seal(file, "id", 0, into, Randomness("x"), lambda *_: None)
    assert into.stat().st_mode & 0o777 == 0o600
