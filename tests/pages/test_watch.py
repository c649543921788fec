"""A watch played through, from an invitation to the handover: Spanish here, English there.

Every part is the program itself: a node, the command line, and a desk on either side, each in
processes of its own; two browser profiles look at the desks as two officers do.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import expect

from exchange import resources
from exchange.cli import world
from tests.cli.delegation import Person
from tests.cli.exercise import WATCH
from tests.pages.browsing import needs_chromium, visit
from tests.pages.filling import at, base, choose, fill, open_to
from tests.pages.standing import NEW, Machine, apart, desk, enrol, founded

# Some twenty commands that stretch a passphrase each, and twice ten seconds to undo.
pytestmark = [needs_chromium, pytest.mark.timeout(300)]
US = "us.jiatfs/watch"
TITLE = ("EXERCISE: go-fast south of Azuero", "EJERCICIO: lancha rápida al sur de Azuero")
SUSPICION = ("Three engines, no lights.", "Tres motores, sin luces.")
CONTENT = "/bulletin/content"
# The page of the passphrase, what a password store would like there, and tones before any key.
EXPECTED = re.compile(r"status of 403|^\[DOM\] Password|AudioContext was not allowed")
DESKTOP, TABLET = {"width": 1280, "height": 720}, {"width": 820, "height": 1180}


class Side(NamedTuple):
    """One officer's machine, and the desk that is open there."""

    machine: Any
    page: Any

    def go(self, path: str) -> Any:
        lang = self.page.locator("html").get_attribute("lang")
        self.page.goto(f"{base(self.page)}{lang}{path}")
        return self.page


@pytest.fixture
def made(tmp_path):
    made = founded(tmp_path / "exercise")
    made.start()
    made.signed()
    yield made
    assert made.stop() == 0, made.log.read_text()


@pytest.fixture(autouse=True)
def patient():
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


def test_watch_from_enrolment_to_handover(browser, made, tmp_path):
    new, there = Person(tmp_path, "new"), Machine(tmp_path, WATCH, made)
    assert enrol(made, new)["state"] == "in-force"
    new.does("officer", "guardia-1")
    there.does("officer", "watch-1")
    with (
        desk(new, "es") as here_link,
        desk(there, "en") as there_link,
        visit(browser, here_link, viewport=DESKTOP) as (here_page, asked, said),
        visit(browser, there_link, viewport=TABLET) as (there_page, also_asked, also_said),
    ):
        pa, us = Side(new, here_page), Side(there, there_page)
        nothing_is_missing_yet(pa, here_link)
        flash = flash_is_written(us)
        entry = flash_is_seen(pa)
        it_is_read_and_acknowledged(pa, entry)
        request = request_is_asked(us)
        correction = it_is_corrected(us, flash)
        request_is_answered(pa, us, request)
        correction_is_seen(pa, entry, correction)
        boarding = boarding_is_asked_for(us, pa)
        map_is_drawn(pa, entry)
        desk_is_locked(pa, entry)
        watch_is_handed_over(pa, boarding)
        acknowledged_by_who_came(pa, us, boarding)
        for name, addresses in ((here_page.url, asked), (there_page.url, also_asked)):
            # Neither map nor anything else asked another machine, or another program of this.
            assert {each.split("/")[2] for each in addresses} == {name.split("/")[2]}
        assert [each for each in (*said, *also_said) if not EXPECTED.search(each)] == []
    journal_holds(made, flash, correction, boarding)


def fits(page):
    """Nothing runs over the side of the screen."""
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url


def told(page, place, text):
    """Wait until a place says something, looking again as often as the page says it is old."""
    while place.count() == 0 or text not in place.first.inner_text():
        expect(page.locator("#news")).to_be_visible()
        page.reload()
    return place


def nothing_is_missing_yet(pa, link):
    page = pa.page
    expect(page.locator("h1")).to_contain_text("Buzón")
    expect(page.locator("header .banner")).to_have_text("EJERCICIO")
    expect(page.locator("main")).to_contain_text("De guardia: guardia-1")
    expect(page.locator("[data-value=complete]")).to_contain_text("Completo: los 0 elementos")
    expect(page.locator("tr[data-row]")).to_have_count(0)
    # The link was good once.
    second = page.context.browser.new_page()
    assert second.goto(link).status == 403
    second.close()
    fits(page)


def addressed(page, precedence="routine"):
    page.locator(f"input[name='/post/to'][value='{NEW}']").check()
    page.locator("input[name='/post/marking/releasable_to'][value=PAN]").check()
    page.locator("[id='/post/precedence']").select_option(precedence)


def add(page, rows):
    """Have one more row in a list."""
    open_to(page, f"{rows}/0")
    at(page, rows).locator(":scope > button[data-add]").click()


def said_twice(page, pointer, english, spanish):
    fill(page, f"{pointer}/text", english)
    add(page, f"{pointer}/translations")
    fill(page, f"{pointer}/translations/0/text", spanish)


def sent(page):
    """Review and send; return the identity that the receipt is for."""
    expect(page.locator("#readers li")).to_have_count(1)
    expect(page.locator("#readers")).to_contain_text(NEW)
    page.get_by_role("button", name="Review before sending").click()
    expect(page.locator("h1")).to_have_text("Review before sending")
    expect(page.locator(".marking").first).to_contain_text("EXERCISE · TLP:")
    expect(page.locator("main tbody tr")).to_have_count(1)
    expect(page.locator("main tbody tr")).to_contain_text(NEW)
    fits(page)
    page.get_by_role("button", name="Send").click()


def receipt(page):
    expect(page.get_by_text("Receipt: entry")).to_be_visible()
    return page.locator("dl.facts code").inner_text()


def flash_is_written(us):
    page = us.page
    page.get_by_role("link", name="Compose").click()
    page.locator("a.button[href$='/compose/voi']").click()
    fits(page)
    addressed(page, "flash")
    said_twice(page, "/bulletin/title", *TITLE)
    choose(page, f"{CONTENT}/notice", "sighting")
    choose(page, f"{CONTENT}/action", "track")
    said_twice(page, f"{CONTENT}/suspicion", *SUSPICION)
    fill(page, f"{CONTENT}/persons_on_board", "3")
    fill(page, f"{CONTENT}/vessel/name", "EXERCISE GAVIOTA")
    fill(page, f"{CONTENT}/seen/at", dtg(-1))
    fill(page, f"{CONTENT}/seen/place/geometry", "06 52.986 N 080 24.750 W")
    sent(page)
    # It waits for nobody.
    return receipt(page)


def dtg(hours):
    """A time, as officers write it."""
    at = dt.datetime.fromtimestamp(world.now() + hours * 3600, dt.UTC)
    return at.strftime("%d%H%MZ%b%y").upper()


def flash_is_seen(pa):
    """It stands on the page that is open, by word; and in the inbox by shape and mark too."""
    page = pa.page
    bar = page.locator("#flash a")
    expect(bar).to_contain_text("Relámpago (Z)")
    expect(bar).to_contain_text(TITLE[1])
    assert page.title().startswith("1 FLASH espera")
    expect(page.locator("#arrived li")).to_contain_text("us.jiatfs")
    page.keyboard.press("n")
    row = page.locator("tr[data-row]")
    expect(row).to_have_count(1)
    expect(row.locator(".band-flash path")).to_have_attribute("d", "M8 1.5 15 14H1z")
    expect(row).to_contain_text("verificado")
    expect(row).to_contain_text("USA")
    page.keyboard.press("j")
    page.keyboard.press("o")
    page.wait_for_url("**/entry/*")
    return int(page.url.rpartition("/")[2])


def it_is_read_and_acknowledged(pa, entry):
    page = pa.page
    expect(page.locator("h1")).to_have_text(TITLE[1])
    expect(page.locator(".marking")).to_have_count(2)
    expect(page.locator(".marking").first).to_contain_text("EJERCICIO · TLP:AMBER+STRICT")
    expect(page.locator("main")).to_contain_text(SUSPICION[1])
    original = page.locator("details.original", has_text=SUSPICION[0])
    expect(original.locator("div[lang=en]")).to_be_hidden()
    original.locator("summary").click()
    expect(original.locator("div[lang=en]")).to_be_visible()
    expect(page.locator(".inset circle.mark")).to_have_count(1)
    fits(page)
    page.keyboard.press("l")
    page.wait_for_url(f"**/en/entry/{entry}")
    expect(page.locator("h1")).to_have_text(TITLE[0])
    page.keyboard.press("l")
    page.wait_for_url(f"**/es/entry/{entry}")
    acknowledged(page)
    expect(page.locator("#flash")).to_be_hidden()


def acknowledged(page):
    """By its key, from the bulletin."""
    page.keyboard.press("e")
    page.wait_for_url("**/entry/*done=*")
    expect(page.get_by_role("status").filter(has_text="Acuse registrado.")).to_be_visible()


def request_is_asked(us):
    """Sent after ten seconds; meanwhile the officer goes on. Return its title."""
    page = us.go("/compose/rfi")
    addressed(page)
    title = "EXERCISE: whose is EXERCISE GAVIOTA?"
    fill(page, "/bulletin/title/text", title)
    questions = f"{CONTENT}/questions"
    if not at(page, f"{questions}/0/n").count():
        add(page, questions)
    fill(page, f"{questions}/0/n", "1")
    fill(page, f"{questions}/0/question/text", "EXERCISE: who owns her?")
    fill(page, f"{CONTENT}/purpose/text", "EXERCISE: to establish her owner.")
    fill(page, f"{CONTENT}/legal_basis/text", "EXERCISE: mutual assistance.")
    fill(page, f"{CONTENT}/reply_by", dtg(6))
    sent(page)
    expect(page.locator("#left")).to_be_visible()
    return title


def it_is_corrected(us, flash):
    """By its author, from the page that says who has seen it; return the correction's id.

    What corrects a FLASH is one, and waits for nobody either.
    """
    page = us.go(f"/sent/{flash}")
    holder = page.locator("section.card", has=page.get_by_role("heading", name=NEW))
    told(page, holder, "guardia-1")
    fits(page)
    page.get_by_role("link", name="Correct it").click()
    expect(at(page, f"{CONTENT}/target/id")).to_have_value(flash)
    fill(page, "/bulletin/title/text", "EXERCISE: five on board, not three")
    choose(page, f"{CONTENT}/correction_reason", "clerical")
    fill(page, f"{CONTENT}/explanation/text", "EXERCISE: counted anew.")
    changes = f"{CONTENT}/changes"
    if not at(page, f"{changes}/0/pointer").count():
        add(page, changes)
    fill(page, f"{changes}/0/pointer", "/content/persons_on_board")
    fill(page, f"{changes}/0/before", "3")
    fill(page, f"{changes}/0/after", "5")
    choose(page, f"{CONTENT}/must_purge", "false")
    choose(page, f"{CONTENT}/acknowledgement", "compulsory")
    sent(page)
    return receipt(page)


def request_is_answered(pa, us, title):
    page = pa.page
    page.keyboard.press("g")
    page.keyboard.press("q")
    page.wait_for_url("**/requests")
    row = page.locator("tr[data-row]", has_text=title)
    told(page, row, "Le toca responder:")
    theirs = us.go("/requests")
    expect(theirs.locator("tr[data-row]", has_text=title)).to_contain_text(NEW)
    expect(row).to_contain_text("5 h 5")
    fits(page)
    row.locator("a").first.click()
    expect(page.locator("h1")).to_have_text(title)
    page.keyboard.press("r")
    page.wait_for_url("**/compose/rpy?reply=*")
    fill(page, "/bulletin/title/text", "EJERCICIO: sin rastro de su dueño")
    choose(page, f"{CONTENT}/answers/0/outcome", "no-trace")
    page.get_by_role("button", name="Revisar antes de enviar").click()
    expect(page.locator("main tbody tr")).to_contain_text(US)
    page.get_by_role("button", name="Enviar").click()
    expect(page.get_by_role("button", name="Deshacer")).to_be_visible()
    expect(page.get_by_text("Recibo: asiento")).to_be_visible()
    told(theirs, theirs.get_by_text("1 is over"), "1 is over").click()
    expect(theirs.locator("tr[data-row]", has_text=title)).to_contain_text("no trace")
    fits(theirs)


def correction_is_seen(pa, entry, correction):
    page = pa.go(f"/entry/{entry}")
    told(page, page.locator(".paper .signal-bad a"), "Corregido por el asiento")
    card = page.locator("section.card-ok")
    expect(card).to_contain_text(f"Comprobada con el asiento {entry}")
    # The label; what it said, and what it says.
    expect(card.locator("pre")).to_have_text(
        re.compile(r"Personas a bordo\s.*\b3\s.*\b5\s*$", re.DOTALL)
    )
    page.locator(".paper .signal-bad a").first.click()
    expect(page.locator("main")).to_contain_text(correction)
    acknowledged(page)


def boarding_is_asked_for(us, pa):
    """From the command line, beside the open desk; return the request's id."""
    text = resources.read("v1/examples/brq-2.en.toml").decode()
    text = text.replace("[post]\n", f'[post]\nto = ["{NEW}"]\n', 1)
    due = dt.datetime.fromtimestamp(world.now() + 40 * 60, dt.UTC)
    text = text.replace("2026-11-25T15:30:00Z", f"{due:%Y-%m-%dT%H:%M:%SZ}")
    kept = [line for line in text.splitlines() if not line.startswith("observed")]
    (us.machine.folder / "brq.toml").write_text("\n".join(kept) + "\n", encoding="utf-8")
    identity = us.machine.does("post", "brq.toml", "--yes")["id"]
    expect(pa.page.locator("#flash a")).to_contain_text("EXERCISE PELICAN")
    page = pa.go("/")
    duty = page.locator("section.card-warn")
    expect(duty).to_contain_text("Una solicitud de abordaje espera respuesta")
    expect(duty).to_contain_text(f"{US} pide permiso: le toca responder")
    expect(duty.locator("[data-by]")).to_contain_text(re.compile(r"\b3\d min para responder"))
    duty.get_by_role("link").click()
    case = page.locator("section.card", has=page.get_by_role("heading", name="Caso de abor"))
    expect(case).to_contain_text("Debe responder: pa.senan")
    return identity


def map_is_drawn(pa, entry):
    page = pa.page
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/map")
    place = page.locator("tr[data-sign]", has=page.locator(f"a[href='/es/entry/{entry}']"))
    expect(place).to_contain_text("06°52.986' N 080°24.750' O")
    expect(page.locator("#signs .sign").first).to_be_visible()
    fits(page)


def desk_is_locked(pa, entry):
    page = pa.go(f"/entry/{entry}")
    page.get_by_role("button", name="Bloquear").click()
    expect(page.locator("h1")).to_contain_text("Mesa bloqueada")
    assert TITLE[1] not in page.content()
    page.locator("#passphrase").fill("no es")
    page.get_by_role("button", name="Desbloquear").click()
    expect(page.get_by_role("alert")).to_contain_text("no es la contraseña")
    page.locator("#passphrase").fill(pa.machine.environment()["EXCHANGE_PASSPHRASE"])
    page.get_by_role("button", name="Desbloquear").click()
    expect(page.locator("h1")).to_have_text(TITLE[1])


def watch_is_handed_over(pa, boarding):
    page = pa.page
    page.keyboard.press("g")
    page.keyboard.press("h")
    page.wait_for_url("**/handover")
    rows = page.locator("tr[data-row]")
    expect(rows.first).to_contain_text("FLASH sin acuse")
    expect(rows.first).to_contain_text(boarding)
    expect(rows.filter(has_text="Caso de abordaje")).to_have_count(1)
    fits(page)
    page.locator("#remarks").fill("EJERCICIO: falta responder el abordaje")
    page.get_by_role("button", name="Entregar y firmar como guardia-1").click()
    page.wait_for_url(re.compile(r"/handover/[A-Za-z0-9_-]{43}$"))
    expect(page.locator("dl.facts")).to_contain_text("sin recibir")
    pa.go("/handover")
    page.locator("#officer").fill("guardia-2")
    page.get_by_role("button", name="Recibir la guardia y firmar").click()
    page.wait_for_url(re.compile(r"/handover/[A-Za-z0-9_-]{43}$"))
    expect(page.locator("pre.page")).to_contain_text("falta responder el abordaje")
    expect(page.locator("dl.facts")).to_contain_text("guardia-2")
    assert pa.machine.does("officer")["officer"] == "guardia-2"


def acknowledged_by_who_came(pa, us, boarding):
    """From here on it is the next officer who is named."""
    page = pa.go("/")
    page.locator("#flash a").click()
    page.wait_for_url("**/entry/*")
    acknowledged(page)
    theirs = us.go(f"/sent/{boarding}")
    told(theirs, theirs.locator("section.card"), "guardia-2")


def journal_holds(made, flash, correction, boarding):
    """What an auditor finds, who was told the anchor and nothing else."""
    made.stop()
    file = str(made.place.node / "journal.db")
    anchor = ("--anchor", made.place.founded.anchor)
    assert apart(made.run, "audit", "verify", file, *anchor, "--json").json["ok"]
    log = apart(made.run, "audit", "log", file, "--limit", "256", "--json").json["entries"]
    kinds = [row["kind"] for row in log]
    assert [kinds.count(each) for each in ("invited", "enrolment-asked", "decided")] == [1] * 3
    posted = [(row["told"][:3], row["who"]) for row in log if row["kind"] == "accepted"]
    theirs = [(each, US) for each in ("brq", "cor", "rfi", "voi")]
    assert sorted(posted) == sorted([*theirs, ("rpy", NEW)])
    acked = [row["told"].split()[:2] for row in log if row["kind"] == "acknowledged"]
    assert acked == [["opened", each] for each in (flash, correction, boarding)]
    made.start()
