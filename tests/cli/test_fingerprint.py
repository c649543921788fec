"""Fingerprints in words: shown in both languages wherever one is read aloud, and understood."""

from __future__ import annotations

import click
import pytest

from exchange.cli import fingerprint
from exchange.cli.usage import Unusable
from exchange.custody import words
from exchange.model.identity import digest

ANCHOR = digest(b"TEST anchor")


def given(text):
    return fingerprint.Digest().convert(text, click.Option(["--anchor"]), None)


def test_page_shows_every_word_of_both_languages_and_the_digest_itself():
    page = "\n".join(fingerprint.lines(ANCHOR))
    for lang in ("es", "en"):
        for place, word in enumerate(words.said(ANCHOR, lang), 1):
            assert f"{place:2} {word}" in page
    assert ANCHOR in page
    assert max(map(len, page.split("\n"))) <= 80


@pytest.mark.parametrize("lang", ["es", "en"])
def test_words_are_taken_where_the_digest_is(lang):
    assert given(" ".join(words.said(ANCHOR, lang))) == ANCHOR
    assert given(ANCHOR) == ANCHOR


@pytest.mark.parametrize("text", ["x", ANCHOR[:-1], ANCHOR + "A", "A" * 42 + "!", "ábaco zoo"])
def test_what_is_neither_is_no_digest(text):
    with pytest.raises(Unusable):
        given(text)


def test_request_is_read_aloud_in_words_by_who_asks_and_by_who_admits(exercise):
    """The custodians see the same words as the endpoint that asks."""
    spare = exercise.copy_context("us.jiatfs-watch")
    asked = exercise.at(spare, "keys", "rotate", "--json").json
    assert asked["words"] == {
        lang: " ".join(words.said(asked["digest"], lang)) for lang in ("es", "en")
    }
    shown = exercise.at(spare, "--lang", "es", "keys", "rotate").out
    again = exercise.at(spare, "keys", "rotate", "--json").json["digest"]
    assert again != asked["digest"]
    assert len(words.said(again, "es")) == sum(f" {n} " in shown for n in range(1, 25))


def test_journal_is_verified_from_an_anchor_that_was_heard(exercise):
    exercise.signed()
    journal = str(exercise.place.node / "journal.db")
    anchor = exercise.place.founded.anchor
    for lang in ("es", "en"):
        heard = " ".join(words.said(anchor, lang))
        assert exercise.run("audit", "verify", journal, "--anchor", heard, "--json").code == 0
