"""Deliver bulletins to many streams of events at once, and say what each event costs the node.

Listeners share one thread and the node's cores: they take bytes and count events, no more.
"""

from __future__ import annotations

import selectors
import ssl
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.cli.benching import trial
from exchange.cli.benching.load import LISTENERS, Sealer
from exchange.cli.benching.posting import Connection, Request, drive, head
from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exchange.cli.benching.load import Maker
    from exchange.cli.benching.posting import Answer
    from exchange.cli.benching.trial import Running

_ENTRY = b"\nevent: entry\n"
_BEAT = b"\nevent: beat\n"
_READ_BYTES = 256 * 1024
_SILENCE_S = 60.0
# After an entry that is not there yet: nothing is owed before it.
_FAR = 2**40


class Heard(msgspec.Struct, frozen=True):
    """What it took to deliver to so many listeners.

    Processor time is in microseconds: of the node for an event, above what it takes to accept
    the same bulletins with nobody listening, and of the listeners. ``all_ms`` is the median
    from the first byte of a bulletin to the last listener that has it.
    """

    listeners: int
    bulletins: int
    events: int
    node_event_us: float
    listener_event_us: float
    all_ms: float
    memory_mib: float


class _Listener:
    """One stream: how many entries it has told."""

    def __init__(self, port: int, certificate: str, token: str, after: int) -> None:
        self.connection = Connection(port, certificate)
        self.tls = self.connection.tls
        self.entries = 0
        self._rest = b""
        self.tls.sendall(head("GET", f"/v1/events?after={after}", token, 0))
        while _BEAT not in self._rest:
            if not (piece := self.tls.recv(_READ_BYTES)):
                raise Fault(Code.NODE_UNREACHABLE, found="hung up")
            self._rest += piece
        self._rest = b""
        self.tls.setblocking(False)

    def take(self) -> None:
        """Take what there is, and count the entries in it."""
        try:
            while True:
                if not (piece := self.tls.recv(_READ_BYTES)):
                    raise Fault(Code.NODE_UNREACHABLE, found="hung up")
                come = self._rest + piece
                self.entries += come.count(_ENTRY)
                # An event's first lines may be cut anywhere; what was counted is not kept.
                last = come.rfind(_ENTRY)
                begin = last + len(_ENTRY) if last >= 0 else 0
                self._rest = come[max(begin, len(come) - len(_ENTRY) + 1) :]
        except ssl.SSLWantReadError:
            return


class Round(NamedTuple):
    """One measurement: how many listen, and the bulletins, each with its number."""

    listeners: int
    requests: Sequence[Request]


def measure(
    node: Running,
    certificate: str,
    makers: Mapping[str, Maker],
    poster: Connection,
    rounds: Sequence[Round],
) -> tuple[list[Heard], list[Answer]]:
    """Post to ever more listeners; the first round, without any, says what accepting takes.

    Args:
        node: running.
        certificate: its own.
        makers: of each listening endpoint.
        poster: a connection that nothing is under way on.
        rounds: the first without listeners.

    Raises:
        Fault: the node hung up or fell silent.
    """
    tokens = [trial.open_session(poster, Sealer(makers[name]), name) for name in LISTENERS]
    found: list[Heard] = []
    answers: list[Answer] = []
    alone_us = 0.0
    for each in rounds:
        after = max(
            (one.index for told in answers for one in trial.receipts_of(told)), default=-1
        )
        listeners = [
            _Listener(node.port, certificate, tokens[place % len(tokens)], after)
            for place in range(each.listeners)
        ]
        spent = _deliver(node, listeners, poster, each.requests)
        answers += spent.answers
        for listener in listeners:
            listener.connection.close()
        if listeners:
            found.append(_figures(each, spent, alone_us))
        else:
            alone_us = spent.node_us / len(each.requests)
    return found, answers


class _Spent(NamedTuple):
    """What a round took: answers, processor time, and seconds until all had each bulletin."""

    answers: list[Answer]
    node_us: float
    own_us: float
    seconds: list[float]
    memory_mib: float


def _deliver(
    node: Running,
    listeners: Sequence[_Listener],
    poster: Connection,
    requests: Sequence[Request],
) -> _Spent:
    answers: list[Answer] = []
    seconds: list[float] = []
    with selectors.DefaultSelector() as selector:
        for listener in listeners:
            selector.register(listener.tls, selectors.EVENT_READ, listener)
        memory, node_s, own_s = node.memory_mib(), node.cpu_s(), time.process_time()
        for done, request in enumerate(requests, 1):
            begun = time.perf_counter()
            answers += drive([(poster, [request])], _SILENCE_S).answers
            _all_have(selector, listeners, done)
            seconds.append(time.perf_counter() - begun)
        node_us = (node.cpu_s() - node_s) * 1e6
        own_us = (time.process_time() - own_s) * 1e6
    return _Spent(answers, node_us, own_us, seconds, memory)


def idle_mib(
    node: Running,
    certificate: str,
    makers: Mapping[str, Maker],
    door: Connection,
    count: int,
) -> float:
    """Return the memory of a node that so many streams of events listen to, and none hears.

    Args:
        node: running.
        certificate: its own.
        makers: of the endpoints that listen; each may have sixteen streams.
        door: a connection that nothing is under way on.
        count: of streams.

    Raises:
        Fault: the node hung up or fell silent.
    """
    tokens = [trial.open_session(door, Sealer(maker), name) for name, maker in makers.items()]
    listeners: list[_Listener] = []
    try:
        for place in range(count):
            token = tokens[place % len(tokens)]
            listeners.append(_Listener(node.port, certificate, token, _FAR))
        return node.memory_mib()
    finally:
        for listener in listeners:
            listener.connection.close()


def _figures(each: Round, spent: _Spent, alone_us: float) -> Heard:
    count = len(each.requests)
    events = count * each.listeners
    return Heard(
        listeners=each.listeners,
        bulletins=count,
        events=events,
        node_event_us=max(0.0, spent.node_us - alone_us * count) / events,
        listener_event_us=spent.own_us / events,
        all_ms=trial.quantile(sorted(spent.seconds), 0.5) * 1e3,
        memory_mib=spent.memory_mib,
    )


def _all_have(
    selector: selectors.BaseSelector, listeners: Sequence[_Listener], count: int
) -> None:
    """Wait until each listener was told so many entries, and none was told more."""
    missing = sum(each.entries < count for each in listeners)
    while missing:
        ready = selector.select(_SILENCE_S)
        if not ready:
            raise Fault(Code.NODE_UNREACHABLE, found="silence")
        for key, _ in ready:
            before = key.data.entries
            key.data.take()
            missing -= before < count <= key.data.entries
    if any(each.entries != count for each in listeners):
        raise Fault(Code.NODE_UNREACHABLE, found="an event twice")


def rounds(
    numbered: Iterator[tuple[int, bytes]], token: str, counts: Sequence[int], size: int
) -> list[Round]:
    """Return the rounds of a plan: nobody listening first, then each of ``counts``.

    Args:
        numbered: bulletins to all listeners, framed, each with its number.
        token: their poster's.
        counts: of listeners.
        size: bulletins in each round.
    """
    return [
        Round(count, [_request(*next(numbered), token) for _ in range(size)])
        for count in (0, *counts)
    ]


def _request(number: int, framed: bytes, token: str) -> Request:
    return Request(head("POST", "/v1/objects", token, len(framed)) + framed, [number])
