"""The yardstick: verifications of the default suite by the library alone, on all cores."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from exchange.model import header as headers
from exchange.seal import jws
from exchange.seal.suites import verifier

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from exchange.model.identity import Jwk

# Two measurements further apart than this void a run: the machine was not ours alone.
APART = 0.15
# Until every process holds its work and waits.
_START_S = 0.3
# The clock is read once in so many verifications.
_STRIDE = 16


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def measure(pool: Executor, header: bytes, keys: Sequence[Jwk], seconds: float) -> float:
    """Return verifications per second of all cores together, nothing else running.

    Args:
        pool: as many idle processes as there are cores.
        header: a signed header; one verification is that of all its signatures.
        keys: the keys it is signed with, in order.
        seconds: how long to verify.
    """
    start = time.monotonic() + _START_S
    jobs = [pool.submit(_verify, header, keys, start, seconds) for _ in range(cores())]
    return sum(job.result() for job in jobs)


def apart(before: float, after: float) -> float:
    """Return by how much two measurements differ, as a share of the larger."""
    return abs(before - after) / max(before, after)


def _verify(header: bytes, keys: Sequence[Jwk], start: float, seconds: float) -> float:
    """Run in a process of its own: verify one header again and again."""
    claims = jws.read(header, headers.MAX_HEADER_BYTES).claims
    work = [
        (verifier(key), claim.signature, claim.signed)
        for key, claim in zip(keys, claims, strict=True)
    ]
    time.sleep(max(0.0, start - time.monotonic()))
    count, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        for _ in range(_STRIDE):
            for key, signature, signed in work:
                key.verify(signature, signed)
        count += _STRIDE
    return count / passed
