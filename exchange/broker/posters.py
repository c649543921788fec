"""Who posted what stands in an entry."""

from __future__ import annotations

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.seal import jws


def is_poster(entry: bytes, caller: str) -> bool:
    """Tell whether a caller posted this entry's object; trust documents are everybody's."""
    found = entries.decode(entry)
    if not found.object:
        return isinstance(found.facts, entries.Trust)
    if isinstance(found.facts, entries.Noticed):
        return False
    return poster(jws.read(found.object, objects.MAX_OBJECT_BYTES)) == caller


class _Poster(msgspec.Struct, frozen=True):
    endpoint: str


def poster(signed: jws.Signed) -> str:
    """Return the endpoint that a signed object names as its author.

    Raises:
        Refusal: ``malformed``: it names none.
    """
    try:
        return msgspec.json.decode(signed.payload, type=_Poster).endpoint
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Refusal(Code.MALFORMED, "/payload") from None
