"""One case: something at the door, what came before it, and what must be answered.

The tables of cases are run live by the tests of each folder, so that they follow the code; and
were written down once as the frozen vectors of ``schemas/v1/vectors``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from exchange.broker.intake import Arrival
from exchange.broker.records import Recorded, Settled
from exchange.errors import Code, Refusal
from exchange.model import header as headers
from exchange.model.header import MAX_HEADER_BYTES, Blob
from exchange.model.view import Heads, View
from exchange.seal import jws, trust
from exchange.seal.close import Envelope
from exchange.seal.open import Opened, Opener, open_body
from tests.books import Book
from tests.builders import World


def founded(told: Mapping[str, Any]) -> View:
    """The view of a world as it was written down.

    Where it tells ``heads``, these were the trust inbox's when the envelopes were sealed, when
    its documents were no TUF metadata yet; what the documents say is the same.
    """
    view = View(anchor=told["anchor"])
    for index, document in enumerate(told["documents"]):
        view = trust.apply(document.encode(), view, index, told["founded"])
    if "heads" not in told:
        return view
    heads = told["heads"]
    return msgspec.structs.replace(view, index=len(heads) - 2, heads=Heads(heads))


class Posted(NamedTuple):
    """An arrival, the trust documents that came after the founding, the arrivals before it.

    ``held`` are the blobs that were uploaded before any of them.
    """

    arrival: Arrival
    documents: tuple[bytes, ...] = ()
    before: tuple[Arrival, ...] = ()
    held: tuple[Blob, ...] = ()


class Case(NamedTuple):
    """An arrival and its answer; ``code`` is None where it must be let in."""

    name: str
    shows: str
    code: Code | None
    at: str
    make: Callable[[World], Posted | Arrival | Envelope | bytes]


class Opening(NamedTuple):
    """An envelope that a node lets pass, and what its recipient must answer."""

    name: str
    shows: str
    code: Code | None
    at: str
    recipient: str
    make: Callable[[World], Envelope]


class Statement(NamedTuple):
    """What is verified, and the answer; ``make`` returns the members of its vector."""

    statement: str
    name: str
    shows: str
    code: Code | None
    at: str
    make: Callable[[World], dict[str, Any]]


def posted(case: Case, world: World) -> Posted:
    made = case.make(world)
    if isinstance(made, Posted):
        return made
    return Posted(made if isinstance(made, Arrival) else world.arrival(made))


def answer(made: Posted, view: View) -> tuple[Settled, Book]:
    """Post what came before, each by itself, then the arrival."""
    book = Book(view)
    book.hold(*made.held)
    for arrival in made.before:
        settled = book.post(arrival)[0]
        assert isinstance(settled, Recorded), "what comes before is let in"
    return book.post(made.arrival)[0], book


def opened(envelope: Envelope, openers: list[Opener]) -> Opened | Refusal:
    """What a recipient finds in an envelope whose header holds."""
    header = headers.decode(jws.read(envelope.header, MAX_HEADER_BYTES).payload)
    try:
        return open_body(header, envelope.body, openers)
    except Refusal as refusal:
        return refusal


def again(
    second: Callable[[World, Envelope], Any], **changes: Any
) -> Callable[[World], Posted]:
    """A second arrival made from a first one that was let in."""

    def make(world: World) -> Posted:
        first = world.envelope(**changes)
        made = second(world, first)
        arrival = made if not isinstance(made, Envelope | bytes) else world.arrival(made)
        return Posted(arrival, (), (world.arrival(first),))

    return make
