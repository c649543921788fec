"""Run a word of the command line with little more memory than it takes to load.

    python -m tests.stories.bounded MIB WORD...

Everything it needs is loaded first; from then on its address space may grow by so many MiB.
"""

from __future__ import annotations

import resource
import sys
from importlib import import_module
from pathlib import Path

from exchange.cli import main

_LOADED = (
    *("aiohttp", "rich.console", "rich.table", "exchange.cli.writing"),
    *("exchange.cli.reading", "exchange.cli.home", "exchange.client.agency"),
)


def address_space(process: int | str = "self") -> int:
    """Bytes of address space that a process takes."""
    (line,) = [
        line
        for line in Path(f"/proc/{process}/status").read_text("ascii").splitlines()
        if line.startswith("VmSize:")
    ]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    for name in _LOADED:
        import_module(name)
    most = address_space() + int(sys.argv.pop(1)) * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    main()
