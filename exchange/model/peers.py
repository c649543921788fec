"""How one node proves to another which one it is: signed, and kept by nobody."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from exchange.model import codec
from exchange.model.identity import Seconds, SuiteId, Word

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
