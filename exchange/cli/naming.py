"""What a person calls a bulletin: by its id, or by the number of its entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exchange.client.outbox import Outbox


def posted(outbox: Outbox, said: str) -> str:
    """Return the id of what was posted from here and is called so; else what was said."""
    if not said.isdecimal():
        return said
    for identity in outbox.sent():
        receipt = outbox.receipt(identity)
        if receipt is not None and str(receipt.index) == said:
            return identity
    return said
