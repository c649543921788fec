"""What four eyes are tried with: a node whose arrangement asks for a release of TLP:RED."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from exchange.client.reading import Delivered, Drafted
from exchange.model.header import Marking
from exchange.store.blob_files import BlobFiles
from tests.api.serving import serving
from tests.builders import DESK, MINSA, NOW_MS, OPS, releaser, world
from tests.client.attached import SPARED
from tests.client.dealing import agency, draft
from tests.node.running import Clock, post

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from exchange.client.agency import Agency
    from exchange.client.releasing import Queued
    from exchange.model.draft import Draft
    from tests.api.serving import Door

MARK = "M" * 43


@asynccontextmanager
async def guarded(tmp_path: Path, clock: Clock | None = None) -> AsyncIterator[Door]:
    """A node where what is TLP:RED needs a release, and a desk of the author's may give it."""
    clock = clock or Clock(NOW_MS)
    blobs = BlobFiles(tmp_path / "blobs", clock, SPARED)
    async with serving(blobs=blobs, clock=clock) as door:
        await post(door.node, world().rearranged(four_eyes=["tlp:red"]), MINSA)
        await post(door.node, world().amended(DESK, releaser), MINSA)
        yield door


def line(door: Door, tmp_path: Path, endpoint: str = OPS, **changes: Any) -> Agency:
    folder = tmp_path / endpoint.replace("/", "-")
    return agency(door.url, folder, endpoint, **changes)


def red() -> Draft:
    """The committed example, marked TLP:RED."""
    free = draft()
    marking = Marking("red", ["PAN", "USA"], [], originator_control=False)
    return msgspec.structs.replace(
        free, post=msgspec.structs.replace(free.post, marking=marking)
    )


async def asked(door: Door, tmp_path: Path, officer: str | None = None) -> Any:
    """An author asks for a release; what waits at its machine."""
    async with line(door, tmp_path) as author:
        prepared = await author.prepare(red())
        return await author.asking.ask(prepared, MARK, lambda *_: None, officer)


async def queue(door: Door, tmp_path: Path, endpoint: str = OPS) -> list[Queued]:
    async with line(door, tmp_path, endpoint) as one:
        return one.releasing.queue(await one.everything())


async def state(door: Door, tmp_path: Path, endpoint: str = OPS) -> str:
    (found,) = await queue(door, tmp_path, endpoint)
    return found.state


async def to_release(desk: Agency) -> Drafted:
    (item,) = [
        each
        for each in await desk.everything()
        if isinstance(each, Drafted) and each.draft.step == "asked"
    ]
    return item


async def approved(door: Door, tmp_path: Path, officer: str | None = None) -> Any:
    async with line(door, tmp_path, DESK) as desk:
        return await desk.releasing.approve(await to_release(desk), officer)


async def taken_up(door: Door, tmp_path: Path) -> list[Any]:
    """The author's machine looks, and posts what was released."""
    async with line(door, tmp_path) as author:
        return await author.resume()


async def bulletins(door: Door, tmp_path: Path, endpoint: str) -> list[Delivered]:
    async with line(door, tmp_path, endpoint) as reader:
        return [each for each in await reader.everything() if isinstance(each, Delivered)]
