"""What a recipient can say of a bulletin and be honest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Fault
from exchange.model.identity import digest

if TYPE_CHECKING:
    from exchange.client.reading import Delivered
    from exchange.model.objects import Outcome


def attestable(item: Delivered) -> tuple[Outcome, ...]:
    """Return what a recipient can attest of a bulletin, first what it can by looking at it.

    Raises:
        Fault: what locks it may pass; it is too early to attest that it cannot be read.
    """
    if item.not_understood:
        return ("partial", "actioned", "delivered", "purged")
    if item.locked is None or _speaks_by_its_header(item):
        return ("opened", "actioned", "partial", "delivered", "purged")
    if isinstance(item.locked, Fault):
        raise item.locked
    if item.locked.code in (Code.RETENTION_OVER, Code.PURGED):
        return ("purged", "delivered")
    # A text of a newer version may hold well: it is this program that cannot read it.
    is_old = item.locked.code is Code.SCHEMA_NOT_KNOWN
    seen: Outcome = "schema-invalid" if item.opened and not is_old else "unreadable"
    return (seen, "delivered", "purged")


def ack_mark(item: Delivered, outcome: Outcome, officer: str | None) -> str:
    """Return the mark of the one acknowledgement that says just this."""
    return digest("\n".join((item.digest, outcome, officer or "")).encode())


def _speaks_by_its_header(item: Delivered) -> bool:
    """Tell whether it is a cancellation that was sealed to others: its header says it all."""
    return (
        item.header.verb == "cancel"
        and item.locked is not None
        and (item.locked.code, item.locked.at) == (Code.NOT_A_RECIPIENT, "/to")
    )
