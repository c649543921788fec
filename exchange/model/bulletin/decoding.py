"""Bytes to a bulletin and back, strictly: what is not right is refused, with its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.bulletin import lexical, rules, shape
from exchange.model.bulletin.kinds import Bulletin

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.errors import Fact
    from exchange.model.codes import Codes


class _Tagged(msgspec.Struct):
    type: str


_TAGGED = msgspec.json.Decoder(_Tagged)
_DECODER: msgspec.json.Decoder[Bulletin] = msgspec.json.Decoder(Bulletin)
_ENCODER = msgspec.json.Encoder()
_PATH = re.compile(r" - at `(\$[^`]*)`\Z")


def decode(data: bytes, codes: Codes) -> Bulletin:
    """Return the bulletin these bytes are, or refuse them.

    Args:
        data: JSON in UTF-8, at most 256 KiB; white space around it is allowed.
        codes: the code lists.

    Raises:
        Refusal: the first thing wrong, in the order size, UTF-8, depth, JSON, duplicates,
            version, spelling, types and members, codes and rules; ``at`` is its JSON pointer.
    """
    lexical.check(data)
    try:
        bulletin = _DECODER.decode(data)
    except msgspec.ValidationError as error:
        raise refusal(str(error), lambda at: _form(at, data)) from None
    except msgspec.DecodeError:
        raise Refusal(Code.MALFORMED) from None
    rules.check(bulletin, codes)
    return bulletin


def encode(bulletin: Bulletin) -> bytes:
    """Return compact JSON in UTF-8, without LF; members that were not given are left out."""
    return _ENCODER.encode(bulletin)


def refusal(told: str, form: Callable[[str], shape.Shape | None]) -> Refusal:
    """Turn msgspec's sentence into a code, a JSON pointer and what was expected.

    Args:
        told: the text of a ``msgspec.ValidationError``.
        form: returns the shape at a JSON pointer, or None where nothing is known of it.
    """
    path = _PATH.search(told)
    # Inside a value of any kind msgspec names no place: the member that holds it is named.
    at = codec.pointer(path.group(1)).split("/...")[0] if path else ""
    sentence = told[: path.start()] if path else told
    if sentence.startswith("Object contains unknown field"):
        name = sentence.split("`", 1)[1].rstrip("`")[:64]
        return Refusal(Code.UNKNOWN_MEMBER, f"{at}/{lexical.escape(name)}", name=name)
    if sentence.startswith("Object missing required field"):
        return Refusal(Code.MISSING_MEMBER, f"{at}/{sentence.split('`')[1]}")
    # A bound or a pattern is told without what was found; another type is told with it.
    wrong_type = sentence == "Expected `str`" or ", got `" in sentence
    code = Code.WRONG_TYPE if wrong_type else Code.WRONG_VALUE
    return Refusal(code, at, **expected(form(at)))


def expected(form: shape.Shape | None) -> dict[str, Fact]:
    """Name what belongs somewhere: the expectation whose sentence a person is shown."""
    if form is None:
        return {}
    if form.codes:
        return {"expected": "code", "list": form.codes}
    if form.form:
        return {"expected": form.form}
    if form.kind in ("struct", "choice"):
        return {"expected": "object"}
    bounds: dict[str, Fact] = {
        name: str(form.limits[key]) for key, name in _BOUNDS if key in form.limits
    }
    return {"expected": form.kind, **bounds}


_BOUNDS = (
    ("ge", "least"),
    ("le", "most"),
    ("lt", "most"),
    ("min_length", "least"),
    ("max_length", "most"),
)
_ANY_OBJECT = shape.Shape("struct")
_TYPE = shape.Shape("text", codes="types")


def _form(at: str, data: bytes) -> shape.Shape | None:
    if not at:
        return _ANY_OBJECT
    if at == "/type":
        return _TYPE
    # The type is known here: msgspec reads the tag before any other member.
    return shape.at(shape.of(_TAGGED.decode(data).type), at)
