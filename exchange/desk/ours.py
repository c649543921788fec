"""What was posted from here, as if it had come back: for threads, and for what became of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from exchange.client import amending, story
from exchange.client.reading import Delivered
from exchange.errors import Fault, Refusal

if TYPE_CHECKING:
    from exchange.client.agency import Agency
    from exchange.client.story import Posted
    from exchange.model.codes import Codes


class Ours:
    """What was posted from this endpoint; each is opened once, as soon as it has a receipt."""

    def __init__(self, agency: Agency, codes: Codes) -> None:
        """Read the agency's outbox."""
        self._agency = agency
        self._codes = codes
        self._made: dict[str, Delivered] = {}
        self._posted: dict[str, Posted] = {}

    def posted(self) -> list[Posted]:
        """Return every bulletin posted from here, oldest first."""
        outbox = self._agency.world.outbox
        for identity in sorted({*outbox.sent(), *outbox.waiting()}):
            known = self._posted.get(identity)
            if known is None or known.facts is None:
                found = story.posted(outbox, identity)
                if found is not None:
                    self._posted[identity] = found
        return [self._posted[identity] for identity in sorted(self._posted)]

    def items(self) -> list[Delivered]:
        """Return what has a receipt, opened as far as it opens by now."""
        for each in self.posted():
            if each.index is not None and each.header.id not in self._made:
                self._made[each.header.id] = self._item(each, each.index)
        self.forget()
        return list(self._made.values())

    def forget(self) -> None:
        """Forget each text whose key is here no more, whoever destroyed it."""
        kept = self._agency.world.kept
        for identity, item in self._made.items():
            if item.bulletin is not None and not kept.has(identity):
                self._made[identity] = msgspec.structs.replace(item, bulletin=None)

    def drop(self) -> None:
        """Forget the texts: something was destroyed here."""
        self._made.clear()
        self._posted.clear()

    def _item(self, each: Posted, index: int) -> Delivered:
        world, keys = self._agency.world, self._agency.keys
        own = amending.Own(world.outbox, world.kept, keys.openers, world.now())
        text = None
        # What is gone or damaged is gone: its header says that it was.
        with suppress(Refusal, Fault):
            text = amending.text_of(each.header, own, self._codes)
        taken_ms = each.facts.taken_ms if each.facts else each.header.issued * 1000
        return Delivered(
            position=0,
            index=index,
            taken_ms=taken_ms,
            header=each.header,
            digest=each.digest,
            late=False,
            target=None,
            accepted=index,
            accepted_ms=taken_ms,
            bulletin=text,
        )
