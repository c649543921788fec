"""Private keys in memory: made from seeds, held by a Signer. Resting places are in custody."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

from exchange.model.codec import b64
from exchange.model.identity import Jwk
from exchange.seal import es384
from exchange.seal.suites import SUITES, suite_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from exchange.model.identity import SuiteId

SEED_BYTES = 32


class _PrivateKey(Protocol):
    def sign(self, data: bytes, /) -> bytes: ...


class SecretKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A private key: its algorithm by JOSE name and its seed. Never printed.

    The seed is of 32 bytes; of 48 for ES384 (the scalar), of 64 for ML-KEM-1024 (d and z).
    """

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
    if secret.alg == "ES384":
        scalar = es384.PrivateKey(secret.seed)
        x, y = scalar.point
        return Jwk(kty="EC", alg="ES384", crv="P-384", x=b64(x), y=b64(y)), scalar
    lattice = _LATTICES.get(secret.alg)
    if lattice is None:
        message = f"no signature algorithm {secret.alg}"
        raise ValueError(message)
    key = lattice(secret.seed)
    return Jwk(kty="AKP", alg=secret.alg, pub=b64(key.public_key().public_bytes_raw())), key


_Lattice = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
_LATTICES: dict[str, Callable[[bytes], _Lattice]] = {
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.from_seed_bytes,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.from_seed_bytes,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.from_seed_bytes,
}


def new_signing(suite: SuiteId, randomness: Callable[[int], bytes]) -> list[SecretKey]:
    """Return fresh signature keys, one for each algorithm of the suite, in order."""
    return [
        SecretKey(each.name, randomness(each.seed_bytes)) for each in SUITES[suite].signatures
    ]


def new_opening(suite: SuiteId, randomness: Callable[[int], bytes]) -> SecretKey:
    """Return a fresh key to which senders of this suite wrap."""
    return SecretKey(SUITES[suite].wrap, randomness(SUITES[suite].wrap_seed_bytes))


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

    @classmethod
    def of(cls, secrets: Sequence[SecretKey]) -> Self:
        """Load the keys of whichever suite they are, in its order."""
        suite = suite_of([secret.alg for secret in secrets])
        if suite is None:
            message = f"{[secret.alg for secret in secrets]} are the keys of no suite"
            raise ValueError(message)
        return cls(suite.id, secrets)

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
