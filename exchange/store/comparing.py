"""Compare two journals' files, table by table."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from exchange.store import file

if TYPE_CHECKING:
    from pathlib import Path

# What each table says, in words that do not hang on when its rows were moved about.
_SAYS: Final = {
    "entry": "SELECT idx, kind, bytes FROM {0}.entry",
    "hashes": "SELECT at, run FROM {0}.hashes",
    "key": "SELECT key, idx FROM {0}.key UNION ALL SELECT key, idx FROM {0}.fresh",
    "inbox": "SELECT endpoint, idx, position FROM {0}.inbox",
    "inbox_head": "SELECT endpoint, count FROM {0}.inbox_head",
    # What has expired goes when the next row comes: until then it is told to nobody.
    "urgent": (
        "SELECT endpoint, rank, idx, taken_ms, until FROM {0}.urgent"
        " WHERE until > (SELECT taken_ms / 1000 FROM {0}.meta)"
    ),
    "chased": (
        "SELECT endpoint, idx, target, rank, taken_ms, until FROM {0}.chased"
        " WHERE until > (SELECT taken_ms / 1000 FROM {0}.meta)"
    ),
    "heads": "SELECT snapshot FROM {0}.heads",
    "due": "SELECT idx, what, at, cause, rule, agreed FROM {0}.due",
    "named": "SELECT digest, live FROM {0}.named",
    "newest": "SELECT kind, idx FROM {0}.newest",
    "grp": "SELECT first, count, statement FROM {0}.grp",
    "blob": "SELECT digest, bytes FROM {0}.blob",
    "blob_key": "SELECT key FROM {0}.blob_key UNION ALL SELECT key FROM {0}.blob_fresh",
    "meta": "SELECT epoch, taken_ms, frontier FROM {0}.meta",
}


def differences(one: Path, other: Path) -> dict[str, int]:
    """Return for each table how many rows are in one of the two files alone.

    Raises:
        Fault: one of them cannot be read.
    """
    with file.faults():
        connection = file.connect_reader(one, is_live=False)
        try:
            address = f"{other.resolve().as_uri()}?mode=ro"
            connection.execute("ATTACH ? AS other", (address,))
            return {table: _differing(connection, says) for table, says in _SAYS.items()}
        finally:
            connection.close()


def _differing(connection: sqlite3.Connection, says: str) -> int:
    here, there = says.format("main"), says.format("other")
    found = 0
    for first, second in ((here, there), (there, here)):
        # Counted too: EXCEPT alone takes a row that is there twice for one.
        (count,) = connection.execute(
            f"SELECT count(*) FROM (SELECT * FROM ({first}) EXCEPT SELECT * FROM ({second}))"  # noqa: S608 - ours
        ).fetchone()
        found += count
    (mine,) = connection.execute(f"SELECT count(*) FROM ({here})").fetchone()  # noqa: S608
    (theirs,) = connection.execute(f"SELECT count(*) FROM ({there})").fetchone()  # noqa: S608
    return found or abs(mine - theirs)
