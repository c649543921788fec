"""What goes on behind the pages: mirrors folded into the index, verified, and followed."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from exchange.audit.forked import longest
from exchange.audit.index import Index
from exchange.audit.verify import Verifier
from exchange.errors import Code, ExchangeError, Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from contextlib import AbstractContextManager

    from exchange.audit.checks import Report
    from exchange.audit.console.source import Source
    from exchange.audit.forked import Keep
    from exchange.audit.index import Folded
    from exchange.web.live import Live

    Opened = Callable[[Path], AbstractContextManager[Source]]
    Told = Callable[[int, int], None]

T = TypeVar("T")

# Between two looks at a node; a checkpoint is signed anew every minute at the latest.
PAUSE_S: Final = 10.0


class Setup(NamedTuple):
    """What a console works on, as the composition root picked it.

    Attributes:
        mirrors: files, of one or both nodes.
        index_at: where their index is.
        opened: opens a file as it grows.
        at_one_moment: opens one as it is now, and stays.
        anchor: digest of the first root, if the auditor brought one.
        is_mirror: the files are mirrors, and no nodes' own.
        follow: each copies what is new of a node; empty: files are as they are.
        clock: seconds UTC.
        keep: keeps what convicts a node, by its kind, and returns where.
    """

    mirrors: Sequence[Path]
    index_at: Path
    opened: Opened
    at_one_moment: Opened
    anchor: str | None
    is_mirror: bool
    follow: Sequence[Callable[[], Awaitable[object]]]
    clock: Callable[[], int]
    keep: Keep


class Checked:
    """How far a verification is, and what came of it."""

    def __init__(self) -> None:
        """Begin."""
        self.done = 0
        self.of = 0
        self.is_running = False
        self.report: Report | None = None
        self.error: ExchangeError | None = None
        self.at = 0


class Background:
    """One thread that folds and verifies, and a task that follows nodes."""

    def __init__(self, setup: Setup) -> None:
        """Work on these."""
        self._setup = setup
        self._pool = ThreadPoolExecutor(1, "background")
        self._tasks: set[asyncio.Task[None]] = set()
        self._verifying: set[asyncio.Task[None]] = set()
        self._following: asyncio.Task[None] | None = None
        # The index that was folded into: of what does not hold, one that is thrown away.
        self.index_at = setup.index_at
        self._aside: TemporaryDirectory[str] | None = None
        self.nodes: dict[str, Path] = {}
        self.checked: dict[str, Checked] = {}
        # What kept the newest look at a node from succeeding; empty: nothing.
        self.trouble: ExchangeError | None = None

    @property
    def is_following(self) -> bool:
        """Whether nodes are followed, and ages are of now."""
        return bool(self._setup.follow)

    async def fold(self, told: Told) -> list[Folded]:
        """Fold what is new of every mirror into the index.

        A mirror whose tree is not of its entries is shown, with the alarm that it is: at the
        first time all are folded into an index that lasts as long as this.

        Raises:
            Fault: a file cannot be read, or the index not be written.
            Refusal: a file is no journal; or, an alarm, one is of another past of its node
                than another file, or than what the index holds.
        """
        try:
            folded = await self._run(partial(self._fold, told))
        except Refusal as refusal:
            if refusal.code is not Code.MIRROR_MISMATCH or self.checked or self._aside:
                raise
            self._aside = TemporaryDirectory()
            self.index_at = Path(self._aside.name) / self.index_at.name
            folded = await self._run(partial(self._fold, told))
        for each in folded:
            self.checked.setdefault(each.node, Checked())
        return folded

    def _fold(self, told: Told) -> list[Folded]:
        setup, found = self._setup, []
        with Index.open(self.index_at) as index, ExitStack() as stack:
            sources = {
                mirror: stack.enter_context(setup.opened(mirror)) for mirror in setup.mirrors
            }
            several = list(sources.values())
            for node, place in longest(several, setup.keep).items():
                # What is read besides the index stays the mirror that was taken first.
                mirror = self.nodes.setdefault(node, setup.mirrors[place])
                is_held = self._aside is None
                found.append(index.fold(sources[mirror], told, is_held=is_held))
        return found

    def start(self, live: Live) -> None:
        """Verify every mirror; follow nodes, where there are any to follow."""
        for node in self.nodes:
            self.verify(node, live)
        if self._setup.follow:
            self._following = self._spawn(self._follow(live))

    def verify(self, node: str, live: Live) -> None:
        """Verify a mirror again, unless that is going on."""
        checked = self.checked[node]
        if not checked.is_running:
            checked.is_running, checked.done = True, 0
            self._verifying &= self._tasks
            self._verifying.add(self._spawn(self._verify(node, checked, live)))

    async def settled(self) -> None:
        """Return when no verification goes on."""
        while running := self._verifying & self._tasks:
            await asyncio.wait(running)

    async def close(self) -> None:
        """End what goes on; a verification that runs is waited for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown(cancel_futures=True)
        if self._aside is not None:
            self._aside.cleanup()

    async def _verify(self, node: str, checked: Checked, live: Live) -> None:
        def told(done: int) -> None:
            checked.done = done

        def work() -> Report:
            with self._setup.at_one_moment(self.nodes[node]) as source:
                checked.of = source.size()
                setup = self._setup
                return Verifier(source, setup.anchor, told, is_mirror=setup.is_mirror).run()

        try:
            checked.report, checked.error = await self._run(work), None
        except ExchangeError as error:
            checked.report, checked.error = None, error
        finally:
            checked.is_running, checked.at = False, self._setup.clock()
        live.publish()

    async def _follow(self, live: Live) -> None:
        while True:
            await asyncio.sleep(PAUSE_S)
            new = 0
            try:
                for more in self._setup.follow:
                    await more()
                new = sum(each.new for each in await self.fold(lambda *_: None))
                self.trouble = None
            except ExchangeError as error:
                self.trouble = error
            live.publish(is_news=new > 0)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)
