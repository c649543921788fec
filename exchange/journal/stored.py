"""The leaf hash of an entry as it is stored: its own, or the one that a stub stands for."""

from __future__ import annotations

from exchange.errors import Refusal
from exchange.journal.tree import leaf_hash
from exchange.model.lost import leaf_in


def leaf_of(entry: bytes) -> bytes:
    """Return the hash under which a stored entry stands in the tree, 32 bytes.

    What was lost keeps its place there. That a stub may stand where it does, a declaration of
    custodians behind it says, and who replays a journal holds it to that (``broker.losing``).
    """
    try:
        return leaf_in(entry) or leaf_hash(entry)
    except Refusal:
        # Malformed, it stands for nothing: its bytes are looked at where entries are judged.
        return leaf_hash(entry)
