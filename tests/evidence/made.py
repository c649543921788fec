"""Journals with a bulletin in them, and packages made from them."""

from __future__ import annotations

import asyncio
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from exchange.cli.journal_file import Blocking
from exchange.cli.serve import log_signers
from exchange.evidence import making, package
from exchange.journal import checkpoint as cp
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.seal.open import Opened, open_body
from exchange.seal.software import SoftwareSigner
from exchange.store.sqlite import SqliteStore
from tests.builders import COAST, WATCH, border, mixed, unpadded, world
from tests.link.bordered import bordered
from tests.node.running import Clock, post, running, until
from tests.node.vouching import Road, vouched

if TYPE_CHECKING:
    from exchange.node.node import Node
    from exchange.seal.close import Envelope
    from tests.builders import World
    from tests.link.bordered import Side

# What is made stays as long as the process, for all that look at it; then it goes.
_MADE = TemporaryDirectory(prefix="evidence-")


class Made(NamedTuple):
    """Journals' files, home first; where the bulletin stands in each; its text; the anchor."""

    files: list[Path]
    places: list[int]
    opened: Opened
    anchor: str
    sealed: Envelope

    def package(self, *, with_body: bool = False, first: int = 0) -> bytes:
        """A package of it, by the journals from that one on."""
        shown, of = [], None
        for file, place in list(zip(self.files, self.places, strict=True))[first:]:
            with Blocking(SqliteStore.open(file, read_only=True)) as source:
                told = making.trusted(source, self.anchor)
                shown.append(making.shown(source, place, told))
                entry = making.one(source, place)
            if of is None:
                _, signed, header = making.accepted_in(entry)
                of = package.Of(header, signed, self.anchor)
        assert of is not None
        return package.make(of, shown, self.opened if with_body else None)


def opened(by: World, sealed: Envelope, reader: str) -> Opened:
    header = headers.decode(unpadded(msgspec.json.decode(sealed.header)["payload"]))
    return open_body(header, sealed.body, by.openers[reader])


@cache
def cosigned() -> Made:
    """One node, two witnesses that must vouch; keys that changed; two acknowledgements."""
    folder = Path(mkdtemp(dir=_MADE.name))
    path = folder / "journal.db"

    async def write() -> tuple[int, Envelope]:
        road = Road(folder / "road", Clock())
        async with vouched(folder, road=road, store=SqliteStore.open(path)) as (node, _):
            await post(node, world().signed(world().root()), "")
            sealed = world().envelope()
            answer = await post(node, sealed)
            for each in (WATCH, COAST):
                await post(node, world().ack(sealed, each))
            for _ in range(3):
                await post(node, world().envelope())
                note = await node.checkpoints.checkpoint()
                assert note is not None
                size = cp.parse(note).size
                await until(partial(_is_cosigned, node, size))
        await road.close()
        return answer.receipt.index, sealed

    index, sealed = asyncio.run(write())
    text = opened(world(), sealed, WATCH)
    return Made([path], [index], text, world().anchor, sealed)


def _is_cosigned(node: Node, size: int) -> bool:
    return node.witnessing.size == size


@cache
def crossed() -> Made:
    """Two nodes; the bulletin crossed, and its acknowledgement came back."""
    folder = Path(mkdtemp(dir=_MADE.name))
    files = [folder / "pa.db", folder / "us.db"]
    stores = iter(files)

    async def write() -> tuple[list[int], Envelope]:
        async with bordered(store=lambda: SqliteStore.open(next(stores))) as both:
            await both.settle()
            sealed = border().envelope(to=[WATCH])
            home = (await both.pa.post(sealed)).receipt.index
            await both.settle()
            there = await _found(both.us, home)
            await both.us.post(border().ack(sealed, WATCH), WATCH)
            await both.settle()
        return [home, there], sealed

    places, sealed = asyncio.run(write())
    text = opened(border(), sealed, WATCH)
    return Made(files, places, text, border().anchor, sealed)


async def _found(side: Side, home: int) -> int:
    for row in await side.node.store.read(0, 1000):
        came = entries.came_in(row.entry)
        if came is not None and came[0].index == home:
            return row.index
    raise AssertionError(home)


@cache
def of_suites() -> Made:
    """A node whose custodians and endpoints have keys of every suite."""
    path = Path(mkdtemp(dir=_MADE.name)) / "journal.db"

    async def write() -> tuple[int, Envelope]:
        made = mixed()
        options: dict[str, Any] = {
            "documents": made.documents,
            "store": SqliteStore.open(path),
            "signer": SoftwareSigner.of(made.node.of("sign")),
            "anchor": made.anchor,
            "log": log_signers("pa", made.node),
        }
        async with running(**options) as node:
            sealed = made.envelope(to=[WATCH])
            answer = await post(node, sealed)
            await post(node, made.ack(sealed, WATCH))
            await node.checkpoints.checkpoint()
        return answer.receipt.index, sealed

    index, sealed = asyncio.run(write())
    return Made([path], [index], opened(mixed(), sealed, WATCH), mixed().anchor, sealed)
