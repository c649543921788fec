"""Attachments end to end: sealed, uploaded and fetched over links that break; saved whole."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from exchange.client import attaching, saving, uploading
from exchange.client.attaching import MEDIA_TYPES, look
from exchange.client.reading import Delivered
from exchange.client.uploading import MAX_TRIES, Patience
from exchange.errors import Code, Fault, Refusal
from exchange.model import header as headers
from exchange.model.bulletin.words import MAX_ATTACHMENT_BYTES
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.seal import jws
from exchange.store.blob_files import BlobFiles
from exchange.store.blob_memory import MemoryBlobs
from exchange.store.quota import Allowance
from tests.api.serving import Door, serving
from tests.builders import NOW_MS, WATCH, Randomness
from tests.client.dealing import agency, draft, fronted, lied_to
from tests.client.links import Poor, link
from tests.model.bulletins import CODES
from tests.node.running import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from exchange.client.agency import Agency

SPARED = Allowance(spare=0)


class Pauses:
    """Waits for nothing, and remembers for how long it should have."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@asynccontextmanager
async def endpoint(
    url: str, folder: Path, name: str = "pa.senan/ops"
) -> AsyncIterator[tuple[Agency, Pauses]]:
    made, pauses = agency(url, folder, name), Pauses()
    made._attachments._pause = pauses
    async with made:
        yield made, pauses


@asynccontextmanager
async def node(tmp_path: Path) -> AsyncIterator[Door]:
    async with serving(blobs=BlobFiles(tmp_path / "blobs", Clock(NOW_MS), SPARED)) as door:
        yield door


def a_file(folder: Path, name: str = "EJERCICIO foto.jpg", size: int = 900_000) -> Path:
    path = folder / name
    path.write_bytes(Randomness(name)(size))
    return path


async def received(reader: Agency) -> Delivered:
    (item,) = [each for each in await reader.everything() if isinstance(each, Delivered)]
    assert item.bulletin is not None, item.locked
    return item


def url_of(port: int) -> str:
    return f"https://127.0.0.1:{port}"


async def test_files_are_posted_and_saved_under_their_names(tmp_path):
    files = [
        a_file(tmp_path),
        a_file(tmp_path, "informe.txt", 10),
        a_file(tmp_path, "vacío", 0),
    ]
    async with node(tmp_path) as door, endpoint(door.url, tmp_path / "out") as (poster, _):
        told: list[tuple[int, int]] = []
        prepared = await poster.prepare(draft(), attach=files)
        assert [each.name for each in prepared.files] == [path.name for path in files]
        receipt = await poster.post(
            prepared, tell=lambda done, whole: told.append((done, whole))
        )
        assert (900_000, 900_000) in told
        assert all(done <= whole for done, whole in told)
        assert not list((tmp_path / "out").glob("*.attached"))
        async with endpoint(door.url, tmp_path / "in", WATCH) as (reader, _):
            item = await received(reader)
            assert item.index == receipt.index
            assert [each.media_type for each in item.bulletin.attachments] == [
                "image/jpeg",
                "text/plain",
                "application/octet-stream",
            ]
            saved = tmp_path / "saved"
            saved.mkdir()
            for place, path in enumerate(files):
                found = await reader.save(item, place, saved)
                assert found == saved / path.name
                assert found.read_bytes() == path.read_bytes()
                assert found.stat().st_mode & 0o777 == 0o600
            names = sorted(path.name for path in saved.iterdir())
            assert names == sorted(path.name for path in files)


async def test_bulletin_without_files_asks_nothing_more_of_the_node(tmp_path):
    async with lied_to() as (_, liar, url), endpoint(url, tmp_path) as (poster, _):
        await poster.post(await poster.prepare(draft()))
        assert not [each for each in liar.asked if "uploads" in each]


# -- links that break --------------------------------------------------------------------------


async def test_cuts_on_the_way_in_are_gone_on_from_not_begun_anew(tmp_path):
    size = 3_000_000
    path = a_file(tmp_path, size=size)
    async with node(tmp_path) as door, link(door.port, Poor("in", 400_000)) as made:
        line, port = made
        async with endpoint(url_of(port), tmp_path / "out") as (poster, pauses):
            prepared = await insisting(poster.prepare, draft(), attach=[path])
            receipt = await post_or_resume(poster, prepared)
        assert line.cuts >= 5
        assert pauses.seconds
        # Only what was under way at a cut goes twice.
        assert line.carried["up"] < size + line.cuts * 300_000
        async with endpoint(door.url, tmp_path / "in", WATCH) as (reader, _):
            item = await received(reader)
            assert item.index == receipt.index
            (tmp_path / "in").mkdir()
            saved = await reader.save(item, 0, tmp_path / "in")
            assert saved.read_bytes() == path.read_bytes()


async def test_cuts_on_the_way_out_are_gone_on_from_not_begun_anew(tmp_path):
    size = 3_000_000
    path = a_file(tmp_path, size=size)
    async with node(tmp_path) as door:
        async with endpoint(door.url, tmp_path / "out") as (poster, _):
            await poster.post(await poster.prepare(draft(), attach=[path]))
        async with link(door.port, Poor("out", 400_000)) as (line, port):
            async with endpoint(url_of(port), tmp_path / "in", WATCH) as (reader, _):
                item = await insisting(received, reader)
                before = line.carried["down"]
                (tmp_path / "in").mkdir()
                saved = await reader.save(item, 0, tmp_path / "in")
            assert line.cuts >= 5
            assert line.carried["down"] - before < size + line.cuts * 100_000
        assert saved.read_bytes() == path.read_bytes()
        assert [each.name for each in (tmp_path / "in").iterdir()] == [path.name]


async def insisting(call: Any, *args: Any, **options: Any) -> Any:
    """Call again until the link holds for long enough."""
    while True:
        try:
            return await call(*args, **options)
        except Fault as fault:
            told = fault.code
        assert told in (Code.NODE_UNREACHABLE, Code.OUTCOME_UNKNOWN)


async def post_or_resume(poster: Agency, prepared: Any) -> Any:
    try:
        return await poster.post(prepared)
    except Fault:
        pass
    while not (receipts := await insisting(poster.resume)):
        pass
    return receipts[0]


async def test_upload_is_gone_on_with_by_another_process(tmp_path, monkeypatch):
    """The first one ends in the middle; the outbox and the node know all that is needed."""
    monkeypatch.setattr(uploading, "SEGMENT_BYTES", 100_000)
    path = a_file(tmp_path)
    async with node(tmp_path) as door:
        async with endpoint(door.url, tmp_path / "out") as (poster, _):
            prepared = await poster.prepare(draft(), attach=[path])

            def dies(done: int, whole: int) -> None:
                if whole > 900_000 and done >= 500_000:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                await poster.post(prepared, tell=dies)
        path.unlink()
        sent: list[int] = []
        async with endpoint(door.url, tmp_path / "out") as (poster, _):
            assert poster.world.outbox.waiting() == [prepared.header.id]
            (receipt,) = await poster.resume(lambda done, _: sent.append(done))
            assert sent[0] == 500_000
            assert poster.world.outbox.receipt(prepared.header.id) == receipt
            assert await poster.resume() == []


async def test_recorded_bulletin_whose_receipt_was_lost_is_not_uploaded_again(tmp_path):
    path = a_file(tmp_path)
    async with node(tmp_path) as door:
        async with (
            fronted(_losing_one_receipt(door)) as url,
            endpoint(url, tmp_path / "out") as (poster, _),
        ):
            prepared = await poster.prepare(draft(), attach=[path])
            with pytest.raises(Fault) as lost:
                await poster.post(prepared)
            assert lost.value.code is Code.OUTCOME_UNKNOWN
        async with endpoint(door.url, tmp_path / "out") as (poster, _):
            told: list[int] = []
            (receipt,) = await poster.resume(lambda done, _: told.append(done))
            assert told == []
            assert receipt.index == door.node.size - 1
        assert not list((tmp_path / "out").glob("*.attached"))


def _losing_one_receipt(door: Door) -> Any:
    from aiohttp import web  # noqa: PLC0415

    async def handle(request: web.Request) -> web.Response:
        async with door.http.request(
            request.method,
            door.url + request.path_qs,
            data=await request.read(),
            headers={k: v for k, v in request.headers.items() if k == "Authorization"},
        ) as answer:
            body = await answer.read()
        if request.path == "/v1/objects":
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=body, status=answer.status, content_type=answer.content_type)

    return handle


async def test_download_is_gone_on_with_by_another_process(tmp_path):
    path = a_file(tmp_path)
    async with node(tmp_path) as door:
        async with endpoint(door.url, tmp_path / "out") as (poster, _):
            await poster.post(await poster.prepare(draft(), attach=[path]))
        (tmp_path / "in").mkdir()

        def dies(done: int, _: int) -> None:
            if done > 300_000:
                raise KeyboardInterrupt

        async with endpoint(door.url, tmp_path / "box", WATCH) as (reader, _):
            item = await received(reader)
            with pytest.raises(KeyboardInterrupt):
                await reader.save(item, 0, tmp_path / "in", dies)
        (part,) = (tmp_path / "in").iterdir()
        assert part.name.startswith(".")
        had = part.stat().st_size
        assert had > 300_000
        async with endpoint(door.url, tmp_path / "box", WATCH) as (reader, _):
            told: list[int] = []
            saved = await reader.save(item, 0, tmp_path / "in", lambda d, _: told.append(d))
            assert min(told) > had
        assert saved.read_bytes() == path.read_bytes()


async def test_download_begins_with_a_new_session_where_the_old_one_ended(tmp_path):
    path = a_file(tmp_path)
    async with node(tmp_path) as door:
        await posted(door, tmp_path, path)
        (tmp_path / "in").mkdir()
        async with endpoint(door.url, tmp_path / "box", WATCH) as (reader, pauses):
            item = await received(reader)
            reader._transport._token = "ended"  # noqa: S105  (no token of anybody)
            saved = await reader.save(item, 0, tmp_path / "in")
            assert pauses.seconds == []
            # Once: a node that says it of each token is not asked for ever.
            reader._transport._open_session = _never_good
            reader._transport._token = "ended"  # noqa: S105  (no token of anybody)
            with pytest.raises(Refusal) as refused:
                await reader.save(item, 0, tmp_path / "in")
            assert refused.value.code is Code.BAD_TOKEN
        assert saved.read_bytes() == path.read_bytes()


async def _never_good() -> str:
    return "never good"


async def test_node_that_is_gone_is_borne_for_a_while_and_then_told(tmp_path):
    path = a_file(tmp_path)
    async with (
        node(tmp_path) as door,
        link(door.port) as (line, port),
        endpoint(url_of(port), tmp_path / "out") as (poster, pauses),
    ):
        prepared = await poster.prepare(draft(), attach=[path])
        line.port = 1  # nobody is there
        await line.close()
        with pytest.raises(Fault) as gone:
            await poster.post(prepared)
        assert gone.value.code in (Code.NODE_UNREACHABLE, Code.OUTCOME_UNKNOWN)
        assert pauses.seconds == [1, 2, 4, 8, 16, 30, 30]
        # Nothing is lost: it waits for the link.
        line.port = door.port
        assert len(await insisting(poster.resume)) == 1


async def test_patience_begins_anew_with_every_headway():
    pauses = Pauses()
    patience, cut = Patience(pauses), Fault(Code.NODE_UNREACHABLE)
    for offset in range(3):
        patience.came(offset)
        for _ in range(MAX_TRIES - 1):
            await patience.bear(cut)
            patience.came(offset)  # no headway: the same place
    with pytest.raises(Fault):
        await patience.bear(cut)
    with pytest.raises(Refusal):
        await Patience(pauses).bear(Refusal(Code.QUOTA))
    with pytest.raises(Fault):
        await Patience(pauses).bear(Fault(Code.STORE_FAILED))


# -- what the node refuses ---------------------------------------------------------------------


async def test_upload_that_is_refused_leaves_nothing_in_the_outbox(tmp_path):
    small = MemoryBlobs(Clock(NOW_MS), Allowance(bytes=1000))
    async with (
        serving(blobs=small) as door,
        endpoint(door.url, tmp_path / "out") as (poster, _),
    ):
        prepared = await poster.prepare(draft(), attach=[a_file(tmp_path)])
        with pytest.raises(Refusal) as refused:
            await poster.post(prepared)
        assert refused.value.code is Code.QUOTA
        assert list((tmp_path / "out").iterdir()) == []


# -- what a reader refuses ---------------------------------------------------------------------


async def posted(door: Door, tmp_path: Path, *files: Path) -> None:
    async with endpoint(door.url, tmp_path / "out") as (poster, _):
        await poster.post(await poster.prepare(draft(), attach=files))


async def test_other_bytes_than_the_header_names_are_refused_and_deleted(tmp_path):
    async with lied_to() as (door, _, _):
        await posted(door, tmp_path, a_file(tmp_path))

        async def other(request: Any) -> Any:
            from aiohttp import web  # noqa: PLC0415

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
                reader._transport._profile = msgspec.structs.replace(reader.profile, url=lying)
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
        from exchange.client import compose  # noqa: PLC0415

        prepared = await poster.prepare(draft(), attach=[path])
        attached = await poster._attachments.seal(
            prepared.files, prepared.header.id, lambda *_: None
        )
        untold = compose.seal(
            msgspec.structs.replace(prepared, header=prepared.header),
            poster._keys.signer,
            poster.world.randomness,
        )
        header = headers.decode(jws.read(untold.header, headers.MAX_HEADER_BYTES).payload)
        header = msgspec.structs.replace(header, attachments=[attached[0].blob])
        raw = jws.sign(msgspec.json.encode(header), headers.TYP, [poster._keys.signer])
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
    from exchange.model.bulletin.blocks import Attachment  # noqa: PLC0415
    from exchange.model.codec import b64  # noqa: PLC0415
    from exchange.seal.attachment import Sealing  # noqa: PLC0415

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
    from exchange.model.bulletin.blocks import Attachment  # noqa: PLC0415

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
        assert list((tmp_path / "out").iterdir()) == []


async def test_sealed_file_is_readable_by_its_owner_alone(tmp_path):
    path = a_file(tmp_path, size=10)
    into = tmp_path / "sealed"
    (file,) = look([path])
    attaching.seal(file, "id", 0, into, Randomness("x"), lambda *_: None)
    assert into.stat().st_mode & 0o777 == 0o600
