"""The auditor's console in a real browser: every page, both languages, every theme."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from playwright.sync_api import expect

from exchange.audit.console.app import Console
from exchange.audit.report import page as report
from exchange.audit.report.making import Asked, make
from exchange.cli.journal_file import opened
from exchange.web.serving import served
from tests.audit.traded import everything, written
from tests.builders import border
from tests.console.opened import door, setup
from tests.pages.browsing import needs_axe, needs_chromium, violations, visit
from tests.web.trial import CODES

pytestmark = needs_chromium
LANGS = ("es", "en")
SCREEN = {"width": 1280, "height": 720}
TABLET = {"width": 820, "height": 1180}


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    # Playwright has a loop of its own in this thread.
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(written, tmp_path_factory.mktemp("traded"), everything).result()


@contextmanager
def serving(made):
    """A console in a thread of its own; what returns a link into it."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    links = []

    async def run():
        console = Console(made, CODES)
        app = console.application(door(), lambda: None)
        async with console.running(lambda *_: None), served(app) as link:
            await console.background.settled()
            links.append(link)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert ready.wait(90)
    try:
        yield links[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(60)
        loop.close()


@pytest.fixture(scope="module")
def link(traded, tmp_path_factory):
    index = tmp_path_factory.mktemp("index") / "index"
    with serving(setup(traded.files, index, anchor=border().anchor)) as made:
        yield made


def places(traded):
    identity = traded.ids["crossed"]
    return {
        "overview": "/",
        "checks": "/checks/pa",
        "search": "/search",
        "found": "/search?kind=refused&kind=accepted&from=2026-01-01",
        "nothing": "/search?type=sta&outcome=refused",
        "story": f"/bulletin/{identity}",
        "entries": "/entries",
        "entry": "/entry/us/12",
        "proof": "/proof/pa/12",
        "policy": "/policy",
        "change": "/policy/pa/2",
        "replay": "/policy/pa/2/replay",
        "anomalies": "/anomalies",
        "report": "/report?from=2026-11-01&to=2026-11-30",
        "refused": "/entry/pa/99999",
    }


@needs_axe
@pytest.mark.parametrize("lang", LANGS)
def test_axe_finds_nothing_on_any_page_in_any_theme(browser, link, traded, lang):
    with visit(browser, link(), viewport=SCREEN) as (page, asked, said):
        base = page.url.split("/es/")[0]
        for name, path in places(traded).items():
            page.goto(f"{base}/{lang}{path}")
            expect(page.locator("html")).to_have_attribute("lang", lang)
            for details in page.locator("main details").all():
                details.locator("summary").click()
            assert violations(page) == [], name
            # A page that is answered with an error says so there as well.
            assert [each for each in said if "404" not in each] == [], name
        hosts = {url.split("/")[2] for url in asked}
        assert hosts == {base.removeprefix("http://")}


# Numbers and headings that are in more lines than one.
BROKEN = """() => [...document.querySelectorAll(".number, thead th")].filter((cell) => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  return new Set([...range.getClientRects()].map((each) => each.top)).size > 1;
}).map((cell) => cell.textContent)"""


def saved(files):
    with ExitStack() as stack:
        both = [stack.enter_context(opened(each)) for each in files]
        made = make(both, Asked("2026-07-01", "2026-12-31", border().anchor))
    return {lang: report.render(made, lang, CODES) for lang in LANGS}


@needs_axe
def test_a_saved_report_is_one_page_that_asks_for_nothing(browser, traded, tmp_path):
    with ThreadPoolExecutor(1) as apart:
        made = apart.submit(saved, traded.files).result()
    for lang, raw in made.items():
        file = tmp_path / f"{lang}.html"
        file.write_bytes(raw)
        with visit(browser, file.as_uri(), viewport=TABLET, offline=True) as (page, *heard):
            expect(page.locator("html")).to_have_attribute("lang", lang)
            assert violations(page) == []
            assert heard == [[file.as_uri()], []]
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= TABLET["width"]
            assert page.evaluate(BROKEN) == []


@pytest.mark.parametrize("size", [SCREEN, TABLET], ids=["screen", "tablet"])
def test_nothing_runs_over_the_side_of_a_screen(browser, link, traded, size):
    with visit(browser, link(), viewport=size) as (page, *_):
        base = page.url.split("/es/")[0]
        for name, path in places(traded).items():
            page.goto(f"{base}/es{path}")
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"], name


def test_a_search_is_narrowed_by_its_facets_and_opened_by_keys(browser, link):
    with visit(browser, link(), viewport=SCREEN) as (page, *_):
        page.keyboard.press("g")
        page.keyboard.press("s")
        page.wait_for_url("**/es/search")
        page.keyboard.press("/")
        page.keyboard.type("journal:pa")
        page.keyboard.press("Enter")
        page.wait_for_url("**/es/search?journal=pa**")
        page.get_by_role("link", name="Boletín aceptado", exact=True).click()
        page.wait_for_url("**kind=accepted**")
        expect(page.locator(".facets a[aria-current]")).to_have_count(2)
        total = page.locator("#found").text_content()
        page.keyboard.press("l")
        page.wait_for_url("**/en/search?**kind=accepted**")
        assert page.locator("#found").text_content().split()[0] == total.split()[0]
        page.keyboard.press("j")
        page.keyboard.press("o")
        page.wait_for_url("**/en/entry/pa/**")
        page.get_by_role("link", name="Proof").click()
        expect(page.locator(".ladder svg")).to_be_visible()
        expect(page.get_by_text("Verified on this machine")).to_be_visible()
        page.keyboard.press("Escape")
        page.wait_for_url("**/en/entry/pa/**")


def test_verification_that_is_asked_for_again_comes_in_as_news(browser, link):
    with visit(browser, link(), viewport=SCREEN) as (page, *_):
        page.goto(page.url + "checks/us")
        page.get_by_role("button", name="Verificar de nuevo").click()
        page.wait_for_url("**/es/checks/us")
        expect(page.locator("#news")).to_be_visible(timeout=60_000)
        page.keyboard.press("r")
        expect(page.locator("#news")).to_be_hidden()
        expect(page.get_by_text("Íntegro: cada comprobación vale")).to_be_visible()
