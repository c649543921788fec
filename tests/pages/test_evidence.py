"""The evidence page in a real browser: from a file, offline, out of the package itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from exchange.evidence import archive
from exchange.evidence.judge import NAMES
from tests.evidence import made
from tests.evidence.forging import replaced
from tests.pages.browsing import needs_axe, needs_chromium, violations, visit

pytestmark = needs_chromium
BOTH = ["es", "en"]
LOCALES = {"es": "es-PA", "en": "en-US"}


def apart(do):
    """In a thread of its own: Playwright has an event loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(do).result()


@pytest.fixture(scope="module")
def journal():
    return apart(made.cosigned)


@pytest.fixture(scope="module")
def packed(journal):
    return apart(lambda: journal.package(with_body=True))


@pytest.fixture
def handed(packed, tmp_path):
    """What a clerk is handed, and the page taken out of it."""
    raw = packed
    (tmp_path / "package.zip").write_bytes(raw)
    (tmp_path / "verify.html").write_bytes(archive.unpack(raw)["verify.html"])
    (tmp_path / "cover.html").write_bytes(archive.unpack(raw)["cover.html"])
    return tmp_path


def check(page, file, anchor=""):
    page.locator("#package").set_input_files(file)
    page.locator("#anchor").fill(anchor)
    page.locator("button[type=submit]").click()
    expect(page.locator("#steps li")).to_have_count(len(NAMES), timeout=30_000)
    return page.locator("#steps li").evaluate_all(
        "all => all.map((each) => [each.querySelector('code').textContent, each.className])"
    )


def link(handed, name="verify.html"):
    return (handed / name).as_uri()


@pytest.mark.parametrize("lang", BOTH)
def test_a_clerk_verifies_with_the_zip_alone_and_nothing_is_asked_of_any_network(
    browser, handed, journal, lang
):
    with visit(browser, link(handed), locale=LOCALES[lang], offline=True) as (
        page,
        asked,
        said,
    ):
        steps = check(page, handed / "package.zip", journal.anchor)
        assert steps == [[name, "held"] for name in NAMES]
        assert page.locator("#verdict").get_attribute("class") == "held"
        assert page.locator("html").get_attribute("lang") == lang
        expect(page.locator("#exercise")).to_be_visible()
        expect(page.locator("#text")).to_contain_text("EJERCICIO: lancha")
        assert asked == [link(handed)]
        assert said == []


def test_without_a_fingerprint_it_says_so_loudly_and_another_one_fails(browser, handed):
    with visit(browser, link(handed), locale="en-US") as (page, _, _):
        assert dict(check(page, handed / "package.zip"))["anchor"] == "absent"
        expect(page.locator("#verdict")).to_contain_text("UNANCHORED")
        page.locator("button[lang=es]").click()
        expect(page.locator("#verdict")).to_contain_text("SIN ANCLA")
        steps = dict(check(page, handed / "package.zip", "A" * 43))
        assert (steps["anchor"], steps["directory"]) == ("failed", "not-reached")
        page.locator("#anchor").fill("not a fingerprint")
        page.locator("button[type=submit]").click()
        expect(page.locator("#anchor")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#steps li")).to_have_count(0)


def test_what_was_said_of_one_file_never_stands_beside_another(browser, handed, journal):
    (handed / "cut.zip").write_bytes((handed / "package.zip").read_bytes()[:-1])
    with visit(browser, link(handed), locale="en-US") as (page, _, _):
        verdict, steps = page.locator("#verdict"), page.locator("#steps li")
        check(page, handed / "package.zip", journal.anchor)
        page.locator("#package").set_input_files(handed / "cut.zip")
        expect(verdict).to_have_text("")
        expect(steps).to_have_count(0)
        check(page, handed / "package.zip", journal.anchor)
        page.locator("#anchor").fill("")
        expect(verdict).to_have_text("")
        # A run that is under way when another file is picked says nothing any more.
        page.locator("#anchor").fill(journal.anchor)
        page.locator("#package").set_input_files(handed / "package.zip")
        page.locator("button[type=submit]").click()
        page.locator("#package").set_input_files(handed / "cut.zip")
        page.locator("button[type=submit]").click()
        expect(verdict).to_have_class("failed", timeout=30_000)
        # It would have been through long since: as long as one alone takes.
        check(page, handed / "cut.zip", journal.anchor)
        expect(verdict).to_have_class("failed")


@pytest.mark.parametrize(
    ("part", "step"), [("pa/trust.jsonl", "inclusion"), ("body.json", "content")]
)
def test_what_is_altered_is_named(browser, handed, journal, part, step):
    raw = replaced(
        (handed / "package.zip").read_bytes(), part, lambda data: data[:-3] + b"x" + data[-2:]
    )
    (handed / "altered.zip").write_bytes(raw)
    with visit(browser, link(handed), locale="en-US") as (page, _, _):
        steps = dict(check(page, handed / "altered.zip", journal.anchor))
        assert [name for name in NAMES if steps[name] == "failed"] == [step]
        expect(page.locator("#verdict")).to_contain_text(step)
        expect(page.locator("#about")).to_be_hidden()
        expect(page.locator("#sealed")).to_be_hidden()


def test_it_is_worked_by_the_keyboard_and_what_is_in_a_package_never_becomes_code(
    browser, handed, journal
):
    with visit(browser, link(handed), locale="en-US") as (page, _, said):
        page.locator("#package").set_input_files(handed / "package.zip")
        page.locator("#anchor").focus()
        page.keyboard.insert_text(journal.anchor)
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#verdict")).to_have_class("held", timeout=30_000)
        with pytest.raises(Exception, match=r"Trust|policy"):
            page.evaluate("() => { document.body.innerHTML = '<b>' }")
        assert said


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", BOTH)
def test_axe_finds_nothing_on_page_and_cover(browser, handed, journal, scheme, lang):
    how = {"locale": LOCALES[lang], "color_scheme": scheme}
    with visit(browser, link(handed), **how) as (page, _, _):
        assert violations(page) == []
        check(page, handed / "package.zip", journal.anchor)
        assert violations(page) == []
        check(page, handed / "package.zip", "A" * 43)
        assert violations(page) == []
        check(page, handed / "package.zip")
        assert violations(page) == []
    with visit(browser, link(handed, "cover.html"), **how) as (page, _, said):
        assert violations(page) == []
        assert said == []
