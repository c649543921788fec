"""What a node itself enters of retention: reviews, orders to purge, and that they were done.

Each is concluded from a row of what is due (``broker.due``); replay comes to the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from exchange.broker import due, holding, keys, releasing
from exchange.broker.chasing import NO_TARGET, RANKS, Chased
from exchange.broker.due import Due
from exchange.broker.records import Record
from exchange.broker.releasing import Submission
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.identity import digest
from exchange.policy.chasing import FOREVER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.broker.holding import Find, Target
    from exchange.broker.records import Found
    from exchange.broker.settle import Ledger
    from exchange.model.objects import Notice


class Doomed(NamedTuple):
    """What an order is of: bodies and wrapped keys beside the journal, and attachments."""

    kept: tuple[str, ...]
    attached: tuple[str, ...]


def wanted(header_digest: str, known: Mapping[bytes, Found | None]) -> list[bytes]:
    """Return the keys to be looked up before an order; call it again until there are none."""
    first, *others = holding.lookups(header_digest)
    missing = [key for key in (keys.purge(header_digest), first) if key not in known]
    if missing or known[first] is None:
        return missing
    return [key for key in others if key not in known]


def of(found: Found) -> Target | Submission | None:
    """Return the bulletin or sealed draft in an entry; None where there is neither."""
    return holding.read(found) or releasing.read(found)


def order(ledger: Ledger, row: Due, target: Target | Submission, find: Find) -> int | None:
    """Enter that a bulletin is to be purged; None where it is too early, or was ordered before.

    Args:
        ledger: of the group.
        row: what is due, and why.
        target: the bulletin, or a sealed draft.
        find: returns the entry that a key leads to, of those in ``wanted``.
    """
    now = ledger.taken_ms // 1000
    if now < row.at or find(keys.purge(target.digest)) is not None:
        return None
    if isinstance(target, Submission):
        return _order_draft(ledger, row, target)
    granted = list(holding.granted_in(target.digest, find))
    holders = [*target.owed, *holding.grantees(target.digest, find)]
    author = target.header.endpoint
    facts = entries.PurgeOrdered(
        of=target.index,
        grants=[each.index for each in granted],
        cause=cast("entries.Cause", row.cause),
        rule=row.rule or None,
        agreed=row.agreed,
        owed=ledger.owe([author, *holders]),
        **ledger.common(),
    )
    # Of its author's own machine nothing is attested.
    told = tuple(dict.fromkeys(each for each in holders if each != author))
    record = Record(
        facts,
        entries.encode(facts),
        (keys.purge(target.digest),),
        tuple(facts.owed),
        chased=Chased(RANKS.index("routine"), FOREVER, NO_TARGET, told),
        due=(Due(ledger.next_index, due.ORDER, now),),
        undue=tuple((target.index, what) for what in (due.PURGE, due.REVIEW, due.SILENCE)),
        gone=(*doomed(target, granted).kept, *doomed(target, granted).attached),
    )
    return ledger.add(record)


def _order_draft(ledger: Ledger, row: Due, target: Submission) -> int:
    """Enter that a sealed draft is to be purged: here alone, for nobody else keeps it."""
    facts = entries.PurgeOrdered(
        of=target.index,
        grants=[],
        cause=cast("entries.Cause", row.cause),
        rule=None,
        agreed=row.agreed,
        owed=[],
        **ledger.common(),
    )
    named = doomed(target, ())
    record = Record(
        facts,
        entries.encode(facts),
        (keys.purge(target.digest),),
        due=(Due(ledger.next_index, due.ORDER, ledger.taken_ms // 1000),),
        undue=((target.index, due.PURGE),),
        gone=(*named.kept, *named.attached),
    )
    return ledger.add(record)


def doomed(target: Target | Submission, granted: Sequence[Found]) -> Doomed:
    """Return what a bulletin and its grants name, or a sealed draft, and nobody is to keep."""
    if isinstance(target, Submission):
        bodies = [target.draft.body] if target.draft.body else []
        files = target.draft.attachments
        return Doomed(
            tuple(each.digest for each in bodies), tuple(each.digest for each in files)
        )
    body, *attached = [target.header.body, *target.header.attachments]
    wraps = [
        facts.wrap.digest
        for each in granted
        if isinstance(facts := entries.decode(each.entry).facts, entries.Granted)
    ]
    return Doomed((body.digest, *wraps), tuple(each.digest for each in attached))


def attest(ledger: Ledger, orders: Sequence[int], digests: Sequence[str]) -> int:
    """Enter that orders were carried out, and of what no bytes are kept."""
    facts = entries.Purged(
        orders=sorted(orders), digests=sorted(set(digests)), **ledger.common()
    )
    undue = tuple((each, due.ORDER) for each in facts.orders)
    return ledger.add(Record(facts, entries.encode(facts), undue=undue))


def notify(  # noqa: PLR0913  (what the entry is, and what it changes)
    ledger: Ledger,
    raw: bytes,
    of: int | None,
    endpoints: Sequence[str],
    changed: due.Change | None = None,
    *,
    once: tuple[bytes, ...] = (),
) -> int:
    """Enter a notice that this node signed, owed to these endpoints.

    ``once`` is the key of what is told once only.
    """
    named = digest(raw)
    facts = entries.Noticed(digest=named, of=of, owed=ledger.owe(endpoints), **ledger.common())
    return ledger.keep(facts, raw, (keys.by_digest(named), *once), changed).index


def may_be_told(notice: Notice, poster: str) -> tuple[bytes, ...]:
    """Return the keys of what a notice tells, where it is told once of each recipient.

    ``poster`` is who hears it: of two who granted one bulletin to one recipient each does.
    Empty: nobody; it is on record all the same. Should that come first, its key is not the
    author's any more, who has a second one.
    """
    if notice.about not in objects.OF_RECIPIENT or notice.recipient is None:
        return ()
    named = (notice.of.header_digest, notice.about, notice.recipient)
    if poster in {"", notice.of.endpoint}:
        first = keys.notice(*named)
        return (first, keys.notice(*named, poster)) if poster else (first,)
    return (keys.notice(*named, poster),)


def told_once(notice: Notice, poster: str, find: Find) -> bytes | None:
    """Return the key that a notice takes; None where it was told before, or has none."""
    for key in may_be_told(notice, poster):
        before = find(key)
        if before is None:
            return key
        if not poster or poster in {each.endpoint for each in entries.owed_in(before.entry)}:
            return None
    return None


def review(ledger: Ledger, row: Due, target: Target, raw: bytes) -> int | None:
    """Enter that a bulletin's author was asked whether it holds; None where it is too early."""
    now = ledger.taken_ms // 1000
    if now < row.at:
        return None
    changed = due.asked(target, now, ledger.in_force)
    return notify(ledger, raw, target.index, [target.header.endpoint], changed)
