"""Files that wait to be taken in by a node: put beside it by a verb, taken by its own process.

Nobody but the node writes to its journal. The verb puts a file here, whole and under its last
name at one stroke; the node takes them in order, and says what became of each in a file beside
it, for as long as the verb may be waiting. While the node is down they wait for its start.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog

from exchange.cli import world, young
from exchange.client.files import sync_folder, write_durably
from exchange.errors import Code, ExchangeError, Fact, Fault, Refusal
from exchange.link import parcels
from exchange.link.unpacking import bring
from exchange.store.quota import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exchange.link.parcels import Contents
    from exchange.link.pulling import Puller

FOLDER: Final = "incoming"
_EXPORT, _OUTCOME = ".export", ".outcome"
_TELLING, _COMING = ".telling", "coming"
_EVERY_S: Final = 0.5
# An outcome that nobody fetched.
_KEPT_S: Final = 86_400
# A file that was kept out is tried again after so long, and then less and less often: each time
# all of it is read (seconds).
_FIRST_AGAIN_S: Final = 1.0
_LONGEST_AGAIN_S: Final = 60.0

_log = structlog.get_logger("exchange.link")


class Outcome(msgspec.Struct, frozen=True):
    """How far a file is taken in, or what became of it; ``code``: why it was not."""

    done: int = 0
    of: int = 0
    is_over: bool = False
    # Up to which entry of the other journal all is here.
    here: int = -1
    # How many entries wait for bytes that there is no room for here, say.
    waiting: int = 0
    code: str = ""
    at: str = ""
    facts: dict[str, Fact] = {}
    is_refused: bool = False

    def must_be_well(self) -> None:
        """Raise what was raised in the node, if anything was.

        Raises:
            Refusal, Fault: as there.
        """
        if self.code:
            kind = Refusal if self.is_refused else Fault
            raise kind(Code(self.code), self.at, **self.facts)


class _KeptOut(NamedTuple):
    """A file that is tried again: which one, why, from when on by the loop's clock (s)."""

    of: int
    why: Outcome
    until: float
    pause_s: float


def put(links: Path, source: Path, contents: Contents) -> Path:
    """Put a file here; return its place. One that is here already changes nothing.

    Raises:
        Fault: ``store-failed``: the journal, on the same disk, would have too little left.
        OSError: it cannot be copied; nothing of it is here then.
    """
    folder = links / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    parcel = contents.parcel
    # In this order they are taken in.
    mark = hashlib.sha256(parcel.digest.encode()).hexdigest()[:16]
    place = folder / f"{parcel.node}-{parcel.after + 1:016d}-{mark}{_EXPORT}"
    young.clear(folder, _COMING)
    with source.open("rb") as old, young.beside(place, _COMING) as new:
        _must_be_spare(folder, source.stat().st_size)
        shutil.copyfileobj(old, new.file, 1024 * 1024)
        new.sync()
        _outcome_of(place).unlink(missing_ok=True)
        new.path.replace(place)
    sync_folder(folder)
    return place


def _must_be_spare(folder: Path, wanted: int) -> None:
    """Leave the journal as much of the disk as uploads leave it."""
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < Allowance().spare + wanted:
        raise Fault(Code.STORE_FAILED, reason="the disk is nearly full")


def outcome(place: Path) -> Outcome | None:
    """Return what the node says of a file that was put here; None before it says anything."""
    try:
        return msgspec.json.decode(_outcome_of(place).read_bytes(), type=Outcome)
    except FileNotFoundError:
        return None


def forget(place: Path) -> None:
    """Take away what became of a file, once it was told."""
    _outcome_of(place).unlink(missing_ok=True)


def _outcome_of(place: Path) -> Path:
    return place.with_suffix(_OUTCOME)


class Incoming:
    """The node's side: takes in what is put here; ``run`` ends when cancelled."""

    def __init__(self, links: Path, us: str, pullers: Mapping[str, Puller]) -> None:
        """Take in for this node, from those that it has pullers of."""
        self._folder = links / FOLDER
        self._us = us
        self._pullers = pullers
        self._kept_out: dict[Path, _KeptOut] = {}

    async def run(self) -> None:
        """Take in what is here and what comes, one file after the other, in their order."""
        self._clear()
        while True:
            try:
                await self.step()
            except OSError as error:
                _log.error("incoming", error=type(error).__name__)
            await asyncio.sleep(_EVERY_S)

    async def step(self) -> None:
        """Take in what is here; what goes on from a file that is kept out waits behind it.

        Else its successors would be refused, as what comes before them did not come, and gone.
        """
        in_front: dict[str, Outcome] = {}
        for place in sorted(self._folder.glob(f"*{_EXPORT}")):
            node = place.name.rsplit("-", 2)[0]
            known = self._kept_out.get(place)
            # The same file put here once more is tried at once.
            if known is not None and known.of != place.stat().st_mtime_ns:
                known = None
            if node in in_front:
                self._say_behind(place, in_front[node])
            elif known is not None and asyncio.get_running_loop().time() < known.until:
                in_front[node] = known.why
            else:
                why = await self.take(place)
                if place.exists():
                    in_front[node] = why
                    self._keep_out(place, why, known)
                else:
                    self._kept_out.pop(place, None)

    def _keep_out(self, place: Path, why: Outcome, before: _KeptOut | None) -> None:
        pause_s = min(2 * before.pause_s, _LONGEST_AGAIN_S) if before else _FIRST_AGAIN_S
        until = asyncio.get_running_loop().time() + pause_s
        self._kept_out[place] = _KeptOut(place.stat().st_mtime_ns, why, until, pause_s)

    @staticmethod
    def _say_behind(place: Path, why: Outcome) -> None:
        """Say why a file waits behind another, once, to who may be waiting for an answer."""
        if not _outcome_of(place).exists():
            write_durably(_outcome_of(place), msgspec.json.encode(why))

    async def take(self, place: Path) -> Outcome:
        """Take one in, say what became of it, and remove it once that is final and said."""
        found = await self._taken(place)
        is_final = found.is_refused or found.code in {"", Code.INTERNAL.value}
        try:
            write_durably(_outcome_of(place), msgspec.json.encode(found))
            if is_final:
                await asyncio.to_thread(place.unlink)
        except OSError as error:
            # What was taken in is here, and changes nothing when it comes again.
            _log.error("incoming", file=place.name, error=type(error).__name__)
        # What is not final passes, as a full disk does: the file is tried again.
        tell = _log.warning if found.code else _log.info
        tell("incoming", file=place.name, code=found.code, here=found.here)
        return found

    async def _taken(self, place: Path) -> Outcome:
        try:
            contents = await asyncio.to_thread(parcels.read, place)
            puller = self._puller_of(contents)
            await bring(puller, self._us, contents, self._telling(place))
        except ExchangeError as error:
            refused = isinstance(error, Refusal)
            return Outcome(
                is_over=True,
                code=error.code.value,
                at=error.at,
                facts=error.facts,
                is_refused=refused,
            )
        except OSError as error:
            # Not its contents, but our disk: it can not be read now.
            return Outcome(
                is_over=True,
                code=Code.FILE.value,
                facts={"name": place.name, "found": type(error).__name__},
            )
        except Exception as error:  # noqa: BLE001  (one file is not to end the taking in)
            _log.exception("incoming", error=type(error).__name__)
            return Outcome(is_over=True, code=Code.INTERNAL.value)
        pages, pulled = len(contents.pages), puller.pulled
        return Outcome(
            pages, pages, is_over=True, here=pulled.after, waiting=len(pulled.waiting)
        )

    def _puller_of(self, contents: Contents) -> Puller:
        parcel = contents.parcel
        found = self._pullers.get(parcel.node)
        if found is None:
            raise Refusal(Code.EXPORT_OTHER, "/node", name=parcel.node, to=parcel.to)
        return found

    def _telling(self, place: Path) -> Callable[[int, int], None]:
        path = _outcome_of(place)

        def told(done: int, of: int) -> None:
            # Not durable: it is said again with the next page.
            beside = path.with_suffix(_TELLING)
            beside.write_bytes(msgspec.json.encode(Outcome(done, of)))
            beside.replace(path)

        return told

    def _clear(self) -> None:
        """Take away what nobody will ask for: copies that were cut, outcomes of days ago."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        young.clear(self._folder, _COMING)
        # No copy has this ending any more; one that was cut may have taken the whole disk.
        for path in self._folder.glob("*.new"):
            path.unlink(missing_ok=True)
        now = world.now()
        for path in self._folder.iterdir():
            # A copy on its way is none of these: its command will want it.
            is_said = path.suffix in {_OUTCOME, _TELLING}
            if is_said and now - path.stat().st_mtime > _KEPT_S:
                path.unlink(missing_ok=True)
