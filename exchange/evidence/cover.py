"""The cover of a package: what is in it, what it shows and what not, in Spanish and English.

A page without any script. It proves nothing, and says so: the verifiers do.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Final

from exchange.evidence.judge import NAMES
from exchange.evidence.words import SAID
from exchange.model import entry as entries
from exchange.model import objects
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.evidence.judge import Report
    from exchange.evidence.parts import Shown
    from exchange.model.codes import Lang
    from exchange.model.header import Header

_STYLE: Final = """
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
h1, h2 { line-height: 1.2 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border: 1px solid }
code { overflow-wrap: anywhere }
.loud { border: .2rem solid; padding: .5rem 1rem; font-weight: bold }
"""

_WORDS: Final[dict[str, dict[Lang, str]]] = {
    "title": {"es": "Paquete de prueba", "en": "Evidence package"},
    "exercise": {"es": "EJERCICIO: no es real", "en": "EXERCISE: not real"},
    "test": {"es": "PRUEBA: no es real", "en": "TEST: not real"},
    "of": {"es": "De qué es", "en": "What it is of"},
    "id": {"es": "Boletín", "en": "Bulletin"},
    "by": {"es": "Originador (quien firmó)", "en": "Originator (who signed)"},
    "to": {"es": "Destinatarios", "en": "Recipients"},
    "type": {"es": "Tipo", "en": "Type"},
    "issued": {"es": "Emitido, según el originador", "en": "Issued, says the originator"},
    "taken": {"es": "Aceptado, según el nodo", "en": "Accepted, says the node"},
    "where": {"es": "Asiento", "en": "Entry"},
    "of_journal": {"es": "del diario", "en": "of the journal"},
    "acks": {"es": "Acuses", "en": "Acknowledgements"},
    "none": {"es": "ninguno", "en": "none"},
    "text": {"es": "Texto", "en": "Text"},
    "here": {"es": "está en body.json; quien tenga este archivo lo lee", "en": "is in body.json; whoever has this file reads it"},
    "sealed": {"es": "no está aquí: sigue sellado", "en": "is not here: it stays sealed"},
    "how": {"es": "Cómo verificarlo", "en": "How to verify it"},
    "first": {
        "es": "Pida a los custodios de ambas naciones la huella de su primera raíz (43 caracteres), por"
        " un medio que no sea este archivo. Sin ella solo se comprueba que el paquete concuerda consigo mismo.",
        "en": "Ask the custodians of both nations for the fingerprint of their first root (43 characters), by"
        " another way than this file. Without it, all that is checked is that the package agrees with itself.",
    },
    "page": {
        "es": "Abra verify.html en un navegador, también sin red, y elija el archivo ZIP entero.",
        "en": "Open verify.html in a browser, also offline, and pick the whole ZIP file.",
    },
    "script": {
        "es": "O bien: python3 verify.py PAQUETE.zip HUELLA, con Python 3.11 y cryptography 50.",
        "en": "Or: python3 verify.py PACKAGE.zip FINGERPRINT, with Python 3.11 and cryptography 50.",
    },
    "own": {
        "es": "Quien desconfíe de quien le entregó el archivo toma ambos verificadores de otra parte: de la"
        " versión publicada del intercambio. Sus huellas SHA-256 están en docs/evidence.md.",
        "en": "Who distrusts whoever handed the file over takes both verifiers from elsewhere: from the"
        " published version of the exchange. Their SHA-256 is in docs/evidence.md.",
    },
    "shows": {"es": "Qué muestra, si cada paso se cumple", "en": "What it shows, if each step holds"},
    "shows_not": {"es": "Qué no muestra", "en": "What it does not show"},
    "not_true": {
        "es": "que lo dicho sea verdad: solo quién lo firmó, y cuándo se asentó;",
        "en": "that what was said is true: only who signed it, and when it was recorded;",
    },
    "not_later": {
        "es": "qué pasó después de ese punto del diario: una corrección, una cancelación, otro acuse;",
        "en": "what came after that point of the journal: a correction, a cancellation, another acknowledgement;",
    },
    "not_time": {
        "es": "la hora exacta: es la del reloj del nodo, acotada por las cofirmas de los testigos;",
        "en": "the exact time: it is the node's clock, bounded by the witnesses' cosignatures;",
    },
    "not_all": {
        "es": "que no haya más: es la prueba de un boletín; el diario entero lo revisa el auditor;",
        "en": "that there is nothing else: it proves one bulletin; auditors review the whole journal;",
    },
    "not_cover": {
        "es": "esta portada tampoco prueba nada: se escribió junto con el paquete.",
        "en": "nor does this cover prove anything: it was written along with the package.",
    },
    "parts": {"es": "Qué contiene", "en": "What is in it"},
}  # fmt: skip

_PARTS: Final[dict[str, dict[Lang, str]]] = {
    "manifest.json": {"es": "de qué es; tamaño y huella de cada parte", "en": "what it is of; size and digest of each part"},
    "verify.html": {"es": "verificador para el navegador", "en": "verifier for the browser"},
    "verify.py": {"es": "verificador en Python", "en": "verifier in Python"},
    "header.json": {"es": "el encabezado firmado, con sus firmas", "en": "the signed header, with its signatures"},
    "salt.bin, body.json": {"es": "la sal y el texto, si se pidieron", "en": "salt and text, where asked for"},
    "keys.json": {"es": "cada clave usada, y de quién es", "en": "each key used, and whose it is"},
    "checkpoint.txt": {"es": "la raíz del diario, firmada y cofirmada", "en": "the journal's root, signed and cosigned"},
    "entry.jsonl": {"es": "el asiento, y su camino hasta la raíz", "en": "the entry, and its path to the root"},
    "acknowledgements.jsonl": {"es": "los acuses, igual", "en": "acknowledgements, likewise"},
    "trust.jsonl": {"es": "cada asiento del directorio, igual", "en": "each entry of the directory, likewise"},
    "documents.jsonl": {"es": "los documentos firmados que dan claves", "en": "the signed documents that list keys"},
    "receipt.json": {"es": "el recibo del nodo, si lo hay", "en": "the node's receipt, where there is one"},
}  # fmt: skip


def page(header: Header, report: Report, journals: Sequence[Shown]) -> bytes:
    """Return the cover.

    Args:
        header: of the bulletin.
        report: of the package's own verification.
        journals: as the package shows them.
    """
    hashed = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'"
    title = " · ".join(_WORDS["title"].values())
    body = "\n".join(
        f'<section lang="{lang}">\n{"".join(_half(lang, header, report, journals))}</section>'
        for lang in _LANGS
    )
    return (
        f'<!doctype html>\n<html lang="es">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n{body}\n</main>\n</body>\n</html>\n"
    ).encode()


_LANGS: Final[tuple[Lang, ...]] = ("es", "en")


def _half(
    lang: Lang, header: Header, report: Report, journals: Sequence[Shown]
) -> Iterator[str]:
    def word(name: str) -> str:
        return escape(_WORDS[name][lang])

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
    for name, told in _PARTS.items():
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
        said = f"{each.entry.index} {_WORDS['of_journal'][lang]} exchange/{each.node}"
        yield "where", said
    acks = [_ack(each.entry) for shown in journals for each in shown.acknowledgements]
    yield "acks", "; ".join(acks) or _WORDS["none"][lang]
    yield "text", _WORDS["here" if report.has_content else "sealed"][lang]


def _ack(entry: str) -> str:
    raw = entries.decode(entry.encode()).object
    payload = jws.read(raw, objects.MAX_OBJECT_BYTES).payload
    told = objects.decode_acknowledgement(payload)
    return f"{told.endpoint} {told.outcome} {_zulu(told.at)}"


def _zulu(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
