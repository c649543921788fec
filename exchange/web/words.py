"""The pages' own words: one catalogue for each language, the same keys in all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.model.codes import LANGUAGES
from exchange.render.visible import visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exchange.model.codes import Lang

SLOT: Final = re.compile(r"\{([a-z_]+)\}")
# Digits in groups that a line break does not part, as the SI writes them, in either language.
_GROUP: Final = "\N{NARROW NO-BREAK SPACE}"
_LONG: Final = 5


class Words:
    """Every sentence and label of the pages, by key and language."""

    def __init__(self, texts: dict[Lang, dict[str, str]]) -> None:
        """Keep catalogues that hold the same keys.

        Raises:
            ValueError: one lacks what another has (a mistake of ours).
        """
        first, *others = (texts[lang] for lang in LANGUAGES)
        for other in others:
            if first.keys() != other.keys():
                message = f"not in every language: {sorted(first.keys() ^ other.keys())}"
                raise ValueError(message)
        self._texts = texts

    def text(self, lang: Lang, key: str, /, **facts: str | int) -> str:
        """Return a text with its facts filled in, a number as it is: it may be an entry's.

        Raises:
            KeyError: there is no such text, or no such fact (a mistake of ours).
        """
        return SLOT.sub(lambda slot: visible(str(facts[slot[1]])), self._texts[lang][key])

    def count(self, lang: Lang, key: str, n: int, /, **facts: str | int) -> str:
        """Return a text that counts: ``key.one`` or ``key.other``, with ``{n}`` in groups."""
        form = "one" if n == 1 else "other"
        return self.text(lang, f"{key}.{form}", n=number(n), **facts)

    def has(self, key: str) -> bool:
        """Tell whether there is a text under a key."""
        return key in self._texts["en"]

    @property
    def keys(self) -> frozenset[str]:
        """Every key there is."""
        return frozenset(self._texts["en"])


def number(n: int) -> str:
    """Return a whole number in groups of three digits; one of four digits stays whole."""
    return f"{n:,}".replace(",", _GROUP if len(str(abs(n))) >= _LONG else "")


def load(folders: Sequence[Path]) -> Words:
    """Read the catalogues of these folders, each ``es.json`` and ``en.json``.

    Raises:
        ValueError: a key stands in two folders, or not in every language.
    """
    texts: dict[Lang, dict[str, str]] = {}
    for lang in LANGUAGES:
        texts[lang] = {}
        for folder in folders:
            found = msgspec.json.decode(
                (folder / f"{lang}.json").read_bytes(), type=dict[str, str]
            )
            if twice := texts[lang].keys() & found.keys():
                message = f"in two catalogues: {sorted(twice)}"
                raise ValueError(message)
            texts[lang] |= found
    return Words(texts)
