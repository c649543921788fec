"""Post from one thread over many connections: TLS 1.3, keep-alive, HTTP/1.1 by hand.

The poster shares the processors with the node it measures, so it does as little as it can:
requests are joined beforehand, answers are kept as bytes and taken apart afterwards.
"""

from __future__ import annotations

import re
import selectors
import socket
import ssl
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# What one TLS record holds: a longer write would only be cut there.
_RECORD = 16 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
# A node that says nothing for this long has lost a request.
_SILENCE_S = 30.0


class Request(NamedTuple):
    """One request, ready to send: its bytes, and the numbers of the bulletins in it."""

    data: bytes
    numbers: Sequence[int]


class Answer(NamedTuple):
    """One answer: to which bulletins, status, body, and seconds from first byte to last."""

    numbers: Sequence[int]
    status: int
    body: bytes
    seconds: float


class Run(NamedTuple):
    """All answers of one run, and how long it took from the first byte to the last."""

    answers: list[Answer]
    seconds: float


def head(method: str, path: str, token: str, length: int) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*lines, "", ""]).encode()


class Connection:
    """One TLS connection that has at most one request under way."""

    def __init__(self, port: int, certificate: str) -> None:
        """Connect to a node on this machine and shake hands."""
        plain = socket.create_connection(("127.0.0.1", port), timeout=_SILENCE_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = _pinned(certificate).wrap_socket(plain)
        self._request: Request | None = None
        self._left = memoryview(b"")
        self._parts: list[bytes] = []
        self._missing: int | None = None
        self._begun = 0.0

    def ask(self, method: str, path: str, body: bytes = b"", token: str = "") -> Answer:
        """Send one request and wait for its answer; between runs only."""
        self.tls.settimeout(_SILENCE_S)
        self.begin(Request(head(method, path, token, len(body)) + body, ()))
        while self.is_sending:
            self.send()
        answer = None
        while answer is None:
            answer = self.receive()
        return answer

    def begin(self, request: Request) -> None:
        """Take up the next request; ``send`` sends it."""
        self._request, self._left = request, memoryview(request.data)
        self._parts, self._missing = [], None
        self._begun = time.perf_counter()

    @property
    def is_sending(self) -> bool:
        """Whether a part of the request is not sent yet."""
        return bool(self._left)

    def send(self) -> None:
        """Send as much as the connection takes now."""
        while self._left:
            self._left = self._left[self.tls.send(self._left[:_RECORD]) :]

    def receive(self) -> Answer | None:
        """Take what has come; return the answer when it is whole.

        Raises:
            Fault: the node hung up.
        """
        part = self.tls.recv(_RECORD)
        if not part:
            raise Fault(Code.NODE_UNREACHABLE, found="hung up")
        self._parts.append(part)
        if self._missing is None:
            return self._headed()
        self._missing -= len(part)
        return None if self._missing > 0 else self._answer()

    def _headed(self) -> Answer | None:
        joined = b"".join(self._parts)
        self._parts = [joined]
        end = joined.find(_HEAD_END)
        if end < 0:
            return None
        length = _LENGTH.search(joined, 0, end + 2)
        if length is None:
            raise Fault(Code.NODE_UNREACHABLE, found="an answer without a length")
        self._missing = end + len(_HEAD_END) + int(length.group(1)) - len(joined)
        return None if self._missing > 0 else self._answer()

    def _answer(self) -> Answer:
        taken = time.perf_counter() - self._begun
        whole = b"".join(self._parts)
        numbers = self._request.numbers if self._request else ()
        body = whole[whole.find(_HEAD_END) + len(_HEAD_END) :]
        return Answer(numbers, int(whole[9:12]), body, taken)

    def close(self) -> None:
        """Hang up."""
        self.tls.close()


def _pinned(certificate: str) -> ssl.SSLContext:
    """Return a context of Python's own: the poster must cost little, and shakes hands once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate)
    return context


def drive(
    work: Sequence[tuple[Connection, Iterable[Request]]],
    limit_s: float,
    answers: list[Answer] | None = None,
) -> Run:
    """Let each connection post its requests one after another, all at once.

    Args:
        work: connections, and what each may take from; two may share one iterator.
        limit_s: after so many seconds no more requests are begun.
        answers: are added here as they come, for whoever wants them after a fault too.

    Raises:
        Fault: the node hung up or fell silent.
    """
    answers = [] if answers is None else answers
    with selectors.DefaultSelector() as selector:
        waiting = deque((connection, iter(requests)) for connection, requests in work)
        begun = time.perf_counter()
        until = begun + limit_s
        under_way = 0
        for connection, requests in waiting:
            if (request := next(requests, None)) is None:
                continue
            connection.tls.setblocking(False)
            selector.register(connection.tls, selectors.EVENT_READ, (connection, requests))
            under_way += 1
            connection.begin(request)
            _step(selector, connection)
        while under_way:
            ready = selector.select(_SILENCE_S)
            if not ready:
                raise Fault(Code.NODE_UNREACHABLE, found="silence")
            for key, _ in ready:
                connection, requests = key.data
                answer = _step(selector, connection)
                if answer is None:
                    continue
                answers.append(answer)
                late = time.perf_counter() > until
                if late or (request := next(requests, None)) is None:
                    selector.unregister(connection.tls)
                    under_way -= 1
                else:
                    connection.begin(request)
                    _step(selector, connection)
        return Run(answers, time.perf_counter() - begun)


def _step(selector: selectors.BaseSelector, connection: Connection) -> Answer | None:
    """Send what is left to send, or take what has come; return a whole answer."""
    try:
        if connection.is_sending:
            try:
                connection.send()
            finally:
                _await(selector, connection)
            return None
        while (answer := connection.receive()) is None:
            pass
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
    return answer


def _await(selector: selectors.BaseSelector, connection: Connection) -> None:
    """Wait for what the connection can do next."""
    events = selectors.EVENT_READ
    if connection.is_sending:
        events |= selectors.EVENT_WRITE
    key = selector.get_key(connection.tls)
    if key.events != events:
        selector.modify(connection.tls, events, key.data)
