"""The verb ``journal restore-tail``: a journal's lost end, back as far as proved."""

from __future__ import annotations

import os
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import click
import msgspec

from exchange.cli import options, output, progress, world
from exchange.cli.journal_file import Blocking, to_rebuild_from
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exchange.audit.rebuild import Rebuilt
    from exchange.audit.tails import Looked, Tail
    from exchange.cli.state import State
    from exchange.journal.checkpoint import Checkpoint
    from exchange.link.handed import Handed
    from exchange.model.view import View
    from exchange.node.ports import Shipped
    from exchange.store.shipped import ShippedFiles

_YOUNG, _WHOLE = "journal.db.restoring", "journal.db.restored"


class Restored(msgspec.Struct, frozen=True):
    """What became of it.

    Attributes:
        ok: nothing is missing.
        here: entries that the journal had before.
        size: entries that it has now.
        expected: entries that were signed or shipped, as far as is known.
        proved: under the newest checkpoint that is reached; what stands behind it stands under
            the node's own signatures alone.
        witnessed: of the newest checkpoint that a quorum cosigned; None: none must.
        held: entries that were held each to its own leaf hash.
        wrong: the first entry that is there, and is not its own.
        missing: entries that are right in no place, as first and last of each range.
        bodyless: entries that came back without their body, and no purge was ordered.
        aside: the folder in which the journal lies that was here before; empty: none was.
    """

    ok: bool
    here: int
    size: int
    expected: int
    proved: int
    witnessed: int | None
    held: int
    wrong: int | None
    missing: list[tuple[int, int]]
    bodyless: int
    aside: str


class _Given(NamedTuple):
    """What proves it: checkpoints, as signed; and leaf hashes, where there are some."""

    notes: Sequence[bytes]
    leaves: Handed | None

    def checkpoints(self) -> list[Checkpoint]:
        from exchange.journal.checkpoint import parse  # noqa: PLC0415

        return [parse(note) for note in self.notes]


@click.command("restore-tail")
@options.STATE
@click.option(
    "--checkpoint",
    "kept",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A cosigned checkpoint of this journal that was kept elsewhere.",
)
@click.option(
    "--leaves",
    "hashes",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What the other node keeps of this journal: `exchange link leaves` there.",
)
@verb
def restore_tail(
    session: Session, folder: Path, kept: tuple[Path, ...], hashes: Path | None
) -> None:
    """Bring back the lost end of a node's journal from its second place, as far as proved.

    The node must be stopped. Nothing is taken in without a checkpoint; with --leaves each entry
    is held to its own hash, and what is right is taken in up to the first that is not. Every
    entry is judged again. The journal that was here is kept aside. Ends with 5 where something
    is missing.
    """
    from exchange.cli.journaling import alone  # noqa: PLC0415
    from exchange.cli.state import State  # noqa: PLC0415

    here = State(folder)
    given = _given(here, kept, hashes)
    with alone(here):
        told = _Restoring(session, here, given).run()
    if session.as_json:
        output.show_json(told)
    _say(session, told)
    if not told.ok:
        sys.exit(output.EXIT_TAMPERED)


def _given(here: State, kept: Sequence[Path], hashes: Path | None) -> _Given:
    from exchange.journal import terms  # noqa: PLC0415
    from exchange.link import handed  # noqa: PLC0415

    node = here.settings().node
    leaves = None if hashes is None else handed.read(hashes)
    if leaves is not None and leaves.node != node:
        raise Refusal(Code.EXPORT_OTHER, "/node", name=leaves.node, to=node)
    notes = [path.read_bytes() for path in kept] + ([] if leaves is None else leaves.notes)
    if not notes:
        raise Unusable(
            "Sin un punto de control no se prueba nada: dé --checkpoint o --leaves.",
            "Without a checkpoint nothing is proved: give --checkpoint or --leaves.",
            "--checkpoint",
        )
    for note in notes:
        if (name := terms.node_of(note)) != node:
            raise Refusal(Code.BAD_CHECKPOINT, "/note", name=name)
    return _Given(notes, leaves)


class _Restoring:
    def __init__(self, session: Session, here: State, given: _Given) -> None:
        from exchange.journal.checkpoint import parse  # noqa: PLC0415

        self._here, self._given = here, given
        self._told = progress.counted(session)
        self._second: ShippedFiles | None = here.second()
        self._pledged = parse(here.pledge.read_bytes()) if here.pledge.exists() else None
        self._young, self._whole = here.folder / _YOUNG, here.folder / _WHOLE

    def run(self) -> Restored:
        """Bring back what can be, and say what cannot.

        Raises:
            Fault: ``tail-differs``, ``tail-unproved``: nothing was changed; or as of files.
            Refusal: ``bad-checkpoint``: one that was given is not this journal's.
        """
        if self._whole.exists() and not self._here.journal.exists():
            # It was put aside, and then the machine stopped: maybe before its log was, which
            # is not this one's.
            for end in ("-wal", "-shm"):
                left = self._here.journal.with_name(f"{self._here.journal.name}{end}")
                if left.exists():
                    left.rename(left.with_name(f"{left.name}-before"))
            self._whole.rename(self._here.journal)
        try:
            if not self._here.journal.exists():
                return self._restored(None)
            with to_rebuild_from(self._here.journal) as source:
                return self._restored(source)
        finally:
            _remove(self._young)

    def _restored(self, local: Blocking | None) -> Restored:
        from exchange.audit.tails import Tail  # noqa: PLC0415

        leaves, before = self._given.leaves, 0 if local is None else local.size()
        tail = Tail([_groups(local), self._shipped], leaves)
        signed = self._given.checkpoints()
        top = max(each.size for each in signed)
        known = [*signed, *([] if self._pledged is None else [self._pledged])]
        looked = tail.look({each.size for each in known}, self._counting(top))
        self._must_agree(looked, known)
        if top <= before < looked.size:
            _proves_nothing(top)
        limit = None
        if looked.size < top:
            if leaves is None:
                raise Fault(Code.TAIL_UNPROVED, found=looked.size, expected=top)
            limit = min(looked.size, leaves.size)
        rebuilt, witnessed = self._rebuilt(tail, limit, top)
        reached = rebuilt.size
        is_other = reached >= before and tail.given[0] < reached
        aside = self._put_in_place() if is_other else ""
        size = reached if aside else before
        expected = max(size, *(each.size for each in known), self._shipped_size())
        return Restored(
            ok=reached >= expected,
            here=before,
            size=size,
            expected=expected,
            proved=max((each.size for each in signed if each.size <= reached), default=0),
            witnessed=witnessed,
            held=0 if leaves is None else min(leaves.size, reached),
            wrong=rebuilt.first if looked.wrong is None else looked.wrong,
            missing=self._missing(reached, expected, local),
            bodyless=rebuilt.missing,
            aside=aside,
        )

    def _must_agree(self, looked: Looked, known: Iterable[Checkpoint]) -> None:
        """Hold what the places have to every checkpoint that it reaches, and the hashes too."""
        leaves = self._given.leaves
        told = {} if leaves is None else leaves.roots({each.size for each in known})
        for each in known:
            for roots in (looked.roots, told):
                if roots.get(each.size, each.root) != each.root:
                    raise Fault(Code.TAIL_DIFFERS, found=each.size)

    def _rebuilt(self, tail: Tail, limit: int | None, top: int) -> tuple[Rebuilt, int | None]:
        """Write the journal aside, each entry judged; return how far, and what is witnessed."""
        from exchange.audit.rebuild import Rebuilder  # noqa: PLC0415
        from exchange.store.sqlite import SqliteStore  # noqa: PLC0415

        _remove(self._young)
        settings = self._here.settings()
        with Blocking(SqliteStore.open(self._young, has_threads=False)) as target:
            rebuilder = Rebuilder(target, settings.anchor, self._counting(top))
            rebuilt = rebuilder.run(tail.groups(limit))
            view = rebuilder.view
        if rebuilt.code is not None and (limit is not None or rebuilt.size < top):
            raise Fault(Code.TAIL_DIFFERS, rebuilt.at, found=rebuilt.first or 0)
        return rebuilt, self._witnessed(view)

    def _witnessed(self, view: View) -> int | None:
        """Return of how many entries a quorum vouches for a checkpoint; None: none must.

        Raises:
            Refusal: ``bad-checkpoint``: one is not signed by this journal's keys.
        """
        from exchange.journal import terms  # noqa: PLC0415

        node = self._here.settings().node
        met, must = [], False
        for note in self._given.notes:
            needed = terms.of(note, node, view)
            found = needed.verify(note)
            must = must or needed.policy is not None
            if needed.met_at(found) is not None:
                met.append(found.checkpoint.size)
        if must and not met:
            raise Unusable(
                "Ningún punto de control está cofirmado por un quórum de testigos: no dicen más"
                " que este mismo nodo. Dé cosigned.note, o lo que entrega el otro nodo.",
                "No checkpoint is cosigned by a quorum of witnesses: they say no more than this"
                " node itself. Give cosigned.note, or what the other node hands out.",
                "--checkpoint",
            )
        return max(met) if must else None

    def _put_in_place(self) -> str:
        """Put the journal that was written in place of the one here, which is kept aside."""
        from exchange.client.files import sync_folder, write_durably  # noqa: PLC0415

        journal = self._here.journal
        newest = max(self._given.notes, key=_size_of)
        if self._pledged is None or self._pledged.size < _size_of(newest):
            # What is known to be signed is not forgotten again.
            write_durably(self._here.pledge, newest)
        handle = os.open(self._young, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        self._young.rename(self._whole)
        sync_folder(journal.parent)
        when = zulu(world.now()).replace(":", "")
        aside = journal.with_name(f"{journal.name}-before-{when}")
        aside.mkdir(mode=0o700)
        for end in ("", "-wal", "-shm"):
            path = journal.with_name(f"{journal.name}{end}")
            if path.exists():
                path.rename(aside / path.name)
        sync_folder(aside)
        self._whole.rename(journal)
        sync_folder(journal.parent)
        return str(aside)

    def _missing(
        self, reached: int, expected: int, local: Blocking | None
    ) -> list[tuple[int, int]]:
        from exchange.audit.tails import missing  # noqa: PLC0415

        if reached >= expected:
            return []
        second = () if self._second is None else self._second.surviving(reached)
        groups = chain(_groups(local)(0), second)
        behind = (each for each in groups if each.first >= reached)
        return missing(reached, expected, behind, self._given.leaves)

    def _shipped(self, after: int) -> Iterable[Shipped]:
        return () if self._second is None else self._second.groups(after)

    def _shipped_size(self) -> int:
        """Return how many entries were shipped, at least; a damaged place has more behind."""
        if self._second is None:
            return 0
        try:
            return self._second.size()
        except Fault:
            return 0

    def _counting(self, of: int) -> Callable[[int], None]:
        return lambda done: self._told(done, max(done, of))


def _groups(source: Blocking | None) -> Callable[[int], Iterable[Shipped]]:
    from exchange.audit.rebuild import groups_of  # noqa: PLC0415

    return lambda _: () if source is None else groups_of(source)


def _proves_nothing(size: int) -> NoReturn:
    raise Unusable(
        f"El punto de control es de {size} asientos, que están aquí: del final no prueba nada."
        " Dé uno más nuevo; sin ninguno, exchange journal rebuild --second lo rehace bajo la"
        " sola palabra de este nodo.",
        f"The checkpoint is of {size} entries, which are here: it proves nothing of the end."
        " Give a newer one; without any, exchange journal rebuild --second makes it anew on"
        " this node's own word.",
        "--checkpoint",
    )


def _size_of(note: bytes) -> int:
    from exchange.journal.checkpoint import parse  # noqa: PLC0415

    return parse(note).size


def _remove(young: Path) -> None:
    """Take away what an earlier try left."""
    for path in young.parent.glob(f"{young.name}*"):
        path.unlink()


def _say(session: Session, told: Restored) -> None:
    session.say(
        f"Diario: tenía {told.here} asientos, tiene {told.size} de {told.expected};"
        f" {told.proved} bajo un punto de control.",
        f"Journal: it had {told.here} entries, it has {told.size} of {told.expected};"
        f" {told.proved} under a checkpoint.",
    )
    if told.witnessed is not None:
        session.say(
            f"De ellos, {told.witnessed} bajo uno que cofirmó un quórum de testigos.",
            f"Of them {told.witnessed} under one that a quorum of witnesses cosigned.",
        )
    if told.aside:
        session.say(f"El de antes está en {told.aside}.", f"The one before is in {told.aside}.")
    if told.bodyless:
        session.say(
            f"{told.bodyless} asientos volvieron sin su cuerpo.",
            f"{told.bodyless} entries came back without their body.",
        )
    if told.wrong is not None:
        session.say(
            f"EL ASIENTO {told.wrong} NO ES EL SUYO: alterado. Nada detrás se recogió.",
            f"ENTRY {told.wrong} IS NOT ITS OWN: altered. Nothing behind it was taken in.",
        )
    for first, last in told.missing:
        session.say(
            f"FALTA en todos los lugares: asientos {first} a {last}.",
            f"MISSING in every place: entries {first} to {last}.",
        )
