"""Where arrivals are considered: in threads of this process, or in processes of their own.

Two signature checks take three quarters of what a bulletin costs and release the interpreter
lock, yet each must win it back from a busy event loop, twice. In threads that cost another
200 to 350 us a bulletin on two cores (see docs/bench.md); a process each has no lock to share.
It is given no key, no journal and no environment, while it takes strangers' bytes apart; it
runs as the same user, though, so this bounds accidents and not an intruder.

A worker process has one socket to the node and nothing else. It ends when the node does,
however that ended: a socket whose other end is gone says so.
"""

from __future__ import annotations

import asyncio
import gc
import pickle
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import structlog

from exchange.broker.intake import (
    Admitted,
    Arrival,
    Attested,
    Considered,
    Declined,
    Read,
    consider,
    judge,
    read,
)
from exchange.errors import Code, Fault, Refusal
from exchange.model.header import Header
from exchange.model.objects import Acknowledgement
from exchange.seal.body import Seen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from exchange.model.view import View

# A micro-batch of the largest objects may wait in the kernel instead of in this process.
_BUFFER_BYTES = 1024 * 1024
_LENGTH_BYTES = 4
_STOP_S = 5.0

_log = structlog.get_logger("exchange.node")


class Considering(Protocol):
    """Considers arrivals, away from the event loop."""

    @property
    def ways(self) -> int:
        """How many lists of arrivals are worked on at the same time."""

    def consider(
        self, arrivals: Sequence[Arrival], view: View
    ) -> asyncio.Future[list[Considered | None]]:
        """Return what is concluded of each, in order; None of one that broke our program.

        Called in the event loop, with a list that may be empty. The future never fails but
        with a ``Fault``: nothing was concluded of any.
        """


class Threads:
    """Considers in threads: for one core, for tests, and for what a worker process may not."""

    def __init__(self, executor: Executor | None, ways: int = 2) -> None:
        """Use an executor that lives longer than this; None is the event loop's own."""
        self.ways = ways
        self._executor = executor

    def consider(
        self, arrivals: Sequence[Arrival], view: View
    ) -> asyncio.Future[list[Considered | None]]:
        """See ``Considering``."""
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._executor, _all, arrivals, view)


def _all(arrivals: Sequence[Arrival], view: View) -> list[Considered | None]:
    return [_one(each, view) for each in arrivals]


def _one(arrival: Arrival, view: View) -> Considered | None:
    try:
        return consider(arrival, view)
    except Exception as error:  # noqa: BLE001  (one arrival must not take others with it)
        broken("consider", error)
        return None


def broken(where: str, error: Exception) -> Fault:
    """Tell the diary of a defect of ours, and return what its victim is told."""
    # The type and the place, never the message: it may quote what was posted.
    _log.error("broken", where=where, error=type(error).__name__)
    return Fault(Code.INTERNAL)


# -- between the processes: a length, then msgpack --------------------------------------------
#
# What a worker says is decoded into these types and nothing else: it is never unpickled, so a
# worker that strangers' bytes took over can lie about decisions, and do no more than that.


class _Sight(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """From the node: the view under which all that follows is to be considered."""

    pickled: bytes


class _Task(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """From the node: arrivals."""

    arrivals: list[Arrival]


# How long a worker may be at what it was given before it counts as hung and is replaced. A full
# queue of the costliest objects takes two seconds on the slowest machine we know.
_DEADLINE_S = 30.0


class _Admitted(msgspec.Struct, frozen=True, array_like=True, tag=0):
    header: Header
    digest: str
    seen: Seen
    owed: tuple[str, ...]
    late: bool


class _Attested(msgspec.Struct, frozen=True, array_like=True, tag=1):
    ack: Acknowledgement
    digest: str


class _Declined(msgspec.Struct, frozen=True, array_like=True, tag=2):
    code: Code
    at: str
    facts: dict[str, str | int]
    digest: str
    size: int


class _Yours(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Rare, or broken: the node may consider this one itself."""


_Said = _Admitted | _Attested | _Declined | _Yours
_ENCODER = msgspec.msgpack.Encoder()
_ASKED: msgspec.msgpack.Decoder[_Sight | _Task] = msgspec.msgpack.Decoder(_Sight | _Task)
_ANSWERED: msgspec.msgpack.Decoder[list[_Said]] = msgspec.msgpack.Decoder(list[_Said])


def _frame(message: object) -> bytearray:
    frame = bytearray(_LENGTH_BYTES)
    _ENCODER.encode_into(message, frame, _LENGTH_BYTES)
    frame[:_LENGTH_BYTES] = (len(frame) - _LENGTH_BYTES).to_bytes(_LENGTH_BYTES)
    return frame


def _framed(said: list[_Said]) -> bytearray:
    try:
        return _frame(said)
    except (OverflowError, ValueError, TypeError):
        # Something in a decision has no spelling: the node considers all of these itself.
        return _frame([_Yours() for _ in said])


def _read(arrival: Arrival) -> Read | Refusal | None:
    try:
        return read(arrival)
    except Exception:  # noqa: BLE001  (a defect of ours: where it can be told, it will be)
        return None


def _said(arrival: Arrival, found: Read | Refusal | None, view: View) -> _Said:
    if found is None:
        return _Yours()
    try:
        match judge(arrival, found, view).decision:
            case Admitted() as admitted:
                return _Admitted(*admitted)
            case Attested() as attested:
                return _Attested(*attested)
            case Declined(refusal, digest, size):
                return _Declined(refusal.code, refusal.at, refusal.facts, digest, size)
            case _:
                return _Yours()
    except Exception:  # noqa: BLE001
        return _Yours()


def _meant(said: _Said, arrival: Arrival, view: View) -> Considered | None:
    match said:
        case _Admitted(header, digest, seen, owed, late):
            # What it says must at least be of what it was given.
            if owed != tuple(header.to):
                return _one(arrival, view)
            decision = Admitted(header, digest, seen, owed, late)
            return Considered(decision, view.index, arrival.taken_ms)
        case _Attested(ack, digest):
            return Considered(Attested(ack, digest), view.index, arrival.taken_ms)
        case _Declined(code, at, facts, digest, size):
            declined = Declined(Refusal(code, at, **facts), digest, size)
            return Considered(declined, view.index, arrival.taken_ms)
        case _Yours():
            return _one(arrival, view)


# -- in a worker process ---------------------------------------------------------------------


def work(descriptor: int) -> None:
    """Consider what comes until the node hangs up; the whole life of a worker process."""
    # Decisions hold no cycles; what is loaded by now stays.
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)
    view: View | None = None
    with socket.socket(fileno=descriptor) as node, node.makefile("rb") as asked:
        while len(length := asked.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
            match _ASKED.decode(asked.read(int.from_bytes(length))):
                case _Sight(pickled):
                    # The node's own memory: it is the one that must trust us least.
                    view = pickle.loads(pickled)  # noqa: S301
                case _Task(arrivals):
                    assert view is not None  # noqa: S101  (sent before the first task)
                    found = [_read(each) for each in arrivals]
                    said = [_said(*each, view) for each in zip(arrivals, found, strict=True)]
                    node.sendall(_framed(said))


_PROGRAM = (
    "import sys; sys.path[:0] = sys.argv[2:];"
    "from exchange.node.considering import work; work(int(sys.argv[1]))"
)


def _future() -> asyncio.Future[list[Considered | None]]:
    return asyncio.get_running_loop().create_future()


# -- in the node -----------------------------------------------------------------------------


class _Awaited:
    """A list of arrivals that a worker is at, and who waits for it."""

    def __init__(self, arrivals: Sequence[Arrival], view: View) -> None:
        self.arrivals = arrivals
        self.view = view
        self.done: asyncio.Future[list[Considered | None]] = _future()

    def answer(self, said: list[_Said]) -> None:
        if self.done.done():
            return
        if len(said) != len(self.arrivals):
            self.done.set_exception(Fault(Code.UNAVAILABLE, found="worker"))
            return
        pairs = zip(said, self.arrivals, strict=True)
        try:
            self.done.set_result([_meant(each, arrival, self.view) for each, arrival in pairs])
        except Exception as error:  # noqa: BLE001  (a worker that talks nonsense; all must hear)
            self.done.set_exception(broken("worker", error))


class _Worker(asyncio.Protocol):
    """One worker process, as the node sees it."""

    def __init__(self) -> None:
        self.awaited: deque[_Awaited] = deque()
        self.is_gone = False
        self._view: View | None = None
        self._come = bytearray()
        self._transport: Any = None
        here, there = socket.socketpair()
        for end in (here, there):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        with there:
            self.process = subprocess.Popen(  # noqa: S603  (this program)
                [sys.executable, "-I", "-c", _PROGRAM, str(there.fileno()), *sys.path],
                pass_fds=[there.fileno()],
                # Nothing of ours: a passphrase may stand in the node's own environment.
                env={},
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the node, which then hangs up
            )
        self._socket = here

    async def connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, sock=self._socket)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def ask(self, awaited: _Awaited) -> None:
        if awaited.view is not self._view:
            self._transport.write(_frame(_Sight(pickle.dumps(awaited.view))))
            self._view = awaited.view
        self.awaited.append(awaited)
        self._transport.write(_frame(_Task(list(awaited.arrivals))))
        late = asyncio.get_running_loop().call_later(_DEADLINE_S, self._hung, awaited)
        awaited.done.add_done_callback(lambda _: late.cancel())

    def _hung(self, awaited: _Awaited) -> None:
        """End a worker that does not answer: who waits for it is told, and it is replaced."""
        if not awaited.done.done():
            self.process.kill()

    def data_received(self, data: bytes) -> None:
        self._come += data
        while len(self._come) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._come[:_LENGTH_BYTES])
            if len(self._come) < end:
                return
            try:
                said = _ANSWERED.decode(memoryview(self._come)[_LENGTH_BYTES:end])
            except msgspec.MsgspecError:
                self._transport.abort()
                return
            del self._come[:end]
            self.awaited.popleft().answer(said)

    def connection_lost(self, _: Exception | None) -> None:
        self.is_gone = True
        while self.awaited:
            waiting = self.awaited.popleft().done
            if not waiting.done():
                waiting.set_exception(Fault(Code.UNAVAILABLE, found="worker"))

    async def close(self) -> None:
        """Hang up, and see the process out."""
        # In the loop's own thread: uvloop's transports do not bear to be touched from another.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._transport is not None:
            self._transport.abort()
        self._socket.close()
        await asyncio.to_thread(self._see_out)

    def _see_out(self) -> None:
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Processes:
    """Considers in as many processes as asked for. A process that dies is replaced."""

    def __init__(self, ways: int) -> None:
        """Prepare; ``start`` starts them."""
        self.ways = ways
        self._workers: list[_Worker] = []
        self._replacing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start every process, all at once."""
        self._workers = [_Worker() for _ in range(self.ways)]
        for worker in self._workers:
            await worker.connect()

    def consider(
        self, arrivals: Sequence[Arrival], view: View
    ) -> asyncio.Future[list[Considered | None]]:
        """See ``Considering``."""
        awaited = _Awaited(arrivals, view)
        if not arrivals:
            awaited.done.set_result([])
            return awaited.done
        fit = [each for each in self._workers if not each.is_gone]
        if len(fit) < self.ways:
            self._replace()
        if not fit:
            awaited.done.set_exception(Fault(Code.UNAVAILABLE, found="worker"))
            return awaited.done
        min(fit, key=lambda each: len(each.awaited)).ask(awaited)
        return awaited.done

    def _replace(self) -> None:
        if self._replacing:
            return
        task = asyncio.get_running_loop().create_task(self._replaced())
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)

    async def _replaced(self) -> None:
        for place, worker in enumerate(self._workers):
            if worker.is_gone:
                await worker.close()
                fresh = _Worker()
                await fresh.connect()
                self._workers[place] = fresh

    async def close(self) -> None:
        """Let every process end, and wait for that."""
        await asyncio.gather(*self._replacing, return_exceptions=True)
        for worker in self._workers:
            await worker.close()
