"""The calendar of joint operations: what is on when and where, what meets, and iCalendar.

Of each operation the newest plan that its originator did not withdraw counts. A hint that two
meet is no deconfliction: it says that somebody should ask (DCF).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.client import bearing
from exchange.client.reading import Delivered
from exchange.model.bulletin.operations import JointOperation
from exchange.render import visible
from exchange.web import marks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from exchange.client.reading import Item
    from exchange.model.bulletin.blocks import Geometry
    from exchange.model.codes import Codes, Lang

Box = tuple[float, float, float, float]

# Two operations that are nearer than this may get into each other's way: degrees, 30 nautical
# miles. A hint too many costs a call.
NEAR_DEG: Final = 0.5
_LINE_OCTETS: Final = 75  # RFC 5545, section 3.1: without the line break


class Operation(msgspec.Struct, frozen=True):
    """One operation by its newest plan; ``box`` is west, south, east, north in degrees."""

    item: Delivered
    plan: JointOperation
    box: Box | None


class Meeting(msgspec.Struct, frozen=True):
    """Two operations at the same time: near each other, or one does not say where it is."""

    one: Operation
    other: Operation
    is_near: bool


def operations(items: Sequence[Item]) -> list[Operation]:
    """Return the operations that stand, by their beginning."""
    over = {
        index
        for index, done in bearing.marks(items).items()
        if any(mark.relation in ("cancels", "supersedes") for mark in done)
    }
    found = [
        Operation(item, content, _box(content.area.geometry))
        for item in items
        if isinstance(item, Delivered) and item.bulletin is not None and item.index not in over
        if isinstance(content := item.bulletin.content, JointOperation)
    ]
    return sorted(found, key=lambda each: (each.plan.period.start, each.item.index))


def meetings(standing: Sequence[Operation]) -> list[Meeting]:
    """Return the pairs of operations, not of one name, that may meet."""
    found = []
    for one, other in combinations(standing, 2):
        is_near = _is_near(one.box, other.box)
        if is_near is False or one.plan.code_name == other.plan.code_name:
            continue
        if _is_at_once(one, other):
            found.append(Meeting(one, other, bool(is_near)))
    return found


def _is_at_once(one: Operation, other: Operation) -> bool:
    first, second = one.plan.period, other.plan.period
    return first.start < second.end and second.start < first.end


def _is_near(one: Box | None, other: Box | None) -> bool | None:
    """Say whether two boxes come near each other; None where one is not known."""
    if one is None or other is None:
        return None
    apart = (one[0] - other[2], other[0] - one[2], one[1] - other[3], other[1] - one[3])
    return max(apart) <= NEAR_DEG


def _box(geometry: Geometry | None) -> Box | None:
    if geometry is None:
        return None
    first, last = marks.bounds(geometry)
    return (*first, *last)


def ics(standing: Sequence[Operation], lang: Lang, codes: Codes, now: datetime) -> bytes:
    """Return the operations as an iCalendar file; each bears its marking in its first words.

    Source: RFC 5545. Lines end with CR LF and are folded at 75 octets.
    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//exchange//desk//EN",
        *(line for each in standing for line in _event(each, lang, codes, now)),
        "END:VCALENDAR",
    ]
    return b"".join(piece + b"\r\n" for line in lines for piece in _folded(line))


def _event(each: Operation, lang: Lang, codes: Codes, now: datetime) -> Iterator[str]:
    header, plan = each.item.header, each.plan
    tlp = codes.words("tlp", header.marking.tlp, lang).partition(",")[0]
    status = "" if header.status == "actual" else f"{header.status.upper()} "
    phase = codes.words("phases", plan.phase, lang)
    said = [f"{tlp} REL {', '.join(header.marking.releasable_to)}", phase, plan.command]
    yield "BEGIN:VEVENT"
    yield f"UID:{header.id}@{header.origin}"
    yield f"DTSTAMP:{_moment(now)}"
    yield f"DTSTART:{_moment(plan.period.start)}"
    yield f"DTEND:{_moment(plan.period.end)}"
    yield f"SUMMARY:{_escaped(f'[{tlp}] {status}{plan.code_name}: {phase}')}"
    yield f"DESCRIPTION:{_escaped(chr(10).join(said))}"
    if plan.area.name:
        yield f"LOCATION:{_escaped(plan.area.name)}"
    yield "CLASS:CONFIDENTIAL"
    yield "END:VEVENT"


def _moment(at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    """Return a text as a value (RFC 5545, section 3.3.11), all of it visible."""
    for character in ("\\", ";", ","):
        text = text.replace(character, f"\\{character}")
    lines = (visible(line) for line in text.split("\n"))
    return "\\n".join(lines)


def _folded(line: str) -> Iterator[bytes]:
    """Cut a line so that no piece is longer than a line may be, and no character is cut."""
    piece = b""
    for character in line:
        octets = character.encode()
        if len(piece) + len(octets) > _LINE_OCTETS:
            yield piece
            piece = b" "
        piece += octets
    yield piece
