"""The officer's desk in a real browser, before a real node: read, acknowledge, lock."""

from __future__ import annotations

import re
import zlib

import pytest
from playwright.sync_api import expect

from exchange.desk import lock as locks
from tests.builders import MINSA, WATCH, suspended, world
from tests.desk.watching import delivered
from tests.pages.browsing import needs_axe, needs_chromium, violations, visit
from tests.pages.desking import OFFICER, PASSPHRASE, bulletin, desking

pytestmark = needs_chromium
# What notifications and tones there were, and how often a window was told anything.
LISTENING = """
  window.told = []; window.tones = 0;
  window.Notification = class { constructor(text) { window.told.push(text); } };
  Notification.permission = "granted";
  const real = window.AudioContext;
  window.AudioContext = class extends real {
    constructor() { super(); window.tones += 1; }
  };
  document.addEventListener("told", () => { document.documentElement.dataset.heard = "yes"; });
"""
PURITY = "/content/drugs/0/purity_pct"
SIZE = {"width": 1280, "height": 720}


@pytest.fixture
def desk(tmp_path):
    with desking(tmp_path) as made:
        yield made


def base(page):
    return re.match(r"http://[^/]+/", page.url)[0]


def correcting(pointer, after):
    said = bulletin("cor-1.es.toml")
    del said["content"]["target"]
    said["content"]["changes"] = [{"pointer": pointer, "after": after}]
    return said


def test_flash_is_read_and_acknowledged_by_keys_alone(browser, desk):
    flash = desk.post(precedence="flash")
    desk.index(desk.post())
    index = desk.index(flash)
    with visit(browser, desk.link(), viewport=SIZE) as (page, asked, said):
        bar = page.locator("#flash a")
        expect(bar).to_have_attribute("href", f"/en/entry/{index}")
        page.keyboard.press("j")
        chosen = page.locator("tr.chosen")
        expect(chosen.locator("a").first).to_have_attribute("href", f"/en/entry/{index}")
        expect(page.get_by_text("it cannot be undone")).to_be_visible()
        page.keyboard.press("o")
        page.wait_for_url(f"**/entry/{index}")
        # Looking at it has told nobody anything.
        assert not desk.ask(desk.station.seen.digests)
        page.keyboard.press("Escape")
        page.wait_for_url("**/en/")
        page.keyboard.press("j")
        page.keyboard.press("e")
        page.wait_for_url(f"**/?done={index}")
        expect(page.get_by_role("status").filter(has_text="Acknowledged:")).to_be_visible()
        expect(page.locator("#flash")).to_be_hidden()
        assert desk.ask(desk.station.seen.digests) == {flash.header_digest}
        ((_, ack),) = desk.ask(lambda: desk.station.seen.of(flash.header_digest))
        assert (ack.outcome, ack.officer) == ("opened", OFFICER)
        page.keyboard.press("/")
        page.keyboard.type("is:unacknowledged")
        page.keyboard.press("Enter")
        expect(page.locator("tr[data-row]")).to_have_count(1)
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        assert said == []
        assert {url.split("/")[2] for url in asked} == {page.url.split("/")[2]}


def test_what_arrives_is_told_to_an_open_page(browser, desk):
    desk.index(desk.post())
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, said):
        expect(page.locator("[data-value=unacknowledged]")).to_have_text("1")
        desk.post(precedence="flash")
        expect(page.locator("#flash a")).to_have_count(1)
        expect(page.locator("#arrived li")).to_have_count(1)
        expect(page.locator("#arrived li")).to_contain_text("pa.senan")
        expect(page.locator("[data-value=unacknowledged]")).to_have_text("2")
        assert page.title().startswith("1 FLASH waits")
        page.keyboard.press("n")
        expect(page.locator("tr[data-row]")).to_have_count(2)
        expect(page.locator("#arrived")).to_be_hidden()
        desk.checkpoint()
        expect(page.locator("[data-value=complete]")).to_contain_text(
            "Complete: all 2 items addressed to you are here"
        )
        # That it holds anew makes no page old.
        expect(page.locator("#news")).to_be_hidden()
        assert said == []


def test_notification_names_no_content_and_flash_alone_breaks_the_quiet(browser, desk):
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, said):
        page.goto(base(page) + "en/notify")
        page.locator("#first").fill("00:00")
        page.locator("#last").fill("23:59")
        page.get_by_role("button", name="Keep").click()
        page.wait_for_url("**/notify")
        page.add_init_script(LISTENING)
        page.goto(base(page) + "en/notify")
        heard(page)
        desk.index(desk.post())
        expect(page.locator("#news")).to_be_visible()
        desk.index(desk.post(precedence="flash"))
        expect(page.locator("#flash a")).to_have_count(1)
        assert page.evaluate("window.told") == ["1 FLASH"]
        assert page.evaluate("window.tones") == 1
        # Between two pages nothing is missed, however much comes after it.
        desk_page = page.url
        page.goto("about:blank")
        desk.index(desk.post(precedence="flash"))
        desk.run(come(desk, 30))
        page.goto(desk_page)
        heard(page)
        assert page.evaluate("window.tones") == 1
        assert page.evaluate("window.told") == ["1 FLASH"]
        page.reload()
        heard(page)
        assert (page.evaluate("window.told"), page.evaluate("window.tones")) == ([], 0)
        assert said == []


async def come(desk, count):
    """Have a burst arrive, of which there is no room to name all."""
    for index in range(10_000, 10_000 + count):
        desk.station._arrive(delivered(index, precedence="routine"))


def heard(page):
    """Wait until a window was told something since it was opened."""
    expect(page.locator("html[data-heard]")).to_have_count(1)


def test_windows_share_what_is_heard_and_one_of_them_sounds(browser, desk):
    desk.index(desk.post())
    with visit(browser, desk.link(), viewport=SIZE) as (page, asked, _said):
        context = page.context
        context.add_init_script(LISTENING)
        windows = [page, *(context.new_page() for _ in range(6))]
        for each in windows:
            each.goto(base(page) + "en/sent")
            each.locator("h1").click()
            heard(each)
        streams = [url for url in asked if url.endswith("/live")]
        desk.index(desk.post(precedence="flash"))
        for each in windows:
            expect(each.locator("#flash a")).to_have_count(1)
        assert sum(each.evaluate("window.told.length") for each in windows) == 1
        page.wait_for_timeout(100)
        # Those that came in by the link and went on to this page had a stream of their own.
        assert len(streams) == 2
        windows.pop(0).close()
        desk.index(desk.post(precedence="flash"))
        for each in windows:
            expect(each.locator("#flash a")).to_have_count(2)
        windows[0].get_by_role("button", name="Leave").click()
        expect(windows[0].locator("h1")).to_contain_text("You have left")
        for each in windows[1:]:
            expect(each.locator("main code")).to_have_text("page-session")


def test_dialog_that_is_open_in_one_window_silences_no_other(browser, desk):
    with visit(browser, desk.link(), viewport=SIZE) as (page, _asked, _said):
        shown, other = [], page.context.new_page()
        # Else it is half a minute until a window knows.
        other.add_init_script(
            "const real = setInterval;"
            "window.setInterval = (each, ms) => real(each, ms === 5000 ? 100 : ms);"
        )
        page.on("dialog", lambda each: shown.append(each))  # noqa: PLW0108  (a builtin is none)
        for each in (page, other):
            each.goto(base(page) + "en/sent")
            each.locator("h1").click()
        other.wait_for_timeout(1000)
        expect(other.locator("#alone")).to_be_hidden()
        page.evaluate("void setTimeout(() => alert('TEST'))")
        try:
            expect(other.locator("#alone")).to_be_visible()
            desk.index(desk.post(precedence="flash"))
            expect(other.locator("#flash a")).to_have_count(1)
        finally:
            shown[0].dismiss()
        expect(other.locator("#alone")).to_be_hidden()
        expect(page.locator("#flash a")).to_have_count(1)


def test_locked_item_stands_in_its_place_with_its_reason(browser, desk):
    desk.put(world().envelope(to=[WATCH]))
    desk.index(desk.post())
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, _said):
        page.goto(base(page) + "en/?is=locked")
        row = page.locator("tr[data-row]")
        expect(row).to_have_count(1)
        expect(row).to_contain_text(re.compile(r"\[[a-z-]+\]"))
        expect(row.get_by_role("button", name="Acknowledge")).to_have_count(0)
        row.locator("a").first.click()
        expect(page.locator(".paper .signal-warn").first).to_contain_text("Locked")
        expect(page.locator(".marking")).to_have_count(2)


def test_correction_is_shown_as_what_changed_and_each_language_has_its_page(browser, desk):
    target = desk.post(bulletin("szr-1.es.toml"))
    index = desk.index(target)
    correction = desk.index(desk.post(correcting(PURITY, 79.0), target))
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, _said):
        page.goto(f"{base(page)}en/entry/{index}")
        card = page.locator(".card-ok")
        expect(card).to_contain_text(f"Held to entry {index}")
        expect(card.locator("pre")).to_contain_text("79%")
        expect(page.locator(".thread li")).to_have_count(2)
        expect(page.locator(".signal-bad a").first).to_have_text(
            f"Corrected by entry {correction}"
        )
        expect(page.locator(".timeline")).to_contain_text(f"entry {correction}")
        expect(page.locator(".inset circle.mark")).to_have_count(1)
        expect(page.get_by_text("original in Spanish").first).to_be_visible()
        expect(page.locator("details.original").first).not_to_have_attribute("open", "")
        page.keyboard.press("l")
        page.wait_for_url(f"**/es/entry/{index}")
        expect(page.locator("details.original")).to_have_count(0)
        expect(page.locator("h1")).to_contain_text("EJERCICIO")
        expect(page.locator(".marking").first).to_contain_text("TLP:AMBER")


def test_each_sheet_of_paper_bears_the_marking_above_and_below(browser, desk):
    index = desk.index(desk.post(bulletin("szr-1.es.toml")))
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, _said):
        page.goto(f"{base(page)}en/entry/{index}")
        expect(page.locator(".marking").first).to_have_text(
            "EXERCISE · TLP:AMBER · REL PAN, USA"
        )
        sheets = pages_of(page.pdf(format="A5"))
        assert len(sheets) > 2
        # The colour of TLP:AMBER, which nothing else has: one filled text above, one below.
        assert [len(re.findall(rb"1 \.75\d* 0 rg", each)) for each in sheets] == [2] * len(
            sheets
        )


def pages_of(pdf):
    """Return what draws each page of a PDF that Chromium printed, in their order."""
    found = []
    for raw in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            drawn = zlib.decompressobj().decompress(raw)
        except zlib.error:
            continue
        if b" rg" in drawn and b" Tj" in drawn:
            found.append(drawn)
    return found


def test_attachments_are_saved_and_never_shown_but_plain_text(browser, desk, tmp_path):
    note, page_file = tmp_path / "nota ñ.txt", tmp_path / "evil.html"
    note.write_text("one\n\u202etwo <b>", "utf-8")
    page_file.write_text("<script>alert(1)</script>")
    index = desk.index(desk.post(attach=(note, page_file)))
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, said):
        page.goto(f"{base(page)}en/entry/{index}")
        for place, path in ((0, note), (1, page_file)):
            with page.expect_download() as waiting:
                page.locator("#files ~ ul li").nth(place).get_by_text("Save").click()
            assert waiting.value.suggested_filename == path.name
            saved = tmp_path / f"saved-{place}"
            waiting.value.save_as(saved)
            assert saved.read_bytes() == path.read_bytes()
        kind, kept = page.evaluate(
            """async (path) => {
              const answer = await fetch(path);
              const of = (name) => answer.headers.get(name);
              return [of("content-type"), of("content-disposition")];
            }""",
            f"/en/entry/{index}/file/1",
        )
        assert kind.startswith("application/octet-stream")
        assert kept.startswith("attachment;")
        page.get_by_text("Show the text").click()
        expect(page.locator("pre.page")).to_have_text(re.compile(r"one\s+<U\+202E>two <b>"))
        page.goto(f"{base(page)}en/entry/{index}/file/1/text")
        expect(page.locator("h1")).not_to_contain_text("evil")
        assert [each for each in said if "404" not in each] == []


def test_views_hide_rows_and_say_how_many(browser, desk):
    desk.index(desk.post(bulletin("szr-1.es.toml")))
    desk.index(desk.post())
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, _said):
        page.keyboard.press("f")
        page.get_by_label("VOI").check()
        page.get_by_role("button", name="Filter").click()
        expect(page.locator("tr[data-row]")).to_have_count(1)
        page.locator("#view-name").fill("boats")
        page.locator("#view-name").press("Enter")
        page.wait_for_url("**/?view=boats")
        expect(page.locator("tr[data-row]")).to_have_count(1)
        expect(page.get_by_text("View “boats”: 1 hidden; still owed")).to_be_visible()
        page.get_by_text("Forget view boats").click()
        page.wait_for_url("**/en/")
        expect(page.locator("tr[data-row]")).to_have_count(2)


def test_sent_bulletin_tells_of_each_recipient_and_entry(browser, desk):
    sent = desk.answer()
    (posted,) = desk.ask(desk.station.ours.posted)
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, _said):
        assert posted.header.id == sent.id
        page.goto(base(page) + "en/sent")
        row = page.locator("tr[data-row]")
        expect(row).to_contain_text("pa.senan/ops: in its inbox; not acknowledged yet")
        expect(row).to_contain_text(f"entry {posted.index}")
        row.locator("a").first.click()
        expect(page.locator(".card")).to_contain_text("keep no record")
        desk.checkpoint()
        with page.expect_download() as waiting:
            page.get_by_text("Save the evidence package").click()
        assert waiting.value.suggested_filename == f"{sent.id}.zip"
        assert waiting.value.path().read_bytes().startswith(b"PK")
        expect(page.locator(".marking")).to_have_count(2)


def test_desk_locks_by_itself_and_opens_by_the_passphrase_alone(browser, desk):
    index = desk.index(desk.post())
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, _said):
        page.goto(f"{base(page)}en/entry/{index}")
        title = page.locator("h1").inner_text()
        desk.ticks.ms += locks.IDLE_S * 1000
        desk.loop.call_soon_threadsafe(desk.station.on_news, False)
        # The open page goes by itself.
        expect(page.locator("#passphrase")).to_be_visible()
        assert title not in page.content()
        for path in ("en/", "en/sent", f"en/entry/{index}/proof", f"en/entry/{index}"):
            assert page.goto(base(page) + path).status == 403
            assert title not in page.content()
        # FLASH is told to whoever hears it, by its number alone.
        page.evaluate("document.addEventListener('told', (e) => { window.told = e.detail; })")
        desk.index(desk.post(precedence="flash"))
        expect(page.locator("[data-value=flash_waits]")).to_have_text("1 FLASH waits")
        assert page.title().startswith("1 FLASH waits")
        keys = page.evaluate("Object.keys(window.told).sort().join()")
        assert keys == "alarm_stands,came,flash_came,flash_waits,is_first,number,run,shut"
        assert "EJERCICIO" not in page.evaluate("JSON.stringify(window.told)")
        page.locator("#passphrase").fill("not it")
        page.locator("#passphrase").press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        assert desk.lock.is_locked
        page.locator("#passphrase").fill(PASSPHRASE)
        page.locator("#passphrase").press("Enter")
        page.wait_for_url(f"**/entry/{index}")
        expect(page.locator("h1")).to_have_text(title)
        page.get_by_role("button", name="Lock").click()
        expect(page.locator("#passphrase")).to_be_visible()


def test_desk_of_a_suspended_endpoint_closes(browser, desk):
    index = desk.index(desk.post())
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, _said):
        page.goto(f"{base(page)}en/entry/{index}")
        title = page.locator("h1").inner_text()
        desk.put(world().amended(WATCH, suspended), MINSA)
        desk.run(desk.station.prove())
        expect(page.locator("h1")).to_have_text("This desk is closed")
        for path in ("en/", f"es/entry/{index}", "en/sent", "en/notify"):
            assert page.goto(base(page) + path).status == 403
            assert title not in page.content()
            assert "data-row" not in page.content()


@needs_axe
@pytest.mark.parametrize("lang", ["es", "en"])
def test_axe_finds_nothing_on_any_page_in_any_theme(browser, desk, lang):
    target = desk.post(bulletin("szr-1.es.toml"), precedence="flash")
    index = desk.index(target)
    desk.index(desk.post(correcting(PURITY, 79.0), target))
    request = desk.index(desk.post(bulletin("rfi-1.es.toml"), feed="requests"))
    desk.put(world().envelope(to=[WATCH]))
    desk.checkpoint()
    with visit(browser, desk.link(), viewport=SIZE) as (page, _, _said):
        pages = ("/", "/?is=unread&type=szr", f"/entry/{index}", f"/entry/{request}", "/sent")
        for path in (*pages, f"/entry/{index}/proof", "/notify"):
            assert page.goto(f"{base(page)}{lang}{path}").status == 200
            assert violations(page) == [], path
        page.get_by_role("button", name=re.compile("^(Lock|Bloquear)$")).click()
        expect(page.locator("#passphrase")).to_be_visible()
        assert violations(page) == []
