"""Map, boards and handover in a real browser, before a real node."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from exchange.desk import handover
from exchange.desk.handover import Handovers
from tests.builders import NOW, OPS, WATCH
from tests.desk.test_boards import dialogue
from tests.desk.test_calendar import START, operation, point
from tests.pages.browsing import needs_axe, needs_chromium, violations, visit
from tests.pages.desking import OFFICER, bulletin, desking

pytestmark = needs_chromium
SIZE = {"width": 1280, "height": 720}


@pytest.fixture
def desk(tmp_path):
    with desking(tmp_path) as made:
        # What the program writes beside the keys, so that it knows who has the watch.
        made.kept = []
        made.station.keep_officer = made.kept.append
        yield made


def base(page):
    return re.match(r"http://[^/]+/", page.url)[0]


def seizure(lon, lat):
    said = bulletin("szr-1.es.toml")
    said["content"]["place"]["geometry"] = {"type": "Point", "coordinates": [lon, lat]}
    return said


def view(page):
    return [
        float(each) for each in page.locator("#map svg").first.get_attribute("viewBox").split()
    ]


def test_map_is_walked_by_keyboard_and_nothing_leaves_the_machine(browser, desk):
    flash = desk.index(desk.post(seizure(-80.5, 7.0), precedence="flash"))
    for lon, lat in ((-76.0, 12.0), (-76.05, 12.0), (3.0, 51.0)):
        last = desk.post(seizure(lon, lat))
    desk.index(last)
    desk.index(desk.post(bulletin("voi-2.en.toml")))
    with visit(browser, desk.link(), viewport=SIZE) as (page, asked, said):
        page.goto(base(page) + "en/map")
        signs = page.locator("#signs .sign")
        expect(page.locator("tr[data-sign]")).to_have_count(5)
        expect(signs).to_have_count(4)
        expect(page.get_by_text("1 place lies off this map")).to_be_visible()
        expect(page.locator(".cluster")).to_have_text("2")
        page.locator("#map").focus()
        page.keyboard.press("Tab")
        expect(signs.first).to_be_focused()
        chosen = page.locator("#chosen")
        expect(chosen.locator("[data-slot=position]")).to_contain_text(
            "07°00.000' N 080°30.000' W"
        )
        expect(chosen.locator("[data-slot=title] a")).to_have_attribute(
            "href", f"/en/entry/{flash}"
        )
        size = signs.first.bounding_box()
        before = view(page)
        page.keyboard.press("+")
        after = view(page)
        assert after[2] == pytest.approx(before[2] / 1.6)
        # The chosen sign stays where it is, and as large.
        for side in ("x", "y", "width"):
            assert signs.first.bounding_box()[side] == pytest.approx(size[side], abs=1)
        page.keyboard.press("ArrowRight")
        assert view(page)[0] > after[0]
        page.keyboard.press("0")
        assert view(page)[2] >= 7000
        page.get_by_role("button", name="All marks").click()
        assert view(page) == pytest.approx(before)
        page.locator(".cluster").focus()
        page.keyboard.press("Enter")
        expect(page.locator(".cluster")).to_have_count(0)
        signs.first.focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/entry/{flash}")
        assert said == []
        assert {url.split("/")[2] for url in asked} == {page.url.split("/")[2]}


def test_map_is_moved_by_the_pointer(browser, desk):
    desk.index(desk.post(seizure(-80.5, 7.0)))
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, _said):
        page.goto(base(page) + "en/map")
        place = page.locator("#map").bounding_box()
        x, y = place["x"] + 100, place["y"] + 100
        page.mouse.move(x, y)
        before = view(page)
        page.mouse.wheel(0, -300)
        page.wait_for_function(
            "before => !document.querySelector('#map svg').getAttribute('viewBox')"
            ".endsWith(before)",
            arg=" ".join(str(each) for each in before[2:]),
        )
        near = view(page)
        assert near[2] < before[2]
        # What is under the pointer stays there.
        width, height = place["width"], place["height"]
        assert near[0] + near[2] * 100 / width == pytest.approx(
            before[0] + before[2] * 100 / width, abs=before[2] / 100
        )
        page.mouse.down()
        page.mouse.move(x + 80, y + 40, steps=4)
        page.mouse.up()
        moved = view(page)
        assert moved[0] == pytest.approx(near[0] - 80 * near[2] / width, abs=near[2] / 100)
        assert moved[1] == pytest.approx(near[1] - 40 * near[3] / height, abs=near[3] / 100)


def test_map_shows_what_is_asked_for_and_layers_of_ones_own(browser, desk):
    layers = desk.folder / "overlays"
    layers.mkdir()
    point = {"type": "Point", "coordinates": [-79.0, 8.0]}
    feature = {"type": "Feature", "geometry": point, "properties": {"name": "<b>EXERCISE</b>"}}
    (layers / "posts.geojson").write_text(json.dumps(feature))
    (layers / "broken.geojson").write_text("no")
    desk.index(desk.post(seizure(-80.5, 7.0), precedence="flash"))
    desk.index(desk.post(seizure(-76.0, 12.0)))
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, said):
        page.goto(base(page) + "en/map")
        expect(page.locator(".own-point")).to_have_count(0)
        page.get_by_role("checkbox", name="Flash (Z)").check()
        page.get_by_role("checkbox", name="posts").check()
        page.get_by_role("checkbox", name="broken").check()
        page.get_by_role("button", name="Filter").click()
        page.wait_for_url("**/map?*over=posts*")
        expect(page.locator("tr[data-sign]")).to_have_count(1)
        expect(page.locator("#signs .sign")).to_have_count(1)
        expect(page.locator(".own-point")).to_have_count(1)
        expect(page.locator(".own-name text")).to_have_text("<b>EXERCISE</b>")
        expect(page.get_by_role("alert").filter(has_text="broken")).to_contain_text(
            "[malformed]"
        )
        assert said == []


def held(desk, *items):
    """Have the desk hold what no feed of the tests' node carries."""
    desk.ask(lambda: desk.station.shelf.take(items))


def plans():
    ahead = int(NOW - START.timestamp()) // 3600
    return (
        operation(901, at=point(-79.5, 9.0), start=ahead - 2),
        operation(902, "EXERCISE DOS", at=point(-79.6, 9.1), start=ahead),
        operation(903, "EXERCISE TRES", start=ahead - 50),
    )


def test_board_says_who_owes_what_and_a_reply_settles_it(browser, desk):
    came = desk.index(desk.post(bulletin("rfi-2.en.toml"), feed="requests"))
    asked = desk.run(
        desk._post(
            desk.station.agency, bulletin("rfi-2.en.toml"), None, (), to=[OPS], feed="requests"
        )
    )
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, said):
        page.goto(base(page) + "en/requests")
        ours = page.locator("tr[data-row]", has=page.locator(f"a[href='/en/sent/{asked.id}']"))
        theirs = page.locator("tr[data-row]", has=page.locator(f"a[href='/en/entry/{came}']"))
        expect(theirs).to_contain_text("Yours to answer: us.jiatfs/watch")
        expect(ours).to_contain_text("ours")
        expect(ours).to_contain_text("pa.senan/ops")
        expect(ours).to_contain_text("0 of 1 questions have an outcome")
        answer = bulletin("rpy-2.en.toml")
        answer["content"].pop("target", None)
        # To a question that was not asked, too: that settles nothing.
        desk.index(desk.post(answer, asked, feed="requests"))
        page.goto(base(page) + "en/requests")
        page.get_by_text("1 is over").click()
        expect(ours).to_contain_text("1 of 1 questions have an outcome")
        expect(ours).to_contain_text("nobody")
        assert said == []


def test_calendar_hints_at_what_may_meet_and_is_saved(browser, desk):
    held(desk, *plans())
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, said):
        page.goto(base(page) + "en/calendar")
        one = page.locator("tr[data-row]").filter(has=page.get_by_role("link", name="UNO"))
        expect(one).to_contain_text("EXERCISE DOS: same time, near")
        expect(one).to_contain_text("on now")
        expect(page.locator("tr[data-row]:visible")).to_have_count(2)
        with page.expect_download() as waiting:
            page.get_by_text("Save as iCalendar").click()
        saved = waiting.value.path().read_bytes()
        assert waiting.value.suggested_filename == "calendar.ics"
        assert saved.startswith(b"BEGIN:VCALENDAR\r\n")
        assert saved.count(b"BEGIN:VEVENT") == 3
        assert said == []


def test_watch_is_handed_over_accepted_and_kept(browser, desk):
    flash = desk.post(seizure(-80.5, 7.0), precedence="flash")
    entry = desk.index(flash)
    desk.index(desk.post(bulletin("rfi-2.en.toml"), feed="requests"))
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, said):
        page.goto(base(page) + "en/handover")
        rows = page.locator("tr[data-row]")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("FLASH not acknowledged")
        expect(rows.first).to_contain_text("TLP:AMBER")
        expect(rows.last).to_contain_text("Request for information")
        page.locator("#remarks").fill("EXERCISE: ask us.uscg <b>twice</b>")
        page.get_by_role("button", name=f"Hand over and sign as {OFFICER}").click()
        page.wait_for_url(re.compile(r"/handover/[A-Za-z0-9_-]{43}$"))
        name = page.url.rpartition("/")[2]
        expect(page.locator("pre.page")).to_have_text("EXERCISE: ask us.uscg <b>twice</b>\n")
        expect(rows.first.locator("a")).to_have_attribute("href", f"/en/entry/{entry}")
        expect(page.locator("dl.facts")).to_contain_text("not accepted")
        page.emulate_media(media="print")
        expect(rows.first.get_by_text("packages recovered")).to_be_hidden()
        page.emulate_media(media="screen")
        # Who leaves cannot take over.
        page.goto(base(page) + "en/handover")
        page.locator("#officer").fill(OFFICER)
        page.get_by_role("button", name="Accept the watch").click()
        expect(page.locator("main")).to_contain_text("wrong-value")
        assert desk.station.officer == OFFICER
        page.goto(base(page) + "en/handover")
        page.locator("#officer").fill("watch-2")
        page.get_by_role("button", name="Accept the watch").click()
        page.wait_for_url(f"**/handover/{name}")
        expect(page.locator("dl.facts")).to_contain_text("watch-2")
        assert (desk.station.officer, desk.kept) == ("watch-2", ["watch-2"])
        page.goto(base(page) + "en/handover")
        expect(page.locator("#pending")).to_have_count(0)
        expect(page.get_by_role("button", name="sign as watch-2")).to_be_visible()
        expect(page.locator(f"a[href='/en/handover/{name}']")).to_have_count(1)
        assert [each for each in said if "400" not in each] == []
    box = Handovers(desk.station.agency.world.cabinet)
    (kept,) = desk.ask(box.every)
    standing = desk.station.agency.trust.newest.standing(WATCH)
    handed, taken = handover.read(kept, standing)
    assert (handed.open[0].matter, handed.open[0].id) == ("flash", flash.id)
    newest = max(item.index for item in desk.station.shelf.items())
    assert (handed.officer, handed.newest) == (OFFICER, newest)
    assert taken.officer == "watch-2"


@needs_axe
@pytest.mark.parametrize("lang", ["es", "en"])
def test_axe_finds_nothing_on_any_board_in_any_theme(browser, desk, lang):
    desk.index(desk.post(seizure(-80.5, 7.0), precedence="flash"))
    desk.index(desk.post(bulletin("rfi-1.es.toml"), feed="requests"))
    held(desk, *plans(), dialogue(904, {"EXERCISE": ("agreed", NOW - 10)}))
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, said):
        statistics = "/statistics?from=2026-01-01&to=2026-12-31"
        for path in (statistics, "/map", "/requests", "/calendar", "/initiatives", "/handover"):
            assert page.goto(f"{base(page)}{lang}{path}").status == 200
            assert violations(page) == [], path
        # The pages of a handover that waits, and of its record.
        page.locator("main form button[type=submit]").last.click()
        page.wait_for_url("**/handover/*")
        assert violations(page) == []
        page.goto(f"{base(page)}{lang}/handover")
        expect(page.locator("#pending")).to_be_visible()
        assert violations(page) == []
        assert said == []
