"""The load: an exercise of its own, and bulletins sealed and signed before the clock starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.cli import found, world
from exchange.custody.founding import EndpointPlan, MemberPlan
from exchange.model.header import Header, Marking, TrustPoint
from exchange.model.identity import Jwk, uuid7
from exchange.model.view import View
from exchange.seal import trust
from exchange.seal.close import UNSEALED, Envelope, close
from exchange.seal.software import SoftwareSigner
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from exchange.cli.found import Place
    from exchange.custody.container import Secrets
    from exchange.model.header import Precedence
    from exchange.model.trust import Label

# Several senders, as in life: the node looks keys up, and may not know one of them by heart.
POSTERS = tuple(f"pa.exercise/desk-{number}" for number in range(4))
READERS = tuple(f"us.exercise/desk-{number}" for number in range(20))
# As many as one bulletin can be for; of two members, since a document has a bound.
LISTENERS = tuple(
    f"us.{member}/desk-{number}" for member in ("first", "second") for number in range(32)
)
# Two thousand streams need more endpoints: each may have sixteen.
IDLERS = tuple(
    f"us.{member}/desk-{number}" for member in ("third", "fourth") for number in range(32)
)
# Sealing pads it to the smallest bucket, 1 KiB.
TEXT = b'{"exercise":"EXERCISE / EJERCICIO: bench"}'
_DAY_S = 86_400
_CHUNK = 250


class Maker(NamedTuple):
    """What a worker process needs to make bulletins of one poster."""

    anchor: str
    documents: list[bytes]
    poster: str
    secrets: Secrets
    now: int


def found_exercise(folder: Path, passphrase: str) -> Place:
    """Write an exercise with posters on one side and readers on the other."""
    title: Label = {"es": "EJERCICIO", "en": "EXERCISE"}
    members = [
        MemberPlan(name, title, tuple(EndpointPlan(each, title) for each in endpoints))
        for name, endpoints in (
            ("pa.exercise", POSTERS),
            ("us.exercise", READERS),
            ("us.first", LISTENERS[:32]),
            ("us.second", LISTENERS[32:]),
            ("us.third", IDLERS[:32]),
            ("us.fourth", IDLERS[32:]),
        )
    ]
    feeds = [found.feed("maritime", title, ["voi"], members)]
    return found.write_node(folder, 0, members, feeds, passphrase)


def makers(place: Place) -> list[Maker]:
    """Return one maker for each poster."""
    return [maker(place, name) for name in POSTERS]


def maker(place: Place, name: str) -> Maker:
    """Return the maker of one endpoint."""
    founded = place.founded
    return Maker(
        founded.anchor,
        founded.documents,
        name,
        founded.endpoints[name],
        world.now(),
    )


def make(
    pool: Executor,
    makers: Sequence[Maker],
    counts: Mapping[str, int],
    made: Callable[[int], None],
    precedence: Precedence = "priority",
) -> dict[str, list[Envelope]]:
    """Return distinct bulletins to one recipient, by poster.

    Args:
        pool: worker processes.
        makers: one for each poster.
        counts: how many of each poster; one that is absent posts none.
        made: told how many more are ready, from time to time.
        precedence: of all of them.
    """
    jobs = [
        (maker.poster, pool.submit(_make, maker, size, precedence))
        for maker in makers
        for size in _chunks(counts.get(maker.poster, 0))
    ]
    found: dict[str, list[Envelope]] = {maker.poster: [] for maker in makers}
    for poster, job in jobs:
        envelopes = job.result()
        found[poster] += envelopes
        made(len(envelopes))
    return found


def _chunks(count: int) -> Iterator[int]:
    for at in range(0, count, _CHUNK):
        yield min(_CHUNK, count - at)


def _make(maker: Maker, count: int, precedence: Precedence) -> list[Envelope]:
    """Run in a worker process."""
    sealer = Sealer(maker)
    return [sealer.envelope(READERS[:1], precedence) for _ in range(count)]


class Sealer:
    """Seals bulletins of one poster."""

    def __init__(self, maker: Maker) -> None:
        """Fold the trust documents as the node does."""
        self.view = View(anchor=maker.anchor)
        for index, document in enumerate(maker.documents):
            self.view = trust.apply(document, self.view, index, maker.now)
        self.signer = SoftwareSigner.of(maker.secrets.of("sign"))
        self.now = maker.now
        self._maker = maker

    def header(self, to: Sequence[str], precedence: Precedence = "priority") -> Header:
        """Return a fresh header, its id unlike every other's."""
        now, poster = self.now, self._maker.poster
        return Header(
            v="xb1",
            suite=self.signer.suite,
            id=uuid7(world.clock_ms(), world.randomness(10)),
            origin=poster.partition("/")[0],
            endpoint=poster,
            type="voi",
            schema="1.0",
            verb="new",
            status="exercise",
            feed="maritime",
            to=sorted(to),
            marking=Marking("amber", ["PAN", "USA"], ["h2"], originator_control=True),
            declares=[],
            precedence=precedence,
            observed=now - 60,
            issued=now,
            due=None,
            expires=now + _DAY_S,
            retain_until=now + 30 * _DAY_S,
            regime=None,
            refs=[],
            commit="A" * 43,
            body=UNSEALED,
            attachments=[],
            trust=TrustPoint(self.view.position, self.view.heads[-1]),
        )

    def keys(self, to: Sequence[str]) -> list[Jwk]:
        """Return the encryption keys of recipients, in the order of a header's ``to``."""
        alg = SUITES[self.signer.suite].wrap
        return [self.view.sealing_key(name, alg, self.now).jwk for name in sorted(to)]

    def envelope(self, to: Sequence[str], precedence: Precedence = "priority") -> Envelope:
        """Return one bulletin, sealed and signed."""
        header = self.header(to, precedence)
        return close(TEXT, header, self.keys(to), self.signer, world.randomness)
