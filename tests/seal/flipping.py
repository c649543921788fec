"""Flip bits of what was signed and sealed; nothing on the way to the verdict is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from exchange.broker.intake import Arrival, Declined, consider
from exchange.errors import Refusal
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.seal.close import Envelope
from exchange.seal.open import open_body
from tests import builders
from tests.builders import NOW, OPS, WATCH, World


def envelope(world: World) -> Envelope:
    """What is flipped: a bulletin to one recipient."""
    return world.envelope(to=[WATCH])


def bits(data: bytes, part: int, parts: int) -> range:
    """Every bit of a part: each of ``parts`` has as many, spread over all of the data."""
    return range(part, 8 * len(data), parts)


def flipped(data: bytes, places: Iterable[int]) -> Iterator[bytes]:
    for bit in places:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def of_header(world: World, sent: Envelope, places: Iterable[int]) -> Counter[str]:
    """How often the node refuses with which code; a header that passes is told as passed."""
    found: Counter[str] = Counter()
    for header in flipped(sent.header, places):
        found[_considered(world, header, sent.body)] += 1
    return found


def of_body(world: World, sent: Envelope, places: Iterable[int]) -> Counter[str]:
    """How often a node refuses, and how often the recipient does, with which code.

    The recipient's header commits to the altered bytes: its other checks must tell.
    """
    found: Counter[str] = Counter()
    header = builders.decoded(sent.header)
    for body in flipped(sent.body, places):
        found[_considered(world, sent.header, body)] += 1
        fitting = msgspec.structs.replace(header, body=Blob(digest(body), len(body)))
        try:
            open_body(fitting, body, world.openers[WATCH])
        except Refusal as refusal:
            found[f"opening: {refusal.code}"] += 1
        else:
            found["opening: passed"] += 1
    return found


def _considered(world: World, header: bytes, body: bytes) -> str:
    decision = consider(Arrival(OPS, header, body, NOW * 1000), world.view).decision
    return str(decision.refusal.code) if isinstance(decision, Declined) else "passed"
