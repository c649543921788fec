"""What a node answers, decoded. It may be any bytes: what is none of ours is a fault of its."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from exchange.errors import Code, Fault

T = TypeVar("T")


def decoded(body: bytes, wanted: type[T], code: Code = Code.UNAVAILABLE) -> T:
    """Return an answer, or an event of a stream, as what it should be.

    Raises:
        Fault: ``code``: it is something else.
    """
    try:
        return msgspec.json.decode(body, type=wanted)
    # Nested too deeply, or no UTF-8 where nobody looks: msgspec lets Python's own errors out.
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Fault(code, expected=wanted.__name__) from error
