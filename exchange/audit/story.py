"""A bulletin's whole story: every fact that stands about it in the journals of an index.

From its own entry and what came of it (received abroad, refused there, acknowledged, granted,
told of, ordered to be purged, purged) to what bears on it: corrections, cancellations, updates
and answers, each with the entry that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from exchange.audit.index import Index, Journal
    from exchange.audit.rows import Row


class Step(msgspec.Struct, frozen=True):
    """One fact of a story.

    ``step`` is the word for it: an outcome of the entry's own; or, of another bulletin that
    bears on this one, its relation (``corrects``, ``cancels``, ``supersedes``, ``answers``),
    and ``refused-`` before that where it was refused. ``rule`` is what it came of: a refusal's
    code, a purge's cause and rule, the version of the arrangement under which it was decided.
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
    digests = {row.digest for row in own if row.kind == "accepted" and row.id == identity}
    # Refused, here or abroad: of what was refused a journal keeps the digest alone.
    own += [row for each in digests for row in _rows(index, journals, "digest", each)]
    found = {(row.journal, row.index): row for row in (*bearing, *own)}
    if not found:
        return None
    rows = sorted(found.values(), key=lambda row: (row.taken_ms, row.journal, row.index))
    threads = [row.thread for row in rows if row.id == identity and row.thread]
    thread = threads[0] if threads else identity
    line = _rows(index, journals, "thread", thread)
    others = dict.fromkeys(row.id for row in line if row.kind == "accepted")
    return Story(
        id=identity,
        thread=thread,
        steps=[_step(row, identity) for row in rows],
        others=[each for each in others if each and each != identity],
    )


def _rows(index: Index, journals: dict[str, Journal], name: str, value: str) -> list[Row]:
    found = (index.row(journals[node], at) for node, at in index.named(name, value))
    return [row for row in found if row is not None and (name, value) in row.names()]


def _step(row: Row, identity: str) -> Step:
    step = row.outcome[0] if row.outcome else row.kind
    if row.id != identity and row.kind == "accepted":
        step = next((rel for rel, each in row.refs if each == identity), step)
    return Step(step, row, _rule(row))


def _rule(row: Row) -> str:
    if row.kind in {"refused", "notice", "purge-ordered", "requested"} and (
        row.code or row.rule
    ):
        return " ".join(filter(None, (row.code, row.rule)))
    return f"arrangement v{row.policy}" if row.policy else ""
