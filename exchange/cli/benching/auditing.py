"""What an auditor's search costs on a long journal: an index of made-up entries.

The entries are as a node's are in form and size (bulletins, acknowledgements, refusals, grants,
bookkeeping), and nobody signed them: no rule judges what is indexed. So it is folding, and the
search over what was folded, that are measured.
"""

from __future__ import annotations

import random
import time
from statistics import median
from typing import TYPE_CHECKING, Any, Final, get_args

import msgspec

from exchange.audit.index import Index
from exchange.audit.query import parse
from exchange.audit.search import search
from exchange.audit.verify import Stored
from exchange.errors import Code
from exchange.journal.stored import leaf_of
from exchange.journal.tiles import MemoryHashes
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.model.header import Blob, Precedence, Tlp
from exchange.model.identity import digest, member_of, uuid7

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_MEMBERS: Final = (
    *("pa.senan", "pa.minsa", "pa.senafront", "pa.sinaproc", "pa.amp"),
    *("us.jiatfs", "us.uscg", "us.cbp", "us.dea", "us.oig"),
)
_ENDPOINTS: Final = tuple(
    f"{name}/{at}" for name in _MEMBERS for at in ("ops", "watch", "desk")
)
_TYPES: Final = ("voi", "szr", "mig", "opn", "rfi", "rpy", "brq", "brp", "can", "cor")
_BEGUN_MS: Final = 1_796_000_000_000
# A million over 180 days.
_STEP_MS: Final = 15_552
_ROUNDS: Final = 5
_SIGNED_BYTES: Final = 3000
QUERIES: Final = {
    "everything": "",
    "type": "type=voi",
    "type+origin": "type=voi&origin=pa.senan",
    "type+origin+month": "type=voi&origin=pa.senan&from=2026-12-01&to=2026-12-31",
    "recipient+precedence": "recipient=us.jiatfs&precedence=flash&precedence=immediate",
    "refused": "kind=refused&code=not-releasable",
    "outcome+policy": "outcome=opened&policy=2",
}


class Searched(msgspec.Struct, frozen=True):
    """One query: entries found, and ms by the clock: the first of a process, then the rest."""

    name: str
    found: int
    first_ms: float
    median_ms: float
    worst_ms: float


class Audited(msgspec.Struct, frozen=True):
    """What ``bench --audit`` prints."""

    entries: int
    fold_us: float
    index_mib: float
    values: int
    queries: list[Searched]


def run(folder: Path, size: int, told: Callable[[str], None]) -> Audited:
    """Fold a made-up journal of so many entries, and search it."""
    path, source = folder / "bench.index", MadeUp(size)
    begun = time.process_time() - source.spent
    with Index.open(path) as index:
        index.fold(source, lambda done, of: told(f"{done} / {of}"))
        folded = time.process_time() - begun - source.spent
        (journal,) = index.journals()
        values = sum(len(index.values(journal, name)) for name in ("recipient", "code", "type"))
    told("searching ...")
    queries = [_searched(path, name, text) for name, text in QUERIES.items()]
    told("")
    return Audited(
        entries=size,
        fold_us=folded / size * 1e6,
        index_mib=path.stat().st_size / 2**20,
        values=values,
        queries=queries,
    )


def _searched(path: Path, name: str, text: str) -> Searched:
    pairs = [tuple(each.split("=")) for each in text.split("&") if each]
    query = parse([(key, value) for key, value in pairs])
    with Index.open(path, read_only=True) as index:
        taken, found = [], 0
        for _ in range(1 + _ROUNDS):
            begun = time.perf_counter()
            found = search(index, query).total
            taken.append((time.perf_counter() - begun) * 1e3)
    return Searched(name, found, taken[0], median(taken[1:]), max(taken[1:]))


class MadeUp:
    """A journal that is made as it is read; ``spent`` is the processor time of making it."""

    def __init__(self, size: int, seed: int = 1) -> None:
        """Make so many entries, the same each time."""
        self._size = size
        self._dice = random.Random(seed)  # noqa: S311  (no secret)
        self._bulletins: list[tuple[int, str, str]] = []
        self._tree = MemoryHashes()
        self.spent = 0.0

    def size(self) -> int:
        """Return how many entries there are."""
        return self._size

    def blob(self, digest: str) -> bytes | None:  # noqa: ARG002
        """Return nothing: there are no trust documents."""
        return None

    def hashes(self, level: int, first: int, count: int) -> bytes:
        """Return hashes over what was read so far."""
        return self._tree.read(level, first, count)

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        """Return the next entries; they are made in order."""
        begun = time.process_time()
        made = [self._made(index) for index in range(first, min(first + limit, self._size))]
        if first == 0:
            # The first is made anew each time that it is looked at.
            self._tree = MemoryHashes()
        self._tree.extend([leaf_of(each.entry) for each in made])
        self.spent += time.process_time() - begun
        return made

    def _made(self, index: int) -> Stored:
        facts, said = self._facts(index)
        signed = b""
        if said:
            payload = b64(msgspec.json.encode(said))
            rest = [{"protected": "A" * 140, "signature": "A" * _SIGNED_BYTES}]
            signed = msgspec.json.encode({"payload": payload, "signatures": rest})
        return Stored(index, entries.encode(facts, signed), b"")

    def _facts(self, index: int) -> tuple[entries.Facts, dict[str, Any]]:
        dice, ms = self._dice, _BEGUN_MS + index * _STEP_MS
        common: dict[str, Any] = {
            "salt": b64(dice.randbytes(entries.SALT_BYTES)), "taken_ms": ms, "view": -1,
        }  # fmt: skip
        if index == 0:
            return entries.EpochOpened(node="us", epoch=1, **common), {}
        kind = dice.random()
        if kind < 0.45 or not self._bulletins:
            return self._bulletin(index, ms, common)
        if kind < 0.05 + 0.45:
            code = dice.choice(list(Code)[:90]).value
            caller, name = dice.choice(_ENDPOINTS), digest(dice.randbytes(8))
            facts = entries.Refused(
                caller=caller, digest=name, size=5000, code=code, at="/to/0", **common
            )
            return facts, {}
        if kind < 0.98:
            return self._ack(ms, common)
        return entries.InboxHeads(size=index, seed=0, root=digest(b""), **common), {}

    def _bulletin(
        self, index: int, ms: int, common: dict[str, Any]
    ) -> tuple[entries.Facts, dict[str, Any]]:
        dice = self._dice
        endpoint, identity = dice.choice(_ENDPOINTS), uuid7(ms, dice.randbytes(10))
        to = sorted(dice.sample(_ENDPOINTS, dice.randrange(1, 6)))
        name = digest(dice.randbytes(8))
        self._bulletins = [*self._bulletins[-99:], (index, identity, name)]
        facts = entries.Accepted(
            digest=name,
            blobs=[Blob(name, 5000)],
            wraps=[name] * len(to),
            owed=[entries.Owed(each, index) for each in to],
            late=False,
            **common,
        )
        tlp = dice.choice(get_args(Tlp))
        marking = {"tlp": tlp, "releasable_to": ["PAN", "USA"], "handling": []}
        said = {
            "v": "xb1", "suite": "xb1-h", "id": identity, "origin": member_of(endpoint),
            "endpoint": endpoint, "type": dice.choice(_TYPES), "schema": "1.0", "verb": "new",
            "status": "exercise", "feed": dice.choice(("maritime", "migration", "requests")),
            "to": to, "marking": marking, "precedence": dice.choice(get_args(Precedence)),
            "issued": ms // 1000, "expires": ms // 1000 + 86400, "observed": ms // 1000 - 900,
            "retain_until": ms // 1000 + 30 * 86400, "refs": [],
        }  # fmt: skip
        return facts, said

    def _ack(self, ms: int, common: dict[str, Any]) -> tuple[entries.Facts, dict[str, Any]]:
        of, identity, name = self._dice.choice(self._bulletins)
        endpoint = self._dice.choice(_ENDPOINTS)
        facts = entries.Acknowledged(
            digest=digest(self._dice.randbytes(8)),
            of=of,
            owed=[entries.Owed(endpoint, of)],
            **common,
        )
        subject = {"endpoint": endpoint, "id": identity, "header_digest": name}
        said = {
            "v": "xb1", "id": uuid7(ms, self._dice.randbytes(10)), "endpoint": endpoint,
            "origin": member_of(endpoint), "of": subject, "at": ms // 1000,
            "outcome": self._dice.choice(("delivered", "opened", "actioned")),
            "officer": "exercise-1",
        }  # fmt: skip
        return facts, said
