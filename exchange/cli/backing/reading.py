"""Read a backup from its beginning to its end, and say what is in it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

import msgspec

from exchange.cli.backing import records
from exchange.cli.backing.passing import Passing
from exchange.errors import Code, Fault
from exchange.model.codec import b64
from exchange.node.ports import Shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exchange.cli.backing.records import Attachment, File, Head, Record
    from exchange.custody.stream import Opener

R = TypeVar("R")


class Summary(msgspec.Struct, frozen=True):
    """What is in a backup.

    Attributes:
        node: whose it is.
        made: when it was begun, in seconds UTC.
        size: entries.
        root: of all of them, in base64url.
        signed: entries under the newest signed checkpoint.
        attachments: that are in it, each as its digest says.
        purged: marks of what was purged.
        bodies_missing: bodies that entries name and that the node did not have.
        attachments_missing: likewise, purged ones apart.
        has_keys: whether the node's sealed keys are in it.
    """

    node: str
    made: int
    size: int
    root: str
    signed: int
    attachments: int
    purged: int
    bodies_missing: int
    attachments_missing: int
    has_keys: bool


class Reading:
    """The parts of a backup; each is to be read to its end, in the order in which they are."""

    def __init__(self, opener: Opener) -> None:
        """Read the head."""
        self._opener = opener
        self._next: Record = records.read(opener)
        self.head: Head = self._must_be(records.Head)
        self._advance()

    def files(self) -> Iterator[File]:
        """Return the small files."""
        return self._all(records.File)

    def attachments(self) -> Iterator[tuple[Attachment, Iterator[bytes]]]:
        """Return each attachment with its pieces, which are to be read before the next."""
        for attachment in self._all(records.Attachment):
            yield attachment, self._pieces(attachment.size)

    def groups(self) -> Iterator[Shipped]:
        """Return the commit groups."""
        for group in self._all(records.Group):
            yield Shipped(group.first, group.statement, group.entries, group.blobs)

    def marks(self) -> list[str]:
        """Return what was purged."""
        return [each for marks in self._all(records.Marks) for each in marks.digests]

    def finish(self, passing: Passing, attachments: int) -> None:
        """Return only if this is the end, and all went by that was written.

        Raises:
            Fault: ``backup-damaged``, or as ``Passing.must_have_ended``.
        """
        end = self._must_be(records.End)
        self._opener.finish()
        passing.must_have_ended(self.head.size)
        root = passing.frontier.root() if passing.size else b""
        if (end.root, end.attachments) != (root, attachments):
            raise Fault(Code.BACKUP_DAMAGED)

    def _pieces(self, size: int) -> Iterator[bytes]:
        while size > 0:
            piece = self._must_be(records.Piece).data
            self._advance()
            size -= len(piece)
            yield piece
        if size:
            raise Fault(Code.BACKUP_DAMAGED)

    def _all(self, kind: type[R]) -> Iterator[R]:
        while isinstance(self._next, kind):
            found = self._next
            self._advance()
            yield found

    def _must_be(self, kind: type[R]) -> R:
        if not isinstance(self._next, kind):
            raise Fault(Code.BACKUP_DAMAGED)
        return self._next

    def _advance(self) -> None:
        self._next = records.read(self._opener)


def verify(opener: Opener, told: Callable[[int, int], None]) -> Summary:
    """Read all of a backup, hold it to itself and to what was signed, and say what is in it.

    Raises:
        Fault: as ``Reading.finish``.
    """
    reading = Reading(opener)
    for _ in reading.files():
        pass
    here, count = set(), 0
    for attachment, pieces in reading.attachments():
        count += 1
        if digest_of(pieces) == attachment.digest:
            here.add(attachment.digest)
    head = reading.head
    passing = Passing(head.node, head.anchor, head.note, here.__contains__)
    for group in reading.groups():
        passing.take(group)
        told(passing.size, head.size)
    purged = reading.marks()
    reading.finish(passing, count)
    return summary(head, passing, here, purged)


def digest_of(pieces: Iterator[bytes]) -> str:
    """Return the digest of what comes in pieces."""
    hashed = sha256()
    for piece in pieces:
        hashed.update(piece)
    return b64(hashed.digest())


def summary(head: Head, passing: Passing, here: set[str], purged: list[str]) -> Summary:
    """Return what went by."""
    return Summary(
        node=head.node,
        made=head.made,
        size=passing.size,
        root=b64(passing.frontier.root()) if passing.size else "",
        signed=passing.read_note(head.note).size if head.note else 0,
        attachments=len(here),
        purged=len(purged),
        bodies_missing=passing.bodies_missing,
        attachments_missing=len(passing.attachments_missing - set(purged)),
        has_keys=head.has_keys,
    )
