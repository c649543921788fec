"""A node, a front that can lie, and a reader who proves and remembers."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from exchange.client.agency import Agency
from exchange.client.seen import SeenHead
from exchange.errors import Refusal
from tests.api.serving import Door, serving
from tests.builders import WATCH, world
from tests.client.dealing import Liar, agency, fronted
from tests.node.running import Clock, post

SKEW_S = world().arrangement.limits.skew_s


class Scene(NamedTuple):
    """A node, the liar before it, a reader who remembers, and the time of both."""

    door: Door
    liar: Liar
    line: Agency
    clock: Clock


@asynccontextmanager
async def scene(tmp_path, endpoint=WATCH, store=None, **options: Any):
    clock = options.pop("clock", None) or Clock()
    async with serving(store, clock=clock, **options) as door:
        liar = Liar(door)
        async with (
            fronted(liar.handle) as url,
            reader(url, tmp_path, clock, endpoint) as line,
        ):
            yield Scene(door, liar, line, clock)


def reader(url, tmp_path, clock, endpoint=WATCH):
    folder = tmp_path / endpoint.replace("/", "-")
    folder.mkdir(exist_ok=True)
    seen = SeenHead(folder / "head.json")
    return agency(url, folder, endpoint, clock=lambda: clock.ms, seen=seen)


async def sent(door, count=1, to=(WATCH,)):
    for _ in range(count):
        await post(door.node, world().envelope(to=list(to)))
    await door.node.checkpoints.checkpoint()


async def alarm(line, code, at):
    with pytest.raises(Refusal) as caught:
        await line.prove()
    assert (caught.value.code, caught.value.at) == (code, at)
    return caught.value
