"""The outline of a bulletin: the page's words, laid out by whoever shows them."""

from __future__ import annotations

import msgspec
import pytest

from exchange import render
from exchange.model.bulletin import TYPES
from exchange.render.outline import Part, outline, said
from tests.model.bulletins import CODES, example

NOW = 1_900_000_000


def labels(parts):
    return [part.label for part in parts]


@pytest.mark.parametrize("code", sorted(TYPES))
@pytest.mark.parametrize("lang", ["es", "en"])
def test_outline_says_every_word_of_the_page(code, lang):
    bulletin = example(code)
    page = "".join(render.page(bulletin, lang, CODES, 10_000).split())
    told = "".join("".join(line.split()) for line in said(outline(bulletin, lang, CODES)))
    for line in said(outline(bulletin, lang, CODES)):
        assert "".join(line.split()) in page
    assert len(told) > len(page) / 5


def test_translation_stands_beside_its_original():
    bulletin = example("voi")
    there = outline(bulletin, "en" if bulletin.title.lang == "es" else "es", CODES)[0]
    here = outline(bulletin, bulletin.title.lang, CODES)[0]
    assert here.original == ()
    assert here.lines == (bulletin.title.text,)
    assert there.original == (bulletin.title.text,)
    assert there.original_lang == bulletin.title.lang
    assert there.lines == (bulletin.title.translations[0].text,)


def test_what_is_not_shown_on_the_page_is_not_in_the_outline():
    bulletin = example("voi")
    assert all(not part.lines or part.lines != ("",) for part in outline(bulletin, "es", CODES))
    assert "secret" not in str(msgspec.to_builtins(outline(bulletin, "es", CODES)))


def test_hidden_characters_are_visible():
    title = msgspec.structs.replace(example("voi").title, text="a\u202eb")
    bulletin = msgspec.structs.replace(example("voi"), title=title)
    assert outline(bulletin, title.lang, CODES)[0].lines == ("a<U+202E>b",)


def test_review_that_is_over_is_marked():
    def reviews(parts):
        for part in parts:
            if part.is_past:
                yield part
            yield from reviews(part.parts)

    bulletin = example("ocn")
    assert list(reviews(outline(bulletin, "en", CODES, now=NOW * 2)))
    assert not list(reviews(outline(bulletin, "en", CODES)))
    assert isinstance(outline(bulletin, "en", CODES)[0], Part)
