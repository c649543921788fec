"""Make objects that no honest sender would: sign anything, change anything, seal anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from exchange.model.codec import b64
from exchange.model.header import TYP, Blob
from exchange.model.identity import SuiteId, digest
from exchange.seal import body as bodies
from exchange.seal.close import Envelope
from exchange.seal.suites import SUITES, wrap_key
from tests import builders
from tests.builders import OPS, World

BOTH = ((OPS, 0), (OPS, 1))


def every(world: World, endpoint: str) -> list[tuple[str, int]]:
    """Each of an endpoint's signature keys, in the order of its suite."""
    return [(endpoint, place) for place in range(len(world.signers[endpoint].keys))]


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def altered(raw: bytes, change: Callable[[Any], Any]) -> bytes:
    """JSON after ``change`` was let loose on it."""
    value = json.loads(raw)
    change(value)
    return compact(value)


def protected(world: World, by: tuple[str, int], typ: str = TYP) -> dict[str, str]:
    """The protected header that this key would write."""
    key = world.signers[by[0]].keys[by[1]]
    return {"alg": key.alg, "kid": key.kid, "typ": typ}


def signature(
    world: World, payload: bytes, by: tuple[str, int], told: object = None, typ: str = TYP
) -> dict[str, str]:
    """One signature by the key at a place, under the protected header that is ``told``."""
    said = told if isinstance(told, bytes) else compact(told or protected(world, by, typ))
    text = b64(said)
    signed = world.signers[by[0]].sign(by[1], f"{text}.{b64(payload)}".encode())
    return {"protected": text, "signature": b64(signed)}


def jws(payload: bytes, signatures: Sequence[dict[str, str]]) -> bytes:
    return compact({"payload": b64(payload), "signatures": list(signatures)})


def signed(
    world: World,
    payload: bytes,
    by: Sequence[tuple[str, int]] = (),
    told: Sequence[object] = (),
    typ: str = TYP,
) -> bytes:
    """A payload signed by these keys in this order; by each of the usual author's if none."""
    by = by or every(world, OPS)
    said = [*told, *[None] * len(by)]
    return jws(
        payload, [signature(world, payload, each, said[i], typ) for i, each in enumerate(by)]
    )


def payload_of(raw: bytes) -> bytes:
    return builders.unpadded(json.loads(raw)["payload"])


def repayload(world: World, envelope: Envelope, change: Callable[[bytes], bytes]) -> Envelope:
    """The envelope with its header's payload changed and signed again by its author."""
    header = builders.decoded(envelope.header)
    by = every(world, header.endpoint)
    return envelope._replace(header=signed(world, change(payload_of(envelope.header)), by))


def member(world: World, envelope: Envelope, **changes: Any) -> Envelope:
    """The envelope with members of its header's JSON replaced, whatever their type."""

    def change(payload: bytes) -> bytes:
        return altered(payload, lambda told: told.update(changes))

    return repayload(world, envelope, change)


def committed(world: World, envelope: Envelope, body: bytes) -> Envelope:
    """Another body under the envelope's header, which commits to it and is signed again."""
    header = builders.decoded(envelope.header)
    header = msgspec.structs.replace(header, body=Blob(digest(body), len(body)))
    return Envelope(world.sign(header, TYP, header.endpoint), body)


def rebody(world: World, envelope: Envelope, change: Callable[[Any], Any]) -> Envelope:
    """The envelope with its body's JSON changed, and a header that commits to the change."""
    return committed(world, envelope, altered(envelope.body, change))


def wrapped(world: World, to: str, key: bytes, ctx: bytes) -> dict[str, Any]:
    """A content key wrapped to an endpoint."""
    suite = SUITES[msgspec.convert(ctx.split(b"\n")[1].decode(), SuiteId)]
    jwk = world.key(to, suite.id)
    raw = suite.hpke.encrypt(key, wrap_key(jwk), bodies.wrap_info(ctx, suite.id))
    split = suite.kem.enc_length()
    told = {"alg": suite.wrap, "kid": jwk.kid, "ek": b64(raw[:split])}
    return {"header": told, "encrypted_key": b64(raw[split:])}
