"""Two nations' nodes in this process, and the command line of the officers at both."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import re
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from click.testing import CliRunner

from exchange import resources
from exchange.cli import world
from exchange.cli.home import Home
from exchange.cli.main import cli
from exchange.custody import container, ring
from exchange.seal import trust_online
from tests.api.serving import serve
from tests.builders import NOW, OPS, WATCH, Randomness, border
from tests.cli.exercise import PASSPHRASE, Ran
from tests.client.dealing import profile
from tests.link.asking import DEEMED, agree
from tests.link.bordered import Border, bordered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from exchange.model.trust import Clock

_DIARY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[")
ASKER, ASKED = "pa.senan-ops", "us.jiatfs-watch"


class Desks(NamedTuple):
    """Both nodes, and a folder of contexts: who asks (of Panama), and who is asked."""

    both: Border
    folder: Path

    async def run(self, *words: str) -> Ran:
        """Run a command beside the nodes, which go on."""
        kept = {name: None for name in os.environ if name.startswith("EXCHANGE_")}
        env = {
            **kept,
            "EXCHANGE_PASSPHRASE": PASSPHRASE,
            "EXCHANGE_HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
        }
        done = await asyncio.to_thread(partial(CliRunner().invoke, cli, words, env=env))
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        # The nodes of this process tell of themselves at the same screen.
        lines = done.stdout.splitlines(keepends=True)
        said = "".join(line for line in lines if not _DIARY.match(line))
        return Ran(done.exit_code, said, done.stderr)

    async def at(self, context: str, *words: str) -> Ran:
        return await self.run("--context", context, *words)

    async def json(self, context: str, *words: str) -> Any:
        ran = await self.at(context, *words, "--json")
        assert ran.code == 0, ran
        return ran.json

    def draft(self, name: str, to: str, **changes: str) -> str:
        """A committed example, of this time and to this reader."""
        text = resources.read(f"v1/examples/{name}").decode()
        text = text.replace("[post]\n", f'[post]\nto = ["{to}"]\n', 1)
        text = text.replace("2026-11-25T18:10:00Z", at(NOW + 3600))
        for old, new in changes.items():
            text = text.replace(old, new)
        lines = [line for line in text.splitlines() if not line.startswith("observed")]
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)

    async def ask(self) -> Any:
        """Have who asks post a request, and both nodes tell of it."""
        words = ("post", self.draft("brq-1.es.toml", WATCH), "--yes")
        return await self.json(ASKER, *words)

    async def answer(self, identity: str) -> Any:
        """Have who is asked reply to it."""
        words = ("reply", identity, self.draft("brp-2.en.toml", OPS), "--yes")
        return await self.json(ASKED, *words)


def at(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@asynccontextmanager
async def desks(folder: Path, monkeypatch: Any, clock: Clock = DEEMED) -> AsyncIterator[Desks]:
    """Both nodes with a clock agreed on, and contexts; the commands go by the nodes' time."""
    async with (
        bordered() as both,
        serve(both.pa.node) as at_pa,
        serve(both.us.node) as at_us,
    ):
        monkeypatch.setattr(world, "clock_ms", both.clock)
        home, land = Home(folder / "home"), border()
        for endpoint, node, url in ((OPS, "pa", at_pa.url), (WATCH, "us", at_us.url)):
            drawn = Randomness(endpoint)
            whole = ring.with_storage(land.secrets[endpoint], drawn)
            made = profile(url, endpoint, node=node, anchor=land.anchor)
            home.add(endpoint.replace("/", "-"), made, container.seal(whole, PASSPHRASE, drawn))
        await agree(both, clock)
        us = both.us.node
        await both.us.post(trust_online.make("us", us.view, us.settings.signer, NOW), "")
        await both.settle()
        yield Desks(both, folder)
