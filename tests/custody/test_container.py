"""Keys at rest: what was sealed comes back, under its passphrase, or not at all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange.custody import container
from exchange.custody.container import Secrets
from exchange.errors import Code, Fault
from exchange.model.codec import b64
from exchange.seal.software import SecretKey
from tests.builders import OPS, Randomness, world

PASSPHRASE = "test passphrase"  # noqa: S105  (sealed and opened here only)
SECRETS = world().secrets[OPS]
SEALED = container.seal(SECRETS, PASSPHRASE, Randomness("container"))


def refused(raw: bytes, passphrase: str = PASSPHRASE) -> Fault:
    with pytest.raises(Fault) as fault:
        container.unseal(raw, passphrase)
    assert fault.value.code == Code.KEY_FILE
    return fault.value


def test_secrets_come_back_and_are_not_in_the_clear() -> None:
    assert container.unseal(SEALED, PASSPHRASE) == SECRETS
    for keys in SECRETS.keys.values():
        for key in keys:
            assert key.seed not in SEALED
            assert b64(key.seed).encode() not in SEALED


def test_container_is_as_expensive_as_promised() -> None:
    told = msgspec.json.decode(SEALED)
    assert (told["memory_kib"], told["passes"], told["lanes"]) == (65_536, 3, 4)


def test_another_passphrase_opens_nothing() -> None:
    assert refused(SEALED, "test passphrasf").facts["name"] == OPS


def test_empty_passphrase_is_not_taken() -> None:
    with pytest.raises(Fault) as fault:
        container.seal(SECRETS, "", Randomness("x"))
    assert fault.value.code == Code.KEY_FILE


def _replaced(**changes: Any) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(SEALED) | changes)


def _flipped(name: str) -> bytes:
    told = msgspec.json.decode(SEALED)
    text = told[name]
    return _replaced(**{name: ("A" if text[0] != "A" else "B") + text[1:]})


@pytest.mark.parametrize("name", ["holder", "salt", "nonce", "sealed"])
def test_altered_container_opens_nothing(name: str) -> None:
    refused(_flipped(name))


@pytest.mark.parametrize(
    "changes",
    [
        {"memory_kib": 1024 * 1024 + 1},
        {"memory_kib": 8 * 1024 - 1},
        {"memory_kib": -1},
        {"passes": 0},
        {"passes": 65},
        {"lanes": 0},
        {"lanes": 65},
        {"lanes": 2**64},
        {"salt": ""},
        {"salt": "AAA="},
        {"nonce": "not base64"},
        {"v": "xk2"},
        {"extra": 1},
    ],
    ids=str,
)
def test_hostile_parameters_are_refused_before_they_cost(changes: dict[str, Any]) -> None:
    # The holder is named only once a key was derived.
    assert "name" not in refused(_replaced(**changes)).facts


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b"[" * 100_000, SEALED[:-10]])
def test_what_is_no_container_is_a_fault(raw: bytes) -> None:
    refused(raw)


def test_cheaper_parameters_are_another_key() -> None:
    refused(_replaced(passes=1, memory_kib=8 * 1024))


def test_absent_purpose_is_a_fault_that_names_the_holder() -> None:
    with pytest.raises(Fault) as fault:
        Secrets(OPS, {"sign": []}).of("sign")
    assert (fault.value.code, fault.value.facts["name"]) == (Code.KEY_FILE, OPS)


def test_secrets_do_not_show_in_errors() -> None:
    secret = SecretKey("Ed25519", b"0123456789abcdef0123456789abcdef")
    assert "0123456789abcdef" not in repr(Secrets(OPS, {"sign": [secret]}))
