"""The verb ``link leaves``: what a node keeps of another's journal, to be had back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.cli import options, output
from exchange.cli.main import Session, verb
from exchange.cli.usage import Unusable
from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchange.link.handed import Line
    from exchange.store.leaf_files import LeafFile


@click.command("leaves")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@options.STATE
@click.option("--of", "far", required=True, help="The node that lost the end of its journal.")
@verb
def leaves(session: Session, file: Path, folder: Path, far: str) -> None:
    """Write what ours keeps of another node's journal into FILE: a hash of each entry.

    For a node that lost the end of its journal: `exchange journal restore-tail --leaves` holds
    what it brings back to these. No entry can be read out of them. With them go the newest
    checkpoints of it that ours knows. The node may run.
    """
    from exchange.cli.state import State  # noqa: PLC0415
    from exchange.link.handed import Line  # noqa: PLC0415
    from exchange.store.leaf_files import LeafFile  # noqa: PLC0415

    output.must_be_new(file)
    here = State(folder)
    if far not in here.settings().peers:
        raise Unusable(
            f"{folder}/node.json no nombra ningún nodo {far}.",
            f"{folder}/node.json names no node {far}.",
            "--of",
        )
    kept = LeafFile(here.links, far)
    size, notes = _reached(kept, far)
    _write(file, Line(far, size, notes), kept.pieces(size))
    if session.as_json:
        output.show_json({"file": str(file), "node": far, "size": size, "notes": len(notes)})
    session.say(
        f"{file}: huellas de {size} asientos del diario de {far}, bajo {len(notes)} puntos de"
        " control.",
        f"{file}: hashes of {size} entries of the journal of {far}, under {len(notes)}"
        " checkpoints.",
    )


def _reached(kept: LeafFile, far: str) -> tuple[int, list[str]]:
    """Return of how many entries there are hashes that lead to a checkpoint, and which."""
    from exchange.journal.checkpoint import parse  # noqa: PLC0415
    from exchange.link.handed import roots_of  # noqa: PLC0415

    kept.look()
    reached = kept.reached
    if not reached.note:
        raise Fault(Code.UNAVAILABLE, name=f"{far}.leaves")
    newest = parse(reached.note.encode())
    told = {each: parse(each.encode()) for each in (reached.note, reached.vouched) if each}
    told = {note: each for note, each in told.items() if each.size <= newest.size}
    roots = roots_of(kept.pieces(newest.size), {each.size for each in told.values()})
    if any(roots[each.size] != each.root for each in told.values()):
        raise Fault(Code.FILE, name=str(kept.path), found="damaged")
    return newest.size, list(told)


def _write(file: Path, line: Line, pieces: Iterable[bytes]) -> None:
    from exchange.client.files import naming, sync_folder  # noqa: PLC0415

    with naming(file):
        handle, name = tempfile.mkstemp(".new", f"{file.name}.", file.parent)
        young = Path(name)
        try:
            with os.fdopen(handle, "wb") as made:
                made.write(line.encode())
                for piece in pieces:
                    made.write(piece)
                made.flush()
                os.fsync(handle)
            output.must_be_new(file)
            young.replace(file)
            sync_folder(file.parent)
        finally:
            young.unlink(missing_ok=True)
