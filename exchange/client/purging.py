"""Destroy what is kept of the mail once its time is over, whenever somebody works here.

Bodies, content keys and texts go. What stays: headers, acknowledgements, receipts and proofs,
of which a chain and a journal are made that others hold us to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.client import bodies
from exchange.client.kept import KeptKeys
from exchange.client.outbox import Outbox

if TYPE_CHECKING:
    from exchange.client.cabinet import Cabinet


def purge(cabinet: Cabinet, now_ms: int) -> None:
    """Destroy what is overdue, and sealed files that nothing waits for.

    Raises:
        Fault: ``mail-failed``, ``mail-damaged``.
    """
    now, box = now_ms // 1000, Outbox(cabinet)
    KeptKeys(cabinet).destroy_overdue(now)
    if bodies.purge(cabinet, now) + box.purge(now):
        cabinet.sweep()
    box.clear(now_ms)
