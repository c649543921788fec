"""Sets of entries as bits: bit n of a number is entry n. Counting a million takes 50 us.

They are kept in pieces of 65,536 entries, so that a journal that grows changes only its last
piece. A piece with few entries is kept as their places, as Roaring bitmaps do (Chambi, Lemire
and others, 2016), so that a value that is seldom seen takes little room.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE: Final = 1 << 16
PIECE_BYTES: Final = PIECE // 8
# Reading so many places takes as long as reading a piece of bits.
_FEW: Final = 256
_LIST: Final = b"L"
_BITS: Final = b"B"


def packed(bits: bytes | bytearray) -> bytes:
    """Return a piece of ``PIECE_BYTES`` bytes as it is kept: its places, or its bits."""
    number = int.from_bytes(bits, "little")
    if number.bit_count() > _FEW:
        return _BITS + bytes(bits)
    return _LIST + array("H", places(number)).tobytes()


def unpacked(kept: bytes) -> bytearray:
    """Return the ``PIECE_BYTES`` bytes of a piece as kept."""
    if kept[:1] == _BITS:
        return bytearray(kept[1:])
    found, bits = array("H"), bytearray(PIECE_BYTES)
    found.frombytes(kept[1:])
    for place in found:
        bits[place >> 3] |= 1 << (place & 7)
    return bits


def joined(pieces: Iterable[tuple[int, bytes]]) -> int:
    """Return one number from the kept pieces, each with its number."""
    found = [(number, unpacked(kept)) for number, kept in pieces]
    if not found:
        return 0
    whole = bytearray((max(number for number, _ in found) + 1) * PIECE_BYTES)
    for number, bits in found:
        whole[number * PIECE_BYTES : (number + 1) * PIECE_BYTES] = bits
    return int.from_bytes(whole, "little")


def of(indexes: Iterable[int]) -> int:
    """Return the set of these entries."""
    found = sorted(indexes)
    if not found:
        return 0
    bits = bytearray(found[-1] // 8 + 1)
    for index in found:
        bits[index >> 3] |= 1 << (index & 7)
    return int.from_bytes(bits, "little")


def span(first: int, end: int) -> int:
    """Return the set of entries from ``first`` up to, and without, ``end``."""
    return ((1 << (end - first)) - 1) << first if end > first else 0


def places(number: int) -> Iterator[int]:
    """Yield the entries of a set, lowest first."""
    data = number.to_bytes((number.bit_length() + 7) // 8, "little")
    for at, byte in enumerate(data):
        if byte:
            for bit in range(8):
                if byte >> bit & 1:
                    yield at * 8 + bit


def from_the_end(number: int) -> Iterator[int]:
    """Yield the entries of a set, highest first."""
    data = number.to_bytes((number.bit_length() + 7) // 8, "little")
    for at in range(len(data) - 1, -1, -1):
        if data[at]:
            for bit in range(7, -1, -1):
                if data[at] >> bit & 1:
                    yield at * 8 + bit
