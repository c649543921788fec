"""Destroy what is kept of the mail once its time is over, whenever somebody works here.

Bodies, content keys and texts go. What stays: headers, acknowledgements, receipts and proofs,
of which a chain and a journal are made that others hold us to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.client import bodies, losses
from exchange.client.kept import KeptKeys
from exchange.client.outbox import Outbox

if TYPE_CHECKING:
    from exchange.client.cabinet import Cabinet


_CHECKED, _DAY_S = "checked", 86_400


def purge(cabinet: Cabinet, now_ms: int) -> None:
    """Destroy what is overdue, and sealed files that nothing waits for.

    A damaged row keeps no other here: it is told of (``losses``) and passed over.

    Raises:
        Fault: ``mail-failed``, ``mail-damaged``.
    """
    now, box = now_ms // 1000, Outbox(cabinet)
    losses.age(cabinet, now)
    _check_days(cabinet, now)
    KeptKeys(cabinet).destroy_overdue(now)
    if bodies.purge(cabinet, now) + box.purge(now):
        cabinet.sweep()
    box.clear(now_ms)


def _check_days(cabinet: Cabinet, now: int) -> None:
    """Once a day, have no row stay longer than its seal says, whoever moved its day."""
    today = str(now // _DAY_S).encode()
    if cabinet.get_sound(_CHECKED, "") != today:
        cabinet.set_days_right()
        cabinet.put(_CHECKED, "", today)
