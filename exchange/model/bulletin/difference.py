"""What differs between two versions of a bulletin, and a bulletin with a correction applied."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.bulletin import corrections, shape
from exchange.model.bulletin.amendments import Change
from exchange.model.bulletin.decoding import decode
from exchange.model.bulletin.shape import steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.model.bulletin.kinds import AnyBulletin, Cor
    from exchange.model.bulletin.shape import Shape
    from exchange.model.codes import Codes

_FIXED = ("schema", "id", "origin", "type", "attachments")


def plain(bulletin: AnyBulletin) -> dict[str, Any]:
    """Return a bulletin as JSON values: what is not given is left out, times are strings."""
    values: dict[str, Any] = msgspec.to_builtins(bulletin)
    return values


def changes(before: AnyBulletin, after: AnyBulletin) -> list[Change]:
    """Return the members that differ, deepest first named: what a correction carries.

    Lists of equal length are compared item by item; otherwise the list changed as a whole, and
    so does a person and whatever else a correction tells only as a whole.
    """
    old, new = plain(before), plain(after)
    for name in _FIXED:
        old.pop(name, None)
        new.pop(name, None)
    form = shape.of_struct(type(before))
    return [Change(at, was, now) for at, was, now in _differ(form, "", old, new)]


def _differ(form: Shape, at: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if old == new and type(old) is type(new):
        return
    if isinstance(old, dict) and isinstance(new, dict) and corrections.is_apart(form):
        for member in form.members:
            was, now = old.get(member.name), new.get(member.name)
            yield from _differ(member.shape, f"{at}/{member.name}", was, now)
    elif (
        isinstance(old, list)
        and isinstance(new, list)
        and len(old) == len(new)
        and form.kind == "list"
    ):
        for number, (was, now) in enumerate(zip(old, new, strict=True)):
            yield from _differ(form.items[0], f"{at}/{number}", was, now)
    elif old != new:
        yield at, old, new


def corrected(bulletin: AnyBulletin, correction: Cor, codes: Codes) -> AnyBulletin:
    """Return the bulletin as the correction says it should read.

    Raises:
        Refusal: ``target-mismatch``: the correction is of another bulletin, or a member is not
            what the correction says it was; or whatever decoding refuses in the result.
    """
    target = correction.content.target
    if (target.id, target.origin, target.type) != (
        bulletin.id,
        bulletin.origin,
        bulletin.type,
    ):
        raise Refusal(Code.TARGET_MISMATCH, "/content/target")
    values = copy.deepcopy(plain(bulletin))
    for number, change in enumerate(correction.content.changes):
        if not _apply(bulletin.type, values, change):
            raise Refusal(Code.TARGET_MISMATCH, f"/content/changes/{number}")
    return decode(msgspec.json.encode(values), codes)


def unfounded(bulletin: AnyBulletin, correction: Cor) -> list[tuple[Change, Any]]:
    """Return each change whose ``before`` is not what the bulletin says, and what is."""
    values, found = copy.deepcopy(plain(bulletin)), []
    for change in correction.content.changes:
        said: Any = values
        for step in steps(change.pointer):
            said = _child(said, step)
        if not _apply(bulletin.type, values, change):
            found.append((change, said))
    return found


def _apply(kind: str, values: dict[str, Any], change: Change) -> bool:
    *path, last = steps(change.pointer)
    here: Any = values
    for step in path:
        here = _child(here, step)
    before = corrections.as_written(kind, change.pointer, change.before)
    if not isinstance(here, dict | list) or _child(here, last) != before:
        return False
    if isinstance(here, list):
        if not _is_index(here, last):
            return False
        here[int(last)] = change.after
    elif change.after is None and last not in _NULLABLE:
        here.pop(last, None)
    else:
        here[last] = change.after
    return True


# Members at the top that are written null, never left out.
_NULLABLE = frozenset({"observed", "due", "regime", "grading", "remarks"})


def _is_index(values: list[Any], step: str) -> bool:
    return shape.is_index(step) and int(step) < len(values)


def _child(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and _is_index(value, step):
        return value[int(step)]
    return None
