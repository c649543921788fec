"""A report as a tagged PDF (PDF/UA-1), typeset by Typst: the optional extra ``pdf``.

The same report gives the same bytes with the same version of Typst: fonts are those that it
carries, and the document's date is the end of the period.
"""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import msgspec

from exchange.audit.report.svg import draw
from exchange.audit.report.telling import TEMPLATES, catalogue, tell
from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from exchange.audit.report.figures import Report
    from exchange.audit.report.telling import Told
    from exchange.model.codes import Codes, Lang

_STANDARD: Final = "ua-1"


def render(report: Report, lang: Lang, codes: Codes) -> bytes:
    """Return a report as a PDF in one language.

    Raises:
        Fault: ``extra-missing``: Typst is not installed here.
    """
    told = tell(report, lang, catalogue(), codes)
    ended = dt.datetime.fromisoformat(report.before)
    compiler = _typst().Compiler(
        input=(TEMPLATES / "report.typ").read_bytes(),
        ignore_system_fonts=True,
        sys_inputs={"told": msgspec.json.encode(_values(told, report)).decode()},
    )
    made: bytes = compiler.compile(
        format="pdf", pdf_standards=[_STANDARD], timestamp=int(ended.timestamp())
    )
    return made


def must_be_installed() -> None:
    """Have Typst here; to be asked before anything that takes long.

    Raises:
        Fault: ``extra-missing``.
    """
    _typst()


def _typst() -> Any:
    try:
        return import_module("typst")
    except ImportError as error:
        raise Fault(Code.EXTRA_MISSING, name="typst") from error


def _values(told: Told, report: Report) -> dict[str, Any]:
    parts = [
        {
            "title": part.title,
            "intro": part.intro,
            "svg": draw(part.plot) if part.plot else "",
            "heads": [head._asdict() for head in part.heads],
            "rows": part.rows,
        }
        for part in told.parts
    ]
    return {
        **told._asdict(),
        "parts": parts,
        "author": "exchange",
        "description": f"{report.scope} {report.since} {report.before} sha256 {told.digest}",
    }
