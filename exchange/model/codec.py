"""Bytes to words and back, strictly: what is not exactly right is refused, with its place."""

from __future__ import annotations

import binascii
import re
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import msgspec

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

# What is of the standard alphabet alone, or padding, has no place: it becomes what is refused.
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_TO_URL = bytes.maketrans(b"+/", b"-_")
# By length modulo 4: the padding left out, and the last characters that leave no bits over.
_PADDING = (b"", None, b"==", b"=")
_LAST = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_WHERE = re.compile(r" - at `(\$[^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def b64(data: bytes) -> str:
    """Return base64url without padding (RFC 4648, section 5)."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=").decode()


def unb64(text: str, at: str = "") -> bytes:
    """Return the bytes of unpadded base64url; anything lenient is refused.

    Raises:
        Refusal: ``bad-base64``: padding, another alphabet, or bits left over.
    """
    left_over = len(text) & 3
    padding = _PADDING[left_over]
    # A non-ASCII string cannot become bytes of the alphabet.
    if padding is None or not text.isascii():
        raise Refusal(Code.BAD_BASE64, at)
    encoded = text.encode().translate(_TO_STANDARD) + padding
    try:
        data = binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        raise Refusal(Code.BAD_BASE64, at) from None
    # Python ignores surplus bits at the end, so that several texts would stand for one value.
    if left_over and encoded[-1 - len(padding)] not in _LAST[left_over]:
        raise Refusal(Code.BAD_BASE64, at)
    return data


def decode_closed(
    data: bytes,
    decoder: msgspec.json.Decoder[T],
    members: Callable[[T], int],
    at: str = "",
) -> T:
    """Decode a JSON object whose members, at every depth, are a closed set.

    All strings of such an object are of alphabets without colon, quote and backslash, so a
    duplicate member shows as one colon more than the object has members. That costs two scans
    at the speed of memory, where a second parse would cost more than all else.

    Args:
        data: the bytes as received.
        decoder: of a msgspec struct that forbids unknown members.
        members: how many members the decoded object has, at every depth together.
        at: JSON pointer of this object within what the caller sent.

    Raises:
        Refusal: what is wrong and where.
    """
    if b"\\" in data or b"\n" in data or data[:1] != b"{" or data[-1:] != b"}":
        raise Refusal(Code.MALFORMED, at)
    try:
        value = decoder.decode(data)
    except msgspec.ValidationError as error:
        raise refusal_of(error, at, data) from None
    except msgspec.DecodeError:
        raise Refusal(Code.MALFORMED, at) from None
    except UnicodeDecodeError:
        raise Refusal(Code.NOT_UTF8, at) from None
    except RecursionError:
        raise Refusal(Code.TOO_DEEP, at) from None
    if data.count(b":") != members(value):
        raise Refusal(Code.DUPLICATE_MEMBER, at)
    return value


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
    if any(first >= second for first, second in pairwise(values)):
        raise Refusal(Code.WRONG_VALUE, at, expected="sorted-set")
