"""A journal in memory: what a node's writer does, without a node."""

from __future__ import annotations

from exchange.broker import peering
from exchange.broker.intake import Arrival, Considered, consider
from exchange.broker.lookups import lookups
from exchange.broker.peering import Crossing
from exchange.broker.records import Found, NotLookedUp, Settled
from exchange.broker.settle import Ledger
from exchange.model.header import Blob
from exchange.model.homes import Homes
from exchange.model.view import View
from tests.builders import world
from tests.given import NOW, Randomness


class Book:
    """What a node's writer does, without a node: groups of arrivals, one after another."""

    def __init__(self, view: View | None = None, node: str = "pa") -> None:
        self.view = view or world().view
        self.node = node
        self.homes = Homes(self.view.anchor)
        self.entries: list[bytes] = []
        self.known: dict[bytes, Found] = {}
        self.positions: dict[str, int] = {}
        self.taken_ms = 0
        self.held: set[Blob] = set()
        self._salt = Randomness("salt")
        # The trust documents of the view stand before the first entry of the test.
        self.base = self.view.index + 1

    def ledger(self) -> Ledger:
        size, salt = self.base + len(self.entries), lambda: self._salt(16)
        return Ledger(size, self.taken_ms, self.view, self.positions, salt, self.node)

    def hold(self, *blobs: Blob) -> None:
        """Say that these were uploaded, by whoever posts."""
        self.held.update(blobs)

    def settle(self, ledger: Ledger, arrival: Arrival, view: View | None = None) -> Settled:
        """Consider and settle one arrival in a group that is still open."""
        return self.place(ledger, consider(arrival, view or self.view), arrival)

    def place(
        self,
        ledger: Ledger,
        considered: Considered,
        arrival: Arrival,
        known: dict[bytes, Found | None] | None = None,
    ) -> Settled:
        assert not ledger.must_go_back(considered)
        known = self.look_up(considered) if known is None else known
        while True:
            try:
                return ledger.settle(considered, arrival[:3], known, self.held)
            except NotLookedUp as missing:
                wanted = lookups(considered, ledger.over(known))
                if missing.key not in wanted:
                    raise  # ``lookups`` is to name all that settling needs
                known.update((key, self.known.get(key)) for key in wanted)

    def look_up(self, *group: Considered) -> dict[bytes, Found | None]:
        known: dict[bytes, Found | None] = {}
        while wanted := [key for each in group for key in lookups(each, known)]:
            known.update((key, self.known.get(key)) for key in wanted)
        return known

    def commit(self, ledger: Ledger) -> None:
        """Make a group durable."""
        for index, record in enumerate(ledger.records, ledger.first):
            self.entries.append(record.entry)
            for key in record.keys:
                assert key not in self.known, "a key leads to one entry, for ever"
                self.known[key] = Found(index, record.entry)
        for established, index in ledger.established:
            self.view = self.view.after(established.change, index)
        self.homes.follow(ledger.received)
        self.positions.update(ledger.positions)
        self.taken_ms = ledger.taken_ms

    def post(self, *arrivals: Arrival) -> list[Settled]:
        """One group: consider, look up for all of it at once, settle, commit."""
        ledger, group = self.ledger(), [consider(each, self.view) for each in arrivals]
        known, pairs = self.look_up(*group), zip(group, arrivals, strict=True)
        settled = [self.place(ledger, *pair, known) for pair in pairs]
        self.commit(ledger)
        return settled

    def receive(self, *crossings: Crossing, at: int = NOW) -> list[Settled]:
        """What came from the other node's journal, one group each."""
        settled = []
        for each in crossings:
            considered = peering.consider(
                each, self.homes, self.view, at * 1000, self.ledger().here
            )
            ledger = self.ledger()
            arrival = Arrival("", peering.object_of(each), each.body or b"", at * 1000)
            settled.append(self.place(ledger, considered, arrival))
            self.commit(ledger)
        return settled
