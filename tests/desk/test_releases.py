"""A release given, or declined, at a desk: by another person, of just what was shown."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from exchange.desk import owing, releases
from exchange.desk.station import Station
from exchange.errors import Code, Refusal
from tests.builders import DESK, WATCH
from tests.client.foureyes import asked, bulletins, guarded, line
from tests.desk.desked import Desk
from tests.desk.test_reviewing import must_say_what_binds
from tests.web.trial import CODES


@asynccontextmanager
async def station(door, tmp_path, endpoint=DESK, officer="exercise-releaser"):
    async with line(door, tmp_path, endpoint) as made:
        desk = Station(made, CODES, officer)
        await desk.fill()
        yield desk


async def page(tmp_path, station, draft):
    async with AsyncExitStack() as stack:
        desk = Desk(tmp_path)
        desk.station = station
        await desk.show(stack)
        return await desk.get(f"/releases/{draft}")


async def said(act, desk, **told):
    return await act(desk, told, None)


async def test_what_is_released_goes_out_and_is_shown_so(tmp_path):
    async with guarded(tmp_path) as door:
        pending = await asked(door, tmp_path, "exercise-author")
        async with station(door, tmp_path) as desk:
            (each,) = owing.queue(desk)
            read = await releases._read(desk, each)
            assert read.header.to == [WATCH]
            must_say_what_binds(await page(tmp_path, desk, each.id))
            told = {"draft": each.id, "of": each.of}
            assert await said(releases._approve, desk, **told) == f"/releases/{each.id}"
            (each,) = owing.queue(desk)
            assert each.state == "released"
            with pytest.raises(Refusal) as refused:
                await said(releases._decline, desk, **told, reason="EXERCISE")
            assert refused.value.code is Code.DRAFT_OVER
        async with line(door, tmp_path) as author:
            await author.resume()
        (item,) = await bulletins(door, tmp_path, WATCH)
        assert item.header.id == pending.id


async def test_reason_of_who_declines_is_told_to_its_author(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path, "exercise-author")
        async with station(door, tmp_path) as desk:
            (each,) = owing.queue(desk)
            told = {"draft": each.id, "of": each.of}
            with pytest.raises(Refusal) as refused:
                await said(releases._decline, desk, **told, reason="  ")
            assert (refused.value.code, refused.value.at) == (Code.MISSING_MEMBER, "/reason")
            await said(releases._decline, desk, **told, reason="EXERCISE: wrong place")
        async with line(door, tmp_path) as author:
            await author.resume()
        async with station(door, tmp_path, "pa.senan/ops") as desk:
            (each,) = owing.queue(desk)
            assert (each.state, each.reason) == ("declined", "EXERCISE: wrong place")
            assert (each.by, each.officer) == (DESK, "exercise-releaser")


async def test_author_takes_it_back_and_does_not_release_it(tmp_path):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path, "exercise-author")
        async with station(door, tmp_path, "pa.senan/ops") as desk:
            (each,) = owing.queue(desk)
            told = {"draft": each.id, "of": each.of}
            with pytest.raises(Refusal) as refused:
                await said(releases._approve, desk, **told)
            assert refused.value.code is Code.OWN_RELEASE
            await said(releases._withdraw, desk, **told)
            (each,) = owing.queue(desk)
            assert each.state == "withdrawn"


@pytest.mark.parametrize(
    ("officer", "of", "code"),
    [
        ("Exercise-Author", None, Code.OWN_RELEASE),
        ("exercise-releaser", "A" * 43, Code.DIGEST_MISMATCH),
    ],
)
async def test_same_person_or_another_text_than_shown_is_not_released(
    tmp_path, officer, of, code
):
    async with guarded(tmp_path) as door:
        await asked(door, tmp_path, "exercise-author")
        async with station(door, tmp_path, officer=officer) as desk:
            (each,) = owing.queue(desk)
            with pytest.raises(Refusal) as refused:
                await said(releases._approve, desk, draft=each.id, of=of or each.of)
            assert refused.value.code is code
            with pytest.raises(Refusal) as refused:
                await said(releases._withdraw, desk, draft=each.id)
            assert refused.value.code is Code.NOT_YOURS
            (each,) = owing.queue(desk)
            assert each.state == "waiting"
