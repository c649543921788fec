"""Take up what has no receipt yet, one by one: trouble with one holds up no other.

A receipt that does not hold stays so however often it is asked for. If it stopped all that
comes after it, one old bulletin would keep a FLASH from ever being sealed.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from exchange.client.transport import is_away
from exchange.errors import ExchangeError, Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from exchange.client.outbox import Outbox
    from exchange.model.objects import Receipt

    # Called with the id of what got no receipt, and why.
    Trouble = Callable[[str, ExchangeError], None]


def untroubled(_identity: str, _error: ExchangeError) -> None:
    """Tell nobody."""


@contextmanager
def named(identity: str) -> Iterator[None]:
    """Say of a fault which sealed and kept bulletin it is about."""
    try:
        yield
    except Fault as fault:
        raise Fault(fault.code, fault.at, **{**fault.facts, "id": identity}) from fault


async def resume(
    boxes: Sequence[Outbox],
    resolve: Callable[[Outbox, str], Awaitable[Receipt]],
    trouble: Trouble,
) -> list[Receipt]:
    """Resolve all that waits in these boxes, and return the receipts there now are.

    Raises:
        Fault: the node is away: the others would fare no better, and wait on.
        Refusal, Fault: the first there was of one item, after all have been tried.
    """
    settled: list[Receipt] = []
    first: ExchangeError | None = None
    for box in boxes:
        for identity in box.waiting():
            try:
                with named(identity):
                    settled.append(await resolve(box, identity))
            except ExchangeError as error:
                if is_away(error):
                    raise
                trouble(identity, error)
                first = first or error
    if first is not None:
        raise first
    return settled
