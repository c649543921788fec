"""The header and the small objects: a closed set of members, each in its alphabet."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import Code, Refusal
from exchange.model import header as headers
from exchange.model import identity, objects
from exchange.model.header import Header, Reference
from exchange.model.identity import Jwk
from tests import builders
from tests.builders import NOW, OPS, WATCH, world

WORLD = world()


def encoded(**changes: Any) -> bytes:
    told = msgspec.to_builtins(WORLD.header()) | changes
    return json.dumps(told, separators=(",", ":")).encode()


def test_header_comes_back() -> None:
    header = WORLD.header(
        refs=[Reference("supersedes", builders.new_id(), "A" * 43)], observed=NOW, verb="update"
    )
    assert headers.decode(msgspec.json.encode(header)) == header


@pytest.mark.parametrize("name", Header.__struct_fields__)
def test_every_member_is_required(name: str) -> None:
    told = json.loads(encoded())
    del told[name]
    with pytest.raises(Refusal) as refusal:
        headers.decode(json.dumps(told, separators=(",", ":")).encode())
    assert (refusal.value.code, refusal.value.at) == (Code.MISSING_MEMBER, f"/{name}")


@pytest.mark.parametrize("name", Header.__struct_fields__)
def test_no_member_comes_twice(name: str) -> None:
    raw = encoded()
    told = json.dumps(json.loads(raw)[name], separators=(",", ":")).encode()
    twice = raw[:-1] + b',"' + name.encode() + b'":' + told + b"}"
    with pytest.raises(Refusal) as refusal:
        headers.decode(twice)
    assert refusal.value.code == Code.DUPLICATE_MEMBER


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("origin", "xx.pa.senan"),
        ("origin", "PA.senan"),
        ("endpoint", "pa.senan"),
        ("endpoint", "pa.senan/ops:1"),
        ("type", "vois"),
        ("type", "VOI"),
        ("schema", "1"),
        ("schema", "0.1"),
        ("verb", "delete"),
        ("status", "real"),
        ("feed", "Mar"),
        ("precedence", "urgent"),
        ("issued", -1),
        ("expires", 253_402_300_800),
        ("id", "01a229f1-2800-4768-b6ef-52555962d008"),
        ("id", "01A229F1-2800-7768-B6EF-52555962D008"),
        ("commit", "A" * 42),
        ("to", [f"pa.senan/e{n:02}" for n in range(65)]),
    ],
)
def test_value_outside_its_alphabet_or_bounds_is_refused(name: str, value: object) -> None:
    with pytest.raises(Refusal) as refusal:
        headers.decode(encoded(**{name: value}))
    assert refusal.value.code == Code.WRONG_VALUE
    assert refusal.value.at.startswith(f"/{name}")


@pytest.mark.parametrize("count", range(3))
def test_members_are_counted_at_every_depth(count: int) -> None:
    """A duplicate shows as a colon too many, so the count must follow the lists."""
    blob = {"digest": "A" * 43, "size": 1}
    ref = {"rel": "answers", "id": builders.new_id(), "header_digest": "A" * 43}
    decoded = headers.decode(encoded(refs=[ref] * count, attachments=[blob] * count))
    assert len(decoded.refs) == len(decoded.attachments) == count
    assert decoded.reference("answers") == (decoded.refs[0] if count else None)
    assert decoded.reference("cancels") is None


@given(
    st.binary(max_size=300) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace"))
)
def test_any_payload_is_a_header_or_refused(raw: bytes) -> None:
    for decode in (
        headers.decode,
        objects.decode_acknowledgement,
        objects.decode_subscription,
        objects.decode_session,
        objects.decode_group,
    ):
        with pytest.raises(Refusal):
            decode(raw)


def _objects() -> list[tuple[Any, Any]]:
    common: dict[str, Any] = {"v": "xb1", "suite": "xb1-h"}
    who: dict[str, Any] = {"origin": "us.jiatfs", "endpoint": WATCH}
    subject = objects.Subject(OPS, builders.new_id(), "A" * 43)
    return [
        (
            objects.decode_acknowledgement,
            objects.Acknowledgement(
                **common,
                **who,
                id=builders.new_id(),
                of=subject,
                outcome="partial",
                at=NOW,
                officer=None,
            ),
        ),
        (
            objects.decode_subscription,
            objects.Subscription(**common, **who, version=1, feeds=["a", "b"], issued=NOW),
        ),
        (
            objects.decode_session,
            objects.SessionRequest(**common, **who, node="pa", nonce="n.1", issued=NOW),
        ),
        (
            objects.decode_group,
            objects.GroupStatement(
                **common, node="pa", epoch=1, first=0, count=1, root="A" * 43
            ),
        ),
    ]


@pytest.mark.parametrize(("decode", "value"), _objects())
def test_small_object_comes_back_and_is_closed(decode: Any, value: Any) -> None:
    raw = msgspec.json.encode(value)
    assert decode(raw) == value
    for bad, code in (
        (raw[:-1] + b',"v":"xb1"}', Code.DUPLICATE_MEMBER),
        (raw[:-1] + b',"note":"x"}', Code.UNKNOWN_MEMBER),
        (raw.replace(b'"v":"xb1",', b""), Code.MISSING_MEMBER),
    ):
        with pytest.raises(Refusal) as refusal:
            decode(bad)
        assert refusal.value.code == code


def test_uuid7_holds_time_version_and_randomness() -> None:
    """The example of RFC 9562, appendix A.6."""
    randomness = (0xCC3 << 68 | 0x18C4DC0C0C07398F).to_bytes(10)
    text = identity.uuid7(0x017F22E279B0, randomness)
    assert text == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
    with pytest.raises(ValueError, match="10 random bytes"):
        identity.uuid7(0, b"")


def test_thumbprint_of_the_rfc_8037_key() -> None:
    """RFC 8037, appendix A.3."""
    key = Jwk(
        kty="OKP", alg="Ed25519", crv="Ed25519", x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    )
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
