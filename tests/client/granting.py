"""What grants are tried with: agencies on one node, and a bulletin between them."""

from __future__ import annotations

from tests.builders import (
    OPS,
    WATCH_DESK,
)
from tests.client.dealing import agency, draft


def line(url, tmp_path, endpoint=OPS, **changes):
    return agency(url, tmp_path / endpoint.replace("/", "-"), endpoint, **changes)


async def sent(url, tmp_path):
    """A bulletin from OPS to WATCH through the kit; its id."""
    async with line(url, tmp_path) as sender:
        prepared = await sender.prepare(draft())
        await sender.post(prepared)
        return prepared.header.id


async def granted(url, tmp_path, identity, endpoint=WATCH_DESK):
    async with line(url, tmp_path) as sender:
        return await sender.grant(await sender.prepare_grant(identity, endpoint))


async def read(url, tmp_path, endpoint=WATCH_DESK):
    async with line(url, tmp_path, endpoint) as reader:
        return await reader.everything()
