"""Valid bulletins without number: an example, changed here and there until it is another.

Each change is tried and kept only if the whole still decodes, so every rule holds by itself.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from exchange.errors import Refusal
from exchange.model.bulletin import shape
from exchange.model.bulletin.blocks import Text
from exchange.model.bulletin.checkdigits import FORMS
from exchange.model.bulletin.decoding import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exchange.model.bulletin.kinds import Bulletin
    from exchange.model.bulletin.shape import Shape
    from exchange.model.codes import Codes

    Pick = Callable[[int], int]
    # Its holder, its key there, its shape, whether it must stay.
    _Place = tuple[Any, Any, Shape, bool]

# Members that stay: who speaks, of what, and in which version; and figures that are quoted from
# a source that everybody can look up.
_FIXED = frozenset({"schema", "id", "origin", "type", "declares", "target", "published"})
_TRIES = 20
_DIGITS = "0123456789"


def vary(  # noqa: PLR0913  (the world arrives as arguments)
    values: dict[str, Any],
    codes: Codes,
    pick: Pick,
    later: timedelta = timedelta(),
    *,
    changes: int = 24,
    hold: Callable[[Bulletin], None] = lambda _: None,
) -> dict[str, Any]:
    """Return another valid bulletin of the same type.

    Args:
        values: a valid bulletin as JSON values; left as it is.
        codes: the code lists.
        pick: returns a number from 0 up to, not including, its argument.
        later: by how much every time in it is moved: all alike, so that their order stays.
        changes: how many are tried.
        hold: what else it is held to; raises ``Refusal``.
    """
    found: dict[str, Any] = _moved(values, later)
    form = shape.of(found["type"])
    for _ in range(changes):
        tried = copy.deepcopy(found)
        places = list(_places(form, tried))
        _change(places[pick(len(places))], codes, pick)
        if _holds(tried, codes, hold):
            found = tried
    return found


def _holds(values: dict[str, Any], codes: Codes, hold: Callable[[Bulletin], None]) -> bool:
    try:
        hold(decode(json.dumps(values, ensure_ascii=False).encode(), codes))
    except Refusal:
        return False
    return True


def _moved(value: Any, by: timedelta) -> Any:
    if isinstance(value, dict):
        return {name: _moved(inner, by) for name, inner in value.items()}
    if isinstance(value, list):
        return [_moved(inner, by) for inner in value]
    if isinstance(value, str) and value.endswith("Z"):
        try:
            when = datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            return value
        return (when + by).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def _places(form: Shape, value: dict[str, Any]) -> Iterator[_Place]:
    """Yield what may be changed."""
    for member in form.members:
        if member.name in _FIXED or value.get(member.name) is None:
            continue
        yield value, member.name, member.shape, member.required
        yield from _inside(member.shape, value[member.name])


def _inside(form: Shape, value: Any) -> Iterator[_Place]:
    if form.kind == "choice":
        form = next(item for item in form.items if item.tag == value.get(item.tag_field))
    if form.struct is Text:
        return
    if form.kind == "struct":
        yield from _places(form, value)
    elif form.kind == "list":
        for place, inner in enumerate(value):
            yield value, place, form.items[0], True
            yield from _inside(form.items[0], inner)


def _change(place: _Place, codes: Codes, pick: Pick) -> None:
    holder, key, form, needed = place
    value = holder[key]
    if not needed and pick(4) == 0:
        del holder[key]
    elif form.kind == "list":
        _change_list(value, form, pick)
    elif form.struct is Text:
        number = pick(10_000)
        for text in (value, *value.get("translations", [])):
            text["text"] = f"{text['text'].rstrip(_DIGITS + ' ')} {number}"
    else:
        holder[key] = _scalar(value, form, codes, pick)


def _scalar(value: Any, form: Shape, codes: Codes, pick: Pick) -> Any:
    if form.codes:
        known = list(codes.lists[form.codes])
        return known[pick(len(known))]
    if form.kind == "pair":
        return [round(part + (pick(2001) - 1000) / 2000, 4) for part in value]
    if form.form in FORMS:
        return _another(value, FORMS[form.form], pick)
    if form.form == "line":
        return f"{value.rstrip(_DIGITS + ' ')} {pick(10_000)}"
    if form.kind == "boolean":
        return not value
    is_number = form.kind in ("integer", "number")
    return type(value)(value * (50 + pick(150)) / 100) if is_number else value


def _change_list(value: list[Any], form: Shape, pick: Pick) -> None:
    if not value:
        return
    place = pick(len(value))
    if pick(2) and len(value) > 1:
        del value[place]
    elif form.items[0].kind == "struct":
        value.insert(place, copy.deepcopy(value[place]))


def _another(number: str, holds: Callable[[str], bool], pick: Pick) -> str:
    """Return another number whose check digit holds, if one is found soon."""
    digits = [place for place, each in enumerate(number) if each in _DIGITS]
    for _ in range(_TRIES if digits else 0):
        tried = list(number)
        for place in digits[-5:]:
            tried[place] = _DIGITS[pick(10)]
        for last in _DIGITS:
            tried[digits[-1]] = last
            if holds("".join(tried)):
                return "".join(tried)
    return number
