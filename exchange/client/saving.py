"""Fetch an attachment over a link that breaks, and save it once the whole of it holds."""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
from contextlib import aclosing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from exchange.client.filename import safe_name
from exchange.client.files import rename_over_nothing, sync_folder
from exchange.errors import Code, Fault, Refusal
from exchange.model.codec import b64
from exchange.seal.open_attachment import Unsealing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from typing import BinaryIO

    from exchange.client.attaching import Tell
    from exchange.client.transport import Transport
    from exchange.client.uploading import Patience
    from exchange.model.bulletin.blocks import Attachment
    from exchange.model.header import Blob

_PIECE_BYTES = 1024 * 1024
# Of one name: beyond, somebody fills a folder.
_MAX_NAMESAKES = 1000


def part_of(blob: Blob, folder: Path) -> Path:
    """Return where a ciphertext on its way lies, until the file is saved."""
    return folder / f".{blob.digest}.part"


async def fetch(  # noqa: PLR0913, PLR0917  (the world arrives as arguments)
    transport: Transport, index: int, blob: Blob, part: Path, patience: Patience, tell: Tell
) -> None:
    """Fetch a ciphertext; what came before, of this process or another, is not fetched again.

    Args:
        transport: the session with the node.
        index: the entry that names it, owed to us.
        blob: what the header names.
        part: where it is put.
        patience: how cuts are borne.
        tell: called after each piece.

    Raises:
        Refusal: the node does not have it for us; or ``digest-mismatch``: what it gave is not
            what the header names, and is deleted.
        Fault: the node does not answer, or not for long; ``no-headway``: it does, and ends
            each time before the end; it cannot be written.
    """
    while (offset := _size(part)) < blob.size:
        patience.came(offset)
        try:
            await _some(transport, index, blob, part, tell)
            if (come := _size(part)) < blob.size:
                # It ended as if that were all: the next answer may be as short.
                raise Fault(Code.NO_HEADWAY, found=come)  # noqa: TRY301
        except (Fault, Refusal) as error:
            await patience.bear(error)
    tell(blob.size, blob.size)
    await asyncio.to_thread(_verify, part, blob)


async def _some(transport: Transport, index: int, blob: Blob, part: Path, tell: Tell) -> None:
    """Append what the node sends until the connection ends."""
    with _written(), _gone_on_with(part) as file:
        at = os.fstat(file.fileno()).st_size
        stream = transport.stream(f"/v1/blobs/{blob.digest}", index=index, offset=at)
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                at += len(piece)
                if at > blob.size:
                    raise Refusal(Code.SIZE_MISMATCH, "/attachments", expected=blob.size)
                file.write(piece)
                tell(at, blob.size)


@contextmanager
def _gone_on_with(part: Path) -> Iterator[FileIO]:
    # Unbuffered: what came before a cut, or before we are killed, stays.
    with open(part, "ab", buffering=0, opener=_private) as file:
        # Two that fetch the same would write between each other.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


@contextmanager
def _written() -> Iterator[None]:
    """Tell what a disk did not do as the fault that it is, without any name."""
    try:
        yield
    except OSError as error:
        raise Fault(Code.STORE_FAILED, found=type(error).__name__) from error


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def _verify(part: Path, blob: Blob) -> None:
    digest = sha256()
    with _written(), part.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
        if (b64(digest.digest()), file.tell()) == (blob.digest, blob.size):
            return
        part.unlink()
    raise Refusal(Code.DIGEST_MISMATCH, "/attachments", digest=blob.digest)


def save(part: Path, told: Attachment, identity: str, place: int, folder: Path) -> Path:
    """Open a ciphertext into a folder, under its own name made harmless; return where it is.

    Nothing stands under that name before the whole of it holds, whoever dies on the way, and
    nothing that was there is written over: a namesake gets a number. The ciphertext is deleted.

    Raises:
        Refusal: it cannot be opened, or is another file than the bulletin says.
        Fault: ``store-failed``.
    """
    with _written():
        _clear(folder)
        with part.open("rb") as sealed, _beside(folder) as (file, beside):
            for piece in _opened(sealed, told, identity, place):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            saved = _named(beside, folder, safe_name(told.name))
            sync_folder(folder)
        part.unlink()
    return saved


def unsealed(part: Path, told: Attachment, identity: str, place: int) -> Iterator[bytes]:
    """Yield what a ciphertext holds, in pieces, once the whole of it was found to hold.

    It is opened twice, first to see and then to give: nothing that is opened is written down.

    Raises:
        Refusal: it cannot be opened, or is another file than the bulletin says.
        Fault: ``store-failed``.
    """
    with _written(), part.open("rb") as sealed:
        for _ in _opened(sealed, told, identity, place):
            pass
        sealed.seek(0)
        yield from _opened(sealed, told, identity, place)


def _opened(sealed: BinaryIO, told: Attachment, identity: str, place: int) -> Iterator[bytes]:
    unsealing = Unsealing(told, identity, place)
    while piece := sealed.read(_PIECE_BYTES):
        yield unsealing.update(piece)
    yield unsealing.finish()


_BESIDE = (".attachment.", ".new")


@contextmanager
def _beside(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a new hidden file that is gone afterwards; held, so that nobody clears it away."""
    prefix, suffix = _BESIDE
    while True:
        descriptor, name = tempfile.mkstemp(suffix, prefix, folder)  # 0600
        with os.fdopen(descriptor, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Gone, if it was taken for one left behind before we held it.
            if Path(name).exists():
                try:
                    yield file, Path(name)
                finally:
                    Path(name).unlink(missing_ok=True)
                return


def _clear(folder: Path) -> None:
    """Delete what a saving left behind that was cut off: opened text that nobody asked for."""
    for path in folder.glob("*".join(_BESIDE)):
        with suppress(OSError), path.open("rb") as file:
            # Refused where somebody is writing it.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _named(beside: Path, folder: Path, name: str) -> Path:
    """Give a whole file a name that nothing in the folder has; return where it is."""
    stem, ending = Path(name).stem, Path(name).suffix
    for number in range(1, _MAX_NAMESAKES):
        path = folder / (name if number == 1 else f"{stem}-{number}{ending}")
        with suppress(FileExistsError):
            rename_over_nothing(beside, path)
            return path
    raise Fault(Code.STORE_FAILED, limit=_MAX_NAMESAKES)
