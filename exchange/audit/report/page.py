"""A report as one page: no script, nothing to be fetched, plots above their tables."""

from __future__ import annotations

import base64
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from exchange import web
from exchange.audit.report.telling import TEMPLATES, catalogue, tell
from exchange.web.pages import Pages, Reader

if TYPE_CHECKING:
    from exchange.audit.report.figures import Report
    from exchange.model.codes import Codes, Lang

_WEB: Final = Path(web.__file__).parent
_STYLES: Final = (
    _WEB / "static" / "tokens.css",
    _WEB / "static" / "plots.css",
    TEMPLATES / "report.css",
)


def render(report: Report, lang: Lang, codes: Codes) -> bytes:
    """Return a report as a page in one language; the same report gives the same bytes."""
    words = catalogue()
    style = "\n".join(each.read_text("utf-8") for each in _STYLES)
    hashed = base64.b64encode(sha256(style.encode()).digest()).decode()
    pages = Pages(
        [TEMPLATES, _WEB / "templates"],
        words,
        codes,
        sections=(),
        name="report.title",
        assets="",
    )
    values = {
        "told": tell(report, lang, words, codes),
        "policy": f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none';"
        " form-action 'none'",
        # Our own files, which must stand there byte for byte: their digest is in the policy.
        "style": Markup(style),  # noqa: S704
    }
    return f"{pages.render('report.html', Reader(lang, ''), values).rstrip()}\n".encode()
