"""Times as people and programs here expect them: UTC, with a Z."""

from __future__ import annotations

import datetime as dt


def zulu(seconds: int) -> str:
    """Return ``2026-11-23T18:01:00Z``."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def zulu_ms(milliseconds: int) -> str:
    """Return ``2026-11-23T18:01:00.123Z``."""
    return f"{zulu(milliseconds // 1000)[:-1]}.{milliseconds % 1000:03}Z"
