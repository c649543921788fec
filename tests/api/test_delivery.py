"""What is owed is shown only while the rules permit it: asked at each page, event and piece."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from exchange.model.identity import digest
from exchange.model.trust import Category, CategoryValue
from tests.api.attached import BLOB, accepted, send
from tests.api.listening import listening
from tests.api.serving import Door, keyless, serving
from tests.api.test_blobs_interrupted import Slow
from tests.builders import (
    COAST,
    DAY,
    MINSA,
    NOW,
    WATCH,
    WATCH_DESK,
    feeds,
    refers,
    world,
)
from tests.consented import consent, controlled, withdrawn
from tests.node.running import Clock, post, until


def read_by(*members: str) -> Any:
    """The feeds, of which maritime is read by these members alone."""
    changed = [
        msgspec.structs.replace(feed, read=list(members)) if feed.name == "maritime" else feed
        for feed in feeds()
    ]
    return {"feeds": changed}


def category(kind: Any, *holders: str) -> Any:
    value = CategoryValue("amber", ["tlp:amber"], list(holders))
    return {"categories": [Category("need", {"es": "EJERCICIO", "en": "X"}, kind, [value])]}


async def change(door: Door, raw: bytes) -> None:
    assert (await post(door.node, raw, MINSA)).refusal is None


def body(of: Any, index: int) -> str:
    return f"/v1/blobs/{digest(of.body)}?index={index}"


@pytest.mark.parametrize(
    ("agreed", "code"),
    [
        (read_by("us.jiatfs"), "may-not-read"),
        ({"feeds": feeds()[1:]}, "unknown-feed"),
        (category("restrictive", "us.jiatfs"), "category-not-held"),
        (category("permissive", "us.jiatfs/watch"), "no-category-held"),
    ],
)
async def test_body_is_withheld_once_the_arrangement_says_so_and_the_entry_is_not(agreed, code):
    async with serving() as door:
        envelope = world().envelope()
        index = (await door.post(envelope.framed())).json["index"]
        assert (await door.get(body(envelope, index), COAST)).body == envelope.body
        await change(door, world().rearranged(**agreed))
        said = await door.get(body(envelope, index), COAST)
        assert said.code == code
        # That it is owed is proven, and stays; the header was shown when it was permitted.
        assert (await door.get("/v1/inbox", COAST)).json["total"] == 1
        kept = await door.get(body(envelope, index), WATCH)
        assert kept.body == envelope.body or code == "unknown-feed"


async def test_body_is_withheld_from_the_second_on_that_its_retention_ends():
    clock = Clock()
    async with serving(clock=clock) as door:
        envelope = world().envelope(retain_until=NOW + DAY)
        index = (await door.post(envelope.framed())).json["index"]
        door._tokens.clear()
        clock.ms = (NOW + DAY) * 1000 - 1
        assert (await door.get(body(envelope, index), COAST)).status == 200
        clock.ms += 1
        assert (await door.get(body(envelope, index), COAST)).code == "retention-over"


async def test_holder_of_what_it_corrects_gets_the_header_alone():
    async with serving() as door:
        first = world().envelope()
        await door.post(first.framed())
        second = world().envelope(
            type="cor", verb="correct", refs=refers("corrects", first), to=[WATCH]
        )
        index = (await door.post(second.framed())).json["index"]
        assert (await door.get("/v1/inbox", COAST)).json["total"] == 2
        assert (await door.get(body(second, index), COAST)).code == "not-a-recipient"
        assert (await door.get(body(second, index), WATCH)).status == 200


@asynccontextmanager
async def granted() -> Any:
    async with serving() as door:
        closed = world().closed(to=[WATCH])
        grant = world().grant(closed)
        await post(door.node, closed.envelope)
        index = (await post(door.node, grant)).receipt.index
        paths = [
            f"/v1/granted?index={index}",
            f"/v1/blobs/{digest(closed.envelope.body)}?index={index}",
            f"/v1/blobs/{digest(grant.body)}?index={index}",
        ]
        yield door, paths


async def test_what_was_granted_is_withheld_as_well():
    async with granted() as (door, paths):
        for path in paths:
            assert (await door.get(path, WATCH_DESK)).status == 200
        await change(door, world().rearranged(**category("restrictive", WATCH)))
        for path in paths:
            assert (await door.get(path, WATCH_DESK)).code == "category-not-held"


@asynccontextmanager
async def passed_on(clock: Clock | None = None) -> Any:
    """A bulletin under control that a recipient passed on, by consent."""
    blobs = Slow()
    async with serving(blobs=blobs, clock=clock or Clock()) as door:
        await send(door)
        closed = controlled(world(), attachments=[BLOB])
        grant = world().grant(closed, WATCH_DESK, COAST)
        for each in (closed.envelope, consent(world(), closed.envelope)):
            assert (await post(door.node, each)).refusal is None
        index = (await post(door.node, grant)).receipt.index
        paths = [
            f"/v1/granted?index={index}",
            f"/v1/blobs/{digest(closed.envelope.body)}?index={index}",
            f"/v1/blobs/{digest(grant.body)}?index={index}",
            f"/v1/blobs/{BLOB.digest}?index={index}",
        ]
        yield door, closed.envelope, paths, blobs


async def test_what_was_passed_on_by_consent_is_shown_until_that_is_withdrawn():
    async with passed_on() as (door, envelope, paths, blobs):
        blobs.go_on.set()
        for path in paths:
            assert (await door.get(path, WATCH_DESK)).status == 200
        await post(door.node, withdrawn(world(), envelope))
        for path in paths:
            said = await door.get(path, WATCH_DESK)
            assert (said.status, said.code) == (422, "consent-withdrawn")
        # Who was sent it goes on reading, and so does who has a consent anew.
        index = paths[0].partition("=")[2]
        assert (await door.get(body(envelope, int(index) - 2), COAST)).status == 200
        await post(door.node, consent(world(), envelope))
        for path in paths:
            assert (await door.get(path, WATCH_DESK)).status == 200


async def test_what_was_passed_on_in_time_is_shown_when_the_consent_is_over():
    clock = Clock()
    async with passed_on(clock) as (door, _, paths, blobs):
        blobs.go_on.set()
        door._tokens.clear()
        clock.ms = (NOW + DAY) * 1000
        for path in paths:
            assert (await door.get(path, WATCH_DESK)).status == 200


async def test_attachment_ends_at_the_piece_after_its_consent_is_withdrawn():
    async with passed_on() as (door, envelope, paths, blobs):
        got = asyncio.ensure_future(door.get(paths[-1], WATCH_DESK))
        async with asyncio.timeout(10):
            await blobs.read_once.wait()
        await post(door.node, withdrawn(world(), envelope))
        blobs.go_on.set()
        with pytest.raises(Exception, match=r"not completed|closed|reset|payload|Disconnected"):
            await asyncio.wait_for(got, 10)


async def test_grant_to_who_holds_no_category_is_refused():
    async with serving() as door:
        await change(door, world().rearranged(**category("restrictive", WATCH)))
        closed = world().closed(to=[WATCH])
        await post(door.node, closed.envelope)
        refusal = (await post(door.node, world().grant(closed))).refusal
        assert (refusal.code, refusal.at) == ("category-not-held", "/to")


async def test_attachment_ends_at_the_piece_after_its_reader_may_not_read():
    blobs = Slow()
    async with serving(blobs=blobs) as door:
        await send(door)
        index = (await accepted(door, BLOB)).json["index"]
        got = asyncio.ensure_future(door.get(f"/v1/blobs/{BLOB.digest}?index={index}", COAST))
        async with asyncio.timeout(10):
            await blobs.read_once.wait()
        await change(door, world().rearranged(**read_by("us.jiatfs")))
        blobs.go_on.set()
        with pytest.raises(Exception, match=r"not completed|closed|reset|payload|Disconnected"):
            await asyncio.wait_for(got, 10)


async def test_page_that_waited_gives_nothing_to_who_lost_its_keys_meanwhile():
    async with serving() as door:
        poll = asyncio.ensure_future(door.get("/v1/inbox?wait=30", COAST))
        await until(lambda: COAST in door.node.inboxes._bells)
        await change(door, world().amended(COAST, keyless))
        await post(door.node, world().envelope(to=[COAST]))
        assert (await asyncio.wait_for(poll, 5)).code == "key-not-valid"


async def test_stream_ends_when_its_listener_loses_its_keys():
    async with serving() as door, listening(door, COAST) as stream:
        await door.post(world().envelope().framed())
        await stream.entries(1)
        await change(door, world().amended(COAST, keyless))
        assert (await stream.until("problem"))["code"] == "key-not-valid"
