"""The command line, killed at the n-th thing it does to a file of the outbox.

``python -m tests.cli.dying N WORD...``: SIGKILL, so nothing is cleaned up and nobody is told.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

TOUCHES = {"open", "os.rename", "os.remove"}


def main() -> None:
    left = int(sys.argv.pop(1))

    def touched(event: str, args: tuple[Any, ...]) -> None:
        nonlocal left
        if event not in TOUCHES or "/outbox" not in str(args[0]):
            return
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    sys.addaudithook(touched)
    from exchange.cli import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
