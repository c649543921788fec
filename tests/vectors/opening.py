"""Cases of opening: envelopes that a node lets pass, and what their recipient answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from exchange.errors import Code
from exchange.seal import body as bodies
from exchange.seal.close import Envelope
from tests import builders
from tests.builders import (
    COAST,
    WATCH,
    World,
)
from tests.vectors import forging, two_texts
from tests.vectors.case import Opening


def broken(change: Callable[[Any], Any]) -> Callable[[World], Envelope]:
    return lambda world: forging.rebody(world, world.envelope(), change)


def flipped(told: Any, name: str) -> None:
    told[name] = ("A" if told[name][0] != "A" else "B") + told[name][1:]


def other_context(world: World) -> Envelope:
    """A body that was sealed under another header, with that header's commit."""
    body, mine = world.envelope(), world.envelope()
    return forging.committed(world, mine, body.body)


def _other_commit(world: World) -> Envelope:
    """A body in the right context, whose plaintext the commit in it is not of."""
    return two_texts.envelope(world, world.header(), builders.TEXT)


def _two_keys(world: World) -> Envelope:
    """The second recipient is given another content key."""
    envelope = world.envelope()
    ctx = bodies.context(builders.decoded(envelope.header))

    def change(told: Any) -> None:
        told["recipients"][1] = forging.wrapped(world, COAST, bytes(32), ctx)

    return forging.rebody(world, envelope, change)


OPENING = [
    Opening("opened", "a bulletin to two recipients", None, "", COAST, lambda w: w.envelope()),
    Opening(
        "context-of-another-header",
        "a body that was sealed under another header",
        Code.CONTEXT_MISMATCH,
        "/body/aad",
        WATCH,
        other_context,
    ),
    Opening(
        "not-a-recipient",
        "an endpoint without a wrapped key",
        Code.NOT_A_RECIPIENT,
        "/body/recipients",
        "us.jiatfs/desk",
        lambda w: w.envelope(),
    ),
    Opening(
        "wrapped-key-tampered",
        "a wrapped key with one bit changed",
        Code.CANNOT_DECRYPT,
        "/body/recipients",
        WATCH,
        broken(lambda told: flipped(told["recipients"][0], "encrypted_key")),
    ),
    Opening(
        "kem-output-tampered",
        "the KEM's output with one bit changed",
        Code.CANNOT_DECRYPT,
        "/body/recipients",
        WATCH,
        broken(lambda told: flipped(told["recipients"][0]["header"], "ek")),
    ),
    *(
        Opening(
            f"{name}-tampered",
            f"the body's {name} with one bit changed",
            Code.CANNOT_DECRYPT,
            "/body/ciphertext",
            WATCH,
            broken(partial(flipped, name=name)),
        )
        for name in ("ciphertext", "tag", "iv")
    ),
    Opening(
        "another-content-key",
        "a recipient who was given another content key than the others",
        Code.CANNOT_DECRYPT,
        "/body/ciphertext",
        COAST,
        _two_keys,
    ),
    Opening(
        "two-texts-first",
        "a ciphertext that opens to two texts under two keys, each with a valid tag",
        Code.COMMIT_MISMATCH,
        "/commit",
        WATCH,
        _other_commit,
    ),
    Opening(
        "two-texts-second",
        "the other recipient of a ciphertext that opens to two texts",
        Code.COMMIT_MISMATCH,
        "/commit",
        COAST,
        _other_commit,
    ),
]
