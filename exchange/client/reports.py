"""The seizures, flows and operations that an endpoint holds: the newest of each.

What was cancelled or superseded is not among them, and what was corrected says what it should.
What cannot be counted rightly is not counted, and said by its name.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

import msgspec

from exchange.client import bearing
from exchange.client.reading import Delivered
from exchange.errors import Code, Refusal
from exchange.model.bulletin import Mig, Opn, Szr
from exchange.model.header import Header, Marking, Status
from exchange.policy import boarding

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from exchange.client.bearing import Mark
    from exchange.client.reading import Item
    from exchange.model.codes import Codes

TYPES: Final = ("szr", "mig", "opn")
# One event by both clocks; and what may be of a period by what is not known.
NEAR_TIME: Final = timedelta(hours=24)
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
# Why something is not counted: it is locked; a newer version's; a correction of it is not here,
# or does not hold; its newest version is not here, or was cancelled; it is a drill; or it was
# cancelled, and another envelope of its act was not: that one counts.
Reason = Literal["locked", "newer", "correction", "version", "exercise", "envelope"]


class Asked(NamedTuple):
    """What to count: from ``start`` up to, not including, ``end``, of one status."""

    start: datetime
    end: datetime
    status: Status

    @classmethod
    def of_days(cls, first: str, last: str, status: str) -> Asked:
        """Return the period from one day to another, both whole, UTC.

        Args:
            first: as ``2026-07-01``.
            last: likewise.
            status: ``actual``, ``exercise`` or ``test``.

        Raises:
            Refusal: ``wrong-value``, at ``/from``, ``/to`` or ``/status``.
        """
        counted = next((each for each in STATUSES if each == status), None)
        if counted is None:
            raise Refusal(Code.WRONG_VALUE, "/status")
        start, end = _day(first, "/from"), _day(last, "/to", whole=True)
        if end <= start:
            raise Refusal(Code.WRONG_VALUE, "/to", expected="period")
        return cls(start, end, counted)

    def has(self, at: datetime) -> bool:
        """Tell whether a moment is of the period."""
        return self.start <= at < self.end

    def is_near(self, at: datetime) -> bool:
        """Tell whether a moment is of the period, or at most a day from it."""
        return self.start - at <= NEAR_TIME and at - self.end <= NEAR_TIME


def _day(text: str, at: str, *, whole: bool = False) -> datetime:
    """Return where a day begins, or, of a whole one, where the next does: the last has none."""
    try:
        day = date.fromisoformat(text) + timedelta(days=whole)
        return datetime.combine(day, time.min, UTC)
    except (ValueError, OverflowError):
        raise Refusal(Code.WRONG_VALUE, at, expected="date", found=text[:48]) from None


class Report(msgspec.Struct, frozen=True):
    """One report as it stands.

    Attributes:
        item: the newest version of it, as it came or was posted from here.
        bulletin: what that says, corrections applied.
        at: when it happened, or began.
        digests: of the headers of all its versions and envelopes, its own first.
        envelopes: the headers of its envelopes, its own first.
        common: ids of those that crossed, with all that bears on them.
        markings: of its envelopes, its own first, and of all here that bears on one of them
            (a correction; what corrects or cancels that): who has a figure has some of each.
        cases: of the headers of boarding requests that it answers, as far as they are here.
    """

    item: Delivered
    bulletin: Szr | Mig | Opn
    at: datetime
    digests: list[str]
    envelopes: list[Header]
    common: list[str]
    markings: list[Marking]
    cases: list[str]

    @property
    def id(self) -> str:
        """By which it is named."""
        return self.item.header.id

    @property
    def ids(self) -> list[str]:
        """The ids of its envelopes, its own first."""
        return [each.id for each in self.envelopes]

    @property
    def nation(self) -> str:
        """Whose report it is, such as ``pa``."""
        return self.item.header.origin.partition(".")[0]


class Left(msgspec.Struct, frozen=True):
    """What may belong to the period and is not counted, and why."""

    item: Delivered
    why: Reason


class Gathered(NamedTuple):
    """What stands, of whatever period, by when it happened; and what of this one is left."""

    reports: list[Report]
    left: list[Left]


def gather(
    items: Sequence[Item], asked: Asked, codes: Codes, acts: Collection[Collection[str]] = ()
) -> Gathered:
    """Return every report that stands, and what may be of the period and is not counted.

    They are not cut by the period here: what ties two of one event may lie across its end.

    Args:
        items: all that is held: what came, and what was posted from here.
        asked: the period and the status.
        codes: the code lists.
        acts: ids of the envelopes of each act that was posted from here.
    """
    held = _each_once(items)
    done = bearing.marks(held)
    look = _Look(
        {each.index: each for each in held},
        {(each.header.origin, each.header.id, each.digest): each for each in held},
        done,
        codes,
        frozenset(each.digest for each in held if each.header.type == boarding.REQUEST),
    )
    found, left, gone = list[Report](), list[Left](), list[Delivered]()
    for item in held:
        header = item.header
        if header.type not in TYPES or header.status != asked.status:
            continue
        told = _told(item, look)
        if isinstance(told, Left):
            # What bears on it and is not known may have moved it by a day.
            is_amended = any(mark.relation != "cancels" for mark in done.get(item.index, ()))
            if _is_at(item, asked.is_near if is_amended else asked.has, asked):
                left.append(told)
        elif told is not None:
            is_drill = isinstance(told.bulletin, Opn) and told.bulletin.content.exercise
            if is_drill and asked.status == "actual":
                left += [Left(item, "exercise")] if asked.has(told.at) else []
            else:
                found.append(told)
        elif look.is_cancelled(item.index):
            gone.append(item)
    of_period = [each for each in found if asked.has(each.at)]
    left += [Left(each, "envelope") for each in _stands_elsewhere(gone, of_period, acts)]
    one = _one_of_envelopes(found)
    return Gathered(sorted(one, key=lambda each: (each.at, each.id)), left)


class _Look(NamedTuple):
    by_index: Mapping[int, Delivered]
    by_name: Mapping[tuple[str, str, str], Delivered]
    done: Mapping[int, list[Mark]]
    codes: Codes
    boardings: frozenset[str]

    def around(self, item: Delivered) -> list[Delivered]:
        """Return an item with all that bears on it, and on that: as far as it is here."""
        found, known = [item], {item.index}
        for each in found:
            # A node may say of two that each bears on the other.
            fresh = {mark.index for mark in self.done.get(each.index, ())} - known
            known |= fresh
            found += [self.by_index[at] for at in sorted(fresh) if at in self.by_index]
        return found

    def is_cancelled(self, index: int) -> bool:
        return any(mark.relation == "cancels" for mark in self.done.get(index, ()))


def _each_once(items: Sequence[Item]) -> list[Delivered]:
    """Return every bulletin once: it may have come by a grant as well."""
    found: dict[str, Delivered] = {}
    for item in items:
        if isinstance(item, Delivered):
            before = found.get(item.digest)
            if before is None or before.bulletin is None:
                found[item.digest] = item
    return list(found.values())


def _told(item: Delivered, look: _Look) -> Report | Left | None:
    """Return what an item says by now; None: cancelled, or there is a newer one."""
    if look.is_cancelled(item.index):
        return None
    marks = look.done.get(item.index, [])
    newer = [mark for mark in marks if mark.relation == "supersedes"]
    if newer:
        stands = any(mark.is_here and not look.is_cancelled(mark.index) for mark in newer)
        return None if stands else Left(item, "version")
    if item.bulletin is None:
        return Left(item, "locked")
    if item.not_understood or not isinstance(item.bulletin, Szr | Mig | Opn):
        return Left(item, "newer")
    says = item.bulletin
    if any(mark.relation == "corrects" for mark in marks):
        corrected = bearing.as_corrected(item, look.around(item), look.codes)
        if not isinstance(corrected, Szr | Mig | Opn):
            return Left(item, "correction")
        says = corrected
    digests = [each.digest for each in _versions(item, look)]
    around = [each.header for each in look.around(item)]
    common = [item.header.id] if all(map(crossed, around)) else []
    answered = [ref.header_digest for ref in item.header.refs if ref.rel == "answers"]
    cases = [digest for digest in answered if digest in look.boardings]
    return Report(
        item,
        says,
        _happened(says),
        digests,
        [item.header],
        common,
        [each.marking for each in around],
        cases,
    )


def crossed(header: Header) -> bool:
    """Tell whether a bulletin went to another nation than its author's."""
    nation = header.origin.partition(".")[0]
    return any(name.partition(".")[0] != nation for name in header.to)


def _versions(item: Delivered, look: _Look) -> Iterator[Delivered]:
    """Yield a report and its earlier versions, as far as they are here."""
    here: Delivered | None = item
    while here is not None:
        yield here
        header = here.header
        named = header.reference("supersedes") if header.verb == "update" else None
        older = None if named is None else (header.origin, named.id, named.header_digest)
        here = None if older is None else look.by_name.get(older)


def _happened(bulletin: Szr | Mig | Opn) -> datetime:
    if isinstance(bulletin, Szr):
        return bulletin.content.seized_at
    return bulletin.content.period.start


def may_be_near(item: Delivered, asked: Asked) -> bool:
    """Tell whether an item is a report that may be of a period, or of a day close to it.

    As far as it or its header says by itself, whatever was done to it.
    """
    header = item.header
    if header.type not in TYPES or header.status != asked.status:
        return False
    return _is_at(item, asked.is_near, asked)


def _is_at(item: Delivered, when: Callable[[datetime], bool], asked: Asked) -> bool:
    """Ask of the moment that an item tells, or, where it cannot be read, that it may tell."""
    header = item.header
    if isinstance(item.bulletin, Szr | Mig | Opn):
        return when(_happened(item.bulletin))
    if header.type == "szr" and header.observed is not None:
        return when(datetime.fromtimestamp(header.observed, UTC))
    # Issued however late, it may tell of any day before.
    return datetime.fromtimestamp(header.issued, UTC) >= asked.start


def _one_of_envelopes(found: Sequence[Report]) -> list[Report]:
    """Return reports, those that went out in several envelopes as one.

    Such are of one endpoint, and say the very same but for their ids: of the same moment, too.
    When each was issued tells nothing: who got none of an act is sent the rest of it later.
    """
    groups: dict[bytes, list[Report]] = defaultdict(list)
    for each in found:
        header = each.item.header
        says = msgspec.structs.replace(each.bulletin, id="", attachments=[])
        groups[msgspec.json.encode([header.endpoint, header.observed, says])].append(each)
    return [
        msgspec.structs.replace(
            same[0],
            digests=[digest for each in same for digest in each.digests],
            envelopes=[each.item.header for each in same],
            common=[name for each in same for name in each.common],
            markings=[mark for each in same for mark in each.markings],
            cases=list(dict.fromkeys(case for each in same for case in each.cases)),
        )
        for same in (sorted(group, key=lambda each: each.id) for group in groups.values())
    ]


def _stands_elsewhere(
    gone: Sequence[Delivered], found: Sequence[Report], acts: Iterable[Collection[str]]
) -> Iterator[Delivered]:
    """Yield what was cancelled, of an act of which another envelope still stands."""
    stands = {each.id for each in found}
    for item in gone:
        if any(item.header.id in act and not stands.isdisjoint(act) for act in acts):
            yield item
