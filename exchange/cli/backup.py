"""The verbs ``backup`` and ``restore``: a node's state in one encrypted file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.cli import output, progress, times, world
from exchange.cli.main import Session, verb
from exchange.cli.usage import Unusable, in_the_way

if TYPE_CHECKING:
    from exchange.cli.backing.gathering import Told
    from exchange.cli.backing.reading import Summary
    from exchange.cli.backing.records import Head
    from exchange.cli.backing.restoring import Plan

_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
_BACKING = "backing"


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--state", "folder", type=_FOLDER, help="The node's folder.")
@click.option("--verify", "is_read", is_flag=True, help="Read FILE whole; restore nothing.")
@click.option("--without-keys", is_flag=True, help="Leave the node's sealed keys out.")
@verb
def backup(
    session: Session, file: Path, folder: Path | None, is_read: bool, without_keys: bool
) -> None:
    """Write a node's state into one encrypted FILE, while the node runs; it is read back.

    Journal, attachments, settings, documents, the newest signed checkpoint, and the node's
    keys, still sealed under their own passphrase. The backup's passphrase is asked for, or
    comes from EXCHANGE_BACKUP_PASSPHRASE or the file EXCHANGE_BACKUP_PASSPHRASE_FILE names.
    With --verify FILE is read whole and held to what was signed.
    """
    if is_read == (folder is not None):
        raise Unusable(
            "Dé --state para hacer un respaldo, o --verify para leerlo.",
            "Give --state to make a backup, or --verify to read one.",
        )
    cleared: list[str] = []
    if folder is None:
        found = _verified(session, file, None)
    else:
        found, cleared = _made(session, file, folder, with_keys=not without_keys)
    if session.as_json:
        output.show_json({"ok": True, "file": str(file), "backup": found, "cleared": cleared})
    _tell(session, "Respaldo del nodo", "Backup of the node", found)
    for name in cleared:
        session.say(
            f"Se retiró {name}, de un respaldo interrumpido.",
            f"Removed {name}, of a backup that was cut off.",
        )


def _made(
    session: Session, file: Path, folder: Path, *, with_keys: bool
) -> tuple[Summary, list[str]]:
    from exchange.cli import young  # noqa: PLC0415
    from exchange.cli.backing.gathering import gather  # noqa: PLC0415
    from exchange.cli.state import State  # noqa: PLC0415
    from exchange.custody.stream import Sealer  # noqa: PLC0415

    output.must_be_new(file)
    here = State(folder)
    holder = here.settings().node
    passphrase = world.backup_passphrase(holder, is_new=True)
    cleared = young.clear(file.parent, _BACKING)
    with young.beside(file, _BACKING) as made:
        sealer = Sealer(made.file, holder, passphrase, world.randomness)
        gather(here, sealer, _told(session), with_keys=with_keys)
        sealer.finish()
        made.sync()
        # A backup that was never read is a hope.
        found = _verified(session, made.path, passphrase)
        made.name(file)
    return found, cleared


def _verified(session: Session, file: Path, passphrase: str | None) -> Summary:
    from exchange.cli.backing.reading import verify  # noqa: PLC0415
    from exchange.custody.stream import Opener  # noqa: PLC0415

    with file.open("rb") as sealed:
        opener = Opener(sealed, _asked if passphrase is None else lambda _: passphrase)
        return verify(opener, progress.counted(session))


def _asked(holder: str) -> str:
    return world.backup_passphrase(holder)


def _told(session: Session) -> Told:
    from exchange.cli.backing.gathering import Told  # noqa: PLC0415

    return Told(progress.counted(session), progress.counted(session))


def _tell(session: Session, spanish: str, english: str, found: Summary) -> None:
    made = times.zulu(found.made)
    session.say(
        f"{spanish} {found.node}, respaldado {made}: {found.size} asientos, firmado"
        f" hasta {found.signed}; {found.attachments} adjuntos, {found.purged} purgados;"
        + (" con sus claves, selladas." if found.has_keys else " sin sus claves."),
        f"{english} {found.node}, backed up {made}: {found.size} entries, signed up to"
        f" {found.signed}; {found.attachments} attachments, {found.purged} purged;"
        + (" with its keys, sealed." if found.has_keys else " without its keys."),
    )
    if found.bodies_missing or found.attachments_missing:
        session.say(
            f"FALTAN en el nodo: {found.bodies_missing} cuerpos,"
            f" {found.attachments_missing} adjuntos.",
            f"MISSING at the node: {found.bodies_missing} bodies,"
            f" {found.attachments_missing} attachments.",
        )


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--into",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The node's new folder; nothing is overwritten.",
)
@click.option("--second", type=_FOLDER, help="The node's second place: go on with what it has.")
@click.option(
    "--checkpoint",
    "kept",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A signed checkpoint that was kept elsewhere, as signed.note is.",
)
@click.option(
    "--unwitnessed",
    is_flag=True,
    help="Nothing tells how far the node had signed, or this is a rehearsal; without --second"
    " no second place is used.",
)
@verb
def restore(  # noqa: PLR0913, PLR0917  (one for each option)
    session: Session,
    file: Path,
    folder: Path,
    second: Path | None,
    kept: tuple[Path, ...],
    unwitnessed: bool,
) -> None:
    """Restore a node from a backup FILE into a new folder; all of it or nothing.

    Every entry is judged again, every table made anew. The journal must reach as far as the
    checkpoints that are given and the second place, from which it goes on. What was purged
    stays purged. The node opens a new epoch; the one that it replaces must not run.
    """
    from exchange.cli.backing import restoring  # noqa: PLC0415
    from exchange.custody.stream import Opener  # noqa: PLC0415

    _must_take_a_name(folder)
    notes = [path.read_bytes() for path in kept]
    with file.open("rb") as sealed:
        opener = Opener(sealed, _asked)

        def planned(named: str, head: Head) -> Plan:
            place = _second_of(folder, named, second, is_left_out=unwitnessed)
            if not unwitnessed and not restoring.tells_more(notes, head):
                _must_witness(place, head.size, is_older=bool(notes))
            return restoring.Plan(folder, place, notes)

        restored = restoring.restore(opener, planned, _told(session))
    if session.as_json:
        output.show_json({"ok": True, "restored": restored})
    _tell(session, "Estado del nodo", "State of the node", restored.holds)
    session.say(
        f"Restaurado en {folder}: {restored.shipped} asientos más, del segundo lugar;"
        f" {restored.purged} adjuntos purgados de nuevo; época {restored.epoch}. El nodo que"
        " reemplaza no debe volver a iniciarse."
        + ("" if restored.holds.has_keys else " Antes de iniciarlo, ponga node.xk."),
        f"Restored in {folder}: {restored.shipped} entries more, from the second place;"
        f" {restored.purged} attachments purged again; epoch {restored.epoch}. The node that it"
        " replaces must not be started any more."
        + ("" if restored.holds.has_keys else " Before you start it, put node.xk there."),
    )
    for name in restored.cleared:
        session.say(
            f"Se retiró {name}, de una restauración interrumpida.",
            f"Removed {name}, of a restore that was cut off.",
        )
    if not restored.second:
        session.say(
            "No tiene segundo lugar: nada deja fuera al nodo de antes, ni se copia lo que"
            " escriba. Para uno, póngalo en node.json (second).",
            "It has no second place: nothing shuts the node before it out, and what it writes"
            " is shipped nowhere. For one, put it in node.json (second).",
        )


def _must_take_a_name(folder: Path) -> None:
    """Refuse at once a folder whose name what is restored could not get in the end."""
    if folder.is_symlink() or folder.is_mount():
        raise Unusable(
            f"{folder} es un enlace o un punto de montaje: dé una carpeta dentro de él.",
            f"{folder} is a link or a mount point: give a folder in it.",
            "--into",
        )
    if folder.exists() and any(folder.iterdir()):
        in_the_way(folder, "--into")


def _second_of(
    folder: Path, named: str, given: Path | None, *, is_left_out: bool
) -> Path | None:
    """Return the second place to go on with; the one that the node had is not left out.

    With ``is_left_out`` none but the one that is given: a rehearsal shuts no node out.
    """
    had = folder / named if named else None
    if given is not None:
        if had is not None and had.is_dir() and not had.samefile(given):
            raise Unusable(
                f"El segundo lugar del nodo, {named}, está ahí y es otro: dé ese, o llévelo"
                " antes a otra parte.",
                f"The node's second place, {named}, is there and is another: give that one, or"
                " move it elsewhere first.",
                "--second",
            )
        return given
    if had is None or is_left_out:
        return None
    if not had.is_dir():
        raise Unusable(
            f"El nodo tenía un segundo lugar, {named}, y no está: nómbrelo, o diga con"
            " --unwitnessed que se perdió.",
            f"The node had a second place, {named}, and it is not there: name it, or say with"
            " --unwitnessed that it is lost.",
            "--second",
        )
    return had


def _must_witness(place: Path | None, size: int, *, is_older: bool) -> None:
    """Refuse where nothing tells what came after a backup of so many entries.

    ``is_older``: checkpoints are given, and none is newer than the one in the backup.
    """
    from exchange.store.shipped import ShippedFiles  # noqa: PLC0415

    if place is None and is_older:
        raise Unusable(
            "El punto de control que se da es anterior al del respaldo mismo: no dice qué"
            " siguió al respaldo. Dé uno más nuevo, o --second; sin ellos, eso puede perderse"
            " sin que se vea (--unwitnessed).",
            "The checkpoint that is given is older than the one in the backup itself: it does"
            " not tell what came after the backup. Give a newer one, or --second; without them"
            " that may be lost unseen (--unwitnessed).",
            "--checkpoint",
        )
    if place is None:
        raise Unusable(
            "Nada dice hasta dónde había firmado el nodo: dé --checkpoint o --second; sin"
            " ellos, lo que siguió al respaldo puede perderse sin que se vea (--unwitnessed).",
            "Nothing tells how far the node had signed: give --checkpoint or --second; without"
            " them what came after the backup may be lost unseen (--unwitnessed).",
        )
    shipped = ShippedFiles(place).size()
    if shipped < size:
        raise Unusable(
            f"{place} tiene {shipped} asientos y el respaldo {size}: no dice qué siguió al"
            " respaldo. Dé --checkpoint; sin él, eso puede perderse sin que se vea"
            " (--unwitnessed).",
            f"{place} has {shipped} entries and the backup {size}: it does not tell what came"
            " after the backup. Give --checkpoint; without it that may be lost unseen"
            " (--unwitnessed).",
            "--second",
        )
