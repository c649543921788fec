"""A file that one node writes for another: what the link would have said, and who said it.

    a line that says what it is
    sections: a line of JSON that says what follows, and so many bytes
      tiles   the unfinished tiles of the journal at the size where the file begins, row by row
      leaves  the hashes of all entries after that, up to the checkpoint
      page    as ``GET /entries`` answers it, without the proof of growth
      blob    an attachment or a body that there was no room for on its page
      signed  the last one: a JWS of the node's receipt keys over the digest of all before it

The signature stands where the session over TLS stands on a link: without it, whoever has the
file for a while could leave something out in the other node's name.
"""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal

import msgspec

from exchange.errors import Code, Refusal
from exchange.journal.rest import Rest
from exchange.model import peers
from exchange.model.codec import b64
from exchange.model.identity import Count, Digest
from exchange.model.objects import MAX_OBJECT_BYTES
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exchange.model.peers import Parcel

_FIRST_LINE: Final = b"exchange-link-export@v1\n"
_MAX_LINE_BYTES: Final = 256
# What the link takes as one answer.
_MAX_PAGE_BYTES: Final = 32 * 1024 * 1024
_PIECE_BYTES: Final = 1024 * 1024
# Protects the memory of who reads a file before it is known who wrote it.
_MAX_SECTIONS: Final = 200_000
# Of a tree, each of unfinished tiles.
_ROWS: Final = 8


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What follows, and how many bytes; ``digest`` is of a blob."""

    kind: Literal["tiles", "leaves", "page", "blob", "signed"]
    size: Count
    digest: Digest | None = None


class Place(msgspec.Struct, frozen=True):
    """Where a section's bytes are in the file."""

    at: int
    size: int


_SECTION = msgspec.json.Decoder(Section)


class Writing:
    """Writes a file section by section; ``finish`` signs it."""

    def __init__(self, file: IO[bytes]) -> None:
        """Begin it."""
        self._file = file
        self._digest = sha256()
        self.size = 0
        self._put(_FIRST_LINE)

    def add(self, section: Section, pieces: Iterable[bytes]) -> None:
        """Add a section that is at hand."""
        self.begin(section)
        for piece in pieces:
            self.go_on(piece)

    def begin(self, section: Section) -> None:
        """Say what follows; ``go_on`` gives it, as many bytes as were said."""
        self._put(msgspec.json.encode(section) + b"\n")

    def go_on(self, piece: bytes) -> None:
        """Write more of what was begun."""
        self._put(piece)

    def finish(self, sign: Callable[[str], bytes]) -> None:
        """Have the digest of all that was written signed, and end with it."""
        signed = sign(b64(self._digest.digest()))
        self._put(msgspec.json.encode(Section("signed", len(signed))) + b"\n")
        self._put(signed)

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        self.size += self._file.write(data)


class Contents:
    """A file that is whole, and what is where in it; who signed it is still to be proved."""

    def __init__(self, path: Path) -> None:
        """Begin with nothing known of it; ``read`` is how one is read."""
        self.path = path
        self.pages: list[Place] = []
        self.blobs: dict[str, Place] = {}
        self._rows: list[bytes] = []
        self._leaves: Place | None = None
        self.signed: jws.Signed
        self.parcel: Parcel

    def page(self, number: int) -> bytes:
        """Return a page, as the link would answer it."""
        return b"".join(self.pieces(self.pages[number], 0))

    def rest(self) -> Rest:
        """Return the hashes of the journal from where the file begins.

        Raises:
            Refusal: ``bad-export``: there are none, or others.
        """
        if self._leaves is None:
            raise Refusal(Code.BAD_EXPORT, "/leaves")
        leaves = b"".join(self.pieces(self._leaves, 0))
        try:
            return Rest(self.parcel.after + 1, self._rows, leaves)
        except ValueError as error:
            raise Refusal(Code.BAD_EXPORT, "/leaves") from error

    def pieces(self, place: Place, offset: int) -> Iterator[bytes]:
        """Yield a section's bytes from an offset on.

        Raises:
            Refusal: ``bad-export``: the file was cut meanwhile.
        """
        at, end = place.at + offset, place.at + place.size
        with self.path.open("rb") as file:
            file.seek(at)
            while at < end:
                piece = file.read(min(_PIECE_BYTES, end - at))
                if not piece:
                    raise Refusal(Code.BAD_EXPORT, "/size")
                at += len(piece)
                yield piece

    def note(self, section: Section, at: int) -> None:
        """Remember where a section is."""
        place = Place(at, section.size)
        match section.kind:
            case "tiles":
                # Whoever wrote it is not known yet: no more is held than a tree has rows.
                _must(len(self._rows) < _ROWS, "/tiles")
                self._rows.append(b"".join(self.pieces(place, 0)))
            case "leaves":
                self._leaves = place
            case "page":
                self.pages.append(place)
            case "blob":
                self.blobs[section.digest or ""] = place
            case "signed":
                self.signed = jws.read(b"".join(self.pieces(place, 0)), MAX_OBJECT_BYTES)
                self.parcel = peers.decode_parcel(self.signed.payload)


def read(path: Path) -> Contents:
    """Return what is in a file, once it is whole: as long, and of the bytes, as was signed.

    Raises:
        Refusal: ``bad-export``: it is no such file, or was cut or altered.
        OSError: it cannot be read.
    """
    found, digest = Contents(path), sha256(_FIRST_LINE)
    with path.open("rb") as file, _refused():
        _must(file.readline(_MAX_LINE_BYTES) == _FIRST_LINE, "")
        for _ in range(_MAX_SECTIONS):
            line = file.readline(_MAX_LINE_BYTES)
            section, at = _SECTION.decode(line), file.tell()
            _must(section.size <= _MOST.get(section.kind, section.size), f"/{section.kind}")
            if section.kind == "signed":
                break
            digest.update(line)
            _skip(file, section.size, digest.update)
            found.note(section, at)
        _must(section.kind == "signed", "/signed")
        found.note(section, at)
        file.seek(at + section.size)
        _must(not file.read(1), "/signed")
    _must(found.signed.typ == peers.PARCEL, "/signed")
    _must(b64(digest.digest()) == found.parcel.digest, "/digest")
    return found


_MOST: Final = {"tiles": 8192, "page": _MAX_PAGE_BYTES, "signed": MAX_OBJECT_BYTES}


def _skip(file: IO[bytes], size: int, told: Callable[[bytes], object]) -> None:
    while size:
        piece = file.read(min(_PIECE_BYTES, size))
        _must(bool(piece), "/size")
        told(piece)
        size -= len(piece)


@contextmanager
def _refused() -> Iterator[None]:
    """Refuse as ``bad-export`` whatever cannot be read as what it claims to be."""
    try:
        yield
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refusal(Code.BAD_EXPORT, "/section") from error
    except Refusal as refusal:
        if refusal.code is Code.BAD_EXPORT:
            raise
        raise Refusal(Code.BAD_EXPORT, "/signed") from refusal


def _must(holds: bool, at: str) -> None:
    if not holds:
        raise Refusal(Code.BAD_EXPORT, at)
