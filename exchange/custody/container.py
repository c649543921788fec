"""The key container: secrets sealed with AES-256-GCM under a passphrase stretched by Argon2id.

Argon2id is at 64 MiB, 3 passes and 4 lanes (RFC 9106, section 4, second recommended option).
What ``cryptography`` writes as encrypted PKCS#8 is stretched by 2,048 rounds of PBKDF2 only.
"""

from __future__ import annotations

import unicodedata
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from exchange.errors import Code, Fault, Refusal
from exchange.model.codec import b64, unb64
from exchange.model.identity import Digest, Seconds
from exchange.seal.software import SecretKey

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_KIB = 64 * 1024
PASSES = 3
LANES = 4
# A file that somebody hands us says what opening it costs. Less than ours protects nothing;
# more than this would let it take the machine's memory, or its processor for minutes.
MAX_MEMORY_KIB = 4 * MEMORY_KIB
MAX_PASSES = 16
MAX_LANES = 16
# A destroyed key takes some 140 bytes: rotated monthly in three suites, two centuries of them.
MAX_CONTAINER_BYTES = 1024 * 1024

Kind = Literal["xk1", "xk1-backup", "xk1-shared"]


class Cost(NamedTuple):
    """What one try of a passphrase costs, as Argon2id has it."""

    memory_kib: int = MEMORY_KIB
    passes: int = PASSES
    lanes: int = LANES

    @property
    def is_fair(self) -> bool:
        """Whether it protects, and does no harm to who opens the file."""
        return (
            MEMORY_KIB <= self.memory_kib <= MAX_MEMORY_KIB
            and PASSES <= self.passes <= MAX_PASSES
            and 1 <= self.lanes <= MAX_LANES
        )


class _Shell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is in the clear. ``sum`` tells a damaged file from a wrong passphrase."""

    v: Kind
    holder: str
    memory_kib: int
    passes: int
    lanes: int
    salt: str
    nonce: str
    sealed: str
    sum: str


class Life(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when until when a key was asked to be good; the directory has the last word."""

    since: Seconds
    until: Seconds


class Destroyed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key that is gone: its name, so that what it opened can say why it is locked.

    The suite is told by ``alg``. Its public half goes too: many a hundred of these must fit.
    """

    kid: Digest
    alg: str
    at: Seconds


class Secrets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything one holder keeps secret, by purpose: ``sign``, ``open``, ``log`` ...

    ``lives`` is by thumbprint, and says nothing of keys that came with a founding. ``storage``
    seals what its holder keeps of its mail; there are several where a backup brought another.
    """

    holder: str
    keys: dict[str, list[SecretKey]]
    lives: dict[str, Life] = {}
    destroyed: list[Destroyed] = []
    storage: list[SecretKey] = []

    def of(self, purpose: str) -> list[SecretKey]:
        """Return the keys of one purpose.

        Raises:
            Fault: ``key-file``: this container holds none.
        """
        found = self.keys.get(purpose)
        if not found:
            raise Fault(Code.KEY_FILE, name=self.holder, expected=purpose)
        return found


def seal(secrets: Secrets, passphrase: str, randomness: Callable[[int], bytes]) -> bytes:
    """Return the container's bytes: JSON in one line, safe to lie on a disk."""
    plain = msgspec.json.encode(secrets)
    return seal_bytes("xk1", secrets.holder, plain, passphrase, randomness)


def unseal(container: bytes, passphrase: str) -> Secrets:
    """Return the secrets.

    Raises:
        Fault: ``key-file``, expecting ``key-container``: cut short, or no container at all;
            ``key-container-undamaged``: its bytes changed since it was written;
            ``argon2id-settings``: cheaper or dearer to open than a container may be;
            ``its-passphrase``: another one, or altered by somebody who mended the sum.
    """
    plain = unseal_bytes("xk1", container, passphrase)
    try:
        return msgspec.json.decode(plain, type=Secrets)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Fault(Code.KEY_FILE, expected="key-container") from None


def seal_bytes(
    kind: Kind, holder: str, plain: bytes, passphrase: str, randomness: Callable[[int], bytes]
) -> bytes:
    """Return bytes sealed under a passphrase, with what opening them takes in the clear.

    Raises:
        Fault: ``key-file``, expecting ``passphrase``: it is empty; ``container-size``: there is
            too much to seal: it would never be opened again.
    """
    if not passphrase:
        raise Fault(Code.KEY_FILE, name=holder, expected="passphrase")
    shell = _Shell(
        v=kind,
        holder=holder,
        memory_kib=MEMORY_KIB,
        passes=PASSES,
        lanes=LANES,
        salt=b64(randomness(16)),
        nonce=b64(randomness(12)),
        sealed="",
        sum="",
    )
    sealed = AESGCM(_stretch(shell, passphrase)).encrypt(
        unb64(shell.nonce), plain, msgspec.json.encode(shell)
    )
    whole = msgspec.structs.replace(shell, sealed=b64(sealed))
    made = msgspec.json.encode(msgspec.structs.replace(whole, sum=_sum(whole))) + b"\n"
    if len(made) > MAX_CONTAINER_BYTES:
        raise Fault(Code.KEY_FILE, name=holder, expected="container-size", found=len(made))
    return made


def unseal_bytes(kind: Kind, container: bytes, passphrase: str) -> bytes:
    """Return what was sealed under this passphrase, as this kind of container.

    Raises:
        Fault: as ``unseal``; nothing is stretched before the settings were looked at.
    """
    shell = _read(kind, container)
    try:
        sealed, nonce = unb64(shell.sealed), unb64(shell.nonce)
        bound = msgspec.structs.replace(shell, sealed="", sum="")
        key = _stretch(shell, passphrase)
        return AESGCM(key).decrypt(nonce, sealed, msgspec.json.encode(bound))
    except InvalidTag:
        raise Fault(Code.KEY_FILE, name=shell.holder, expected="its-passphrase") from None
    except (Refusal, ValueError):
        raise Fault(Code.KEY_FILE, name=shell.holder, expected="key-container") from None


def is_damaged(container: bytes) -> bool:
    """Tell whether this is no whole container any more, whatever its passphrase is."""
    try:
        _read("xk1", container)
    except Fault as fault:
        return fault.facts["expected"] in ("key-container", "key-container-undamaged")
    return False


def _read(kind: Kind, container: bytes) -> _Shell:
    if len(container) > MAX_CONTAINER_BYTES:
        raise Fault(Code.KEY_FILE, expected="key-container")
    try:
        shell = msgspec.json.decode(container, type=_Shell)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Fault(Code.KEY_FILE, expected="key-container") from None
    if shell.v != kind:
        raise Fault(Code.KEY_FILE, name=shell.holder, expected=kind)
    if shell.sum != _sum(shell):
        raise Fault(Code.KEY_FILE, name=shell.holder, expected="key-container-undamaged")
    if not Cost(shell.memory_kib, shell.passes, shell.lanes).is_fair:
        raise Fault(Code.KEY_FILE, name=shell.holder, expected="argon2id-settings")
    return shell


def _sum(shell: _Shell) -> str:
    """Return a checksum of all the rest: against accidents only, for it takes no key."""
    return b64(sha256(msgspec.json.encode(msgspec.structs.replace(shell, sum=""))).digest())


def _stretch(shell: _Shell, passphrase: str) -> bytes:
    cost = Cost(shell.memory_kib, shell.passes, shell.lanes)
    return stretch(passphrase, unb64(shell.salt), cost, 32)


def stretch(passphrase: str, salt: bytes, cost: Cost, length: int) -> bytes:
    """Return so many bytes that only whoever has the passphrase can work out."""
    # The same accented letters come as one character or as two, as keyboard and system like.
    spelt = unicodedata.normalize("NFC", passphrase)
    return Argon2id(
        salt=salt,
        length=length,
        iterations=cost.passes,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    ).derive(spelt.encode())
