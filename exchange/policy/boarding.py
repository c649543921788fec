"""Boarding requests run against a clock: how a case stands, from what was taken in and when.

The clock is that of the node that serves the nation which is asked, from when that node took
the request in. Silence is no fact until it is proved: by a checkpoint of that node, dated after
the time was over, under which all is held that it owed here. Nothing of a body is read: a reply
is a reply, whatever it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from exchange.model.identity import member_of
from exchange.policy.chasing import LEAST_S

if TYPE_CHECKING:
    from exchange.model.header import Header
    from exchange.model.identity import Nation
    from exchange.model.ticking import Ticking
    from exchange.model.trust import Arrangement, Silence

REQUEST: Final = "brq"
REPLY: Final = "brp"
RESULT: Final = "brr"

# As ``schemas/v1/codes/case-states.json`` and ``case-reasons.json`` tell them in words.
State = Literal[
    "open",
    "reminded",
    "overdue",
    "undetermined",
    "answered",
    "standing",
    "deemed-consent",
    "deemed-refusal",
    "withdrawn",
    "reported",
]
Reason = Literal["not-shown", "declined-there", "not-covered"]


class Terms(NamedTuple):
    """What was agreed for a request: of whom it is asked, how long, and what silence means.

    ``minutes`` is None where no clock is agreed on: then the request alone says until when.
    """

    asked: Nation
    minutes: int | None = None
    silence: Silence = "express"
    reminders: tuple[int, ...] = ()


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a case; all times in seconds UTC.

    Attributes:
        silence: what it means.
        reminders: at how many percent of the time.
        received: when the node of the nation asked took the request in; None: not shown.
        due: until when it may reply, by that node's clock, inclusive; None: no time is set.
        replies: when replies of those asked were taken in there.
        reported: when a result was.
        covered: the date of that node's newest checkpoint under which all owed here is held;
            None: there is none.
        is_withdrawn: the request was cancelled, or took a newer version.
        is_declined: that node refused it: nobody there has it.
        apart_s: how long after the time another alarm is raised, by the request's precedence.
    """

    silence: Silence = "express"
    reminders: tuple[int, ...] = ()
    received: int | None = None
    due: int | None = None
    replies: tuple[int, ...] = ()
    reported: int | None = None
    covered: int | None = None
    is_withdrawn: bool = False
    is_declined: bool = False
    apart_s: int = LEAST_S


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """How a case stands.

    Attributes:
        state: in one word.
        due: until when a reply is awaited; None: no time is set, or it is not known.
        reason: why it is undetermined.
        basis: once a result was reported: how it stood otherwise.
        replied: when the first reply was taken in.
        is_late: that reply came when the time was over.
        next_reminder: when who is asked is to be reminded; None: not any more.
        overdue_s: for how long nobody has answered past the time; None where that is not so.
        alarms: how often that was alarmed.
    """

    state: State
    due: int | None = None
    reason: Reason | None = None
    basis: State | None = None
    replied: int | None = None
    is_late: bool = False
    next_reminder: int | None = None
    overdue_s: int | None = None
    alarms: int = 0


def asked_of(header: Header) -> tuple[Nation, frozenset[str]] | None:
    """Return which nation a request asks, and those of its members; None of anything else.

    Asked is who it is for of another nation than its author's.
    """
    if header.type != REQUEST or header.regime is None or header.verb not in ("new", "update"):
        return None
    home = header.origin.partition(".")[0]
    members = {member_of(each) for each in header.to}
    abroad = frozenset(each for each in members if each.partition(".")[0] != home)
    if not abroad:
        return None
    nation: Nation = "pa" if home == "us" else "us"
    return nation, abroad


def terms(header: Header, agreed: Arrangement) -> Terms | None:
    """Return what was agreed for a request; None of what is none, or asks nobody abroad."""
    asked = asked_of(header)
    if asked is None:
        return None
    fit = [
        each
        for each in agreed.clocks
        if each.regime == header.regime and each.asked in (None, asked[0])
    ]
    if not fit:
        return Terms(asked[0])
    # What is agreed for one nation goes before what is for either.
    clock = max(fit, key=lambda each: each.asked is not None)
    return Terms(asked[0], clock.minutes, clock.silence, tuple(clock.reminders))


def due_at(terms: Terms, received: int, reply_by: int | None) -> int | None:
    """Return until when a reply is awaited, inclusive; None where no time is set.

    Who asks may leave more time than was agreed, and never less.
    """
    if terms.minutes is None:
        return reply_by
    return max(received + terms.minutes * 60, reply_by or 0)


def is_agreed(told: Ticking, header: Header, terms: Terms | None) -> bool:
    """Tell whether the time that a node tells of a request is what was agreed, or longer."""
    if terms is None or terms.minutes is None:
        return False
    least = due_at(terms, told.taken, header.due) or 0
    is_said = told.regime == header.regime and told.silence == terms.silence
    return is_said and told.due >= least


def is_reply(header: Header, request: Header, digest: str, kind: str = REPLY) -> bool:
    """Tell whether a bulletin is a reply to a request by one who was asked.

    ``kind`` is the type: with that of a result, whether it is one, by either side. A result
    is a report of its own, which refers to the request that it answers to, if there was one.
    """
    reference = header.reference("answers")
    verbs = ("new", "update") if kind == RESULT else ("reply",)
    if header.type != kind or header.verb not in verbs or reference is None:
        return False
    if (reference.id, reference.header_digest) != (request.id, digest):
        return False
    asked = asked_of(request)
    members = asked[1] if asked else frozenset()
    if kind == RESULT:
        members |= {request.origin}
    return header.origin in members


def reminder_after(
    received: int, due: int | None, reminders: tuple[int, ...], now: int
) -> int | None:
    """Return when the next reminder is; None where there is none any more."""
    if due is None:
        return None
    at = (received + (due - received) * each // 100 for each in reminders)
    return next((each for each in at if each > now), None)


def urged(known: Known, now: int) -> int:
    """Return how often somebody was to be urged by now of a request that nobody answered.

    At each reminder agreed on, each time the target of its precedence passes by, once more
    when the time is over, and from then on with the target again.
    """
    received, due = known.received, known.due
    if received is None:
        return 0
    apart_s = max(known.apart_s, LEAST_S)
    until = now if due is None else min(now, due)
    count = max(until - received, 0) // apart_s
    if due is not None:
        at = (received + (due - received) * each // 100 for each in known.reminders)
        count += sum(1 for each in at if each <= now)
        count += (now - due) // apart_s + 1 if now > due else 0
    return count


def case(known: Known, now: int) -> Case:
    """Return how a case stands.

    Args:
        known: of it.
        now: by the clock of who looks, seconds UTC: it says only what is still open.
    """
    found = _stands(known, now)
    if known.replies:
        first = min(known.replies)
        is_late = known.due is not None and first > known.due
        found = msgspec.structs.replace(found, replied=first, is_late=is_late)
    if known.reported is not None:
        found = msgspec.structs.replace(found, state="reported", basis=found.state)
    return found


def _stands(known: Known, now: int) -> Case:
    due, first = known.due, min(known.replies, default=None)
    state: State
    if known.is_withdrawn:
        return Case(state="withdrawn", due=due)
    if known.silence == "advance-standing":
        state = "standing" if first is None else "answered"
        return Case(state=state, due=due)
    if known.received is None and first is None:
        reason: Reason = "declined-there" if known.is_declined else "not-shown"
        return Case(state="undetermined", reason=reason)
    if first is not None and (known.received is None or due is None or first <= due):
        return Case(state="answered", due=due)
    return _unanswered(known, now)


def _unanswered(known: Known, now: int) -> Case:
    """Return how a case stands to which no reply came in time, as far as is known."""
    due, was_answered = known.due, bool(known.replies)
    if due is not None and known.covered is not None and known.covered > due:
        return _silent(known, due, now)
    if was_answered and known.silence == "express":
        return Case(state="answered", due=due)
    if due is not None and now > due:
        return Case(state="undetermined", due=due, reason="not-covered")
    return _open(known, due, now)


def _silent(known: Known, due: int, now: int) -> Case:
    """Return what follows from silence that is proved."""
    if known.silence in ("deemed-consent", "deemed-refusal"):
        state: State = known.silence
        return Case(state=state, due=due)
    if known.replies:
        return Case(state="answered", due=due)
    late_s = max(now, known.covered or 0) - due
    alarms = late_s // max(known.apart_s, LEAST_S) + 1
    return Case(state="overdue", due=due, overdue_s=late_s, alarms=alarms)


def _open(known: Known, due: int | None, now: int) -> Case:
    received = known.received or 0
    following = reminder_after(received, due, known.reminders, now)
    left = reminder_after(received, due, known.reminders, received - 1)
    is_reminded = left is not None and left <= now
    return Case(state="reminded" if is_reminded else "open", due=due, next_reminder=following)
