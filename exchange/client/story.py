"""What became of a bulletin that was posted from here: holder by holder, step by step.

Told from what this endpoint can check: its own receipts, and the grants and acknowledgements in
its inbox, all verified. What nobody here can know is a step that says so, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from exchange.client import bearing, granting
from exchange.client.reading import Acked, Granted, Noticed, PurgeOrdered
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.header import Header
from exchange.policy.ageing import is_seen_to
from exchange.policy.chasing import CHASED, FOREVER, Chase, Known, chase
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from exchange.client.judging import Came
    from exchange.client.outbox import Outbox
    from exchange.client.reading import Item
    from exchange.model.header import Verb
    from exchange.model.view import View

# Words of ``schemas/v1/codes/trace-steps.json`` and ``trace-reasons.json``.
Name = Literal[
    "sealed",
    "waiting",
    "recorded",
    "granted",
    "owed",
    "sent-ahead",
    "fetched",
    "acknowledged",
    "cancelled",
    "corrected",
    "superseded",
    "purge-ordered",
    "refused-abroad",
    "waits-abroad",
]
Reason = Literal[
    "node-away",
    "not-recorded",
    "no-receipt",
    "fetching-not-recorded",
    "header-only",
    "told-by-its-entry",
    "not-told",
]
_NAMES: dict[Verb, Name] = {
    "cancel": "cancelled",
    "correct": "corrected",
    "update": "superseded",
}


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the way: when (ms; None: not known) and where it stands in the journal.

    ``reason`` says why something is so, or is not known. ``id`` names another bulletin,
    ``chase`` how its acknowledgement is chased.
    """

    step: Name
    at_ms: int | None = None
    index: int | None = None
    position: int | None = None
    outcome: objects.Outcome | None = None
    officer: str | None = None
    reason: Reason | None = None
    id: str | None = None
    chase: Chase | None = None
    # Of an order to purge: why, and by which rule of the arrangement.
    cause: entries.Cause | None = None
    rule: str | None = None
    # Of a refusal by another node: which one; and of what came from there: whence.
    code: str | None = None
    came: Came | None = None


class Posted(msgspec.Struct, frozen=True):
    """A bulletin posted from here; without facts it has no receipt yet."""

    header: Header
    digest: str
    index: int | None = None
    facts: entries.Accepted | None = None

    @property
    def subject(self) -> objects.Subject:
        """How acknowledgements and grants name it."""
        return objects.Subject(self.header.endpoint, self.header.id, self.digest)

    def position(self, holder: str) -> int | None:
        """Return where in a holder's inbox it is owed; None where it is not."""
        owed = self.facts.owed if self.facts else []
        return next((each.position for each in owed if each.endpoint == holder), None)


class Past(msgspec.Struct, frozen=True):
    """All that is told of one bulletin: what bears on it, and this endpoint's whole inbox.

    ``withdrawn`` are the digests of what was cancelled from here; ``target`` is what the
    bulletin itself cancels or corrects, if that was posted from here.
    """

    of: Posted
    bearing: list[Posted]
    withdrawn: frozenset[str]
    items: Sequence[Item]
    target: Posted | None = None


def posted(outbox: Outbox, identity: str) -> Posted | None:
    """Return a bulletin of the outbox, with its receipt's facts if it has one."""
    envelope = outbox.envelope(identity)
    signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES) if envelope else None
    if signed is None or signed.typ != headers.TYP:
        return None
    header, receipt = headers.decode(signed.payload), outbox.receipt(identity)
    if receipt is None:
        return Posted(header, signed.digest)
    # It was verified before it was kept.
    facts = entries.decode(receipt.facts.encode() + b"\n").facts
    taken = facts if isinstance(facts, entries.Accepted) else None
    return Posted(header, signed.digest, receipt.index, taken)


def every(outbox: Outbox) -> list[Posted]:
    """Return every bulletin of the outbox, oldest first."""
    named = sorted({*outbox.sent(), *outbox.waiting()})
    return [each for name in named if (each := posted(outbox, name))]


def past(every: Sequence[Posted], of: Posted, items: Sequence[Item]) -> Past:
    """Gather what was done from here to a bulletin, to what did that, and to its target."""
    by_digest = {each.digest: each for each in every}
    named = bearing.reference_of(of.header)
    return Past(
        of=of,
        bearing=[each for each in every if _bears_on(each) == of.digest],
        withdrawn=frozenset(
            digest
            for each in every
            if each.facts and each.header.verb == "cancel" and (digest := _bears_on(each))
        ),
        items=items,
        target=by_digest.get(named.header_digest) if named else None,
    )


def _bears_on(each: Posted) -> str | None:
    reference = bearing.reference_of(each.header)
    return reference.header_digest if reference else None


def of_address(past: Past, holder: str, view: View, now: int) -> list[Step]:
    """Return the way of a bulletin to a recipient, or to who holds what it bears on."""
    of, facts = past.of, past.of.facts
    if facts is None:
        return []
    is_ahead = of.header.precedence in ("flash", "immediate") and facts.cancelled_by is None
    owed = Step(
        step="sent-ahead" if is_ahead else "owed",
        at_ms=facts.taken_ms,
        index=of.index,
        position=of.position(holder),
        reason=None if holder in of.header.to else "header-only",
        chase=_own_chase(past, holder, view, now),
    )
    told = [each for each in past.bearing if each.index in _named_by(facts)]
    return [owed, *_since(past, holder, told, view, now)]


def _named_by(facts: entries.Accepted) -> set[int]:
    named, also = (facts.cancelled_by, facts.corrected_by, facts.superseded_by), set()
    if isinstance(facts.corrected_also_by, list):
        also = set(facts.corrected_also_by)
    return also | {each for each in named if isinstance(each, int)}


def of_grant(past: Past, grant: GrantTold, view: View, now: int) -> list[Step]:
    """Return the way of a bulletin to whom it was granted."""
    step = Step(
        step="granted",
        at_ms=grant.taken_ms,
        index=grant.index,
        position=grant.position,
        reason="no-receipt" if grant.index is None else None,
    )
    told = [each for each in past.bearing if each.index in grant.told]
    return [step, *_since(past, grant.grant.to, told, view, now)]


def _since(past: Past, holder: str, told: Sequence[Posted], view: View, now: int) -> list[Step]:
    """Return what came after a bulletin reached a holder's inbox, in order of time.

    ``told`` is what the entry by which it came names already.
    """
    acks = list(acknowledgements(past.items, past.of.subject, holder))
    steps = [
        *map(_acknowledged, acks),
        *(_borne(past, each, holder, told, view, now) for each in past.bearing),
    ]
    steps += _purged(past, holder, view, now)
    steps += _refused(past, holder)
    steps.sort(key=lambda each: (each.at_ms is None, each.at_ms or 0))
    if not acks:
        # A node keeps no record of who fetched what, and so nobody can be told.
        steps.append(Step(step="fetched", reason="fetching-not-recorded"))
    return steps


def _purged(past: Past, holder: str, view: View, now: int) -> Iterator[Step]:
    """Return that its purge was ordered, and whether a holder attested that it is destroyed."""
    for item in past.items:
        if not isinstance(item, PurgeOrdered) or item.of != past.of.index:
            continue
        known = Known(
            holder=holder,
            precedence="routine",
            taken_ms=item.taken_ms,
            until=FOREVER,
            is_acknowledged=any(
                each.ack.outcome == "purged" and each.taken_ms >= item.taken_ms
                for each in acknowledgements(past.items, past.of.subject, holder)
            ),
        )
        yield Step(
            step="purge-ordered",
            at_ms=item.taken_ms,
            index=item.index,
            cause=item.cause,
            rule=item.rule,
            chase=chase(known, view, now),
        )


def _refused(past: Past, holder: str) -> Iterator[Step]:
    """Return what a node told of not giving it, or not yet, to a holder of its own."""
    for item in past.items:
        if not isinstance(item, Noticed) or item.notice.about not in objects.OF_RECIPIENT:
            continue
        if (item.notice.of, item.notice.recipient) == (past.of.subject, holder):
            yield Step(
                step="waits-abroad" if item.notice.about == "waiting" else "refused-abroad",
                at_ms=item.taken_ms,
                index=item.index,
                code=item.notice.code,
                came=item.came,
            )


def _acknowledged(each: Acked) -> Step:
    return Step(
        step="acknowledged",
        at_ms=each.taken_ms,
        index=each.index,
        outcome=each.ack.outcome,
        officer=each.ack.officer,
        came=each.came,
    )


def _borne(  # noqa: PLR0913, PLR0917  (each says something else of it)
    past: Past, by: Posted, holder: str, told: Sequence[Posted], view: View, now: int
) -> Step:
    """Return what was done to a bulletin, as far as one holder was told of it."""
    step = Step(step=_NAMES[by.header.verb], index=by.index, id=by.header.id)
    if by.facts is None:
        return msgspec.structs.replace(step, reason="no-receipt")
    step = msgspec.structs.replace(step, at_ms=by.facts.taken_ms, position=by.position(holder))
    if step.position is None:
        reason: Reason = "told-by-its-entry" if by in told else "not-told"
        step = msgspec.structs.replace(step, reason=reason)
    if by.header.verb not in CHASED or step.reason == "not-told":
        return step
    # Who is told by the bulletin's own entry acknowledges it with the bulletin.
    subject = by.subject if step.position is not None else past.of.subject
    since = by.facts.taken_ms
    if step.position is None and past.of.facts:
        since = max(since, past.of.facts.taken_ms)
    known = Known(
        holder=holder,
        precedence=by.header.precedence,
        taken_ms=since,
        until=past.of.header.retain_until,
        is_acknowledged=_is_seen_to(past.items, subject, holder),
        is_withdrawn=by.digest in past.withdrawn,
        is_moot=_is_moot(past, by, step),
    )
    return msgspec.structs.replace(step, chase=chase(known, view, now))


def _is_moot(past: Past, by: Posted, step: Step) -> bool:
    """Tell whether a cancellation that the holder has in its inbox is chased instead."""
    if by.header.verb == "cancel" and step.position is not None:
        return False
    return any(
        each.header.verb == "cancel" and each.facts and each is not by for each in past.bearing
    )


def _own_chase(past: Past, holder: str, view: View, now: int) -> Chase | None:
    """Return how a cancellation's or correction's own acknowledgement is chased."""
    of, verb = past.of, past.of.header.verb
    if of.facts is None or verb not in CHASED or holder == of.header.endpoint:
        return None
    kept = past.target.header if past.target else of.header
    known = Known(
        holder=holder,
        precedence=of.header.precedence,
        taken_ms=of.facts.taken_ms,
        until=kept.retain_until,
        is_acknowledged=_is_seen_to(past.items, of.subject, holder),
        is_withdrawn=of.digest in past.withdrawn,
        is_moot=verb == "correct" and _bears_on(of) in past.withdrawn,
    )
    return chase(known, view, now)


class Open(msgspec.Struct, frozen=True):
    """A chase that goes on: what does something, who is to acknowledge it, and how it stands.

    ``of`` is the bulletin to which it is done; None where that was not posted from here. Of an
    order to purge both are that bulletin, and ``order`` is its entry.
    """

    by: Posted
    of: Posted | None
    holder: str
    chase: Chase
    order: int | None = None


def chased(outbox: Outbox, items: Sequence[Item], view: View, now: int) -> list[Open]:
    """Return every chase that goes on of what was posted from here, the oldest first."""
    posted = every(outbox)
    found: dict[tuple[str, ...], Open] = {}
    by_id = {each.header.id: each for each in posted}
    for of in posted:
        this = past(posted, of, items)
        for each in of.facts.owed if of.facts else []:
            chase = _own_chase(this, each.endpoint, view, now)
            if chase is not None and chase.ended is None:
                key = (of.header.id, each.endpoint)
                found[key] = Open(of, this.target, each.endpoint, chase)
        is_told = this.bearing or any(isinstance(each, PurgeOrdered) for each in items)
        for holder, step in _ways(outbox, this, view, now) if is_told else []:
            if step.chase is None or step.chase.ended is not None:
                continue
            if step.id:
                found[step.id, holder] = Open(by_id[step.id], of, holder, step.chase)
            elif step.step == "purge-ordered":
                told = Open(of, of, holder, step.chase, step.index)
                found["purge", of.header.id, holder] = told
    return sorted(found.values(), key=lambda each: (each.chase.since_ms, each.holder))


def _ways(outbox: Outbox, this: Past, view: View, now: int) -> Iterator[tuple[str, Step]]:
    of = this.of
    for holder in of.header.to:
        yield from ((holder, step) for step in of_address(this, holder, view, now))
    for grant in grants(outbox, of, this.items):
        yield from ((grant.grant.to, step) for step in of_grant(this, grant, view, now))


class GrantTold(msgspec.Struct, frozen=True):
    """A grant of a bulletin; without an index it has no receipt yet.

    ``told`` are the entries that its own one names: what bore on the bulletin before.
    """

    grant: objects.Grant
    index: int | None
    taken_ms: int | None
    told: frozenset[int]
    # In its recipient's inbox; None where a colleague granted it: only that one was told.
    position: int | None = None


def grants(outbox: Outbox, of: Posted, items: Iterable[Item]) -> Iterator[GrantTold]:
    """Return who was let in since: by us, by our receipts; by colleagues, by the inbox."""
    for made in granting.made(outbox, of.digest):
        facts = None
        if made.receipt is not None:
            facts = entries.decode(made.receipt.facts.encode() + b"\n").facts
        told: set[int] = set()
        position = None
        if isinstance(facts, entries.Granted):
            position = facts.owed[0].position
            for named in (facts.corrected_by, facts.superseded_by):
                told |= set(named) if isinstance(named, list) else set()
        yield GrantTold(
            made.grant,
            made.receipt.index if made.receipt else None,
            facts.taken_ms if facts else None,
            frozenset(told),
            position,
        )
    for item in items:
        if isinstance(item, Granted) and item.grant.of == of.subject:
            told = {index for _, index in item.earlier}
            yield GrantTold(item.grant, item.index, item.taken_ms, frozenset(told))


def acknowledgements(
    items: Iterable[Item], of: objects.Subject, holder: str
) -> Iterator[Acked]:
    """Return what one holder said of this very bulletin, in order."""
    # An id alone may be on another's, too.
    for item in items:
        if isinstance(item, Acked) and item.ack.of == of and item.ack.endpoint == holder:
            yield item


def _is_seen_to(items: Iterable[Item], of: objects.Subject, holder: str) -> bool:
    return any(is_seen_to(each.ack.outcome) for each in acknowledgements(items, of, holder))
