"""Start front processes: at once, while the node that they are for is still opening.

Here is next to nothing to import, so that a command can start them before all else.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

# Messages of many bulletins may wait in the kernel instead of in these processes.
_BUFFER_BYTES = 1024 * 1024
# Connections dealt and not yet taken wait in the kernel.
_DEALS_BYTES = 256 * 1024
# Beyond this the one writer is what everything waits for.
MAX_FRONTS = 4
# structlog and tuf would load the two named here, to draw errors and to speak to tokens: a
# front does neither, and would hold 6 MiB more.
_PROGRAM = (
    "import sys; sys.path[:0] = sys.argv[3:]; sys.modules.update(rich=None, pkcs11=None); "
    "from exchange.cli.front import main; main()"
)
# glibc: what is this large goes back to the system when it is freed, and is never carved out of
# what others used. The loop holds 256 KiB for each connection's TLS and writes to the first few
# of them: without this a silent stream took 62 KiB, with it 50. Of what is smaller 4 MiB stay
# in reserve: else the next request would fault in page by page what the last one gave back.
_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(256 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(4 * 1024 * 1024),
}
# Runs a front; two descriptors and this process's path follow.
FRONT = (sys.executable, "-I", "-c", _PROGRAM)


class Spawned:
    """A front's process, and our ends of its two sockets; it waits to hear from the node."""

    def __init__(self) -> None:
        """Start it.

        Raises:
            Fault: no process or socket is to be had.
        """
        with ExitStack() as stack:
            try:
                here, there, self.deals, deals = (
                    stack.enter_context(each)
                    for each in (*socket.socketpair(), *socket.socketpair())
                )
                for end in (here, there):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
                self.deals.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _DEALS_BYTES)
                self.deals.setblocking(False)
                self.process = _started(there, deals)
            except OSError as error:
                found = type(error).__name__
                raise Fault(Code.UNAVAILABLE, name="front", found=found) from error
            stack.pop_all()
        there.close()
        deals.close()
        self._wire: socket.socket | None = here

    def take_wire(self) -> socket.socket:
        """Return the socket for all that is said; who takes it closes it."""
        wire, self._wire = self._wire, None
        if wire is None:
            raise RuntimeError("taken already")
        return wire

    def end(self) -> None:
        """End it, and see it out; again is harmless."""
        self.process.kill()
        self.process.wait()
        self.deals.close()
        if self._wire is not None:
            self._wire.close()


@contextmanager
def fronts(count: int | None = None) -> Iterator[list[Spawned]]:
    """Start as many fronts as this machine is good for, or ``count``; end them at last.

    Raises:
        Fault: no process or socket is to be had.
    """
    with ExitStack() as stack:
        found = []
        for _ in range(_count() if count is None else count):
            found.append(Spawned())
            stack.callback(found[-1].end)
        yield found


def _count() -> int:
    """Return how many front processes there are: one for each core; none on a single one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, MAX_FRONTS) if (cores or 1) > 1 else 0


def _started(wire: socket.socket, deals: socket.socket) -> subprocess.Popen[bytes]:
    passed = [wire.fileno(), deals.fileno()]
    return subprocess.Popen(  # noqa: S603  (this program)
        [*FRONT, *(str(each) for each in passed), *sys.path],
        pass_fds=passed,
        # Nothing of ours: a passphrase may stand in the node's own environment.
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        # Ctrl-C is for the node, which then tells its fronts. Of the same session all the same:
        # Linux weighs the processes of a session against each other, and then sessions.
        process_group=0,
    )
