"""A node's rings of keys in its container: in use, to come, and void.

Keys to come whose card may be with the custodians are never thrown away: once what was signed
of it is handed in, the journal lists them, and a node opens by no others. After a theft they
are void, and others come in their place. A void ring serves for one thing only: if the journal
lists it all the same, the node opens by it, and can hand over to keys that nobody copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from exchange.custody.ring import SIGN, SIGN_NEXT
from exchange.seal.software import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.custody.container import Secrets
    from exchange.model.identity import Jwk

LOG, LOG_NEXT = "log", "log-next"
_VOID = "-void-"


class Ring(NamedTuple):
    """Under which purposes a ring's keys are in the container: for receipts, and the log."""

    receipts: str
    log: str


IN_USE: Final = Ring(SIGN, LOG)
TO_COME: Final = Ring(SIGN_NEXT, LOG_NEXT)


def others(secrets: Secrets) -> list[Ring]:
    """Return the rings that are there beside the one in use: to come, then void."""
    count = sum(name.startswith(SIGN + _VOID) for name in secrets.keys)
    next_ones = [TO_COME] if SIGN_NEXT in secrets.keys else []
    return [*next_ones, *(_void(number) for number in range(count))]


def _void(number: int) -> Ring:
    return Ring(f"{SIGN}{_VOID}{number}", f"{LOG}{_VOID}{number}")


def voided(secrets: Secrets) -> Secrets:
    """Return the container in which the keys to come, if there are any, are void."""
    if SIGN_NEXT not in secrets.keys:
        return secrets
    ring = _void(len(others(secrets)) - 1)
    keys = dict(secrets.keys)
    keys[ring.receipts], keys[ring.log] = keys.pop(SIGN_NEXT), keys.pop(LOG_NEXT)
    return msgspec.structs.replace(secrets, keys=keys)


def without_void(secrets: Secrets) -> Secrets:
    """Return the container without void keys: no document that lists them can come any more."""
    keys = {name: keys for name, keys in secrets.keys.items() if _VOID not in name}
    return msgspec.structs.replace(secrets, keys=keys)


def listed(secrets: Secrets, receipts: Sequence[Jwk]) -> Ring:
    """Return the ring whose keys for receipts are these; that in use where none's are."""
    for ring in others(secrets):
        if [load(each)[0] for each in secrets.of(ring.receipts)] == list(receipts):
            return ring
    return IN_USE
