"""Attachments: what is sealed is opened, by this library and by none of it; nothing else is."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import Code, Refusal
from exchange.model import wire
from exchange.model.bulletin.blocks import Attachment
from exchange.model.bulletin.words import MAX_ATTACHMENT_BYTES
from exchange.model.codec import b64
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.seal.attachment import CHUNK_BYTES, Sealing, context, sealed_size
from exchange.seal.open_attachment import Unsealing, must_match
from tests.builders import Randomness
from tests.seal.reference_chunks import NotThisMessage, decrypt

ID = "01890000-0000-7000-8000-000000000000"
OTHER = "01890000-0000-7000-8000-000000000001"
KEY = Randomness("attachment")(32)
EDGES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 50_000)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def seal(data: bytes, size: int = 7_000, place: int = 0) -> tuple[bytes, Attachment, Blob]:
    sealing = Sealing(KEY, ID, place)
    sealed = b"".join(map(sealing.update, pieces(data, size))) + sealing.finish()
    assert sealing.size == len(data)
    described = Attachment(
        "a.bin", "application/octet-stream", len(data), digest(data), b64(KEY)
    )
    assert sealing.digest == described.digest
    return sealed, described, sealing.sealed


def unseal(
    sealed: bytes, told: Attachment, identity: str = ID, place: int = 0, size: int = 9_000
) -> bytes:
    opening = Unsealing(told, identity, place)
    return b"".join(map(opening.update, pieces(sealed, size))) + opening.finish()


@pytest.mark.parametrize("size", EDGES)
def test_what_was_sealed_is_opened_by_us_and_by_a_decryptor_of_our_own(size: int) -> None:
    data = Randomness(str(size))(size)
    sealed, told, blob = seal(data)
    assert unseal(sealed, told) == data
    assert decrypt(KEY, context(ID, 0), sealed) == data
    assert blob == Blob(digest(sealed), len(sealed)) == Blob(blob.digest, sealed_size(size))


@given(st.binary(max_size=60_000), st.integers(1, 60_000), st.integers(1, 60_000))
def test_pieces_may_be_of_any_size(data: bytes, sealing: int, opening: int) -> None:
    sealed, told, _ = seal(data, sealing)
    assert unseal(sealed, told, size=opening) == data


def vectors() -> list[Any]:
    path = Path(cryptography_vectors.__file__).parent / "chunked-encryption/vectors.json"
    found = json.loads(path.read_text("utf-8"))["vectors"]
    # Some are made by a program, and have no ciphertext of their own.
    return [each for each in found if each["ciphertext"] and "AES" in each["aead"]]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_our_own_decryptor_holds_to_the_published_vectors(vector: Any) -> None:
    """Those of the instance with SHA-256 and AES-128; ours differs in the two algorithms."""
    key, ctx = bytes.fromhex(vector["key"]), vector["context"].encode()
    sealed = base64.b64decode(vector["ciphertext"])
    if vector.get("compressed"):
        sealed = zlib.decompress(sealed)
    if vector["expect"] == "success":
        found = decrypt(key, ctx, sealed, SHA256())
        assert sha256(found).hexdigest() == vector["payload_sha256"]
    else:
        with pytest.raises(NotThisMessage):
            decrypt(key, ctx, sealed, SHA256())


def damaged(sealed: bytes) -> Iterator[tuple[str, bytes]]:
    start, whole = 56, CHUNK_BYTES + 16
    first, second = sealed[start : start + whole], sealed[start + whole : start + 2 * whole]
    rest = sealed[start + 2 * whole :]
    yield "cut in a chunk", sealed[:-1]
    yield "cut after a chunk", sealed[: start + 2 * whole]
    yield "cut after the start", sealed[:start]
    yield "nothing", b""
    yield "extended", sealed + b"x"
    yield "extended by a chunk", sealed + first
    yield "reordered", sealed[:start] + second + first + rest
    yield "doubled", sealed[:start] + first + first + second + rest
    yield "one left out", sealed[:start] + second + rest
    for at in (0, 23, 24, 55, 56, start + whole - 1, len(sealed) - 1):
        yield f"bit of byte {at}", sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]


SEALED, TOLD, _ = seal(Randomness("damage")(40_000))


DAMAGED = dict(damaged(SEALED))


@pytest.mark.parametrize("name", list(DAMAGED))
def test_damaged_ciphertext_is_refused(name: str) -> None:
    other = DAMAGED[name]
    with pytest.raises(Refusal) as refused:
        unseal(other, TOLD)
    assert (refused.value.code, refused.value.at) == (Code.CANNOT_DECRYPT, "/attachments/0")
    with pytest.raises(NotThisMessage):
        decrypt(KEY, context(ID, 0), other)


@pytest.mark.parametrize(("identity", "place"), [(OTHER, 0), (ID, 1)])
def test_file_of_another_bulletin_or_place_is_refused(identity: str, place: int) -> None:
    with pytest.raises(Refusal) as refused:
        unseal(SEALED, TOLD, identity, place)
    assert refused.value.code == Code.CANNOT_DECRYPT


@pytest.mark.parametrize(
    ("size", "named", "code", "at"),
    [
        (39_999, None, Code.SIZE_MISMATCH, "/attachments/0/size"),
        (40_001, None, Code.SIZE_MISMATCH, "/attachments/0/size"),
        (40_000, "A" * 43, Code.DIGEST_MISMATCH, "/attachments/0/digest"),
    ],
)
def test_file_that_is_not_as_described_is_refused(
    size: int, named: str | None, code: Code, at: str
) -> None:
    other = Attachment(TOLD.name, TOLD.media_type, size, named or TOLD.digest, TOLD.key)
    with pytest.raises(Refusal) as refused:
        unseal(SEALED, other)
    assert (refused.value.code, refused.value.at) == (code, at)


def test_longer_file_is_refused_before_its_end() -> None:
    """Else a disk is filled before anybody notices."""
    short = Attachment(TOLD.name, TOLD.media_type, 1, TOLD.digest, TOLD.key)
    with pytest.raises(Refusal) as refused:
        Unsealing(short, ID, 0).update(SEALED[:20_000])
    assert refused.value.code == Code.SIZE_MISMATCH


def test_header_and_body_must_name_the_same_files() -> None:
    blob = Blob("A" * 43, sealed_size(TOLD.size))
    must_match([blob], [TOLD])
    must_match([], [])
    for sealed, attached, at in (
        ([], [TOLD], "/attachments"),
        ([blob], [], "/attachments"),
        ([blob, blob], [TOLD], "/attachments"),
        ([Blob("A" * 43, blob.size + 1)], [TOLD], "/attachments/0/size"),
    ):
        with pytest.raises(Refusal) as refused:
            must_match(sealed, attached)
        assert (refused.value.code, refused.value.at) == (Code.HEADER_BODY_MISMATCH, at)


def test_largest_file_is_small_enough_for_a_node() -> None:
    assert sealed_size(MAX_ATTACHMENT_BYTES) <= wire.MAX_BLOB_BYTES
