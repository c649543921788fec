"""The STA at the desk: what both sides sent is counted, shown with its sources, and written."""

from __future__ import annotations

import asyncio
import html
import re
import threading
from urllib.parse import urlencode

import msgspec
import pytest

from exchange.client import sources, story
from exchange.client import statistics as counting
from exchange.desk import beginning, compose, composing, filled, statistics
from exchange.desk.kept_drafts import Counted, Kept
from exchange.errors import Code, Fault
from tests.builders import MINSA, OPS, WATCH, WATCH_DESK, new_id, world
from tests.client.dealing import agency, draft
from tests.client.test_amending import correcting, sent
from tests.client.test_elsewhere import at_two, poster
from tests.client.test_stale import cancelling
from tests.desk.desked import Held, desked
from tests.model.bulletins import CODES, drafted
from tests.node.running import post

LATER = {"seized_at": "2026-11-20T02:05:00Z", "custody": []}
PERIOD = "from=2026-07-01&to=2026-12-31"


def seizure(to, event, kilograms, **content):
    """A draft of a seizure, marked EXERCISE."""
    said = msgspec.json.decode(msgspec.json.encode(drafted("szr-2.en.toml").bulletin))
    said["content"] |= {"event": event, "containers": [], **content}
    said["content"]["drugs"][0]["quantity"]["value"] = kilograms
    made = draft(said)
    return msgspec.structs.replace(made, post=msgspec.structs.replace(made.post, to=[to]))


async def test_sta_is_written_from_both_sides_bulletins(tmp_path, monkeypatch):
    beside, computed = set(), counting.compute

    def compute(*given):
        beside.add(threading.current_thread() is not threading.main_thread())
        return computed(*given)

    monkeypatch.setattr(counting, "compute", compute)
    async with desked(tmp_path, pages=True) as desk:
        theirs = await desk.sender.post(
            await desk.sender.prepare(seizure(WATCH, "EX-1", 812.5))
        )
        await desk.line.post(await desk.line.prepare(seizure(OPS, "US-77", 800.0, **LATER)))
        await desk.hear()
        assert "/statistics" in await desk.get("/compose")
        page = html.unescape(await desk.get(f"/statistics?{PERIOD}"))
        assert "1,612.5 kg · OFFICIAL" in page
        assert f'<a href="/en/entry/{theirs.index}">{theirs.index} pa.senan</a>' in page
        assert "Alike: yours to decide" in page
        (once,) = re.findall(r'href="/en(/statistics\?[^"]*same=[^"]*)"', page)
        page = html.unescape(await desk.get(once))
        assert "so you decided · The sides differ" in page
        assert re.search(
            r"<td>Reconciled events: (EX-1|US-77)</td>\s*<td>The sides differ · [\d.,]+ kg",
            page,
        )
        (write,) = re.findall(r'href="/en(/compose/sta\?[^"]*)"', page)
        form = html.unescape(await desk.get(write))
        # Both had the same moment of issue: by digest one of them counts, never the sum.
        assert not re.search("1,?612.5", form)
        assert re.search(r'value="(812.5|800)"', form)
        assert "Open them and compare before you sign" in form
        # As it stands, only the posting's own choices are its author's to make.
        query = {"from": "2026-07-01", "to": "2026-12-31"}
        told = await statistics.account(desk.station, _Query(query))
        begun = beginning.written(desk.station, "sta", {})
        said = begun | statistics.written(desk.station, told, "en")
        settled = composing.settle(said, "en", "us.jiatfs")
        judged = composing.judge("sta", settled, new_id(), "us.jiatfs", CODES)
        assert [each for each in judged.faults if each.at.startswith("/bulletin")] == []
        assert [at for at in judged.missing if at.startswith("/bulletin")] == []
        # Of two that lie across the end of a period, the other one is named as well.
        page = html.unescape(await desk.get("/statistics?from=2026-07-01&to=2026-11-19"))
        assert "812.5 kg · OFFICIAL" in page
        assert "Alike: yours to decide" in page
        # However long it takes, the desk goes on.
        assert beside == {True}
        for wrong in ("from=x&to=2026-12-31", f"{PERIOD}&same=x=y", f"{PERIOD}&same=x"):
            answer = await desk.saved(f"/statistics?{wrong}")
            answer.close()
            assert answer.status in (400, 404, 422), wrong


async def test_kept_draft_of_figures_says_when_their_sources_came_out_otherwise(tmp_path):
    async with desked(tmp_path, pages=True) as desk:
        theirs = await desk.sender.prepare(seizure(WATCH, "EX-1", 812.5))
        await desk.sender.post(theirs)
        await desk.hear()
        page = html.unescape(await desk.get(f"/compose/sta?{PERIOD}"))
        sent = {**dict(re.findall(FIELD, page)), "window": "EXERCISE"}
        assert sent["counted"] == PERIOD
        # A file may be put to it before anything else of it is kept.
        desk.app[compose.HOLDING]._drafts.put(Kept(sent["draft"], "sta", {}, 0))
        review = await desk.act("/compose/sta/review", **sent)
        form = f"/compose/sta?draft={sent['draft']}"
        for path in (form, review):
            assert OTHERWISE not in await desk.get(path, 422 if path == review else 200), path
        assert "812.5 kg" in await desk.get(form)
        # What is only alike, and not of the period, is an officer's to weigh too.
        days = {"from": "2026-07-01", "to": "2026-11-19"}
        made = await statistics.account(desk.station, _Query(days))
        before = statistics.counted(desk.station, made, "en", urlencode(days))
        await desk.line.post(await desk.line.prepare(seizure(OPS, "US-77", 800.0, **LATER)))
        after = await statistics.recount(desk.station, before.of, "en")
        assert (before.told.alike, len(after.told.alike), after.is_other) == ([], 1, True)
        assert after.told.lines == before.told.lines
        gone = Counted(f"{before.of.asked}&same=x=y", before.of.digest)
        again = await statistics.recount(desk.station, gone, "en")
        assert (again.told, again.anew) == (None, urlencode(days))
        # One more of the period: the figures are kept as they were, and that is told.
        await desk.sender.post(await desk.sender.prepare(seizure(WATCH, "EX-2", 100.0)))
        await desk.hear()
        for path in (form, review):
            page = html.unescape(await desk.get(path, 422 if path == review else 200))
            assert OTHERWISE in page, path
            assert f"/en/statistics?{PERIOD}" in page
            assert 'value="812.5"' in page


async def test_event_that_crossed_in_several_envelopes_alone_says_that_it_is_not_told(tmp_path):
    async with desked(tmp_path, pages=True) as desk:
        for line, to in ((desk.sender, WATCH), (desk.line, OPS)):
            for _ in range(2):
                await line.post(await line.prepare(seizure(to, "EX-1", 800.0)))
        await desk.hear()
        page = html.unescape(await desk.get(f"/statistics?{PERIOD}"))
        assert "Both sides agree · not told as reconciled: each report of it crossed" in page
        assert "Reconciled events" not in page
        assert "800 kg" in page


async def test_what_another_machine_cancelled_is_out_and_what_cannot_be_known_is_said(tmp_path):
    async with desked(tmp_path, pages=True) as desk:
        ours = await desk.line.prepare(seizure(OPS, "US-77", 800.0))
        await desk.line.post(ours)
        page = html.unescape(await desk.get(f"/compose/sta?{PERIOD}"))
        assert "800 kg" in page
        assert UNKNOWN not in page
        sent = {**dict(re.findall(FIELD, page)), "window": "EXERCISE"}
        review = await desk.act("/compose/sta/review", **sent)
        form = f"/compose/sta?draft={sent['draft']}"
        async with agency(desk.door.url, tmp_path / "two", WATCH, desk.clock) as two:
            await at_two(two, ours.header.id)
        # The node is away: what stands is not known, here and wherever it is counted again.
        desk.front.away()
        for path in (f"/statistics?{PERIOD}", form, review):
            page = html.unescape(await desk.get(path, 422 if path == review else 200))
            assert UNKNOWN in page, path
            assert "[unavailable]" in page
            assert OTHERWISE not in page
        desk.station.trouble = Fault(Code.NODE_UNREACHABLE)
        assert "[node-unreachable]" in await desk.get(f"/statistics?{PERIOD}")
        desk.front.back()
        desk.station.trouble = None
        assert OTHERWISE in await desk.get(form)
        page = html.unescape(await desk.get(f"/statistics?{PERIOD}"))
        assert "There is nothing to count in that period." in page
        assert UNKNOWN not in page
        (said,) = (e for e in desk.station.ours.items() if e.header.id == ours.header.id)
        assert said.bulletin is None


async def test_text_of_what_was_cancelled_elsewhere_is_forgotten_if_nobody_waits_any_more(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(sources, "_AT_ONCE", 1)
    async with desked(tmp_path, pages=True) as desk:
        made = [await desk.line.prepare(seizure(OPS, f"US-{n}", 800.0)) for n in range(2)]
        first, second = sorted(each.header.id for each in made)
        for each in made:
            await desk.line.post(each)
        await desk.get(f"/statistics?{PERIOD}")
        async with agency(desk.door.url, tmp_path / "two", WATCH, desk.clock) as two:
            await at_two(two, first)
        held = Held()
        desk.front.held[f"/v1/posted/{second}/bearing"] = held
        tab = asyncio.create_task(desk.get(f"/statistics?{PERIOD}"))
        await asyncio.wait_for(held.asked.wait(), 10)
        ours = desk.station.ours
        assert ours._made[first].bulletin is not None
        assert not desk.line.world.kept.has(first)
        tab.cancel()
        async with asyncio.timeout(10):
            while ours._made[first].bulletin is not None:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0)
        held.let_go.set()
        assert ours._made[second].bulletin is not None


async def test_text_is_on_no_page_once_its_cancellation_that_waited_here_is_known_to_be_taken(
    tmp_path,
):
    async with desked(tmp_path, pages=True) as desk:
        ours = await desk.line.prepare(seizure(OPS, "US-77", 812.5))
        await desk.line.post(ours)
        page = f"/sent/{ours.header.id}"
        assert "812.5" in await desk.get(page)
        box = desk.line.world.outbox
        of = story.posted(box, ours.header.id)
        waits = await desk.line.queue(await desk.line.prepare(cancelling(of.header, box)))
        assert (await post(desk.door.node, box.envelope(waits), WATCH)).refusal is None
        found = html.unescape(await desk.get(f"/statistics?{PERIOD}"))
        assert "There is nothing to count in that period." in found
        assert "812.5" not in await desk.get(page)
        # Whoever destroyed its key, such as another command.
        other = await desk.line.prepare(seizure(OPS, "US-78", 613.5))
        await desk.line.post(other)
        page = f"/sent/{other.header.id}"
        assert "613.5" in await desk.get(page)
        desk.line.world.kept.destroy(other.header.id)
        assert "613.5" not in await desk.get(page)


async def test_kept_draft_does_not_say_that_its_sources_changed_where_the_node_went_away(
    tmp_path,
):
    async with desked(tmp_path, pages=True) as desk:
        await post(desk.door.node, world().amended(WATCH_DESK, poster), MINSA)
        ours = seizure(OPS, "US-77", 800.0)
        to = msgspec.structs.replace(ours.post, to=[OPS, WATCH_DESK])
        target = await sent(desk.line, msgspec.structs.replace(ours, post=to))
        quantity = ours.bulletin["content"]["drugs"][0]["quantity"]
        known_as = WATCH_DESK, desk.clock
        async with agency(desk.door.url, tmp_path / "colleague", *known_as) as colleague:
            await colleague.everything()
            weighed = quantity | {"value": 1.5}
            theirs = correcting(("/content/drugs/0/quantity", quantity, weighed))
            # Not to the author's machine: it knows by its node alone.
            to = msgspec.structs.replace(theirs.post, to=[OPS])
            correction = msgspec.structs.replace(theirs, post=to)
            withdrawn = await sent(colleague, correction, target)
            page = html.unescape(await desk.get(f"/compose/sta?{PERIOD}"))
            assert UNREAD in page
            form_sent = {**dict(re.findall(FIELD, page)), "window": "EXERCISE"}
            review = await desk.act("/compose/sta/review", **form_sent)
            form = f"/compose/sta?draft={form_sent['draft']}"
            desk.front.away()
            for path in (form, review):
                page = html.unescape(await desk.get(path, 422 if path == review else 200))
                assert OTHERWISE not in page
                assert UNREAD in page
                assert UNKNOWN in page
            # What the node told is no longer so: that is news.
            desk.front.back()
            await at_two(colleague, withdrawn.id)
        page = html.unescape(await desk.get(form))
        assert OTHERWISE in page
        assert UNREAD not in page


UNREAD = "a correction of it is not here, or does not hold"
UNKNOWN = "It is not known of 1 bulletin posted from here whether it was corrected or cancelled"
OTHERWISE = "What these figures and their marking were computed from says something else"
FIELD = (
    r"<input[^>]* name=\"((?:/bulletin/|draft|changed|counted)[^\"]*)\"[^>]* value=\"([^\"]*)\""
)


class _Query(dict[str, str]):
    def getall(self, name, usual):
        return [self[name]] if name in self else usual


@pytest.mark.parametrize(
    ("now", "days"),
    [
        (1782863999, ("2026-01-01", "2026-06-30")),  # the last second of June
        (1782864000, ("2026-07-01", "2026-12-31")),
    ],
)
def test_half_year_is_that_of_the_day(now, days):
    assert statistics._half_year(now) == days


@pytest.mark.parametrize(
    ("value", "text"), [(5e-05, "0.00005"), (5e-324, None), (812.5, "812.5")]
)
def test_figure_however_small_is_written_so_that_the_form_takes_it(value, text):
    (said,) = composing.texts_of({"value": value}, "")["/value"]
    assert text in (None, said)
    assert filled._NUMBER.fullmatch(said)
    assert float(said) == value
