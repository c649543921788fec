"""Characters that hide or rewrite what a screen shows, made visible before they reach it."""

from __future__ import annotations

import unicodedata

# Controls, formats (bidirectional marks, zero width), surrogates, private use, line separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str) -> str:
    """Return the text with every hidden character written out, such as ``<U+202E>``.

    Nothing that a terminal would obey is left in it, not even a line break.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def lines(text: str) -> list[str]:
    """Return free text as the lines its author wrote, a tab as four spaces, all visible."""
    return [visible(line.replace("\t", "    ")) for line in text.split("\n")]


def _shown(character: str) -> str:
    if unicodedata.category(character) in _HIDDEN:
        return f"<U+{ord(character):04X}>"
    return character
