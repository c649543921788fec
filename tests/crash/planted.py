"""Start a node with one fault planted in it: ``python -m tests.crash.planted FAULT up ...``.

The crash suite must catch each of them; a suite that catches nothing proves nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from exchange.broker.settle import Ledger
from exchange.cli import main
from exchange.node import ports, spawning
from exchange.node.ports import Shipped
from exchange.policy import sealed
from exchange.store import inserting, selecting
from exchange.store.blob_files import BlobFiles
from exchange.store.shipped import ShippedFiles
from exchange.store.sqlite import SqliteStore

# The first entries are trust documents; without them a node does not even open.
_TRUST = 10

FAULTS: dict[str, Callable[[], None]] = {}


def fault(plant: Callable[[], None]) -> Callable[[], None]:
    FAULTS[plant.__name__.replace("_", "-")] = plant
    return plant


@fault
def early_receipts() -> None:
    """Receipts go out before the commit; a node's own entries wait, or it does not start."""
    commit, honest = SqliteStore._append, SqliteStore.append
    waiting: set[asyncio.Future[Any]] = set()

    def slowly(self: SqliteStore, batch: ports.Batch, expect: int) -> ports.Outcome:
        time.sleep(0.05)
        return commit(self, batch, expect)

    async def append(self: SqliteStore, batch: ports.Batch, expect: int) -> ports.Outcome:
        if not any(record.owed for record in batch.records):
            return await honest(self, batch, expect)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._writing, slowly, self, batch, expect)
        waiting.add(future)
        future.add_done_callback(waiting.discard)
        return ports.Done(expect + len(batch.records))

    SqliteStore.append = append  # type: ignore[method-assign]


@fault
def no_dedupe() -> None:
    """What came before is not heeded; the first to take a name keeps it."""
    keep, once = inserting._keys, Ledger._once

    def first_only(connection: sqlite3.Connection, keys: list[Any], size: int) -> None:
        taken = selecting.indexes(connection, [key for key, _ in keys])
        keep(connection, [each for each in keys if each[0] not in taken], size)

    def heedless(same_bytes: Any, same_id: Any) -> Any:
        is_trust = same_bytes is not None and same_bytes.index < _TRUST
        return once(same_bytes, same_id) if is_trust else None

    inserting._keys = first_only
    Ledger._once = staticmethod(heedless)  # type: ignore[method-assign]


@fault
def recipients_unchecked() -> None:
    """A bulletin may be sealed to others than it is addressed to."""
    sealed.wraps = lambda *_: None


@fault
def inbox_of_another() -> None:
    """A reader is now and then shown an entry that is owed to somebody else."""
    whole = selecting.inbox

    def generous(
        connection: sqlite3.Connection, endpoint: str, after: int, limit: int
    ) -> list[ports.InboxRow]:
        rows = whole(connection, endpoint, after, limit)
        if endpoint == "trust" or not rows:
            return rows
        stray = selecting.read(connection, rows[-1].index + 1, 1)
        return [*rows, *(ports.InboxRow(len(rows), row.index, row.entry) for row in stray)]

    selecting.inbox = generous


@fault
def inbox_row_lost() -> None:
    """One row of an inbox is not written, now and then."""
    write = inserting._rows

    def forgetful(
        connection: sqlite3.Connection, table: str, rows: Any, clause: str = ""
    ) -> int:
        rows = list(rows)
        if table == "inbox" and len(rows) > 3:
            del rows[1]
        return write(connection, table, rows, clause)

    inserting._rows = forgetful


@fault
def head_off_by_one() -> None:
    """The journal claims one entry less than it holds."""
    whole = selecting.head

    def short(connection: sqlite3.Connection) -> ports.Head:
        head = whole(connection)
        return ports.Head(max(head.size - 1, 0), head.epoch, head.taken_ms, head.frontier)

    selecting.head = short


@fault
def blob_lost() -> None:
    """A body is not written."""
    write = inserting._rows

    def forgetful(
        connection: sqlite3.Connection, table: str, rows: Any, clause: str = ""
    ) -> int:
        rows = list(rows)
        if table.startswith("blob") and len(rows) > 3:
            del rows[1]
        return write(connection, table, rows, clause)

    inserting._rows = forgetful


@fault
def attachment_lost() -> None:
    """An attachment is not kept before its entry is committed."""

    async def forgetful(*_: Any) -> None:
        """Keep nothing."""

    BlobFiles.keep = forgetful  # type: ignore[assignment, method-assign]


@fault
def shipped_early() -> None:
    """Groups are shipped before they are durable, and another may stand in their place."""
    ship = ShippedFiles._append

    def hasty(self: ShippedFiles, groups: Sequence[Shipped]) -> None:
        last = groups[-1]
        guess = Shipped(last.first + len(last.entries), b"", [b"exercise"], [])
        ship(self, [*groups, guess])
        self._at = None

    ShippedFiles._append = hasty  # type: ignore[method-assign]


@fault
def torn_group() -> None:
    """A group is committed in two halves, with time to die between them."""
    insert = inserting._inboxes

    def torn(connection: sqlite3.Connection, batch: ports.Batch, first: int) -> None:
        connection.execute("COMMIT")
        time.sleep(0.05)
        connection.execute("BEGIN IMMEDIATE")
        insert(connection, batch, first)

    inserting._inboxes = torn


def plant(name: str) -> None:
    """Plant a fault in this process, and in the fronts that it starts."""
    FAULTS[name]()
    program = (
        "import sys; sys.path[:0] = sys.argv[3:]; from tests.crash import planted; "
        f"planted.FAULTS[{name!r}](); from exchange.cli.front import main; main()"
    )
    spawning.FRONT = (sys.executable, "-I", "-c", program)


if __name__ == "__main__":
    plant(sys.argv.pop(1))
    main()
