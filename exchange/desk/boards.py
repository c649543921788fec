"""What is owed in words: replies to requests for information, and initiatives.

A request is over when each of its questions has an outcome, from whoever replied: what one
recipient has no trace of, another may answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeVar

import msgspec

from exchange.client import bearing
from exchange.client.reading import Delivered
from exchange.model.bulletin.records import Dialogue, Initiative
from exchange.model.bulletin.requests import InformationReply, InformationRequest
from exchange.model.identity import member_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.client.reading import Item

T = TypeVar("T")
Outcome = Literal["answered", "partial", "no-trace", "refused"]
State = Literal["late", "open", "partial", "refused", "no-trace", "answered"]
# Of several replies to one question the one that says most counts.
_WEIGHT: Final[dict[str, int]] = {"refused": 1, "no-trace": 2, "partial": 3, "answered": 4}
_OVER: Final = frozenset({"done", "dropped"})
_ENDED: Final = frozenset({"cancels", "supersedes"})


class Request(msgspec.Struct, frozen=True):
    """One request for information and what came of it.

    Attributes:
        item: the request, received or posted.
        asked: what it asks.
        replies: each with its answers, in the journal's order.
        outcomes: of each question that has one, by its number.
        silent: recipients of whose member nobody has replied.
    """

    item: Delivered
    asked: InformationRequest
    replies: tuple[tuple[Delivered, InformationReply], ...]
    outcomes: dict[int, Outcome]
    silent: tuple[str, ...]

    @property
    def due_s(self) -> int:
        """By when a reply is asked for, in seconds UTC."""
        return int(self.asked.reply_by.timestamp())

    def state(self, now: int) -> State:
        """Say how it stands: what has no outcome is open, and late once its time is over."""
        unanswered = [each for each in self.asked.questions if each.n not in self.outcomes]
        if unanswered:
            return "late" if now >= self.due_s else "open"
        # A reply may number answers to what was not asked: they settle nothing.
        said = {self.outcomes[each.n] for each in self.asked.questions}
        if len(said) == 1:
            return said.pop()
        return "partial" if said & {"partial", "refused"} else "answered"


class Owed(msgspec.Struct, frozen=True):
    """An initiative as the newest record of the dialogue has it.

    Attributes:
        record: the bulletin that says so.
        initiative: whose it is, by when, and how it stands.
        before: its states in earlier records, in their order.
    """

    record: Delivered
    initiative: Initiative
    before: tuple[str, ...]

    def is_late(self, now: int) -> bool:
        """Say whether it is due and not done."""
        due = self.initiative.due
        return (
            due is not None
            and now >= due.timestamp()
            and self.initiative.initiative_state not in _OVER
        )


def requests(items: Sequence[Item]) -> list[Request]:
    """Return the requests that stand, what is due soonest first.

    Args:
        items: what is held and what was posted from here, all opened as far as it opens.
    """
    replies = dict[str, list[tuple[Delivered, InformationReply]]]()
    for item, reply in _standing(items, InformationReply):
        # The signed header names it for certain; the text may leave its digest out.
        if reference := item.header.reference("answers"):
            replies.setdefault(reference.header_digest, []).append((item, reply))
    found = [
        _request(item, asked, replies.get(item.digest, []))
        for item, asked in _standing(items, InformationRequest)
    ]
    return sorted(found, key=lambda each: (each.due_s, each.item.index))


def _request(
    item: Delivered,
    asked: InformationRequest,
    replies: Sequence[tuple[Delivered, InformationReply]],
) -> Request:
    outcomes = dict[int, Outcome]()
    for _, reply in replies:
        for answer in reply.answers:
            before = outcomes.get(answer.n)
            if before is None or _WEIGHT[answer.outcome] > _WEIGHT[before]:
                outcomes[answer.n] = _outcome(answer.outcome)
    heard = {reply.header.origin for reply, _ in replies}
    silent = tuple(name for name in item.header.to if member_of(name) not in heard)
    return Request(item, asked, tuple(replies), outcomes, silent)


def _outcome(said: str) -> Outcome:
    match said:
        case "answered" | "partial" | "no-trace" | "refused":
            return said
        case _:
            return "partial"


def initiatives(items: Sequence[Item]) -> list[Owed]:
    """Return the initiatives of the newest record, what is due soonest first.

    An initiative has no number of its own: it is the same where its original text is.
    """
    records = sorted(
        _standing(items, Dialogue), key=lambda each: (each[1].meeting.period.end, each[0].index)
    )
    if not records:
        return []
    past = dict[str, list[str]]()
    for _, record in records[:-1]:
        for each in record.initiatives:
            past.setdefault(each.initiative.text, []).append(each.initiative_state)
    item, newest = records[-1]
    owed = [
        Owed(item, each, tuple(past.get(each.initiative.text, ())))
        for each in newest.initiatives
    ]
    return sorted(owed, key=lambda each: _due(each.initiative))


def _due(initiative: Initiative) -> tuple[bool, float]:
    due = initiative.due
    return (due is None, 0.0 if due is None else due.timestamp())


def _standing(items: Sequence[Item], kind: type[T]) -> Iterator[tuple[Delivered, T]]:
    """Go through the bulletins of one kind that nobody withdrew or put another in place of."""
    marks = bearing.marks(items)
    for item in items:
        if not isinstance(item, Delivered) or item.bulletin is None:
            continue
        done = {mark.relation for mark in marks.get(item.index, ())}
        if isinstance(content := item.bulletin.content, kind) and not done & _ENDED:
            yield item, content
