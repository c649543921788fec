"""Agencies with files to attach, and a node that takes them, for tests to do something to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from exchange.client.reading import Delivered
from exchange.store.blob_files import BlobFiles
from exchange.store.quota import Allowance
from tests.api.serving import Door, serving
from tests.builders import NOW_MS, Randomness
from tests.client.dealing import agency, draft
from tests.node.running import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from exchange.client.agency import Agency

SPARED = Allowance(spare=0)


class Pauses:
    """Waits for nothing, and remembers for how long it should have."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@asynccontextmanager
async def endpoint(
    url: str, folder: Path, name: str = "pa.senan/ops"
) -> AsyncIterator[tuple[Agency, Pauses]]:
    made, pauses = agency(url, folder, name), Pauses()
    made.attachments._pause = pauses
    async with made:
        yield made, pauses


@asynccontextmanager
async def node(tmp_path: Path) -> AsyncIterator[Door]:
    async with serving(blobs=BlobFiles(tmp_path / "blobs", Clock(NOW_MS), SPARED)) as door:
        yield door


def a_file(folder: Path, name: str = "EJERCICIO foto.jpg", size: int = 900_000) -> Path:
    path = folder / name
    path.write_bytes(Randomness(name)(size))
    return path


async def received(reader: Agency) -> Delivered:
    (item,) = [each for each in await reader.everything() if isinstance(each, Delivered)]
    assert item.bulletin is not None, item.locked
    return item


def url_of(port: int) -> str:
    return f"https://127.0.0.1:{port}"


async def posted(door: Door, tmp_path: Path, *files: Path) -> None:
    async with endpoint(door.url, tmp_path / "out") as (poster, _):
        await poster.post(await poster.prepare(draft(), attach=files))
