"""What a refusal leaves in the journal: that it was, and nothing of what was sent."""

from __future__ import annotations

import pytest

from exchange.broker.intake import decline
from exchange.broker.records import Rejected
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.seal import jws
from tests import builders
from tests.books import Book
from tests.builders import AUDIT, OPS
from tests.vectors import forging

WORLD = builders.world()
CANARY = "canary-name-of-a-vessel"


@pytest.mark.parametrize(
    "arrival",
    [
        WORLD.arrival(CANARY.encode(), OPS),
        WORLD.arrival(f'{{"{CANARY}":1}}'.encode(), OPS),
        WORLD.arrival(f'{{"x` - at `$.{CANARY}":1}}'.encode(), OPS),
        WORLD.arrival(f'{{"payload":"{CANARY}","signatures":[]}}'.encode(), OPS),
        WORLD.arrival(forging.member(WORLD, WORLD.envelope(), **{CANARY: 1})),
        WORLD.arrival(forging.member(WORLD, WORLD.envelope(), feed=CANARY)),
        WORLD.arrival(forging.member(WORLD, WORLD.envelope(), verb=CANARY)),
        WORLD.arrival(forging.member(WORLD, WORLD.envelope(), verb=f"x` - at `$.{CANARY}")),
        WORLD.arrival(WORLD.sign(b"{}", CANARY, OPS), OPS),
        WORLD.arrival(
            jws.sign(
                f'{{"kind":"member","x` - at `$.{CANARY}":1}}'.encode(),
                "xb-trust+jws",
                [WORLD.signers[OPS]],
            ),
            OPS,
        ),
        WORLD.arrival(WORLD.envelope()._replace(body=f'{{"x` - at `$.{CANARY}":""}}'.encode())),
    ],
    ids=range(11),
)
def test_refusal_keeps_nothing_of_what_was_sent(arrival: builders.Arrival) -> None:
    book = Book()
    settled = book.post(arrival)[0]
    assert isinstance(settled, Rejected)
    assert CANARY.encode() not in book.entries[0]
    assert entries.decode(book.entries[0]).object == b""
    assert book.known == {}
    assert book.positions == {}


def test_refusal_at_the_door_is_recorded_like_any_other() -> None:
    """Bad framing, say: nothing could be taken apart, and still it leaves a trace."""
    book = Book()
    arrival = WORLD.arrival(b"x", AUDIT)
    considered = decline(arrival, Refusal(Code.BAD_FRAMING, "/body"), book.view)
    ledger = book.ledger()
    assert isinstance(book.place(ledger, considered, arrival), Rejected)
    book.commit(ledger)
    facts = entries.decode(book.entries[0]).facts
    assert isinstance(facts, entries.Refused)
    assert (facts.code, facts.caller) == ("bad-framing", AUDIT)
