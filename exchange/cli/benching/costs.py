"""What single steps cost on one core, in microseconds of processor time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from exchange.broker.intake import Arrival, consider
from exchange.cli import world
from exchange.cli.benching.load import READERS, TEXT, Sealer
from exchange.model import header as headers
from exchange.model.identity import digest
from exchange.seal import body, jws
from exchange.seal.close import close
from exchange.seal.open import SoftwareOpener, open_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.cli.benching.load import Maker
    from exchange.custody.container import Secrets


def measure(maker: Maker, reader: Secrets, rounds: int) -> dict[str, float]:
    """Return the cost of each step, and strict parsing's share of verifying.

    Reading an object also digests it. That is admitting, not parsing, so it is measured alone
    and left out of the share.

    Args:
        maker: of the poster who seals.
        reader: secrets of the first reader, who opens.
        rounds: how often each step is done.
    """
    sealer = Sealer(maker)
    signer, view = sealer.signer, sealer.view
    envelope = sealer.envelope(READERS[:1])
    payload = jws.read(envelope.header, headers.MAX_HEADER_BYTES).payload
    header = headers.decode(payload)
    arrival = Arrival(maker.poster, envelope.header, envelope.body, world.clock_ms())
    openers = [SoftwareOpener(each) for each in reader.of("open")]

    def seal(count: int) -> Callable[[], object]:
        to = READERS[:count]
        head, keys = sealer.header(to), sealer.keys(to)
        return lambda: close(TEXT, head, keys, signer, world.randomness)

    signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES)
    standing = view.standing(maker.poster)

    def read() -> object:
        signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES)
        return headers.decode(signed.payload), body.look(envelope.body, signer.suite)

    steps: dict[str, Callable[[], object]] = {
        "sign_us": lambda: jws.sign(payload, headers.TYP, [signer]),
        "admit_us": lambda: consider(arrival, view),
        "verify_us": lambda: jws.verify_by(signed, standing, maker.now),
        "read_us": read,
        "digest_us": lambda: (digest(envelope.header), digest(envelope.body)),
        **{f"seal_{count}_us": seal(count) for count in (1, 5, 20)},
        "open_us": lambda: open_body(header, envelope.body, openers),
    }
    found = {name: _cost_us(step, rounds) for name, step in steps.items()}
    found["parse_us"] = found["read_us"] - found["digest_us"]
    found["parse_share"] = found["parse_us"] / found["verify_us"]
    found["header_bytes"], found["body_bytes"] = len(envelope.header), len(envelope.body)
    return found


def _cost_us(step: Callable[[], object], rounds: int) -> float:
    step()  # keys are loaded once, and that is not what is asked here
    begun = time.process_time()
    for _ in range(rounds):
        step()
    return (time.process_time() - begun) / rounds * 1e6
