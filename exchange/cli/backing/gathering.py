"""Gather a node's state into a backup, while the node runs or stands still.

Nothing is held up: entries never change, so they are read a group at a time up to the length
that the journal had at the beginning. No snapshot is kept open, which would let the node's
write-ahead log grow without end and keep a node from starting meanwhile.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.audit.rebuild import groups_of
from exchange.cli import standing, state, world
from exchange.cli.backing import records
from exchange.cli.backing.passing import Passing
from exchange.cli.journal_file import Blocking
from exchange.errors import Code, Fault
from exchange.store.blob_copies import Copies
from exchange.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from exchange.cli.backing.records import Sink
    from exchange.cli.state import State
    from exchange.node.ports import Shipped
    from exchange.store.blob_copies import Copied


class Told(NamedTuple):
    """Who hears how far it is: attachments and entries, done and of how many."""

    attachments: Callable[[int, int], None]
    entries: Callable[[int, int], None]


def gather(here: State, sink: Sink, told: Told, *, with_keys: bool) -> None:
    """Write all that a node is restored from.

    Raises:
        Fault: the folder is no node's; ``journal-behind``: more was signed than is there;
            ``backup-differs``: the journal is not what was signed; or it cannot be read.
    """
    settings = here.settings()
    # Before the length: what is signed is at most what is stored then.
    note = here.pledge.read_bytes() if here.pledge.exists() else b""
    with Blocking(SqliteStore.follow(here.journal)) as source:
        size = source.size()
        head = records.Head(
            v="xb1-backup",
            node=settings.node,
            anchor=settings.anchor,
            made=world.now(),
            size=size,
            note=note,
            has_keys=with_keys,
        )
        records.write(head, sink)
        for name in files(here, with_keys=with_keys):
            records.write(records.File(name, (here.folder / name).read_bytes()), sink)
        for name in standing.evidence(here):
            raw = (here.folder / name).read_bytes()
            records.write(records.File(_aside(name), raw), sink)
        copies = Copies(here.blobs)
        kept = _attachments(copies, sink, told.attachments)
        passing = Passing(settings.node, settings.anchor, note, kept.__contains__)
        for group in _until(size, groups_of(source)):
            passing.take(group)
            records.write(records.Group(*msgspec.structs.astuple(group)), sink)
            told.entries(passing.size, size)
    _must_be_whole(passing, size, note)
    _marks(copies, sink)
    records.write(records.End(passing.frontier.root() if size else b"", len(kept)), sink)


def files(here: State, *, with_keys: bool) -> list[str]:
    """Return the names of the small files that are backed up.

    The session key is in no file: callers open new sessions, and a token that the old node
    gave is no good at the new one.
    """
    trust = sorted(path.name for path in (here.folder / state.TRUST).glob("*.trust"))
    names = [state.SETTINGS, state.CERTIFICATE, *(f"{state.TRUST}/{each}" for each in trust)]
    return [*names, state.KEYS] if with_keys else names


def _aside(evidence: str) -> str:
    """Return under which name evidence comes back: that of a witness in a memory put aside.

    Without all that a witness remembers it is to vouch for nobody: no folder of that name.
    """
    folder, _, rest = evidence.partition("/")
    return f"{folder}.before-0/{rest}" if folder == state.WITNESS else evidence


def _until(size: int, groups: Iterator[Shipped]) -> Iterator[Shipped]:
    return itertools.takewhile(lambda group: group.first < size, groups)


def _must_be_whole(passing: Passing, size: int, note: bytes) -> None:
    try:
        passing.must_have_ended(size)
    except Fault as fault:
        if fault.code is Code.BACKUP_BEHIND:
            signed = passing.read_note(note).size
            raise Fault(Code.JOURNAL_BEHIND, expected=signed, found=size) from fault
        raise


def _attachments(
    copies: Copies, sink: Sink, told: Callable[[int, int], None]
) -> frozenset[str]:
    """Write what is kept; return the digests."""
    found, count = [], copies.count()
    for copied, file in copies.kept():
        records.write(records.Attachment(*copied), sink)
        _pieces(copied, file, sink)
        found.append(copied.digest)
        told(len(found), count)
    return frozenset(found)


def _pieces(copied: Copied, file: IO[bytes], sink: Sink) -> None:
    left = copied.size
    while left and (data := file.read(min(left, records.PIECE_BYTES))):
        left -= len(data)
        records.write(records.Piece(data), sink)
    if left:
        raise Fault(Code.STORE_FAILED, reason="an attachment ended early", digest=copied.digest)


def _marks(copies: Copies, sink: Sink) -> None:
    """Write which attachments are purged: last, so that what went meanwhile has its mark."""
    purged = copies.purged()
    for at in range(0, len(purged), records.MARKS):
        records.write(records.Marks(purged[at : at + records.MARKS]), sink)
