"""Under which name and keys a node signs its checkpoints: what its trust document says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exchange.journal.note import SignatureType, VerifierKey
from exchange.model.codec import unb64

if TYPE_CHECKING:
    from exchange.model.trust import Node

PREFIX: Final = "exchange/"


def origin_of(node: str) -> str:
    """Return the name under which a node's journal signs its checkpoints (C2SP origin)."""
    return PREFIX + node


def log_keys(node: Node) -> list[VerifierKey]:
    """Return the two keys that must sign a node's checkpoints; the second one dates them."""
    kinds = (SignatureType.ED25519, SignatureType.ML_DSA_44)
    return [
        VerifierKey(origin_of(node.node), kind, unb64(key.x or key.pub or ""))
        for kind, key in zip(kinds, node.log, strict=True)
    ]
