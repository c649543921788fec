"""Single values in words: times, coordinates, quantities, codes; the same in both languages."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from exchange.model.bulletin.migration import SMALLEST_CELL
from exchange.render.visible import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.model.bulletin.shape import Shape
    from exchange.model.codes import Codes, Lang

_FIRST_YEAR = 1900
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def moment(when: datetime) -> str:
    """Return a time in UTC with Z, and its date-time group: ``231801ZNOV26``."""
    group = f"{when:%d%H%M}Z{_MONTHS[when.month - 1]}{when:%y}"
    return f"{when:%Y-%m-%d %H:%M:%S}Z ({group})"


def is_past(text: str, now: int) -> bool:
    """Tell whether a time is before another, in seconds UTC; what is no time is not."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp() < now
    except ValueError:
        return False


def number(value: float) -> str:
    """Return a number with comma between thousands and point before the fraction.

    Panama and the United States both write numbers so. Nothing is rounded, nor written as a
    power of ten.
    """
    return f"{_exact(value):,f}"


def plain(value: float) -> str:
    """Return a number for a program: as ``number``, without commas."""
    return f"{_exact(value):f}"


def _exact(value: float) -> Decimal:
    whole = isinstance(value, int) or value.is_integer()
    # repr is the shortest text that reads back as the same number.
    return Decimal(int(value) if whole else repr(value))


def position(longitude: float, latitude: float, lang: Lang, codes: Codes) -> str:
    """Return a position as degrees and decimal minutes: ``08°57.000'N 079°31.800'O``."""
    north_south = codes.phrase("north" if latitude >= 0 else "south", lang)
    east_west = codes.phrase("east" if longitude >= 0 else "west", lang)
    return f"{_minutes(latitude, 2)}{north_south} {_minutes(longitude, 3)}{east_west}"


def _minutes(degrees: float, width: int) -> str:
    # Rounded first, in thousandths of a minute, so that 59.9996' carries into the degrees.
    thousandths = math.floor(abs(degrees) * 60_000 + 0.5)
    whole, rest = divmod(thousandths, 60_000)
    return f"{whole:0{width}d}°{rest / 1000:06.3f}'"


def geometry(value: Mapping[str, Any], lang: Lang, codes: Codes) -> list[str]:
    """Return a GeoJSON geometry as lines, one position each."""
    coordinates = value["coordinates"]
    match value["type"]:
        case "Point":
            return [position(coordinates[0], coordinates[1], lang, codes)]
        case "LineString":
            return _track(codes.phrase("line", lang), coordinates, lang, codes)
        case _:
            name = codes.phrase("polygon", lang)
            return [row for ring in coordinates for row in _track(name, ring, lang, codes)]


def _track(name: str, positions: list[Any], lang: Lang, codes: Codes) -> list[str]:
    return [f"{name}:", *(f"  {position(x, y, lang, codes)}" for x, y in positions)]


def grading(value: Mapping[str, Any], lang: Lang, codes: Codes) -> str:
    """Return a grading as its pair, in words, and with its Europol 4x4 letter."""
    reliability, credibility = str(value["reliability"]), str(value["credibility"])
    pair = f"{reliability.upper()}{credibility}"
    first = codes.words("reliability", reliability, lang)
    second = codes.words("credibility", credibility, lang)
    entry = codes.word("reliability", reliability)
    letter = (entry.of if entry is not None else None) or "?"
    europol = codes.phrase("europol", lang).format(letter=letter)
    return f"{visible(pair)}: {first}; {second} ({europol})"


def quantity(value: Mapping[str, Any], lang: Lang, codes: Codes) -> str:
    """Return a quantity with qualifier, unit, basis, packages and whose count it is."""
    parts = []
    qualifier = codes.words("qualifiers", str(value["qualifier"]), lang)
    if value.get("value") is not None:
        unit = str(value.get("unit", ""))
        entry = codes.word("units", unit)
        names = ((entry.of if entry is not None else None) or unit).split(" / ")
        symbol = names[-1] if lang == "es" else names[0]
        parts.append(f"{qualifier} {number(value['value'])} {symbol}")
    if value.get("basis") is not None:
        parts.append(codes.words("bases", str(value["basis"]), lang))
    if value.get("packages") is not None:
        packages = codes.phrase("packages", lang).format(n=number(value["packages"]))
        # Of packages alone it says how well they are counted.
        parts.append(packages if value.get("value") is not None else f"{qualifier} {packages}")
    parts.append(codes.words("count-kinds", str(value["count"]), lang))
    return "; ".join(parts)


def headcount(value: Mapping[str, Any], lang: Lang, codes: Codes) -> str:
    """Return one cell of people counted, such as ``3 x Panamá, Masculino, De 18 a 29``."""
    who = (
        codes.words("countries", str(value["nationality"]), lang),
        codes.words("sexes", str(value["sex"]), lang),
        codes.words("age-bands", str(value["age_band"]), lang),
    )
    return f"{number(value['n'])} x {', '.join(who)}"


def flow_cell(value: Mapping[str, Any], lang: Lang, codes: Codes) -> str:
    """Return one cell of a flow; a number that is not given is said to be small."""
    who = (
        codes.words("countries", str(value["nationality"]), lang),
        codes.words("sexes", str(value["sex"]), lang),
        codes.words("minorities", str(value["minority"]), lang),
    )
    return f"{_people(value, lang, codes)} x {', '.join(who)}"


def vulnerable(value: Mapping[str, Any], lang: Lang, codes: Codes) -> str:
    """Return how many people have a vulnerability, likewise."""
    words = codes.words("vulnerabilities", str(value["vulnerability"]), lang)
    return f"{_people(value, lang, codes)} x {words}"


def _people(value: Mapping[str, Any], lang: Lang, codes: Codes) -> str:
    if value.get("n") is not None:
        return number(value["n"])
    return codes.phrase("fewer-than", lang).format(n=SMALLEST_CELL)


def money(value: Mapping[str, Any], lang: Lang, codes: Codes) -> str:
    """Return an amount with its currency's code and name."""
    currency = str(value["currency"])
    return f"{value['amount']:,.2f} {currency} ({codes.words('currencies', currency, lang)})"


def scalar(shape: Shape, value: Any, unit: str | None, lang: Lang, codes: Codes) -> str:
    """Return any other single value: a code in words, a time, a number with its unit."""
    if isinstance(value, bool):
        return codes.phrase("yes" if value else "no", lang)
    if isinstance(value, int | float):
        return _measured(shape, value, unit, lang, codes)
    text = str(value)
    if shape.codes:
        return visible(codes.words(shape.codes, text, lang))
    if shape.names:
        return _named(shape, text, lang, codes)
    if shape.form in ("imo", "container", "mmsi"):
        return f"{visible(text)} ({codes.phrase('well-formed', lang)})"
    return _time(text) if shape.kind == "time" else visible(text)


def _measured(shape: Shape, value: float, unit: str | None, lang: Lang, codes: Codes) -> str:
    measure = codes.words("measures", unit, lang) if unit else ""
    # A year is a number, but nobody writes 2,026.
    plain = str(value) if shape.limits.get("ge") == _FIRST_YEAR else number(value)
    return f"{plain}{measure}" if unit in ("deg", "pct") else f"{plain} {measure}".rstrip()


def _named(shape: Shape, text: str, lang: Lang, codes: Codes) -> str:
    entry = codes.word(shape.names, text)
    words = codes.phrase("not-listed", lang) if entry is None else entry.in_(lang)
    return f"{visible(text)} ({words})"


def _time(text: str) -> str:
    try:
        return moment(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z"))
    except ValueError:
        # Only a quoted value of a correction can be something else; it is shown as it is.
        return visible(text)
