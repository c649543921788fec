"""How soon a node with a large directory is ready: a process of its own, by the clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from exchange.cli import found
from exchange.cli.benching import trial
from exchange.custody.founding import EndpointPlan, MemberPlan

if TYPE_CHECKING:
    from pathlib import Path

    from exchange.model.trust import Label

# As a nation may have: a member's document has a bound, and a feed names so many members.
_EACH = 25


class Started(msgspec.Struct, frozen=True):
    """A directory, and how long a node takes from its command until it is ready.

    ``first_s`` is the start at which it verifies its documents and writes them to its journal;
    ``again_s`` every other, and ``again_cpu_s`` what it took of processors, with the processes
    that it starts: what noise disturbs least. Opening the keys by their passphrase is in all.
    """

    endpoints: int
    documents_mib: float
    first_s: float
    again_s: float
    again_cpu_s: float


def measure(folder: Path, endpoints: int, passphrase: str) -> Started:
    """Found an exercise with so many endpoints, and start its node twice.

    Args:
        folder: empty; the exercise is founded in it.
        endpoints: at most 5,000, a multiple of 25.
        passphrase: of the node's keys.

    Raises:
        Fault: the node does not start.
    """
    title: Label = {"es": "EJERCICIO", "en": "EXERCISE"}
    members = [_member(number, title) for number in range(endpoints // _EACH)]
    feeds = [found.feed("maritime", title, ["voi"], members)]
    place = found.write_node(folder, 0, members, feeds, passphrase)
    (first_s, _), (again_s, cpu_s) = [_started(place.node, passphrase) for _ in range(2)]
    size = sum(len(each) for each in place.founded.documents)
    return Started(endpoints, size / 2**20, first_s, again_s, cpu_s)


def _started(node: Path, passphrase: str) -> tuple[float, float]:
    """Return seconds until a node is ready, and seconds of processor time."""
    begun = time.monotonic()
    with trial.running(node, passphrase) as running:
        return time.monotonic() - begun, running.cpu_s()


def _member(number: int, title: Label) -> MemberPlan:
    nation = "us" if number % 2 else "pa"
    name = f"{nation}.agency{number:03}"
    plans = tuple(EndpointPlan(f"{name}/desk-{each}", title) for each in range(_EACH))
    return MemberPlan(name, title, plans)
