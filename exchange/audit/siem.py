"""What stands in a journal for a SIEM: a line for each entry, as JSON or in CEF, in files.

Facts of headers and of the node alone, never content: what rows have. The lines themselves are
the state: who goes on reads the last whole one, and writes the next. So whenever it is killed,
no entry is left out and none is there twice.

Source: ArcSight Common Event Format, version 25: fields, their names, and how they are escaped.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from exchange.audit.index import Index, Journal
    from exchange.audit.rows import Row

Format = Literal["jsonl", "cef"]
# A file that a shipper takes in one go, and an editor still opens.
MAX_FILE_BYTES: Final = 64 << 20
_BATCH: Final = 1000
_NAME: Final = re.compile(r"(?P<node>[a-z0-9.+-]+)-(?P<first>\d{12})\.(?P<format>jsonl|cef)")
_TAIL_BYTES: Final = 1 << 20
# None of their values has a blank, a backslash or an equals sign in it.
_PAIR: Final = re.compile(r"(?:(?<=\|)|(?<= ))(dvchost|externalId|rt|fileHash)=([^ \\=]*)")


def export(  # noqa: PLR0913, PLR0917  (each by its name)
    index: Index,
    journal: Journal,
    folder: Path,
    form: Format,
    told: Callable[[int, int], None],
    max_bytes: int = MAX_FILE_BYTES,
) -> int:
    """Write what is not in a folder yet, and return how many lines that was.

    Args:
        index: with all that is to be written.
        journal: of it; each has its own files, ``NODE-FIRSTENTRY.jsonl`` or ``.cef``.
        folder: to write in; it is there.
        form: of the lines.
        told: hears how many entries of how many are written.
        max_bytes: a file that has reached this is followed by the next.

    Raises:
        Refusal: ``mirror-mismatch``: the last line there is of another journal.
        Fault: ``export-in-use``: somebody else writes into that folder.
        OSError: it cannot be written.
    """
    with _alone(folder):
        return _export(index, journal, folder, form, told, max_bytes)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder: two who go on from one line would each write the next."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise Fault(Code.EXPORT_IN_USE, name=str(folder)) from None
    try:
        yield
    finally:
        os.close(handle)


def _export(  # noqa: PLR0913, PLR0917  (as ``export``)
    index: Index,
    journal: Journal,
    folder: Path,
    form: Format,
    told: Callable[[int, int], None],
    max_bytes: int,
) -> int:
    line = _LINES[form]
    begin = first = _resume(index, journal, folder, form)
    while first < journal.size:
        path = _newest(folder, journal.node, form)
        if path is None or path.stat().st_size >= max_bytes:
            path = folder / f"{journal.node}-{first:012}.{form}"
        end = min(first + _BATCH, journal.size)
        first = _write(
            path, (index.row(journal, at) for at in range(first, end)), line, max_bytes
        )
        told(first, journal.size)
    return journal.size - begin


def _write(
    path: Path, rows: Iterable[Row | None], line: Callable[[Row], str], max_bytes: int
) -> int:
    """Append lines until the file is full; return the first entry that is not written."""
    after = 0
    with path.open("ab") as file:
        for row in rows:
            if row is None:
                continue
            file.write(line(row).encode() + b"\n")
            after = row.index + 1
            if file.tell() >= max_bytes:
                break
        file.flush()
        os.fsync(file.fileno())
    return after


def _resume(index: Index, journal: Journal, folder: Path, form: Format) -> int:
    """Return the first entry that is not there; take off a line that was not written whole."""
    path = _newest(folder, journal.node, form)
    if path is None:
        return 0
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        begin = max(0, size - _TAIL_BYTES)
        file.seek(begin)
        whole, newline, torn = file.read().rpartition(b"\n")
        if torn or not newline:
            file.truncate(size - len(torn))
    if not newline:
        # Nothing of it was written whole: its name says where it begins.
        found = _NAME.fullmatch(path.name)
        return int(found["first"]) if found else 0
    last = _named(whole.rpartition(b"\n")[2].decode(), form)
    row = index.row(journal, last.entry) if last else None
    if row is None or last != _Named(row.journal, row.index, row.taken_ms, row.digest):
        raise Refusal(Code.MIRROR_MISMATCH, "/siem", found=last.entry if last else -1)
    return row.index + 1


def _newest(folder: Path, node: str, form: Format) -> Path | None:
    found = [
        path
        for path in folder.iterdir()
        if (name := _NAME.fullmatch(path.name))
        and (name["node"], name["format"]) == (node, form)
    ]
    return max(found, default=None)


class _Named(NamedTuple):
    """What of a line says which entry it is of, in whatever words a release writes the rest."""

    node: str
    entry: int
    taken_ms: int
    digest: str


def _named(line: str, form: Format) -> _Named | None:
    """Return of which entry a line is; None: it is no line of ours."""
    try:
        if form == "jsonl":
            told = msgspec.json.decode(line)
            digest = told.get("digest", "")
            return _Named(told["node"], int(told["entry"]), int(told["taken_ms"]), digest)
        told = dict(_PAIR.findall(line))
        digest = told.get("fileHash", "")
        return _Named(told["dvchost"], int(told["externalId"]), int(told.get("rt", 0)), digest)
    except (AttributeError, KeyError, TypeError, ValueError, msgspec.DecodeError):
        return None


# -- JSON lines -----------------------------------------------------------------------


def json_line(row: Row) -> str:
    """Return a row as one JSON object; what it has no value of is left out."""
    values: dict[str, Any] = msgspec.to_builtins(row)
    values["entry"] = values.pop("index")
    values["node"] = values.pop("journal")
    return msgspec.json.encode(values, order="sorted").decode()


# -- CEF ------------------------------------------------------------------------------

_SEVERE: Final = frozenset(
    {"key-not-valid", "unknown-key", "bad-signature", "endpoint-suspended"}
)
_SEVERITY: Final = {
    "refused": 5,
    "trust": 6,
    "trust-received": 4,
    "purge-ordered": 4,
    "purged": 4,
    "lost": 8,
}


def cef_line(row: Row) -> str:
    """Return a row as one CEF event; ``docs/siem.md`` says which field is what."""
    name = " ".join(filter(None, (row.kind, *row.outcome)))
    severity = 8 if row.code in _SEVERE else _SEVERITY.get(row.kind, 1)
    head = ["CEF:0", "exchange", "broker", "1", row.kind, name, str(severity)]
    said = " ".join(f"{key}={_value(value)}" for key, value in _extension(row))
    return "|".join([head[0], *map(_field, head[1:]), said])


def _extension(row: Row) -> Iterator[tuple[str, str]]:
    plain = (
        ("rt", str(row.taken_ms or "")),
        ("dvchost", row.journal),
        ("externalId", str(row.index)),
        ("cat", row.kind),
        ("outcome", " ".join(row.outcome)),
        ("suser", row.endpoint),
        ("spriv", row.officer),
        ("duser", " ".join(row.to)),
        ("reason", row.code),
        ("fileHash", row.digest),
        ("fsize", str(row.size) if row.size else ""),
        ("msg", row.rule or " ".join(f"{what} {span}" for what, span in row.reads)),
        ("start", str(row.since_ms or "")),
        ("end", str(row.until_ms or "")),
    )
    labelled = (
        ("bulletin", row.id),
        ("type", " ".join(filter(None, (row.type, row.verb)))),
        ("marking", row.marking),
        ("precedence", row.precedence),
        ("feed", row.feed),
        ("thread", row.thread),
    )
    yield from ((key, value) for key, value in plain if value)
    yield from (("cn1Label", "arrangement"), ("cn1", str(row.policy)))
    for place, (label, value) in enumerate(labelled, 1):
        if value:
            yield from ((f"cs{place}Label", label), (f"cs{place}", value))


def _field(text: str) -> str:
    """Escape a field of the header: a bar would end it, and it is one line."""
    return _one_line(text.replace("\\", "\\\\").replace("|", "\\|"))


def _value(text: str) -> str:
    """Escape a value of the extension: an equals sign would begin another."""
    text = text.replace("\\", "\\\\").replace("=", "\\=")
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")


_LINES: Final[dict[Format, Callable[[Row], str]]] = {"jsonl": json_line, "cef": cef_line}
