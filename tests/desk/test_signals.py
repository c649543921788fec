"""What goes wrong is told on every page, all of it; and no content where it is locked."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from exchange.desk.kept_drafts import Kept, KeptDrafts
from exchange.desk.lock import Lock
from exchange.desk.station import Station
from exchange.errors import Code, Fault, Refusal
from tests.builders import new_id
from tests.desk.desked import OFFICER, desked
from tests.web.trial import CODES, Clock

ALARM = Refusal(Code.STALE_HEAD, "/signed", found=9, limit=1)
LINK = 'href="/en/entry/'


def damage(cabinet, drawer):
    """Flip a bit of one row, as a failing disk does."""
    rows = cabinet._connection
    seq, sealed = rows.execute(
        "SELECT seq, sealed FROM row WHERE drawer = ? LIMIT 1", (drawer,)
    ).fetchone()
    torn = sealed[:-1] + bytes([sealed[-1] ^ 1])
    rows.execute("UPDATE row SET sealed = ? WHERE seq = ?", (torn, seq))


@pytest.fixture
async def desk(tmp_path):
    """A desk with a FLASH that nobody saw to, of which nothing proves that it is all."""
    async with desked(tmp_path) as made, AsyncExitStack() as stack:
        made.lock = Lock(Clock(), "right".__eq__)
        await made.post(precedence="flash")
        await made.hear()
        made.station.alarm = ALARM
        await made.show(stack)
        yield made


async def test_page_of_an_error_shows_alarm_and_flash_as_every_other_does(desk):
    for path, status in (("/", 200), ("/nowhere", 404), ("/entry/999999", 404)):
        page = await desk.get(path, status)
        assert "[stale-head]" in page, path
        assert LINK in page, path
        assert "desk.mjs" in page, path


async def test_locked_page_says_that_an_alarm_stands_and_nothing_of_what(desk):
    desk.lock.shut()
    # The address of a form: an error, though not of the lock.
    for path, status in (("/", 403), ("/settings", 404)):
        page = await desk.get(path, status)
        assert ("An alarm stands" in page) is (path == "/")
        assert LINK not in page, path


async def test_all_that_goes_wrong_is_told_at_once(desk):
    desk.station.trouble = Fault(Code.NODE_UNREACHABLE)
    desk.station.stuck = Fault(Code.MAIL_FAILED)
    page = await desk.get("/")
    assert "[node-unreachable]" in page
    assert "[mail-failed]" in page


async def test_damaged_rows_are_put_aside_and_told_of_and_lock_nobody_out(desk):
    cabinet = desk.line.world.cabinet
    (row,) = desk.station.shelf.waiting("flash", 1)
    desk.station.read(row)
    drafts = KeptDrafts(cabinet)
    for name in ("first", "second"):
        drafts.put(Kept(new_id(), "voi", {"/bulletin/title/text": [name]}, 1))
    for drawer in ("desk-read", "desk-drafts"):
        damage(cabinet, drawer)
    again = Station(desk.line, CODES, OFFICER)
    await again.fill()
    assert [each.title for each in drafts.all()] == ["second"]
    assert [each.facts["found"] for each in again.wrong] == ["desk-read"]
    again._look_for_losses()
    assert [each.facts["found"] for each in again.wrong] == ["desk-drafts, desk-read"]
    assert "second" in await desk.get("/compose")
    assert "first" not in await desk.get("/handover")
