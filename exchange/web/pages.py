"""Pages from templates: everything escaped, nothing hidden, nothing missing in silence."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import jinja2
from markupsafe import Markup, escape

from exchange.model.codes import LANGUAGES
from exchange.render.visible import lines, visible
from exchange.web.words import number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from exchange.model.codes import Codes, Lang
    from exchange.web.door import Session
    from exchange.web.words import Words

_SHOWN_OF_DIGEST: Final = 12
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400


class Section(NamedTuple):
    """A section: the key of its name in the catalogue, its path, the letter after ``g``."""

    name: str
    path: str
    letter: str


class Banner(NamedTuple):
    """What stands above and below every page, loudly: in each language."""

    es: str
    en: str
    tone: str = "exercise"

    def in_(self, lang: Lang) -> str:
        """Return it in one language."""
        return self.en if lang == "en" else self.es


class Reader(NamedTuple):
    """Who reads a page, which, and how it is to be shown."""

    lang: Lang
    # Below the language; with the query, if there is one.
    path: str
    session: Session | None = None
    # Where the page is a file in another format; empty for a page.
    form: str = ""


def _shown(value: Any) -> Any:
    """Return what a template prints of a value: text with nothing hidden in it."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, bool) or value is None:
        message = f"a page would show {value!r}"
        raise TypeError(message)
    if isinstance(value, jinja2.Undefined):
        return str(value)  # raises, and names what is missing
    return visible(str(value))


class Pages:
    """The templates of one application, with all that each of them may use."""

    def __init__(  # noqa: PLR0913  (what applications differ in)
        self,
        folders: Sequence[Path],
        words: Words,
        codes: Codes,
        *,
        sections: Sequence[Section],
        name: str,
        assets: str,
    ) -> None:
        """Load templates from these folders, the first that has one.

        Args:
            folders: of templates.
            words: the catalogues.
            codes: the code lists of the language of bulletins.
            sections: the navigation.
            name: key of the application's name.
            assets: where stylesheet and scripts are served.
        """
        self.words = words
        self.codes = codes
        self.banner: Banner | None = None
        # What else every template of this application may use, by who reads.
        self.also: Callable[[Reader], Mapping[str, Any]] = lambda _reader: {}
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([str(folder) for folder in folders]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(
            prose=lines,
            time=moment,
            time_ms=moment_ms,
            day=day,
            short=short,
            tail=tail,
            number=number,
            span=span,
        )
        self._environment.filters.update(short=short, tail=tail)
        self._environment.globals.update(
            app_name=name, sections=sections, assets=assets, languages=LANGUAGES
        )

        self._environment.filters["typed"] = typed

    def render(self, name: str, reader: Reader, values: Mapping[str, Any]) -> str:
        """Return a page.

        Args:
            name: of the template.
            reader: who reads it.
            values: what the template shows; one that it needs and that is not there raises.
        """
        shown = {**self.tools(reader), **self.also(reader), **values}
        return self._environment.get_template(name).render(shown)

    def tools(self, reader: Reader) -> dict[str, Any]:
        """Return what every template may use: words, and links that keep the language."""
        lang, words, codes = reader.lang, self.words, self.codes

        def t(key: str, /, **facts: str | int) -> str:
            return words.text(lang, key, **facts)

        def of(prefix: str, code: str, /, **facts: str | int) -> str:
            return words.text(lang, f"{prefix}.{code}", **facts)

        def n(key: str, count: int, /, **facts: str | int) -> str:
            return words.count(lang, key, count, **facts)

        def word(name: str, code: str) -> str:
            return codes.words(name, code, lang)

        def link(path: str) -> str:
            return f"/{lang}{path}"

        return {
            "lang": lang,
            "reader": reader,
            "banner": self.banner.in_(lang) if self.banner else "",
            "banner_tone": self.banner.tone if self.banner else "",
            "t": t,
            "of": of,
            "n": n,
            "word": word,
            "link": link,
        }


def typed(text: str) -> Markup:
    """Return a text for the field that it was typed into: escaped, and else as it is.

    It comes back with the form, so nothing in it may be written otherwise.
    """
    return escape(text)


def moment(seconds: int) -> str:
    """Return ``2026-11-23 18:01:00Z``."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def moment_ms(milliseconds: int) -> str:
    """Return ``2026-11-23 18:01:00Z``, of milliseconds."""
    return moment(milliseconds // 1000)


def day(seconds: int) -> str:
    """Return ``2026-11-23``."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d")


def tail(identity: str) -> str:
    """Return the end of an id: two of the same hour begin alike."""
    return identity if len(identity) <= _SHOWN_OF_DIGEST else f"…{identity[-_SHOWN_OF_DIGEST:]}"


def span(seconds: int) -> str:
    """Return how long something waits, rounded down, in either language: ``2 h 05 min``."""
    left = abs(seconds)
    if left >= 2 * _DAY_S:
        return f"{left // _DAY_S} d"
    if left >= _HOUR_S:
        return f"{left // _HOUR_S} h {left % _HOUR_S // _MINUTE_S:02} min"
    return f"{left // _MINUTE_S} min"


def short(digest: str) -> str:
    """Return the beginning of a digest: enough to tell two apart, not to check one."""
    return digest if len(digest) <= _SHOWN_OF_DIGEST else f"{digest[:_SHOWN_OF_DIGEST]}…"
