"""Files to be attached: looked at before anything is sent, then sealed into the outbox."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Fault, Refusal
from exchange.model.bulletin.blocks import Attachment
from exchange.model.bulletin.words import MAX_ATTACHMENT_BYTES
from exchange.model.codec import b64
from exchange.model.header import MAX_ATTACHMENTS, Blob
from exchange.seal.attachment import KEY_BYTES, Sealing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    # Told how many bytes are done, and of how many.
    Tell = Callable[[int, int], None]

_PIECE_BYTES = 1024 * 1024
OTHER_TYPE = "application/octet-stream"
# By the end of its name, unless the file begins as something else does: nothing is opened by
# it, and the reader is told so.
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".geojson": "application/geo+json",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".txt": "text/plain",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".zip": "application/zip",
}
_FILM = "video/mp4"
# How pictures, sounds, films and archives begin: whatever its name says, none is a text.
_BEGINNINGS = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"\x89PNG"), "image/png"),
    (re.compile(rb"II\*\0|MM\0\*"), "image/tiff"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"RIFF.{4}WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"ID3"), "audio/mpeg"),
    # Of one family: films, and the pictures of telephones.
    (re.compile(rb".{4}ftyp", re.DOTALL), _FILM),
    (re.compile(rb"PK\x03\x04"), "application/zip"),
    # GIF, BMP, Matroska, Ogg, FLAC, AMR, gzip, 7z.
    (
        re.compile(
            rb"GIF8|BM.{4}\0{4}|\x1aE\xdf\xa3|OggS|fLaC|#!AMR|\x1f\x8b|7z\xbc\xaf", re.DOTALL
        ),
        OTHER_TYPE,
    ),
)
_BEGINNING_BYTES = 16
# Stands where a digest and a key will; never leaves this machine.
_NOT_YET = "A" * 43


def untold(_done: int, _whole: int) -> None:
    """Tell nobody."""


class File(msgspec.Struct, frozen=True):
    """A file to be attached, and what its reader will be told of it."""

    path: Path
    name: str
    media_type: str
    size: int

    def described(self, digest: str = _NOT_YET, key: str = _NOT_YET) -> Attachment:
        """Return how the body tells of it."""
        return Attachment(self.name, self.media_type, self.size, digest, key)


class Attached(msgspec.Struct, frozen=True):
    """A sealed file: what the body says of it, and what the header names."""

    told: Attachment
    blob: Blob


def look(paths: Sequence[Path]) -> list[File]:
    """Look at files to be attached, and how each begins.

    Raises:
        Refusal: ``too-many``, or ``oversized``, by place.
        Fault: ``store-failed``: one cannot be read, by place.
    """
    if len(paths) > MAX_ATTACHMENTS:
        raise Refusal(Code.TOO_MANY, "/attachments", limit=MAX_ATTACHMENTS, found=len(paths))
    return [_looked_at(path, f"/attachments/{place}") for place, path in enumerate(paths)]


def _looked_at(path: Path, at: str) -> File:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise Fault(Code.STORE_FAILED, at, found="folder")
        # A name that is no text could not be told to anybody.
        path.name.encode()
        with path.open("rb") as opened:
            begins = opened.read(_BEGINNING_BYTES)
    except UnicodeEncodeError:
        raise Refusal(Code.WRONG_VALUE, f"{at}/name", expected="line") from None
    except OSError as error:
        raise Fault(Code.STORE_FAILED, at, found=type(error).__name__) from error
    if size > MAX_ATTACHMENT_BYTES:
        raise Refusal(Code.OVERSIZED, at, limit=MAX_ATTACHMENT_BYTES, found=size)
    return File(path, path.name, _media_type(path, begins), size)


def _media_type(path: Path, begins: bytes) -> str:
    said = MEDIA_TYPES.get(path.suffix.lower(), OTHER_TYPE)
    found = next((kind for how, kind in _BEGINNINGS if how.match(begins)), said)
    if said in (found, OTHER_TYPE):
        return said
    # A telephone's picture begins as a film, and is none.
    return OTHER_TYPE if found == _FILM else found


def seal(  # noqa: PLR0913, PLR0917  (the world arrives as arguments)
    file: File,
    identity: str,
    place: int,
    into: Path,
    randomness: Callable[[int], bytes],
    tell: Tell,
) -> Attached:
    """Seal a file into another, piece by piece, durably.

    Args:
        file: as it was looked at; if it has changed in size since, it is not taken.
        identity: the bulletin's id.
        place: of the attachment in the bulletin, from 0.
        into: overwritten; only its owner can read it.
        randomness: returns that many unpredictable bytes.
        tell: called after each piece.

    Raises:
        Refusal: ``size-mismatch``.
        Fault: ``store-failed``: it cannot be read, or its sealing cannot be written.
    """
    at, key = f"/attachments/{place}", randomness(KEY_BYTES)
    sealing = Sealing(key, identity, place)
    try:
        descriptor = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with file.path.open("rb") as source, os.fdopen(descriptor, "wb") as sealed:
            while piece := source.read(_PIECE_BYTES):
                sealed.write(sealing.update(piece))
                tell(sealing.size, file.size)
            sealed.write(sealing.finish())
            sealed.flush()
            os.fsync(sealed.fileno())
    except OSError as error:
        raise Fault(Code.STORE_FAILED, at, found=type(error).__name__) from error
    if sealing.size != file.size:
        # Its author was shown another size when asked whether to send it.
        raise Refusal(Code.SIZE_MISMATCH, f"{at}/size", expected=file.size, found=sealing.size)
    return Attached(file.described(sealing.digest, b64(key)), sealing.sealed)
