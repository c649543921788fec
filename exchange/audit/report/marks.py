"""A journal's checkpoints: which sizes were signed, who cosigned them, and for how long nobody.

Read from entries that ``verify`` has held to the keys of node and witnesses: here they are only
counted. A witness is up as long as no checkpoint has waited for a quorum for longer than the
arrangement allows. A journal in which nothing happens asks for no checkpoint, and loses none.

Of an idle journal the newest checkpoint is cosigned again each minute. An entry that does not
say that its cosignatures are the quorum's first (older nodes, and newer ones of what was signed
before they started) may have the last ones: then all that is known is that none was before the
checkpoint that precedes the entry, and one by then.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from exchange.audit.report.figures import seconds
from exchange.errors import Code, Refusal
from exchange.journal.note import parse_note
from exchange.model import entry as entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exchange.audit.verify import Stored

_PAGE: Final = 4096
# So that lines of cosignatures can be read by themselves: a note begins with what is signed.
_HEAD: Final = b"-\n\n"
# The C2SP timestamped signature begins with its time.
_TIME: Final = struct.Struct(">Q")


class Source(Protocol):
    """A verified mirror."""

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""

    def kinds(self, first: int, limit: int) -> Sequence[str]:
        """Return under which kind each entry from ``first`` on is kept."""


class Signed(NamedTuple):
    """A checkpoint: the entry that it is, of how many entries, and when it was taken in."""

    entry: int
    size: int
    at_ms: int


class Vouched(NamedTuple):
    """Cosignatures of an earlier checkpoint, and the entry in which they stand.

    Attributes:
        entry: its index.
        size: of the checkpoint.
        at: the newest of their times, in seconds UTC: by then the quorum was complete.
        by: the witnesses, by name.
        not_before_ms: when the checkpoint was taken in that precedes the entry; it told of no
            such quorum. None where ``at`` is when it was complete.
    """

    entry: int
    size: int
    at: int
    by: tuple[str, ...]
    not_before_ms: int | None = None


class Up(NamedTuple):
    """How a journal was witnessed in a period.

    Attributes:
        checkpoints: signed in it.
        cosigned: of these, how many a quorum vouched for in time; None where nobody must.
        undecided: and of how many that is not known: not yet, or not any more.
        longest_s: that one of them waited for a quorum; None: none was waited for, or it is
            not known.
        down_s: seconds in which one waited for longer than is allowed; None where nobody must.
        unknown_s: seconds beside these of which it is not known.
        share: of the time looked at, in hundredths of a percent, in which none did; None where
            nobody must vouch, no time was looked at, or it is not known of all of it.
    """

    checkpoints: int
    cosigned: int | None
    undecided: int | None
    longest_s: int | None
    down_s: int | None
    unknown_s: int | None
    share: int | None


# Entries that are looked at, by their kinds.
_KINDS: Final = frozenset({"checkpoint", "epoch-opened"})
_UNASKED: Final = Up(0, None, None, None, None, None, None)


class _Wait(NamedTuple):
    """A checkpoint that waited: since when, surely until, and at most until; in ms UTC.

    ``most_ms`` is None of one that nobody vouched for as far as is looked at.
    """

    at_ms: int
    least_ms: int
    most_ms: int | None

    def is_in_time(self, limit_ms: int) -> bool:
        return self.most_ms is not None and self.most_ms - self.at_ms <= limit_ms

    def is_late(self, limit_ms: int) -> bool:
        return self.least_ms - self.at_ms > limit_ms

    @property
    def is_exact(self) -> bool:
        return self.most_ms in {None, self.least_ms}


class Marks(NamedTuple):
    """All checkpoints of a journal, in its order; and the entries of its node's starts."""

    signed: tuple[Signed, ...]
    vouched: tuple[Vouched, ...]
    starts: tuple[int, ...] = ()

    def below(self, size: int) -> Marks:
        """Return those that stand in the first so many entries."""
        return self._replace(
            signed=tuple(each for each in self.signed if each.entry < size),
            vouched=tuple(each for each in self.vouched if each.entry < size),
        )

    def ending(self, size: int, vouched: Vouched | None) -> Marks:
        """Return those below a size, with what vouches for it and so for all of them."""
        found = self.below(size)
        return found._replace(vouched=(*found.vouched, *([vouched] if vouched else [])))

    def of(self, is_asked: Callable[[int], bool]) -> Marks:
        """Return these without checkpoints of sizes at which no quorum was asked for."""
        return self._replace(signed=tuple(each for each in self.signed if is_asked(each.size)))

    def chosen(
        self, node: str, named: int | None, is_asked: Callable[[int], bool]
    ) -> tuple[int, Vouched | None]:
        """Return the size to stop at, with the first cosignatures of it if they are asked for.

        ``is_asked`` tells whether what was agreed on at a size asks for a quorum: it follows
        from what stands below the size, and not from how much later a mirror was pulled. Where
        nobody must vouch, nobody is named: somebody may do so later on.

        Raises:
            Refusal: ``bad-checkpoint``: the size that is named is not of a checkpoint, or not
                of one that a quorum vouched for which must, as far as this mirror tells; or
                there is none.
        """
        first: dict[int, Vouched] = {}
        for each in self.vouched:
            first.setdefault(each.size, each)
        signed = {each.size for each in self.signed}
        for size in sorted(signed, reverse=True) if named is None else (named,):
            if is_asked(size):
                if size in first:
                    return size, first[size]
            elif size in signed:
                return size, None
        raise Refusal(Code.BAD_CHECKPOINT, "/sizes", name=node, found=named or 0)


def marks(source: Source) -> Marks:
    """Return a journal's checkpoints."""
    signed, vouched, starts = list[Signed](), list[Vouched](), list[int]()
    for index in _places(source):
        facts = entries.decode(source.read(index, 1)[0].entry).facts
        if isinstance(facts, entries.EpochOpened):
            starts.append(index)
        if not isinstance(facts, entries.Checkpointed):
            continue
        if not isinstance(facts.cosigned, msgspec.UnsetType):
            before_ms = signed[-1].at_ms if signed else 0
            vouched.append(_vouched(index, facts.cosigned, before_ms))
        signed.append(Signed(index, facts.size, facts.taken_ms))
    return Marks(tuple(signed), tuple(vouched), tuple(starts))


def _places(source: Source) -> Iterator[int]:
    first = 0
    while kinds := source.kinds(first, _PAGE):
        yield from (at for at, kind in enumerate(kinds, first) if kind in _KINDS)
        first += len(kinds)


def _vouched(index: int, told: entries.Cosigned, before_ms: int) -> Vouched:
    lines = "".join(f"{line}\n" for line in told.lines).encode()
    found = parse_note(_HEAD + lines).lines
    # No more than a quorum stands there, so it was complete with the last of them.
    at = max(_TIME.unpack_from(line.signature)[0] for line in found)
    by = tuple(sorted({line.name for line in found}))
    return Vouched(index, told.size, at, by, None if told.first else before_ms)


def up(found: Marks, limit_s: int, since_ms: int, until_ms: int, before_ms: int) -> Up:
    """Return how a journal was witnessed.

    Args:
        found: its checkpoints.
        limit_s: how long one may wait for a quorum; 0: nobody must vouch.
        since_ms: from when on it is looked at.
        until_ms: until when; one that nobody vouched for has waited until then.
        before_ms: the period's end, not before that: how it went on then is not known.
    """
    within = [each for each in found.signed if since_ms <= each.at_ms < until_ms]
    if not limit_s:
        return _UNASKED._replace(checkpoints=len(within))
    if until_ms <= since_ms:
        return Up(0, 0, 0, None, 0, 0, None)
    limit_ms, span = limit_s * 1000, until_ms - since_ms
    waits = _waits(found, until_ms)
    late = [(each.at_ms + limit_ms, each.least_ms) for each in waits]
    maybe = [(each.at_ms + limit_ms, each.most_ms or each.least_ms) for each in waits]
    down_ms = _covered(late, since_ms, until_ms)
    unknown_ms = _covered(maybe, since_ms, until_ms) - down_ms
    asked = [each for each in waits if since_ms <= each.at_ms < until_ms]
    cosigned = sum(1 for each in asked if each.is_in_time(limit_ms))
    is_known = all(each.is_exact or each.is_in_time(limit_ms) for each in asked)
    longest_ms = max(
        ((each.most_ms or each.least_ms) - each.at_ms for each in asked), default=0
    )
    return Up(
        checkpoints=len(within),
        cosigned=cosigned,
        undecided=len(asked) - cosigned - sum(1 for each in asked if each.is_late(limit_ms)),
        longest_s=seconds(longest_ms) if asked and is_known else None,
        down_s=seconds(down_ms),
        unknown_s=seconds(unknown_ms),
        share=None if until_ms < before_ms or unknown_ms else (span - down_ms) * 10_000 // span,
    )


def _waits(found: Marks, until_ms: int) -> list[_Wait]:
    """Return how long each waited for a quorum: of itself, or of a larger one."""
    told: list[Vouched] = []
    for each in found.vouched:
        if not told or each.size > told[-1].size:
            told.append(each)
    sizes, made = [each.size for each in told], list[_Wait]()
    for one in found.signed:
        place = bisect_left(sizes, one.size)
        if place == len(told):
            made.append(_Wait(one.at_ms, max(until_ms, one.at_ms), None))
            continue
        most_ms = max(told[place].at * 1000, one.at_ms)
        least_ms = told[place].not_before_ms
        if any(one.entry < start < told[place].entry for start in found.starts):
            # Who ran before may have had a quorum of it, and not come to tell.
            least_ms = one.at_ms
        surely_ms = most_ms if least_ms is None else max(min(least_ms, most_ms), one.at_ms)
        made.append(_Wait(one.at_ms, surely_ms, most_ms))
    return made


def _covered(spans: Sequence[tuple[int, int]], since: int, before: int) -> int:
    """Return how much of a period these spans cover together."""
    total, reached = 0, since
    for start, end in sorted(spans):
        begin, stop = max(start, reached), min(end, before)
        total += max(stop - begin, 0)
        reached = max(reached, stop)
    return total
