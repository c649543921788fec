"""Cases of how long a bulletin may be kept, where a rule of the arrangement says so."""

from __future__ import annotations

from collections.abc import Callable

from exchange.errors import Code
from exchange.model.trust import Label, Retention
from tests.builders import DAY, NOW, World
from tests.vectors.case import Case, Posted


def _retained(until: int) -> Callable[[World], Posted]:
    """A bulletin to be retained until then, where twenty days are agreed for its type."""
    label: Label = {"es": "EJERCICIO", "en": "EXERCISE"}
    rule = Retention("voi-20-days", label, 20 * DAY, types=["voi"])

    def make(world: World) -> Posted:
        sent = world.envelope(issued=NOW - 60, retain_until=until)
        return Posted(world.arrival(sent), (world.rearranged(retention=[rule]),))

    return make


REFUSE = [
    Case(
        "retained-longer-than-agreed",
        "to be kept one second longer than the rule for its type allows",
        Code.RETENTION_TOO_LONG,
        "/retain_until",
        _retained(NOW + 20 * DAY + 1),
    ),
]
ACCEPT = [
    Case(
        "retained-as-long-as-agreed",
        "to be kept to the last second that the rule for its type allows",
        None,
        "",
        _retained(NOW + 20 * DAY),
    ),
]
