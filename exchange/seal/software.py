"""Private keys in memory: made from seeds, held by a Signer. Resting places are in custody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

from exchange.model.codec import b64
from exchange.model.identity import Jwk
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.model.identity import SuiteId

SEED_BYTES = 32


class _PrivateKey(Protocol):
    def sign(self, data: bytes, /) -> bytes: ...


class SecretKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A private key: its algorithm by JOSE name and its 32-byte seed. Never printed."""

    alg: str
    seed: bytes

    def __repr__(self) -> str:
        """Name the algorithm and hide the seed."""
        return f"SecretKey({self.alg})"


def load(secret: SecretKey) -> tuple[Jwk, _PrivateKey]:
    """Return the public JWK and the loaded private key of a signature seed."""
    if secret.alg == "Ed25519":
        ed = ed25519.Ed25519PrivateKey.from_private_bytes(secret.seed)
        public = ed.public_key().public_bytes_raw()
        return Jwk(kty="OKP", alg="Ed25519", crv="Ed25519", x=b64(public)), ed
    if secret.alg == "ML-DSA-65":
        ml = mldsa.MLDSA65PrivateKey.from_seed_bytes(secret.seed)
        return Jwk(kty="AKP", alg=secret.alg, pub=b64(ml.public_key().public_bytes_raw())), ml
    if secret.alg == "ML-DSA-44":
        small = mldsa.MLDSA44PrivateKey.from_seed_bytes(secret.seed)
        public = small.public_key().public_bytes_raw()
        return Jwk(kty="AKP", alg=secret.alg, pub=b64(public)), small
    message = f"no signature algorithm {secret.alg}"
    raise ValueError(message)


def new_signing(suite: SuiteId, randomness: Callable[[int], bytes]) -> list[SecretKey]:
    """Return fresh signature keys, one for each algorithm of the suite, in order."""
    return [SecretKey(each.name, randomness(SEED_BYTES)) for each in SUITES[suite].signatures]


class SoftwareSigner:
    """A Signer whose keys are in this process's memory."""

    def __init__(self, suite: SuiteId, secrets: Sequence[SecretKey]) -> None:
        """Load the keys; their order must be the suite's."""
        expected = [each.name for each in SUITES[suite].signatures]
        if [secret.alg for secret in secrets] != expected:
            message = f"the keys of {suite} are {expected}, in this order"
            raise ValueError(message)
        self._loaded = [load(secret) for secret in secrets]
        self._suite: SuiteId = suite

    @property
    def suite(self) -> SuiteId:
        """The suite whose algorithms the keys follow."""
        return self._suite

    @property
    def keys(self) -> Sequence[Jwk]:
        """The public keys, in the suite's order."""
        return [jwk for jwk, _ in self._loaded]

    def sign(self, place: int, data: bytes) -> bytes:
        """Return the signature over ``data`` by the key at ``place``."""
        return self._loaded[place][1].sign(data)
