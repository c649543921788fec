"""The verbs ``link export`` and ``link import``: what the link would carry, as files."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
import msgspec

from exchange.cli import handing, options, output, progress, world
from exchange.cli.main import Session, group, verb
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exchange.cli.state import State
    from exchange.link.packing import Part, Plan
    from exchange.link.parcels import Contents
    from exchange.node.ports import Store

_MB = 1_000_000
_LOOK_S = 0.1
_EXPORTING = "exporting"


class Exported(msgspec.Struct, frozen=True):
    """Where the last export for a node ended."""

    after: int = -1


@group
def link() -> None:
    """Carry what the link to another nation's node would carry as files."""


link.add_command(handing.leaves)


@link.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@options.STATE
@click.option("--to", "far", required=True, help="The node that it is for.")
@click.option(
    "--after",
    type=click.IntRange(min=-1),
    help="Go on after this entry (-1: from the beginning), not where the last export ended.",
)
@click.option(
    "--file-mb",
    default=4000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Begin another file where one would become larger: FILE.2, FILE.3.",
)
@click.option(
    "--attachments-mb",
    default=4000,
    show_default=True,
    type=click.IntRange(min=0),
    help="End before a bulletin with more than this of attachments.",
)
@verb
def export(  # noqa: PLR0913, PLR0917  (one for each option)
    session: Session,
    file: Path,
    folder: Path,
    far: str,
    after: int | None,
    file_mb: int,
    attachments_mb: int,
) -> None:
    """Write what crosses to another node into FILE, signed by ours, while the node runs.

    Goes on where the last export for that node ended, unless --after says otherwise; what is
    there already is no harm. The node's passphrase is asked for: the file is signed in place of
    a session over TLS.
    """
    from exchange.cli.state import State  # noqa: PLC0415

    output.must_be_new(file)
    here, files = State(folder), _Files(file)
    bounds = file_mb * _MB, attachments_mb * _MB
    start = _remembered(here, far) if after is None else after
    told = progress.counted(session)
    parts = asyncio.run(_exported(here, far, start, bounds, files, told))
    _remember(here, far, parts[-1].cursor)
    if session.as_json:
        rows = [
            {"file": str(path), **msgspec.to_builtins(part)}
            for path, part in zip(files.written, parts, strict=True)
        ]
        output.show_json({"to": far, "files": rows})
    for path, part in zip(files.written, parts, strict=True):
        _say_part(session, path, part)


class _Files:
    """Meets ``link.packing.Files``: FILE, FILE.2, FILE.3; each whole or not there."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.written: list[Path] = []

    @contextmanager
    def begin(self, number: int) -> Iterator[IO[bytes]]:
        from exchange.cli import young  # noqa: PLC0415

        path = self._file.with_name(f"{self._file.name}.{number + 1}") if number else self._file
        output.must_be_new(path)
        young.clear(path.parent, _EXPORTING)
        with young.beside(path, _EXPORTING) as made:
            yield made.file
            made.sync()
            made.name(path)
        self.written.append(path)


async def _exported(  # noqa: PLR0913, PLR0917  (one for each option)
    here: State,
    far: str,
    after: int,
    bounds: tuple[int, int],
    files: _Files,
    told: Callable[[int, int], None],
) -> list[Part]:
    from exchange.link.packing import Journal, Packer  # noqa: PLC0415
    from exchange.store.blob_files import BlobFiles  # noqa: PLC0415
    from exchange.store.sqlite import SqliteStore  # noqa: PLC0415

    store = SqliteStore.follow(here.journal)
    blobs = BlobFiles(here.blobs, world.clock_ms)
    try:
        plan = await _plan(here, store, far, bounds)
        _must_be_there(after, plan.note)
        journal = Journal(store, blobs, world.now)
        return await Packer(journal, plan, files, told).run(after)
    finally:
        await store.close()
        await blobs.close()


def _must_be_there(after: int, note: bytes) -> None:
    """Refuse to go on after an entry that the journal has not, or under no checkpoint yet."""
    from exchange.journal.checkpoint import parse  # noqa: PLC0415

    size = parse(note).size
    if after >= size:
        raise Unusable(
            f"Nada hay tras el asiento {after}: el punto de control más nuevo es de {size}"
            f" asientos, el último es el {size - 1}.",
            f"Nothing is after entry {after}: the newest checkpoint is of {size} entries,"
            f" the last is {size - 1}.",
            "--after",
        )


async def _plan(here: State, store: Store, far: str, bounds: tuple[int, int]) -> Plan:
    from exchange.custody import node_rings, signers  # noqa: PLC0415
    from exchange.link.packing import Plan  # noqa: PLC0415
    from exchange.model.view import View  # noqa: PLC0415
    from exchange.node.handover import Rings  # noqa: PLC0415
    from exchange.node.opening import fold  # noqa: PLC0415

    settings = here.settings()
    note = await _newest(here, store)
    view = await fold(store, View(anchor=settings.anchor))
    there, ours = view.nodes.get(far), view.nodes.get(settings.node)
    if there is None or ours is None or far == settings.node:
        raise Refusal(Code.EXPORT_OTHER, "/to", name=settings.node, to=far)
    secrets = here.secrets()
    purposes = [node_rings.IN_USE, *node_rings.others(secrets)]
    receipts = [signers.software(secrets.of(each.receipts)) for each in purposes]
    return Plan(
        settings.node,
        far,
        frozenset(there.serves) - frozenset(ours.serves),
        Rings(settings.node, receipts, []).signer(view),
        note,
        *bounds,
    )


async def _newest(here: State, store: Store) -> bytes:
    """Return the newest checkpoint that was signed, before the journal is looked at.

    Raises:
        Fault: ``journal-behind``: more was signed than is there; ``unavailable``: nothing was.
    """
    from exchange.journal.checkpoint import parse  # noqa: PLC0415

    if not here.pledge.exists():
        raise Fault(Code.UNAVAILABLE, name=str(here.pledge))
    note, head = here.pledge.read_bytes(), await store.head()
    size = parse(note).size
    if size > head.size:
        raise Fault(Code.JOURNAL_BEHIND, expected=size, found=head.size)
    return note


def _memory(here: State, far: str) -> Path:
    return here.links / f"{far}.exported"


def _remembered(here: State, far: str) -> int:
    try:
        raw = _memory(here, far).read_bytes()
        return msgspec.json.decode(raw, type=Exported).after
    except (FileNotFoundError, msgspec.MsgspecError):
        # From the beginning: what is there already is no harm.
        return -1


def _remember(here: State, far: str, after: int) -> None:
    from exchange.client.files import write_durably  # noqa: PLC0415

    here.links.mkdir(mode=0o700, exist_ok=True)
    write_durably(_memory(here, far), msgspec.json.encode(Exported(after)))


def _say_part(session: Session, path: Path, part: Part) -> None:
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(part.kinds.items())) or "0"
    size = f"{part.file_bytes / _MB:.1f} MB"
    session.say(
        f"{path}: {size}; asientos {part.after + 1} a {part.cursor} de {part.size}; {kinds};"
        f" adjuntos {part.attachments} ({part.attached_bytes / _MB:.1f} MB)",
        f"{path}: {size}; entries {part.after + 1} to {part.cursor} of {part.size}; {kinds};"
        f" attachments {part.attachments} ({part.attached_bytes / _MB:.1f} MB)",
    )
    if part.stopped is not None:
        session.say(
            f"!! Termina antes del asiento {part.stopped}: sus adjuntos son mayores que"
            " --attachments-mb.",
            f"!! Ends before entry {part.stopped}: its attachments are larger than"
            " --attachments-mb.",
        )


@link.command("import")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
)
@options.STATE
@verb
def import_(session: Session, files: tuple[Path, ...], folder: Path) -> None:
    """Give files that another node exported for ours to our node, which takes them in.

    They are put into the node's folder and judged there as what comes over the link. Where the
    node does not run, it takes them in at its next start, and says so in its diary.
    """
    from exchange.cli.state import State  # noqa: PLC0415
    from exchange.link import parcels  # noqa: PLC0415

    here = State(folder)
    chosen = here.settings()
    read = [(path, parcels.read(path)) for path in files]
    for _, each in read:
        parcel = each.parcel
        if parcel.to != chosen.node or parcel.node not in chosen.peers:
            raise Refusal(Code.EXPORT_OTHER, "/to", name=parcel.node, to=parcel.to)
    # In the order in which they go on from each other.
    read.sort(key=lambda each: each[1].parcel.after)
    rows = [_brought(session, here, path, contents) for path, contents in read]
    if session.as_json:
        output.show_json({"files": rows})


def _brought(session: Session, here: State, path: Path, contents: Contents) -> dict[str, Any]:
    from exchange.cli import incoming  # noqa: PLC0415

    parcel = contents.parcel
    place = incoming.put(here.links, path, contents)
    found = asyncio.run(_outcome(session, here, place))
    row = {
        "file": str(path),
        "node": parcel.node,
        "after": parcel.after,
        "cursor": parcel.cursor,
        "size": parcel.size,
        "issued": zulu(parcel.issued),
        "taken": found is not None,
    }
    said = f"{path}: {parcel.node} {parcel.after + 1}-{parcel.cursor}/{parcel.size},"
    if found is None:
        session.say(
            f"{said} exportado {zulu(parcel.issued)}: ESPERA. El nodo no funciona; lo recoge"
            " cuando arranque.",
            f"{said} exported {zulu(parcel.issued)}: WAITS. The node does not run; it takes it"
            " in when it starts.",
        )
        return row
    incoming.forget(place)
    found.must_be_well()
    session.say(
        f"{said} exportado {zulu(parcel.issued)}: recogido. Aquí está todo hasta el asiento"
        f" {found.here}.",
        f"{said} exported {zulu(parcel.issued)}: taken in. All is here up to entry"
        f" {found.here}.",
    )
    if found.waiting:
        session.say(
            f"!! {found.waiting} asientos esperan bytes: vea exchange peers, y recoja otra vez"
            " este archivo.",
            f"!! {found.waiting} entries wait for bytes: see exchange peers, and take this file"
            " in again.",
        )
    return {**row, "here": found.here, "waiting": found.waiting}


async def _outcome(session: Session, here: State, place: Path) -> Any:
    """Wait for what the node says of a file; None where it does not run."""
    from exchange.cli import incoming  # noqa: PLC0415

    told = progress.counted(session)
    while True:
        found = incoming.outcome(place)
        if found is not None and found.is_over:
            return found
        if found is not None:
            told(found.done, found.of)
        if not _runs(here):
            return None
        await asyncio.sleep(_LOOK_S)


def _runs(here: State) -> bool:
    """Tell whether the node said a moment ago how its links are."""
    from exchange.cli.standing import FILE, STALE_S  # noqa: PLC0415
    from exchange.node.links import Told  # noqa: PLC0415

    try:
        told = msgspec.json.decode((here.links / FILE).read_bytes(), type=Told)
    except (OSError, msgspec.MsgspecError):
        return False
    return world.now() - told.at <= STALE_S
