"""The whole bench: make a load, measure the yardstick, post, and audit what was posted."""

from __future__ import annotations

import itertools
import multiprocessing
import platform
import ssl
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec

from exchange.cli import state, world
from exchange.cli.benching import cap, costs, directory, hearing, load, trial
from exchange.cli.benching.hearing import Heard
from exchange.cli.benching.killing import post_until_killed
from exchange.cli.benching.posting import Connection, Request, head
from exchange.cli.benching.trial import Figures
from exchange.custody.founding import SUITE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from exchange.cli.benching.directory import Started
    from exchange.cli.benching.load import Maker
    from exchange.cli.benching.posting import Answer
    from exchange.cli.benching.trial import Running
    from exchange.cli.found import Place
    from exchange.seal.close import Envelope

    Load = dict[str, list[Envelope]]

# What is asked of every release: shares of ``cap`` at least, and MiB at most.
FLOORS = {"post-64": 0.30, "batch": 0.50, "idle_mib": 150.0, "subscribers_mib": 250.0}
# Processor time of policy with its look-ups, a bulletin.
POLICY_US = 25.0
# By the clock, until a node whose journal lists 5,000 endpoints is ready.
START_S = 2.0
# How many times one sync and one verification a single post may take, of who posts alone.
IDLE_TIMES = 3


class Step(msgspec.Struct, frozen=True):
    """One run: over how many connections, how many bulletins a request, and how many in all."""

    name: str
    clients: int
    batch: int
    count: int


class Plan(msgspec.Struct, frozen=True):
    """How much is done; each run ends at its count, or after ``limit_s``."""

    steps: tuple[Step, ...]
    limit_s: float
    cap_s: float
    rounds: int
    # Bulletins to so many streams of events, and to how many; none where there are none.
    heard: int = 0
    listeners: tuple[int, ...] = ()
    # Streams that are open and hear nothing.
    subscribers: int = 0
    # The last run: the node is killed when half of it was begun.
    killed: Step = Step("killed", 64, 1, 2000)
    # How many the directory lists whose node is started; none: no node is.
    endpoints: int = 0

    @property
    def posted(self) -> tuple[Step, ...]:
        """Every run that posts what was sealed beforehand."""
        return (*self.steps, self.killed)


FULL = Plan(
    (
        Step("warm-up", 16, 1, 400),
        Step("post-1", 1, 1, 400),
        Step("post-16", 16, 1, 5000),
        Step("post-64", 64, 1, 8000),
        Step("batch", 4, 100, 12000),
    ),
    limit_s=15,
    cap_s=2.0,
    rounds=200,
    heard=20,
    listeners=(10, 100, 1000),
    subscribers=2000,
    endpoints=5000,
)
QUICK = Plan(
    (
        Step("warm-up", 16, 1, 64),
        Step("post-1", 1, 1, 40),
        Step("post-16", 16, 1, 320),
        Step("post-64", 64, 1, 640),
        Step("batch", 4, 100, 1600),
    ),
    limit_s=5,
    cap_s=0.5,
    rounds=20,
    heard=3,
    listeners=(10, 100),
    subscribers=16,
    killed=Step("killed", 16, 1, 96),
    endpoints=100,
)
WARM_UP = "warm-up"


class Floor(msgspec.Struct, frozen=True):
    """One figure that is asked for, and whether it was reached."""

    floor: float
    found: float
    is_met: bool


class Result(msgspec.Struct, frozen=True):
    """What ``bench --json`` prints. ``void`` says why the figures do not count, if so.

    ``journal`` tells what became of all that was posted: ``unanswered`` was under way when the
    node was killed, and ``recorded`` of it stands in the journal all the same. ``started`` is
    how soon a node with a large directory is ready.
    """

    machine: dict[str, str | int]
    cap: dict[str, float]
    runs: list[Figures]
    heard: list[Heard]
    of_cap: dict[str, float]
    idle_mib: float
    busy_mib: float
    subscribers: int
    subscribers_mib: float
    fsync_us: float
    costs: dict[str, dict[str, float]]
    floors: dict[str, Floor]
    journal: dict[str, int]
    started: Started | None
    void: list[str]


def run(
    plan: Plan,
    folder: Path,
    told: Callable[[str], None],
    spoil: Callable[[Load], None] = lambda _: None,
) -> Result:
    """Measure a node process on this machine.

    Args:
        plan: how much.
        folder: empty; an exercise is founded in it.
        told: called with a line on how far it is.
        spoil: changes the load before it is posted, for a trial of the audit.

    Raises:
        Fault: the node does not start, or does not answer.
    """
    passphrase = world.randomness(16).hex()
    place = load.found_exercise(folder, passphrase)
    makers = load.makers(place)
    sealer = load.Sealer(makers[0])
    sample = sealer.envelope(load.READERS[:1]).header
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cap.cores(), mp_context=context) as pool:
        envelopes = _made(pool, makers, plan, told)
        spoil(envelopes)

        def yardstick() -> float:
            told("cap ...")
            return cap.measure(pool, sample, sealer.signer.keys, plan.cap_s)

        before = yardstick()
        bench = _Bench(place, makers, envelopes)
        with trial.running(place.node, passphrase) as node:
            bench.post(node, plan, told)
            if plan.listeners:
                bench.hear(node, place, plan, told)
            bench.idle(node, place, plan, told)
            bench.kill(node, plan, told)
        after = yardstick()
    told("costs ...")
    steps = costs.measure(plan.rounds)
    bench.fsync_us = costs.fsync_us(place.node, plan.rounds)
    if plan.endpoints:
        told(f"{plan.endpoints} endpoints ...")
        large = folder / "directory"
        bench.started = directory.measure(large, plan.endpoints, passphrase)
    told("journal ...")
    # A node opens what the killed one left, and ends as it should: that is what is looked at.
    with trial.running(place.node, passphrase):
        pass
    accepted = trial.accepted_in(place.node)
    void = trial.audit(bench.posted(), accepted, sealer.view)
    if cap.apart(before, after) > cap.APART:
        void.append(
            f"cap was {before:.0f}/s before and {after:.0f}/s after: not a quiet machine"
        )
    told("")
    return _result(bench, (before, after), steps, len(accepted), void)


def _made(
    pool: Executor, makers: Sequence[Maker], plan: Plan, told: Callable[[str], None]
) -> dict[str, list[Envelope]]:
    counts: dict[str, int] = {}
    for step in plan.posted:
        for poster, share in shares([maker.poster for maker in makers], step).items():
            counts[poster] = counts.get(poster, 0) + share
    total, done = sum(counts.values()), 0

    def made(count: int) -> None:
        nonlocal done
        done += count
        told(f"sealing and signing {done} / {total}")

    return load.make(pool, makers, counts, made)


class _Bench:
    """One node's trial: what was posted to it, and what came of it."""

    def __init__(
        self, place: Place, makers: Sequence[Maker], envelopes: Mapping[str, list[Envelope]]
    ) -> None:
        self.runs: list[Figures] = []
        self.heard: list[Heard] = []
        self.answers: list[Answer] = []
        self.envelopes: dict[int, Envelope] = {}
        self.unanswered: frozenset[int] = frozenset()
        self.idle_mib = self.busy_mib = self.subscribers_mib = self.fsync_us = 0.0
        self.subscribers = 0
        self.started: Started | None = None
        self._certificate = (place.node / state.CERTIFICATE).read_text(encoding="ascii")
        self._makers = makers
        self._waiting: dict[str, Iterator[tuple[int, Envelope]]] = {}
        numbers = itertools.count()
        for poster, made in envelopes.items():
            numbered = [(next(numbers), envelope) for envelope in made]
            self.envelopes.update(numbered)
            self._waiting[poster] = iter(numbered)

    def post(self, node: Running, plan: Plan, told: Callable[[str], None]) -> None:
        """Do each run of the plan, one after another."""
        self.idle_mib = node.memory_mib()
        most = max(step.clients for step in plan.steps)
        with self._connected(node, most) as (connections, tokens):
            for step in plan.steps:
                told(f"{step.name} ...")
                work = self._work(connections, tokens, step)
                figures, answers = trial.measure(node, step.name, work, plan.limit_s)
                self.answers += answers
                if step.name != WARM_UP:
                    self.runs.append(figures)
        self.busy_mib = node.memory_mib()

    @contextmanager
    def _connected(
        self, node: Running, count: int
    ) -> Iterator[tuple[list[Connection], list[str]]]:
        """Open so many connections, and a session for each poster."""
        with ExitStack() as stack:
            connections = [Connection(node.port, self._certificate) for _ in range(count)]
            for each in connections:
                stack.callback(each.close)
            yield (
                connections,
                [
                    trial.open_session(connections[0], load.Sealer(maker), maker.poster)
                    for maker in self._makers
                ],
            )

    def kill(self, node: Running, plan: Plan, told: Callable[[str], None]) -> None:
        """Post once more, and kill the node in the middle of it."""
        told("killed ...")
        step = plan.killed
        with self._connected(node, step.clients) as (connections, tokens):
            work = self._work(connections, tokens, step)
            killed = post_until_killed(node.kill, work, step.count // 2, plan.limit_s)
        self.answers += killed.answers
        self.unanswered = killed.unanswered

    def posted(self) -> trial.Posted:
        """Return everything that was sent and answered, and what was not answered."""
        return trial.Posted(self.envelopes, self.answers, self.unanswered)

    def idle(
        self, node: Running, place: Place, plan: Plan, told: Callable[[str], None]
    ) -> None:
        """Look at the memory of a node that many listen to."""
        told("subscribers ...")
        self.subscribers = plan.subscribers
        names = (*load.LISTENERS, *load.IDLERS)[: plan.subscribers]
        with self._connected(node, 1) as ((door,), _):
            makers = {name: load.maker(place, name) for name in names}
            self.subscribers_mib = hearing.idle_mib(
                node, self._certificate, makers, door, plan.subscribers
            )

    def hear(
        self, node: Running, place: Place, plan: Plan, told: Callable[[str], None]
    ) -> None:
        """Deliver to ever more streams of events; what is posted for it is audited too."""
        told("events ...")
        sealer = load.Sealer(self._makers[0])
        count = plan.heard * (len(plan.listeners) + 1)
        first = len(self.envelopes)
        made = [sealer.envelope(load.LISTENERS) for _ in range(count)]
        self.envelopes.update(enumerate(made, first))
        framed = iter([(first + at, each.framed()) for at, each in enumerate(made)])
        poster = Connection(node.port, self._certificate)
        try:
            token = trial.open_session(poster, sealer, self._makers[0].poster)
            makers = {name: load.maker(place, name) for name in load.LISTENERS}
            rounds = hearing.rounds(framed, token, plan.listeners, plan.heard)
            self.heard, answers = hearing.measure(
                node, self._certificate, makers, poster, rounds
            )
            self.answers += answers
        finally:
            poster.close()

    def _work(
        self, connections: Sequence[Connection], tokens: Sequence[str], step: Step
    ) -> list[tuple[Connection, Iterator[Request]]]:
        """Share a run's bulletins out; connections of one poster take from one heap."""
        taking = shares([maker.poster for maker in self._makers], step)
        heaps = []
        for (poster, share), token in zip(taking.items(), tokens, strict=False):
            numbered = list(itertools.islice(self._waiting[poster], share))
            heaps.append(iter(requests(numbered, token, step.batch)))
        return [
            (connection, heaps[place % len(heaps)])
            for place, connection in enumerate(connections[: step.clients])
        ]


def shares(posters: Sequence[str], step: Step) -> dict[str, int]:
    """Share a run's bulletins out among the posters that its connections stand for."""
    taking = posters[: step.clients]
    return {
        poster: len(range(place, step.count, len(taking)))
        for place, poster in enumerate(taking)
    }


def requests(numbered: Sequence[tuple[int, Envelope]], token: str, batch: int) -> list[Request]:
    """Return requests that are whole: nothing is joined while the clock runs."""
    path = "/v1/objects" if batch == 1 else "/v1/batch"
    found = []
    for at in range(0, len(numbered), batch):
        part = numbered[at : at + batch]
        body = b"".join(envelope.framed() for _, envelope in part)
        data = head("POST", path, token, len(body)) + body
        found.append(Request(data, [number for number, _ in part]))
    return found


def _result(
    bench: _Bench,
    caps: tuple[float, float],
    costs: dict[str, dict[str, float]],
    accepted: int,
    void: list[str],
) -> Result:
    mean = sum(caps) / 2
    of_cap = {run.name: run.per_s / mean for run in bench.runs}
    floors = {
        name: Floor(floor, of_cap[name], of_cap[name] >= floor)
        for name, floor in FLOORS.items()
        if name in of_cap
    }
    one_ms = (bench.fsync_us + costs[SUITE]["verify_us"]) / 1e3
    most = {**FLOORS, "post-1_ms": IDLE_TIMES * one_ms, "policy_us": POLICY_US}
    for name, found in (
        ("policy_us", costs[SUITE]["policy_us"]),
        ("idle_mib", bench.idle_mib),
        ("subscribers_mib", bench.subscribers_mib),
        ("post-1_ms", next((run.p50_ms for run in bench.runs if run.clients == 1), 0.0)),
    ):
        floors[name] = Floor(most[name], found, found <= most[name])
    if bench.started:
        again_s = bench.started.again_s
        floors["start_s"] = Floor(START_S, again_s, again_s <= START_S)
    acknowledged = sum(len(answer.numbers) for answer in bench.answers)
    return Result(
        machine=machine(),
        cap={
            "before": caps[0],
            "after": caps[1],
            "apart": cap.apart(*caps),
            "per_s": mean,
        },
        runs=bench.runs,
        heard=bench.heard,
        of_cap=of_cap,
        idle_mib=bench.idle_mib,
        busy_mib=bench.busy_mib,
        subscribers=bench.subscribers,
        subscribers_mib=bench.subscribers_mib,
        fsync_us=bench.fsync_us,
        costs=costs,
        floors=floors,
        journal={
            "accepted": accepted,
            "acknowledged": acknowledged,
            "unanswered": len(bench.unanswered),
            "recorded": accepted - acknowledged,
        },
        started=bench.started,
        void=void[:20],
    )


def machine() -> dict[str, str | int]:
    """Return what the figures were measured on."""
    return {
        "cores": cap.cores(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
    }
