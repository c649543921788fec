"""The key container: secrets sealed with AES-256-GCM under a passphrase stretched by Argon2id.

Argon2id is at 64 MiB, 3 passes and 4 lanes (RFC 9106, section 4, second recommended option).
What ``cryptography`` writes as encrypted PKCS#8 is stretched by 2,048 rounds of PBKDF2 only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from exchange.errors import Code, Fault, Refusal
from exchange.model.codec import b64, unb64
from exchange.seal.software import SecretKey

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_KIB = 64 * 1024
PASSES = 3
LANES = 4


class _Container(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal["xk1"]
    holder: str
    memory_kib: Annotated[int, msgspec.Meta(ge=8 * 1024, le=1024 * 1024)]
    passes: Annotated[int, msgspec.Meta(ge=1, le=64)]
    lanes: Annotated[int, msgspec.Meta(ge=1, le=64)]
    salt: str
    nonce: str
    sealed: str


class Secrets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything one holder keeps secret, by purpose: ``sign``, ``open``, ``log`` ..."""

    holder: str
    keys: dict[str, list[SecretKey]]

    def of(self, purpose: str) -> list[SecretKey]:
        """Return the keys of one purpose.

        Raises:
            Fault: ``key-file``: this container holds none.
        """
        found = self.keys.get(purpose)
        if not found:
            raise Fault(Code.KEY_FILE, name=self.holder, expected=purpose)
        return found


def seal(
    secrets: Secrets,
    passphrase: str,
    randomness: Callable[[int], bytes],
    *,
    passes: int = PASSES,
) -> bytes:
    """Return the container's bytes: JSON in one line, safe to lie on a disk."""
    if not passphrase:
        raise Fault(Code.KEY_FILE, name=secrets.holder, expected="passphrase")
    shell = _Container(
        v="xk1",
        holder=secrets.holder,
        memory_kib=MEMORY_KIB,
        passes=passes,
        lanes=LANES,
        salt=b64(randomness(16)),
        nonce=b64(randomness(12)),
        sealed="",
    )
    plain = msgspec.json.encode(secrets)
    sealed = AESGCM(_stretch(shell, passphrase)).encrypt(
        unb64(shell.nonce), plain, _bound(shell)
    )
    return msgspec.json.encode(msgspec.structs.replace(shell, sealed=b64(sealed))) + b"\n"


def unseal(container: bytes, passphrase: str) -> Secrets:
    """Return the secrets.

    Raises:
        Fault: ``key-file``: not a container, altered, or another passphrase.
    """
    try:
        shell = msgspec.json.decode(container, type=_Container)
        sealed, nonce = unb64(shell.sealed), unb64(shell.nonce)
        key = _stretch(shell, passphrase)
        plain = AESGCM(key).decrypt(nonce, sealed, _bound(shell))
        return msgspec.json.decode(plain, type=Secrets)
    except InvalidTag:
        raise Fault(Code.KEY_FILE, name=shell.holder, expected="its-passphrase") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, Refusal, ValueError):
        raise Fault(Code.KEY_FILE, expected="key-container") from None


def _stretch(shell: _Container, passphrase: str) -> bytes:
    return Argon2id(
        salt=unb64(shell.salt),
        length=32,
        iterations=shell.passes,
        lanes=shell.lanes,
        memory_cost=shell.memory_kib,
    ).derive(passphrase.encode())


def _bound(shell: _Container) -> bytes:
    """Return what the seal also covers: everything that is in the clear."""
    return msgspec.json.encode(msgspec.structs.replace(shell, sealed=""))
