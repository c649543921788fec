"""One command at a time sends a bulletin: what the node proves is then about what is stored.

Two that took up the same one could each seal it anew, and take the other's acceptance for the
refusal of their own. The lock is of one id: a large upload keeps no FLASH waiting. It is the
kernel's (flock), so whoever is killed lets go of it; the empty file goes when it is next held.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from exchange.errors import Code, Fault
from exchange.model.codec import b64

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from exchange.client.cabinet import Cabinet

# Ten seconds in all, as for the cabinet itself.
_TRIES: Final = 100
_EVERY_S: Final = 0.1


@asynccontextmanager
async def alone(
    cabinet: Cabinet, identity: str, pause: Callable[[float], Awaitable[None]]
) -> AsyncIterator[None]:
    """Keep every other command from sending or resolving an id; wait for one that does.

    Not to be entered again for the same id by whoever holds it.

    Args:
        cabinet: where it is kept; the lock lies beside it.
        identity: of what is sent.
        pause: waits for so many seconds, between two attempts.

    Raises:
        Fault: ``mail-failed``: another command has held it for long, or there can be no lock.
    """
    path = cabinet.folder / f"{b64(cabinet.seal.name('posting', identity))}.posting"
    try:
        handle = await _held(path, pause)
    except OSError as error:
        found = type(error).__name__
        raise Fault(Code.MAIL_FAILED, name=identity, found=found) from error
    if handle is None:
        raise Fault(Code.MAIL_FAILED, name=identity, found="busy")
    try:
        yield
    finally:
        # While it is held: afterwards it may be another's.
        with suppress(OSError):
            path.unlink()
        os.close(handle)


async def _held(path: Path, pause: Callable[[float], Awaitable[None]]) -> int | None:
    for _ in range(_TRIES):
        handle = _taken(path)
        if handle is not None:
            return handle
        await pause(_EVERY_S)
    return None


def _taken(path: Path) -> int | None:
    """Return the file, opened and held; None where another holds it, or took it away."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it before us deleted it: the next to come makes another file.
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None
