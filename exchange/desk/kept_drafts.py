"""Drafts that an officer began: sealed with all else that is kept, until sent or deleted.

One that nobody touches for 30 days is deleted with its files, and that is told before: on seven
days, at a desk that was open then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from exchange.client import losses
from exchange.client.losses import Loss
from exchange.desk.kept_files import Filed, KeptFiles
from exchange.errors import Code, Refusal
from exchange.model.identity import Uuid7

if TYPE_CHECKING:
    from collections.abc import Collection

    from exchange.client.cabinet import Cabinet

_DRAWER: Final = "desk-drafts"
_DAY_S: Final = 86_400
# What nobody sends is not to lie at a desk for longer than a bulletin would.
_KEPT_S: Final = 30 * _DAY_S
_TOLD_DAYS: Final = 7


def must_be_name(identity: str) -> str:
    """Return the name of a draft.

    Raises:
        Refusal: ``wrong-value``: it is none.
    """
    try:
        return msgspec.convert(identity, Uuid7)
    except msgspec.ValidationError:
        raise Refusal(Code.WRONG_VALUE, "/draft", expected="uuid7") from None


class Counted(msgspec.Struct, frozen=True):
    """From what a draft's figures were computed: what was asked, as a query, and its digest."""

    asked: str
    digest: str


class Kept(msgspec.Struct, frozen=True):
    """A draft as it stands.

    Attributes:
        id: a UUIDv7, by which the desk names it; it never leaves this machine.
        type: a bulletin type's code.
        written: texts by pointer in the draft, as they were typed.
        changed_s: when somebody last wrote in it, or it came back; in seconds UTC.
        files: that are attached, in their order.
        went: id of the bulletin that it went as; empty of one that is written yet. It is kept
            until there is a receipt: what is refused after all comes back.
        version: how often what is written was kept.
        window: by which window it was kept last.
        went_as: ids of the envelopes that it went in before it came back, and of the drafts
            that asked for their release.
        counted: of statistics, from what they were computed.
        told: days on which a desk told that it is to be deleted, counted from 1970, UTC; those
            before somebody touched it count no more.
    """

    id: str
    type: str
    written: dict[str, list[str]]
    changed_s: int
    files: list[Filed] = []
    went: str = ""
    version: int = 0
    window: str = ""
    went_as: list[str] = []
    told: list[int] = []
    counted: Counted | None = None

    @property
    def until_s(self) -> int:
        """When it is deleted at the earliest if nobody touches it, in seconds UTC.

        So it is where a desk is open every day from now on; else it is later.
        """
        until, told = self.changed_s + _KEPT_S, self.told_since
        if not told:
            return until
        return max(until, (told[-1] + 1 + _TOLD_DAYS - len(told)) * _DAY_S)

    @property
    def told_since(self) -> list[int]:
        """Days on which it was told since somebody touched it, in order."""
        return [day for day in self.told if day > self.changed_s // _DAY_S]

    def told_by(self, now: int) -> Kept:
        """Return it as it is to be kept ``now``: told of today, once it is time for that.

        A clock may have been ahead: what was told later than now was not, and what somebody
        touched later than now is new from now.
        """
        changed_s, today = min(self.changed_s, now), now // _DAY_S
        kept = msgspec.structs.replace(self, changed_s=changed_s)
        told = [day for day in kept.told_since if day < today]
        if changed_s + _KEPT_S - _TOLD_DAYS * _DAY_S <= now:
            told.append(today)
        return msgspec.structs.replace(kept, told=told)

    @property
    def title(self) -> str:
        """What it is about, as far as that was written."""
        return next(iter(self.written.get("/bulletin/title/text", [])), "")


class KeptDrafts:
    """The drafts of one endpoint."""

    def __init__(self, cabinet: Cabinet) -> None:
        """Keep them in a cabinet, and their files beside it."""
        self._cabinet = cabinet
        self._has_looked = False
        self.files = KeptFiles(cabinet)

    def all(self) -> list[Kept]:
        """Return what is written yet, what was changed last first."""
        return [each for each in self._every() if not each.went]

    def gone(self) -> list[Kept]:
        """Return what went, and has no receipt that is known to us yet."""
        return [each for each in self._every() if each.went]

    def _every(self) -> list[Kept]:
        """Return all of them; a damaged one is put aside and told of (``losses``)."""
        values, _ = losses.put_aside(self._cabinet, _DRAWER, lambda: ())
        found = [msgspec.json.decode(value, type=Kept) for value in values]
        return sorted(found, key=lambda each: each.changed_s, reverse=True)

    def get(self, identity: str) -> Kept:
        """Return a draft.

        Raises:
            Refusal: ``not-found``.
        """
        value = self._cabinet.get(_DRAWER, identity)
        if value is None:
            raise Refusal(Code.NOT_FOUND, found=identity)
        return msgspec.json.decode(value, type=Kept)

    def must_be_written_yet(self, identity: str) -> None:
        """Hold to it that a draft, if it is there, did not go.

        Raises:
            Refusal: ``draft-sent``.
        """
        if self.has(identity) and self.get(identity).went:
            raise Refusal(Code.DRAFT_SENT)

    def has(self, identity: str) -> bool:
        """Tell whether a draft is there."""
        return self._cabinet.has(_DRAWER, identity)

    def put(self, draft: Kept) -> None:
        """Keep a draft as it stands now."""
        self._cabinet.put(_DRAWER, draft.id, msgspec.json.encode(draft))

    def move(self, draft: Kept, identity: str) -> Kept:
        """Keep a draft under another name, its files with it; return it."""
        moved = msgspec.structs.replace(draft, id=identity)
        with self._cabinet.change():
            self.put(moved)
            self._cabinet.drop(_DRAWER, draft.id)
        return moved

    def drop(self, identity: str) -> None:
        """Delete a draft and its files, if it is there."""
        if not self.has(identity):
            return
        files = self.get(identity).files
        self._cabinet.drop(_DRAWER, identity)
        self.files.drop(files)

    def expire(self, now: int, going: Collection[str]) -> None:
        """Delete what nobody touched for too long, its files with it, and list that.

        What was not told of on seven days before is told of today: whoever was away for a
        month, or whose clock was wrong, finds it still there. At the first look nothing is
        deleted: no page was shown yet.

        Args:
            now: in seconds UTC.
            going: names of drafts that are about to go.
        """
        for kept in self.all():
            if kept.id in going:
                continue
            draft = kept.told_by(now)
            if draft.until_s > now or not self._has_looked:
                if draft != kept:
                    self.put(draft)
            else:
                with self._cabinet.change():
                    self._cabinet.drop(_DRAWER, draft.id)
                    self._cabinet.lose(Loss(_DRAWER, "expired", until=draft.until_s))
                self.files.drop(draft.files)
        self._has_looked = True

    def attached(self, identity: str) -> list[Filed]:
        """Return the files of a draft, if it is there."""
        return self.get(identity).files if self.has(identity) else []

    def sweep(self, now_ms: int) -> None:
        """Delete files that no draft names, as a program that died left them."""
        self.files.sweep([filed for draft in self._every() for filed in draft.files], now_ms)
