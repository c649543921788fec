"""What tests take as given: a time, names, and randomness that is the same each time."""

from __future__ import annotations

import itertools
from functools import cache
from hashlib import sha256, shake_256

import msgspec

from exchange.cli.state import make_certificate
from exchange.model.identity import uuid7
from exchange.model.trust import Endpoint
from tests.looking import OPS

NOW = 1_796_000_000  # seconds UTC, in November 2026
NOW_MS = NOW * 1000
FOUNDED = NOW - 86_400
HOUR = 3600
DAY = 86_400
TEXT = '{"exercise":"EJERCICIO: lancha rápida al sur de Punta Mala"}'.encode()

DESK = "pa.senan/desk"  # reads, and may not post
MINSA = "pa.minsa/ops"  # may not post on maritime; the operator who brings trust documents
WATCH = "us.jiatfs/watch"
WATCH_DESK = "us.jiatfs/desk"  # reads; in most tests a late recipient
COAST = "us.uscg/ops"
AUDIT = "us.oig/audit"  # of a member that may read maritime, without the role to
ENDPOINTS = (OPS, DESK, MINSA, WATCH, "us.jiatfs/desk", COAST, AUDIT, "pa.contraloria/audit")

TLS_SEED = b"exercise TLS key, 32 bytes long."
TLS_MADE = 1_750_000_000  # good from 2025 on, for ten years of the machine's own clock

_serial = itertools.count()


class Randomness:
    """Reproducible bytes: SHAKE256 over a seed and a counter."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = itertools.count()

    def __call__(self, size: int) -> bytes:
        return shake_256(self._seed + b"\0%d" % next(self._count)).digest(size)


def new_id(at_ms: int = NOW_MS) -> str:
    """An id that no other object of this run has."""
    return uuid7(at_ms, sha256(b"%d" % next(_serial)).digest()[:10])


@cache
def certificate() -> tuple[str, str]:
    """The node's certificate (PEM), made once for a test run, and its digest."""
    return make_certificate("127.0.0.1", TLS_SEED, TLS_MADE)


def suspended(endpoint: Endpoint) -> Endpoint:
    return msgspec.structs.replace(endpoint, status="suspended")


def releaser(endpoint: Endpoint) -> Endpoint:
    return msgspec.structs.replace(endpoint, roles=[*endpoint.roles, "releaser"])
