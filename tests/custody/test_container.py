"""Keys at rest: what was sealed comes back, under its passphrase, or not at all."""

from __future__ import annotations

import unicodedata
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from exchange.custody import container
from exchange.custody.container import Destroyed, Secrets
from exchange.errors import Code, Fault
from exchange.model.codec import b64, unb64
from exchange.seal.software import SecretKey
from tests.builders import NOW, OPS, Randomness, world

PASSPHRASE = "test passphrase"  # noqa: S105  (sealed and opened here only)
SECRETS = world().secrets[OPS]
SEALED = container.seal(SECRETS, PASSPHRASE, Randomness("container"))


def refused(raw: bytes, passphrase: str = PASSPHRASE) -> Fault:
    with pytest.raises(Fault) as fault:
        container.unseal(raw, passphrase)
    assert fault.value.code == Code.KEY_FILE
    return fault.value


def changed(**changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.json.decode(SEALED) | changes
    return told


def mended(told: dict[str, Any]) -> bytes:
    """The container as somebody who knows the format writes it: with a sum that fits."""
    body = msgspec.json.encode(told | {"sum": ""})
    return msgspec.json.encode(told | {"sum": b64(sha256(body).digest())})


def flipped(name: str) -> dict[str, Any]:
    text = changed()[name]
    return changed(**{name: ("A" if text[0] != "A" else "B") + text[1:]})


def test_secrets_come_back_and_are_not_in_the_clear() -> None:
    assert container.unseal(SEALED, PASSPHRASE) == SECRETS
    for keys in SECRETS.keys.values():
        for key in keys:
            assert key.seed not in SEALED
            assert b64(key.seed).encode() not in SEALED


def test_container_is_as_expensive_as_promised() -> None:
    told = changed()
    assert (told["memory_kib"], told["passes"], told["lanes"]) == (65_536, 3, 4)


def test_container_opens_by_its_description_alone() -> None:
    """Argon2id, then AES-256-GCM over what is in the clear: nothing of ours is needed."""
    told = changed()
    key = Argon2id(
        salt=unb64(told["salt"]), length=32, iterations=3, lanes=4, memory_cost=65_536
    ).derive(PASSPHRASE.encode())
    bound = msgspec.json.encode(told | {"sealed": "", "sum": ""})
    plain = AESGCM(key).decrypt(unb64(told["nonce"]), unb64(told["sealed"]), bound)
    assert msgspec.json.decode(plain)["holder"] == OPS


def test_another_passphrase_opens_nothing() -> None:
    assert refused(SEALED, "test passphrasf").facts == {
        "name": OPS,
        "expected": "its-passphrase",
    }


def test_accented_letters_open_however_they_are_spelt() -> None:
    composed = unicodedata.normalize("NFC", "contraseña del cañón")
    apart = unicodedata.normalize("NFD", composed)
    assert composed != apart
    sealed = container.seal(SECRETS, composed, Randomness("accents"))
    assert container.unseal(sealed, apart) == SECRETS


def destroyed(count: int) -> Secrets:
    """As many destroyed keys as that, each under a name of its own."""
    kids = [b64(n.to_bytes(32)) for n in range(count)]
    return msgspec.structs.replace(
        SECRETS, destroyed=[Destroyed(kid, "HPKE-10-KE", NOW) for kid in kids]
    )


def test_two_centuries_of_destroyed_keys_fit() -> None:
    """One a month and suite."""
    whole = destroyed(200 * 12 * 3)
    sealed = container.seal(whole, PASSPHRASE, Randomness("x"))
    assert container.unseal(sealed, PASSPHRASE) == whole


def test_what_would_never_be_opened_again_is_not_sealed() -> None:
    with pytest.raises(Fault) as fault:
        container.seal(destroyed(10_000), PASSPHRASE, Randomness("x"))
    assert fault.value.facts["expected"] == "container-size"


def test_container_of_the_largest_size_opens() -> None:
    """The bound of sealing is that of opening, to the byte."""
    room = container.MAX_CONTAINER_BYTES - len(sealed_of(b""))
    for plain in (b" " * (room * 3 // 4), b" " * (room * 3 // 4 - 1)):
        raw = sealed_of(plain)
        assert len(raw) <= container.MAX_CONTAINER_BYTES
        assert container.unseal_bytes("xk1", raw, PASSPHRASE) == plain
    with pytest.raises(Fault):
        sealed_of(b" " * (room * 3 // 4 + 4))


def sealed_of(plain: bytes) -> bytes:
    return container.seal_bytes("xk1", OPS, plain, PASSPHRASE, Randomness("size"))


def test_empty_passphrase_is_not_taken() -> None:
    with pytest.raises(Fault) as fault:
        container.seal(SECRETS, "", Randomness("x"))
    assert fault.value.code == Code.KEY_FILE


@pytest.mark.parametrize("name", ["holder", "salt", "nonce", "sealed", "sum"])
def test_damaged_container_says_so(name: str) -> None:
    raw = msgspec.json.encode(flipped(name))
    assert refused(raw).facts["expected"] == "key-container-undamaged"


@pytest.mark.parametrize("name", ["holder", "salt", "nonce", "sealed"])
def test_altered_container_opens_nothing_though_its_sum_was_mended(name: str) -> None:
    assert refused(mended(flipped(name))).facts["expected"] == "its-passphrase"


@pytest.mark.parametrize(
    "changes",
    [
        {"memory_kib": container.MAX_MEMORY_KIB + 1},
        {"memory_kib": container.MEMORY_KIB - 1},
        {"memory_kib": 2**40},
        {"memory_kib": -1},
        {"passes": 2},
        {"passes": 0},
        {"passes": 17},
        {"passes": 2**31},
        {"lanes": 0},
        {"lanes": 17},
        {"lanes": 2**64},
    ],
    ids=str,
)
def test_cheap_and_enormous_settings_are_refused_before_they_cost(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> bytes:
        raise AssertionError("stretched")

    monkeypatch.setattr(container, "_stretch", never)
    assert refused(mended(changed(**changes))).facts["expected"] == "argon2id-settings"


@pytest.mark.parametrize(
    "changes", [{"passes": 4}, {"memory_kib": 65_544}, {"lanes": 2}], ids=str
)
def test_other_settings_within_bounds_are_another_key(changes: dict[str, Any]) -> None:
    assert refused(mended(changed(**changes))).facts["expected"] == "its-passphrase"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        SEALED[:-10],
        SEALED[:200],
        SEALED + b"x",
        SEALED.ljust(container.MAX_CONTAINER_BYTES + 1),
        mended(changed(v="xk2")),
        mended(changed(extra=1)),
        mended(changed(salt="")),
        mended(changed(salt="AAA=")),
        mended(changed(nonce="not base64")),
        mended(changed(nonce="AAAA")),
    ],
    ids=range(14),
)
def test_what_is_no_container_is_a_fault(raw: bytes) -> None:
    assert refused(raw).facts["expected"] == "key-container"


def test_backup_is_not_taken_for_a_container() -> None:
    backup = container.seal_bytes("xk1-backup", OPS, b"{}", PASSPHRASE, Randomness("kind"))
    assert refused(backup).facts["expected"] == "xk1"


def test_what_is_sealed_but_holds_no_secrets_is_a_fault() -> None:
    sealed = container.seal_bytes("xk1", OPS, b"{}", PASSPHRASE, Randomness("empty"))
    assert refused(sealed).facts["expected"] == "key-container"


def test_absent_purpose_is_a_fault_that_names_the_holder() -> None:
    with pytest.raises(Fault) as fault:
        Secrets(OPS, {"sign": []}).of("sign")
    assert (fault.value.code, fault.value.facts["name"]) == (Code.KEY_FILE, OPS)


def test_secrets_do_not_show_in_errors() -> None:
    secret = SecretKey("Ed25519", b"0123456789abcdef0123456789abcdef")
    assert "0123456789abcdef" not in repr(Secrets(OPS, {"sign": [secret]}))
