"""What the writer, and what stands beside it, are told of the world."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.node import ports

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from exchange.seal import jws

# Of what came, in one group: far below what a backup takes as one record (256 MiB), whatever
# the entries add (64 KiB each). One arrival is never split, so one over it is alone.
MAX_GROUP_BYTES = 64 * 1024 * 1024


class Settings(msgspec.Struct, frozen=True):
    """What the writer is told of the world: its name, keys, time and randomness."""

    node: str
    signer: jws.Signer
    clock_ms: Callable[[], int]
    # A clock that nobody sets, to tell when the other one jumps; without it, nothing does.
    monotonic_ms: Callable[[], int]
    randomness: Callable[[int], bytes]
    blobs: ports.Blobs
    # Where the newest checkpoint is kept apart from the journal; None: in simulations only.
    pledge: ports.Pledge | None = None
    # Where the newest checkpoint that a quorum of witnesses cosigned is kept; and who brings
    # checkpoints to them. None: in simulations only.
    cosigned: ports.Pledge | None = None
    # Where it is kept how late it is for certain; None: in simulations only.
    known_time: ports.Pledge | None = None
    courier: ports.Courier | None = None
    # Keeps what convicts this journal, by the checkpoint that was known; returns its name.
    accuse: Callable[[bytes, bytes], str] | None = None
    # Where commit groups are shipped, if anywhere.
    second: ports.Second | None = None
    # Where what no front considered is considered; None is the event loop's own executor.
    executor: Executor | None = None
    # Whose keys the directory may list instead of the signer's, from some entry on.
    next_signers: Sequence[jws.Signer] = ()
    # No earlier epoch is opened: a restored node's receipts are not those of the one before.
    least_epoch: int = 0
    group_bytes: int = MAX_GROUP_BYTES
    # Names older copies of the journal that lie beside it: while one does, what was purged here
    # is not attested, as its bytes may be in there.
    aside: Callable[[], Sequence[str]] = tuple
    # The operator held the clock to another one, and says so for this start.
    clock_is_right: bool = False
    # When the newest trust document that lies ready was issued, seconds UTC: all that a node
    # knows of the time before it has an arrangement. 0: none does.
    issued_s: Callable[[], int] = lambda: 0
