"""An attachment on its way to a served node, for tests to do something to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from exchange.model import wire
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.store.quota import Allowance
from tests.builders import COAST, OPS, WATCH, Randomness, world

if TYPE_CHECKING:
    from tests.api.serving import Door, Said

DATA = Randomness("attached")(700_000)
BLOB = Blob(digest(DATA), len(DATA))
SMALL = Allowance(bytes=1_000_000, uploads=3, spare=0)


def where(blob: Blob = BLOB, offset: int | None = None) -> str:
    at = "" if offset is None else f"&offset={offset}"
    return f"/v1/uploads/{blob.digest}?size={blob.size}{at}"


async def send(
    door: Door, data: Any = DATA, offset: int = 0, by: str = OPS, blob: Blob = BLOB
) -> Said:
    return await door.ask("PATCH", where(blob, offset), by, data=data)


async def told(door: Door, blob: Blob = BLOB, by: str = OPS) -> tuple[int, bool]:
    said = msgspec.json.decode((await door.get(where(blob), by)).body, type=wire.Upload)
    assert (said.digest, said.size) == (blob.digest, blob.size)
    return said.offset, said.complete


async def accepted(door: Door, *blobs: Blob, to: tuple[str, ...] = (WATCH, COAST)) -> Said:
    return await door.post(world().envelope(attachments=list(blobs), to=sorted(to)).framed())
