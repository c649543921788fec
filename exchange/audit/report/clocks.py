"""Questions and their answers: requests for information, and boarding requests."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

from exchange.audit.report.counting import by_column, is_refused
from exchange.audit.report.figures import SPREAD, Column, Table, spread
from exchange.model.identity import member_of
from exchange.policy import boarding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.audit.report.counting import Counted
    from exchange.audit.report.shared import Fact, Named
    from exchange.model.ticking import Ticking

_ASKING: Final = ("new", "update")
# An answer is one of three: in time, late, or to a request that gave no time.
_ANSWERED: Final = ("answered", "in_time", "late", "untimed")
_TIMED: Final = ("asked", *_ANSWERED, "open", "overdue", "withdrawn")


# What ends a bulletin, and whose word that must be.
_Over = frozenset[tuple[str, "Named"]]


class _Told(NamedTuple):
    """What is told of requests: replies, times agreed on, and what is over or cancelled."""

    replies: Mapping[Named | None, list[Fact]]
    results: Mapping[Named | None, list[Fact]]
    clocks: Mapping[Named | None, Ticking]
    over: _Over
    cancelled: _Over


def answers(counted: Counted, covered_ms: Mapping[str, int]) -> Table:
    """Count requests for information, by the nation that asked.

    A request counts once with all its versions, in the period of the first one, and ``due`` is
    what the newest says. An answer is the first ``rpy`` to any of them, by somebody whom it was
    sent to, that its author did not cancel. In time is one that was taken in at its home by
    then; a request without ``due`` is open until it is answered, and no answer to it is in
    time or late.

    Args:
        counted: what to count.
        covered_ms: by nation, until when its journal is looked at.
    """
    ended, replies = _over(counted, "cancels"), _replies(counted, "rpy")
    lines = _lines(counted, "rfi", counted.bulletins())
    until = min(covered_ms.values()) // 1000
    told = []
    for nation in counted.nations:
        counts: Counter[str] = Counter()
        times: list[int] = []
        for line in (one for one in lines if one[0].row.journal == nation):
            counts["asked"] += 1
            due = line[-1].row.due
            at = [
                one.row.taken_ms
                for each in line
                for one in replies.get(each.about, ())
                if _may_answer(one, each) and not _is_over(one, ended)
            ]
            if at:
                times.append(min(at) - line[0].row.taken_ms)
                counts["answered"] += 1
                counts[_how_soon(min(at) // 1000, due)] += 1
            elif _is_over(line[-1], ended):
                counts["withdrawn"] += 1
            else:
                counts["overdue" if due is not None and until > due else "open"] += 1
        told.append((nation, *(counts[name] for name in _TIMED), *spread(times)))
    columns = (Column("nation", "nation"), *map(Column, _TIMED), *SPREAD)
    return Table("answers", columns, tuple(told))


def _how_soon(at_s: int, due: int | None) -> str:
    if due is None:
        return "untimed"
    return "late" if at_s > due else "in_time"


def boardings(counted: Counted, covered_ms: Mapping[str, int]) -> tuple[Table, Table]:
    """Count boarding requests by the nation asked, and how each case stands at the end.

    By ``policy.boarding``, as officers see it: the clock is that of the node asked. A reply
    that its author cancelled stopped that clock, but is none of the replies that are counted.
    A request counts once with all its versions, in the period of the first one; a reply is one
    to any of them, and the case stands by the clock of the newest that was not refused.
    """
    cases: Counter[tuple[str, str]] = Counter()
    asked: Counter[str] = Counter()
    times: dict[str, list[int]] = {}
    told = _told(counted)
    for line in _lines(counted, boarding.REQUEST, _requests(counted)):
        case, nation = _case(told, line, covered_ms)
        asked[nation] += 1
        cases[case.state, nation] += 1
        at_ms = _replied(told, line, told.cancelled)
        received_ms = next(filter(None, map(_received_ms, line)), None)
        if at_ms and received_ms is not None:
            times.setdefault(nation, []).append(min(at_ms) - received_ms)
    states = by_column(get_args(boarding.State), counted.nations, cases)
    found = ((nation, times.get(nation, [])) for nation in counted.nations)
    replied = tuple((nation, asked[nation], len(of), *spread(of)) for nation, of in found)
    head = (Column("asked_nation", "nation"), Column("asked"), Column("replied"))
    nations = tuple(Column(f"nation.{each}") for each in counted.nations)
    return (
        Table("boardings", (*head, *SPREAD), replied),
        Table("cases", (Column("state", "case-states"), *nations), states),
    )


def _requests(counted: Counted) -> list[Fact]:
    """Return the period's boarding requests; those too that the node asked refused."""
    found = counted.of_period("accepted")
    return [
        each
        for each in found
        if _asks(each, boarding.REQUEST) and each.row.status == counted.status
    ]


def _told(counted: Counted) -> _Told:
    clocks: dict[Named | None, Ticking] = {}
    for each in counted.facts:
        if each.ticking is not None:
            clocks.setdefault(each.about, each.ticking)
    replies, results = (_replies(counted, kind) for kind in (boarding.REPLY, boarding.RESULT))
    over, cancelled = _over(counted, "cancels", "supersedes"), _over(counted, "cancels")
    return _Told(replies, results, clocks, over, cancelled)


def _case(
    told: _Told, line: list[Fact], covered_ms: Mapping[str, int]
) -> tuple[boarding.Case, str]:
    """Return how a request with its versions stands, and of which nation it is asked."""
    # A version that the node asked refused took the place of none there.
    request = next((each for each in reversed(line) if not is_refused(each)), line[-1])
    row, members = request.row, _asked_of(request)
    nation = min((each.partition(".")[0] for each in members), default=row.nation)
    clock = told.clocks.get(request.about)
    received_ms = _received_ms(request)
    reports = [
        one.row.taken_ms // 1000
        for each in line
        for one in told.results.get(each.about, ())
        if one.row.verb in _ASKING and one.row.origin in {*members, row.origin}
    ]
    known = boarding.Known(
        silence=clock.silence if clock else "express",
        received=None if received_ms is None else received_ms // 1000,
        due=clock.due if clock else row.due,
        replies=tuple(sorted(at_ms // 1000 for at_ms in _replied(told, line))),
        reported=min(reports, default=None),
        covered=covered_ms[nation] // 1000 if nation in covered_ms else None,
        is_withdrawn=_is_over(request, told.over),
        is_declined=is_refused(request),
    )
    now = min(covered_ms.values()) // 1000
    return boarding.case(known, now), nation


def _received_ms(request: Fact) -> int | None:
    """Return when who is asked took a request in, in ms UTC; None where it did not."""
    return None if request.there is None or is_refused(request) else request.there.taken_ms


def _replied(told: _Told, line: list[Fact], but: _Over = frozenset()) -> list[int]:
    """Return when who was asked replied, in ms UTC, without the replies that are over."""
    return [
        one.row.taken_ms
        for each in line
        for one in told.replies.get(each.about, ())
        if one.row.verb == "reply"
        and one.row.origin in _asked_of(each)
        and not _is_over(one, but)
    ]


def _asks(fact: Fact, kind: str) -> bool:
    return fact.row.type == kind and fact.row.verb in _ASKING


def _asked_of(fact: Fact) -> set[str]:
    """Return the members whom a request is for, of another nation than its author's."""
    members = {member_of(each) for each in fact.row.to}
    return {each for each in members if each.partition(".")[0] != fact.row.nation}


def _may_answer(reply: Fact, request: Fact) -> bool:
    return reply.row.origin in {member_of(each) for each in request.row.to}


def _replies(counted: Counted, kind: str) -> dict[Named | None, list[Fact]]:
    """Return bulletins of a type by what they answer, in the journals' order."""
    found: dict[Named | None, list[Fact]] = {}
    for each in counted.facts:
        if each.row.kind == "accepted" and each.row.type == kind and not is_refused(each):
            for relation, named in each.refs:
                if relation == "answers":
                    found.setdefault(named, []).append(each)
    return found


def _lines(counted: Counted, kind: str, counting: list[Fact]) -> list[list[Fact]]:
    """Return requests, each with its newer versions behind it.

    Facts are in the order of time by two clocks, those of one author by one: a version comes
    behind what it replaces.

    Args:
        counted: all that is looked at.
        kind: the type of the requests.
        counting: those that are to be counted, by their first versions. What was refused is a
            version only if it is among them.
    """
    heads: dict[tuple[str, Named | None], list[Fact]] = {}
    wanted = {id(each) for each in counting}
    every = (*counted.facts, *counted.kept())
    for each in sorted(every, key=lambda one: one.row.taken_ms):
        if each.row.kind != "accepted" or not _asks(each, kind):
            continue
        if is_refused(each) and id(each) not in wanted:
            continue
        origin = each.row.origin
        older = (heads.get((origin, of)) for rel, of in each.refs if rel == "supersedes")
        line = next((one for one in older if one is not None), [])
        line.append(each)
        heads[origin, each.about] = line
    firsts = {id(line): line for line in heads.values() if id(line[0]) in wanted}
    return list(firsts.values())


def _over(counted: Counted, *relations: str) -> _Over:
    """Return what bulletins bear on so, with whose word that is."""
    return frozenset(
        (each.row.origin, named)
        for each in counted.facts
        if each.row.kind == "accepted" and not is_refused(each)
        for relation, named in each.refs
        if relation in relations
    )


def _is_over(fact: Fact, over: _Over) -> bool:
    """Tell whether its own author's agency ended it: nobody else can."""
    return fact.about is not None and (fact.row.origin, fact.about) in over
