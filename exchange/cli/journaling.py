"""The verb ``journal``: how far a node's journal and its second place are; check; rebuild."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from exchange.cli import options, output, progress
from exchange.cli.declaring import draft_loss, enter_loss
from exchange.cli.journal_file import Blocking, opened, to_rebuild_from
from exchange.cli.main import Session, group, verb
from exchange.cli.tailing import restore_tail
from exchange.cli.usage import Unusable
from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exchange.audit.rebuild import Rebuilt
    from exchange.cli.state import State
    from exchange.store.shipped import ShippedFiles


@group
def journal() -> None:
    """Look after a node's journal: how far it is, whether its tables hold, rebuild it."""


journal.add_command(restore_tail)
journal.add_command(draft_loss)
journal.add_command(enter_loss)


@journal.command()
@options.STATE
@verb
def status(session: Session, folder: Path) -> None:
    """Say how far the journal is, what was signed of it, and how far the second place is.

    The second place is read through: what is said of it can be given back.
    """
    told = _status(_state(folder), progress.counted(session))
    if session.as_json:
        output.show_json(told)
    second = told["second"]
    session.say(
        f"Diario: {told['size']} asientos; firmado hasta {told['signed'] or 0}; "
        + ("sin segundo lugar" if second is None else f"segundo lugar: {second}"),
        f"Journal: {told['size']} entries; signed up to {told['signed'] or 0}; "
        + ("no second place" if second is None else f"second place: {second}"),
    )
    if not told["ok"]:
        session.say(
            "MÁS CORTO que lo firmado o copiado.", "SHORTER than what was signed or shipped."
        )
        sys.exit(output.EXIT_TAMPERED)
    if told["damaged"]:
        session.say(
            "SEGUNDO LUGAR DAÑADO: detrás de esos asientos no puede devolver nada.",
            "SECOND PLACE DAMAGED: it can give back nothing behind those entries.",
        )
        sys.exit(output.EXIT_FAULT)


def _status(here: State, tell: Callable[[int, int], None]) -> dict[str, Any]:
    from exchange.journal import checkpoint  # noqa: PLC0415

    with opened(here.journal) as source:
        size = source.size()
    note = here.pledge.read_bytes() if here.pledge.exists() else None
    signed = None if note is None else checkpoint.parse(note).size
    told = {"size": size, "signed": signed}
    second = here.second()
    if second is None:
        is_whole = size >= (signed or 0)
        return {**told, "second": None, "lag": None, "damaged": False, "ok": is_whole}
    found = _readable(second, size, tell)
    return {
        **told,
        "second": found.readable,
        "lag": max(size - found.readable, 0),
        "damaged": found.readable < found.shipped,
        "ok": size >= max(signed or 0, found.shipped),
    }


class _Second(NamedTuple):
    """How many entries the second place can give back, and at least how many were shipped."""

    readable: int
    shipped: int


def _readable(second: ShippedFiles, size: int, tell: Callable[[int, int], None]) -> _Second:
    readable = 0
    for each in second.groups():
        readable += len(each.entries)
        tell(readable, max(size, readable))
    try:
        return _Second(readable, second.size())
    except Fault:
        # The newest file is damaged, and more stands behind that.
        return _Second(readable, readable + 1)


@journal.command("keys")
@options.STATE
@verb
def keys(session: Session, folder: Path) -> None:
    """Print the journal's public keys, as a witness lists them (C2SP tlog-policy).

    Needs the passphrase: what is printed are the keys that this node signs with. Where a
    hand-over was begun, those that it hands on to follow: give them to the witnesses first.
    """
    from exchange.cli.serve import log_signers  # noqa: PLC0415
    from exchange.journal.logkeys import origin_of  # noqa: PLC0415

    here = _state(folder)
    node, secrets = here.settings().node, here.secrets()
    rings = [
        [f"log {signer.key}" for signer in log_signers(node, secrets, purpose)]
        for purpose in ("log", "log-next")
        if purpose in secrets.keys
    ]
    if session.as_json:
        lines, anew = [line for ring in rings for line in ring], rings[1:]
        told = {"log": origin_of(node), "lines": lines, "next": anew[0] if anew else []}
        output.show_json(told)
        return
    click.echo("\n".join(rings[0]))
    for ring in rings[1:]:
        es, en = "# a las que se ceden, debajo:", "# those that they are handed on to, below:"
        click.echo("\n".join([es if session.lang == "es" else en, *ring]))


@journal.command()
@options.STATE
@verb
def check(session: Session, folder: Path) -> None:
    """Rebuild every derived table aside, from the entries alone, and compare table by table.

    Ends with 0 when all are equal, with 5 when one differs or an entry does not hold. The node
    must be stopped; nothing of its journal is changed.
    """
    from exchange.audit.rebuild import groups_of  # noqa: PLC0415
    from exchange.store.comparing import differences  # noqa: PLC0415

    here = _state(folder)
    with alone(here), TemporaryDirectory(dir=folder) as aside:
        made = Path(aside) / "rebuilt.db"
        with to_rebuild_from(here.journal) as source:
            rebuilt = _write(session, here, groups_of(source), made, source.size())
        found = differences(here.journal, made)
    is_equal = rebuilt.code is None and not any(found.values())
    if session.as_json:
        output.show_json({"ok": is_equal, "rebuilt": rebuilt, "differing": found})
    else:
        same, other = ("igual", "DIFIERE") if session.lang == "es" else ("equal", "DIFFERS")
        for table, rows in found.items():
            click.echo(f"{'!!' if rows else 'ok'}  {table:<12} {other if rows else same}")
        _told(session, rebuilt)
    if not is_equal:
        sys.exit(output.EXIT_TAMPERED)


def _total(second: ShippedFiles) -> int:
    try:
        return second.size()
    except Fault:
        # Damaged: what stands before that can be given back all the same.
        return sum(len(group.entries) for group in second.groups())


@journal.command()
@options.STATE
@click.option("--second", "from_second", is_flag=True, help="From the second place.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The new file; nothing is overwritten.",
)
@verb
def rebuild(session: Session, folder: Path, from_second: bool, out: Path) -> None:
    """Write a journal anew into a file: each entry judged again, each table made again.

    From the journal's own entries; with --second from what was shipped, when it is lost. Put
    the file in the journal's place when the node is stopped. Ends with 5 when it broke off.
    """
    from exchange.audit.rebuild import groups_of  # noqa: PLC0415

    here = _state(folder)
    if out.exists():
        raise Fault(Code.FILE, name=str(out), found="EEXIST")
    if from_second:
        second = here.second()
        if second is None:
            raise Unusable(
                f"{folder}/node.json no nombra un segundo lugar.",
                f"{folder}/node.json names no second place.",
                "--second",
            )
        rebuilt = _write(session, here, second.groups(), out, _total(second))
    else:
        with to_rebuild_from(here.journal) as source:
            rebuilt = _write(session, here, groups_of(source), out, source.size())
    if session.as_json:
        output.show_json({"ok": rebuilt.code is None, "file": str(out), "rebuilt": rebuilt})
    _told(session, rebuilt)
    if rebuilt.code is not None:
        sys.exit(output.EXIT_TAMPERED)


@contextmanager
def alone(here: State) -> Iterator[None]:
    """Let no node write meanwhile.

    Raises:
        Fault: ``journal-in-use``: one does.
    """
    from exchange.store.file import WriterLock  # noqa: PLC0415

    lock = WriterLock(here.journal)
    try:
        yield
    finally:
        lock.release()


def _write(session: Session, here: State, groups: Any, out: Path, size: int) -> Rebuilt:
    from exchange.audit.rebuild import Rebuilder  # noqa: PLC0415
    from exchange.store.sqlite import SqliteStore  # noqa: PLC0415

    told = progress.counted(session)
    with Blocking(SqliteStore.open(out, has_threads=False)) as target:
        anchor = here.settings().anchor
        return Rebuilder(target, anchor, lambda done: told(done, size)).run(groups)


def _told(session: Session, rebuilt: Rebuilt) -> None:
    session.say(
        f"{rebuilt.size} asientos rehechos; {rebuilt.missing} sin su cuerpo.",
        f"{rebuilt.size} entries rebuilt; {rebuilt.missing} without their body.",
    )
    if rebuilt.code is not None:
        session.say(
            f"Se detuvo en el asiento {rebuilt.first}: {rebuilt.code} {rebuilt.at}",
            f"It broke off at entry {rebuilt.first}: {rebuilt.code} {rebuilt.at}",
        )


def _state(folder: Path) -> State:
    from exchange.cli.state import State  # noqa: PLC0415

    return State(folder)
