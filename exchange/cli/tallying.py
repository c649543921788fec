"""``watch --prove``: proves again and again that nothing is missing; each alarm is told once.

Of what our node owes, and of what the other nation's agencies addressed to us. It goes on
beside what arrives, over a connection of its own: nothing that arrives waits for a proof.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import click

from exchange import render
from exchange.cli import output, world
from exchange.cli.proving import of_home
from exchange.client.agency import Agency
from exchange.client.homes import MAX_AGE_S
from exchange.client.transport import is_away
from exchange.errors import Code, ExchangeError, Fault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from exchange.cli.main import Session
    from exchange.client.homes import Crossed
    from exchange.client.proving import Proven

# A node that is idle dates its checkpoint anew each minute: more often proves nothing more, and
# each time the whole inbox is counted.
EVERY_S: Final = 60.0


class Tally:
    """What was proved while one watches, and which alarms there were."""

    def __init__(self, session: Session, agency: Agency) -> None:
        """Begin with nothing proved; ``step`` proves."""
        self.exit_code = 0
        self._session = session
        self._now = agency.world.now
        # The same endpoint, which has fetched nothing yet: two fetch side by side, as two
        # commands do.
        self.agency = Agency(agency.profile, agency.keys, agency.world)
        self.first = asyncio.Event()
        self._told: set[tuple[str, ...]] = set()
        # Since when nothing could be proved, while nothing can.
        self._unproved_at: int | None = None

    async def step(self) -> None:
        """Prove once, and tell what was not told since it last held."""
        try:
            proven = await self.agency.prove()
        except ExchangeError as error:
            self._alarm(error)
        except Exception as error:  # noqa: BLE001  (who proves no more must not fall silent)
            self._alarm(Fault(Code.INTERNAL, found=type(error).__name__))
        else:
            self._unproved_at = None
            self._hold(proven)
        finally:
            self.first.set()
            self.agency.bodies.flush()

    def _alarm(self, error: ExchangeError) -> None:
        since = self._now() if self._unproved_at is None else self._unproved_at
        self._unproved_at = since
        # Away for a moment, or without a checkpoint yet, it is no alarm; for long, it is said.
        may_pass = is_away(error) or error.code in {Code.NOT_FOUND, Code.TOO_MANY}
        if may_pass and self._now() - since <= MAX_AGE_S:
            return
        name = str(error.facts.get("name", ""))
        if not self._is_new("alarm", error.code.value, error.at, name):
            return
        if error.code in output.ALARMS:
            self.exit_code = output.EXIT_TAMPERED
        if self._session.as_json:
            output.show_json({"kind": "alarm", "error": output.problem(error)})
        lang = self._session.lang
        word, text = "ALARMA" if lang == "es" else "ALARM", render.refusal_text
        click.echo(f"!!! {word} [{error.code.value} {error.at}] !!!", err=True)
        click.echo(text(error, lang, world.codes()), err=True)

    def _hold(self, proven: Proven) -> None:
        """Forget the alarms, for all is well; say of another node what is old, once."""
        self._told = {each for each in self._told if each[0] != "alarm"}
        for home in proven.homes:
            is_bad, key = home.is_stale or bool(home.trouble), ("old", home.node, home.trouble)
            if not is_bad:
                self._told = {each for each in self._told if each[:2] != key[:2]}
            elif self._is_new(*key):
                self._say(home)

    def _say(self, home: Crossed) -> None:
        spanish, english = of_home(home)
        if self._session.as_json:
            output.show_json({"kind": "old", "home": home})
        click.echo(spanish if self._session.lang == "es" else english, err=True)

    def _is_new(self, *key: str) -> bool:
        is_new = key not in self._told
        self._told.add(key)
        return is_new


@asynccontextmanager
async def tallying(session: Session, agency: Agency) -> AsyncGenerator[Tally, None]:
    """Prove at once, and then once a minute; at least once before it ends well."""
    tally = Tally(session, agency)
    async with tally.agency.transport:
        task = asyncio.create_task(_run(tally))
        try:
            yield tally
            await tally.first.wait()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _run(tally: Tally) -> None:
    while True:
        await tally.step()
        await tally.agency.world.pause(EVERY_S)
