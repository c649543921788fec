"""Following an inbox: everything owed, in order, or a loud no; and one bad item blocks none."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from exchange.client.reading import Acked, Delivered, Locked
from exchange.errors import Code, Refusal
from exchange.model.bulletin import encode as encode_bulletin
from tests.api.serving import serving
from tests.builders import COAST, MINSA, OPS, WATCH, refers, suspended, world
from tests.client.dealing import agency, draft, forget_bodies, lied_to
from tests.node.running import post


async def sent(door, tmp_path, count=1):
    async with agency(door.url, tmp_path / "sender") as sender:
        return [await sender.post(await sender.prepare(draft())) for _ in range(count)]


def reader(url, tmp_path, endpoint=WATCH):
    return agency(url, tmp_path / endpoint.replace("/", "-"), endpoint)


async def test_bulletin_is_read_as_it_was_written(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        (receipt,) = await sent(door, tmp_path)
        (item,) = await line.everything()
        assert isinstance(item, Delivered)
        assert (item.index, item.locked) == (receipt.index, None)
        assert item.bulletin.type == "voi"
        assert encode_bulletin(item.bulletin) == item.opened.text


async def test_everything_goes_on_past_one_page(tmp_path, monkeypatch):
    from exchange.model import wire  # noqa: PLC0415

    async with serving() as door, reader(door.url, tmp_path) as line:
        await asyncio.gather(*(post(door.node, world().envelope(to=[WATCH])) for _ in range(9)))
        monkeypatch.setattr(wire, "MAX_PAGE_BYTES", 40_000)
        assert [item.position for item in await line.everything()] == list(range(9))


async def test_following_yields_each_item_once_and_waits_for_more(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        await sent(door, tmp_path, 2)
        items = line.follow()
        first = [await anext(items), await anext(items)]
        waiting = asyncio.ensure_future(anext(items))
        await sent(door, tmp_path)
        third = await asyncio.wait_for(waiting, 10)
        assert [item.position for item in (*first, third)] == [0, 1, 2]
        await items.aclose()


async def test_acknowledgement_reaches_the_originator(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        await sent(door, tmp_path)
        (item,) = await line.everything()
        receipt = await line.acknowledge(item, "opened", officer="watch-1")
        async with agency(door.url, tmp_path / "sender") as sender:
            (acked,) = await sender.everything()
        assert isinstance(acked, Acked)
        assert (acked.index, acked.ack.outcome, acked.ack.officer) == (
            receipt.index,
            "opened",
            "watch-1",
        )


async def test_item_that_cannot_be_opened_is_shown_and_blocks_nothing(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        await post(door.node, world().envelope(to=[WATCH], text=b"not a bulletin"))
        await sent(door, tmp_path)
        locked, good = await line.everything()
        assert locked.bulletin is None
        assert locked.locked.code is Code.MALFORMED
        assert good.bulletin is not None


async def test_header_that_says_other_than_the_bulletin_is_locked_with_its_member(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        async with agency(door.url, tmp_path / "sender") as sender:
            prepared = await sender.prepare(draft())
            header = msgspec.structs.replace(prepared.header, due=prepared.header.expires)
            await sender.post(msgspec.structs.replace(prepared, header=header))
        (item,) = await line.everything()
        assert (item.locked.code, item.locked.at) == (Code.HEADER_BODY_MISMATCH, "/due")
        assert item.bulletin is None


async def test_body_that_is_gone_locks_its_item_alone(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        await sent(door, tmp_path, 2)
        blobs = door.node.store._tables.blobs
        first = (await line.everything())[0]
        del blobs[first.header.body.digest]
        forget_bodies(line)
        one, two = await line.everything()
        assert (one.locked.code, two.locked) == (Code.NOT_FOUND, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "cor", "verb": "correct", "rel": "corrects"},
        {"verb": "update", "rel": "supersedes"},
    ],
    ids=["correction", "update"],
)
async def test_what_bears_on_a_bulletin_is_told_to_who_holds_it(tmp_path, changes):
    async with serving() as door, reader(door.url, tmp_path) as line:
        target = world().envelope(to=[WATCH])
        await post(door.node, target)
        rest = {name: value for name, value in changes.items() if name != "rel"}
        refs = refers(changes["rel"], target)
        await post(door.node, world().envelope(to=[COAST], refs=refs, **rest))
        _, other = await line.everything()
        assert (other.locked.code, other.target) == (
            Code.NOT_A_RECIPIENT,
            len(world().documents) + 1,
        )


# -- a node that does not tell everything --------------------------------------------------


def pages(change):
    def changed(path, value):
        return change(value) if path == "/v1/inbox" else value

    return changed


def without(place):
    def change(page):
        page["items"] = page["items"][:place] + page["items"][place + 1 :]
        return page

    return change


def hiding(position):
    """Hides one for good, and counts as if it had never been."""

    def change(page):
        page["items"] = [item for item in page["items"] if item["position"] != position]
        page["total"] -= 1
        return page

    return change


def reordered(page):
    page["items"].reverse()
    return page


def doubled(page):
    page["items"] += page["items"][-1:]
    return page


def renumbered(page):
    """Hides the middle one and closes up the numbers."""
    items = page["items"]
    if len(items) == 3:
        del items[1]
        items[1]["position"] = 1
    return page


def emptied(page):
    page["items"] = []
    return page


@pytest.mark.parametrize(
    "change",
    [hiding(0), hiding(1), without(0), without(1), reordered, doubled, emptied],
    ids=["first", "second", "first kept", "second kept", "reordered", "doubled", "emptied"],
)
async def test_page_with_something_missing_raises(tmp_path, change):
    async with lied_to() as (door, liar, url), reader(url, tmp_path) as line:
        await sent(door, tmp_path, 3)
        liar.change = pages(change)
        with pytest.raises(Refusal) as caught:
            await line.everything()
        assert caught.value.code in {Code.INBOX_GAP, Code.ITEM_WITHHELD}


async def test_withheld_end_is_noticed_by_the_total(tmp_path):
    async with lied_to() as (door, liar, url), reader(url, tmp_path) as line:
        await sent(door, tmp_path, 3)

        def endless(page):
            page["items"] = [item for item in page["items"] if item["position"] < 2]
            return page

        liar.change = pages(endless)
        with pytest.raises(Refusal) as caught:
            # The last item is on no page, though the node itself counts it.
            await line.everything()
        assert (caught.value.code, caught.value.at) == (Code.ITEM_WITHHELD, "/total")


async def test_gap_closed_by_new_numbers_shows_as_locked(tmp_path):
    async with lied_to() as (door, liar, url), reader(url, tmp_path) as line:
        await sent(door, tmp_path, 3)
        total = {"n": 0}

        def change(page):
            total["n"] += 1
            page = renumbered(page)
            page["total"] = 2
            return page

        liar.change = pages(change)
        items = await line.everything()
        assert [type(item) for item in items] == [Delivered, Locked]
        assert items[1].locked.code is Code.NOT_A_RECIPIENT


async def test_old_acknowledgement_does_not_fill_a_gap(tmp_path):
    async with lied_to() as (door, liar, url), reader(url, tmp_path) as line:
        await sent(door, tmp_path, 2)
        for item in await line.everything():
            await line.acknowledge(item, "opened")
        async with agency(url, tmp_path / "sender") as sender:

            def replayed(page):
                if len(page["items"]) == 2:
                    page["items"][1]["entry"] = page["items"][0]["entry"]
                return page

            liar.change = pages(replayed)
            one, two = await sender.everything()
        assert isinstance(one, Acked)
        assert isinstance(two, Locked)


@pytest.mark.parametrize("entry", ["", "x", "{}\n", "\ud7ff", "{" * 2000, "\n\n\n"])
async def test_nonsense_for_an_entry_is_locked_and_blocks_nothing(tmp_path, entry):
    async with lied_to() as (door, liar, url), reader(url, tmp_path) as line:
        await sent(door, tmp_path, 2)

        def garbled(page):
            if page["items"]:
                page["items"][0]["entry"] = entry
            return page

        liar.change = pages(garbled)
        one, two = await line.everything()
        assert isinstance(one, Locked)
        assert isinstance(two, Delivered)


async def test_altered_header_is_locked(tmp_path):
    async with lied_to() as (door, liar, url), reader(url, tmp_path) as line:
        await sent(door, tmp_path, 1)
        other = world().envelope(
            to=[WATCH], endpoint="us.jiatfs/desk", signer=world().signers[OPS]
        )

        def forged(page):
            for item in page["items"]:
                facts, _, _ = item["entry"].partition("\n")
                item["entry"] = f"{facts}\n{other.header.decode()}"
            return page

        liar.change = pages(forged)
        (item,) = await line.everything()
        assert item.locked.code is Code.DIGEST_MISMATCH


async def test_altered_body_is_locked(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        await sent(door, tmp_path, 1)
        blobs = door.node.store._tables.blobs
        (item,) = await line.everything()
        blobs[item.header.body.digest] = world().envelope().body
        forget_bodies(line)
        (item,) = await line.everything()
        assert item.locked.code in {Code.DIGEST_MISMATCH, Code.SIZE_MISMATCH}


# -- trust ---------------------------------------------------------------------------------


async def test_trust_is_folded_from_the_anchor_and_kept_up(tmp_path):
    async with serving() as door, reader(door.url, tmp_path) as line:
        view = await line.view()
        assert view.position == len(world().documents)
        await post(door.node, world().amended(COAST, suspended), MINSA)
        assert not (await line.view()).endpoints[COAST].is_active
        # What was posted before is still judged under its own view.
        assert line.trust.before(view.index + 1).view.endpoints[COAST].is_active


async def test_foreign_anchor_is_refused(tmp_path):
    async with serving() as door, agency(door.url, tmp_path, anchor="A" * 43) as line:
        with pytest.raises(Refusal) as caught:
            await line.view()
        assert caught.value.code is Code.TRUST_INVALID


def cut(items, place):
    return items[:place] + items[place + 1 :]


@pytest.mark.parametrize(
    "change",
    [
        lambda items: cut(items, 0),
        lambda items: cut(items, 3),
        lambda items: items[:-1],
        lambda items: [*items[:3], items[4], items[3], *items[5:]],
        lambda items: [*items, items[-1]],
        lambda _: [],
    ],
    ids=["first gone", "one gone", "last gone", "swapped", "doubled", "none"],
)
async def test_trust_log_with_something_missing_is_refused(tmp_path, change):
    async with lied_to() as (_, liar, url), reader(url, tmp_path) as line:

        def changed(path, value):
            if path == "/v1/trust":
                value["items"] = change(value["items"])
            return value

        liar.change = changed
        with pytest.raises(Refusal) as caught:
            await line.view()
        assert caught.value.code in {Code.TRUST_INVALID, Code.STALE_VERSION}


async def test_altered_trust_document_is_refused(tmp_path):
    async with lied_to() as (_, liar, url), reader(url, tmp_path) as line:

        def changed(path, value):
            if path == "/v1/trust":
                for item in value["items"]:
                    if item["name"] == "us":
                        item["document"] = item["document"].replace("A", "B", 1)
            return value

        liar.change = changed
        with pytest.raises(Refusal):
            await line.view()
