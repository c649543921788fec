"""A digest in words: what two delegations read aloud, each in its own language.

All 256 bits and a check of 8 more, as BIP-39 spells them: 24 words of a list of 2,048, of which
one is kept in English and one in Spanish. No word begins with the same four letters as another
of its list, and accents tell none apart, so that what was heard may be typed short and plain.
Fewer words were turned down: docs/decisions/0026-the-ceremony.md.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from mnemonic import Mnemonic

from exchange.errors import Code, Refusal
from exchange.model.codec import b64, unb64
from exchange.model.codes import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.codes import Lang

COUNT = 24
# So much of a word is enough; a shorter one is whole or none.
ENOUGH = 4
_LISTS: dict[Lang, str] = {"es": "spanish", "en": "english"}


def said(digest: str, lang: Lang) -> list[str]:
    """Return a digest's 24 words in one language; the last one checks the others.

    Args:
        digest: 43 characters of base64url.
        lang: whose list.
    """
    whole = _list(lang).to_mnemonic(unb64(digest))
    # The list spells an accented letter as two characters, which not every font joins.
    return unicodedata.normalize("NFC", whole).split()


def heard(text: str) -> str:
    """Return the digest that 24 words of either language stand for.

    Args:
        text: the words, apart by spaces; capitals and accents do not matter, and the first
            four letters of a word are enough.

    Raises:
        Refusal: ``words-wrong``, with the place of the first word that neither list has; or
            of the last one, where it does not check the others.
    """
    typed = text.split()
    read = [(lang, _places(typed, lang)) for lang in LANGUAGES]
    # Whose list knows the most words is the language that was meant.
    lang, places = max(read, key=lambda each: len(each[1]))
    if len(places) < len(typed) or len(typed) != COUNT:
        place = min(len(places) + 1, COUNT)
        raise Refusal(Code.WORDS_WRONG, "", place=place, expected="words", found=len(typed))
    words = [_list(lang).wordlist[place] for place in places]
    try:
        return b64(bytes(_list(lang).to_entropy(words)))
    except ValueError:
        # Not quoted: what somebody typed here may be the words of a share, which are secret.
        raise Refusal(Code.WORDS_WRONG, "", place=COUNT, expected="check-word") from None


def _places(typed: Sequence[str], lang: Lang) -> list[int]:
    """Return the places of words in a list, up to the first one that is not in it."""
    found = []
    for word in typed:
        place = place_of(word, _plain(lang))
        if place is None:
            break
        found.append(place)
    return found


def place_of(typed: str, words: Sequence[str]) -> int | None:
    """Return the place of the one word that was meant, in a list told apart by four letters."""
    plain = folded(typed)
    fit = [
        place
        for place, word in enumerate(words)
        if word == plain or (len(plain) >= ENOUGH and word.startswith(plain))
    ]
    return fit[0] if len(fit) == 1 else None


def folded(word: str) -> str:
    """Return a word as it is compared: small letters, and none with an accent."""
    apart = unicodedata.normalize("NFKD", word.lower())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


@cache
def _list(lang: Lang) -> Mnemonic:
    return Mnemonic(_LISTS[lang])


@cache
def _plain(lang: Lang) -> list[str]:
    return [folded(word) for word in _list(lang).wordlist]
