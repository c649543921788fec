"""A boarding request's time: when it begins, what ends it, and what a node tells of it.

    taken in > told (``clock``) > reminded > [a reply in time ends it] > silence proved
    > deemed, or overdue

The node of the nation asked runs the clock, from its own entry. The other one learns of that
by the first notice, holds it to the arrangement, and waits for the same proof of silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.broker import due, holding, keys, retaining
from exchange.broker.due import Change, Due
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.ticking import Ticking
from exchange.policy import boarding
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Collection

    from exchange.broker.holding import Find, Target
    from exchange.broker.records import Found
    from exchange.broker.settle import Ledger
    from exchange.model.header import Header
    from exchange.model.objects import Notice
    from exchange.model.view import View
    from exchange.policy.boarding import Terms

NOTHING = Change()


def taken_in(ledger: Ledger, header: Header, digest: str, find: Find) -> Change:
    """Return what comes due of a request that is taken in, by the node of who is asked."""
    view, now = ledger.in_force, ledger.taken_ms // 1000
    terms = boarding.terms(header, view.agreed())
    if terms is None or terms.minutes is None or terms.asked not in ledger.here:
        return NOTHING
    if terms.silence == "advance-standing" or _first_reply(header, digest, find) is not None:
        return NOTHING
    ends = boarding.due_at(terms, now, header.due) or 0
    index, regime = ledger.next_index, str(header.regime)
    return Change(
        (
            Due(index, due.CLOCK, now, "clock", regime, view.index),
            Due(index, due.SILENT, ends + 1, terms.silence, regime, view.index),
        )
    )


def replied(header: Header, taken_ms: int, find: Find) -> tuple[Change, tuple[bytes, ...]]:
    """Return what a reply ends, and the key by which it is found.

    Args:
        header: of the reply.
        taken_ms: when its home took it in.
        find: returns the entry that a key leads to.
    """
    reference = header.reference("answers")
    if header.type != boarding.REPLY or reference is None:
        return NOTHING, ()
    name = keys.replied(reference.header_digest, header.origin)
    found = find(keys.by_digest(reference.header_digest))
    target = holding.read(found) if found else None
    if target is not None and not boarding.is_reply(header, target.header, target.digest):
        return NOTHING, ()
    named = () if find(name) else (name,)
    if target is None:
        return NOTHING, named
    told = begun(target.digest, find)
    over = [due.CLOCK]
    if told is None or taken_ms // 1000 <= told.due:
        over.append(due.SILENT)
    # Also of a second one: the first to come may have pressed, and come ahead of its place.
    return Change((), tuple((target.index, what) for what in over)), named


def begun(digest: str, find: Find) -> Ticking | None:
    """Return a request's time, as it was told when it began; None where that is not so yet."""
    found = find(keys.clock(digest))
    if found is None:
        return None
    signed = jws.read(entries.decode(found.entry).object, objects.MAX_OBJECT_BYTES)
    told = objects.decode_notice(signed.payload).clock
    return None if told is msgspec.UNSET else told


def heard(
    ledger: Ledger, notice: Notice, taken_ms: int, target: Target, find: Find
) -> tuple[Change, tuple[bytes, ...]]:
    """Return what comes due of a request of ours, of which the other node says when it began.

    Raises:
        Refusal: ``wrong-value``: it is not that node's to say, or not what was agreed here.
    """
    told, header = notice.clock, target.header
    if told is msgspec.UNSET:
        return NOTHING, ()
    if notice.about != "clock":
        # What silence came to each node finds for its own, and what it reminds of is theirs.
        raise Refusal(Code.WRONG_VALUE, "/about", found=target.index)
    agreed = ledger.in_force.agreed()
    terms = boarding.terms(header, agreed)
    if not _is_agreed(told, header, terms, ledger.here) or told.taken > taken_ms // 1000:
        raise Refusal(Code.WRONG_VALUE, "/clock", found=told.index)
    ours = find(keys.by_digest(target.digest))
    posted = entries.decode(ours.entry).facts.taken_ms // 1000 if ours else header.issued
    if told.taken < posted - agreed.limits.skew_s:
        # It was not asked before we were: an earlier time would be over the sooner.
        raise Refusal(Code.WRONG_VALUE, "/clock/taken", found=told.taken)
    if told.node != notice.node or find(keys.clock(target.digest)) is not None:
        raise Refusal(Code.WRONG_VALUE, "/clock/node", found=told.node)
    replied_at = _first_reply(header, target.digest, find)
    is_over = replied_at is not None and replied_at <= told.due
    cancelled = find(keys.bearing("cancels", header.origin, target.digest, header.id))
    if is_over or cancelled or find(keys.later("supersedes", target.digest)):
        return NOTHING, (keys.clock(target.digest),)
    row = Due(
        target.index,
        due.SILENT,
        told.due + 1,
        told.silence,
        told.regime,
        ledger.in_force.index,
    )
    return Change((row,)), (keys.clock(target.digest),)


def _is_agreed(
    told: Ticking, header: Header, terms: Terms | None, here: Collection[str]
) -> bool:
    if terms is None or terms.asked in here or told.note:
        return False
    return boarding.is_agreed(told, header, terms)


def ticking(row: Due, found: Found, view: View, node: str) -> tuple[Ticking, Terms] | None:
    """Return the time of a request that we took in, under what was agreed then."""
    target, agreed = holding.read(found), view.agreed_before(row.agreed + 1)
    terms = boarding.terms(target.header, agreed) if target and agreed else None
    if target is None or terms is None:
        return None
    taken = entries.decode(found.entry).facts.taken_ms // 1000
    ends = boarding.due_at(terms, taken, target.header.due) or 0
    told = Ticking(row.rule, terms.silence, node, row.index, taken, ends, "", 0)
    return told, terms


def tell(ledger: Ledger, row: Due, found: Found, notice: Notice, raw: bytes) -> int | None:
    """Enter that a request's time began, or that who is asked was reminded; None: too early.

    Also None where the notice does not say what there is to say.
    """
    now, target = ledger.taken_ms // 1000, holding.read(found)
    known = ticking(row, found, ledger.in_force, notice.node)
    if now < row.at or target is None or known is None:
        return None
    told, terms = known
    if (notice.about, notice.code, notice.clock) != (row.cause, row.rule, told):
        return None
    following = boarding.reminder_after(told.taken, told.due, terms.reminders, now)
    changed = Change((), ((row.index, due.CLOCK),))
    if following is not None:
        again = Due(row.index, due.CLOCK, following, "reminder", row.rule, row.agreed)
        changed = Change((again,))
    is_first = row.cause == "clock"
    endpoints = _asked(target)
    if is_first:
        endpoints.append(target.header.endpoint)
    once = (keys.clock(target.digest),) if is_first else ()
    return retaining.notify(ledger, raw, target.index, endpoints, changed, once=once)


def lookups(target: Target) -> list[bytes]:
    """Return the keys that ``pronounce`` looks under."""
    asked = boarding.asked_of(target.header)
    members = sorted(asked[1]) if asked else []
    return [keys.clock(target.digest), *(keys.replied(target.digest, each) for each in members)]


def pronounce(  # noqa: PLR0913, PLR0917  (each is part of the question)
    ledger: Ledger, row: Due, target: Target, notice: Notice, raw: bytes, find: Find
) -> int | None:
    """Enter what silence came to; None where it is too early, or is not what is said.

    That the notice's checkpoint holds, and of when it is, who calls has looked at.
    """
    told, said = begun(target.digest, find), notice.clock
    if ledger.taken_ms // 1000 < row.at or told is None or said is msgspec.UNSET:
        return None
    replied_at = _first_reply(target.header, target.digest, find)
    if said.dated <= told.due or (replied_at is not None and replied_at <= told.due):
        return None
    if msgspec.structs.replace(said, note="", dated=0) != told:
        return None
    if (notice.about, notice.code) != outcome(row):
        return None
    undue = tuple((row.index, what) for what in (due.CLOCK, due.SILENT))
    changed = Change((), undue)
    endpoints = [*_asked(target), target.header.endpoint]
    here = [each for each in endpoints if each.partition(".")[0] in ledger.here]
    return retaining.notify(ledger, raw, target.index, here, changed)


def outcome(row: Due) -> tuple[str, str]:
    """Return what a notice is about once silence is proved, and its code."""
    is_deemed = row.cause in ("deemed-consent", "deemed-refusal")
    return ("deemed", row.cause) if is_deemed else ("overdue", row.rule)


def _asked(target: Target) -> list[str]:
    asked = boarding.asked_of(target.header)
    nation = asked[0] if asked else ""
    return [each for each in target.owed if each.partition(".")[0] == nation]


def _first_reply(header: Header, digest: str, find: Find) -> int | None:
    """Return when the first reply to a request was taken in at its home; None: none was."""
    asked = boarding.asked_of(header)
    found = [find(keys.replied(digest, each)) for each in sorted(asked[1] if asked else ())]
    return min((_taken_there(each) for each in found if each is not None), default=None)


def _taken_there(found: Found) -> int:
    entry = entries.decode(found.entry)
    home = entries.decode(entry.at_home) if entry.at_home else entry
    return home.facts.taken_ms // 1000
