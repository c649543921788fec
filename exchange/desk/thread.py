"""What belongs together: what a bulletin answers, corrects, replaces, and what did so to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from exchange import render
from exchange.client import bearing
from exchange.client.reading import Delivered
from exchange.desk import boards
from exchange.errors import Code
from exchange.model.header import Relation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.reading import Item
    from exchange.desk.shelf import Shelf
    from exchange.model.codes import Codes, Lang

Check = Literal["holds", "unfounded", "unchecked", "too-many"]


class Link(msgspec.Struct, frozen=True):
    """One bulletin of a thread.

    Attributes:
        item: it.
        relation: what it does to another, if it does; ``to`` is the entry of that one.
        is_ours: it was posted from here.
        is_here: it is the bulletin that is looked at.
    """

    item: Delivered
    relation: Relation | None
    to: int | None
    is_ours: bool
    is_here: bool


class Correction(msgspec.Struct, frozen=True):
    """A correction held to what it corrects.

    Attributes:
        by: entry of the correction; ``of`` that of what it corrects, if that is here.
        check: whether it holds.
        diff: what changes, field by field; or what of it is unfounded, and what is so.
        done_to: what was done to the correction in its turn.
    """

    by: int
    of: int | None
    check: Check
    diff: list[str]
    done_to: list[tuple[Relation, int]]


def of(item: Delivered, held: Sequence[Delivered], ours: Sequence[Delivered]) -> list[Link]:
    """Return the thread of a bulletin, in the journal's order; itself alone, if it has none."""
    everything = {each.digest: each for each in (*ours, *held)}
    everything[item.digest] = item
    joined: dict[str, set[str]] = {}
    for each in everything.values():
        for reference in each.header.refs:
            if reference.header_digest in everything:
                joined.setdefault(each.digest, set()).add(reference.header_digest)
                joined.setdefault(reference.header_digest, set()).add(each.digest)
    found, ahead = {item.digest}, [item.digest]
    while ahead:
        fresh = joined.get(ahead.pop(), set()) - found
        found |= fresh
        ahead += fresh
    own = {each.digest for each in ours}
    made = []
    for digest in found:
        each = everything[digest]
        named = next((one for one in each.header.refs if one.header_digest in found), None)
        to = everything[named.header_digest].index if named is not None else None
        relation = named.rel if named is not None else None
        made.append(Link(each, relation, to, digest in own, digest == item.digest))
    return sorted(made, key=lambda link: link.item.index)


def corrections(
    item: Delivered, shelf: Shelf, items: Sequence[Item], lang: Lang, codes: Codes
) -> list[Correction]:
    """Return what a bulletin corrects, or what corrects it, each held to the text."""
    of_it = [item] if item.header.verb == "correct" else []
    marks = shelf.marks(item.index)
    if any(mark.relation == "corrects" for mark in marks):
        of_it += bearing.corrections(item, items)
    return [
        _held(each, items, [(one.relation, one.index) for one in shelf.marks(each.index)], at)
        for each in of_it
        for at in ((lang, codes),)
    ]


def _held(
    correction: Delivered,
    items: Sequence[Item],
    done_to: list[tuple[Relation, int]],
    reader: tuple[Lang, Codes],
) -> Correction:
    lang, codes = reader
    held = bearing.hold(correction, items, codes)
    if held is None:
        return Correction(correction.index, None, "unchecked", [], done_to)
    of_it = held.target.index
    if held.after is not None:
        told = render.diff(held.before, held.after, lang, codes)
        return Correction(correction.index, of_it, "holds", told.split("\n"), done_to)
    if held.refusal is not None and held.refusal.code is Code.OVERSIZED:
        return Correction(correction.index, of_it, "too-many", [], done_to)
    told = "\n\n".join(
        render.claim(held.before.type, each.change, each.found, lang=lang, codes=codes)
        for each in held.unfounded
    )
    if not told and held.refusal is not None:
        told = render.refusal_text(held.refusal, lang, codes)
    return Correction(correction.index, of_it, "unfounded", told.split("\n"), done_to)


def request(item: Delivered, everything: Sequence[Item]) -> boards.Request | None:
    """Return the request for information that a bulletin is, or replies to; None of another."""
    if item.header.type not in ("rfi", "rpy"):
        return None
    answers = item.header.reference("answers")
    named = {item.digest, answers.header_digest if answers else ""}
    return next(
        (each for each in boards.requests(everything) if each.item.digest in named), None
    )
