"""Look into what a test made, unverified and leniently."""

from __future__ import annotations

import msgspec

from exchange.model.header import Header

OPS = "pa.senan/ops"


def decoded(raw: bytes) -> Header:
    """The header in a signed header, unverified."""
    payload = msgspec.json.decode(raw)["payload"]
    return msgspec.json.decode(unpadded(payload), type=Header)


def author(raw: bytes) -> str:
    """The endpoint that a signed object names; pa.senan/ops where it cannot be read."""
    try:
        payload = msgspec.json.decode(raw, type=_Payload).payload
        return msgspec.json.decode(unpadded(payload), type=_Author).endpoint
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return OPS


class _Payload(msgspec.Struct):
    payload: str


class _Author(msgspec.Struct):
    endpoint: str


def unpadded(text: str) -> bytes:
    """The bytes of base64url, leniently: for looking into what a test made."""
    return msgspec.json.decode(
        msgspec.json.encode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)),
        type=bytes,
    )
