"""Bytes to words and back, strictly: what is not exactly right is refused, with its place."""

from __future__ import annotations

import binascii
import re
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import msgspec
import pybase64

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_URL = b"-_"
# By length modulo 4: the padding left out, and the last characters that leave no bits over.
# Decoders ignore surplus bits there, so that several texts would stand for one value.
_PADDING = ("", None, "==", "=")
_LAST = (_ALPHABET.decode(), "", "AQgw", "AEIMQUYcgkosw048")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_WHERE = re.compile(r" - at `(\$[^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def b64(data: bytes) -> str:
    """Return base64url without padding (RFC 4648, section 5)."""
    return pybase64.b64encode_as_string(data, _URL).rstrip("=")


def unb64(text: str, at: str = "") -> bytes:
    """Return the bytes of unpadded base64url; anything lenient is refused.

    Raises:
        Refusal: ``bad-base64``: padding, another alphabet, or bits left over.
    """
    padding = _PADDING[len(text) & 3]
    if padding is None or not _ends_well(text) or "+" in text or "/" in text:
        raise Refusal(Code.BAD_BASE64, at)
    try:
        # The decoder refuses white space and strangers, but knows both alphabets.
        return pybase64.b64decode(text + padding, _URL, validate=True)
    except binascii.Error:
        raise Refusal(Code.BAD_BASE64, at) from None


def b64_size(text: str, at: str = "", *, is_of_alphabet: bool = False) -> int:
    """Return how many bytes a text stands for, as strict as ``unb64`` and without decoding it.

    Args:
        text: base64url.
        at: JSON pointer of it.
        is_of_alphabet: its characters were held to the alphabet already (see ``marks``).

    Raises:
        Refusal: ``bad-base64``, where ``unb64`` refuses.
    """
    if is_of_alphabet:
        ends_well = not text or text[-1] in _LAST[len(text) & 3]
    else:
        ends_well = _ends_well(text) and not marks(text.encode())
    if not ends_well:
        raise Refusal(Code.BAD_BASE64, at)
    return len(text) * 3 >> 2


def marks(data: bytes) -> bytes:
    """Return what is left of a text without the characters of base64url.

    Of a JSON object whose names and values are of that alphabet, this is quotes, colons,
    commas and braces. Where they are exactly those of its only compact spelling, nothing else
    stands in any value, between members, or in one more member.
    """
    return data.translate(None, _ALPHABET)


def _ends_well(text: str) -> bool:
    """Tell whether a text is ASCII, of a possible length, and leaves no bits over."""
    return text.isascii() and (not text or text[-1] in _LAST[len(text) & 3])


def decode_closed(
    data: bytes,
    decoder: msgspec.json.Decoder[T],
    members: Callable[[T], int],
    at: str = "",
) -> T:
    """Decode a JSON object whose members, at every depth, are a closed set, each of them once.

    Args:
        data: the bytes as received.
        decoder: of a msgspec struct that forbids unknown members.
        members: how many members the decoded object has, at every depth together.
        at: JSON pointer of this object within what the caller sent.

    Raises:
        Refusal: what is wrong and where.
    """
    value = decode_any(data, decoder, at)
    must_be_closed(data, members(value), at)
    return value


def decode_any(data: bytes, decoder: msgspec.json.Decoder[T], at: str = "") -> T:
    """Decode JSON whose spelling is still to be held: by ``must_be_closed``, or to one only.

    Raises:
        Refusal: what is wrong and where.
    """
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _must_be_plain(data, at)
        match error:
            case msgspec.ValidationError():
                raise refusal_of(error, at, data) from None
            case UnicodeDecodeError():
                raise Refusal(Code.NOT_UTF8, at) from None
            case RecursionError():
                raise Refusal(Code.TOO_DEEP, at) from None
            case _:
                raise Refusal(Code.MALFORMED, at) from None


def must_be_closed(data: bytes, members: int, at: str = "") -> None:
    """Refuse an object that holds a member twice, of which decoders keep the last, or escapes.

    All strings of a closed object are of alphabets without colon, quote and backslash, so a
    duplicate member shows as one colon more than the object has members. That costs scans at
    the speed of memory, where a second parse would cost more than all else.

    Raises:
        Refusal: ``malformed`` or ``duplicate-member``.
    """
    _must_be_plain(data, at)
    if data.count(b":") != members:
        raise Refusal(Code.DUPLICATE_MEMBER, at)


def _must_be_plain(data: bytes, at: str) -> None:
    if b"\\" in data or b"\n" in data or data[:1] != b"{" or data[-1:] != b"}":
        raise Refusal(Code.MALFORMED, at)


def refusal_of(error: msgspec.ValidationError, at: str = "", data: bytes = b"") -> Refusal:
    """Turn a validation error of msgspec into a refusal with a JSON pointer (RFC 6901).

    Args:
        error: what msgspec raised.
        at: JSON pointer of the decoded value within what the caller sent.
        data: what was decoded.
    """
    text, where = str(error), at
    # The sentence repeats names and values as sent. One with a backtick could spell a place of
    # its own, which would then be journaled: nothing is said of the place.
    can_lie = b"`" in data or b"\\" in data
    if (found := _WHERE.search(text)) and can_lie:
        text = text[: found.start()]
    elif found:
        text, where = text[: found.start()], at + pointer(found.group(1))
    if match := _UNKNOWN.fullmatch(text):
        # The name itself may be content: it is told to the caller and never journaled.
        return Refusal(Code.UNKNOWN_MEMBER, where, name=match.group(1)[:64])
    if match := _MISSING.fullmatch(text):
        return Refusal(Code.MISSING_MEMBER, f"{where}/{match.group(1)}")
    if text.startswith("Expected ") and ", got " in text:
        expected, got = text.removeprefix("Expected ").split(", got ", 1)
        return Refusal(Code.WRONG_TYPE, where, expected=expected, found=got[:64])
    return Refusal(Code.WRONG_VALUE, where)


def pointer(path: str) -> str:
    """Turn msgspec's ``$.a[0].b`` into the JSON pointer ``/a/0/b``."""
    steps = (name or number for name, number in _STEP.findall(path))
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def must_be_set(values: Sequence[str], at: str) -> None:
    """Refuse a list that is not sorted or holds a value twice: one set, one spelling.

    Raises:
        Refusal: ``wrong-value``.
    """
    for first, second in pairwise(values):
        if first >= second:
            raise Refusal(Code.WRONG_VALUE, at, expected="sorted-set")
