"""The formats of a report: what each is to a browser, and what writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from exchange.audit.report import cells, document, figures, page

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.audit.report.figures import Report
    from exchange.model.codes import Codes, Lang


class Form(NamedTuple):
    """One format. ``write`` may raise ``Fault`` ``extra-missing``."""

    media_type: str
    write: Callable[[Report, Lang, Codes], bytes]


FORMS: Final[dict[str, Form]] = {
    "html": Form("text/html", page.render),
    "pdf": Form("application/pdf", document.render),
    "csv": Form("text/csv", lambda made, _lang, _codes: cells.encode(made)),
    "json": Form("application/json", lambda made, _lang, _codes: figures.encode(made)),
}
