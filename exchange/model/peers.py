"""How one node proves to another which one it is: signed, and kept by nobody."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from exchange.model import codec
from exchange.model.identity import Count, Digest, Seconds, SuiteId, Word

TYP = "xb-peer+jws"


class PeerRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Proof that the caller is another nation's node, good for one node and one nonce.

    Signed by the keys of the caller's receipts.
    """

    v: Literal["xb1"]
    suite: SuiteId
    node: Word
    to: Word
    nonce: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]
    issued: Seconds


_PEER = msgspec.json.Decoder(PeerRequest)


def decode(payload: bytes) -> PeerRequest:
    """Decode the request of a peer for a session, or refuse it."""
    return codec.decode_closed(payload, _PEER, lambda _: 6)


PARCEL = "xb-parcel+jws"


class Parcel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node signs of a file for another one: of which entries, and of which bytes.

    ``after`` is the entry that it goes on from (-1: from the beginning), ``cursor`` up to which
    one all was looked through, ``size`` of how many its checkpoint is. ``digest`` is of all
    that comes before in the file. Signed by the keys of the node's receipts.
    """

    v: Literal["xb1"]
    suite: SuiteId
    node: Word
    to: Word
    after: Annotated[int, msgspec.Meta(ge=-1, le=2**53 - 1)]
    cursor: Count
    size: Count
    issued: Seconds
    digest: Digest


_PARCEL = msgspec.json.Decoder(Parcel)


def decode_parcel(payload: bytes) -> Parcel:
    """Decode what a node signs of a file, or refuse it."""
    return codec.decode_closed(payload, _PARCEL, lambda _: 9)
