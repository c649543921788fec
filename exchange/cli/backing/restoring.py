"""Make a node's folder of a backup, and of what its second place has besides.

Every entry is judged again and every table made anew from them, as ``journal rebuild`` does;
then all of it is held to what was signed. The folder gets its name only after that.
"""

from __future__ import annotations

import shutil
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.audit.rebuild import Rebuilder
from exchange.cli import state, world
from exchange.cli.backing import scratch
from exchange.cli.backing.passing import Passing
from exchange.cli.backing.reading import Reading, Summary, summary
from exchange.cli.journal_file import Blocking
from exchange.cli.state import Settings, State
from exchange.cli.usage import in_the_way
from exchange.client.files import make_private, sync_folder, write_durably
from exchange.errors import Code, Fault
from exchange.journal import checkpoint as c2sp
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.store.blob_copies import Copied, Copies, mark_there, marked
from exchange.store.shipped import Known, ShippedFiles
from exchange.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from exchange.cli.backing.gathering import Told
    from exchange.cli.backing.records import File, Head
    from exchange.custody.stream import Opener
    from exchange.node.ports import Shipped


class Plan(NamedTuple):
    """Where to, and what the journal must not be behind of."""

    folder: Path
    second: Path | None
    notes: Sequence[bytes]


class Restored(msgspec.Struct, frozen=True):
    """What came back.

    Attributes:
        folder: the node's folder.
        holds: what is in it now, of the backup and of the second place together.
        shipped: entries that the second place had besides.
        signed: entries under the newest checkpoint that it was held to; 0 where none is known.
        purged: attachments that had come back and that a mark took away again.
        epoch: the first that the node opens.
        second: the second place that it goes on with and has taken over; empty: none.
        cleared: what a restore into the same folder that was cut off had left; removed.
    """

    folder: str
    holds: Summary
    shipped: int
    signed: int
    purged: int
    epoch: int
    second: str
    cleared: list[str] = []


def restore(opener: Opener, planned: Callable[[str, Head], Plan], told: Told) -> Restored:
    """Restore into a folder that is not there yet, or empty; all of it or nothing.

    Args:
        opener: of the backup.
        planned: asked before any work, with what the node's settings say of a second place
            and with the backup's head.
        told: hears how far it is.

    Raises:
        Fault: ``backup-damaged``, ``backup-differs``, ``bad-checkpoint``; ``backup-behind``:
            more was signed or shipped than would be there.
    """
    reading = Reading(opener)
    files = list(reading.files())
    plan = planned(_settings(files, reading.head).second, reading.head)
    _must_reach(reading.head.size, plan)
    parent = plan.folder.resolve().parent
    cleared = scratch.clear(plan.folder)
    with scratch.beside(plan.folder) as part:
        for each in files:
            make_private((part / each.name).parent)
            write_durably(part / each.name, each.data)
        restoring = _Restoring(reading, plan, State(part), told)
        restored = restoring.run()
        # Last of all: nobody is shut out for what fails.
        folder = _named(part, plan.folder)
        try:
            sync_folder(parent)
            restoring.take_over(restored.epoch)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return msgspec.structs.replace(restored, cleared=cleared)


def tells_more(notes: Sequence[bytes], head: Head) -> bool:
    """Tell whether one of these checkpoints may tell of what came after a backup.

    One that is older than the backup's own tells of nothing that is not in it.
    """
    signed = _size_of(head.note) if head.note else 0
    return any(_size_of(note) >= signed for note in notes)


def _named(part: Path, folder: Path) -> Path:
    try:
        return part.rename(folder)
    except OSError:
        if folder.exists():
            # Something came there meanwhile.
            in_the_way(folder, "--into")
        raise


def _settings(files: Sequence[File], head: Head) -> Settings:
    """Return what the node was told, as it stands in the backup."""
    found = {each.name: each.data for each in files}
    try:
        settings = msgspec.json.decode(found[state.SETTINGS], type=Settings)
    except (KeyError, msgspec.MsgspecError):
        raise Fault(Code.BACKUP_DAMAGED) from None
    if (settings.node, settings.anchor) != (head.node, head.anchor):
        raise Fault(Code.BACKUP_DAMAGED)
    return settings


def _must_reach(size: int, plan: Plan) -> None:
    """Refuse at once what would be refused in the end, by what is only said of its length.

    Raises:
        Fault: ``backup-behind``.
    """
    shipped = 0 if plan.second is None else ShippedFiles(plan.second).size()
    _must_not_be_behind(max(size, shipped), max(map(_size_of, plan.notes), default=0))


def _size_of(note: bytes) -> int:
    return c2sp.parse(note).size


def _must_not_be_behind(found: int, expected: int) -> None:
    if found < expected:
        missing = expected - found
        raise Fault(Code.BACKUP_BEHIND, missing=missing, found=found, expected=expected)


class _Restoring:
    def __init__(self, reading: Reading, plan: Plan, part: State, told: Told) -> None:
        self._reading, self._plan, self._part, self._told = reading, plan, part, told
        self._second = None if plan.second is None else _second(plan.folder, plan.second)
        self._copies = Copies(part.blobs)
        self._here: set[str] = set()
        self._count = 0
        self._marks: list[str] = []
        head = reading.head
        self._passing = Passing(head.node, head.anchor, head.note, self._here.__contains__)

    def run(self) -> Restored:
        """Fill the folder; it is durable when this returns."""
        head = self._reading.head
        self._attachments()
        told = self._told.entries
        with Blocking(SqliteStore.open(self._part.journal, has_threads=False)) as target:
            rebuilder = Rebuilder(target, head.anchor, lambda done: told(done, head.size))
            rebuilt = rebuilder.run(self._groups())
            if rebuilt.code is not None:
                raise Fault(Code.BACKUP_DIFFERS, rebuilt.at, found=rebuilt.first or 0)
            newest = self._compare(rebuilder, target)
            epoch = max(world.now(), target.head().epoch + 1)
        purged = self._purge()
        self._settle(newest, epoch)
        return Restored(
            folder=str(self._plan.folder),
            holds=summary(head, self._passing, self._here, self._marks),
            shipped=self._passing.size - head.size,
            signed=_size_of(newest) if newest else 0,
            purged=purged,
            epoch=epoch,
            second=self._part.settings().second,
        )

    def _attachments(self) -> None:
        self._copies.make()
        for attachment, pieces in self._reading.attachments():
            self._count += 1
            hashed = sha256()
            copied = Copied(attachment.digest, attachment.size, attachment.members)
            with self._copies.taking(copied) as file:
                for piece in pieces:
                    hashed.update(piece)
                    file.write(piece)
            if b64(hashed.digest()) == attachment.digest:
                self._here.add(attachment.digest)
            else:
                # It was bad at the node already: it is missing, and said to be.
                self._copies.drop(attachment.digest)
            self._told.attachments(self._count, self._count)

    def _groups(self) -> Iterator[Shipped]:
        """Return the commit groups of the backup, then those that were shipped after it."""
        for group in self._reading.groups():
            self._passing.take(group)
            yield group
        self._marks = self._reading.marks()
        self._reading.finish(self._passing, self._count)
        if self._second is not None:
            for group in self._second.groups(self._passing.size):
                if group.first >= self._passing.size:
                    self._passing.take(group)
                    yield group

    def _compare(self, rebuilder: Rebuilder, target: Blocking) -> bytes:
        """Hold the journal to all that was signed or shipped; return the newest checkpoint."""
        if self._second is not None:
            # More than was read: frames in the middle do not hold.
            _must_not_be_behind(self._passing.size, self._second.size())
        newest, signed = b"", 0
        for note in (self._reading.head.note, *self._plan.notes, _newest(target)):
            if not note:
                continue
            found = self._passing.read_note(note)
            _must_not_be_behind(self._passing.size, found.size)
            if found.size and rebuilder.root_at(found.size) != found.root:
                raise Fault(Code.BACKUP_DIFFERS, found=found.size)
            if found.size >= signed:
                newest, signed = note, found.size
        return newest

    def _purge(self) -> int:
        """Take away again what was purged, here or since; return how many there were."""
        since = () if self._plan.second is None else marked(self._plan.second)
        self._marks = sorted({*self._marks, *since})
        self._here -= set(self._marks)
        gone = self._copies.purge(self._marks)
        self._copies.settle()
        return gone

    def _settle(self, newest: bytes, epoch: int) -> None:
        """Write what makes the node another than the one before."""
        if newest:
            write_durably(self._part.pledge, newest)
        # Where it goes on with none, it does not take that of the node before, either.
        second = "" if self._plan.second is None else str(self._plan.second.resolve())
        settings = self._part.settings()
        settings = msgspec.structs.replace(settings, restored=epoch, second=second)
        write_durably(self._part.folder / state.SETTINGS, msgspec.json.encode(settings) + b"\n")
        sync_folder(self._part.folder)

    def take_over(self, epoch: int) -> None:
        """Shut out the node before; whoever is stopped before this does it at its first start.

        Raises:
            Fault: ``backup-behind``: the node before shipped more meanwhile; ``node-replaced``.
        """
        if self._second is not None and self._plan.second is not None:
            _must_not_be_behind(self._passing.size, self._second.size())
            mark_there(self._plan.second, self._marks)
            self._second.claim(epoch)
            # What the node before shipped until it was shut out is not here.
            _must_not_be_behind(self._passing.size, self._second.size())


def _second(folder: Path, place: Path) -> ShippedFiles:
    """Return a second place that the restored node will know as its own once it is claimed."""
    known = Known(folder / state.SHIPPED_TO, str(place.resolve()), is_new=True)
    return ShippedFiles(place, known)


def _newest(target: Blocking) -> bytes:
    """Return the newest checkpoint that stands in a journal."""
    index = target.newest("checkpoint")
    facts = None if index is None else entries.decode(target.read(index, 1)[0].entry).facts
    return facts.note.encode() if isinstance(facts, entries.Checkpointed) else b""
