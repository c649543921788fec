"""One draft in two windows: neither puts back what the other wrote, nor sends it twice."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from exchange.desk import compose
from exchange.desk.kept_drafts import Kept
from tests.builders import new_id
from tests.desk.desked import desked
from tests.desk.test_reviewing import form
from tests.node.running import until

TITLE = "/bulletin/title/text"
FORM = "/compose/voi"


@pytest.fixture
async def desk(tmp_path):
    async with desked(tmp_path, pages=True) as made:
        yield made


async def typed(desk, path, draft, by, title="TEST"):
    window, changed = by
    said = {"draft": draft, "window": window, "changed": str(changed), TITLE: title}
    headers = {"Origin": desk.base}
    async with desk._http.post(f"{desk.base}/en{path}", data=said, headers=headers) as answer:
        return answer.status, await answer.text()


def drafts(desk):
    return [each.title for each in desk.app[compose.HOLDING]._drafts.all()]


async def test_window_puts_nothing_back_that_another_wrote_and_may_go_on_by_itself(desk):
    draft, check = new_id(), f"{FORM}/check.json"
    assert (await typed(desk, check, draft, ("first", 0), "TEST 1"))[0] == 200
    # The answer to the one before may be on its way yet.
    assert (await typed(desk, check, draft, ("first", 0), "TEST 2"))[0] == 200
    status, told = await typed(desk, check, draft, ("second", 0), "TEST 3")
    assert (status, "draft-changed" in told, drafts(desk)) == (409, True, ["TEST 2"])
    assert (await typed(desk, check, draft, ("second", 2), "TEST 4"))[0] == 200
    status, page = await typed(desk, f"{FORM}/review", draft, ("first", 0), "TEST 5")
    # What was typed stays on the page, to be copied.
    assert (status, "TEST 5" in page) == (409, True)
    assert "changed in another window" in page
    assert drafts(desk) == ["TEST 4"]


async def test_window_that_is_left_of_what_went_keeps_nothing(desk):
    draft = new_id()
    await typed(desk, f"{FORM}/check.json", draft, ("first", 0))
    desk.app[compose.HOLDING]._drafts.drop(draft)
    status, told = await typed(desk, f"{FORM}/check.json", draft, ("first", 1))
    assert (status, "draft-sent" in told, drafts(desk)) == (409, True, [])


async def test_who_pressed_send_in_vain_is_told_why(desk):
    kept = Kept(new_id(), "voi", {TITLE: ["TEST"]}, 1, version=2)
    desk.app[compose.HOLDING]._drafts.put(kept)
    for changed, why in (("1", "edited"), ("2", "faults")):
        where = await desk.act("/compose/send", draft=kept.id, changed=changed, shown="")
        assert parse_qs(urlsplit(where).query)["why"] == [why]
        assert "Nothing was sent" in await desk.get(where)


async def test_window_learns_what_it_kept_and_brings_back_nothing_that_was_deleted(desk):
    draft, check = new_id(), f"{FORM}/check.json"
    for expected in (1, 2):
        _, told = await typed(desk, check, draft, ("first", expected - 1))
        assert json.loads(told)["changed"] == expected
    await desk.act("/compose/delete", draft=draft)
    assert (await typed(desk, check, draft, ("first", 2)))[0] == 409
    assert await put(desk, draft, 2) == 409
    assert drafts(desk) == []


async def put(desk, draft, changed):
    asked = f"draft={draft}&changed={changed}&type=voi&name=EXERCISE.txt"
    kind = {"Origin": desk.base, "Content-Type": "application/octet-stream"}
    where = f"{desk.base}/en/compose/file.json?{asked}"
    async with desk._http.post(where, data=b"EXERCISE", headers=kind) as answer:
        return answer.status


async def test_file_put_to_a_draft_is_a_touch_of_it(desk):
    kept = Kept(new_id(), "voi", {TITLE: ["TEST"]}, 1, version=2)
    every = desk.app[compose.HOLDING]._drafts
    every.put(kept)
    assert await put(desk, kept.id, 2) == 200
    (filed,) = every.attached(kept.id)
    assert every.get(kept.id).changed_s == desk.station.now()
    every.put(msgspec.structs.replace(every.get(kept.id), changed_s=1))
    await desk.said("/compose/unfile.json", {"draft": kept.id, "file": filed.id})
    assert every.get(kept.id).changed_s == desk.station.now()


async def test_what_is_held_or_went_is_written_by_nobody_and_every_address_leads_there(desk):
    sent = {**form(), "window": "first"}
    draft, holding = sent["draft"], desk.app[compose.HOLDING]
    page = await desk.get(await desk.act("/compose/voi/review", **sent))
    shown = re.search(r'name="shown" value="([^"]+)"', page)[1]
    held = await desk.act("/compose/send", draft=draft, changed="1", shown=shown)
    assert held == f"/compose/held/{draft}"
    for state in ("held", "sent"):
        assert holding.get(draft).state == state
        # A window that began it, and was never told of a version.
        status, _ = await typed(desk, f"{FORM}/check.json", draft, ("second", 0))
        assert (status, await put(desk, draft, 0)) == (409, 409)
        for address in (FORM, f"{FORM}/review"):
            answer = await desk.saved(f"{address}?draft={draft}")
            assert answer.url.path == f"/en{held}"
        if state == "held":
            holding.undo(draft)
            assert draft in await desk.get(f"{FORM}?draft={draft}")
            holding.hold_s = 0
            await desk.act("/compose/send", draft=draft, changed="1", shown=shown)
            await until(lambda: holding.get(draft).state == "sent")
    assert drafts(desk) == []
