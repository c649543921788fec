"""Inbox heads as they are kept and served: the tree under the newest checkpoint, held ready.

The tree is made once for each checkpoint in each process that serves; a path from it costs
nothing. What is kept is believed only where its root is the one in the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Fault, Refusal
from exchange.journal.checkpoint import parse
from exchange.journal.heads import HeadsMap, Snapshot
from exchange.model import entry as entries
from exchange.model.codec import unb64

if TYPE_CHECKING:
    from exchange.node.ports import Store


class Stored(NamedTuple):
    """The newest snapshot: its inbox-heads entry as it stands in the journal, and its tree."""

    snapshot: Snapshot
    entry: bytes
    tree: HeadsMap


async def stored(store: Store) -> Stored | None:
    """Return what is kept, once its root was compared; None before any checkpoint has heads.

    Raises:
        Fault: ``store-failed``: what is kept is not what the entry says.
    """
    raw = await store.heads()
    if not raw:
        return None
    try:
        snapshot = Snapshot.decode(raw)
        found = await _entry(store, snapshot.at)
        facts = entries.decode(found).facts
        if not isinstance(facts, entries.InboxHeads):
            raise Fault(Code.STORE_FAILED, found=snapshot.at)
        seed = entries.decode(await _entry(store, facts.seed)).facts.salt
        tree = snapshot.map(unb64(seed))
        is_right = (facts.size, unb64(facts.root)) == (snapshot.size, tree.root)
    except (Refusal, ValueError, OverflowError) as error:
        raise Fault(Code.STORE_FAILED, reason="inbox heads") from error
    if not is_right:
        raise Fault(Code.STORE_FAILED, reason="inbox heads", found=snapshot.at)
    return Stored(snapshot, found, tree)


async def _entry(store: Store, index: int) -> bytes:
    rows = await store.read(index, 1)
    if not rows or rows[0].index != index:
        raise Fault(Code.STORE_FAILED, reason="inbox heads", found=index)
    return rows[0].entry


class Heads:
    """Serves the heads under the newest checkpoint."""

    def __init__(self, store: Store) -> None:
        """Read from ``store``."""
        self._store = store
        self._ready: tuple[int, Stored] | None = None

    async def under(self, note: bytes | None) -> tuple[bytes, Stored]:
        """Return a checkpoint, the one given or a newer one, and the heads under it.

        Raises:
            Refusal: ``not-found``: there is none yet.
            Fault: the store does not answer, or keeps something else.
        """
        size = parse(note).size if note is not None else 0
        if note is not None and self._ready is not None and self._ready[0] == size:
            return note, self._ready[1]
        found = await stored(self._store)
        if found is None:
            raise Refusal(Code.NOT_FOUND)
        if note is None or size <= found.snapshot.at:
            # Durable already, and not told of yet: what is kept is of that checkpoint.
            note = await self._newest()
        self._ready = (parse(note).size, found)
        return note, found

    async def _newest(self) -> bytes:
        row = await self._store.newest("checkpoint")
        facts = entries.decode(row.entry).facts if row is not None else None
        if not isinstance(facts, entries.Checkpointed):
            raise Fault(Code.STORE_FAILED, reason="inbox heads")
        return facts.note.encode()
