"""Files of a draft: sealed piece by piece as they come in, and kept until it is sent.

Each is sealed under a key of its own, which lies in the cabinet with the draft. So nothing of
it is ever written as it is, and what is left behind opens with nothing.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.client import attaching
from exchange.client.attaching import MEDIA_TYPES, OTHER_TYPE, File
from exchange.errors import Code, Fault, Refusal
from exchange.model.bulletin.blocks import Attachment
from exchange.model.bulletin.words import MAX_ATTACHMENT_BYTES
from exchange.model.codec import b64
from exchange.seal.attachment import Sealing
from exchange.seal.open_attachment import Unsealing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator
    from typing import BinaryIO

    from exchange.client.cabinet import Cabinet

AT: Final = "/bulletin/attachments"
_ENDING: Final = ".filed"
_PIECE_BYTES: Final = 1024 * 1024
# One that nobody came back to for so long goes, where its draft is gone.
_OLD_MS: Final = 86_400_000


class Filed(msgspec.Struct, frozen=True):
    """One file of a draft.

    Attributes:
        id: a UUIDv7, by which the desk names it.
        name, media_type, size, digest: as its readers will be told of it.
        key: opens what lies here; it never leaves this machine.
    """

    id: str
    name: str
    media_type: str
    size: int
    digest: str
    key: str


class SealedFile(File, frozen=True):
    """A file to be attached that lies sealed: ``filed`` says what opens it."""

    filed: Filed

    def pieces(self) -> Iterator[bytes]:
        """Yield what is in it, opened piece by piece.

        Raises:
            OSError: it cannot be read.
            Refusal: it was altered.
        """
        filed = self.filed
        told = Attachment(filed.name, filed.media_type, filed.size, filed.digest, filed.key)
        unsealing = Unsealing(told, filed.id, 0)
        with self.path.open("rb") as source:
            while piece := source.read(_PIECE_BYTES):
                yield unsealing.update(piece)
        yield unsealing.finish()


class KeptFiles:
    """The folder in which the files of drafts lie."""

    def __init__(self, cabinet: Cabinet) -> None:
        """Keep them beside a cabinet."""
        self._cabinet = cabinet

    def _path(self, identity: str) -> Path:
        named = self._cabinet.seal.name("filed", identity)
        return self._cabinet.folder / f"{b64(named)}{_ENDING}"

    async def take(
        self, identity: str, name: str, size: int, key: bytes, pieces: AsyncIterator[bytes]
    ) -> Filed:
        """Take a file in as it comes, and return what it is.

        Args:
            identity: a UUIDv7 for it.
            name: its own, without a folder; its ending says of what kind it is.
            size: in bytes, as it was announced.
            key: 32 random bytes (``KEY_BYTES``), used for this file and never again.
            pieces: of any size.

        Raises:
            Refusal: ``file-type``, ``oversized``, ``size-mismatch`` or ``wrong-value``; then
                nothing of it is kept.
            Fault: ``store-failed``.
        """
        media_type = _kind_of(name)
        if size > MAX_ATTACHMENT_BYTES:
            raise Refusal(Code.OVERSIZED, AT, limit=MAX_ATTACHMENT_BYTES, found=size)
        path, sealing = self._path(identity), Sealing(key, identity, 0)
        looking = attaching.Looking(media_type, is_strict=True)
        try:
            with _new(path) as to:
                async for piece in pieces:
                    looking.take(piece)
                    to.write(sealing.update(piece))
                    _must_be(size, sealing.size, is_whole=False)
                _must_be(size, sealing.size, is_whole=True)
                _must_hold(looking, name)
                to.write(sealing.finish())
                to.flush()
                await asyncio.to_thread(os.fsync, to.fileno())
        except OSError as error:
            path.unlink(missing_ok=True)
            raise Fault(Code.STORE_FAILED, AT, found=type(error).__name__) from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Filed(identity, name, media_type, size, sealing.digest, b64(key))

    def file(self, filed: Filed) -> SealedFile:
        """Return a file as it is attached."""
        path = self._path(filed.id)
        return SealedFile(path, filed.name, filed.media_type, filed.size, filed)

    def drop(self, files: Collection[Filed]) -> None:
        """Delete files: their draft was sent or deleted, or they were taken out of it."""
        for filed in files:
            self._path(filed.id).unlink(missing_ok=True)

    def sweep(self, named: Collection[Filed], now_ms: int) -> None:
        """Delete what no draft names, as a program that died left it."""
        known = {self._path(filed.id).name for filed in named}
        for path in self._cabinet.folder.glob(f"*{_ENDING}"):
            is_old = now_ms - path.stat().st_mtime_ns // 1_000_000 > _OLD_MS
            if path.name not in known and is_old:
                path.unlink(missing_ok=True)


def _new(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _must_be(size: int, found: int, *, is_whole: bool) -> None:
    """Hold a file to its announced size: never more of it, and all of it at its end."""
    if found > size or (is_whole and found != size):
        raise Refusal(Code.SIZE_MISMATCH, f"{AT}/size", expected=size, found=found)


def _kind_of(name: str) -> str:
    """Return the media type that the end of a name says.

    Raises:
        Refusal: ``file-type``: none that is known; ``wrong-value``: it is no name.
    """
    if not name or Path(name).name != name or not name.isprintable() or len(name) > 200:
        raise Refusal(Code.WRONG_VALUE, f"{AT}/name", expected="line")
    found = MEDIA_TYPES.get(Path(name).suffix.lower(), OTHER_TYPE)
    if found == OTHER_TYPE:
        raise _not_taken(name)
    return found


def _must_hold(looking: attaching.Looking, name: str) -> None:
    """Refuse what does not begin, or read, as its kind does."""
    if not looking.holds():
        raise _not_taken(name)


def _not_taken(name: str) -> Refusal:
    return Refusal(Code.FILE_TYPE, AT, name=name)
