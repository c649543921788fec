"""A journal's checkpoints: which sizes were signed, who cosigned them, and for how long nobody.

Read from entries that ``verify`` has held to the keys of node and witnesses: here they are only
counted. A witness is up as long as no checkpoint has waited for a quorum for longer than the
arrangement allows. A journal in which nothing happens asks for no checkpoint, and loses none.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
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

    ``at`` is the oldest of their times, in seconds UTC; ``by`` are the witnesses, by name.
    """

    entry: int
    size: int
    at: int
    by: tuple[str, ...]


class Up(NamedTuple):
    """How a journal was witnessed in a period.

    Attributes:
        checkpoints: signed in it.
        cosigned: of these, how many a quorum vouched for in time; None where nobody must.
        longest_s: that one of them waited for a quorum; None: none was waited for.
        down_s: seconds in which one waited for longer than is allowed; None where nobody must.
        share: of the time looked at, in hundredths of a percent, in which none did; None where
            nobody must vouch, or no time was looked at.
    """

    checkpoints: int
    cosigned: int | None
    longest_s: int | None
    down_s: int | None
    share: int | None


class Marks(NamedTuple):
    """All checkpoints of a journal, in its order."""

    signed: tuple[Signed, ...]
    vouched: tuple[Vouched, ...]

    def below(self, size: int) -> Marks:
        """Return those that stand in the first so many entries."""
        return Marks(
            tuple(each for each in self.signed if each.entry < size),
            tuple(each for each in self.vouched if each.entry < size),
        )

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
    signed, vouched = list[Signed](), list[Vouched]()
    for index in _places(source):
        facts = entries.decode(source.read(index, 1)[0].entry).facts
        if not isinstance(facts, entries.Checkpointed):
            continue
        signed.append(Signed(index, facts.size, facts.taken_ms))
        if not isinstance(facts.cosigned, msgspec.UnsetType):
            vouched.append(_vouched(index, facts.cosigned))
    return Marks(tuple(signed), tuple(vouched))


def _places(source: Source) -> Iterator[int]:
    first = 0
    while kinds := source.kinds(first, _PAGE):
        yield from (at for at, kind in enumerate(kinds, first) if kind == "checkpoint")
        first += len(kinds)


def _vouched(index: int, told: entries.Cosigned) -> Vouched:
    lines = "".join(f"{line}\n" for line in told.lines).encode()
    found = parse_note(_HEAD + lines).lines
    at = min(_TIME.unpack_from(line.signature)[0] for line in found)
    return Vouched(index, told.size, at, tuple(sorted({line.name for line in found})))


def up(found: Marks, limit_s: int, since_ms: int, before_ms: int) -> Up:
    """Return how a journal was witnessed.

    Args:
        found: its checkpoints.
        limit_s: how long one may wait for a quorum; 0: nobody must vouch.
        since_ms: from when on it is looked at.
        before_ms: until when; a checkpoint that nobody vouched for has waited until then.
    """
    within = [each for each in found.signed if since_ms <= each.at_ms < before_ms]
    if not limit_s or before_ms <= since_ms:
        return Up(len(within), None, None, None if not limit_s else 0, None)
    when = _when_vouched(found.vouched)
    waited = [(each.at_ms, when(each.size, before_ms)) for each in found.signed]
    late = [(at + limit_s * 1000, end) for at, end in waited if end - at > limit_s * 1000]
    down_ms = _covered(late, since_ms, before_ms)
    times = [end - at for at, end in waited if since_ms <= at < before_ms]
    span = before_ms - since_ms
    return Up(
        checkpoints=len(within),
        cosigned=sum(1 for each in times if each <= limit_s * 1000),
        longest_s=seconds(max(times)) if times else None,
        down_s=seconds(down_ms),
        share=(span - down_ms) * 10_000 // span,
    )


def _when_vouched(vouched: Sequence[Vouched]) -> Callable[[int, int], int]:
    """Return what says when a size was first vouched for: by itself, or within a larger one."""
    sizes, firsts = list[int](), list[int]()
    for each in sorted(vouched, key=lambda one: (-one.size, one.at)):
        sizes.append(-each.size)
        firsts.append(min(each.at, firsts[-1]) if firsts else each.at)

    def when(size: int, otherwise_ms: int) -> int:
        # Sizes go down: all up to here are not less than this one.
        count = bisect_right(sizes, -size)
        return min(firsts[count - 1] * 1000, otherwise_ms) if count else otherwise_ms

    return when


def _covered(spans: Sequence[tuple[int, int]], since: int, before: int) -> int:
    """Return how much of a period these spans cover together."""
    total, reached = 0, since
    for start, end in sorted(spans):
        begin, stop = max(start, reached), min(end, before)
        total += max(stop - begin, 0)
        reached = max(reached, stop)
    return total
