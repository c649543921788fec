"""Real witnesses in this process, a node that needs them, and the road between."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from exchange.cli.serve import log_signers
from exchange.errors import Code, Fault
from exchange.journal import checkpoint as cp
from exchange.journal.logkeys import origin_of
from exchange.model.trust import ACCEPT_ALL, WhenUnwitnessed, Witnesses
from exchange.node.witness import Witness
from exchange.seal import trust_making
from exchange.store.witnessed import WitnessFiles
from tests.builders import NOW, world
from tests.node.running import Clock, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from exchange.journal.quorum import Witness as Named
    from exchange.journal.witness import Rings
    from exchange.model.view import View
    from exchange.node.node import Node

ORIGIN = origin_of("pa")
LOG = log_signers("pa", world().node)
LOGS = {ORIGIN: (tuple(each.key for each in LOG),)}
LIMIT_S = 4 * 3600


def signer(name: str) -> cp.Signer:
    return cp.ml_dsa_44_signer(name, MLDSA44PrivateKey.from_seed_bytes(name.encode() * 16))


NAMES = ("w1", "w2")
SIGNERS = {name: signer(name) for name in NAMES}


def replaced(view: View, names: Sequence[str]) -> bytes:
    """What both nations sign so that these are the witnesses from then on."""
    before = view.agreed()
    after = msgspec.structs.replace(
        before, version=before.version + 1, witnesses=agreed(names), issued=NOW
    )
    made, files = trust_making.rearranged(view, after, world().founder.expires)
    return trust_making.signed(made, files, world().founder.signers())


class Road:
    """Meets ``ports.Courier``: straight to witnesses of this process, as long as it is open."""

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], int],
        names: Sequence[str] = NAMES,
        logs: Mapping[str, Rings] = LOGS,
    ) -> None:
        self.folder, self.clock, self.logs = folder, clock, logs
        self.closed: set[str] = set()
        self.asked: list[tuple[str, int]] = []
        self.recalls: dict[str, WitnessFiles] = {}
        self.witnesses: dict[str, Witness] = {}
        self.shows: bytes | None = None
        self.lie: Callable[[str, int, bytes], tuple[int, bytes]] | None = None
        for name in names:
            (folder / name).mkdir(parents=True)
            WitnessFiles.found(folder / name)
            self.open(name)

    def open(self, name: str) -> None:
        self.recalls[name] = WitnessFiles.open(self.folder / name)
        self.witnesses[name] = Witness(self.logs, signer(name), self.recalls[name], self.clock)

    async def close(self) -> None:
        for each in self.recalls.values():
            await each.close()

    def _reached(self, named: Named) -> Witness:
        if named.name in self.closed:
            raise Fault(Code.NODE_UNREACHABLE, name=named.name)
        return self.witnesses[named.name]

    async def add(self, named: Named, request: bytes) -> tuple[int, bytes]:
        answer = await self._reached(named).add(request)
        self.asked.append((named.name, answer.status))
        if self.lie is not None:
            return self.lie(named.name, answer.status, answer.body)
        return answer.status, answer.body

    async def remembered(self, named: Named, note: bytes) -> bytes | None:
        answer = await self._reached(named).remembered(note)
        if self.shows is not None:
            return self.shows
        return answer.body if answer.status == 200 else None


def agreed(
    names: Sequence[str] = NAMES,
    rule: str = "all",
    limit_s: int = LIMIT_S,
    past: WhenUnwitnessed = ACCEPT_ALL,
) -> Witnesses:
    lines = [f"witness {name} {signer(name).key} https://127.0.0.1:1" for name in names]
    group = f"group quorum {rule} {' '.join(names)}"
    return Witnesses([*lines, group, "quorum quorum"], limit_s, past)


def documents(witnesses: Witnesses | None = None) -> list[bytes]:
    again = world().rearranged(quorum="witnesses", witnesses=witnesses or agreed(), issued=NOW)
    return [*world().documents, again]


@asynccontextmanager
async def vouched(
    folder: Path, *, clock: Clock | None = None, road: Road | None = None, **options: Any
) -> AsyncIterator[tuple[Node, Road]]:
    """A node, and its road to the witnesses; ``witnesses`` are who must vouch for it."""
    clock = clock or Clock()
    made = road or Road(folder, clock)
    witnesses = options.pop("witnesses", None)
    options.setdefault("documents", documents(witnesses))
    try:
        async with running(clock=clock, courier=made, **options) as node:
            yield node, made
    finally:
        if road is None:
            await made.close()
