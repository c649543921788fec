"""What a grant opens at the interface, to its recipient alone: bulletin and wrapped key."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest

from exchange.model import entry as entries
from tests.api.serving import serving
from tests.builders import COAST, DESK, MINSA, OPS, WATCH, WATCH_DESK, world
from tests.node.running import post


def poster(endpoint):
    return msgspec.structs.replace(endpoint, roles=["poster", "reader"])


@asynccontextmanager
async def granted():
    """A bulletin to two that a colleague of its author granted to a third."""
    async with serving() as door:
        await post(door.node, world().amended(DESK, poster), MINSA)
        other = world().closed(to=[WATCH])
        await post(door.node, other.envelope)
        closed = world().closed()
        grant = world().grant(closed, WATCH_DESK, DESK)
        bulletin = (await post(door.node, closed.envelope)).receipt.index
        index = (await post(door.node, grant)).receipt.index
        yield door, (other, closed, grant), (bulletin, index)


def blob(of, index):
    from exchange.model.identity import digest  # noqa: PLC0415

    return f"/v1/blobs/{digest(of)}?index={index}"


async def test_recipient_gets_entry_body_and_wrap_byte_for_byte():
    async with granted() as (door, (_, closed, grant), (bulletin, index)):
        said = await door.get(f"/v1/granted?index={index}", WATCH_DESK)
        assert said.status == 200
        assert said.json["index"] == bulletin
        assert entries.decode(said.json["entry"].encode()).object == closed.envelope.header
        for part in (closed.envelope.body, grant.body):
            assert (await door.get(blob(part, index), WATCH_DESK)).body == part


@pytest.mark.parametrize("endpoint", [OPS, WATCH, COAST, DESK, MINSA])
async def test_nobody_else_gets_anything_by_it(endpoint):
    async with granted() as (door, (_, closed, grant), (_, index)):
        for path in (
            f"/v1/granted?index={index}",
            blob(closed.envelope.body, index),
            blob(grant.body, index),
        ):
            assert (await door.get(path, endpoint)).code == "not-found"


async def test_grant_opens_its_own_bulletin_and_no_other():
    async with granted() as (door, (other, closed, grant), (bulletin, index)):
        for path in (
            blob(other.envelope.body, index),
            # Not by the bulletin's own entry, which is owed to others.
            blob(closed.envelope.body, bulletin),
            blob(grant.body, bulletin),
            f"/v1/granted?index={bulletin}",
            f"/v1/granted?index={index - 1}",
            f"/v1/granted?index={index + 1}",
        ):
            assert (await door.get(path, WATCH_DESK)).code == "not-found"


@pytest.mark.parametrize("query", ["", "?index=-1", "?index=x"])
async def test_index_that_is_none_is_told_so(query):
    async with granted() as (door, _, _):
        code = (await door.get(f"/v1/granted{query}", WATCH_DESK)).code
        assert code == ("bad-request" if query else "not-found")
