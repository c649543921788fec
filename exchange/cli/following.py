"""Nodes that are watched: mirrors that grow, the index over them, and what was said already."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

import click
import msgspec

from exchange import render
from exchange.audit.anomalies import every, sentence
from exchange.audit.forked import longest
from exchange.audit.index import Index
from exchange.audit.mirror import Desk, Mirror
from exchange.cli import output, world
from exchange.cli.journal_file import Blocking
from exchange.cli.keeping import keep_evidence
from exchange.cli.times import zulu_ms
from exchange.cli.unusual import anomaly_values, settings_at
from exchange.client.files import write_durably
from exchange.errors import Code, ExchangeError, Refusal
from exchange.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from exchange.audit.suspicions import Anomaly
    from exchange.cli.main import Session

# What was said is remembered as long as it is found; and so many that are not found any more.
_REMEMBERED = 20_000


class Watcher:
    """Looks at each node in turn, and says what it had not said before.

    ``is_tampered``: a node said otherwise than it did, or what it gave did not hold.
    ``missed``: who could not be followed at the last look, and why.
    """

    def __init__(
        self, session: Session, pairs: list[tuple[str, Path]], index_at: Path | None
    ) -> None:
        """Watch with these contexts into these mirrors."""
        first = pairs[0][1]
        self.is_tampered = False
        self.missed: dict[str, ExchangeError] = {}
        self._looked: set[str] = set()
        self._session, self._pairs = session, pairs
        self._index_at = index_at or first.with_name(f"{first.name}.index")
        self._said = Said(self._index_at.with_name(f"{self._index_at.name}.said"))
        self._mirrors: dict[str, Mirror] = {}

    async def run(self, every: int, times: int | None) -> None:
        """Look every so many seconds, until so many times."""
        looks = 0
        async with AsyncExitStack() as stack:
            while True:
                for context, file in self._pairs:
                    await self._advance(stack, context, file)
                # Apart from the event loop, which files would keep waiting.
                await asyncio.to_thread(self._tell)
                looks += 1
                if times is not None and looks >= times:
                    return
                await asyncio.sleep(every)

    async def _advance(self, stack: AsyncExitStack, context: str, file: Path) -> None:
        try:
            if context not in self._mirrors:
                await self._begin(stack, context, file)
            size, new = await self._mirrors[context].advance(_unheard)
        except ExchangeError as error:
            self.missed[context] = error
            self._alarm(context, error)
            return
        self.missed.pop(context, None)
        # That it is followed is said once, also of a node that has nothing new.
        is_first = context not in self._looked
        self._looked.add(context)
        if self._session.as_json:
            output.show_json({"context": context, "size": size, "new": new})
        elif new or is_first:
            self._session.say(
                f"{context}: {size} asientos, {new} de ellos nuevos, todos juzgados.",
                f"{context}: {size} entries, {new} of them new, all judged.",
            )

    async def _begin(self, stack: AsyncExitStack, context: str, file: Path) -> None:
        agency = await stack.enter_async_context(self._session.home.current(context).agency())
        # Nothing is put on disk for whoever turns out to have no session, or not the role.
        await agency.transport.get("/v1/journal", first=0, limit=1)
        file.parent.mkdir(parents=True, exist_ok=True)
        store = SqliteStore.open(file)
        stack.push_async_callback(store.close)
        anchor = agency.profile.anchor
        desk = Desk(world.now, partial(keep_evidence, file))
        self._mirrors[context] = await Mirror.take_up(
            agency.transport, store, anchor, desk, _unheard
        )

    def _alarm(self, context: str, error: ExchangeError) -> None:
        """Say what keeps a node from being followed; one that is away is looked for again."""
        # The rules refuse nothing that an honest node gives its auditor. That a file was not
        # its mirror to begin with says nothing of it; once it was followed, it does.
        is_slip = error.code is Code.MIRROR_MISMATCH and context not in self._looked
        is_ours = error.code in _OURS or is_slip
        is_alarm = isinstance(error, Refusal) and not is_ours
        self.is_tampered = self.is_tampered or is_alarm
        if self._session.as_json:
            output.show_json({"context": context, "error": output.problem(error)})
            return
        click.echo(f"{'!!!' if is_alarm else '...'} {context}", err=True)
        click.echo(render.refusal_text(error, self._session.lang, world.codes()), err=True)

    def _tell(self) -> None:
        """Say what is unusual and was not said yet; then remember that it was."""
        files = [file for _, file in self._pairs if file.exists()]
        if not files:
            return
        with Index.open(self._index_at) as index:
            with ExitStack() as stack:
                stores = [SqliteStore.follow(file, has_threads=False) for file in files]
                sources = [stack.enter_context(Blocking(each)) for each in stores]
                taken = longest(sources, partial(keep_evidence, files[0]))
                for place in taken.values():
                    index.fold(sources[place], _unheard)
                settings = settings_at(sources[-1])
            for each in self._said.unsaid(every(index, settings, (), tuple(taken))):
                self._show(each)

    def _show(self, each: Anomaly) -> None:
        if self._session.as_json:
            output.show_json({"anomaly": anomaly_values(each)})
            return
        said = sentence(each, self._session.lang)
        click.echo(f"{zulu_ms(each.at_ms)}  {each.rule}  {said}")
        sys.stdout.flush()


# Our own side is not let in: that says nothing of the journal.
_OURS = frozenset(
    {
        Code.MISSING_ROLE,
        Code.NO_TOKEN,
        Code.BAD_TOKEN,
        Code.BAD_SESSION,
        Code.UNKNOWN_ENDPOINT,
        Code.ENDPOINT_SUSPENDED,
        Code.TOO_MANY,
    }
)


def _unheard(*_: int) -> None:
    """Hear how far it is, and tell nobody: it is seldom far."""


def _name(each: Anomaly) -> str:
    """Return what tells a find from others; how long it lasts by now does not."""
    who = str(each.facts.get("endpoint", ""))
    raw = msgspec.json.encode([each.rule, each.journal, each.entries, who])
    return sha256(raw).hexdigest()[:24]


class Said:
    """What was said already, in a file, so that nothing is said twice by whoever goes on."""

    def __init__(self, path: Path) -> None:
        """Go on from what is in the file, if it is there."""
        self._path = path
        self._kept = path.read_text(encoding="ascii").split() if path.exists() else []

    def unsaid(self, found: Iterable[Anomaly]) -> Iterator[Anomaly]:
        """Yield, of all that is found now, what was not said; after the last, it was."""
        known, names = set(self._kept), dict[str, None]()
        for each in found:
            name = _name(each)
            if name not in known and name not in names:
                yield each
            names[name] = None
        kept = [*[each for each in self._kept if each not in names][-_REMEMBERED:], *names]
        if kept != self._kept:
            write_durably(self._path, "".join(f"{name}\n" for name in kept).encode())
            self._kept = kept
