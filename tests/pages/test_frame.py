"""The frame in a real browser: in by the link, keys, news, no request to anywhere else."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.pages.browsing import THEMES, needs_axe, needs_chromium, violations, visit

pytestmark = needs_chromium


def test_a_link_opens_the_application_and_nothing_leaves_the_machine(browser, served_trial):
    trial, made = served_trial
    with visit(browser, made.link()) as (page, asked, said):
        page.goto(page.url)
        page.locator("nav a").nth(1).click()
        assert said == []
        assert {url.split("/")[2].partition(":")[0] for url in asked} == {trial.door.host}
        assert any(url.endswith("page.mjs") for url in asked)
        assert page.evaluate("document.cookie") == ""


def test_no_text_becomes_code(browser, served_trial):
    _, made = served_trial
    with visit(browser, made.link()) as (page, _, said):
        page.evaluate("document.body.insertAdjacentText('beforeend', '<b>')")
        for attack in (
            "document.body.innerHTML = '<img src=x onerror=alert(1)>'",
            "document.createElement('script').text = 'alert(1)'",
            "setTimeout('alert(1)', 0)",
            "document.body.setAttribute('onclick', 'alert(1)')",
            "trustedTypes.createPolicy('mine', {createHTML: x => x})",
        ):
            # A function in the page's own world, as injected code would be.
            with pytest.raises(Exception, match=r"Trust|policy"):
                page.evaluate(f"() => {{ {attack} }}")
        assert said


def test_inline_style_is_not_heeded(browser, served_trial):
    _, made = served_trial
    with visit(browser, made.link()) as (page, _, said):
        colour = page.evaluate(
            """() => {
              const made = document.createElement("p");
              made.setAttribute("style", "color: rgb(1, 2, 3)");
              document.body.append(made);
              return getComputedStyle(made).color;
            }"""
        )
        assert colour != "rgb(1, 2, 3)"
        assert any("Content Security Policy" in each for each in said)


@needs_axe
@pytest.mark.parametrize("lang", ["es", "en"])
def test_axe_finds_nothing_in_any_theme(browser, served_trial, lang):
    _, made = served_trial
    with visit(browser, made.link(), viewport={"width": 1280, "height": 720}) as (
        page,
        _,
        said,
    ):
        page.goto(page.url.replace("/es/", f"/{lang}/"))
        page.locator("summary.tool").click()
        for details in page.locator("main details").all():
            details.locator("summary").click()
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        assert violations(page) == []
        assert said == []


@pytest.mark.parametrize("theme", THEMES)
def test_a_theme_stays_as_chosen(browser, served_trial, theme):
    _, made = served_trial
    with visit(browser, made.link()) as (page, *_):
        page.locator("summary.tool").click()
        page.locator(f"input[value={theme}]").check()
        page.locator(".menu button[type=submit]").click()
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        page.goto(page.url)
        expect(page.locator("html")).to_have_attribute("data-theme", theme)


@needs_axe
def test_axe_would_find_something(browser, served_trial):
    _, made = served_trial
    with visit(browser, made.link()) as (page, *_):
        page.evaluate("document.body.append(document.createElement('button'))")
        assert any(" button-name " in each for each in violations(page))


@needs_axe
def test_the_error_page_passes_axe_too(browser, served_trial):
    _, made = served_trial
    link = made.link()
    with visit(browser, link) as (page, *_):
        page.goto(link)
        expect(page.locator("main code")).to_have_text("page-link")
        assert violations(page) == []


def test_keys_move_and_go_and_switch_the_language(browser, served_trial):
    _, made = served_trial
    with visit(browser, made.link()) as (page, *_):
        for key in "jjjk":
            page.keyboard.press(key)
        expect(page.locator("tr.chosen a")).to_have_text("warn")
        page.keyboard.press("o")
        assert page.url.endswith("#row-warn")
        page.keyboard.press("/")
        page.keyboard.type("gjl?")
        expect(page.locator("#q")).to_have_value("gjl?")
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(page.locator("#help")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("g")
        page.keyboard.press("s")
        page.wait_for_url("**/es/second")
        page.keyboard.press("l")
        page.wait_for_url("**/en/second")
        expect(page.locator("html")).to_have_attribute("lang", "en")


def test_keys_of_one_letter_can_be_switched_off(browser, served_trial):
    _, made = served_trial
    with visit(browser, made.link()) as (page, *_):
        page.locator("summary.tool").click()
        page.locator("input[name=keys][value=off]").check()
        page.locator(".menu button[type=submit]").click()
        expect(page.locator("body")).to_have_attribute("data-keys", "off")
        page.keyboard.press("j")
        page.keyboard.press("?")
        expect(page.locator("tr.chosen")).to_have_count(0)
        expect(page.locator("#help")).to_be_hidden()


def test_news_come_in_while_the_page_is_open_as_text(browser, served_trial):
    trial, made = served_trial
    with visit(browser, made.link()) as (page, *_):
        place = page.locator("[data-value=count]")
        expect(place).to_have_text("1")
        expect(page.locator("#news")).to_be_hidden()
        trial.told["count"] = "<b>2</b>"
        made.call(trial.live.publish)
        expect(place).to_have_text("<b>2</b>")
        expect(page.locator("#news")).to_be_visible()


def test_who_leaves_sees_nothing_more(browser, served_trial):
    _, made = served_trial
    with visit(browser, made.link()) as (page, *_):
        first = page.url
        page.locator(".tools form button").last.click()
        expect(page.locator("h1")).to_contain_text("Usted salió")
        page.goto(first)
        expect(page.locator("main code")).to_have_text("page-session")


@pytest.mark.parametrize("width", [1280, 820, 360])
def test_nothing_runs_over_the_side_of_a_screen(browser, served_trial, width):
    _, made = served_trial
    with visit(browser, made.link(), viewport={"width": width, "height": 720}) as (page, *_):
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_nothing_moves_for_who_asked_for_less_motion(browser, served_trial):
    _, made = served_trial
    with visit(browser, made.link(), reduced_motion="reduce") as (page, *_):
        moving = page.evaluate(
            """() => [...document.querySelectorAll("*")].filter((each) => {
              const style = getComputedStyle(each);
              return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none";
            }).length"""
        )
        assert moving == 0


def test_targets_are_large_enough_to_hit(browser, served_trial):
    _, made = served_trial
    with visit(browser, made.link()) as (page, *_):
        small = page.evaluate(
            """() => [...document.querySelectorAll("a:not(.skip), button, summary, select")]
              .filter((each) => each.checkVisibility())
              .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
              .filter(([, box]) => box.height < 24 || box.width < 24)
              .map(([told]) => told)"""
        )
        assert small == []
