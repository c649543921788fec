"""Ways to change a valid envelope: one thing each, signed and sealed again or not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from exchange.model.codec import b64
from exchange.model.header import TYP
from exchange.model.objects import ACK_TYP
from exchange.model.trust import Endpoint, EndpointKey
from exchange.seal.close import Envelope
from tests.builders import (
    COAST,
    OPS,
    WATCH,
    World,
    decoded,
)
from tests.vectors import forging
from tests.vectors.case import Posted
from tests.vectors.forging import BOTH, compact, payload_of, protected, signed

Change = Callable[[Any], Any]


def bytewise(change: Callable[[bytes], bytes]) -> Callable[[World], Envelope]:
    """The signed header's bytes changed, nothing signed again."""

    def make(world: World) -> Envelope:
        envelope = world.envelope()
        return envelope._replace(header=change(envelope.header))

    return make


def outer(change: Change) -> Callable[[World], Envelope]:
    """The signed header's JSON changed, nothing signed again."""
    return bytewise(lambda raw: forging.altered(raw, change))


def resigned(change: Callable[[bytes], bytes]) -> Callable[[World], Envelope]:
    """The header's payload changed and signed again."""
    return lambda world: forging.repayload(world, world.envelope(), change)


def with_members(**changes: Any) -> Callable[[World], Envelope]:
    return lambda world: forging.member(world, world.envelope(), **changes)


def without(name: str) -> Callable[[World], Envelope]:
    return resigned(lambda raw: forging.altered(raw, lambda told: told.pop(name)))


def protecting(change: Callable[[dict[str, str]], object]) -> Callable[[World], Envelope]:
    """The first protected header replaced by another, and signed so."""

    def make(world: World) -> Envelope:
        envelope = world.envelope()
        told = change(protected(world, BOTH[0]))
        payload = payload_of(envelope.header)
        return envelope._replace(header=signed(world, payload, told=[told]))

    return make


def signed_by(*by: tuple[str, int], told: Any = None) -> Callable[[World], Envelope]:
    """The header signed by these keys; ``told`` makes their protected headers."""

    def make(world: World) -> Envelope:
        envelope = world.envelope()
        said = told(world) if told else ()
        payload = payload_of(envelope.header)
        return envelope._replace(header=signed(world, payload, by, said))

    return make


def sealed_as(change: Change) -> Callable[[World], Envelope]:
    """The body's JSON changed, and the header commits to the change."""
    return lambda world: forging.rebody(world, world.envelope(), change)


def sealed_bytes(change: Callable[[bytes], bytes]) -> Callable[[World], Envelope]:
    def make(world: World) -> Envelope:
        envelope = world.envelope()
        return forging.committed(world, envelope, change(envelope.body))

    return make


def swapped(change: Callable[[bytes], bytes]) -> Callable[[World], Envelope]:
    """Another body than the header commits to."""

    def make(world: World) -> Envelope:
        envelope = world.envelope()
        return envelope._replace(body=change(envelope.body))

    return make


def under(document: Callable[[World], bytes]) -> Callable[[World], Posted]:
    """A valid bulletin, after a further trust document."""

    def make(world: World) -> Posted:
        return Posted(world.arrival(world.envelope()), (document(world),))

    return make


def keys_from(use: str, place: int, since: int, until: int) -> Callable[[Endpoint], Endpoint]:
    """An endpoint whose key of that use and place has another time."""

    def change(endpoint: Endpoint) -> Endpoint:
        seen = -1
        keys: list[EndpointKey] = []
        for key in endpoint.keys:
            seen += key.use == use
            hit = key.use == use and seen == place
            keys.append(msgspec.structs.replace(key, since=since, until=until) if hit else key)
        return msgspec.structs.replace(endpoint, keys=keys)

    return change


def first_signature(**changes: Any) -> Change:
    return lambda told: told["signatures"][0].update(changes)


def kid_of(endpoint: str, use: str) -> Callable[[World], list[object]]:
    """A protected header that names another key, signed by the real one."""

    def told(world: World) -> list[object]:
        jwk = world.signers[endpoint].keys[0] if use == "sig" else world.key(endpoint)
        return [{**protected(world, BOTH[0]), "kid": jwk.kid}]

    return told


def crossed(world: World) -> list[object]:
    """Each signature claims the other key, under its own algorithm."""
    first, second = (protected(world, each) for each in BOTH)
    return [{**first, "kid": second["kid"]}, {**second, "kid": first["kid"]}]


def flip(text: str, place: int = 10) -> str:
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


def flip_signature(place: int) -> Change:
    def change(told: Any) -> None:
        found = told["signatures"][place]
        found["signature"] = flip(found["signature"])

    return change


def tampered(world: World) -> Envelope:
    envelope = world.envelope(precedence="routine")
    payload = payload_of(envelope.header).replace(b"routine", b"flash")
    text = forging.jws(payload, json.loads(envelope.header)["signatures"])
    return envelope._replace(header=text)


def other_typ(world: World) -> Envelope:
    """Signatures made over an acknowledgement's typ, shown under a header's."""
    envelope = world.envelope()
    payload = payload_of(envelope.header)
    made = [forging.signature(world, payload, each, typ=ACK_TYP) for each in BOTH]
    for each, by in zip(made, BOTH, strict=True):
        each["protected"] = b64(compact(protected(world, by)))
    return envelope._replace(header=forging.jws(payload, made))


def nested(raw: bytes, find: bytes, put: bytes) -> bytes:
    assert raw.count(find) >= 1, find
    return raw.replace(find, put, 1)


def wraps_as(change: Change) -> Callable[[World], Envelope]:
    return sealed_as(lambda told: change(told["recipients"]))


def sealed_to(*names: str) -> Callable[[World], Envelope]:
    """Addressed to two, and sealed to these."""

    def make(world: World) -> Envelope:
        header = world.header(to=sorted(names))
        envelope = world.envelope(header)
        asked = msgspec.structs.replace(decoded(envelope.header), to=[WATCH, COAST])
        return envelope._replace(header=world.sign(asked, TYP, OPS))

    return make


def in_body(name: str, change: Callable[[str], str]) -> Callable[[World], Envelope]:
    """One member of the body changed."""
    return sealed_as(lambda told: told.update({name: change(told[name])}))


def in_wrap(place: int, name: str, value: str) -> Callable[[World], Envelope]:
    """One member of a recipient, or of its header, replaced."""

    def change(told: Any) -> None:
        holder = told[place] if name in told[place] else told[place]["header"]
        holder[name] = value

    return wraps_as(change)
