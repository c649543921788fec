"""One draft in two windows: neither puts back what the other wrote, nor sends it twice."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from exchange.desk import compose
from exchange.desk.kept_drafts import Kept
from tests.builders import new_id
from tests.desk.desked import desked

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
