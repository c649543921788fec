"""What stands in a backup: records of MessagePack, each after its length in four bytes.

    head > small files > attachments, each with its pieces > commit groups > marks > end

In this order, for a backup is made while the node runs: see ``store.blob_copies``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, Protocol

import msgspec

from exchange.errors import Code, Fault
from exchange.model.identity import Count, Digest, MemberId, Seconds, Word

if TYPE_CHECKING:
    from exchange.custody.stream import Opener

# Of an attachment in one record.
PIECE_BYTES: Final = 1024 * 1024
# Digests in one record.
MARKS: Final = 4096
# A commit group is far below this (``node.settings.MAX_GROUP_BYTES``). Bounds what is held.
_MAX_RECORD_BYTES: Final = 256 * 1024 * 1024
_LENGTH_BYTES: Final = 4


class _Record(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag_field="is"
):
    """One record; its kind comes first."""


class Head(_Record, frozen=True, tag="head"):
    """Whose journal this is, how long, and the newest checkpoint that was signed of it."""

    v: Literal["xb1-backup"]
    node: Word
    anchor: Digest
    made: Seconds
    size: Count
    note: bytes
    has_keys: bool


# One of ours, never a path that leads elsewhere.
Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(node\.json|node\.xk|certificate\.pem|trust/[^/\x00]{1,250}\.trust"
        r"|(links|witness\.before-[0-9]{1,9}/evidence)/[^/\x00]{1,240}\.evidence)\Z"
    ),
]


class File(_Record, frozen=True, tag="file"):
    """A small file of the node's folder."""

    name: Name
    data: bytes


class Attachment(_Record, frozen=True, tag="attachment"):
    """An attachment that is kept, and the organisations it counts for; its pieces follow."""

    digest: Digest
    size: Count
    members: list[MemberId]


class Piece(_Record, frozen=True, tag="piece"):
    """The next bytes of an attachment."""

    data: bytes


class Group(_Record, frozen=True, tag="group"):
    """A commit group, as it is shipped to a second place: ``node.ports.Shipped``."""

    first: Count
    statement: bytes
    entries: list[bytes]
    blobs: list[bytes]


class Marks(_Record, frozen=True, tag="marks"):
    """Attachments that were purged: they stay away."""

    digests: list[Digest]


class End(_Record, frozen=True, tag="end"):
    """What should have gone by; ``root`` is that of the journal's tree."""

    root: bytes
    attachments: Count


Record = Head | File | Attachment | Piece | Group | Marks | End
_DECODER: Final[msgspec.msgpack.Decoder[Record]] = msgspec.msgpack.Decoder(Record)


class Sink(Protocol):
    """What takes bytes: ``custody.stream.Sealer``."""

    def write(self, piece: bytes) -> None:
        """Take the next bytes."""


def write(record: Record, sink: Sink) -> None:
    """Write a record after those before it."""
    raw = msgspec.msgpack.encode(record)
    sink.write(len(raw).to_bytes(_LENGTH_BYTES) + raw)


def read(opener: Opener) -> Record:
    """Return the next record.

    Raises:
        Fault: ``backup-damaged``: there is none, or it is of no kind that is known.
    """
    length = int.from_bytes(opener.read(_LENGTH_BYTES))
    if length > _MAX_RECORD_BYTES:
        raise Fault(Code.BACKUP_DAMAGED)
    try:
        return _DECODER.decode(opener.read(length))
    except msgspec.MsgspecError:
        raise Fault(Code.BACKUP_DAMAGED) from None
