"""What waits here for its release: sealed for good, sent to nobody, and what became of it.

Beside the outbox, not in it: whatever is there is sent as soon as the node answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from exchange.client import losses
from exchange.client.cabinet import FILE
from exchange.errors import Code, Fault
from exchange.model.header import Blob

if TYPE_CHECKING:
    from exchange.client.cabinet import Cabinet

_DRAWER = "held.pending"
_OVER = "held.over"

Ending = Literal["posted", "declined", "withdrawn"]


class Gives(msgspec.Struct, frozen=True):
    """What a grant that waits gives to whom; ``until`` then nobody is asked any more."""

    bulletin: str
    to: str
    until: int


class Pending(msgspec.Struct, frozen=True):
    """A bulletin, or a grant of one, that its author asked to have released.

    ``id`` is its own, ``draft`` that of the draft, ``of`` the digest of its header. ``to`` are
    the releasers who were asked, ``mark`` the one under which its author posted it. Once it is
    over, ``ended`` says how, and of what was declined ``by`` whom and why. ``gives`` is set of
    a grant. ``withdrawal`` is the id of one whose receipt was not taken up yet; ``uploads``
    are its files that the node holds, as far as they were not given up since it is over.
    """

    id: str
    draft: str
    of: str
    to: list[str]
    retain_until: int
    mark: str = ""
    ended: Ending | None = None
    by: str = ""
    officer: str | None = None
    reason: str = ""
    gives: Gives | None = None
    withdrawal: str = ""
    uploads: list[Blob] = []


class Waiting:
    """The drawer of what waits, in an endpoint's cabinet."""

    def __init__(self, cabinet: Cabinet) -> None:
        """Use it."""
        self._cabinet = cabinet

    def put(self, pending: Pending) -> None:
        """Keep how something stands, until its bulletin is not to be retained any more."""
        row = msgspec.json.encode(pending)
        self._cabinet.put(_DRAWER, pending.of, row, pending.retain_until)

    def of(self, header_digest: str) -> Pending | None:
        """Return what waits, or waited, by the digest of its header."""
        found = self._cabinet.get(_DRAWER, header_digest)
        return None if found is None else _decoded(found)

    def all(self) -> list[Pending]:
        """Return what waits, and what waited, oldest first; a damaged one is put aside."""
        values, _ = losses.put_aside(self._cabinet, _DRAWER, lambda: ())
        return sorted(map(_decoded, values), key=lambda each: each.id)

    def open(self) -> list[Pending]:
        """Return what is not over yet, oldest first."""
        return [each for each in self.all() if each.ended is None]

    def unsettled(self) -> list[Pending]:
        """Return what is not over yet, and what is and leaves something to do at the node."""
        every = self.all()
        return [each for each in every if each.ended is None or each.withdrawal or each.uploads]

    def end(self, draft: str, until: int) -> None:
        """Remember, until its time, that a draft of another, by its id, was decided."""
        self._cabinet.put(_OVER, draft, b"", until)

    def is_over(self, draft: str) -> bool:
        """Tell whether ``end`` remembered that."""
        return self._cabinet.has(_OVER, draft)

    def purge(self, now: int) -> int:
        """Forget what is not to be retained any more; return how many there were."""
        gone = [self._cabinet.take_overdue(each, now) for each in (_DRAWER, _OVER)]
        return sum(len(values) + len(damaged) for values, damaged in gone)


def _decoded(value: bytes) -> Pending:
    try:
        return msgspec.json.decode(value, type=Pending)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Fault(Code.MAIL_DAMAGED, name=FILE, found="pending") from error
