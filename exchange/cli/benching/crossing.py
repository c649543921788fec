"""The link between two node processes: how soon a backlog, what presses and a quorum cross.

Both nodes run here, as their operators would start them. First both are well, and each
checkpoint of one is to be cosigned by both. Then the other is away while a backlog is posted;
it comes back, and while it catches up FLASH is posted now and then. They share the cores with
each other and with whoever posts: two machines would do better.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec

from exchange.cli import found, state, world
from exchange.cli.benching import cap, load, trial, whole
from exchange.cli.benching.posting import Connection
from exchange.cli.benching.whole import Floor, Step
from exchange.cli.demo import free_port
from exchange.custody.founding import EndpointPlan, MemberPlan
from exchange.errors import Code, Fault
from exchange.journal.checkpoint import parse
from exchange.model import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from exchange.cli.benching.posting import Answer
    from exchange.cli.benching.trial import Running
    from exchange.cli.found import Place
    from exchange.model.header import Precedence
    from exchange.model.trust import Label
    from exchange.seal.close import Envelope

# Who reads the backlog, and who reads FLASH alone: so one waits for it without reading on.
READER, URGENT = load.READERS[:2]
# What issue 7 asks of a release; FLASH besides a round trip of the link (ms).
RATIO, FLASH_MS, COSIGNED_MS = 0.5, 1000.0, 2000.0
_BATCH, _CLIENTS = 100, 4
_PATIENCE_S = 60.0
_LOOK_S = 0.005
_WATCH_S = 0.05
# A link hangs up on who does not say who it is, after eight requests.
_STRANGERS = 6


class Plan(msgspec.Struct, frozen=True):
    """How much is done: bulletins in the backlog, checkpoints looked at, round trips timed.

    Between two FLASH so many seconds are let pass, since the last one was there.
    """

    backlog: int
    checkpoints: int
    pause_s: float
    trips: int = 24


FULL = Plan(20_000, 15, 0.25)
QUICK = Plan(2_000, 4, 0.1)


class Spread(msgspec.Struct, frozen=True):
    """How long something took, of so many times, in ms."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Result(msgspec.Struct, frozen=True):
    """What ``bench --link --json`` prints. ``void`` says why the figures do not count, if so.

    ``flash`` is from the receipt at home until it is in the inbox abroad; ``cosigned`` from
    when a checkpoint is shown until a quorum's is, ``vouched`` the same from the receipt.
    Processor time is per bulletin of the backlog: of the node that accepts it, and of both
    while it crosses (us).
    """

    machine: dict[str, str | int]
    backlog: int
    round_trip_ms: float
    accepted_per_s: float
    crossed_per_s: float
    accepting_cpu_us: float
    home_cpu_us: float
    abroad_cpu_us: float
    flash: Spread
    cosigned: Spread
    vouched: Spread
    targets: dict[str, Floor]
    void: list[str]


def run(plan: Plan, folder: Path, told: Callable[[str], None]) -> Result:
    """Measure two node processes and the link between them.

    Args:
        plan: how much.
        folder: empty; an exercise is founded in it.
        told: called with a line on how far it is.

    Raises:
        Fault: a node does not start, or does not answer; or nothing crosses.
    """
    passphrase = world.randomness(16).hex()
    place, link_port = _founded(folder, passphrase)
    framed = _sealed(place, plan, told)
    bench = Bench(place, plan, told)
    with trial.running(place.node, passphrase) as home:
        with trial.running(bench.abroad, passphrase) as away:
            bench.well(home, away, link_port)
        bench.post(home, framed)
        with trial.running(bench.abroad, passphrase) as away:
            bench.drain(home, away)
    told("")
    return bench.result()


def _founded(folder: Path, passphrase: str) -> tuple[Place, int]:
    """Write an exercise with a node on each side; return the port of the first one's link."""
    title: Label = {"es": "EJERCICIO", "en": "EXERCISE"}
    members = [
        MemberPlan(name, title, tuple(EndpointPlan(each, title) for each in endpoints))
        for name, endpoints in (
            ("pa.exercise", load.POSTERS),
            ("us.exercise", (READER, URGENT)),
        )
    ]
    ports = [free_port(), free_port()]
    sites = [
        found.Site("pa", "https://127.0.0.1:1", f"127.0.0.1:{ports[0]}", ("pa",)),
        found.Site("us", "https://127.0.0.1:2", f"127.0.0.1:{ports[1]}", ("us",)),
    ]
    feeds = [found.feed("maritime", title, ["voi"], members)]
    return found.write_sites(folder, sites, members, feeds, passphrase), ports[0]


def _sealed(place: Place, plan: Plan, told: Callable[[str], None]) -> dict[str, list[Envelope]]:
    """Return the backlog, by poster."""
    makers, done = load.makers(place), 0

    def made(count: int) -> None:
        nonlocal done
        done += count
        told(f"sealing and signing {done} / {plan.backlog}")

    counts = whole.shares(load.POSTERS, Step("backlog", _CLIENTS, _BATCH, plan.backlog))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cap.cores(), mp_context=context) as pool:
        return load.make(pool, makers, counts, made, "routine")


class _Caller:
    """One endpoint's session with its node."""

    def __init__(self, node: Running, certificate: str, sealer: load.Sealer, name: str) -> None:
        self._at = Connection(node.port, certificate)
        self._token = trial.open_session(self._at, sealer, name)

    def close(self) -> None:
        self._at.close()

    def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        return self._at.ask(method, path, body, self._token)

    def inbox(self, after: int, wait_s: int = 0) -> wire.InboxPage:
        """Return at most one entry after another, and how many there are."""
        path = f"/v1/inbox?after={after}&limit=1&wait={wait_s}"
        return msgspec.json.decode(self.ask("GET", path).body, type=wire.InboxPage)

    def size(self, *, is_cosigned: bool) -> int:
        """Return of how many entries the newest checkpoint is; 0 where there is none."""
        answer = self.ask("GET", f"/v1/checkpoint{'?cosigned=1' if is_cosigned else ''}")
        return parse(answer.body).size if answer.status == 200 else 0


class _Watch(threading.Thread):
    """Looks every so often how much is in an inbox, and when."""

    def __init__(self, caller: _Caller) -> None:
        super().__init__(daemon=True)
        self._caller = caller
        self._is_over = threading.Event()
        # Seconds, and how many were there.
        self.seen: list[tuple[float, int]] = []

    @property
    def count(self) -> int:
        return self.seen[-1][1] if self.seen else 0

    def run(self) -> None:
        while not self._is_over.wait(_WATCH_S):
            total = self._caller.inbox(-1).total
            self.seen.append((time.perf_counter(), total))

    def end(self) -> None:
        self._is_over.set()
        self.join()


class Bench:
    """What was measured of two nodes."""

    def __init__(self, place: Place, plan: Plan, told: Callable[[str], None]) -> None:
        self.abroad = place.node.with_name("node-us")
        self._place, self._plan, self._told = place, plan, told
        self._sealers = {
            name: load.Sealer(load.maker(place, name))
            for name in (*load.POSTERS, READER, URGENT)
        }
        self._certificates = {
            folder: (folder / state.CERTIFICATE).read_text(encoding="ascii")
            for folder in (place.node, self.abroad)
        }
        self._trips: list[float] = []
        self._cosigned: list[float] = []
        self._vouched: list[float] = []
        self._flash: list[float] = []
        self._accepted_per_s = self._crossed_per_s = 0.0
        self._cpu_us: dict[str, float] = {}
        self._void: list[str] = []

    @contextmanager
    def _calling(self, node: Running, name: str) -> Iterator[_Caller]:
        folder = self._place.node if name.startswith("pa.") else self.abroad
        caller = _Caller(node, self._certificates[folder], self._sealers[name], name)
        try:
            yield caller
        finally:
            caller.close()

    def well(self, home: Running, away: Running, link_port: int) -> None:
        """Time round trips of the link, and how soon checkpoints are cosigned on it."""
        with (
            self._calling(home, load.POSTERS[0]) as poster,
            self._calling(away, URGENT) as urgent,
        ):
            # The first waits for both to have found each other.
            for number in range(self._plan.checkpoints + 1):
                self._told(f"checkpoints {number} / {self._plan.checkpoints} ...")
                times = self._checkpoint(poster)
                if number:
                    self._cosigned.append(times[0])
                    self._vouched.append(times[1])
            self._crossed(urgent, -1)
        for _ in range(0, self._plan.trips, _STRANGERS):
            stranger = Connection(link_port, self._certificates[self._place.node])
            self._trips += [stranger.ask("GET", "/nonce").seconds for _ in range(_STRANGERS)]
            stranger.close()

    def _checkpoint(self, poster: _Caller) -> tuple[float, float]:
        """Post; return how long its checkpoint took to be cosigned, and since the receipt."""
        index, begun = self._post(poster, "priority")
        signed = _until(lambda: poster.size(is_cosigned=False) > index)
        cosigned = _until(lambda: poster.size(is_cosigned=True) > index)
        return cosigned - signed, cosigned - begun

    def _post(self, poster: _Caller, precedence: Precedence) -> tuple[int, float]:
        """Post one to who reads FLASH alone; return its entry at home, and when it had it."""
        envelope = self._sealers[load.POSTERS[0]].envelope([URGENT], precedence)
        answer = poster.ask("POST", "/v1/objects", envelope.framed())
        at = time.perf_counter()
        (receipt,) = trial.receipts_of(answer._replace(numbers=(0,)))
        return receipt.index, at

    def _crossed(self, urgent: _Caller, after: int) -> int:
        """Wait until something more is in the inbox abroad; return its entry there."""
        until = time.perf_counter() + _PATIENCE_S
        while time.perf_counter() < until:
            if items := urgent.inbox(after, wire.MAX_WAIT_S).items:
                return items[-1].index
        raise Fault(Code.NODE_UNREACHABLE, found="link")

    def post(self, home: Running, made: dict[str, list[Envelope]]) -> None:
        """Post the backlog in batches, while the other node is away."""
        self._told("backlog ...")
        certificate = self._certificates[self._place.node]
        with ExitStack() as stack:
            work = []
            for name, envelopes in made.items():
                at = Connection(home.port, certificate)
                stack.callback(at.close)
                token = trial.open_session(at, self._sealers[name], name)
                numbered = list(enumerate(envelopes))
                work.append((at, iter(whole.requests(numbered, token, _BATCH))))
            figures, answers = trial.measure(home, "backlog", work, _PATIENCE_S * 60)
        self._accepted_per_s, self._cpu_us["accepting"] = figures.per_s, figures.node_cpu_us
        for answer in answers:
            try:
                trial.receipts_of(answer)
            except ValueError as error:
                self._void.append(f"not accepted: {error}")

    def drain(self, home: Running, away: Running) -> None:
        """Watch the backlog cross, and FLASH before it."""
        with (
            self._calling(home, load.POSTERS[0]) as poster,
            self._calling(away, READER) as reader,
            self._calling(away, URGENT) as urgent,
        ):
            last = self._newest(urgent)
            watch = _Watch(reader)
            watch.start()
            used_s = {"home": -home.cpu_s(), "abroad": -away.cpu_s()}
            try:
                _until(lambda: watch.count > 0)
                while watch.count < self._plan.backlog:
                    self._told(f"{watch.count} / {self._plan.backlog} crossed")
                    _, begun = self._post(poster, "flash")
                    last = self._crossed(urgent, last)
                    if watch.count < self._plan.backlog:
                        self._flash.append(time.perf_counter() - begun)
                    time.sleep(self._plan.pause_s)
            finally:
                watch.end()
            used_s["home"] += home.cpu_s()
            used_s["abroad"] += away.cpu_s()
            for name, seconds in used_s.items():
                self._cpu_us[name] = seconds / self._plan.backlog * 1e6
            self.rate(watch.seen)

    def _newest(self, urgent: _Caller) -> int:
        last = -1
        while items := urgent.inbox(last).items:
            last = items[-1].index
        return last

    def rate(self, seen: Sequence[tuple[float, int]]) -> None:
        """Reckon how fast it crossed, from when the first of it was seen."""
        came = [each for each in seen if each[1]]
        whole_at = next(at for at, count in came if count >= self._plan.backlog)
        first_at, first = came[0]
        if whole_at > first_at:
            self._crossed_per_s = (self._plan.backlog - first) / (whole_at - first_at)
        else:
            self._void.append("all of it crossed at once: a longer backlog is needed")
        if came[-1][1] != self._plan.backlog:
            self._void.append(f"posted {self._plan.backlog}, crossed {came[-1][1]}")

    def result(self) -> Result:
        """Return the figures, each beside its target."""
        trip_ms = trial.quantile(sorted(self._trips), 0.5) * 1e3
        flash, cosigned = _spread(self._flash), _spread(self._cosigned)
        ratio = self._crossed_per_s / self._accepted_per_s
        most = FLASH_MS + trip_ms
        return Result(
            machine=whole.machine(),
            backlog=self._plan.backlog,
            round_trip_ms=trip_ms,
            accepted_per_s=self._accepted_per_s,
            crossed_per_s=self._crossed_per_s,
            accepting_cpu_us=self._cpu_us["accepting"],
            home_cpu_us=self._cpu_us["home"],
            abroad_cpu_us=self._cpu_us["abroad"],
            flash=flash,
            cosigned=cosigned,
            vouched=_spread(self._vouched),
            targets={
                "ratio": Floor(RATIO, ratio, ratio >= RATIO),
                "flash_ms": Floor(most, flash.max_ms, flash.max_ms <= most),
                "cosigned_ms": Floor(
                    COSIGNED_MS, cosigned.max_ms, cosigned.max_ms <= COSIGNED_MS
                ),
            },
            void=self._void[:20],
        )


def _spread(seconds: Sequence[float]) -> Spread:
    found = sorted(each * 1e3 for each in seconds)
    p50, p99, most = (trial.quantile(found, share) for share in (0.5, 0.99, 1.0))
    return Spread(len(found), p50, p99, most)


def _until(holds: Callable[[], bool]) -> float:
    """Wait until something holds; return when it did.

    Raises:
        Fault: it does not, for a minute.
    """
    until = time.perf_counter() + _PATIENCE_S
    while not holds():
        if time.perf_counter() > until:
            raise Fault(Code.NODE_UNREACHABLE, found="link")
        time.sleep(_LOOK_S)
    return time.perf_counter()
