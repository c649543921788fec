"""What is unusual in how auditors read a node: what they were shown is on record there."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from exchange.audit.suspicions import found_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exchange.audit.rows import Row
    from exchange.audit.suspicions import Anomaly, Look, Settings

_HOUR_MS: Final = 3_600_000
_DAY_H: Final = 24
# Day 0 of Unix time was a Thursday; Mondays are day 0 of a week here, and five days are worked.
_THURSDAY: Final = 3
_WEEK_D: Final = 7
_WORKED_D: Final = 5


def bulk_read(look: Look) -> Iterator[Anomaly]:
    """Much of a journal shown to one auditor in a short time; told once until it is quiet."""
    most, span_s = look.settings.bulk_read, look.settings.bulk_read_s
    for journal in look.journals:
        rows = look.rows(journal.node, ("kind", "audit-read"))
        for window, count in _bulks(rows, most, span_s * 1000):
            yield _told(window, count, minutes=span_s // 60)


def after_hours(look: Look) -> Iterator[Anomaly]:
    """Much of it shown outside of office hours, within one night; told once a night."""
    most, span_ms = look.settings.after_hours, _closed_h(look.settings) * _HOUR_MS
    for journal in look.journals:
        rows = look.rows(journal.node, ("kind", "audit-read"))
        closed = (row for row in rows if not is_open(row.since_ms, look.settings))
        for window, count in _bulks(closed, most, span_ms):
            opens, closes = look.settings.opens_h, look.settings.closes_h
            yield _told(window, count, opens=opens, closes=closes)


def is_open(ms: int, settings: Settings) -> bool:
    """Tell whether a time (ms UTC) is within office hours, Monday to Friday."""
    day, hour = divmod(ms // _HOUR_MS, _DAY_H)
    is_worked = (day + _THURSDAY) % _WEEK_D < _WORKED_D
    return is_worked and settings.opens_h <= hour < settings.closes_h


def _closed_h(settings: Settings) -> int:
    return _DAY_H - settings.closes_h + settings.opens_h


def _bulks(rows: Iterable[Row], most: int, span_ms: int) -> Iterator[tuple[list[Row], int]]:
    """Yield what was shown to one auditor within a span, where it comes to so much."""
    recent: dict[str, deque[Row]] = {}
    told: set[str] = set()
    for row in rows:
        window = recent.setdefault(row.endpoint, deque())
        window.append(row)
        while window[0].until_ms < row.since_ms - span_ms:
            window.popleft()
        count = sum(each.shown for each in window)
        if count < most:
            told.discard(row.endpoint)
        elif row.endpoint not in told:
            told.add(row.endpoint)
            yield list(window), count


def _told(window: list[Row], count: int, **facts: int) -> Anomaly:
    last = window[-1]
    pairs = (("kind", "audit-read"), ("endpoint", last.endpoint))
    at = [each.index for each in window]
    return found_at(last, *pairs, entries=at, endpoint=last.endpoint, count=count, **facts)
