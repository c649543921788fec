"""What an officer's desk takes to show, filter and search what it holds.

The bulletins are made up and put on the desk's shelf as if a node had told them: nobody signed
or sealed them, as neither is done again when a page is shown. Pages are asked for over HTTP on
loopback, by a client in this same process: its time is counted, too.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, aclosing
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec

from exchange import resources
from exchange.cli import found, world
from exchange.cli.benching import load
from exchange.cli.found import Place, context_of
from exchange.cli.home import Home
from exchange.client.reading import Delivered
from exchange.custody.founding import EndpointPlan, MemberPlan
from exchange.desk.app import application
from exchange.desk.station import Station
from exchange.model.bulletin.kinds import Bulletin
from exchange.model.draft import complete, read_draft
from exchange.model.header import Header, Precedence
from exchange.model.identity import digest, uuid7
from exchange.model.trust import Label
from exchange.web.door import Door
from exchange.web.serving import served

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from pathlib import Path

_POSTER, _READER = "pa.exercise/ops", "us.exercise/watch"
_EXAMPLES: Final = ("voi-1", "szr-1", "rfi-1", "opn-1", "mig-1")
_BANDS: Final[tuple[Precedence, ...]] = (
    "routine",
    "routine",
    "routine",
    "priority",
    "immediate",
)
_ROUNDS: Final = 40
_ASKED: Final = {
    "first": "/en/",
    "filter": "/en/?is=overdue&band=priority&type=szr",
    "search": "/en/?q=lancha",
    "search-one": "/en/?q=number+7777",
    "bulletin": "/en/entry/7777",
}
# Of a browser that is kept up to date, without which no page is shown.
_BROWSER: Final = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "document"}


class Timed(msgspec.Struct, frozen=True):
    """One thing that was asked for again and again: ms by the clock, and rows that answered."""

    name: str
    median_ms: float
    p95_ms: float
    worst_ms: float


class Desked(msgspec.Struct, frozen=True):
    """What ``bench --desk`` prints; ``taken_us`` is what taking one bulletin in takes."""

    held: int
    taken_us: float
    timed: list[Timed]


async def run(folder: Path, held: int, told: Callable[[str], None]) -> Desked:
    """Measure a desk that holds so many bulletins."""
    passphrase = world.randomness(16).hex()
    place = _founded(folder, passphrase)
    sealer = load.Sealer(load.maker(place, _POSTER))
    context = Home(place.home).current(context_of(_READER))
    async with AsyncExitStack() as stack:
        agency = await stack.enter_async_context(context.agency_with(passphrase))
        _trust(agency.trust, sealer)
        station = Station(agency, world.codes(), "bench")
        items = list(_made(sealer.header([_READER]), held, agency.world.now()))
        told(f"{held} ...")
        begun = time.perf_counter()
        station._take(items)  # noqa: SLF001  (as the follower of a node does)
        taken_s = time.perf_counter() - begun
        door = Door(world.randomness, world.monotonic_ms, "en", is_plain=True)
        link = await stack.enter_async_context(served(application(station, door)))
        client = await stack.enter_async_context(
            aiohttp.ClientSession(headers=_BROWSER, cookie_jar=aiohttp.CookieJar(unsafe=True))
        )
        address = link()
        async with client.get(address) as answer:
            await answer.read()
        base = address.partition("/enter")[0]
        timed = [await _timed(client, base, name, path) for name, path in _ASKED.items()]
        timed.append(await _flash(client, base, station, items[0]))
        told("")
        return Desked(held, taken_s / held * 1e6, timed)


def _founded(folder: Path, passphrase: str) -> Place:
    title: Label = {"es": "EJERCICIO", "en": "EXERCISE"}
    members = [
        MemberPlan(name.partition("/")[0], title, (EndpointPlan(name, title),))
        for name in (_POSTER, _READER)
    ]
    feeds = [found.feed("maritime", title, ["voi"], members)]
    return found.write(folder, 0, members, feeds, passphrase)


def _trust(log: Any, sealer: load.Sealer) -> None:
    """Have an agency know the exercise's trust documents, which no node tells it here."""
    log._known.append(log._known[-1]._replace(view=sealer.view))  # noqa: SLF001


def _made(header: Header, held: int, now: int) -> Iterator[Delivered]:
    """Make bulletins of several types, one every four minutes up to now."""
    texts = [_example(name) for name in _EXAMPLES]
    for number in range(held):
        text = texts[number % len(texts)]
        title = msgspec.structs.replace(text.title, text=f"{text.title.text} number {number}")
        taken_ms = (now - (held - number) * 240) * 1000
        identity = uuid7(taken_ms, number.to_bytes(10, "big"))
        said = msgspec.structs.replace(
            header,
            id=identity,
            type=text.type,
            precedence=_BANDS[number % len(_BANDS)],
            due=None,
            refs=[],
        )
        yield Delivered(
            position=number,
            index=number,
            taken_ms=taken_ms,
            header=said,
            digest=digest(identity.encode()),
            late=False,
            target=None,
            accepted=number,
            accepted_ms=taken_ms,
            bulletin=msgspec.structs.replace(text, id=identity, title=title),
        )


def _example(name: str) -> Bulletin:
    folder = resources.schemas() / "v1" / "examples"
    (path,) = folder.glob(f"{name}.*.toml")
    draft = read_draft(path.read_bytes(), toml=True)
    origin = "us.jiatfs" if name == "mig-1" else "pa.senan"
    made = uuid7(0, bytes(10))
    return complete(draft, id=made, origin=origin, codes=world.codes())


async def _timed(client: aiohttp.ClientSession, base: str, name: str, path: str) -> Timed:
    taken = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        async with client.get(base + path) as answer:
            await answer.read()
            answer.raise_for_status()
        taken.append((time.perf_counter() - begun) * 1e3)
    return _summed(name, taken)


def _summed(name: str, taken: list[float]) -> Timed:
    ordered = sorted(taken)
    return Timed(name, median(ordered), ordered[int(len(ordered) * 0.95)], ordered[-1])


async def _flash(
    client: aiohttp.ClientSession, base: str, station: Station, like: Delivered
) -> Timed:
    """Measure from a FLASH's coming to an open page's being told."""
    taken, index = [], like.index
    async with client.get(f"{base}/en/live", headers={"Sec-Fetch-Dest": "empty"}) as answer:
        lines = _lines(answer)
        async with aclosing(lines):
            await anext(lines)
            for number in range(_ROUNDS // 2):
                index = 10_000_000 + number
                header = msgspec.structs.replace(like.header, precedence="flash")
                came = msgspec.structs.replace(
                    like, index=index, header=header, digest=digest(str(index).encode())
                )
                begun = time.perf_counter()
                station._arrive(came)  # noqa: SLF001  (as the follower of a node does)
                while f'"index":{index},' not in await anext(lines):
                    pass
                taken.append((time.perf_counter() - begun) * 1e3)
    return _summed("flash", taken)


async def _lines(answer: aiohttp.ClientResponse) -> AsyncGenerator[str, None]:
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield line.decode()
