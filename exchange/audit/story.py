"""A bulletin's whole story: every fact that stands about it in the journals of an index.

From its own entry and what came of it (received abroad, refused there, acknowledged, granted,
told of, ordered to be purged, purged) to what bears on it: corrections, cancellations, updates
and answers, each with the entry that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.audit.index import Index, Journal
    from exchange.audit.rows import Row


_WEIGHS: Final = ("cancels", "corrects", "supersedes", "answers")


class Step(msgspec.Struct, frozen=True):
    """One fact of a story.

    ``step`` is the word for it: an outcome of the entry's own; or, of another bulletin that
    bears on this one, its relation (``corrects``, ``cancels``, ``supersedes``, ``answers``).
    Whoever signs may name any id: what its author's agency did not sign, or is of another
    digest, only ``names`` it; an answer may be anybody's. ``rule`` is what it came of: a
    refusal's code, a purge's cause and rule, the version of the arrangement under which it was
    decided.
    """

    step: str
    row: Row
    rule: str


class Story(msgspec.Struct, frozen=True):
    """What stands about one bulletin: its rows over all journals, in the order of time.

    ``thread`` is the first bulletin of its line, ``others`` the line's other bulletins.
    """

    id: str
    thread: str
    steps: list[Step]
    others: list[str]


def tell(index: Index, identity: str) -> Story | None:
    """Return a bulletin's story; None where nothing is known of it."""
    journals = {each.node: each for each in index.journals()}
    own = _rows(index, journals, "id", identity)
    bearing = _rows(index, journals, "target", identity)
    itself = [row for row in own if row.kind == "accepted" and row.id == identity]
    digests = {row.digest for row in itself}
    # Refused, here or abroad: of what was refused a journal keeps the digest alone.
    own += [row for each in digests for row in _rows(index, journals, "digest", each)]
    found = {(row.journal, row.index): row for row in (*bearing, *own)}
    if not found:
        return None
    rows = sorted(found.values(), key=lambda row: (row.taken_ms, row.journal, row.index))
    threads = [row.thread for row in rows if row.id == identity and row.thread]
    thread = threads[0] if threads else identity
    line = _rows(index, journals, "thread", thread)
    steps = [_step(row, identity, itself) for row in rows]
    apart = {identity, "", *(each.row.id for each in steps if each.step == "names")}
    others = dict.fromkeys(row.id for row in line if row.kind == "accepted")
    return Story(identity, thread, steps, [each for each in others if each not in apart])


def _rows(index: Index, journals: dict[str, Journal], name: str, value: str) -> list[Row]:
    found = (index.row(journals[node], at) for node, at in index.named(name, value))
    return [row for row in found if row is not None and (name, value) in row.names()]


def _step(row: Row, identity: str, itself: Sequence[Row]) -> Step:
    step = row.outcome[0] if row.outcome else row.kind
    if row.id != identity and row.kind == "accepted":
        step = _relation(row, identity, itself) or step
    return Step(step, row, _rule(row))


def _relation(row: Row, identity: str, itself: Sequence[Row]) -> str:
    """Return how a bulletin bears on another; of what is in no journal here, as it says."""
    said = [
        (relation, digest)
        for (relation, named), digest in zip(row.refs, row.named, strict=False)
        if named == identity
    ]
    bears = [
        relation
        for relation, digest in said
        for each in itself
        if each.digest == digest and (relation == "answers" or each.origin == row.origin)
    ]
    if said and itself:
        # One that answers what it corrects or cancels does that above all.
        return min(bears, key=_WEIGHS.index, default="names")
    for relation, _ in said:
        return relation
    return ""


def _rule(row: Row) -> str:
    if row.kind in {"refused", "notice", "purge-ordered", "requested"} and (
        row.code or row.rule
    ):
        return " ".join(filter(None, (row.code, row.rule)))
    return f"arrangement v{row.policy}" if row.policy else ""
