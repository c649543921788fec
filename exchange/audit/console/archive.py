"""Mirrors and their index, as pages read them: from one thread, and never written."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from exchange.audit import anomalies
from exchange.audit.console import replaying, standing
from exchange.audit.console.history import History
from exchange.audit.index import Index
from exchange.audit.suspicions import settings_of
from exchange.errors import Code, Refusal
from exchange.journal.bundle import TlogProof
from exchange.journal.proofs import inclusion_proof
from exchange.journal.stored import leaf_of
from exchange.model.codec import unb64
from exchange.web.ladder import Ladder, climb

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from exchange.audit.anomalies import Told
    from exchange.audit.console.history import Took
    from exchange.audit.console.replaying import WhatIf
    from exchange.audit.console.source import Source
    from exchange.audit.console.standing import Signed, Standing
    from exchange.audit.index import Journal
    from exchange.audit.rows import Row

T = TypeVar("T")


class Shown(NamedTuple):
    """One entry: its row, its bytes, and whether there is one after it."""

    row: Row
    raw: bytes
    leaf: str
    is_last: bool


class Proved(NamedTuple):
    """An entry's proof under the newest checkpoint, and that checkpoint as verified."""

    row: Row
    ladder: Ladder
    signed: Signed
    text: bytes


class Archive:
    """The index and the mirrors of the journals in it. Used by one thread."""

    def __init__(self, index: Index, sources: dict[str, Source]) -> None:
        """Read these; ``sources`` by their node."""
        self.index = index
        self.sources = sources
        self._histories = {node: History(source) for node, source in sources.items()}
        self._unusual: tuple[tuple[tuple[str, int], ...], list[Told]] | None = None
        self._replayed: dict[tuple[str, int], WhatIf] = {}

    def journals(self) -> list[Journal]:
        """Return the journals that are shown: those whose mirrors are open."""
        return [each for each in self.index.journals() if each.node in self.sources]

    def journal(self, node: str) -> Journal:
        """Return one.

        Raises:
            Refusal: ``not-found``.
        """
        for each in self.journals():
            if each.node == node:
                return each
        raise Refusal(Code.NOT_FOUND, "/node")

    def history(self, node: str) -> History:
        """Return what took effect in a journal so far."""
        journal = self.journal(node)
        self._histories[node].follow(self.index, journal)
        return self._histories[node]

    def standings(self) -> list[Standing]:
        """Return how each journal stands."""
        return [
            standing.of(self.index, each, self.sources[each.node], self.history(each.node).view)
            for each in self.journals()
        ]

    def entry(self, node: str, place: int) -> Shown:
        """Return an entry.

        Raises:
            Refusal: ``not-found``.
        """
        journal = self.journal(node)
        row = self.index.row(journal, place)
        stored = self.sources[node].read(place, 1)
        if row is None or not stored or stored[0].index != place:
            raise Refusal(Code.NOT_FOUND, "/index", found=place)
        raw = stored[0].entry
        leaf = leaf_of(raw).hex()
        return Shown(row, raw, leaf, place == journal.size - 1)

    def proof(self, node: str, place: int) -> Proved | None:
        """Return an entry's proof; None: no checkpoint is of it yet.

        Raises:
            Refusal: ``not-found``.
        """
        shown, journal, source = self.entry(node, place), self.journal(node), self.sources[node]
        found = standing.covering(self.index, journal, source, place)
        if found is None:
            return None
        at, note = found
        signed = standing.look(note, at, node, source, self.history(node).view)
        path = inclusion_proof(place, signed.size, standing.Tree(source))
        ladder = climb(place, signed.size, leaf_of(shown.raw), path, unb64(signed.root))
        text = TlogProof(place, tuple(path), note).encode()
        return Proved(shown.row, ladder, signed, text)

    def anomalies(self) -> list[Told]:
        """Return what is unusual; looked for again only where there are new entries."""
        sizes = tuple((each.node, each.size) for each in self.journals())
        if self._unusual is None or self._unusual[0] != sizes:
            nodes = [each.node for each in self.journals()]
            view = self.history(nodes[0]).view if nodes else None
            found = anomalies.find(self.index, settings_of(view), journals=nodes)
            self._unusual = sizes, found
        return self._unusual[1]

    def took(self, node: str, place: int) -> Took:
        """Return what took effect with an entry.

        Raises:
            Refusal: ``not-found``: nothing did.
        """
        for each in self.history(node).took:
            if each.entry == place:
                return each
        raise Refusal(Code.NOT_FOUND, "/index", found=place)

    def replay(self, node: str, place: int) -> WhatIf:
        """Judge the month before a change again; what came of it is remembered."""
        took = self.took(node, place)
        if (node, place) not in self._replayed:
            made = replaying.what_if(self.index, self.journal(node), self.sources[node], took)
            self._replayed[node, place] = made
        return self._replayed[node, place]


class Reading:
    """An archive that is read from one thread of its own."""

    def __init__(self) -> None:
        """Begin with nothing open."""
        self._pool = ThreadPoolExecutor(1, "reading")
        self._stack = ExitStack()
        self._archive: Archive | None = None

    async def open(self, at: Path, mirrors: dict[str, AbstractContextManager[Source]]) -> Self:
        """Open the index and the mirrors.

        Raises:
            Fault: one cannot be read.
        """

        def opening() -> Archive:
            index = self._stack.enter_context(Index.open(at, read_only=True))
            made = {node: self._stack.enter_context(source) for node, source in mirrors.items()}
            return Archive(index, made)

        self._archive = await self._run(opening)
        return self

    async def ask(self, question: Callable[[Archive], T]) -> T:
        """Return what a question to the archive is answered with."""
        archive = self._archive
        if archive is None:
            message = "nothing is open"
            raise RuntimeError(message)
        return await self._run(lambda: question(archive))

    async def close(self) -> None:
        """Close all of it."""
        await self._run(self._stack.close)
        self._pool.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)
