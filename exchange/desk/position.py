"""A position as it is typed: in degrees, in degrees and minutes, or with seconds too.

Officers write what stands on the chart or in the log: ``8.95 -79.55``, ``8 57 0 N, 79 33 0 O``,
``08°57.0'N 079°33.0'W``. The hemisphere may be said in either language: O is oeste, west.
"""

from __future__ import annotations

import re
from typing import Final

from exchange.errors import Code, Refusal
from exchange.web import region

Position = tuple[float, float]

# As many decimals as a metre needs.
_PLACES: Final = 5
_NUMBER: Final = r"\d{1,3}(?:[.,]\d{1,8})?"
_ONE: Final = re.compile(
    rf"""\s*(?P<before>[NSEWO])?\s*
    (?P<sign>[-+\u2212])?\s*(?P<degrees>{_NUMBER})\s*[°º]?
    (?:\s*(?P<minutes>{_NUMBER})\s*['\u2019\u2032]?)?
    (?:\s*(?P<seconds>{_NUMBER})\s*(?:["\u201d\u2033]|'')?)?
    \s*(?P<after>[NSEWO])?\s*""",
    re.VERBOSE | re.IGNORECASE,
)
_LETTERED: Final = re.compile(
    r"(.*?[NS])[\s,]*(.*?[EWO])|(.*?[EWO])[\s,]*(.*?[NS])", re.IGNORECASE
)
_LETTER: Final = re.compile(r"[NSEWO]", re.IGNORECASE)
_LATITUDE: Final = frozenset("NS")
_NEGATIVE: Final = frozenset("SWO")


def read(text: str, at: str = "") -> Position:
    """Return longitude and latitude in degrees, WGS 84, of a position as it was typed.

    Without letters the latitude comes first, as on a chart; west and south are below 0.

    Raises:
        Refusal: ``wrong-value`` at ``at``: it is no position, or more than one.
    """
    for halves in _halves(text):
        read_as = [_degrees(half) for half in halves]
        if None not in read_as:
            return _ordered([each for each in read_as if each is not None], at)
    raise Refusal(Code.WRONG_VALUE, at, expected="position", found=text[:64])


def turned(text: str) -> Position | None:
    """Return a position the other way round, where it was likely meant so; else nothing.

    It was likely meant so where no letter says which number is which, and it lies outside the
    region of the maps as it is read, and inside with the longitude first. Every longitude of
    Panama is a latitude too, so no rule refuses it.
    """
    if _LETTER.search(text):
        return None
    try:
        lon, lat = read(text)
    except Refusal:
        return None
    return (lat, lon) if not _is_near(lon, lat) and _is_near(lat, lon) else None


def _is_near(lon: float, lat: float) -> bool:
    return region.WEST <= lon <= region.EAST and region.SOUTH <= lat <= region.NORTH


def told(position: Position, west: str = "W") -> str:
    """Return a position as sailors write it: minutes to a thousandth, the latitude first.

    Args:
        position: longitude and latitude, in degrees.
        west: the letter for it in the reader's language; the others are the same in both.
    """
    lon, lat = position
    return f"{_half(lat, 'N', 'S', 2)} {_half(lon, 'E', west, 3)}"


def _half(degrees: float, positive: str, negative: str, width: int) -> str:
    thousandths = round(abs(degrees) * 60_000)
    whole, minutes = divmod(thousandths, 60_000)
    letter = negative if degrees < 0 else positive
    return f"{whole:0{width}d}°{minutes / 1000:06.3f}' {letter}"


def _halves(text: str) -> list[tuple[str, str]]:
    """Return each way to cut a text in two: at what stands between, else at each space."""
    said = text.strip()
    for mark in (";", ", ", "/", "\t"):
        if said.count(mark) == 1:
            first, _, second = said.partition(mark)
            return [(first, second)]
    if lettered := _LETTERED.fullmatch(said):
        first, second = (part for part in lettered.groups() if part is not None)
        return [(first, second)]
    cuts = [found.start() for found in re.finditer(r"[\s,]+", said)]
    middle = len(cuts) // 2
    # Degrees alone have one space between them, degrees and minutes three: the middle one.
    return [(said[: cuts[middle]], said[cuts[middle] :].lstrip(" ,"))] if len(cuts) % 2 else []


def _degrees(text: str) -> tuple[float, str] | None:
    """Return signed degrees and the hemisphere's letter, upper case; nothing: it is none."""
    found = _ONE.fullmatch(text)
    if found is None or (found["before"] and found["after"]):
        return None
    letter = (found["before"] or found["after"] or "").upper()
    degrees, minutes, seconds = (
        float((found[name] or "0").replace(",", "."))
        for name in ("degrees", "minutes", "seconds")
    )
    whole_only = (found["minutes"] and _has_part(found["degrees"])) or (
        found["seconds"] and _has_part(found["minutes"])
    )
    if minutes >= 60 or seconds >= 60 or whole_only or (found["sign"] and letter):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    is_negative = found["sign"] in ("-", "\N{MINUS SIGN}") or letter in _NEGATIVE
    return (-value if is_negative else value), letter


def _has_part(number: str) -> bool:
    return "." in number or "," in number


def _ordered(halves: list[tuple[float, str]], at: str) -> Position:
    (first, one), (second, other) = halves
    if bool(one) != bool(other) or (one and (one in _LATITUDE) == (other in _LATITUDE)):
        raise Refusal(Code.WRONG_VALUE, at, expected="position")
    lat, lon = (second, first) if one and one not in _LATITUDE else (first, second)
    if abs(lat) > 90 or abs(lon) > 180:
        raise Refusal(Code.WRONG_VALUE, at, expected="position")
    return round(lon, _PLACES), round(lat, _PLACES)
