"""Kill a node while it is posted to: SIGKILL, with requests under way on every connection."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple

from exchange.cli.benching.posting import drive
from exchange.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exchange.cli.benching.posting import Answer, Connection, Request

# An answer that was under way when the node died is here, or never comes.
_LAST_S = 5.0


class Killed(NamedTuple):
    """What was answered until the end, and the bulletins that were sent and got no answer."""

    answers: list[Answer]
    unanswered: frozenset[int]


def post_until_killed(
    kill: Callable[[], None],
    work: Sequence[tuple[Connection, Iterator[Request]]],
    after: int,
    limit_s: float,
) -> Killed:
    """Post, and kill the node when so many bulletins were begun.

    Args:
        kill: kills it; twice does no harm.
        work: connections, and what each may take from; two may share one iterator.
        after: bulletins, fewer than there are.
        limit_s: after so many seconds no more requests are begun.
    """
    begun: list[int] = []

    def taken(requests: Iterator[Request]) -> Iterator[Request]:
        for request in requests:
            if len(begun) >= after:
                kill()
            begun.extend(request.numbers)
            yield request

    wrapped = {id(requests): taken(requests) for _, requests in work}
    answers: list[Answer] = []
    try:
        drive([(each, wrapped[id(requests)]) for each, requests in work], limit_s, answers)
    except (Fault, OSError):
        for connection, _ in work:
            answers += _left_on(connection)
    answered = {number for answer in answers for number in answer.numbers}
    return Killed(answers, frozenset(begun) - answered)


def _left_on(connection: Connection) -> list[Answer]:
    """Return the answer that still came over a connection, if one did."""
    connection.tls.settimeout(_LAST_S)
    try:
        while (answer := connection.receive()) is None:
            pass
    except (Fault, OSError, ssl.SSLError):
        return []
    return [answer]
