"""A bulletin written in a real browser, before a real node."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from exchange.client.reading import Delivered
from exchange.desk import lock as locks
from tests.builders import WATCH
from tests.pages.browsing import needs_axe, needs_chromium, violations, visit
from tests.pages.filling import (
    GEOMETRY,
    SEEN,
    VESSEL,
    at,
    base,
    choose,
    fill,
    open_to,
    opened,
    write_voi,
)
from tests.pages.writing import writing

pytestmark = needs_chromium
SIZE = {"width": 1280, "height": 720}


@pytest.fixture
def scribe(tmp_path):
    # Nobody is hurried by a busy machine.
    expect.set_options(timeout=20_000)
    with writing(tmp_path) as made:
        made.holding.hold_s = 60
        yield made
    expect.set_options(timeout=5_000)


def test_voi_is_written_mended_reviewed_undone_and_sent(browser, scribe):
    with visit(browser, scribe.link(), viewport=SIZE) as (page, _, said):
        write_voi(page)
        fill(page, f"{VESSEL}/imo", "9319467")
        bad = at(page, f"{VESSEL}/imo:bad")
        expect(bad).to_be_visible()
        expect(at(page, f"{VESSEL}/imo")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("[data-told]").first).to_have_text("06°52.986' N 080°24.750' O")
        # Reviewed all the same, nothing that was typed is lost, and the fault is named.
        page.get_by_role("button", name="Revisar antes de enviar").click()
        summary = page.locator("#summary")
        expect(summary).to_be_focused()
        expect(at(page, f"{SEEN}/place/geometry")).to_have_value("06 52.986 N 080 24.750 O")
        summary.get_by_role("link").first.click()
        fill(page, f"{VESSEL}/imo", "9319466")
        expect(bad).to_be_hidden()
        expect(page.locator("#readers li")).to_have_count(1)
        expect(page.locator("#readers")).to_contain_text(WATCH)
        # On a tablet who will read it stays in sight, wherever in the form one is.
        bar = page.locator(".bar")
        expect(bar).to_be_hidden()
        page.set_viewport_size({"width": 820, "height": 1180})
        at(page, "/bulletin/title/text").scroll_into_view_if_needed()
        expect(bar).to_be_in_viewport(ratio=1)
        expect(bar).to_contain_text("Exactamente 1 ")
        expect(bar.get_by_role("button", name="Revisar antes de enviar")).to_be_enabled()
        expect(page.locator("#bar-left")).to_be_hidden()
        page.set_viewport_size(SIZE)
        page.get_by_role("button", name="Revisar antes de enviar").click()
        expect(page.locator("h1")).to_have_text("Revisar antes de enviar")
        expect(page.locator("main tbody tr")).to_have_count(1)
        expect(page.locator("pre.page").first).to_contain_text("9319466")
        page.get_by_role("button", name="Enviar").click()
        expect(page.locator("#left")).to_be_visible()
        page.reload()
        page.get_by_role("button", name="Deshacer").click()
        expect(at(page, "/bulletin/title/text")).to_have_value(
            "EJERCICIO: lancha al sur de Azuero"
        )
        assert not scribe.ask(scribe.station.agency.world.outbox.sent)
        scribe.holding.hold_s = 1
        page.get_by_role("button", name="Revisar antes de enviar").click()
        page.get_by_role("button", name="Enviar").click()
        expect(page.get_by_text("Recibo: asiento")).to_be_visible()
        (held,) = scribe.holding.all()
        expect(page.get_by_text(f"asiento {held.index} ")).to_be_visible()
        items = scribe.run(scribe.other.everything())
        (came,) = [each for each in items if isinstance(each, Delivered)]
        assert came.header.id == held.id
        assert came.bulletin.content.vessel.imo == "9319466"
        page.goto(base(page) + "es/compose")
        expect(page.get_by_role("heading", name="Borradores")).to_have_count(0)
        assert [each for each in said if "422" not in each] == []


def test_question_is_answered_and_what_was_sent_is_corrected_and_cancelled(browser, scribe):
    scribe.holding.hold_s = 0
    asked = scribe.asked()
    with visit(browser, scribe.link(), viewport=SIZE) as (page, _, _said):
        opened(page, f"en/compose?reply={asked.index}")
        page.wait_for_url("**/en/compose/rpy?reply=*")
        target = "/bulletin/content/target"
        expect(at(page, f"{target}/id")).to_have_value(asked.header.id)
        expect(at(page, f"{target}/header_digest")).to_have_value(asked.digest)
        expect(page.locator(f"input[name='/post/to'][value='{WATCH}']")).to_be_checked()
        fill(page, "/bulletin/title/text", "EXERCISE: reply")
        for place in range(2):
            choose(page, f"/bulletin/content/answers/{place}/outcome", "refused")
            choose(page, f"/bulletin/content/answers/{place}/ground", "third-party")
        rows = page.locator("[id='/bulletin/content/answers']")
        rows.get_by_role("button", name="Add one").last.click()
        expect(at(page, "/bulletin/content/answers/2/outcome")).to_be_visible()
        page.get_by_role("button", name="Review before sending").click()
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_text("Receipt: entry")).to_be_visible()
        sent = scribe.last()
        assert (sent.header.type, sent.header.verb) == ("rpy", "reply")
        assert [ref.header_digest for ref in sent.header.refs] == [asked.digest]
        page.get_by_role("link", name="Correct it").click()
        expect(at(page, f"{target}/id")).to_have_value(sent.header.id)
        opened(page, f"en/compose?cancel={sent.header.id}")
        page.wait_for_url("**/en/compose/can?cancel=*")
        fill(page, "/bulletin/title/text", "EXERCISE: cancelled")
        choose(page, "/bulletin/content/cancellation_reason", "error")
        choose(page, "/bulletin/content/must_purge", "false")
        page.get_by_role("button", name="Review before sending").click()
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_text("Receipt: entry")).to_be_visible()
        cancelled = scribe.last().header
        assert [(ref.rel, ref.id) for ref in cancelled.refs] == [("cancels", sent.header.id)]


def test_draft_is_kept_as_one_types_and_deleted_by_a_press(browser, scribe):
    with visit(browser, scribe.link(), viewport=SIZE) as (page, _, _said):
        opened(page, "en/compose/rfi")
        assert scribe.ask(scribe.drafts) == []
        fill(page, "/bulletin/title/text", "EXERCISE \u202e question")
        page.wait_for_url("**/en/compose/rfi?draft=*")
        (kept,) = scribe.ask(scribe.drafts)
        assert kept.title == "EXERCISE \u202e question"
        page.reload()
        # In its field as it was typed; anywhere else with nothing hidden.
        expect(at(page, "/bulletin/title/text")).to_have_value("EXERCISE \u202e question")
        page.locator("#language").click()
        page.wait_for_url("**/es/compose/rfi?draft=*")
        opened(page, "en/compose")
        row = page.locator("li", has_text="EXERCISE <U+202E> question")
        row.get_by_role("button", name="Delete").click()
        expect(row).to_have_count(0)
        assert scribe.ask(scribe.drafts) == []


@needs_axe
@pytest.mark.parametrize("lang", ["es", "en"])
def test_no_page_keeps_anybody_out(browser, scribe, lang):
    with visit(browser, scribe.link(), viewport=SIZE, bypass_csp=True) as (page, _, _said):
        for path in ("compose", "compose/voi", "compose/cor", "compose/mig", "releases"):
            opened(page, f"{lang}/{path}")
            expect(page.locator("h1")).to_be_visible()
            assert violations(page) == [], path
        opened(page, f"{lang}/compose/voi")
        open_to(page, GEOMETRY)
        page.locator(f"[data-pick='{GEOMETRY}']").click()
        expect(page.locator("#pick-land path").first).to_be_attached()
        page.keyboard.press("Enter")
        assert violations(page) == []
        opened(page, "es/")
        write_voi(page)
        fill(page, f"{VESSEL}/imo", "1")
        page.locator("aside button[type=submit]").click()
        expect(page.locator("#summary")).to_be_visible()
        assert violations(page) == []
        fill(page, f"{VESSEL}/imo", "")
        page.locator("aside button[type=submit]").click()
        expect(page.locator("form input[name=shown]")).to_be_attached()
        assert violations(page) == []
        page.locator("main form button[type=submit]").last.click()
        expect(page.locator("#undo")).to_be_visible()
        assert violations(page) == []


def test_page_that_waits_for_a_receipt_keeps_no_desk_open(browser, scribe):
    with visit(browser, scribe.link(), viewport=SIZE) as (page, _, _said):
        write_voi(page)
        page.locator("aside button[type=submit]").click()
        page.locator("main form button[type=submit]").last.click()
        expect(page.locator("#undo")).to_be_visible()
        scribe.ticks.ms += (locks.IDLE_S - 1) * 1000
        before = page.locator("#left").inner_text()
        expect(page.locator("#left")).not_to_have_text(before)
        scribe.ticks.ms += 1000
        assert scribe.lock.is_locked
