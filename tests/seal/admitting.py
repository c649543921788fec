"""A bulletin that a node must let in, else a test of its opening would show nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.broker.intake import Admitted, consider

if TYPE_CHECKING:
    from exchange.broker.intake import Arrival
    from exchange.model.view import View


def must_be_admitted(arrival: Arrival, view: View) -> None:
    decision = consider(arrival, view).decision
    assert isinstance(decision, Admitted), decision
