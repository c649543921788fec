"""Who is granted a bulletin late is told what stands of all that bears on it, and only that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from exchange.broker import bearing, records
from exchange.broker.records import Recorded, Rejected
from exchange.broker.replay import Replayer
from exchange.errors import Code
from exchange.model import entry as entries
from exchange.model.header import MAX_RECIPIENTS
from exchange.model.identity import digest
from exchange.model.view import View
from tests import builders
from tests.books import Book
from tests.broker.amending import cancelling, correcting, facts, owed, updating
from tests.builders import COAST, DESK, WATCH, WATCH_DESK, Envelope, refers

WORLD = builders.world()


class Told:
    """A journal in which a bulletin was granted after all else came, and how it was told."""

    def __init__(self, arrivals: Sequence[Any], *, in_one_group: bool) -> None:
        self.book = Book(View(anchor=WORLD.anchor))
        self.documents = {digest(each): each for each in WORLD.documents}
        for each in WORLD.documents:
            self.book.post(WORLD.arrival(each, ""))
        self.first = len(self.book.entries)
        made = [WORLD.arrival(each) for each in arrivals]
        for group in [made] if in_one_group else [[each] for each in made]:
            for settled in self.book.post(*group):
                assert isinstance(settled, Recorded)

    def facts(self, place: int) -> Any:
        return entries.decode(self.book.entries[place]).facts

    def standing(self, place: int = -1) -> tuple[list[int], list[int]]:
        told = self.facts(place)
        return self._numbers(told.corrected_by), self._numbers(told.superseded_by)

    def _numbers(self, told: Any) -> list[int]:
        return [] if told is msgspec.UNSET else [each - self.first for each in told]

    def replays(self) -> bool:
        """An auditor comes to the same bytes."""
        kept = self.book.entries
        replayer = Replayer(View(anchor=WORLD.anchor), kept.__getitem__, self.documents.get)
        return all(replayer.step(raw).record.entry == raw for raw in kept)


def cancelled(target: Envelope) -> Envelope:
    return cancelling(target)


# Each: what came, in order, "b" being the bulletin; which of it is named at its grant. A name
# says what it does to the one after it: "c" corrects, "u" supersedes, "x" cancels.
CASES: dict[str, tuple[list[str], list[int], list[int]]] = {
    "nothing": (["b"], [], []),
    "all that correct it": (["b", "c1>b", "c2>b", "c3>b"], [1, 2, 3], []),
    "both updates": (["b", "u1>b", "u2>b"], [], [1, 2]),
    "not what was cancelled": (["b", "c1>b", "c2>b", "x>c1"], [2], []),
    "nothing once all was cancelled": (["b", "c1>b", "u1>b", "x>c1", "y>u1"], [], []),
    "not what was cancelled before it came": (["b", "x>c1", "c1>b", "c2>b"], [3], []),
    "what corrects a correction": (["b", "c1>b", "c2>c1"], [1, 2], []),
    "nothing of a cancelled line": (["b", "c1>b", "c2>c1", "x>c1"], [], []),
    "the end of a line of updates": (["b", "u1>b", "u2>u1", "u3>u2"], [], [3]),
    "the last that stands of a line": (["b", "u1>b", "u2>u1", "x>u2"], [], [1]),
    "the end over a cancelled update": (["b", "u1>b", "u2>u1", "x>u1"], [], [2]),
    "one end over a cancelled update": (["b", "u1>b", "u2>u1", "u3>u2", "x>u2"], [], [3]),
    "what came before it": (["c1>b", "u1>b", "b"], [0], [1]),
    "all that came before and after": (["c1>b", "c2>b", "b", "c3>b"], [0, 1, 3], []),
    "what came before and was not cancelled": (["c1>b", "c2>b", "b", "x>c1"], [1], []),
    "a line that came in reverse": (["c3>c2", "c2>c1", "c1>b", "b"], [0, 1, 2], []),
    "what still came before the first link": (["b", "c2>c1", "c1>b"], [1, 2], []),
}
_ACTS = {"c": correcting, "u": updating, "x": cancelled, "y": cancelled}


def made(steps: Sequence[str]) -> tuple[list[Envelope], builders.Closed]:
    """The envelopes of a case, in the order in which they come."""
    closed = WORLD.closed()
    known, due = {"b": closed.envelope}, [each for each in steps if each != "b"]
    while due:
        for step in list(due):
            name, target = step.split(">")
            if target in known:
                known[name] = _ACTS[name[0]](known[target])
                due.remove(step)
    return [known[each.split(">")[0]] for each in steps], closed


@pytest.mark.parametrize("in_one_group", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_a_grant_names_what_stands_and_an_auditor_finds_the_same(
    case: str, in_one_group: bool
) -> None:
    steps, corrections, updates = CASES[case]
    envelopes, closed = made(steps)
    told = Told([*envelopes, WORLD.grant(closed)], in_one_group=in_one_group)
    assert told.standing() == (corrections, updates)
    assert told.replays()


@pytest.mark.parametrize("name_it", [["b", "c1>b"], ["c1>b", "b"]])
@pytest.mark.parametrize("amend", [cancelling, correcting])
def test_whoever_was_told_of_a_correction_hears_what_becomes_of_it(
    name_it: list[str], amend: Any
) -> None:
    """By its grant, or by the entry of the bulletin that it holds: it holds no correction."""
    steps, closed = made(name_it)
    correction = steps[name_it.index("c1>b")]
    told = Told([*steps, WORLD.grant(closed)], in_one_group=False)
    assert isinstance(told.book.post(WORLD.arrival(amend(correction)))[0], Recorded)
    entry = told.facts(-1)
    assert {each.endpoint for each in entry.owed} >= {WATCH_DESK, WATCH, COAST}
    assert told.replays()


def test_what_only_claims_to_bear_on_a_bulletin_is_no_news_to_its_holders() -> None:
    """It came early under another id, so it was held to nothing: nobody is told of its end."""
    target = WORLD.envelope(to=[DESK])
    (right,) = builders.refers("corrects", target)
    refs = [msgspec.structs.replace(right, id=builders.new_id())]
    wrong = correcting(target, to=[WATCH], refs=refs)
    book = Book()
    book.post(*(WORLD.arrival(each) for each in (wrong, target)))
    book.post(WORLD.arrival(cancelling(wrong, to=[COAST])))
    assert owed(book, book.base + 2).keys() == {COAST, WATCH}


def test_a_correction_that_was_cancelled_is_not_named_by_what_comes_after_both() -> None:
    steps, _ = made(["c1>b", "x>c1", "c2>b", "b"])
    book = Book()
    book.post(*(WORLD.arrival(each) for each in steps))
    assert facts(book, book.base + 3).corrected_by == book.base + 2


def test_more_than_can_be_looked_through_is_taken_in_but_granted_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bearing, "MAX_BEARING", 3)
    steps, closed = made(["b", "c1>b", "c2>b"])
    told = Told([*steps, WORLD.grant(closed)], in_one_group=False)
    assert told.standing() == ([1, 2], [])
    for _ in range(3):
        more = WORLD.arrival(correcting(closed.envelope))
        assert isinstance(told.book.post(more)[0], Recorded)
    assert told.replays()
    refused = told.book.post(WORLD.arrival(WORLD.grant(closed, DESK)))[0]
    assert isinstance(refused, Rejected)
    assert (refused.refusal.code, refused.refusal.at) == (Code.OVERSIZED, "/of")


def test_a_long_line_is_granted_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bearing, "MAX_STANDING", 2)
    steps, closed = made(["b", "c1>b", "c2>c1", "c3>c2"])
    book = Book()
    book.post(*(WORLD.arrival(each) for each in steps))
    refused = book.post(WORLD.arrival(WORLD.grant(closed)))[0]
    assert isinstance(refused, Rejected)
    assert refused.refusal.code is Code.OVERSIZED


def test_no_grant_where_the_end_of_what_it_names_could_not_be_told_to_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One more than the bulletin: the correction's own; the new recipient; its author."""
    closed = WORLD.closed(to=[WATCH])
    correction = correcting(closed.envelope, to=[COAST])
    for room, expected in ((3, Rejected), (4, Recorded)):
        monkeypatch.setattr(records, "MAX_OWED", MAX_RECIPIENTS + room)
        book = Book()
        book.post(*(WORLD.arrival(each) for each in (closed.envelope, correction)))
        assert isinstance(book.post(WORLD.arrival(WORLD.grant(closed)))[0], expected)


def test_a_grant_in_the_group_of_its_bulletin_is_held_to_all_that_came_before_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only the bulletin leads from the one to the other; it was not here to be looked up."""
    monkeypatch.setattr(records, "MAX_OWED", MAX_RECIPIENTS + 4)
    closed = WORLD.closed(to=[WATCH])
    early = WORLD.closed(
        type="cor", verb="correct", refs=refers("corrects", closed.envelope), to=[WATCH]
    )
    grants = [WORLD.grant(early, to) for to in (WATCH_DESK, DESK)]
    told = Told([early.envelope, *grants], in_one_group=False)
    together = (closed.envelope, WORLD.grant(closed, COAST))
    taken, refused = told.book.post(*(WORLD.arrival(each) for each in together))
    assert isinstance(taken, Recorded)
    assert isinstance(refused, Rejected)
    assert refused.refusal.code is Code.OVERSIZED
    assert told.replays()
