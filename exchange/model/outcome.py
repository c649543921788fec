"""What became of something here, by the first line of its entry; nothing else of it is read.

For who asks it of each of many entries that this node wrote or read before: no more than is
asked for is decoded.
"""

from __future__ import annotations

import msgspec

from exchange.model.entry import Owed, Unowed


class Outcome(msgspec.Struct, frozen=True):
    """Of which kind its entry is, and who has it by that.

    ``code`` is why it was refused; ``declined`` who may not have it, of what was accepted.
    """

    kind: str
    owed: list[Owed] = []
    declined: list[Unowed] = []
    code: str = ""

    @property
    def is_accepted(self) -> bool:
        """Whether it is a bulletin that somebody has."""
        return self.kind == "accepted"

    @property
    def is_refused(self) -> bool:
        """Whether nobody has it."""
        return self.kind == "refused"

    @property
    def has(self) -> frozenset[str]:
        """The endpoints that it is owed to."""
        return frozenset(each.endpoint for each in self.owed)


class _Taken(msgspec.Struct, frozen=True):
    taken_ms: int


_OUTCOME = msgspec.json.Decoder(Outcome)
_TAKEN = msgspec.json.Decoder(_Taken)


def outcome_in(entry: bytes) -> Outcome:
    """Return what an entry of our own journal, or its first line, says became of it."""
    return _OUTCOME.decode(entry.partition(b"\n")[0])


def taken_in(line: bytes) -> int:
    """Return when an entry was taken, in ms, by its facts, which were read once before."""
    return _TAKEN.decode(line).taken_ms
