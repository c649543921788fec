"""Which bulletin a signed object is about: a glance, of what its decoder took before."""

from __future__ import annotations

import msgspec

from exchange.model.objects import Subject


class _About(msgspec.Struct):
    of: Subject | None = None


_ABOUT = msgspec.json.Decoder(_About)


def subject_of(payload: bytes) -> Subject | None:
    """Return the bulletin that an object is about, as it says; None where it names none."""
    try:
        return _ABOUT.decode(payload).of
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
