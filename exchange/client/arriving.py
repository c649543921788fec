"""What got no answer may still arrive and be taken in: it is noted before it is sent.

Noted only afterwards, a kill in between would leave no trace of it. A draft alone is ever taken
back; of all else, whoever resumes asks, and sends the same bytes again.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from exchange.errors import Code, ExchangeError, Refusal
from exchange.model import header as headers
from exchange.model import objects
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.client.outbox import Outbox
    from exchange.seal.close import Envelope


@contextmanager
def noted(box: Outbox, identity: str, envelope: Envelope) -> Iterator[None]:
    """Note of a draft, while it is sent, that it may arrive; no more where it cannot.

    That is where nothing went out, or the node said no to it. What an earlier attempt left
    noted stays.
    """
    waits = box.waits(identity)
    if waits is None or waits.may_arrive or not _is_draft(envelope):
        yield
        return
    box.sent_off(identity, may_arrive=True)
    try:
        yield
    except ExchangeError as error:
        if isinstance(error, Refusal) or error.code is Code.NODE_UNREACHABLE:
            box.sent_off(identity, may_arrive=False)
        raise


def _is_draft(envelope: Envelope) -> bool:
    return jws.read(envelope.header, headers.MAX_HEADER_BYTES).typ == objects.DRAFT_TYP
