"""How a person fills in a form of the desk."""

from __future__ import annotations

import re

from tests.builders import WATCH

VESSEL = "/bulletin/content/vessel"
SEEN = "/bulletin/content/seen"
GEOMETRY = f"{SEEN}/place/geometry"


def base(page):
    return re.match(r"http://[^/]+/", page.url)[0]


def at(page, pointer):
    return page.locator(f'[id="{pointer}"]')


def open_to(page, pointer):
    """Open what a field is in, as a reader of the page does."""
    steps = pointer.split("/")
    for n in range(2, len(steps)):
        found = page.locator(f'details[id="{"/".join(steps[:n])}"]:not([open]) > summary')
        if found.count():
            found.click()


def fill(page, pointer, text):
    open_to(page, pointer)
    at(page, pointer).fill(text)


def choose(page, pointer, code):
    open_to(page, pointer)
    at(page, pointer).select_option(code)


def write_voi(page):
    page.get_by_role("link", name="Redactar").click()
    page.locator("a.button[href$='/compose/voi']").click()
    page.locator(f"input[name='/post/to'][value='{WATCH}']").check()
    page.locator("input[name='/post/marking/releasable_to'][value=USA]").check()
    fill(page, "/bulletin/title/text", "EJERCICIO: lancha al sur de Azuero")
    choose(page, "/bulletin/content/notice", "sighting")
    choose(page, "/bulletin/content/action", "track")
    fill(page, "/bulletin/content/suspicion/text", "EJERCICIO: tres motores, sin luces.")
    fill(page, f"{VESSEL}/name", "EXERCISE GAVIOTA")
    fill(page, f"{SEEN}/at", "231801ZNOV26")
    fill(page, f"{SEEN}/place/geometry", "06 52.986 N 080 24.750 O")


def opened(page, path):
    page.goto(base(page) + path)
    return page
