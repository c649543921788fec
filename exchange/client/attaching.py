"""Files to be attached: looked at before anything is sent, then sealed into the outbox."""

from __future__ import annotations

import os
import re
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Fault, Refusal
from exchange.model.bulletin.blocks import Attachment
from exchange.model.bulletin.words import MAX_ATTACHMENT_BYTES
from exchange.model.codec import b64
from exchange.model.header import MAX_ATTACHMENTS, Blob
from exchange.seal.attachment import KEY_BYTES, Sealing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    # Told how many bytes are done, and of how many.
    Tell = Callable[[int, int], None]

_PIECE_BYTES = 1024 * 1024
OTHER_TYPE = "application/octet-stream"
# By the end of its name, but for what is to be read beside bulletins of people on the move: a
# text that holds what no text does is none. Nothing is opened by it, and the reader is told so.
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
_TEXTS = frozenset({"application/geo+json", "text/csv", "text/plain"})
# Control characters, which are in every picture, sound, film and archive, and in no text: be it
# in UTF-8 or, as spreadsheets still write it, in a country's code page. What was printed on a
# terminal may hold ESC.
_NO_TEXT = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_PDF = re.compile(rb"%PDF-")
# How other kinds begin, by their own specifications; an MP3 with a tag or with a frame.
_STARTS = {
    "application/pdf": _PDF,
    "application/zip": re.compile(rb"PK(\x03\x04|\x05\x06)"),
    "audio/mpeg": re.compile(rb"ID3|\xff[\xe2-\xff]"),
    "audio/wav": re.compile(rb"RIFF....WAVE", re.DOTALL),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/tiff": re.compile(rb"II\*\0|MM\0\*"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "video/mp4": re.compile(rb"....ftyp", re.DOTALL),
}
_START_BYTES = 12
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

    def pieces(self) -> Iterator[bytes]:
        """Yield what is in it, piece by piece.

        Raises:
            OSError: it cannot be read.
        """
        with self.path.open("rb") as source:
            while piece := source.read(_PIECE_BYTES):
                yield piece

    def described(self, digest: str = _NOT_YET, key: str = _NOT_YET) -> Attachment:
        """Return how the body tells of it."""
        return Attachment(self.name, self.media_type, self.size, digest, key)


class Attached(msgspec.Struct, frozen=True):
    """A sealed file: what the body says of it, and what the header names."""

    told: Attachment
    blob: Blob


def look(paths: Sequence[Path | File]) -> list[File]:
    """Look at files to be attached, and at what each holds; a ``File`` stays as it is.

    Raises:
        Refusal: ``too-many``, or ``oversized``, by place.
        Fault: ``store-failed``: one cannot be read, by place.
    """
    if len(paths) > MAX_ATTACHMENTS:
        raise Refusal(Code.TOO_MANY, "/attachments", limit=MAX_ATTACHMENTS, found=len(paths))
    return [
        path if isinstance(path, File) else _looked_at(path, f"/attachments/{place}")
        for place, path in enumerate(paths)
    ]


def _looked_at(path: Path, at: str) -> File:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise Fault(Code.STORE_FAILED, at, found="folder")
        # A name that is no text could not be told to anybody.
        path.name.encode()
        media_type = _media_type(path) if size <= MAX_ATTACHMENT_BYTES else OTHER_TYPE
    except UnicodeEncodeError:
        raise Refusal(Code.WRONG_VALUE, f"{at}/name", expected="line") from None
    except OSError as error:
        raise Fault(Code.STORE_FAILED, at, found=type(error).__name__) from error
    if size > MAX_ATTACHMENT_BYTES:
        raise Refusal(Code.OVERSIZED, at, limit=MAX_ATTACHMENT_BYTES, found=size)
    return File(path, path.name, media_type, size)


def _media_type(path: Path) -> str:
    said = MEDIA_TYPES.get(path.suffix.lower(), OTHER_TYPE)
    looking = Looking(said)
    with path.open("rb") as opened:
        while looking.is_curious and (piece := opened.read(_PIECE_BYTES)):
            looking.take(piece)
    return said if looking.holds() else OTHER_TYPE


class Looking:
    """Looks, piece by piece, whether a file holds what its media type says."""

    def __init__(self, media_type: str, *, is_strict: bool = False) -> None:
        """Begin.

        Args:
            media_type: what its name says.
            is_strict: pictures, sound, films and archives must begin as they do; else a text
                and a PDF alone are looked at.
        """
        self._is_text = media_type in _TEXTS
        self._starts = _STARTS.get(media_type) if is_strict else None
        if media_type == "application/pdf":
            self._starts = _PDF
        self._start, self._is_sound = b"", True

    @property
    def is_curious(self) -> bool:
        """Whether what comes next can change what it concludes."""
        wants_start = self._starts is not None and len(self._start) < _START_BYTES
        return self._is_sound and (self._is_text or wants_start)

    def take(self, piece: bytes) -> None:
        """Look at the next piece."""
        self._start += piece[: _START_BYTES - len(self._start)]
        if self._is_text and _NO_TEXT.search(piece):
            self._is_sound = False

    def holds(self) -> bool:
        """Tell whether it does, as far as it was looked at."""
        return self._is_sound and (
            self._starts is None or bool(self._starts.match(self._start))
        )


def digests(files: Sequence[File]) -> list[str]:
    """Return the SHA-256 of what is in each file now: as sealing one tells it.

    Raises:
        Fault: ``store-failed``: one cannot be read, by place.
    """
    return [_digest(file, f"/attachments/{place}") for place, file in enumerate(files)]


def _digest(file: File, at: str) -> str:
    found = sha256()
    try:
        for piece in file.pieces():
            found.update(piece)
    except OSError as error:
        raise Fault(Code.STORE_FAILED, at, found=type(error).__name__) from error
    return b64(found.digest())


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
        with os.fdopen(descriptor, "wb") as sealed:
            for piece in file.pieces():
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
