"""What pages and files show of what the archive answered: plain values, and small readings."""

from __future__ import annotations

import json as plain_json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from exchange.audit.query import KEYS, parse
from exchange.audit.search import search
from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.render.times import zulu, zulu_ms
from exchange.web import frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from exchange.audit.console.archive import Archive, Proved
    from exchange.audit.console.background import Background, Checked
    from exchange.audit.console.history import Took
    from exchange.audit.console.standing import Standing
    from exchange.audit.rows import Row
    from exchange.model.codes import Lang

PAGE: Final = 100
_MAX_DIGITS: Final = 15
# Lines of a change that a list of changes shows.
_SHOWN: Final = 4


class Card(NamedTuple):
    """One journal on the overview: how it stands, and its verification."""

    standing: Standing
    checked: Checked
    tone: str
    verdict: str


class Change(NamedTuple):
    """A trust entry, as the policy pages show it."""

    node: str
    entry: int
    taken_ms: int
    name: str
    version: int
    holds: bool
    signers: tuple[str, ...]
    lines: list[str]

    @property
    def first(self) -> list[str]:
        """The lines that a list shows."""
        return self.lines[:_SHOWN]


class Raw(NamedTuple):
    """An entry's parts: facts, facts at its home if it came from there, object, and payload."""

    facts: str
    home: str
    object: str
    payload: str


def card(standing: Standing, checked: Checked) -> Card:
    """Return how a journal is shown: its tone, and what verification says in one word."""
    report = checked.report
    if checked.error is not None:
        return Card(standing, checked, "bad", "unverifiable")
    if report is None:
        return Card(standing, checked, "wait", "running")
    if not report.ok:
        return Card(standing, checked, "bad", "tampered")
    is_anchored = report.anchored
    return Card(
        standing,
        checked,
        "ok" if is_anchored else "warn",
        "anchored" if is_anchored else "unanchored",
    )


def times(standing: Standing) -> Iterator[tuple[str, int]]:
    """Yield the times whose age is shown."""
    if standing.signed is not None:
        yield "signed", standing.signed.at
    if standing.vouched is not None:
        yield "vouched", standing.vouched.at


class Days(NamedTuple):
    """How many entries each journal has of each day."""

    nodes: list[str]
    days: list[tuple[str, list[int]]]


def by_day(archive: Archive) -> Days:
    """Count the entries of each day, by journal."""
    nodes = [each.node for each in archive.journals()]
    found: dict[str, dict[str, int]] = {}
    for node in nodes:
        query = parse([("journal", node), ("limit", "0")])
        for day, count in search(archive.index, query).facets["day"].items():
            found.setdefault(day, {})[node] = count
    days = [(day, [of.get(node, 0) for node in nodes]) for day, of in sorted(found.items())]
    return Days(nodes, days)


def json(value: Any) -> web.Response:
    """Return a value as a JSON document."""
    return frame.file(msgspec.json.encode(value, order="deterministic"), "application/json")


def plain(value: Any) -> dict[str, Any]:
    """Return a struct as values."""
    made: dict[str, Any] = msgspec.to_builtins(value)
    return made


def standing(found: Standing, checked: Checked) -> dict[str, Any]:
    """Return how a journal stands as values."""
    told = found._asdict()
    if found.signed is not None:
        told["signed"] = {**found.signed._asdict(), "note": found.signed.note.decode()}
    if found.vouched is not None:
        told["vouched"] = found.vouched._asdict()
    report = checked.report
    code = checked.error.code.value if checked.error else None
    return {**told, "uncovered": found.uncovered, "verified": report, "error": code}


STANDING: Final = (
    *("node", "size", "newest", "verification", "signed_size", "signed_root", "signed_at"),
    *("vouched_size", "vouched_at", "vouched_by", "quorum", "uncovered", "crossed", "error"),
)


def standing_row(found: Standing, checked: Checked) -> list[object]:
    """Return how a journal stands, in the order of ``STANDING``; empty where there is none."""
    signed, vouched, error = found.signed, found.vouched, checked.error
    return [
        *(found.node, found.size, zulu_ms(found.taken_ms), card(found, checked).verdict),
        *((signed.size, signed.root, zulu(signed.at)) if signed else ("", "", "")),
        *((vouched.size, zulu(vouched.at), vouched.by) if vouched else ("", "", "")),
        *(found.quorum, found.uncovered, found.crossed, error.code.value if error else ""),
    ]


class Some(NamedTuple):
    """Some entries of a journal in their order: of how many, from which on."""

    size: int
    first: int
    rows: list[Row]


def some(archive: Archive, of: str, first: int | None) -> Some:
    """Return a page of a journal's entries: from one on, or the newest."""
    journal = archive.journal(of)
    start = max(journal.size - PAGE, 0) if first is None else first
    end = min(start + PAGE, journal.size)
    return Some(journal.size, start, list(archive.index.rows(journal, range(start, end))))


def asked(request: web.Request, background: Background) -> tuple[str, int | None]:
    """Return which entries an address asks for: of which node, and from which on.

    Raises:
        Refusal: ``not-found``: no such node; ``wrong-value``.
    """
    nodes = list(background.checked)
    of = request.query.get("node", nodes[0])
    if of not in nodes:
        raise Refusal(Code.NOT_FOUND, "/node")
    return of, whole(request.query.get("first", ""), "/first")


def node(request: web.Request, background: Background) -> str:
    """Return the node that an address names.

    Raises:
        Refusal: ``not-found``: no journal of it is here.
    """
    named = request.match_info["node"]
    if named not in background.checked:
        raise Refusal(Code.NOT_FOUND, "/node")
    return named


def place(request: web.Request, background: Background) -> tuple[str, int]:
    """Return the node and the entry that an address names; errors as of ``node``."""
    index = whole(request.match_info["index"], "/index")
    if index is None:
        raise Refusal(Code.NOT_FOUND, "/index")
    return node(request, background), index


def proof(found: Proved) -> dict[str, Any]:
    """Return a proof as values: the steps, and the whole as a C2SP tlog-proof."""
    ladder, signed = found.ladder, found.signed
    steps = [
        {"step": each.number, "side": each.side, "with": each.sibling, "gives": each.result}
        for each in ladder.rungs
    ]
    head = {"size": signed.size, "root": signed.root, "at": signed.at, "by": signed.keys}
    return {
        "journal": found.row.journal,
        "index": ladder.entry,
        "leaf": ladder.leaf,
        "steps": steps,
        "holds": ladder.holds and not signed.code,
        "checkpoint": {**head, "code": signed.code},
        "proof": found.text.decode(),
    }


def change(of: str, took: Took, lang: Lang) -> Change:
    """Return a trust entry as it is shown."""
    lines = took.lines(lang) if took.holds else []
    return Change(
        of,
        took.entry,
        took.taken_ms,
        took.name,
        took.version,
        took.holds,
        took.signers,
        lines,
    )


def changes(archive: Archive, lang: Lang) -> list[Change]:
    """Return all trust entries, the newest first; but for timestamps, which change nothing."""
    found = [
        change(each.node, took, lang)
        for each in archive.journals()
        for took in archive.history(each.node).took
        if not took.name.startswith(("timestamps/", "snapshots/"))
    ]
    return sorted(found, key=lambda each: (-each.taken_ms, each.node, -each.entry))


def raw(entry: bytes) -> Raw:
    """Return an entry's parts as text; what is no JSON as it stands."""
    facts, _, rest = entry.decode("utf-8", "replace").partition("\n")
    home, _, signed = rest.rpartition("\n")
    return Raw(_indented(facts), _indented(home), signed, _payload(signed))


def _payload(signed: str) -> str:
    try:
        return _indented(codec.unb64(plain_json.loads(signed)["payload"]).decode())
    except (ValueError, KeyError, TypeError, Refusal, RecursionError):
        return ""


def _indented(text: str) -> str:
    if not text:
        return ""
    try:
        return plain_json.dumps(plain_json.loads(text), indent=1, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def moved(request: web.Request) -> list[tuple[str, str]]:
    """Return a search as it was typed, with what stood in its address before.

    ``type:voi from:2026-11-01`` are keys and values; a word alone is a bulletin's id.
    """
    before = [(name, value) for name, value in request.query.items() if name != "q"]
    typed = []
    for word in request.query.getone("q").split():
        key, has_value, value = word.partition(":")
        is_pair = has_value and key in KEYS
        typed.append((key, value) if is_pair else ("id", word))
    return [*before, *typed]


def portion(rows: Iterator[Row], most: int) -> list[Row]:
    """Return the next of these rows, at most so many."""
    return list(islice(rows, most))


def whole(text: str, at: str) -> int | None:
    """Return a number as an address has it; None where there is none.

    Raises:
        Refusal: ``wrong-value``: it is no number.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise Refusal(Code.WRONG_VALUE, at)
    return int(text)
