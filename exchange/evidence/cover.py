"""The cover of a package: what is in it, what it shows and what not, in Spanish and English.

A page without any script. It proves nothing, and says so: the verifiers do.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.evidence.judge import NAMES
from exchange.evidence.words import SAID
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.codes import LANGUAGES, Lang
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.evidence.judge import Report
    from exchange.evidence.parts import Shown
    from exchange.model.header import Header

_STYLE: Final = """
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 0 auto; padding: 1rem }
h1, h2 { line-height: 1.2 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border: 1px solid }
code { overflow-wrap: anywhere }
.loud { border: .2rem solid; padding: .5rem 1rem; font-weight: bold }
"""


class _Told(msgspec.Struct, frozen=True):
    """What the cover says, and of each part, in both languages."""

    words: dict[str, dict[Lang, str]]
    parts: dict[str, dict[Lang, str]]


@cache
def _told() -> _Told:
    raw = resources.files("exchange.evidence").joinpath("page/cover.json").read_bytes()
    return msgspec.json.decode(raw, type=_Told)


def page(header: Header, report: Report, journals: Sequence[Shown]) -> bytes:
    """Return the cover.

    Args:
        header: of the bulletin.
        report: of the package's own verification.
        journals: as the package shows them.
    """
    hashed = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'"
    )
    title = " · ".join(_told().words["title"].values())
    body = "\n".join(
        f'<section lang="{lang}">\n{"".join(_half(lang, header, report, journals))}</section>'
        for lang in LANGUAGES
    )
    return (
        f'<!doctype html>\n<html lang="es">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n{body}\n</main>\n</body>\n</html>\n"
    ).encode()


def _half(
    lang: Lang, header: Header, report: Report, journals: Sequence[Shown]
) -> Iterator[str]:
    def word(name: str) -> str:
        return escape(_told().words[name][lang])

    yield f"<h1>{word('title')}</h1>\n"
    if header.status != "actual":
        yield f'<p class="loud">{word(header.status)}</p>\n'
    yield f"<h2>{word('of')}</h2>\n<table>\n"
    for name, value in _facts(lang, header, report, journals):
        yield f'<tr><th scope="row">{word(name)}</th><td>{escape(value)}</td></tr>\n'
    yield f"</table>\n<h2>{word('how')}</h2>\n<ol>\n"
    for name in ("first", "page", "script", "own"):
        yield f"<li>{word(name)}</li>\n"
    yield f"</ol>\n<h2>{word('shows')}</h2>\n<ol>\n"
    for step in NAMES:
        yield f"<li><code>{step}</code>: {escape(SAID[step][lang].held)}</li>\n"
    yield f"</ol>\n<h2>{word('shows_not')}</h2>\n<ul>\n"
    for name in ("not_true", "not_later", "not_time", "not_all", "not_cover"):
        yield f"<li>{word(name)}</li>\n"
    yield f"</ul>\n<h2>{word('parts')}</h2>\n<ul>\n"
    for name, told in _told().parts.items():
        yield f"<li><code>{name}</code>: {escape(told[lang])}</li>\n"
    yield "</ul>\n"


def _facts(
    lang: Lang, header: Header, report: Report, journals: Sequence[Shown]
) -> Iterator[tuple[str, str]]:
    yield "id", header.id
    yield "by", header.endpoint
    yield "to", ", ".join(header.to)
    yield "type", f"{header.type} {header.verb} ({header.status})"
    yield "issued", _zulu(header.issued)
    yield "taken", _zulu((report.taken_ms or 0) // 1000)
    for each in journals:
        said = f"{each.entry.index} {_told().words['of_journal'][lang]} exchange/{each.node}"
        yield "where", said
    acks = [_ack(each.entry) for shown in journals for each in shown.acknowledgements]
    yield "acks", "; ".join(acks) or _told().words["none"][lang]
    yield "text", _told().words["here" if report.has_content else "sealed"][lang]


def _ack(entry: str) -> str:
    raw = entries.decode(entry.encode()).object
    payload = jws.read(raw, objects.MAX_OBJECT_BYTES).payload
    told = objects.decode_acknowledgement(payload)
    return f"{told.endpoint} {told.outcome} {_zulu(told.at)}"


def _zulu(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
