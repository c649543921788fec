"""Files put beside a node: taken in by its own process, at once or at its next start."""

from __future__ import annotations

import asyncio
import os
import resource
from contextlib import suppress

import pytest

from exchange.cli import incoming, young
from exchange.cli.incoming import Incoming
from exchange.errors import Code, Fault, Refusal
from exchange.link import parcels
from tests.builders import WATCH, border
from tests.link.bordered import bordered
from tests.link.test_carrying import Stick
from tests.node.running import until


@pytest.fixture
def stick(tmp_path):
    return Stick(tmp_path)


async def until_over(places):
    async with asyncio.timeout(10):
        while not all((found := incoming.outcome(each)) and found.is_over for each in places):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_what_was_put_while_the_node_was_down_is_taken_in_order_when_it_runs(
    stick, tmp_path
):
    land = border()
    async with bordered() as both:
        places = []
        for _ in range(2):
            await both.pa.post(land.envelope())
            after = -1 if not places else parcels.read(places[0]).parcel.cursor
            await stick.export(both.pa, "us", after)
            contents = parcels.read(stick.written[0])
            places.append(incoming.put(tmp_path, stick.written[0], contents))
            assert incoming.outcome(places[-1]) is None
        assert await both.us.inbox(WATCH) == []
        task = asyncio.create_task(Incoming(tmp_path, "us", {"pa": both.us.puller}).run())
        await until_over(places)
        for place in places:
            incoming.outcome(place).must_be_well()
            incoming.forget(place)
            # It is said first, and then taken away.
            await until(lambda gone=place: not gone.exists())
        assert len(await both.us.inbox(WATCH)) == 2
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_refusal_is_told_to_who_brought_it_and_the_next_file_is_taken(stick, tmp_path):
    land = border()
    async with bordered() as both:
        await both.pa.post(land.envelope())
        await stick.export(both.pa, "us")
        node = Incoming(tmp_path, "us", {})
        place = incoming.put(tmp_path, stick.written[0], parcels.read(stick.written[0]))
        with pytest.raises(Refusal) as caught:
            (await node.take(place)).must_be_well()
        assert caught.value.code is Code.EXPORT_OTHER
        # Cut after it was put here.
        place = incoming.put(tmp_path, stick.written[0], parcels.read(stick.written[0]))
        place.write_bytes(place.read_bytes()[:-5])
        node = Incoming(tmp_path, "us", {"pa": both.us.puller})
        with pytest.raises(Refusal) as caught:
            (await node.take(place)).must_be_well()
        assert caught.value.code is Code.BAD_EXPORT
        assert incoming.outcome(place).is_over
        place = incoming.put(tmp_path, stick.written[0], parcels.read(stick.written[0]))
        assert (await node.take(place)).here == both.us.puller.pulled.after
        assert len(await both.us.inbox(WATCH)) == 1


def full(monkeypatch, both):
    """The disk of our node is full until this context ends."""

    async def fails(*_):
        raise Fault(Code.STORE_FAILED)

    monkeypatch.setattr(both.us.puller, "take", fails)


async def two_files(stick, both, folder):
    """The second goes on from where the first ends."""
    places = []
    for _ in range(2):
        await both.pa.post(border().envelope())
        after = -1 if not places else parcels.read(places[0]).parcel.cursor
        await stick.export(both.pa, "us", after)
        contents = parcels.read(stick.written[0])
        places.append(incoming.put(folder, stick.written[0], contents))
    return places


async def test_a_file_kept_out_by_what_passes_is_tried_again_and_its_successor_waits(
    stick, tmp_path, monkeypatch
):
    monkeypatch.setattr(incoming, "_FIRST_AGAIN_S", 0)
    async with bordered() as both:
        places = await two_files(stick, both, tmp_path)
        node = Incoming(tmp_path, "us", {"pa": both.us.puller})
        with monkeypatch.context() as during:
            full(during, both)
            await node.step()
        for place in places:
            # Both are told of; neither is refused for want of the other, and lost.
            with pytest.raises(Fault) as caught:
                incoming.outcome(place).must_be_well()
            assert caught.value.code is Code.STORE_FAILED
            assert place.exists()
        await node.step()
        assert len(await both.us.inbox(WATCH)) == 2
        for place in places:
            assert not place.exists()


async def test_a_file_that_is_kept_out_is_not_read_again_at_once(stick, tmp_path, monkeypatch):
    async with bordered() as both:
        places = await two_files(stick, both, tmp_path)
        node = Incoming(tmp_path, "us", {"pa": both.us.puller})
        with monkeypatch.context() as during:
            full(during, both)
            await node.step()
            first = node._kept_out[places[0]]
        await node.step()
        assert await both.us.inbox(WATCH) == []
        assert node._kept_out == {places[0]: first}
        # Its turn comes; kept out again, it waits longer.
        node._kept_out[places[0]] = first._replace(until=0)
        with monkeypatch.context() as during:
            full(during, both)
            await node.step()
        assert node._kept_out[places[0]].pause_s == 2 * first.pause_s
        # Who puts it here once more waits for none of that.
        again = tmp_path / "again"
        again.write_bytes(places[0].read_bytes())
        incoming.put(tmp_path, again, parcels.read(again))
        await node.step()
        assert len(await both.us.inbox(WATCH)) == 2


async def test_a_file_that_can_not_be_read_now_is_kept(stick, tmp_path, monkeypatch):
    async with bordered() as both:
        await both.pa.post(border().envelope())
        await stick.export(both.pa, "us")
        place = incoming.put(tmp_path, stick.written[0], parcels.read(stick.written[0]))
        node = Incoming(tmp_path, "us", {"pa": both.us.puller})

        def unreadable(_):
            raise OSError

        with monkeypatch.context() as during:
            during.setattr(parcels, "read", unreadable)
            found = await node.take(place)
        assert (found.code, found.is_refused, place.exists()) == (Code.FILE, False, True)
        # Nor is it gone where nobody could be told what became of it.
        with monkeypatch.context() as during:
            during.setattr(incoming, "write_durably", lambda *_: unreadable(_))
            await node.take(place)
        assert place.exists()
        await node.take(place)
        assert (len(await both.us.inbox(WATCH)), place.exists()) == (1, False)


async def test_what_does_not_fit_beside_the_journal_leaves_it_the_disk(
    stick, tmp_path, monkeypatch
):
    links = tmp_path / "links"
    async with bordered() as both:
        await both.pa.post(border().envelope())
        await stick.export(both.pa, "us")
    file = stick.written[0]
    contents, size = parcels.read(file), file.stat().st_size
    # The copy breaks off half way, as on a full disk.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            incoming.put(links, file, contents)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((links / "incoming").iterdir()) == []
    # A byte less than what the journal is left, and the file.
    found = os.statvfs(tmp_path)
    with monkeypatch.context() as during:
        tight = os.statvfs_result((1, 1, 1, 1, 64 * 1024 * 1024 + size - 1, *found[5:]))
        during.setattr(os, "statvfs", lambda _: tight)
        with pytest.raises(Fault) as caught:
            incoming.put(links, file, contents)
    assert (caught.value.code, list((links / "incoming").iterdir())) == (Code.STORE_FAILED, [])
    assert incoming.put(links, file, contents).read_bytes() == file.read_bytes()


async def test_a_node_that_starts_takes_away_copies_that_were_cut_and_no_other(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    for name in ("us-1.new", ".us-1.export.coming-12345678"):
        (folder / name).write_bytes(b"EXERCISE")
    with young.beside(folder / "us-2.export", "coming") as held:
        Incoming(tmp_path, "us", {})._clear()
        assert list(folder.iterdir()) == [held.path]
