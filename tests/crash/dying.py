"""The command line, killed at the n-th thing it does to its mail: file or database.

SIGKILL, so nothing is cleaned up and nobody is told.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
# Before and after what makes a change durable. Between its statements nothing is durable yet,
# so dying there is dying before it.
STATEMENTS = ("COMMIT", "PRAGMA wal_checkpoint")
# Nothing is written to these but by the database, or at all.
_OWN = ("mail.db", "mail.lock")


class _Counter:
    """Counts down, and then it is over."""

    def __init__(self, left: int) -> None:
        self.left = left

    def touch(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


def die_at(left: int, folders: Sequence[str] = ("/mail", "/outbox")) -> None:
    """Be killed at the touch after so many, of files below these folders or of the database."""
    counter = _Counter(left)

    def touched(event: str, args: tuple[Any, ...]) -> None:
        path = str(args[0]) if event in TOUCHES else ""
        if any(each in path for each in folders) and not path.endswith(_OWN):
            counter.touch()

    class Dying(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            is_point = sql.startswith(STATEMENTS)
            if is_point:
                counter.touch()
            done = super().execute(sql, *args)
            if is_point:
                counter.touch()
            return done

    connect = sqlite3.connect

    def dying(*args: Any, **options: Any) -> sqlite3.Connection:
        return connect(*args, factory=Dying, **options)

    sqlite3.connect = dying  # type: ignore[assignment]
    sys.addaudithook(touched)


def main() -> None:
    """Fork for each line of stdin ``[N, OUT, WORD...]``, run it, and say how it ended."""
    from exchange.cli import main as run  # noqa: PLC0415  (imported once, for all of them)
    from exchange.cli import reading, writing  # noqa: F401, PLC0415

    for line in sys.stdin:
        at, out, *words = json.loads(line)
        if not (child := os.fork()):
            os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
            sys.argv[1:] = words
            die_at(at)
            run()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
