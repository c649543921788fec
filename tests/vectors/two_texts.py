"""One ciphertext, one valid tag, two keys, two texts: AES-GCM does not commit to its key.

GHASH is linear in the ciphertext, so one free block makes the tags under two keys equal
(Dodis, Grubbs, Ristenpart, Woodage: "Fast message franking", 2018; NIST SP 800-38D for the
arithmetic). Our header commits to the plaintext, and the tag covers that commitment: so the
free block cannot be met by it, and neither text is what was signed for.
"""

from __future__ import annotations

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.model.codec import b64
from exchange.model.header import TYP, Header
from exchange.seal import body as bodies
from exchange.seal.close import Envelope, pad
from tests.builders import World
from tests.vectors import forging

KEYS = (bytes(range(32)), bytes(range(32, 64)))
IV = bytes(12)
_R = 0xE1 << 120
_ONE = 1 << 127


def multiply(x: int, y: int) -> int:
    """The product in GCM's field (SP 800-38D, section 6.3)."""
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (_R if y & 1 else 0)
    return product


def power(x: int, exponent: int) -> int:
    result = _ONE
    while exponent:
        if exponent & 1:
            result = multiply(result, x)
        x, exponent = multiply(x, x), exponent >> 1
    return result


def _aes(key: bytes, block: bytes) -> int:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305  (one block)
    return int.from_bytes(encryptor.update(block))


def _blocks(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 16].ljust(16, b"\0")) for i in range(0, len(data), 16)]


def _tag(key: bytes, blocks: list[int]) -> int:
    sum_, subkey = 0, _aes(key, bytes(16))
    for block in blocks:
        sum_ = multiply(sum_ ^ block, subkey)
    return sum_ ^ _aes(key, IV + b"\0\0\0\1")


def ciphertext(aad: bytes, padded: bytes) -> tuple[bytes, bytes]:
    """Ciphertext and tag that open under both keys; to ``padded`` under the first."""
    size = bodies.SALT_BYTES + len(padded)
    stream = AESGCM(KEYS[0]).encrypt(IV, bytes(size), b"")[:size]
    plain = bytes(bodies.SALT_BYTES) + padded
    sealed = bytes(a ^ b for a, b in zip(plain, stream, strict=True))
    # The first block of the salt is free; whatever it becomes, it is only salt.
    head, rest = _blocks(aad), sealed[16:]
    blocks = [*head, 0, *_blocks(rest), 8 * len(aad) << 64 | 8 * size]
    place = len(blocks) - len(head)
    weights = [power(_aes(key, bytes(16)), place) for key in KEYS]
    tags = [_tag(key, blocks) for key in KEYS]
    free = multiply(tags[0] ^ tags[1], power(weights[0] ^ weights[1], 2**128 - 2))
    tag = tags[0] ^ multiply(free, weights[0])
    return free.to_bytes(16) + rest, tag.to_bytes(16)


def envelope(world: World, header: Header, text: bytes) -> Envelope:
    """A bulletin to two recipients, each of whom decrypts another text with a valid tag."""
    padded = pad(text)
    commit = bodies.commitment(bytes(bodies.SALT_BYTES), padded, header.suite)
    header = msgspec.structs.replace(header, commit=commit)
    ctx = bodies.context(header)
    sealed, tag = ciphertext(f"{bodies.PROTECTED}.{b64(ctx)}".encode(), padded)
    wraps = [
        forging.wrapped(world, to, key, ctx) for to, key in zip(header.to, KEYS, strict=True)
    ]
    body = {
        "protected": bodies.PROTECTED,
        "aad": b64(ctx),
        "iv": b64(IV),
        "ciphertext": b64(sealed),
        "tag": b64(tag),
        "recipients": wraps,
    }
    unsealed = Envelope(world.sign(header, TYP, header.endpoint), b"")
    return forging.committed(world, unsealed, forging.compact(body))
