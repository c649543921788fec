"""A boarding case in values: where it stands, who owes what by when, and what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import UNSET

from exchange.cli import abroad
from exchange.cli.times import zulu, zulu_ms
from exchange.journal import checkpoint as c2sp
from exchange.model.bulletin import Brp, Brr
from exchange.model.codec import unb64

if TYPE_CHECKING:
    from exchange.client.cases import BoardingCase, Piece, Told
    from exchange.client.judging import Came
    from exchange.client.reading import Acked, Noticed


class Step(NamedTuple):
    """One step of a case: when it was taken in first, where, and when and where here.

    Times in ms UTC; None: no receipt yet.
    """

    step: str
    at_ms: int | None
    entry: int | None
    node: str
    here_ms: int | None
    here_entry: int | None
    who: str
    id: str
    more: dict[str, Any]


def steps(case: BoardingCase, node: str) -> list[Step]:
    """Return the timeline, by when each was taken in at its home; what has no receipt last.

    Args:
        case: it.
        node: our own node.
    """
    found = [_of_piece("asked", case.request, node)]
    if (clock := case.clock) is not None and clock.node != node:
        # By its own word, in the notice of when the time began.
        at = (clock.taken * 1000, clock.index, clock.node, None, None)
        found.append(Step("received", *at, clock.node, case.request.header.id, {}))
    for each in case.replies:
        step = _of_piece("replied", each, node)
        due, at_ms = case.known.due, each.taken_ms
        is_late = due is not None and at_ms is not None and at_ms // 1000 > due
        found.append(step._replace(more={"late": is_late}))
    found += [_of_piece("reported", each, node) for each in case.results]
    found += [_of_piece(each.header.verb, each, node) for each in case.also]
    found += [_of_notice(each, node) for each in case.told]
    found += [_of_ack(each, node) for each in case.acks]
    return sorted(found, key=lambda each: (each.at_ms is None, each.at_ms or 0))


def _of_piece(name: str, piece: Piece, node: str) -> Step:
    at = _places(piece.came, piece.here_ms, piece.index, node)
    return Step(name, *at, piece.header.endpoint, piece.header.id, {})


def _of_notice(told: Told, node: str) -> Step:
    item, notice = told.item, told.item.notice
    at = _places(item.came, item.taken_ms, item.index, node)
    more: dict[str, Any] = {"recipient": notice.recipient, "code": notice.code}
    if notice.clock is not UNSET:
        more["clock"] = notice.clock
    more["doubt"] = told.doubt
    return Step(notice.about, *at, notice.node, notice.id, more)


def _of_ack(acked: Acked, node: str) -> Step:
    ack = acked.ack
    at = _places(acked.came, acked.taken_ms, acked.index, node)
    more = {"outcome": ack.outcome, "officer": ack.officer, "of": ack.of.id}
    return Step("acknowledged", *at, ack.endpoint, ack.id, more)


def _places(
    came: Came | None, taken_ms: int | None, index: int | None, node: str
) -> tuple[int | None, int | None, str, int | None, int | None]:
    if came is None:
        return taken_ms, index, node, None, None
    return came.taken_ms, came.index, came.node, taken_ms, index


def values(case: BoardingCase, node: str, now: int) -> dict[str, Any]:
    """Return a case as values."""
    header, stands, due = case.request.header, case.case, case.case.due
    return {
        "id": header.id,
        "index": case.request.index,
        "node": node,
        "verb": header.verb,
        "status": header.status,
        "precedence": header.precedence,
        "regime": header.regime,
        "from": header.endpoint,
        "to": header.to,
        "asked": {"nation": case.terms.asked, "node": case.node, "endpoints": case.asked},
        "agreed": {
            "minutes": case.terms.minutes,
            "silence": case.terms.silence,
            "reminders": list(case.terms.reminders),
            "reply_by": None if header.due is None else zulu(header.due),
        },
        "clock": None if case.clock is None else _clock(case),
        "received": None if case.known.received is None else zulu(case.known.received),
        "state": stands.state,
        "reason": stands.reason,
        "basis": stands.basis,
        "due": None if due is None else zulu(due),
        "due_in_s": None if due is None else due - now,
        "late": stands.is_late,
        "deemed": None if case.proof is None else proof(case.proof),
        "owes": [
            {"what": each.what, "who": each.who, "by": each.by and zulu(each.by)}
            for each in case.owes()
        ],
        "replies": [_reply(each) for each in case.replies],
        "results": [_result(each) for each in case.results],
        "steps": [_step(each) for each in steps(case, node)],
    }


def _clock(case: BoardingCase) -> dict[str, Any] | None:
    clock = case.clock
    if clock is None:
        return None
    taken, due = zulu(clock.taken), zulu(clock.due)
    return {"node": clock.node, "index": clock.index, "taken": taken, "due": due}


def proof(item: Noticed) -> dict[str, Any]:
    """Return what silence came to, who says so, and by which checkpoint."""
    notice, clock = item.notice, item.notice.clock
    told = {"about": notice.about, "code": notice.code, "by": notice.node, "index": item.index}
    if clock is UNSET:
        return told
    size = c2sp.parse(unb64(clock.note)).size
    checkpoint = {"node": clock.node, "size": size, "dated": zulu(clock.dated)}
    return {**told, "checkpoint": checkpoint}


def _reply(piece: Piece) -> dict[str, Any]:
    said = piece.text.content if isinstance(piece.text, Brp) else None
    until = said.valid_until if said else None
    return {
        "id": piece.header.id,
        "index": piece.index,
        "from": piece.header.endpoint,
        "taken": None if piece.taken_ms is None else zulu_ms(piece.taken_ms),
        "came": abroad.values(piece.came),
        "decision": said.boarding_decision if said else None,
        "actions": said.actions_authorised if said else None,
        "conditions": said.conditions.text if said and said.conditions else None,
        "valid_until": None if until is None else zulu(int(until.timestamp())),
    }


def _result(piece: Piece) -> dict[str, Any]:
    said = piece.text.content if isinstance(piece.text, Brr) else None
    return {
        "id": piece.header.id,
        "index": piece.index,
        "from": piece.header.endpoint,
        "taken": None if piece.taken_ms is None else zulu_ms(piece.taken_ms),
        "came": abroad.values(piece.came),
        "consent_basis": said.consent_basis if said else None,
        "disposition": said.disposition if said else None,
    }


def _step(each: Step) -> dict[str, Any]:
    told: dict[str, Any] = {
        "step": each.step,
        "at": None if each.at_ms is None else zulu_ms(each.at_ms),
        "node": each.node,
        "index": each.entry,
        "who": each.who,
        "id": each.id,
    }
    if each.here_ms is not None:
        told["here"] = {"at": zulu_ms(each.here_ms), "index": each.here_entry}
    more = {name: value for name, value in each.more.items() if value is not None}
    clock = more.pop("clock", None)
    if clock is not None:
        told["taken"], told["due"] = zulu(clock.taken), zulu(clock.due)
    return {**told, **more}
