"""Two nations in any weather: a node process each, agencies that post and read, their books.

Whoever is asked here looks at what the nodes say over HTTPS, and at what each writes for its
operator; nothing looks into a node.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec

from exchange.cli import found, state, world
from exchange.cli.benching import load
from exchange.cli.found import Site
from exchange.client.agency import Agency
from exchange.client.cabinet import Cabinet
from exchange.client.transport import Profile, Transport
from exchange.client.world import Keys, World
from exchange.custody.founding import EndpointPlan, MemberPlan
from exchange.errors import Refusal
from exchange.journal.checkpoint import parse
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import wire
from exchange.node.links import Told
from exchange.seal import jws
from exchange.seal.open import SoftwareOpener
from tests.weather.borders import SIDES, Border
from tests.weather.clocked import Offset
from tests.weather.relay import Weather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from exchange.cli.found import Place
    from exchange.client.witnessing import Vouched
    from exchange.model.header import Precedence
    from exchange.model.identity import Nation
    from exchange.model.objects import Receipt
    from exchange.model.trust import Label
    from exchange.seal.close import Envelope

PA, US = ("pa.exercise/alfa", "pa.exercise/bravo"), ("us.exercise/echo", "us.exercise/fox")
OF = {"pa": PA, "us": US}
ROOT = Path(__file__).parents[2]
_SECRET = "exercise passphrase of no use"  # noqa: S105  (an exercise's)
_BATCH = 100
_READY_S = 60.0
_LOOK_S = 0.05


def found_at(folder: Path, border: Border) -> Place:
    """Found an exercise with a node on each side, which are each other's witness."""
    title: Label = {"es": "EJERCICIO", "en": "EXERCISE"}
    members = [
        MemberPlan(f"{side}.exercise", title, tuple(EndpointPlan(e, title) for e in OF[side]))
        for side in SIDES
    ]
    feeds = [found.feed("maritime", title, ["voi"], members)]
    sites = [
        Site(side, "https://{}:{}".format(*at.door), "{}:{}".format(*at.called), _serving(side))
        for side, at in border.places.items()
    ]
    place = found.write_sites(folder, sites, members, feeds, _SECRET)
    for site in sites:
        file = found.node_folder(folder, site, sites) / state.SETTINGS
        chosen = state.State(file.parent).settings()
        link = "{}:{}".format(*border.places[site.name].link)
        file.write_bytes(msgspec.json.encode(msgspec.structs.replace(chosen, link=link)))
    return place


def _serving(side: str) -> tuple[Nation, ...]:
    return ("pa",) if side == "pa" else ("us",)


class Side:
    """A nation: its node, the clock of everybody in it, and its agencies."""

    def __init__(self, name: str, folder: Path, border: Border, place: Place) -> None:
        self.name = name
        self.folder = folder
        self.at = border.places[name]
        self.offset = Offset(folder.with_name(f"{folder.name}.clock"))
        self.founded = place.founded
        self.certificate = (folder / state.CERTIFICATE).read_text(encoding="ascii")
        self.sealers = {each: load.Sealer(load.maker(place, each)) for each in OF[name]}

    def now(self) -> int:
        return (world.clock_ms() + self.offset()) // 1000

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the node's process for a while."""
        offset = self.folder.with_name(f"{self.folder.name}.clock")
        listen = "{}:{}".format(*self.at.door)
        command = [*self.at.inside, sys.executable, "-m", "tests.weather.clocked", str(offset)]
        command += ["up", "--state", str(self.folder), "--listen", listen, "--json"]
        said = self.folder / "said.jsonl"
        with (
            said.open("wb") as out,
            subprocess.Popen(
                [*command, "--checkpoint-every", "0.2", "--until-eof"],
                cwd=ROOT,
                env={**os.environ, "EXCHANGE_PASSPHRASE": _SECRET},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=out,
            ) as process,
        ):
            try:
                _await_ready(process, said)
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(_READY_S)
                except subprocess.TimeoutExpired:
                    process.kill()

    def told(self) -> Told:
        """Return what the node wrote last for its operator: `exchange peers` reads it."""
        return msgspec.json.decode(
            (self.folder / state.LINKS / "standing.json").read_bytes(), type=Told
        )

    def profile(self, endpoint: str) -> Profile:
        url = "https://{}:{}".format(*self.at.door)
        anchor = self.founded.anchor
        return Profile(endpoint, self.name, url, self.certificate, anchor)

    def agency(self, endpoint: str, folder: Path) -> Agency:
        secrets = self.founded.endpoints[endpoint]
        openers = [SoftwareOpener(each) for each in secrets.of("open")]
        mail = Cabinet(folder, [bytes(32)], world.randomness)
        here = World(
            lambda: world.clock_ms() + self.offset(), world.randomness, world.codes(), mail
        )
        keys = Keys(self.sealers[endpoint].signer, openers)
        return Agency(self.profile(endpoint), keys, here)


def _await_ready(process: subprocess.Popen[bytes], said: Path) -> None:
    until = time.monotonic() + _READY_S
    while process.poll() is None and time.monotonic() < until:
        if b'"ready"' in said.read_bytes():
            return
        time.sleep(0.02)
    raise AssertionError(said.read_text(encoding="utf-8")[-2000:])


class Posted(NamedTuple):
    """A bulletin as its node took it in."""

    envelope: Envelope
    receipt: Receipt

    @property
    def id(self) -> str:
        """Its id."""
        return _id_of(self.envelope.header)

    @property
    def is_marked(self) -> bool:
        """Whether its receipt says that no quorum had vouched for too long."""
        facts = entries.decode(self.receipt.facts.encode() + b"\n").facts
        return isinstance(facts, entries.Accepted) and facts.unwitnessed is True


class Land:
    """Both nations, and the border between them."""

    def __init__(self, border: Border, sides: dict[str, Side]) -> None:
        self.border = border
        self.sides = sides
        # The newest entry of each that was posted there.
        self.newest = dict.fromkeys(SIDES, -1)
        # What each endpoint is owed: of each of its senders, ids in the order of posting.
        self.books: dict[str, dict[str, list[str]]] = {
            each: {} for side in SIDES for each in OF[side]
        }

    def moved(self, days: float) -> None:
        """Let time pass, for everybody."""
        for side in self.sides.values():
            side.offset.set(side.offset() + round(days * 86_400_000))

    def met(self) -> Meeting:
        """Return how to post and to look, for one test."""
        return Meeting(self)


@contextmanager
def living(border: Border, folder: Path) -> Iterator[Land]:
    """Have both nodes run for a while."""
    place = found_at(folder, border)
    names = {"pa": folder / "node", "us": folder / "node-us"}
    sides = {name: Side(name, names[name], border, place) for name in SIDES}
    with ExitStack() as stack:
        for side in sides.values():
            stack.enter_context(side.running())
        yield Land(border, sides)


class Meeting:
    """A session for each agency. Use it as an async context manager."""

    def __init__(self, land: Land) -> None:
        self.land = land
        self._stack = AsyncExitStack()
        self._doors: dict[str, Transport] = {}

    async def __aenter__(self) -> Self:
        for side in self.land.sides.values():
            for each in OF[side.name]:
                signer = side.sealers[each].signer
                door = Transport(side.profile(each), signer, side.now)
                self._doors[each] = await self._stack.enter_async_context(door)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def post(
        self, poster: str, to: Sequence[str], count: int, precedence: Precedence = "priority"
    ) -> list[Posted]:
        """Post so many in one batch after another; each must be accepted."""
        side = self.land.sides[poster[:2]]
        sealer = side.sealers[poster]
        posted: list[Posted] = []
        for at in range(0, count, _BATCH):
            sealer.now = side.now()
            made = [sealer.envelope(to, precedence) for _ in range(min(_BATCH, count - at))]
            framed = b"".join(each.framed() for each in made)
            answers = wire.decode_lines(await self._doors[poster].post("/v1/batch", framed))
            for envelope, answer in zip(made, answers, strict=True):
                assert answer.receipt is not None, answer.problem
                posted.append(Posted(envelope, answer.receipt))
                self.land.newest[side.name] = answer.receipt.index
                for each in to:
                    sent = self.land.books[each].setdefault(poster, [])
                    sent.append(_id_of(envelope.header))
        return posted

    async def across(self, count: int) -> dict[str, list[Posted]]:
        """Post so many from each agency to both of the other nation, and one at home."""
        found: dict[str, list[Posted]] = {}
        for ours, theirs in ((PA, US), (US, PA)):
            for poster in ours:
                found[poster] = await self.post(poster, theirs, count)
            await self.post(ours[0], [ours[1]], 1)
        return found

    async def inbox(self, endpoint: str) -> dict[str, list[str]]:
        """Return what an inbox holds: of each sender, ids in the order of the inbox."""
        found: dict[str, list[str]] = {}
        async for item in self._items(endpoint):
            facts = entries.decode(item.entry.encode()).facts
            assert isinstance(facts, entries.Accepted)
            header = headers.decode(jws.read(_object(item), headers.MAX_HEADER_BYTES).payload)
            found.setdefault(header.endpoint, []).append(header.id)
        return found

    async def order(self, endpoint: str) -> list[str]:
        """Return the ids of what an inbox holds, in its order."""
        return [_id_of(_object(each)) async for each in self._items(endpoint)]

    async def pressing(self, endpoint: str) -> list[str]:
        """Return the ids of what is shown first to who has read nothing of an inbox."""
        page = await self._doors[endpoint].get_as(
            wire.InboxPage, "/v1/inbox", after=-1, limit=1, flash=-1
        )
        return [_id_of(_object(each)) for each in (*page.items, *page.ahead)]

    async def size(self, endpoint: str) -> int:
        """Return how many entries the newest checkpoint of an endpoint's node is of."""
        return parse(await self._doors[endpoint].get("/v1/checkpoint")).size

    async def _items(self, endpoint: str) -> AsyncIterator[wire.InboxItem]:
        after, position = -1, 0
        while True:
            page = await self._page(endpoint, after, wire.MAX_PAGE)
            for item in page.items:
                assert item.position == position
                position += 1
                yield item
            if not page.items:
                assert page.total == position
                return
            after = page.cursor

    async def _page(self, endpoint: str, after: int, limit: int) -> wire.InboxPage:
        door = self._doors[endpoint]
        return await door.get_as(wire.InboxPage, "/v1/inbox", after=after, limit=limit)

    async def count(self, endpoint: str) -> int:
        """Return how much an inbox holds."""
        return (await self._page(endpoint, -1, 1)).total

    def owed(self, endpoint: str) -> int:
        return sum(map(len, self.land.books[endpoint].values()))

    async def come(self, *endpoints: str, within_s: float = 90.0) -> float:
        """Wait until these (all) have as much as they are owed; return for how long."""
        wanted = endpoints or tuple(self.land.books)

        async def have() -> bool:
            counts = [await self.count(each) >= self.owed(each) for each in wanted]
            return all(counts)

        return await until(have, within_s)

    async def must_be_whole(self) -> None:
        """Nothing is lost, nothing is there twice, and each sender's order is kept."""
        for endpoint, owed in self.land.books.items():
            assert await self.inbox(endpoint) == owed, endpoint

    async def vouched(self, within_s: float = 90.0) -> float:
        """Wait until a quorum vouches for all that was posted; return for how long."""

        async def is_so() -> bool:
            for side, index in self.land.newest.items():
                try:
                    note = await self._doors[OF[side][0]].get("/v1/checkpoint", cosigned=1)
                except Refusal:
                    return False
                if parse(note).size <= index:
                    return False
            return True

        return await until(is_so, within_s)

    async def witnessed(self, posted: Posted, poster: str, folder: Path) -> Vouched | None:
        """Return who vouches for a receipt, as its poster's program finds."""
        async with self.land.sides[poster[:2]].agency(poster, folder) as agency:
            await agency.view()
            return await agency.witnessed(posted.receipt, posted.envelope.header)

    async def unwitnessed_s(self, side: str) -> int:
        """Return for how long no quorum vouched for a node's journal, as it tells anybody."""
        health = await self._doors[OF[side][0]].get_as(wire.Health, "/readyz")
        assert health.unwitnessed_s is not None
        return health.unwitnessed_s

    async def is_down(self, side: str, within_s: float = 120.0) -> float:
        """Wait until a node says that its link is down; return for how long."""

        async def is_so() -> bool:
            return not any(each.up for each in self.land.sides[side].told().links.peers)

        return await until(is_so, within_s)

    def weather(self, weather: Weather | None = None) -> None:
        self.land.border.weather(weather or Weather())


async def until(holds: Callable[[], Awaitable[bool]], within_s: float) -> float:
    """Wait until something holds; return for how long it took, seconds."""
    begun = time.monotonic()
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110  (another process tells by being asked)
            await asyncio.sleep(_LOOK_S)
    return time.monotonic() - begun


def _id_of(header: bytes) -> str:
    return headers.decode(jws.read(header, headers.MAX_HEADER_BYTES).payload).id


def _object(item: wire.InboxItem | wire.AheadItem) -> bytes:
    return entries.decode(item.entry.encode()).object
