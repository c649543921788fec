"""What goes in separate envelopes, with files, from places picked on a map; and is released."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from exchange.client.attaching import untold
from exchange.client.reading import Delivered
from exchange.desk.kept_drafts import Counted, Kept
from tests.builders import DESK, MINSA, OPS, WATCH, new_id, releaser, world
from tests.client.foureyes import MARK, red
from tests.desk.test_others import an_act
from tests.desk.test_rest import in_part
from tests.desk.test_statistics import PERIOD
from tests.node.running import post
from tests.pages.browsing import needs_axe, needs_chromium, violations, visit
from tests.pages.filling import GEOMETRY, at, open_to, opened, write_voi
from tests.pages.writing import writing

pytestmark = needs_chromium
SIZE = {"width": 1280, "height": 720}
TEXT = {"name": "EJERCICIO.txt", "mimeType": "text/plain", "buffer": b"EJERCICIO: nota"}
OTHER = {"name": "EJERCICIO.exe", "mimeType": "text/plain", "buffer": b"MZ"}


@pytest.fixture
def scribe(tmp_path):
    expect.set_options(timeout=20_000)
    with writing(tmp_path) as made:
        made.holding.hold_s = 0
        yield made
    expect.set_options(timeout=5_000)


def test_readers_of_two_nations_get_an_envelope_each_with_what_is_attached(browser, scribe):
    with visit(browser, scribe.link(), viewport=SIZE) as (page, _, said):
        write_voi(page)
        page.locator(f"input[name='/post/to'][value='{DESK}']").check()
        page.locator("input[name='/post/separately'][value=nation]").check()
        page.locator("#choose").set_input_files([TEXT])
        row = page.locator("#files li")
        expect(row).to_contain_text("text/plain · 15 bytes")
        page.locator("#choose").set_input_files([OTHER])
        expect(page.locator("#files-said")).to_contain_text("EJERCICIO.exe")
        expect(row).to_have_count(1)
        page.locator("#choose").set_input_files([TEXT])
        expect(row).to_have_count(2)
        row.last.get_by_role("button").click()
        expect(row).to_have_count(1)
        readers = page.locator("#readers li")
        expect(readers.first).to_contain_text(f"Sobre 1 · {DESK}")
        expect(readers.last).to_contain_text(f"Sobre 2 · {WATCH}")
        page.reload()
        expect(row).to_have_count(1)
        page.get_by_role("button", name="Revisar antes de enviar").click()
        expect(page.locator("tr.act")).to_have_text(["Sobre 1", "Sobre 2"])
        expect(page.get_by_text("EJERCICIO.txt")).to_be_visible()
        page.get_by_role("button", name="Enviar").click()
        expect(page.locator("main tbody tr")).to_have_count(2)
        expect(page.get_by_text("enviado asiento")).to_have_count(2)
        (came,) = [
            each
            for each in scribe.run(scribe.other.everything())
            if isinstance(each, Delivered)
        ]
        assert came.header.to == [WATCH]
        assert [each.name for each in came.bulletin.attachments] == ["EJERCICIO.txt"]
        opened(page, "es/sent")
        expect(page.locator("tr.act")).to_contain_text("En 2 sobres separados")
        expect(page.locator("tr.part")).to_have_count(2)
        assert not list(scribe.folder.glob("**/*.filed"))
        assert [each for each in said if "422" not in each] == []


@needs_axe
@pytest.mark.parametrize("lang", ["es", "en"])
def test_act_that_went_in_part_is_shown_and_written_to_those_who_lack_it(browser, scribe, lang):
    made = scribe.run(in_part(scribe.station, scribe.holding, scribe.door.node, WATCH))
    with visit(browser, scribe.link(), viewport=SIZE, bypass_csp=True) as (page, _, _said):
        for path in ("sent", "compose", f"compose/held/{made}"):
            opened(page, f"{lang}/{path}")
            assert violations(page) == [], path
        page.get_by_role("link", name=re.compile("only to those|solo a quienes")).click()
        expect(page.locator("input[name='/post/only'][value=rest]")).to_be_checked()
        expect(page.locator("#parted ~ .scrolling tbody tr")).to_have_count(2)
        assert violations(page) == []
        page.locator("input[name='/post/only'][value='']").check()
        expect(page.locator("#readers")).to_contain_text(WATCH)
        page.locator("input[name='/post/only'][value=rest]").check()
        expect(page.locator("#readers")).not_to_contain_text(WATCH)


@needs_axe
@pytest.mark.parametrize("lang", ["es", "en"])
def test_who_cancels_one_envelope_is_led_to_the_other_and_old_figures_say_so(
    browser, scribe, lang
):
    one, two = scribe.run(an_act(scribe.station.agency, WATCH, DESK))
    old = Kept(new_id(), "sta", {}, scribe.station.now(), counted=Counted(PERIOD, "EXERCISE"))
    scribe.ask(lambda: scribe.holding._drafts.put(old))
    with visit(browser, scribe.link(), viewport=SIZE, bypass_csp=True) as (page, _, _said):
        opened(page, f"{lang}/compose/sta?draft={old.id}")
        expect(page.locator(f"main .signal a[href$='{PERIOD}']")).to_be_visible()
        assert violations(page) == []
        opened(page, f"{lang}/compose?cancel={one.id}")
        assert violations(page) == []
        page.get_by_role("link", name=re.compile("^Cancel it too|^Cancelarlo también")).click()
        page.wait_for_url(f"**/{lang}/compose/can?cancel={two.id}")


def test_place_is_picked_by_keys_alone_and_an_area_by_the_pointer(browser, scribe):
    with visit(browser, scribe.link(), viewport=SIZE) as (page, asked, said):
        opened(page, "en/compose/voi")
        open_to(page, GEOMETRY)
        button = page.locator(f"[data-pick='{GEOMETRY}']")
        button.focus()
        page.keyboard.press("Enter")
        where = page.locator("#pick-map")
        expect(where).to_be_focused()
        expect(page.locator("#pick-at")).to_have_text("08°30.000' N 079°30.000' W")
        for key in ("+", "ArrowLeft", "Shift+ArrowDown", "Enter"):
            page.keyboard.press(key)
        told = page.locator("#pick-at").inner_text()
        expect(page.locator("#pick-points li")).to_have_text([told])
        for _ in range(6):
            page.keyboard.press("Tab")
        expect(page.locator("#pick-use")).to_be_focused()
        page.keyboard.press("Enter")
        expect(button).to_be_focused()
        expect(at(page, GEOMETRY)).to_have_value(told)
        expect(at(page, f"{GEOMETRY}/type")).to_have_value("Point")
        expect(page.locator(f"[data-told='{GEOMETRY}']")).to_have_text(told)
        button.click()
        expect(page.locator("#pick-points li")).to_have_text([told])
        page.keyboard.press("Escape")
        expect(page.locator("#picker")).to_be_hidden()
        button.click()
        page.locator("input[name=pick-kind][value=Polygon]").check()
        page.locator("#pick-use").click()
        expect(page.locator("#pick-said")).to_contain_text("at least 3")
        box = where.bounding_box()
        for right, down in ((100, 60), (160, 120)):
            page.mouse.click(box["x"] + right, box["y"] + down)
        expect(page.locator("#pick-points li")).to_have_count(3)
        page.locator("#pick-use").click()
        expect(at(page, f"{GEOMETRY}/type")).to_have_value("Polygon")
        assert len(at(page, GEOMETRY).input_value().splitlines()) == 3
        assert said == []
        assert {url.split("/")[2] for url in asked} == {page.url.split("/")[2]}


# -- four eyes ------------------------------------------------------------------------------


@pytest.fixture
def guarded(tmp_path):
    async def agree(door):
        await post(door.node, world().rearranged(four_eyes=["tlp:red"]), MINSA)
        await post(door.node, world().amended(DESK, releaser), MINSA)

    expect.set_options(timeout=20_000)
    with writing(tmp_path, DESK, OPS, agree) as made:
        yield made
    expect.set_options(timeout=5_000)


def asked(scribe):
    """Have the other desk ask for a release; return the draft's id."""

    async def do():
        line = scribe.other
        pending = await line.asking.ask(await line.prepare(red()), MARK, untold, "autora-1")
        await scribe.station.fill()
        return pending.draft

    return scribe.run(do())


@needs_axe
@pytest.mark.parametrize("lang", ["es", "en"])
def test_draft_is_read_whole_and_released_or_declined_with_a_reason(browser, guarded, lang):
    draft = asked(guarded)
    with visit(browser, guarded.link(), viewport=SIZE, bypass_csp=True) as (page, _, _said):
        opened(page, f"{lang}/releases")
        assert violations(page) == []
        page.locator("[data-row] a").first.click()
        page.wait_for_url(f"**/{lang}/releases/{draft}")
        expect(page.locator("main table tbody tr")).to_contain_text(WATCH)
        expect(page.locator(".marking").first).to_contain_text("TLP:RED")
        expect(page.get_by_text("autora-1")).to_be_visible()
        assert violations(page) == []
        if lang == "es":
            page.get_by_role("button", name="Autorizar su salida").click()
        else:
            page.locator("#reason").fill("EXERCISE: wrong place")
            page.get_by_role("button", name="Decline").click()
        expect(page.locator("#decide")).to_have_count(0)
        (each,) = guarded.ask(
            lambda: guarded.station.agency.releasing.queue(guarded.station.shelf.items())
        )
        assert each.state == ("released" if lang == "es" else "declined")
        assert violations(page) == []
