"""What single steps cost on one core, in microseconds of processor time, in each suite."""

from __future__ import annotations

import os
import tempfile
import time
from statistics import median
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from exchange import resources
from exchange.broker.intake import Arrival, consider
from exchange.cli import found, world
from exchange.cli.benching.load import POSTERS, READERS, TEXT, Maker, Sealer
from exchange.custody import founding
from exchange.custody.founding import EndpointPlan, MemberPlan, NodePlan
from exchange.model import bulletin as bulletins
from exchange.model import header as headers
from exchange.model.header import TrustPoint
from exchange.model.identity import digest
from exchange.model.trust import Category, CategoryValue
from exchange.policy import limits, rules
from exchange.policy.limits import Rate, Spent
from exchange.seal import body, jws
from exchange.seal.close import close
from exchange.seal.open import SoftwareOpener, open_body
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exchange.custody.container import Secrets
    from exchange.model.identity import SuiteId
    from exchange.model.trust import Label
    from exchange.model.view import View


# How many endpoints the directory holds under which policy is measured.
_ENDPOINTS = 5000


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Return the cost of each step by suite; each step is done that often."""
    return {suite: _measure(suite, rounds) for suite in SUITES}


class _Exercise(NamedTuple):
    maker: Maker
    reader: Secrets


def _founded(suite: SuiteId) -> _Exercise:
    """An exercise of this suite, in memory: one who posts, and those who read."""
    title: Label = {"es": "EJERCICIO", "en": "EXERCISE"}
    members = [
        MemberPlan(name, title, tuple(EndpointPlan(each, title, suite=suite) for each in all_))
        for name, all_ in (("pa.exercise", POSTERS[:1]), ("us.exercise", READERS))
    ]
    founder = founding.Founder(world.randomness, world.now(), (suite,))
    node = NodePlan(found.NODE, "https://127.0.0.1", digest(b""), suite)
    feeds = [found.feed("maritime", title, ["voi"], members)]
    made = founding.found(founder, members, [node], feeds)
    poster = POSTERS[0]
    maker = Maker(made.anchor, made.documents, poster, made.endpoints[poster], world.now())
    return _Exercise(maker, made.endpoints[READERS[0]])


def _measure(suite: SuiteId, rounds: int) -> dict[str, float]:
    """Return the cost of each step, and strict parsing's share of verifying.

    Reading an object also digests it. That is admitting, not parsing, so it is measured alone
    and left out of the share.
    """
    maker, reader = _founded(suite)
    sealer = Sealer(maker)
    signer, view = sealer.signer, sealer.view
    envelope = sealer.envelope(READERS[:1])
    signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES)
    header, standing = headers.decode(signed.payload), view.standing(maker.poster)
    arrival = Arrival(maker.poster, envelope.header, envelope.body, world.clock_ms())
    openers = [SoftwareOpener(each) for each in reader.of("open")]

    # A bulletin of about 2 KB: as it is read, once opened.
    texts = resources.read("v1/frozen/1.0.jsonl").splitlines()
    text, codes = min(texts, key=lambda each: abs(len(each) - 2048)), world.codes()

    def seal(count: int) -> Callable[[], object]:
        to = READERS[:count]
        head, keys = sealer.header(to), sealer.keys(to)
        return lambda: close(TEXT, head, keys, signer, world.randomness)

    def read() -> object:
        again = jws.read(envelope.header, headers.MAX_HEADER_BYTES)
        return headers.decode(again.payload), body.look(envelope.body, suite)

    large, head = _large(view), sealer.header(READERS[:5])
    point = TrustPoint(large.position, large.heads[-1])
    asked = msgspec.structs.replace(head, trust=point)
    rate = Rate(arrival.taken_ms, Spent())

    def police() -> object:
        # What considering asks of directory and arrangement, and what the door asks of budgets.
        large.signatory(asked.origin, asked.endpoint, asked.suite)
        rules.decide("accept", asked, large, maker.now, rate=rate)
        return [large.endpoints[name] for name in asked.to]

    steps: dict[str, Callable[[], object]] = {
        "sign_us": lambda: jws.sign(signed.payload, headers.TYP, [signer]),
        "admit_us": lambda: consider(arrival, view),
        "verify_us": lambda: jws.verify_by(signed, standing, maker.now),
        "policy_us": police,
        "read_us": read,
        "digest_us": lambda: (digest(envelope.header), digest(envelope.body)),
        **{f"seal_{count}_us": seal(count) for count in (1, 5, 20)},
        "open_us": lambda: open_body(header, envelope.body, openers),
        "decode_us": lambda: bulletins.decode(text, codes),
    }
    costs = {name: _cost_us(step, rounds) for name, step in steps.items()}
    costs["parse_us"] = costs["read_us"] - costs["digest_us"]
    costs["parse_share"] = costs["parse_us"] / costs["verify_us"]
    costs["header_bytes"], costs["body_bytes"] = len(envelope.header), len(envelope.body)
    return costs


def _large(view: View) -> View:
    """Return a view of 5,000 endpoints, under an arrangement that says all that it may say."""
    some = next(iter(view.endpoints.values()))
    others = {f"pa.exercise/{number}": some for number in range(_ENDPOINTS)}
    kinds: tuple[Literal["restrictive", "permissive"], ...] = ("restrictive", "permissive")
    marks, title = ["tlp:amber", "handling:h2"], view.agreed().name
    values = [CategoryValue(f"value-{n}", marks, ["us.exercise"]) for n in range(4)]
    agreed = msgspec.structs.replace(
        view.agreed(),
        categories=[Category(kind, title, kind, values) for kind in kinds],
        budgets=limits.DEFAULT_BUDGETS,
        sizes=limits.DEFAULT_SIZES,
    )
    return msgspec.structs.replace(
        view, arrangement=agreed, endpoints={**others, **view.endpoints}
    )


def fsync_us(folder: Path, rounds: int) -> float:
    """Return how long making one page durable takes in a folder: by the clock, the median."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(rounds):
            file.write(bytes(4096))
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - begun) * 1e6)
    return median(taken)


def _cost_us(step: Callable[[], object], rounds: int) -> float:
    step()  # keys are loaded once, and that is not what is asked here
    begun = time.process_time()
    for _ in range(rounds):
        step()
    return (time.process_time() - begun) / rounds * 1e6
