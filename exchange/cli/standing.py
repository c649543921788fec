"""How a running node's links are: gathered, and written beside the node for its operator."""

from __future__ import annotations

import asyncio
from heapq import nsmallest
from typing import TYPE_CHECKING

import msgspec
import structlog

from exchange.cli.state import LINKS, WITNESS
from exchange.journal.logkeys import origin_of
from exchange.node.links import LinkHealth, Links, Told
from exchange.store.witnessed import EVIDENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.cli.state import State
    from exchange.link.door import Door
    from exchange.link.pulling import Puller
    from exchange.link.waiting import Waiting
    from exchange.node.node import Node
    from exchange.store.witnessed import WitnessFiles

FILE = "standing.json"
_EVERY_S = 1.0
# Older than this, it was not written by a node that runs (seconds).
STALE_S = 15
# So many of what waits are named: the file is written each second.
_AWAITED = 20

_log = structlog.get_logger("exchange.link")


class Standing:
    """Says how the links are, and writes it; ``run`` ends when cancelled."""

    def __init__(self, here: State, node: Node) -> None:
        """Say it for this node from now on."""
        self.pullers: dict[str, Puller] = {}
        # From whom nothing comes over a link.
        self.by_file: set[str] = set()
        self.recall: WitnessFiles | None = None
        self.door: Door | None = None
        # The name of the node's own witness, and why that vouches for nobody.
        self.witness = self.trouble = ""
        self._here = here
        self._node = node
        node.links = self.links

    def links(self) -> Links:
        """Return how all links are, and what is kept that convicts a journal."""
        vouched = self.recall.marks() if self.recall else {}
        peers = [
            self._health(name, puller, vouched.get(origin_of(name), 0))
            for name, puller in sorted(self.pullers.items())
        ]
        door = self.door
        return Links(
            peers,
            evidence(self._here),
            self.witness,
            self.trouble,
            door.callers if door else 0,
            door.turned_away if door else 0,
        )

    def _health(self, name: str, puller: Puller, vouched: int) -> LinkHealth:
        now, error = self._node.now(), puller.trouble or puller.why
        leaves = puller.leaves
        is_there = puller.is_up or name in self.by_file
        is_whole = is_there and puller.pulled.after + 1 >= puller.size
        witness, cosigned, cosigned_at = self._node.witnessing.by_node(name)
        return LinkHealth(
            node=name,
            up=puller.is_up,
            since=puller.since,
            pulled=puller.pulled.after + 1,
            size=puller.size,
            seen=puller.seen,
            lag_s=0 if is_whole else max(now - puller.whole_at, 0),
            witness=witness,
            cosigned=cosigned,
            cosigned_at=cosigned_at,
            vouched=vouched,
            code=error.code.value if error else "",
            stopped=puller.trouble is not None,
            at=error.at if error else "",
            facts=error.facts if error else {},
            behind=[
                f"{each.name} {each.here}<{each.there} {each.code}".rstrip()
                for each in puller.adopter.behind
            ],
            waiting=len(puller.pulled.waiting),
            awaited=[
                f"{index} {each.code} {each.since}"
                for index, each in _first(puller.pulled.waiting)
            ],
            file_at=puller.pulled.file_at,
            file_to=puller.pulled.file_to,
            by_file=name in self.by_file,
            leaves=leaves.size if leaves else 0,
            leaves_code=leaves.why.code.value if leaves and leaves.why else "",
        )

    async def run(self) -> None:
        """Write it once a second: a file that is old says that the node does not run."""
        self._here.links.mkdir(mode=0o700, exist_ok=True)
        while True:
            try:
                self._write()
            except OSError as error:
                _log.error("standing", error=type(error).__name__)
            await asyncio.sleep(_EVERY_S)

    def _write(self) -> None:
        node, path = self._node, self._here.links / FILE
        told = Told(node.name, node.now(), node.unwitnessed_s, self.links())
        # Not durable: what a machine that stopped said a moment before helps nobody.
        young = path.with_name(f"{FILE}.new")
        young.write_bytes(msgspec.json.encode(told))
        young.replace(path)


def _first(waiting: Mapping[int, Waiting]) -> list[tuple[int, Waiting]]:
    return [(index, waiting[index]) for index in nsmallest(_AWAITED, waiting)]


def evidence(here: State) -> list[str]:
    """Return the files of what convicts a journal, from the node's folder on."""
    # Also what a witness kept whose memory was put aside for a new one.
    patterns = f"{LINKS}/*.evidence", f"{WITNESS}*/{EVIDENCE}/*.evidence"
    kept = [path for each in patterns for path in sorted(here.folder.glob(each))]
    return [str(path.relative_to(here.folder)) for path in kept]
