"""A log of an exercise, and journals of it that do and do not go on from one another."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from exchange.journal import checkpoint as cp
from exchange.journal import witness
from exchange.journal.checkpoint import Checkpoint
from exchange.journal.proofs import consistency_proof, root_at
from exchange.journal.tiles import MemoryHashes

if TYPE_CHECKING:
    from collections.abc import Sequence

ORIGIN = "exercise.example/journal"
NOW = 1_795_000_000
SIGNERS = [
    cp.ed25519_signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32)))),
    cp.ml_dsa_44_signer(ORIGIN, MLDSA44PrivateKey.from_seed_bytes(bytes(range(1, 33)))),
]
KEYS = tuple(each.key for each in SIGNERS)
RINGS = (KEYS,)
LOGS = {ORIGIN: RINGS}
OWN = cp.ml_dsa_44_signer("exercise.example/w", MLDSA44PrivateKey.from_seed_bytes(b"w" * 32))


def leaves(word: str, count: int) -> list[bytes]:
    return [sha256(f"{word} {n}".encode()).digest() for n in range(count)]


HONEST = MemoryHashes(leaves("exercise", 40))
# It goes on from the honest one's first 10 entries, and then tells of another past.
FORKED = MemoryHashes(leaves("exercise", 10) + leaves("other", 40))


def signed(
    size: int,
    journal: MemoryHashes = HONEST,
    at: int = NOW,
    signers: Sequence[cp.Signer] = SIGNERS,
) -> bytes:
    return cp.sign(Checkpoint(ORIGIN, size, root_at(size, journal)), signers, at)


def asked(
    old: int,
    size: int,
    journal: MemoryHashes = HONEST,
    path: Sequence[bytes] | None = None,
    at: int = NOW,
) -> witness.Request:
    proof = consistency_proof(old, size, journal) if path is None else path
    return witness.request(old, proof, signed(size, journal, at))
