"""A refusal or fault as a person reads it: what, where, why, what to do next, and its code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, ExchangeError, Fact, Refusal
from exchange.model.bulletin import kinds
from exchange.model.codes import Codes, Lang
from exchange.render.page import Writer
from exchange.render.visible import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.model.bulletin.indicators import Indicator
    from exchange.model.codes import Explanation

_PART = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{([a-z]+)\}")
_WIDTH = 88


class Problem(msgspec.Struct, frozen=True):
    """The five things a person is told; ``where`` names the field and its JSON pointer."""

    code: str
    what: str
    where: str
    why: str
    next: str


class RefusalTexts(msgspec.Struct, frozen=True):
    """The texts of every refusal and fault, as the edges carry them about."""

    codes: Codes

    def problem(self, error: ExchangeError, lang: Lang) -> Problem:
        """Return what a person is told."""
        return refusal(error, lang, self.codes)

    def status(self, code: Code) -> int:
        """Return the HTTP status a code is answered with."""
        return self.codes.refusals[code.value].http


def refusal(error: ExchangeError, lang: Lang, texts: Codes) -> Problem:
    """Return what a person is told of a refusal or fault.

    Args:
        error: the refusal or fault.
        lang: the reader's language.
        texts: the code lists, with the texts of every code.
    """
    entry = texts.refusals[error.code.value]
    said: Explanation = entry.en if lang == "en" else entry.es
    what = [_fill(said.what, error.facts)]
    if wanted := expected(error.facts, lang, texts):
        what.append(texts.phrase("expected", lang).format(expected=wanted))
    found = error.facts.get("found")
    if found is not None and "{found}" not in said.what:
        shown = visible(str(found))
        what.append(texts.phrase("found", lang).format(found=shown))
    return Problem(
        code=error.code.value,
        what=" ".join(_sentence(part) for part in what),
        where=_where(error.at, lang, texts),
        why=_fill(said.why, error.facts),
        next=_fill(said.next, error.facts),
    )


def reason(code: str, lang: Lang, texts: Codes) -> str:
    """Return what a refusal is, by its code; one that only a newer node knows as it is."""
    try:
        known = Refusal(Code(code))
    except ValueError:
        return visible(code)
    return refusal(known, lang, texts).what


def refusal_text(error: ExchangeError, lang: Lang, texts: Codes) -> str:
    """Return the same as lines of text, each with its label."""
    problem = refusal(error, lang, texts)
    rows: list[str] = []
    writer = Writer(lang, texts, _WIDTH, kinds.TYPES)
    for name in ("what", "where", "why", "next", "code"):
        if name == "where" and not error.at:
            continue
        label = texts.phrase(name, lang)
        rows += writer.row(label, [getattr(problem, name)], 0)
    return "\n".join(rows)


def indicator(found: Indicator, lang: Lang, codes: Codes) -> str:
    """Return one warning as a line: where, and what looks odd."""
    facts: dict[str, Fact] = dict(found.facts)
    for name in ("flag", "found"):
        if found.code == "flag-mmsi" and name in facts:
            facts[name] = codes.words("countries", str(facts[name]), lang)
    sentence = _fill(codes.words("indicators", found.code, lang), facts)
    return f"{codes.phrase('warning', lang)}: {_where(found.at, lang, codes)}: {sentence}"


def _where(at: str, lang: Lang, codes: Codes) -> str:
    if not at:
        return codes.phrase("whole", lang)
    writer = Writer(lang, codes, _WIDTH, kinds.TYPES)
    return f"{writer.path(at)} ({visible(at)})"


def expected(facts: Mapping[str, Fact], lang: Lang, codes: Codes) -> str:
    """Return what was expected, in words; nothing where the facts do not say."""
    wanted = facts.get("expected")
    if wanted is None:
        return ""
    return _fill(codes.words("expectations", str(wanted).strip("`"), lang), facts)


def _fill(text: str, facts: Mapping[str, Fact]) -> str:
    """Put the facts in their places; a part in brackets needs all facts that it names."""

    def part(match: re.Match[str]) -> str:
        inner = match.group(1)
        return inner if all(name in facts for name in _SLOT.findall(inner)) else ""

    def slot(match: re.Match[str]) -> str:
        return visible(str(facts.get(match.group(1), "?")))

    whole = _SLOT.sub(slot, _PART.sub(part, text))
    return re.sub(r" +([,.;:])", r"\1", re.sub(r" {2,}", " ", whole)).strip()


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
