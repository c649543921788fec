"""Boarding requests as cases: what this endpoint holds of each, and what that proves.

A case is a request, what nodes told of its time, the replies, the results, and what ended it.
Nothing is asked of anybody: what is held was verified when it came. A time is taken from the
other node only as it was agreed, and silence only from our node's notice, once the checkpoint
in that holds.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from exchange.client import bearing
from exchange.client.judging import Came
from exchange.client.reading import Acked, Delivered, Item, Noticed
from exchange.errors import Refusal
from exchange.journal import terms as journal_terms
from exchange.model.bulletin import Brp, Bulletin
from exchange.model.codec import unb64
from exchange.model.header import Header
from exchange.model.identity import member_of
from exchange.model.ticking import Ticking
from exchange.policy import boarding
from exchange.policy.boarding import Case, Known, Terms
from exchange.policy.chasing import LEAST_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from exchange.client.story import Posted
    from exchange.client.trust import TrustLog
    from exchange.model.objects import Notice
    from exchange.model.view import View

# What a node told that this endpoint does not go by.
Doubt = Literal["not-agreed", "not-its-own", "not-proved"]
_OUTCOMES = ("deemed", "overdue")


class Piece(msgspec.Struct, frozen=True):
    """A bulletin of a case: posted from here, or come.

    Attributes:
        index: its entry at our node, and ``here_ms`` when that was taken in; None: no receipt.
        came: where it was taken in first, if that was at another node.
        text: what it says, where that is open here.
        is_ours: it was posted from here.
        withdrawn: entries that cancel or replace it, as its own entry says.
    """

    header: Header
    digest: str
    index: int | None
    here_ms: int | None
    came: Came | None
    text: Bulletin | None
    is_ours: bool
    withdrawn: tuple[int, ...] = ()

    @property
    def taken_ms(self) -> int | None:
        """When its home took it in, ms UTC."""
        return self.came.taken_ms if self.came else self.here_ms


class Held(NamedTuple):
    """All that a case is made of; ``now`` in seconds UTC.

    ``text_of`` returns what a bulletin says that was posted from here; None: it is gone.
    """

    posted: Sequence[Posted]
    items: Sequence[Item]
    trust: TrustLog
    now: int
    text_of: Callable[[Header], Bulletin | None] = lambda _: None


class Owes(msgspec.Struct, frozen=True):
    """What is open: somebody owes something, by a time in seconds UTC; None: none is set."""

    what: Literal["reply", "shown", "acknowledgement", "checkpoint", "ask-again", "result"]
    who: list[str]
    by: int | None = None


class Told(msgspec.Struct, frozen=True):
    """A notice of a case, and why it is not gone by, if it is not."""

    item: Noticed
    doubt: Doubt | None = None


class BoardingCase(msgspec.Struct, frozen=True):
    """A boarding request and all that belongs to it.

    Attributes:
        asked: the endpoints that are asked; ``node`` is the one that takes it in for them.
        clock: its time as that node told it, where that is what was agreed.
        proof: the notice that says what silence came to, and whose checkpoint holds.
        also: what else bears on a piece of it: corrects, cancels or replaces that.
    """

    request: Piece
    terms: Terms
    asked: list[str]
    node: str
    known: Known
    case: Case
    clock: Ticking | None
    proof: Noticed | None
    told: list[Told]
    acks: list[Acked]
    replies: list[Piece]
    results: list[Piece]
    also: list[Piece]

    @property
    def pieces(self) -> list[Piece]:
        """Every bulletin of it."""
        return [self.request, *self.replies, *self.results, *self.also]

    def owes(self) -> list[Owes]:
        """Return what is open, and who owes it by when."""
        state, due = self.case.state, self.case.due or self.request.header.due
        reply = Owes("reply", self.asked, due)
        asker = [self.request.header.endpoint]
        if state in ("open", "reminded", "overdue"):
            return [reply]
        if state == "undetermined":
            # Its node tells nothing where no time is agreed on: who acknowledges shows it.
            shown = Owes("shown", [self.node])
            if self.terms.minutes is None:
                shown = Owes("acknowledgement", self.asked)
            first = {
                "not-shown": shown,
                "declined-there": Owes("ask-again", asker),
                "not-covered": Owes("checkpoint", [self.node], due),
            }[self.case.reason or "not-shown"]
            return [first] if first.what == "ask-again" else [first, reply]
        is_leave = state in ("standing", "deemed-consent") or (
            state == "answered" and self.decision() not in ("refuse", "alternative")
        )
        return [Owes("result", asker)] if is_leave else []

    def decision(self) -> str | None:
        """Return what the first reply decides; None where there is none, or it is not open."""
        first = min(self.replies, key=lambda each: each.taken_ms or 0, default=None)
        text = first.text if first else None
        return text.content.boarding_decision if isinstance(text, Brp) else None


def pieces(held: Held) -> Iterator[Piece]:
    """Yield every bulletin that was posted from here or came, each once."""
    seen = set()
    for each in held.posted:
        if not _is_of_case(each.header) or each.digest in seen:
            continue
        seen.add(each.digest)
        taken_ms = each.facts.taken_ms if each.facts else None
        text = held.text_of(each.header)
        ended = _ended(each.facts.cancelled_by, each.facts.superseded_by) if each.facts else ()
        at = (each.index, taken_ms, None)
        yield Piece(each.header, each.digest, *at, text, is_ours=True, withdrawn=ended)
    for item in held.items:
        if not isinstance(item, Delivered) or not _is_of_case(item.header):
            continue
        if item.digest not in seen:
            seen.add(item.digest)
            text = item.bulletin if isinstance(item.bulletin, Bulletin) else None
            ended = tuple(by for relation, by in item.earlier if relation != "corrects")
            came = (item.accepted, item.accepted_ms, item.taken_in)
            yield Piece(item.header, item.digest, *came, text, is_ours=False, withdrawn=ended)


def _is_of_case(header: Header) -> bool:
    """Tell whether a bulletin may be of a case: by its type, or by what it does to another."""
    is_it = header.type in (boarding.REQUEST, boarding.REPLY, boarding.RESULT)
    return is_it or header.verb in ("cancel", "correct", "update")


def _ended(*named: object) -> tuple[int, ...]:
    return tuple(each for each in named if isinstance(each, int))


def cases(held: Held) -> list[BoardingCase]:
    """Return every boarding case that is held here, the oldest first."""
    answers, bears = defaultdict[str, list[Piece]](list), defaultdict[str, list[Piece]](list)
    found = list(pieces(held))
    for each in found:
        answered, borne = each.header.reference("answers"), bearing.reference_of(each.header)
        if answered is not None:
            answers[answered.header_digest].append(each)
        if borne is not None:
            bears[borne.header_digest].append(each)
    news, acks = defaultdict[str, list[Noticed]](list), defaultdict[str, list[Acked]](list)
    for item in held.items:
        if isinstance(item, Noticed):
            news[item.notice.of.header_digest].append(item)
        elif isinstance(item, Acked):
            acks[item.ack.of.header_digest].append(item)
    made = [
        _Maker(each, held, answers, bears, news, acks).make()
        for each in found
        if boarding.asked_of(each.header) is not None
    ]
    known = [each for each in made if each is not None]
    return sorted(known, key=lambda each: each.request.taken_ms or 1 << 62)


class Duty(NamedTuple):
    """A boarding request that waits for an answer, as who is asked sees it, or who asks.

    ``due`` is until when, seconds UTC, and ``left_s`` how long that is, negative once it is
    over; None: no time is set, or none is known. ``urged``: see ``boarding.urged``.
    """

    role: Literal["asked", "asker"]
    case: BoardingCase
    due: int | None
    left_s: int | None
    urged: int

    @property
    def key(self) -> tuple[str, str]:
        """Which case it is of; and how that stands, as news of that is told too."""
        return self.case.request.digest, self.case.case.state


def duties(found: Iterable[BoardingCase], endpoint: str, now: int) -> list[Duty]:
    """Return what waits for an answer by this endpoint, or is overdue to it; soonest first."""
    told = [each for case in found if (each := _duty(case, endpoint, now)) is not None]
    return sorted(told, key=lambda each: each.due or 1 << 62)


def _duty(case: BoardingCase, endpoint: str, now: int) -> Duty | None:
    stands, request = case.case, case.request
    due = stands.due or request.header.due
    left_s = None if due is None else due - now
    if stands.state not in ("open", "reminded", "undetermined", "overdue"):
        return None
    if endpoint in case.asked:
        is_mine = not case.replies and case.known.received is not None
        urged = boarding.urged(case.known, now)
        return Duty("asked", case, due, left_s, urged) if is_mine else None
    if endpoint.partition("/")[0] != request.header.origin or request.here_ms is None:
        return None
    if left_s is not None and left_s < 0:
        return Duty("asker", case, due, left_s, boarding.urged(case.known, now) or 1)
    # Nobody says that it came: told once the target of its precedence passed by.
    late_s = now - request.here_ms // 1000 - case.known.apart_s
    if stands.reason == "not-covered" or stands.state != "undetermined" or late_s < 0:
        return None
    return Duty("asker", case, due, left_s, late_s // case.known.apart_s + 1)


def named(found: Iterable[BoardingCase], said: str) -> BoardingCase | None:
    """Return the case that a person means by the id, or our entry, of any bulletin of it."""
    for case in found:
        own = [case.request, *case.replies, *case.results]
        if any(said in (each.header.id, str(each.index)) for each in own if said):
            return case
    return None


class _Maker(NamedTuple):
    request: Piece
    held: Held
    answers: dict[str, list[Piece]]
    bears: dict[str, list[Piece]]
    news: dict[str, list[Noticed]]
    acks: dict[str, list[Acked]]

    def make(self) -> BoardingCase | None:
        request, held = self.request, self.held
        header, digest = request.header, request.digest
        view = self._view(request.index)
        agreed = boarding.terms(header, view.agreed())
        asked = boarding.asked_of(header)
        if agreed is None or asked is None:
            return None
        node = next((n for n, each in view.nodes.items() if agreed.asked in each.serves), "")
        told, clock = self._clock(agreed, node)
        told, proof, covered = self._proof(told, clock, agreed)
        answers = self.answers.get(digest, [])
        replies = [e for e in answers if boarding.is_reply(e.header, header, digest)]
        results = [
            e for e in answers if boarding.is_reply(e.header, header, digest, boarding.RESULT)
        ]
        of = [digest, *(each.digest for each in (*replies, *results))]
        ended = [
            each
            for each in self.bears.get(digest, [])
            if each.header.verb != "correct" and each.header.origin == header.origin
            and each.taken_ms is not None
        ]  # fmt: skip
        acks = [ack for each in of for ack in self.acks.get(each, [])]
        received = self._received(agreed, clock, acks, view)
        due = header.due if received is None else boarding.due_at(agreed, received, header.due)
        known = Known(
            silence=agreed.silence,
            reminders=agreed.reminders,
            received=received,
            due=clock.due if clock else due,
            replies=_times(replies),
            reported=min(_times(results), default=None),
            covered=covered,
            is_withdrawn=bool(ended or request.withdrawn),
            is_declined=self._is_declined(asked[1]),
            apart_s=max(view.agreed().target_s(header.precedence), LEAST_S),
        )
        return BoardingCase(
            request=request,
            terms=agreed,
            asked=[each for each in header.to if member_of(each) in asked[1]],
            node=node,
            known=known,
            case=boarding.case(known, held.now),
            clock=clock,
            proof=proof,
            told=told,
            acks=acks,
            replies=replies,
            results=results,
            also=[each for one in of for each in self.bears.get(one, [])],
        )

    def _view(self, index: int | None) -> View:
        trust = self.held.trust
        return trust.newest if index is None else trust.before(index).view

    def _clock(self, agreed: Terms, node: str) -> tuple[list[Told], Ticking | None]:
        """Return what nodes told, and the time of the request, if that is what was agreed."""
        told, clock = [], None
        for item in self.news.get(self.request.digest, []):
            said, doubt = item.notice.clock, None
            if said is not msgspec.UNSET:
                plain = msgspec.structs.replace(said, note="", dated=0)
                doubt = self._doubt(item, plain, agreed, node)
                if doubt is None and clock is None and item.notice.about not in _OUTCOMES:
                    clock = plain
                if doubt is None and clock is not None and plain != clock:
                    doubt = "not-its-own"
            told.append(Told(item, doubt))
        return told, clock

    def _doubt(
        self, item: Noticed, said: Ticking, agreed: Terms, node: str
    ) -> Doubt | None:  # fmt: skip
        header = self.request.header
        # What is agreed may have changed between: it is held to what was agreed here then.
        later = boarding.terms(header, self._view(item.index).agreed())
        if not any(boarding.is_agreed(said, header, each) for each in (agreed, later)):
            return "not-agreed"
        ours, request = self.held.trust.node, self.request
        teller = ours if item.notice.about in _OUTCOMES else said.node
        if said.node != node or item.notice.node != teller:
            return "not-its-own"
        taken = None if request.here_ms is None else request.here_ms // 1000
        if said.node == ours and (said.index, said.taken) != (request.index, taken):
            return "not-its-own"
        return None

    def _proof(
        self, told: list[Told], clock: Ticking | None, agreed: Terms
    ) -> tuple[list[Told], Noticed | None, int | None]:
        """Return what told of silence, once its checkpoint holds; and the date of that."""
        made, proof, covered = [], None, None
        for each in told:
            notice, doubt = each.item.notice, each.doubt
            if notice.about in _OUTCOMES and doubt is None:
                dated = None if clock is None else self._dated(notice)
                is_so = notice.about == "overdue" or notice.code == agreed.silence
                if dated is None or not is_so or (clock and dated <= clock.due):
                    doubt = "not-proved"
                else:
                    proof, covered = each.item, dated
            made.append(Told(each.item, doubt))
        return made, proof, covered

    def _dated(self, notice: Notice) -> int | None:
        """Return of when a notice's checkpoint is; None where that does not hold."""
        said, trust = notice.clock, self.held.trust
        if said is msgspec.UNSET:
            return None
        try:
            ours = said.node == trust.node
            view = trust.newest if ours else trust.home(said.node).newest
            note = unb64(said.note)
            dated = journal_terms.of(note, said.node, view).dated(note)
        except Refusal:
            return None
        return dated if dated == said.dated else None

    def _received(
        self, agreed: Terms, clock: Ticking | None, acks: Sequence[Acked], view: View
    ) -> int | None:
        """Return when the node of the nation asked took the request in; None: not shown."""
        if clock is not None:
            return clock.taken
        here_ms, ours = self.request.here_ms, view.nodes.get(self.held.trust.node)
        if here_ms is not None and ours is not None and agreed.asked in ours.serves:
            return here_ms // 1000
        if agreed.minutes is not None:
            return None
        # Nobody tells of a time where none is agreed on: who acknowledged had it by then.
        shown = [
            (each.came.taken_ms if each.came else each.taken_ms) // 1000
            for each in acks
            if each.ack.of.header_digest == self.request.digest
            and each.ack.endpoint.partition(".")[0] == agreed.asked
        ]
        return min(shown, default=None)

    def _is_declined(self, members: frozenset[str]) -> bool:
        """Tell whether the request was refused abroad for everybody who is asked."""
        asked = {each for each in self.request.header.to if member_of(each) in members}
        refused = {
            each.notice.recipient
            for each in self.news.get(self.request.digest, [])
            if each.notice.about == "refused"
        }
        return asked <= refused


def _times(found: Sequence[Piece]) -> tuple[int, ...]:
    return tuple(sorted(e.taken_ms // 1000 for e in found if e.taken_ms is not None))
