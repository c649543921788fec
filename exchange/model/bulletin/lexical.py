"""The rules of spelling, checked on the text itself before any schema.

A JSON parser of any language hides these: which member came twice, that a number was written
``1.0``, that a time was written with an offset. They go by a member's name, not by its place.
"""

from __future__ import annotations

import codecs
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from exchange.errors import Code, Refusal
from exchange.model.bulletin import shape
from exchange.model.bulletin.words import SCHEMA, TIME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32

# Strings and all else that is no bracket. An unfinished string ends with the text, so that the
# scan stays linear whatever arrives.
_NO_BRACKET = re.compile(r'(?:"(?:[^"\\]|\\.)*+(?:"|\Z)|[^\[\]{}"])++', re.DOTALL)
# Without these in a text, no string of it holds a control character or half a character.
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f]|\\[bfnrtu]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_PROSE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_TIME = re.compile(TIME_PATTERN)
_VERSION = re.compile(r"[1-9][0-9]{0,3}\.[0-9]{1,4}")
# Members whose strings are prose, or may quote prose.
_PROSE = frozenset({"text", "before", "after"})


class _Fraction(str):
    """A number written with a fraction or an exponent."""

    __slots__ = ()


class _Doubled(dict[str, Any]):
    """An object in which this member came twice."""

    name = ""


@cache
def integer_members() -> frozenset[str]:
    """Return the names of members that hold integers, whatever the type of bulletin."""
    return shape.named(frozenset({"integer"}))


@cache
def time_members() -> frozenset[str]:
    """Return the names of members that hold times, whatever the type of bulletin."""
    return shape.named(frozenset({"time"}))


def text_of(data: bytes) -> str:
    """Return the text in UTF-8; a mark at its start that no one sees is named.

    Raises:
        Refusal: ``not-utf-8``, or ``malformed``: it begins with a byte order mark.
    """
    if data.startswith(codecs.BOM_UTF8):
        raise Refusal(Code.MALFORMED, expected="no-byte-order-mark")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Refusal(Code.NOT_UTF8, position=error.start) from None


def check(data: bytes, allowed: Callable[[str], bool] | None = None) -> None:
    """Refuse what is not spelled as a bulletin must be.

    Args:
        data: the text.
        allowed: tells of a version other than ours whether it may be read; none may, without.

    Raises:
        Refusal: in this order: ``oversized``, ``not-utf-8``, ``too-deep``, ``malformed``,
            ``duplicate-member``, ``schema-not-known``, then in the order of the text
            ``lexical-number``, ``control-character`` and ``wrong-value`` (a time's spelling).
    """
    if len(data) > MAX_BYTES:
        raise Refusal(Code.OVERSIZED, limit=MAX_BYTES, found=len(data))
    text = text_of(data)
    check_depth(text)
    tree = _parse(text)
    is_plain = _is_plain(tree) and not _ODD.search(text)
    if not is_plain:
        _check_duplicates(tree)
    _check_version(tree, allowed)
    # To find where something is wrong takes three times as long as to know that nothing is.
    for at, name, value in () if is_plain else _leaves(tree):
        _check_leaf(at, name, value)


def check_depth(text: str) -> None:
    """Refuse JSON nested deeper than 32, without recursion."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for mark in _NO_BRACKET.sub("", text):
        depth += 1 if mark in "[{" else -1
        if depth > MAX_DEPTH:
            raise Refusal(Code.TOO_DEEP, limit=MAX_DEPTH)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled = _Doubled(found)
    seen: set[str] = set()
    doubled.name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return doubled


def _no_constant(_name: str) -> None:
    raise Refusal(Code.MALFORMED)


def _parse(text: str) -> Any:
    # Length is no matter here: integers are counted as 0, and msgspec reads them again.
    decoder = json.JSONDecoder(
        object_pairs_hook=_pairs,
        parse_float=_Fraction,
        parse_int=_zero,
        parse_constant=_no_constant,
        strict=False,
    )
    try:
        # JSON's own white space only: Python would strip more.
        tree, end = decoder.raw_decode(text, len(text) - len(text.lstrip(" \t\r\n")))
    except json.JSONDecodeError as error:
        raise Refusal(Code.MALFORMED, position=error.pos) from None
    if text[end:].strip(" \t\r\n"):
        raise Refusal(Code.MALFORMED, position=end)
    return tree


def _zero(_digits: str) -> int:
    return 0


def _check_version(tree: Any, allowed: Callable[[str], bool] | None) -> None:
    # Before the members: a newer minor version may have some that we do not know.
    version = tree.get("schema") if isinstance(tree, dict) else None
    if not isinstance(version, str) or version == SCHEMA:
        return
    if _VERSION.fullmatch(version) and not (allowed and allowed(version)):
        raise Refusal(Code.SCHEMA_NOT_KNOWN, "/schema", found=version, expected=SCHEMA)


def _check_duplicates(tree: Any) -> None:
    stack: list[tuple[str, Any]] = [("", tree)]
    while stack:
        at, value = stack.pop()
        if isinstance(value, _Doubled):
            name = escape(value.name)
            raise Refusal(Code.DUPLICATE_MEMBER, f"{at}/{name}")
        if isinstance(value, dict):
            stack.extend((f"{at}/{escape(name)}", inner) for name, inner in value.items())
        elif isinstance(value, list):
            stack.extend((f"{at}/{number}", inner) for number, inner in enumerate(value))


def _is_plain(tree: Any) -> bool:
    """Tell whether no member comes twice, and numbers and times are spelled as they must be."""
    integers, times = integer_members(), time_members()
    stack: list[tuple[str, Any]] = [("", tree)]
    while stack:
        name, value = stack.pop()
        kind = type(value)
        if kind is dict:
            stack.extend(value.items())
        elif kind is list:
            stack.extend([(name, inner) for inner in value])
        elif kind is str:
            if name in times and not _TIME.fullmatch(value):
                return False
        elif kind is _Doubled or (kind is _Fraction and name in integers):
            return False
    return True


def _leaves(tree: Any) -> Iterator[tuple[str, str, Any]]:
    """Go through the strings and numbers, each with its pointer and its member's name."""
    stack: list[tuple[str, str, Any]] = [("", "", tree)]
    while stack:
        at, name, value = stack.pop()
        if isinstance(value, dict):
            _check_names(at, value)
            stack.extend(
                (f"{at}/{escape(key)}", key, inner)
                for key, inner in reversed(list(value.items()))
            )
        elif isinstance(value, list):
            last = len(value) - 1
            stack.extend(
                (f"{at}/{last - number}", name, inner)
                for number, inner in enumerate(reversed(value))
            )
        else:
            yield at, name, value


def is_line(text: str) -> bool:
    """Tell whether a string that is no prose is spelled as one: no control character."""
    return _CONTROL.search(text) is None


def _check_names(at: str, members: dict[str, Any]) -> None:
    if any(_CONTROL.search(name) for name in members):
        raise Refusal(Code.CONTROL_CHARACTER, at)
    if any(_SURROGATE.search(name) for name in members):
        raise Refusal(Code.MALFORMED, at)


def _check_leaf(at: str, name: str, value: Any) -> None:
    if isinstance(value, _Fraction):
        if name in integer_members():
            raise Refusal(Code.LEXICAL_NUMBER, at, expected="integer", found=value[:32])
    elif isinstance(value, str):
        if _SURROGATE.search(value):
            # Half a character, written as an escape: no UTF-8 text can hold it.
            raise Refusal(Code.MALFORMED, at)
        forbidden = _CONTROL_IN_PROSE if name in _PROSE else _CONTROL
        if found := forbidden.search(value):
            raise Refusal(Code.CONTROL_CHARACTER, at, found=f"U+{ord(found.group()):04X}")
        if name in time_members() and not _TIME.fullmatch(value):
            raise Refusal(Code.WRONG_VALUE, at, expected="time")


def escape(name: str) -> str:
    """Return a member's name as a step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
