"""Bytes to a bulletin and back, strictly: what is not right is refused, with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.bulletin import lexical, rules, shape
from exchange.model.bulletin.kinds import Bulletin
from exchange.model.bulletin.misfits import refusal

if TYPE_CHECKING:
    from exchange.model.codes import Codes


class _Tagged(msgspec.Struct):
    type: str


_TAGGED = msgspec.json.Decoder(_Tagged)
_DECODER: msgspec.json.Decoder[Bulletin] = msgspec.json.Decoder(Bulletin)
_ENCODER = msgspec.json.Encoder()


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


_ANY_OBJECT = shape.Shape("struct")
_TYPE = shape.Shape("text", codes="types")


def _form(at: str, data: bytes) -> shape.Shape | None:
    if not at:
        return _ANY_OBJECT
    if at == "/type":
        return _TYPE
    # The type is known here: msgspec reads the tag before any other member.
    return shape.at(shape.of(_TAGGED.decode(data).type), at)
