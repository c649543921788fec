"""Two nodes' journals, in files, with a bit of everything: what an auditor of both looks at."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from exchange.cli.journal_file import opened
from exchange.store.sqlite import SqliteStore
from tests.builders import (
    COAST,
    DESK,
    WATCH,
    WATCH_DESK,
    border,
    decoded,
    refers,
    suspended,
)
from tests.link.bordered import bordered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.link.bordered import Border


class Traded(NamedTuple):
    """The files, and the ids of the bulletins by what became of them."""

    pa: Path
    us: Path
    ids: dict[str, str]

    @property
    def files(self) -> tuple[Path, Path]:
        return self.pa, self.us


def written(folder: Path, play: Callable[[Border, dict[str, str]], Awaitable[None]]) -> Traded:
    """What two nodes in this process write while ``play`` posts to them, as files."""
    files = iter((folder / "pa.db", folder / "us.db"))
    ids: dict[str, str] = {}

    async def run() -> None:
        async with bordered(store=lambda: SqliteStore.open(next(files))) as both:
            await both.settle()
            await play(both, ids)
            await both.settle()

    asyncio.run(run())
    return Traded(folder / "pa.db", folder / "us.db", ids)


async def everything(both: Border, ids: dict[str, str]) -> None:
    """Domestic, crossed, opened, granted, corrected, cancelled, refused here and abroad."""
    land = border()
    crossed, domestic = land.closed(to=[WATCH], precedence="flash"), land.closed(to=[DESK])
    for name, closed in (("crossed", crossed), ("domestic", domestic)):
        assert (await both.pa.post(closed.envelope)).refusal is None
        ids[name] = closed.header.id
    await both.settle()
    both.clock.ms += 60_000
    acked = land.ack(crossed.envelope, WATCH, at=both.clock.ms // 1000)
    assert (await both.us.post(acked, WATCH)).refusal is None
    assert (await both.pa.post(land.grant(crossed, WATCH_DESK))).refusal is None
    amending = (("correct", "corrects", "cor"), ("cancel", "cancels", "can"))
    for verb, rel, kind in amending:
        both.clock.ms += 60_000
        by = land.envelope(to=[WATCH], type=kind, verb=verb, refs=refers(rel, crossed.envelope))
        assert (await both.pa.post(by)).refusal is None
        ids[verb] = decoded(by.header).id
    refused = land.envelope(to=[WATCH], feed="nowhere")
    assert (await both.pa.post(refused)).refusal is not None
    # Suspended here before its home hears of it.
    await both.us.post(land.amended(COAST, suspended), "")
    abroad = land.envelope(to=[COAST])
    assert (await both.pa.post(abroad)).refusal is None
    ids["abroad"] = decoded(abroad.header).id


def size_of(file: Path) -> int:
    with opened(file) as source:
        return source.size()
