"""One trial: a real node process on loopback, runs of posting to it, and what voids them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.cli import world
from exchange.cli.benching import posting
from exchange.cli.state import State
from exchange.client import receipts
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from exchange.model import objects, wire
from exchange.seal import jws
from exchange.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence
    from pathlib import Path

    from exchange.cli.benching.load import Sealer
    from exchange.cli.benching.posting import Answer, Request
    from exchange.model.objects import Receipt
    from exchange.model.view import View
    from exchange.seal.close import Envelope

_START_S = 120.0
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = 256


class Running:
    """A node process on a folder; where it answers, and what it costs."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, said: Path) -> None:
        """Take over a process that is ready."""
        self.process = process
        self.port = port
        self.said = said

    def cpu_s(self) -> float:
        """Return the processor time that the node has used so far, in seconds."""
        return sum(_cpu_s(pid) for pid in self._family())

    def memory_mib(self) -> float:
        """Return the memory the node holds, in MiB; what its processes share counts once."""
        return sum(_pss_mib(pid) for pid in self._family())

    def _family(self) -> list[int]:
        """Return the node's process and those it started."""
        mine = self.process.pid
        with open(f"/proc/{mine}/task/{mine}/children", "rb") as file:  # noqa: PTH123
            return [mine, *(int(each) for each in file.read().split())]

    def kill(self) -> None:
        """End the node in the middle of whatever it does; nothing is written or said."""
        self.process.kill()

    def stop(self) -> None:
        """End the node as its operator would, and wait for it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_START_S)
        finally:
            self.process.kill()


def _cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        fields = file.read().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def _pss_mib(pid: int) -> float:
    """Return resident memory; a page that n processes share counts as one n-th in each."""
    with open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123
        return sum(int(line.split()[1]) for line in file if line.startswith(b"Pss:")) / 1024


@contextmanager
def running(folder: Path, passphrase: str) -> Iterator[Running]:
    """Run a node on its folder for a while.

    Raises:
        Fault: it does not get ready.
    """
    said = folder / "said.jsonl"
    command = [sys.executable, "-m", "exchange", "up", "--state", str(folder)]
    with said.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603  (our own program)
            [*command, "--listen", "127.0.0.1:0", "--json"],
            stderr=stderr,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "EXCHANGE_PASSPHRASE": passphrase},
        )
    node = None
    try:
        node = Running(process, _port(process, said), said)
        yield node
    finally:
        if node is not None and process.poll() is None:
            node.stop()
        process.kill()
        process.wait()


def _port(process: subprocess.Popen[bytes], said: Path) -> int:
    """Wait for the line in the node's diary that says where it answers."""
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        for line in said.read_bytes().splitlines():
            if b'"ready"' in line:
                return int(msgspec.json.decode(line)["port"])
        time.sleep(0.02)
    raise Fault(Code.NODE_UNREACHABLE, name="bench")


def open_session(connection: posting.Connection, sealer: Sealer, endpoint: str) -> str:
    """Return a token for an endpoint."""
    challenge = msgspec.json.decode(connection.ask("GET", "/v1/nonce").body, type=wire.Nonce)
    request = objects.SessionRequest(
        v="xb1",
        suite=sealer.signer.suite,
        origin=endpoint.partition("/")[0],
        endpoint=endpoint,
        node=challenge.node,
        nonce=challenge.nonce,
        issued=world.now(),
    )
    signed = jws.sign(msgspec.json.encode(request), objects.SESSION_TYP, [sealer.signer])
    answer = connection.ask("POST", "/v1/session", signed)
    return msgspec.json.decode(answer.body, type=objects.Answered).token


class Posted(NamedTuple):
    """What was posted, by number, and every answer to it."""

    envelopes: Mapping[int, Envelope]
    answers: Sequence[Answer]
    # Sent to a node that was killed before it answered: recorded or not, as it happened.
    unanswered: frozenset[int] = frozenset()


def receipts_of(answer: Answer) -> list[Receipt]:
    """Return the receipts in an answer, one for each bulletin of its request.

    Raises:
        ValueError: it is not an answer that accepts all of them, newly.
    """
    if answer.status == 201:
        found = [msgspec.json.decode(answer.body, type=objects.Receipt)]
    elif answer.status == 200:
        lines = wire.decode_lines(answer.body)
        found = [
            line.receipt for line in lines if line.receipt is not None and not line.problem
        ]
    else:
        found = []
    if len(found) != len(answer.numbers):
        message = f"status {answer.status}: {len(found)} receipts for {len(answer.numbers)}"
        raise ValueError(message)
    return found


def audit(posted: Posted, accepted: Mapping[int, bytes], view: View) -> list[str]:
    """Return why the runs do not count; nothing when they do.

    Args:
        posted: everything that was sent, and everything that came back.
        accepted: the journal's accepted entries by index, read after the node ended.
        view: trust documents that name the node's keys.
    """
    reasons: list[str] = []
    by_index: dict[int, int] = {}
    groups: set[bytes] = set()
    for answer in posted.answers:
        try:
            found = receipts_of(answer)
        except (ValueError, msgspec.MsgspecError) as error:
            reasons.append(f"not accepted: {error}")
            continue
        for number, receipt in zip(answer.numbers, found, strict=True):
            if receipt.index in by_index:
                reasons.append(f"entry {receipt.index} was acknowledged twice")
            by_index[receipt.index] = number
            header = posted.envelopes[number].header
            if accepted.get(receipt.index) != receipt.facts.encode() + b"\n" + header:
                reasons.append(f"entry {receipt.index} is not what was acknowledged")
            elif bytes(receipt.group) not in groups:
                # One receipt of each group, since a group has one signature.
                groups.add(bytes(receipt.group))
                reasons += _unverified(receipt, header, view)
    sent = sum(len(answer.numbers) for answer in posted.answers)
    told = len(accepted) - unanswered_in(posted, accepted, by_index)
    if len(by_index) != sent or told != sent:
        reasons.append(f"posted {sent}, acknowledged {len(by_index)}, in the journal {told}")
    return reasons


def unanswered_in(
    posted: Posted, accepted: Mapping[int, bytes], answered: Container[int]
) -> int:
    """Return how many entries are of what was sent and got no answer; each counts once."""
    waiting = {posted.envelopes[number].header for number in posted.unanswered}
    found = {
        entry.partition(b"\n")[2] for index, entry in accepted.items() if index not in answered
    }
    return len(found & waiting)


def _unverified(receipt: Receipt, header: bytes, view: View) -> list[str]:
    try:
        receipts.verify(receipt, header, view)
    except Refusal as refusal:
        return [f"receipt of entry {receipt.index}: {refusal}"]
    return []


def accepted_in(folder: Path) -> dict[int, bytes]:
    """Return the accepted entries of a node's journal, by index; the node has ended."""
    return asyncio.run(_accepted(State(folder).journal))


async def _accepted(journal: Path) -> dict[int, bytes]:
    store, found, after = SqliteStore.open(journal, read_only=True), {}, 0
    try:
        while rows := await store.read(after, _PAGE):
            for row in rows:
                if isinstance(entries.decode(row.entry).facts, entries.Accepted):
                    found[row.index] = row.entry
            after = rows[-1].index + 1
    finally:
        await store.close()
    return found


class Figures(msgspec.Struct, frozen=True):
    """One run in figures; processor time is per bulletin, in microseconds.

    ``idle`` is the share of all cores that nobody used, ``others`` what neither node nor
    poster used (steal by a hypervisor counts here): with much of it the machine was not ours.
    """

    name: str
    clients: int
    batch: int
    accepted: int
    seconds: float
    per_s: float
    p50_ms: float
    p99_ms: float
    node_cpu_us: float
    poster_cpu_us: float
    idle: float
    others: float


def measure(
    node: Running,
    name: str,
    work: Sequence[tuple[posting.Connection, Iterator[Request]]],
    limit_s: float,
) -> tuple[Figures, list[Answer]]:
    """Post, and return the figures and the answers.

    Raises:
        Fault: the node hung up or fell silent.
    """
    before, node_s, own_s = _machine_s(), node.cpu_s(), time.process_time()
    run = posting.drive(work, limit_s)
    node_s, own_s = node.cpu_s() - node_s, time.process_time() - own_s
    all_s, idle_s = (end - start for start, end in zip(before, _machine_s(), strict=True))
    all_s = max(all_s, _TICK_S)
    count = sum(len(answer.numbers) for answer in run.answers)
    taken = sorted(answer.seconds for answer in run.answers)
    figures = Figures(
        name=name,
        clients=len(work),
        batch=max((len(answer.numbers) for answer in run.answers), default=0),
        accepted=count,
        seconds=run.seconds,
        per_s=count / run.seconds,
        p50_ms=quantile(taken, 0.5) * 1e3,
        p99_ms=quantile(taken, 0.99) * 1e3,
        node_cpu_us=node_s / max(count, 1) * 1e6,
        poster_cpu_us=own_s / max(count, 1) * 1e6,
        idle=idle_s / all_s,
        others=max(0.0, 1 - (idle_s + node_s + own_s) / all_s),
    )
    return figures, run.answers


def _machine_s() -> tuple[float, float]:
    """Return the processor time of all cores since the machine started, and that of idling."""
    with open("/proc/stat", "rb") as file:  # noqa: PTH123
        ticks = [int(each) for each in file.readline().split()[1:9]]
    return sum(ticks) * _TICK_S, (ticks[3] + ticks[4]) * _TICK_S


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that this share of them does not exceed (nearest rank)."""
    return ordered[max(0, -(-len(ordered) * share // 1).__int__() - 1)] if ordered else 0.0
