"""A nation's node, whole: its writer, its readers, its sessions and its checkpoints."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog

from exchange.errors import ExchangeError, Fault, Refusal
from exchange.model import entry as entries
from exchange.node.checkpoints import Checkpointer, origin_of
from exchange.node.inboxes import Inboxes
from exchange.node.opening import Log, open_writer
from exchange.node.sessions import Sessions
from exchange.node.writer import Answer, Settings, Writer

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from exchange.broker.settle import Ledger
    from exchange.journal.checkpoint import Signer
    from exchange.model.entry import Facts
    from exchange.node.ports import Store


_log = structlog.get_logger("exchange.node")


class Identity(msgspec.Struct, frozen=True):
    """What makes a node this node: the anchor it trusts, its log keys and its session key."""

    anchor: str
    log: Sequence[Signer]
    session_key: bytes


class _Waiting:
    """A reply that a coroutine waits for."""

    def __init__(self) -> None:
        self._future: asyncio.Future[Answer | Fault] = (
            asyncio.get_running_loop().create_future()
        )

    def __call__(self, answer: Answer | Fault) -> None:
        # A poster that hung up has cancelled this; what was recorded stays recorded.
        if not self._future.done():
            self._future.set_result(answer)

    async def answer(self) -> Answer:
        answer = await self._future
        if isinstance(answer, Fault):
            # One fault answers many: raised again and again, its traceback would grow for ever.
            raise Fault(answer.code, answer.at, **answer.facts)
        return answer


class Node:
    """Open it, use its parts, close it. ``writer.submit`` is the one door in."""

    def __init__(
        self, store: Store, settings: Settings, identity: Identity, writer: Writer
    ) -> None:
        """Put the parts together; ``open`` is how a node begins."""
        self.name = settings.node
        self.store = store
        self.writer = writer
        self.clock_ms = settings.clock_ms
        self.sessions = Sessions(settings.node, identity.session_key, settings.randomness)
        self.inboxes = Inboxes(store)
        self.checkpoints = Checkpointer(
            store, writer, origin_of(settings.node), identity.log, settings.clock_ms
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closing = False

    @classmethod
    async def open(
        cls, store: Store, settings: Settings, identity: Identity, checkpoint_s: float
    ) -> Node:
        """Open the journal, take over as its writer, and begin to checkpoint.

        Args:
            store: holds the journal; closed with the node, or here if it cannot be opened.
            settings: name, keys, clock and randomness.
            identity: anchor, log keys and session key.
            checkpoint_s: seconds between two checkpoints; 0 makes none by itself.

        Raises:
            Fault: the journal cannot be trusted or written; nothing is served.
        """
        try:
            keys = [signer.key for signer in identity.log]
            log = Log(origin_of(settings.node), keys)
            writer = await open_writer(store, settings, identity.anchor, log)
            node = cls(store, settings, identity, writer)
            await node._begin(checkpoint_s)
        except BaseException:
            await store.close()
            raise
        return node

    async def _begin(self, checkpoint_s: float) -> None:
        self.writer.follow(self.inboxes.ring)
        await self.checkpoints.resume()
        self._start("writer", self.writer.run())
        try:
            await self.writer.note(self._epoch_opened)
        except BaseException:
            await self._stop()
            raise
        if checkpoint_s > 0:
            self._start("checkpoints", self.checkpoints.run(checkpoint_s))

    @property
    def is_ready(self) -> bool:
        """Whether the node takes bulletins: it can write, signs checkpoints, and has trust."""
        return (
            self.writer.fault is None
            and self.checkpoints.is_sound
            and self.writer.view.arrangement is not None
            and all(not task.done() for task in self._tasks)
        )

    def now(self) -> int:
        """Return the time in seconds UTC."""
        return self.clock_ms() // 1000

    async def submit(self, caller: str, raw: bytes, body: bytes) -> Answer:
        """Take one object in and wait for its answer.

        Raises:
            Fault: nothing was recorded, or it is not known whether it was.
        """
        waiting = _Waiting()
        self.writer.submit(caller, raw, body, waiting)
        return await waiting.answer()

    async def submit_all(
        self, caller: str, pairs: Sequence[tuple[bytes, bytes]]
    ) -> list[Answer | Fault]:
        """Take many objects in, each with its body; return their answers, in order.

        A ``Fault`` in place of an answer says of that one alone: not recorded, or not known.
        """
        answers: dict[int, Answer | Fault] = {}
        done = asyncio.Event()

        def replied(place: int, answer: Answer | Fault) -> None:
            answers[place] = answer
            if len(answers) == len(pairs):
                done.set()

        for place, (raw, body) in enumerate(pairs):
            self.writer.submit(caller, raw, body, partial(replied, place))
        await done.wait()
        return [answers[place] for place in range(len(pairs))]

    async def refuse(self, caller: str, raw: bytes, refusal: Refusal) -> Answer:
        """Record a refusal made before the request could be taken apart.

        Raises:
            Fault: it could not be recorded.
        """
        waiting = _Waiting()
        self.writer.refuse(caller, raw, refusal, waiting)
        return await waiting.answer()

    async def close(self) -> None:
        """Stop writing, answer whoever still waits with a fault, and release the store."""
        try:
            await self._stop()
        finally:
            await self.store.close()

    async def _stop(self) -> None:
        self._is_closing = True
        for task in reversed(self._tasks):
            task.cancel()
            # What a task ended with stands in the diary (``_ended``).
            with suppress(asyncio.CancelledError, Exception):
                await task

    def _start(self, part: str, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=part)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Raise the alarm: a part of a node ends only when the node is closed."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ExchangeError):
            _log.critical("stopped", part=task.get_name(), code=error.code.value)
        elif error is not None:
            _log.critical("stopped", part=task.get_name(), error=type(error).__name__)
        elif not self._is_closing:
            fault = self.writer.fault
            code = fault.code.value if fault else None
            _log.critical("stopped", part=task.get_name(), code=code)

    def _epoch_opened(self, ledger: Ledger) -> Facts:
        return entries.EpochOpened(
            node=self.name,
            epoch=self.writer.epoch,
            salt=ledger.salt(),
            taken_ms=ledger.taken_ms,
            view=ledger.view,
        )
