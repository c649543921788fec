"""What officers are given to read: the card is one sheet, and all speak as the screen does."""

from __future__ import annotations

import json
import re

import pytest

from exchange import resources
from tests.cli.exercise import ROOT
from tests.pages.browsing import needs_axe, needs_chromium, violations

GUIDES = {"es": "desk-guide.es.md", "en": "desk-guide.md"}
CARDS = {"es": "officers-card.es.html", "en": "officers-card.html"}


def said(lang):
    """All that the desk's pages say in a language."""
    folders = ("desk", "web")
    files = [ROOT / "exchange" / each / "locale" / f"{lang}.json" for each in folders]
    return [text for file in files for text in json.loads(file.read_text("utf-8")).values()]


@pytest.mark.parametrize("lang", ["es", "en"])
def test_guide_and_card_call_things_as_the_screen_does(lang):
    guide = (ROOT / "docs" / GUIDES[lang]).read_text("utf-8")
    card = (ROOT / "docs" / CARDS[lang]).read_text("utf-8")
    quoted = re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", guide)
    quoted += re.findall(r"<i>([^<]+)</i>", card)
    assert len(quoted) > 60
    texts = said(lang)
    bands = json.loads(resources.read("v1/codes/precedence.json"))["codes"]
    assert [each for each in bands if each[lang] not in guide or each[lang] not in card] == []
    assert [each for each in quoted if not any(each in text for text in texts)] == []


@pytest.mark.parametrize("lang", ["es", "en"])
def test_guide_shows_pictures_that_are_there(lang):
    guide = (ROOT / "docs" / GUIDES[lang]).read_text("utf-8")
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", guide)
    assert shown
    assert [each for each in shown if not (ROOT / "docs" / each).is_file()] == []


@needs_chromium
@needs_axe
@pytest.mark.parametrize("lang", ["es", "en"])
def test_card_is_one_sheet_of_either_paper(browser, lang):
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((ROOT / "docs" / CARDS[lang]).as_uri())
    page.emulate_media(media="print")
    # As wide as the smaller sheet leaves it: nothing is cut off at its side.
    page.set_viewport_size({"width": 725, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth") <= 725
    for paper in ("A4", "Letter"):
        printed = page.pdf(format=paper, prefer_css_page_size=False)
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1, paper
    assert len(asked) == 1
    assert violations(page) == []
    page.close()
