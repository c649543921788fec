"""A boarding request at the desk of who is asked: its clock, and who owes what."""

from __future__ import annotations

import aiohttp

from exchange.desk import casing
from exchange.desk.app import application
from exchange.desk.station import Station
from exchange.web.door import Door
from exchange.web.serving import served
from tests.client.test_cases import officers
from tests.link.asking import DUE
from tests.web.trial import CODES, Clock, randomness

BROWSER = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "document"}


async def shown(station, *paths):
    """Return the pages of a desk, as a browser is given them."""
    door = Door(randomness(), Clock(), "en", is_plain=True)
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        served(application(station, door)) as link,
        aiohttp.ClientSession(headers=BROWSER, cookie_jar=jar) as client,
    ):
        address = link()
        await (await client.get(address)).read()
        base = address.partition("/enter")[0]
        return [await (await client.get(base + path)).text() for path in paths]


async def test_request_waits_at_the_desk_of_who_is_asked_until_its_time_is_over(tmp_path):
    async with officers(tmp_path) as four:
        station = Station(four.asked, CODES, "watch-1")
        await station.fill()
        (duty,) = casing.duties(station)
        assert (duty.role, duty.due) == ("asked", DUE)
        index = duty.case.request.index
        item = station.shelf.row(index).item
        assert casing.of(station, item).case.state == "open"
        inbox, page = await shown(station, "/en/", f"/es/entry/{index}")
        assert "One boarding request waits for an answer" in inbox
        assert f'data-by="{DUE}"' in inbox
        assert "Debe responder: us.jiatfs/watch" in page
        assert "Abierto: se espera respuesta" in page
        await four.lapses()
        await station.fill()
        assert casing.duties(station) == []
        (inbox,) = await shown(station, "/en/")
        assert "One boarding request waits" not in inbox


async def test_bulletin_of_another_type_has_no_case(tmp_path):
    async with officers(tmp_path) as four:
        station = Station(four.asked, CODES, None)
        assert casing.every(station) == []
