"""CSV (RFC 4180) for somebody's spreadsheet, and back for a VOI and an SZR.

Two layouts, both in UTF-8 with a header row of member names and the marking in every row.

- ``rows``, of a VOI and an SZR: one row for the bulletin, then one for each repeated thing.
  ``row`` says which (``bulletin``, ``content.drugs.1``); a column is a member of that thing.
- ``members``, of every other type: one row for each value: member, label, value, words.

No cell is one that a spreadsheet would run: ``render.cells``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from exchange.errors import Code, Refusal
from exchange.gateway import members
from exchange.gateway.cover import banner, banner_of, moment
from exchange.gateway.noting import Noted
from exchange.model.bulletin import blocks, lexical
from exchange.model.bulletin import shape as shapes
from exchange.render.cells import armed, disarmed, is_disarmed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from exchange.gateway.cover import Cover
    from exchange.model.bulletin import Bulletin
    from exchange.model.bulletin.shape import Shape
    from exchange.model.codes import Codes, Lang

WIDE = ("voi", "szr")
_TOP = "bulletin"
_COVER = "post."
_VALUE = "value"
_MOST_ROWS = 2000
# What the row of the bulletin says of its header: as ``_about`` writes it.
_ABOUT = re.compile(
    r"post\.(bears|status|precedence|verb|endpoint|issued|expires|refs\.[0-9]+\.(rel|id)"
    r"|marking\.(tlp|releasable_to|handling|originator_control))"
)


def write(bulletin: Bulletin, cover: Cover, lang: Lang, codes: Codes) -> bytes:
    """Return a bulletin as CSV, in the layout of its type."""
    form, values = shapes.of(bulletin.type), members.plain(bulletin)
    about = _about(bulletin.type, cover)
    if bulletin.type in WIDE:
        rows = _rows(form, values, about)
    else:
        rows = _members(form, values, about, lang, codes)
    marking = banner(cover)
    return _written([{"marking": marking, **row} for row in rows])


def count_disarmed(data: bytes) -> int:
    """Count the cells of a written file that begin with a formula's sign, made harmless."""
    rows = csv.reader(io.StringIO(data.decode()))
    return sum(is_disarmed(cell) for row in rows for cell in row)


def _about(type_: str, cover: Cover) -> dict[str, str]:
    marking = cover.marking
    refs = {
        f"{_COVER}refs.{place}.{name}": told
        for place, ref in enumerate(cover.refs, 1)
        for name, told in (("rel", ref.rel), ("id", ref.id))
    }
    bears = {f"{_COVER}bears": " ".join(cover.bears)} if cover.bears else {}
    return {
        "type": type_,
        **bears,
        f"{_COVER}status": cover.status,
        f"{_COVER}precedence": cover.precedence,
        f"{_COVER}verb": cover.verb,
        f"{_COVER}endpoint": cover.endpoint,
        f"{_COVER}issued": moment(cover.issued),
        f"{_COVER}expires": moment(cover.expires),
        f"{_COVER}marking.tlp": marking.tlp,
        f"{_COVER}marking.releasable_to": " ".join(marking.releasable_to),
        f"{_COVER}marking.handling": " ".join(marking.handling),
        f"{_COVER}marking.originator_control": _cell(marking.originator_control),
        **refs,
    }


def _rows(form: Shape, values: dict[str, Any], about: dict[str, str]) -> list[dict[str, str]]:
    """Return the wide layout: a leaf is in the row of the last list on its way."""
    rows: dict[str, dict[str, str]] = {_TOP: {"row": _TOP, **about}}
    for leaf in members.leaves(form, values):
        last = max((n for n, step in enumerate(leaf.path) if step.isdecimal()), default=-1)
        of = members.Found(leaf.path[: last + 1], form, None).dotted or _TOP
        row = rows.setdefault(of, {"row": of})
        row[".".join(leaf.path[last + 1 :]) or _VALUE] = _cell(leaf.value)
    return list(rows.values())


def _members(
    form: Shape, values: dict[str, Any], about: dict[str, str], lang: Lang, codes: Codes
) -> list[dict[str, str]]:
    rows = [
        _row(name, name.rsplit(".", 1)[-1], cell, lang, codes) for name, cell in about.items()
    ]
    for leaf in members.leaves(form, values):
        row = _row(leaf.dotted, leaf.name, _cell(leaf.value), lang, codes)
        words = members.label(leaf, lang, codes)
        rows.append({**row, "words": words or ""})
    return rows


def _row(member: str, name: str, cell: str, lang: Lang, codes: Codes) -> dict[str, str]:
    label = codes.words("fields", name, lang)
    return {"member": member, "label": label, "value": cell, "words": ""}


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _written(rows: list[dict[str, str]]) -> bytes:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(columns)
    table.writerows([disarmed(row.get(name, "")) for name in columns] for row in rows)
    return out.getvalue().encode()


# --- and back --------------------------------------------------------------------------


def read(data: bytes, type_: str) -> dict[str, Any]:
    """Return what a file in the wide layout says, as a draft's values: ``post``, ``bulletin``.

    ``noted`` is what the draft says nothing of: what was done to the bulletin since, whose it
    is, what it refers to, and each cell that leads to no member.

    Raises:
        Refusal: ``oversized``, ``not-utf-8`` or ``malformed``: it is not such a file;
            ``nothing-to-import``: it is of another type, or holds several;
            ``wrong-value``: a cell is not of its kind, at the member it is for.
    """
    form = shapes.of(type_)
    top: dict[str, str] = {}
    bulletin: dict[str, Any] = {}
    aside: dict[str, None] = {}
    columns, rows = _table(data)
    seen: set[tuple[str, ...]] = set()
    banners: dict[str, None] = {}
    for number, row in enumerate(rows, 1):
        banners[row.pop("marking", "")] = None
        of = row.pop("row", "") or _TOP
        steps = [] if of == _TOP else _steps(of, number)
        if tuple(steps) in seen:
            # Two bulletins, or one thing told twice: one would get the marking of the other.
            raise Refusal(Code.NOTHING_TO_IMPORT, "", format="csv", type=type_)
        seen.add(tuple(steps))
        if of == _TOP:
            if row.pop("type", type_) not in ("", type_):
                raise Refusal(Code.NOTHING_TO_IMPORT, "", format="csv", type=type_)
            top = {name: row.pop(name) for name in list(row) if _ABOUT.fullmatch(name)}
            top["origin"] = row.get("origin", "")
        for name, cell in row.items():
            is_item = name == _VALUE and of != _TOP
            inner = [] if is_item else name.split(".")
            # Places in lists are said by rows: a column that has one is none of ours.
            is_ours = not any(step.isdecimal() for step in inner)
            if not (is_ours and _put(bulletin, form, [*steps, *inner], cell)):
                aside[name if of == _TOP else f"{of}: {name}"] = None
    post = _post(top, columns)
    differing = [each for each in banners if each and each != _banner(top)]
    if differing:
        # It is what people read, and edit: which of the two is meant, nobody can tell.
        post.pop("marking", None)
    noted = [*_noted(top), *(Noted("column", name) for name in aside)]
    noted += [Noted("banner", each) for each in differing]
    return {"post": post, "bulletin": _whole(bulletin), "noted": noted}


def _banner(top: Mapping[str, str]) -> str:
    """Return the banner that the columns make; see ``cover.banner``."""
    told = {name.removeprefix(_COVER): cell for name, cell in top.items()}
    return banner_of(
        bears=told.get("bears", "").split(),
        status=told.get("status", ""),
        tlp=told.get("marking.tlp", ""),
        releasable_to=told.get("marking.releasable_to", "").split(),
        handling=told.get("marking.handling", "").split(),
        is_controlled=told.get("marking.originator_control") == "true",
    )


def _noted(top: Mapping[str, str]) -> Iterable[Noted]:
    """Yield what the row of the bulletin says and no draft does."""
    for each in top.get(f"{_COVER}bears", "").split():
        yield Noted("bears", each)
    if origin := top.get("origin") or top.get(f"{_COVER}endpoint", ""):
        yield Noted("origin", origin)
    for name, cell in top.items():
        if name.startswith(f"{_COVER}refs.") and name.endswith(".id"):
            rel = top.get(f"{name.removesuffix('id')}rel", "")
            yield Noted("refs", f"{rel} {cell}".strip())


def _table(data: bytes) -> tuple[Sequence[str], list[dict[str, str]]]:
    if len(data) > lexical.MAX_BYTES:
        raise Refusal(Code.OVERSIZED, limit=lexical.MAX_BYTES, found=len(data))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(Code.NOT_UTF8, position=error.start) from None
    try:
        reader = csv.DictReader(io.StringIO(text), strict=True)
        columns, rows = reader.fieldnames or [], list(reader)
    except csv.Error:
        raise Refusal(Code.MALFORMED, expected="csv") from None
    named = [name for name in columns if name]
    # Of two columns of one name, nobody can tell which is meant.
    if not rows or len(rows) > _MOST_ROWS or len(set(named)) < len(named):
        raise Refusal(Code.MALFORMED, expected="csv")
    for number, row in enumerate(rows, 2):
        # More cells than columns, or fewer: cells have slipped, and none can be trusted.
        if None in row or None in row.values():
            raise Refusal(Code.MALFORMED, expected="csv", line=number)
    return columns, [{name: armed(cell) for name, cell in row.items() if cell} for row in rows]


def _steps(of: str, number: int) -> list[str]:
    """Return the path of a repeated thing, its places counted from 0."""
    steps = of.split(".")
    try:
        return [str(_place(step)) if step.isdecimal() else step for step in steps]
    except ValueError:
        raise Refusal(Code.MALFORMED, expected="csv", line=number + 1) from None


def _place(step: str) -> int:
    place = int(step) if step.isascii() and len(step) < 5 else 0
    if not 1 <= place <= _MOST_ROWS:
        raise ValueError(step)
    return place - 1


def _post(top: Mapping[str, str], columns: Sequence[str]) -> dict[str, Any]:
    found = {name.removeprefix(_COVER): cell for name, cell in top.items()}
    post: dict[str, Any] = {k: found[k] for k in ("precedence", "status") if k in found}
    marking: dict[str, Any] = {}
    if "marking.tlp" in found:
        marking["tlp"] = found["marking.tlp"]
    # Nothing in the cell of a set is an empty set, where there is a marking at all; without
    # its column, nobody said so.
    for name in ("releasable_to", "handling"):
        is_told = f"{_COVER}marking.{name}" in columns
        if is_told and (marking or f"marking.{name}" in found):
            marking[name] = found.get(f"marking.{name}", "").split()
    control = {"true": True, "false": False}.get(found.get("marking.originator_control", ""))
    if control is not None:
        marking["originator_control"] = control
    return {**post, **({"marking": marking} if marking else {})}


def _put(bulletin: dict[str, Any], form: Shape, steps: list[str], cell: str) -> bool:
    """Put a cell where its path leads; tell whether it leads to a member."""
    at = "/".join(["", *steps])
    there = shapes.at(form, at)
    if there is None or there.kind not in _LEAVES:
        return False
    if any(_is_choice(form, steps[:end]) for end in range(1, len(steps))):
        # A geometry stands in one cell.
        return False
    value = _value(there, cell, f"/bulletin{at}")
    here: Any = bulletin
    for step, following in zip(steps, [*steps[1:], ""], strict=True):
        inner = value if not following else [] if following.isdecimal() else {}
        if isinstance(here, list):
            here += [None] * (int(step) + 1 - len(here))
            if here[int(step)] is None:
                here[int(step)] = inner
            here = here[int(step)]
        else:
            here = here.setdefault(step, inner)
    return True


def _whole(value: Any) -> Any:
    """Close the gaps in lists: rows may have been taken out."""
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value if inner is not None]
    return value


def _value(form: Shape, cell: str, at: str) -> Any:
    if form.kind in ("text", "time"):
        return cell
    try:
        value = msgspec.json.decode(cell, type=_TYPES[form.kind])
    except (msgspec.MsgspecError, RecursionError):
        expected = "object" if form.kind == "choice" else form.kind
        raise Refusal(Code.WRONG_VALUE, at, expected=expected) from None
    return msgspec.json.decode(cell) if form.kind == "choice" else value


def _is_choice(form: Shape, steps: list[str]) -> bool:
    above = shapes.at(form, "/".join(["", *steps]))
    return above is not None and above.kind == "choice"


_TYPES: dict[str, Any] = {
    "boolean": bool,
    "integer": int,
    "number": float,
    "choice": blocks.Geometry,
    "any": Any,
}
_LEAVES = frozenset({"text", "time", *_TYPES})
