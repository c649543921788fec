"""FLASH never waits behind ROUTINE: it is told ahead, marked so, and again in its place."""

from __future__ import annotations

import asyncio
import socket

import msgspec

from exchange.client.tls import pinned
from exchange.model import wire
from exchange.node import ring
from tests.api.listening import listening
from tests.api.serving import certificate, serving
from tests.builders import COAST, HOUR, NOW, WATCH, world
from tests.node.running import Clock, post


async def sent(door, *precedences, **changes):
    """Post one bulletin of each precedence, in order; their indexes."""
    envelopes = [
        world().envelope(precedence=each, **{"to": [WATCH], **changes}) for each in precedences
    ]
    return [(await post(door.node, each)).receipt.index for each in envelopes]


async def until_even(stream):
    """Everything up to the first beat, as (name, index, precedence)."""
    found = []
    while (heard := await stream.next()).name != "beat":
        found.append((heard.name, heard.said["index"], heard.said.get("precedence")))
    return found


def entries(indexes):
    return [("entry", index, None) for index in indexes]


async def test_what_presses_is_told_before_the_backlog_and_again_in_its_place(monkeypatch):
    monkeypatch.setattr(ring, "BEHIND", 4)
    async with serving() as door:
        indexes = await sent(door, *["routine"] * 9, "immediate", "flash", "routine", "flash")
        async with listening(door) as stream:
            found = await until_even(stream)
        flash, immediate = (indexes[10], indexes[12]), indexes[9]
        assert found[:3] == [
            ("ahead", flash[0], "flash"),
            ("ahead", flash[1], "flash"),
            ("ahead", immediate, "immediate"),
        ]
        assert found[3:] == entries(indexes)


async def test_ahead_moves_no_cursor():
    async with serving() as door:
        await sent(door, *["routine"] * 40, "flash")
        given = {"Authorization": f"Bearer {door.token(WATCH)}"}
        async with door.http.get(door.url + "/v1/events", headers=given) as answer:
            first = await answer.content.readuntil(b"\n\n")
            second = await answer.content.readuntil(b"\n\n")
        assert first.startswith(b"event: ahead\n")
        assert b"\nid:" not in first
        assert second.startswith(b"id: ")


async def test_who_has_no_backlog_hears_it_once():
    async with serving() as door, listening(door) as stream:
        await stream.until("beat")
        (index,) = await sent(door, "flash")
        heard = await stream.next()
        assert (heard.name, heard.said["index"]) == ("entry", index)
        (routine,) = await sent(door, "routine")
        heard = await stream.next()
        assert (heard.name, heard.said["index"]) == ("entry", routine)


async def test_more_than_are_told_at_once_come_with_the_next_write(monkeypatch):
    monkeypatch.setattr(ring, "BEHIND", 2)
    monkeypatch.setattr(ring, "MAX_AHEAD", 3)
    async with serving() as door:
        backlog = await sent(door, *["routine"] * 6)
        flash = await sent(door, *["flash"] * 5)
        async with listening(door) as stream:
            found = await until_even(stream)
        told = [("ahead", each, "flash") for each in flash]
        assert found[:3] == told[:3]
        assert found[3:5] == entries(backlog[:2])
        assert found[5:7] == told[3:]
        # Told once each, however many writes the backlog takes.
        assert [each for each in found if each[0] == "ahead"] == told
        assert [each for each in found if each[0] == "entry"] == entries(backlog + flash)


async def test_listener_that_comes_back_says_what_it_was_told_ahead(monkeypatch):
    monkeypatch.setattr(ring, "BEHIND", 2)
    async with serving() as door:
        await sent(door, *["routine"] * 6)
        first, second = await sent(door, "flash", "flash")
        async with listening(door, query=f"?flash={first}") as stream:
            found = await until_even(stream)
        assert [each for each in found if each[0] == "ahead"] == [("ahead", second, "flash")]


async def test_what_is_acknowledged_or_expired_is_told_in_its_place_only(monkeypatch):
    monkeypatch.setattr(ring, "BEHIND", 2)
    clock = Clock()
    async with serving(clock=clock) as door:
        backlog = await sent(door, *["routine"] * 6)
        seen = world().envelope(precedence="flash", to=[WATCH, COAST])
        index = (await post(door.node, seen)).receipt.index
        (short,) = await sent(door, "flash", expires=NOW + HOUR)
        await post(door.node, world().ack(seen, WATCH))
        clock.ms += HOUR * 1000 - 1000
        async with listening(door) as stream:
            found = await until_even(stream)
        assert found[0] == ("ahead", short, "flash")
        assert found[1:] == entries([*backlog, index, short])
        clock.ms += 1000
        async with listening(door) as stream:
            assert await until_even(stream) == entries([*backlog, index, short])
        # Of the other recipient's inbox nothing was acknowledged.
        assert (await door.node.store.urgent(COAST, (-1, -1), NOW, 9))[0].row.index == index


async def test_page_that_is_not_the_last_tells_what_presses_behind_it():
    async with serving() as door:
        indexes = await sent(door, *["routine"] * 4, "flash", "immediate", "routine")

        async def page(after, query="&flash=-1&immediate=-1", limit=2):
            said = await door.get(f"/v1/inbox?after={after}&limit={limit}{query}", WATCH)
            return msgspec.json.decode(said.body, type=wire.InboxPage)

        first = await page(-1)
        assert [(each.precedence, each.index) for each in first.ahead] == [
            ("flash", indexes[4]),
            ("immediate", indexes[5]),
        ]
        assert first.cursor == indexes[1]
        told = f"&flash={indexes[4]}&immediate={indexes[5]}"
        assert (await page(first.cursor, told)).ahead == []
        # On this page it comes in its place; the other one is still ahead.
        third = await page(indexes[3], "&flash=-1", limit=1)
        assert [each.index for each in third.items] == [indexes[4]]
        assert [each.index for each in third.ahead] == [indexes[5]]
        assert (await page(-1, limit=99)).ahead == []
        # Whoever does not ask is told nothing of the kind.
        assert "ahead" not in (await door.get("/v1/inbox?limit=2", WATCH)).json


async def test_page_cut_short_by_its_bytes_tells_what_presses_behind_it(monkeypatch):
    async with serving() as door:
        indexes = await sent(door, "routine", "routine", "flash")
        monkeypatch.setattr(wire, "MAX_PAGE_BYTES", 1)
        page = (await door.get("/v1/inbox?flash=-1", WATCH)).json
        assert [each["index"] for each in page["items"]] == indexes[:1]
        assert [each["index"] for each in page["ahead"]] == indexes[2:]


async def test_flash_waits_for_no_more_than_a_poor_link_has_taken_already():
    """A reader takes nothing while FLASH comes: how much of the backlog lies before it then?"""
    async with serving() as door:
        await asyncio.gather(
            *(
                post(door.node, world().envelope(precedence="routine", to=[WATCH]))
                for _ in range(400)
            )
        )
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", door.port))
        reader, writer = await asyncio.open_connection(
            sock=sock, ssl=pinned(certificate()), server_hostname="x", limit=16 * 1024
        )
        lines = [
            "GET /v1/events HTTP/1.1",
            "Host: x",
            f"Authorization: Bearer {door.token(WATCH)}",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await reader.readuntil(b"event: entry")
        (flash,) = await sent(door, "flash")
        before = 0
        async with asyncio.timeout(20):
            while (line := await reader.readline()) != b"event: ahead\n":
                before += line == b"event: entry\n"
            data = await reader.readline()
        assert b'"precedence":"flash"' in data
        assert b'"index":%d' % flash in data
        # What the reader's own TLS and the two sockets hold: some hundred kilobytes of 4,000.
        assert before < 150, before
        writer.close()
