"""What was written into a form, as the values of a draft."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from exchange.desk import position
from exchange.desk.forms import FILLED
from exchange.errors import Code, Refusal
from exchange.model.bulletin import shape as shapes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.model.bulletin.shape import Member, Shape

    Written = Mapping[str, Sequence[str]]

# Rows of one list; the schema's own limits are lower where it has any.
MAX_ROWS: Final = 500
_INTEGER: Final = re.compile(r"-?(0|[1-9]\d{0,15})")
# As many digits as the smallest number has where no power of ten is written.
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d{0,15})(\.\d{1,340})?")
# 231801ZNOV26, as on a message form: day, time, Z, month, year of this century.
_DTG: Final = re.compile(r"(\d{2})(\d{2})(\d{2})Z([A-Z]{3})(\d{2})", re.IGNORECASE)
_MONTHS: Final = (
    "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC",
    "ENE FEB MAR ABR MAY JUN JUL AGO SEP OCT NOV DIC",
)  # fmt: skip
# What a field for a time may hold besides: no seconds, a space for the T, no Z.
_TIME: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?Z?", re.IGNORECASE)


def values(code: str, written: Written) -> dict[str, Any]:
    """Return the bulletin of a draft as it was written; what was left empty is not in it.

    What cannot be read as its field's type stays the text that it is: the draft is refused for
    it, with the place, by the same rules as one from a file.

    Args:
        code: the type's code.
        written: what was sent for each field, by its JSON pointer in the bulletin.

    Raises:
        KeyError: there is no such type.
        Refusal: a position cannot be read; it names the place.
    """
    asked = [member for member in shapes.of(code).members if member.name not in FILLED]
    return {"type": code, **_members(asked, "", _Written(written))}


class _Written:
    """What was sent, by pointer; and whether anything was sent below one."""

    def __init__(self, written: Written) -> None:
        self._all = {at: list(said) for at, said in written.items()}

    def one(self, at: str) -> str:
        return next((said.strip() for said in self._all.get(at, []) if said.strip()), "")

    def several(self, at: str) -> list[str]:
        return [said.strip() for said in self._all.get(at, []) if said.strip()]

    def places(self, at: str) -> list[str]:
        """Return the rows of a list that were sent, in the order of their numbers."""
        start = len(at) + 1
        below = (
            name[start:].partition("/")[0] for name in self._all if name.startswith(f"{at}/")
        )
        rows = {row for row in below if shapes.is_index(row) and len(row) < 5}
        return sorted(rows, key=int)[:MAX_ROWS]


def _members(asked: Sequence[Member], at: str, written: _Written) -> dict[str, Any]:
    values = {each.name: _value(each.shape, f"{at}/{each.name}", written) for each in asked}
    said = {name: value for name, value in values.items() if value is not None}
    # A list that must be there may be empty: whoever writes none of it says so.
    empty: dict[str, Any] = {
        each.name: [] for each in asked if each.required and each.shape.kind == "list"
    }
    return {**empty, **said} if said else {}


def _value(form: Shape, at: str, written: _Written) -> Any:
    match form.kind:
        case "struct":
            return _members(form.members, at, written) or None
        case "choice":
            return _geometry(at, written)
        case "list":
            return _list(form.items[0], at, written) or None
        case _:
            said = written.one(at)
            return _scalar(form, said) if said else None


def _list(item: Shape, at: str, written: _Written) -> list[Any]:
    if item.kind == "struct":
        # A row that is empty was not meant: rows after it take its place.
        rows = (_value(item, f"{at}/{place}", written) for place in written.places(at))
        return [row for row in rows if row is not None]
    lines = [line.strip() for said in written.several(at) for line in said.splitlines()]
    return [_scalar(item, line) for line in lines if line]


def _scalar(form: Shape, said: str) -> Any:
    match form.kind:
        case "integer" if _INTEGER.fullmatch(said):
            return int(said)
        case "number" if _NUMBER.fullmatch(said.replace(",", ".")):
            number = float(said.replace(",", "."))
            return int(number) if number.is_integer() else number
        case "boolean" if said in ("true", "false"):
            return said == "true"
        case "time":
            return moment(said)
        case "any":
            return _any(said)
        case _:
            return said


def _any(said: str) -> Any:
    """Return what a correction says of a member: JSON where it is any, else the text itself."""
    try:
        return msgspec.json.decode(said)
    except msgspec.DecodeError:
        return said


def moment(said: str) -> str:
    """Return a time as it goes on the wire, of one as it is typed; another text unchanged."""
    if found := _DTG.fullmatch(said):
        day, hour, minute, month, year = found.groups()
        for names in _MONTHS:
            if month.upper() in names.split():
                number = names.split().index(month.upper()) + 1
                return f"20{year}-{number:02d}-{day}T{hour}:{minute}:00Z"
    if found := _TIME.fullmatch(said):
        day, minute, seconds = found.groups()
        return f"{day}T{minute}{seconds or ':00'}Z"
    return said


def _geometry(at: str, written: _Written) -> dict[str, Any] | None:
    lines = [line for said in written.several(at) for line in said.splitlines() if line.strip()]
    if not lines:
        return None
    points = [list(position.read(line, at)) for line in lines]
    kind = written.one(f"{at}/type") or ("Point" if len(points) == 1 else "LineString")
    match kind:
        case "Point" if len(points) == 1:
            return {"type": kind, "coordinates": points[0]}
        case "LineString":
            return {"type": kind, "coordinates": points}
        case "Polygon":
            return {"type": kind, "coordinates": [[*points, points[0]]]}
        case _:
            raise Refusal(Code.WRONG_VALUE, at, expected="position")
