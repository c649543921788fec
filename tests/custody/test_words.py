"""A digest in words: both delegations say the same bytes, and a slip is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.custody import words
from exchange.errors import Code, Refusal
from exchange.model.codec import b64
from exchange.model.identity import digest

DIGESTS = st.binary(min_size=32, max_size=32).map(b64)
ANCHOR = digest(b"TEST anchor")


def refused(text):
    with pytest.raises(Refusal) as refusal:
        words.heard(text)
    assert refusal.value.code is Code.WORDS_WRONG
    # What was typed may have been a secret share: it is never quoted.
    assert not {str(fact) for fact in refusal.value.facts.values()} & set(text.split())
    return refusal.value.facts


@given(DIGESTS)
def test_words_of_either_language_say_the_whole_digest(named):
    for lang in ("es", "en"):
        said = words.said(named, lang)
        assert len(said) == words.COUNT
        assert words.heard(" ".join(said)) == named


@given(DIGESTS)
def test_four_letters_without_accents_and_in_capitals_are_enough(named):
    for lang in ("es", "en"):
        typed = [words.folded(word)[: words.ENOUGH].upper() for word in words.said(named, lang)]
        assert words.heard("  ".join(typed)) == named


def test_words_are_those_of_bip39_for_all_zeros_and_all_ones():
    """Source: the vectors of BIP-39 for 256 bits."""
    zeros, ones = b64(bytes(32)), b64(b"\xff" * 32)
    assert words.said(zeros, "en") == ["abandon"] * 23 + ["art"]
    assert words.said(ones, "en") == ["zoo"] * 23 + ["vote"]
    assert words.said(zeros, "es")[0] == "ábaco"


def test_word_that_is_in_no_list_is_named_by_its_place():
    said = words.said(ANCHOR, "es")
    assert refused(" ".join([*said[:4], "exchange", *said[5:]]))["place"] == 5


def test_misheard_word_is_noticed_by_the_check_word():
    said = words.said(ANCHOR, "en")
    other = "zoo" if said[7] != "zoo" else "zone"
    assert refused(" ".join([*said[:7], other, *said[8:]]))["expected"] == "check-word"


def test_words_that_are_missing_or_too_many_are_refused():
    said = words.said(ANCHOR, "en")
    for wrong in (said[:-1], [*said, said[0]], []):
        assert refused(" ".join(wrong))["expected"] == "words"


def test_words_of_two_languages_are_refused():
    said = [*words.said(ANCHOR, "es")[:12], *words.said(ANCHOR, "en")[12:]]
    assert refused(" ".join(said))["expected"] == "words"


def test_shorter_beginning_than_four_letters_is_no_word():
    said = words.said(b64(bytes(32)), "en")
    assert refused(" ".join(["aba", *said[1:]]))["place"] == 1
