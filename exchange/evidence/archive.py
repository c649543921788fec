"""The file itself: a ZIP that has exactly one spelling for the parts that are in it.

Parts are stored, not compressed, one after another, in order, all with one time and mode; the
directory at the end follows from them byte for byte. So nothing can hide before, between or
behind them, no name stands twice or leads out of a folder, nothing swells on being opened, and
the same parts are the same file on every machine. Whoever opens it by hand sees a usual ZIP.

Source: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, Final

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PARTS: Final = 64
# Protects the memory of who opens one; a package of a large exchange has a few megabytes.
MAX_BYTES: Final = 256 * 1024 * 1024
_NAME: Final = re.compile(rb"([a-z0-9-]+/)?[a-z]+\.[a-z]+")
_PART, _LISTED, _END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
# Needed to read: 2.0; no flags; stored; midnight of 1 January 1980, where its calendar begins.
_VERSION, _TIME, _DATE = 20, 0, 33
_MADE_BY = 3 << 8 | _VERSION  # Unix: then the mode below counts
_MODE = 0o100644 << 16
_HEAD = struct.Struct("<5H3L2H")


def pack(parts: Mapping[str, bytes]) -> bytes:
    """Return the file that holds these parts, in their order.

    Raises:
        ValueError: a name, or how many there are, has no place in it.
    """
    body, directory = b"", b""
    for name, data in parts.items():
        spelled = name.encode()
        if not _NAME.fullmatch(spelled) or len(parts) > MAX_PARTS:
            raise ValueError(name)
        head = _head(spelled, data)
        directory += _listed(spelled, head, len(body))
        body += _PART + head + spelled + data
    return body + directory + _end(len(parts), len(directory), len(body))


def unpack(raw: bytes) -> dict[str, bytes]:
    """Return the parts of a file in its one spelling, in their order.

    Raises:
        Refusal: ``oversized``, or ``malformed`` at the first part that is not whole or not in
            its place; at ``/`` where it is what follows the last one.
    """
    if len(raw) > MAX_BYTES:
        raise Refusal(Code.OVERSIZED, limit=MAX_BYTES, found=len(raw))
    parts: dict[str, bytes] = {}
    at, directory = 0, b""
    while raw[at : at + 4] == _PART:
        name, data = _part(raw, at)
        told = name.decode("ascii", "replace")
        head = _head(name, data)
        is_new = told not in parts and len(parts) < MAX_PARTS
        whole = _PART + head + name + data
        if not is_new or not _NAME.fullmatch(name) or raw[at : at + len(whole)] != whole:
            raise Refusal(Code.MALFORMED, f"/{told[:64]}", found=at)
        directory += _listed(name, head, at)
        parts[told] = data
        at += len(whole)
    if raw[at:] != directory + _end(len(parts), len(directory), at):
        raise Refusal(Code.MALFORMED, "/", found=at)
    return parts


def _part(raw: bytes, at: int) -> tuple[bytes, bytes]:
    """Return name and data of the part that begins there, as far as they are there."""
    lengths = raw[at + 22 : at + 28]
    if len(lengths) < 6:
        raise Refusal(Code.MALFORMED, "/", found=at)
    size, length = struct.unpack("<LH", lengths)
    name = raw[at + 30 : at + 30 + length]
    data = raw[at + 30 + length :][:size]
    if len(data) != size:
        raise Refusal(Code.MALFORMED, f"/{name.decode('ascii', 'replace')[:64]}", found=at)
    return name, data


def _head(name: bytes, data: bytes) -> bytes:
    size = len(data)
    return _HEAD.pack(_VERSION, 0, 0, _TIME, _DATE, zlib.crc32(data), size, size, len(name), 0)


def _listed(name: bytes, head: bytes, at: int) -> bytes:
    return _LISTED + struct.pack("<H26s3H2L", _MADE_BY, head, 0, 0, 0, _MODE, at) + name


def _end(count: int, directory: int, at: int) -> bytes:
    return struct.pack("<4s4H2LH", _END, 0, 0, count, count, directory, at, 0)
