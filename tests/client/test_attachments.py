"""Attachments end to end: sealed, uploaded and fetched over links that break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import web

from exchange.client import saving, uploading
from exchange.client.uploading import MAX_TRIES, Patience
from exchange.errors import Code, Fault, Refusal
from exchange.model import wire
from exchange.model.header import Blob
from exchange.store.blob_memory import MemoryBlobs
from exchange.store.quota import Allowance
from tests.api.serving import Door, serving
from tests.builders import MINSA, NOW_MS, WATCH, suspended, world
from tests.client.attached import Pauses, a_file, endpoint, node, posted, received, url_of
from tests.client.dealing import draft, fronted, lied_to
from tests.client.links import Poor, link
from tests.node.running import Clock
from tests.node.running import post as put

if TYPE_CHECKING:
    from exchange.client.agency import Agency


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
            (tmp_path / "in").mkdir(exist_ok=True)
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
                (tmp_path / "saved").mkdir()
                saved = await reader.save(item, 0, tmp_path / "saved")
            assert line.cuts >= 5
            assert line.carried["down"] - before < size + line.cuts * 100_000
        assert saved.read_bytes() == path.read_bytes()
        assert [each.name for each in (tmp_path / "saved").iterdir()] == [path.name]


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
            reader.transport._token = "ended"  # noqa: S105  (no token of anybody)
            saved = await reader.save(item, 0, tmp_path / "in")
            assert pauses.seconds == []
            # Once: a node that says it of each token is not asked for ever.
            reader.transport._open_session = _never_good
            reader.transport._token = "ended"  # noqa: S105  (no token of anybody)
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


ASKED_IN_VAIN = [1, 2, 4, 8, 16, 30, 30]


# What a node says for ever of an upload of SIZE bytes: when it is asked, and to a piece.
SIZE = 1_500_000
NEVER_DONE = {
    "nothing comes": (0, 0),
    "a little comes": (0, 1000),
    "it is taken back": (500_000, 100_000),
    "more than all": (2 * SIZE, 2 * SIZE),
    "all, and not done": (SIZE, SIZE),
}


@pytest.mark.parametrize("said", NEVER_DONE)
async def test_node_that_takes_every_piece_and_is_never_done_is_given_up(tmp_path, said):
    """Each answer is a 200, so nothing failed; and each would have a piece sent once more."""
    pieces = 0

    async def never_done(request: web.Request) -> web.Response:
        nonlocal pieces
        if not request.path.startswith("/v1/uploads/"):
            forwarded: web.Response = await liar.handle(request)
            return forwarded
        await request.read()
        pieces += request.method == "PATCH"
        assert pieces <= MAX_TRIES, "sent for ever"
        offset = NEVER_DONE[said][request.method == "PATCH"]
        digest = request.path.rpartition("/")[2]
        told = wire.Upload(digest, int(request.query["size"]), offset, complete=False)
        return web.Response(body=msgspec.json.encode(told), content_type="application/json")

    async with lied_to() as (door, liar, _):
        async with (
            fronted(never_done) as url,
            endpoint(url, tmp_path / "out") as (poster, pauses),
        ):
            prepared = await poster.prepare(draft(), attach=[a_file(tmp_path, size=SIZE)])
            with pytest.raises(Fault) as stuck:
                await poster.post(prepared)
        assert stuck.value.code is Code.NO_HEADWAY
        assert stuck.value.facts == {"found": NEVER_DONE[said][1]}
        assert pauses.seconds == ASKED_IN_VAIN
        assert pieces == MAX_TRIES
        # It waits, and is posted by a node that does what it says.
        async with endpoint(door.url, tmp_path / "out") as (poster, _):
            assert len(await poster.resume()) == 1


@pytest.mark.parametrize("piece", [b"", b"x"])
async def test_node_that_ends_before_the_end_is_given_up(tmp_path, piece):
    """An empty answer, or a byte at a time: each a 200, and no cut."""
    asked: list[int] = []

    class Meagre:
        async def stream(self, *_: Any, offset: int, **__: Any) -> Any:
            asked.append(offset)
            assert len(asked) < 3 * MAX_TRIES, "asked for ever"
            if offset < 3:
                yield piece

    pauses = Pauses()
    with pytest.raises(Fault) as stuck:
        await saving.fetch(
            Meagre(),
            0,
            Blob("A" * 43, 10),
            tmp_path / "part",
            Patience(pauses),
            lambda *_: None,
        )
    assert (stuck.value.code, stuck.value.facts) == (Code.NO_HEADWAY, {"found": 3 * len(piece)})
    # A byte is headway; and nobody who gives so little is asked at once again.
    assert pauses.seconds == [1] * (3 * len(piece)) + ASKED_IN_VAIN
    assert asked == sorted(asked)


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
        assert not list((tmp_path / "out").glob("*.attached"))
        box = poster.world.outbox
        assert (box.waiting(), box.envelope(prepared.header.id)) == ([], None)


async def test_what_was_uploaded_for_a_refused_bulletin_takes_no_room_any_more(tmp_path):
    files = [a_file(tmp_path, f"EJERCICIO {n}.jpg", 3_000) for n in range(2)]
    small = MemoryBlobs(Clock(NOW_MS), Allowance(bytes=5_000))
    async with (
        serving(blobs=small) as door,
        endpoint(door.url, tmp_path / "out") as (poster, _),
    ):
        # The first is there when the second does not fit any more.
        with pytest.raises(Refusal, match="quota"):
            await poster.post(await poster.prepare(draft(), attach=files))
        assert small._uploads == {}
        prepared = await poster.prepare(draft(), attach=files[:1])
        await put(door.node, world().amended(WATCH, suspended), MINSA)
        with pytest.raises(Refusal):
            await poster.post(prepared)
        assert len(poster.world.outbox.refused()) == 1
        assert small._uploads == {}
