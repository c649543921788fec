"""The demo's drafts as it posts them: of today, and citing the bulletins of this very demo."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import msgspec

from exchange import resources

if TYPE_CHECKING:
    from pathlib import Path

# Times and ids as the committed drafts have them.
_TIME = re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\b")
_INDEX = "v1/examples/index.json"
# When the case is told, by its own times: after its correction, before its answer is due.
_TOLD_AT = dt.datetime(2026, 11, 25, 15, 10, tzinfo=dt.UTC)
# So long ago its seizure was. Statistics are of the half-year in which that lies.
_SEIZED_BEFORE = dt.timedelta(hours=30)
# What was published keeps its dates.
_PUBLISHED = frozenset({"dlg-1.es.toml"})


class Drafts(msgspec.Struct):
    """Drafts from one folder, written into another as they are to be posted.

    ``now`` is seconds UTC, for drafts that came along: their times are moved by as much as the
    case lies back. None leaves times as they are: those of somebody's own drafts are theirs.
    ``posted`` has the ids of what was posted, by the name of its draft.
    """

    source: Path
    folder: Path
    now: int | None = None
    posted: dict[str, str] = {}

    def write(self, name: str) -> Path:
        """Write a draft as it is to be posted, and return where it is."""
        text = (self.source / name).read_text("utf-8")
        if self.now is not None and name not in _PUBLISHED:
            text = _moved(text, dt.datetime.fromtimestamp(self.now, dt.UTC))
        for cited, identity in self._cited().items():
            text = text.replace(cited, identity)
        self.folder.mkdir(exist_ok=True)
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def _cited(self) -> dict[str, str]:
        """Return ids that drafts cite, and what their bulletins are called in this demo."""
        index = msgspec.json.decode(resources.read(_INDEX), type=dict[str, dict[str, str]])
        return {index[name]["id"]: mine for name, mine in self.posted.items() if name in index}


def _moved(text: str, now: dt.datetime) -> str:
    """Return a draft with its times moved to now, by whole minutes; half-years stay whole."""
    by = now.replace(second=0, microsecond=0) - _TOLD_AT
    halves = _half(now - _SEIZED_BEFORE) - _half(_TOLD_AT - _SEIZED_BEFORE)

    def moved(found: re.Match[str]) -> str:
        when = dt.datetime.fromisoformat(found.group())
        begun = _begin(_half(when))
        return _spelt(_begin(_half(when) + halves) if when == begun else when + by)

    return _TIME.sub(moved, text)


def _half(when: dt.datetime) -> int:
    """Return the number of a half-year, counted from the year 0."""
    return when.year * 2 + (when.month > 6)


def _begin(half: int) -> dt.datetime:
    return dt.datetime(half // 2, 7 if half % 2 else 1, 1, tzinfo=dt.UTC)


def _spelt(when: dt.datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
