"""What ``audit verify`` costs: an exercise's signed journal, mirrored and verified by command.

Bulletins and their acknowledgements, each signed by an endpoint for itself, are posted to a
node of its own. What is measured are processes of this program, as an auditor starts them.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from exchange.cli import found, state, world
from exchange.cli.benching import cap, load, trial
from exchange.cli.benching.posting import Connection, Request, drive, head
from exchange.cli.benching.whole import machine
from exchange.cli.home import Home
from exchange.custody.founding import EndpointPlan, MemberPlan
from exchange.model import objects
from exchange.model.identity import digest, member_of, uuid7
from exchange.seal import jws
from exchange.seal.close import Envelope, close

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from exchange.cli.benching.load import Maker
    from exchange.cli.benching.trial import Running
    from exchange.cli.found import Place
    from exchange.model.trust import Label

_READERS: Final = load.READERS[: len(load.POSTERS)]
_AUDITOR: Final = "us.exercise/audit"
# Entries that are new when a mirror is gone on with.
GROWN: Final = 1000
# So many pairs of a bulletin and its acknowledgement are in memory at once, and in a request.
_CHUNK: Final = 2000
_BATCH: Final = 100
_LIMIT_S: Final = 600.0
_LOOK_S: Final = 0.05


class Cost(msgspec.Struct, frozen=True):
    """One verification: seconds by the clock, processor time, and MiB of its largest process.

    ``new`` is how many entries were judged; processor time an entry is told of those alone.
    """

    name: str
    new: int
    seconds: float
    cpu_s: float
    cpu_us: float
    memory_mib: float


class Verified(msgspec.Struct, frozen=True):
    """What ``bench --verify`` prints: the whole, again with nothing new, and with some new.

    ``void`` says why the figures do not count, if so.
    """

    machine: dict[str, str | int]
    entries: int
    mirror_mib: float
    costs: list[Cost]
    void: list[str]


def run(folder: Path, size: int, told: Callable[[str], None], grown: int = GROWN) -> Verified:
    """Make a journal of about so many entries, and verify a mirror of it three times.

    Args:
        folder: empty; an exercise is founded in it.
        size: of the journal, entries; half of them acknowledgements.
        told: called with a line on how far it is.
        grown: how many more there are the third time.

    Raises:
        Fault: the node does not start, or does not answer.
        ValueError: it does not accept all that is posted.
    """
    auditor = _Auditor(_found(folder), folder / "mirror.db", folder / "verified.json")
    place, passphrase = auditor.place, auditor.passphrase
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cap.cores(), mp_context=context) as pool:
        with trial.running(place.node, passphrase) as node:
            _grow(pool, place, node, size // 2, told)
            told("audit mirror ...")
            first = auditor.mirror(node)
        size_mib = auditor.file.stat().st_size / 2**20
        told("audit verify ...")
        costs = [auditor.verify("whole", first), auditor.verify("again", 0)]
        with trial.running(place.node, passphrase) as node:
            _grow(pool, place, node, grown // 2, told)
            told("audit mirror ...")
            last = auditor.mirror(node)
    told("audit verify ...")
    costs.append(auditor.verify("grown", last - first))
    told("")
    return Verified(machine(), first, size_mib, costs, auditor.void)


class _Founded(NamedTuple):
    place: Place
    passphrase: str


def _found(folder: Path) -> _Founded:
    """Write an exercise of a node for both nations, with an auditor."""
    passphrase = world.randomness(16).hex()
    title: Label = {"es": "EJERCICIO", "en": "EXERCISE"}
    members = [
        MemberPlan(name, title, tuple(plans))
        for name, plans in (
            ("pa.exercise", [EndpointPlan(each, title) for each in load.POSTERS]),
            (
                "us.exercise",
                [
                    *(EndpointPlan(each, title) for each in _READERS),
                    EndpointPlan(_AUDITOR, title, ("auditor",)),
                ],
            ),
        )
    ]
    feeds = [found.feed("maritime", title, ["voi"], members)]
    return _Founded(found.write(folder, 0, members, feeds, passphrase), passphrase)


# -- the journal -------------------------------------------------------------------------------


def _grow(
    pool: Executor, place: Place, node: Running, pairs: int, told: Callable[[str], None]
) -> None:
    """Post so many bulletins, and an acknowledgement of each by its recipient."""
    certificate = (place.node / state.CERTIFICATE).read_text(encoding="ascii")
    for done in range(0, pairs, _CHUNK):
        told(f"{done * 2} / {pairs * 2}")
        share = -(-min(_CHUNK, pairs - done) // len(load.POSTERS))
        jobs = [
            pool.submit(_pairs, load.maker(place, poster), load.maker(place, reader), share)
            for poster, reader in zip(load.POSTERS, _READERS, strict=True)
        ]
        made = [job.result() for job in jobs]
        with ExitStack() as stack:
            lines = []
            for _ in made:
                lines.append(Connection(node.port, certificate))
                stack.callback(lines[-1].close)
            # Nobody acknowledges what is not there yet.
            for names, part in ((load.POSTERS, 0), (_READERS, 1)):
                work = [
                    (line, _requests([pair[part] for pair in pairs_of], line, place, name))
                    for line, pairs_of, name in zip(lines, made, names, strict=True)
                ]
                for answer in drive(work, _LIMIT_S).answers:
                    trial.receipts_of(answer)


def _requests(framed: list[bytes], line: Connection, place: Place, name: str) -> list[Request]:
    """Return an endpoint's batches, under a session of its own."""
    token = trial.open_session(line, load.Sealer(load.maker(place, name)), name)
    found = []
    for at in range(0, len(framed), _BATCH):
        part = framed[at : at + _BATCH]
        body = b"".join(part)
        data = head("POST", "/v1/batch", token, len(body)) + body
        found.append(Request(data, range(len(part))))
    return found


def _pairs(poster: Maker, reader: Maker, count: int) -> list[tuple[bytes, bytes]]:
    """Return bulletins and their acknowledgements, as they are posted; in a worker process."""
    sealer, signer = load.Sealer(poster), load.Sealer(reader).signer
    found, endpoint = [], reader.poster
    for _ in range(count):
        header = sealer.header([endpoint])
        envelope = close(
            load.TEXT, header, sealer.keys([endpoint]), sealer.signer, world.randomness
        )
        ack = objects.Acknowledgement(
            v="xb1",
            suite=signer.suite,
            id=uuid7(world.clock_ms(), world.randomness(10)),
            origin=member_of(endpoint),
            endpoint=endpoint,
            of=objects.Subject(header.endpoint, header.id, digest(envelope.header)),
            outcome="delivered",
            at=world.now(),
            officer=None,
        )
        signed = jws.sign(msgspec.json.encode(ack), objects.ACK_TYP, [signer])
        found.append((envelope.framed(), Envelope(signed, b"").framed()))
    return found


# -- the auditor -------------------------------------------------------------------------------


class _Auditor:
    """Runs the commands of an auditor, each in a process of its own."""

    def __init__(self, founded: _Founded, file: Path, kept: Path) -> None:
        self.place, self.passphrase = founded
        self.file = file
        self.void: list[str] = []
        self._kept = kept
        self._context = Home(self.place.home).current(found.context_of(_AUDITOR))

    def mirror(self, node: Running) -> int:
        """Mirror the node's journal; return how many entries it has."""
        profile = self._context.profile()
        self._context.move(f"https://127.0.0.1:{node.port}", profile.certificate)
        said, _ = self._run("mirror", str(self.file))
        return int(said.get("size", 0))

    def verify(self, name: str, new: int) -> Cost:
        """Verify the mirror, or go on with it; ``new`` is how many entries are to be judged."""
        anchor, begun = self.place.founded.anchor, time.perf_counter()
        options = ["--mirror", "--state", str(self._kept), "--anchor", anchor]
        said, spent = self._run("verify", str(self.file), *options)
        if (name == "whole") != (said.get("since") == 0):
            self.void.append(f"{name}: verified from entry {said.get('since')} on")
        seconds = time.perf_counter() - begun
        each_us = spent.cpu_s / new * 1e6 if new else 0.0
        return Cost(name, new, seconds, spent.cpu_s, each_us, spent.memory_mib)

    def _run(self, *words: str) -> tuple[dict[str, Any], _Spent]:
        """Return what a command said, and what it and its processes took."""
        command = [sys.executable, "-m", "exchange", "--context", self._context.name, "audit"]
        process = subprocess.Popen(  # noqa: S603  (our own program)
            [*command, *words, "--json"],
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "EXCHANGE_HOME": str(self.place.home),
                "EXCHANGE_PASSPHRASE": self.passphrase,
            },
        )
        with process:
            spent = _watched(process)
            said = process.stdout.read() if process.stdout else b""
        if process.returncode:
            self.void.append(f"audit {words[0]} ended with {process.returncode}")
        return msgspec.json.decode(said), spent


class _Spent(NamedTuple):
    """Processor time of a command and its processes, and the most that one of them held."""

    cpu_s: float
    memory_mib: float


def _watched(process: subprocess.Popen[bytes]) -> _Spent:
    """Wait until a process has ended, and say what it took; what it prints is short.

    That its rusage knows the most it held is no use: a new process begins with its parent's.
    """
    most, ended = 0.0, 0
    while not ended:
        time.sleep(_LOOK_S)
        most = max(most, *map(_most_mib, [process.pid, *_children(process.pid)]))
        ended, status, spent = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    return _Spent(spent.ru_utime + spent.ru_stime, most)


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(each) for task in tasks for each in task.read_text("ascii").split()]
    return []


def _most_mib(pid: int) -> float:
    """Return the most that a process held so far; 0 if it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0
