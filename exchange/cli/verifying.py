"""``audit verify``: a journal's file and its attachments, held to each other, offline."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import click

from exchange.cli import options, output, packaging, progress
from exchange.cli.check_words import CHECKS
from exchange.cli.crossing import show_crossed
from exchange.cli.journal_file import (
    at_one_moment,
    may_lack_newest,
    opened,
    says_nothing_of_it,
)
from exchange.cli.keeping import keep_evidence
from exchange.cli.main import Session, verb
from exchange.cli.state import BLOBS
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from exchange.audit.ahead import Ahead
    from exchange.audit.checks import Report
    from exchange.audit.crossed import Crossed
    from exchange.audit.memory import Memory
    from exchange.audit.resuming import State
    from exchange.cli.journal_file import Blocking
    from exchange.store.kept_files import KeptFiles


@click.command("verify")
@click.argument(
    "files",
    metavar="FILE",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@options.anchor()
@click.option(
    "--checkpoint",
    "kept",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A checkpoint, or proof of an entry, that was kept elsewhere: it must still hold.",
)
@click.option(
    "--mirror",
    "is_mirror",
    is_flag=True,
    help="FILE was made by `audit mirror`: it has no commit groups and no sealed bodies.",
)
@click.option(
    "--blobs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder of its attachments. Without it: `blobs` beside FILE, if it is there.",
)
@click.option(
    "--ways",
    type=click.IntRange(min=1),
    help="Processes that judge a long journal ahead. Without it: one for each core.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Of a mirror: go on from where it was verified before, as this file of yours says.",
)
@verb
def verify(  # noqa: PLR0913, PLR0917  (one for each option)
    session: Session,
    files: tuple[Path, ...],
    anchor: str | None,
    kept: Path | None,
    is_mirror: bool,
    blobs: Path | None,
    ways: int | None,
    state: Path | None,
) -> None:
    """Verify FILE, offline: a journal (a node's file, a copy, a mirror), or a package.

    With the OTHER nation's journal as well, each is verified, and then what crossed is held to
    the entry that it came from.

    Ends with 0 when all holds, 3 when nothing can be said (of another version, held by
    somebody, or another file altogether), 5 when something was tampered with, 6 when all holds
    but no anchor was given: then it is consistent with itself, and that is all. A package is
    what `audit package` or `package` made: of the options, --anchor alone bears on it.
    """
    if len(files) == 1 and packaging.is_package(files[0]):
        packaging.check(session, files[0], anchor)
        return
    if state is not None and not is_mirror:
        raise Unusable(
            "Solo una copia hecha con `audit mirror` se verifica por partes: --mirror.",
            "Only a copy made by `audit mirror` is verified in parts: --mirror.",
            "--state",
        )
    asked = _Asked(anchor, _given(kept), is_mirror, blobs, ways, state)
    if len(files) == 1:
        report = _verified(session, files[0], asked)
        _show(session, report)
        _warn(session, files[0], is_mirror=is_mirror)
        _end(ok=report.ok, anchored=report.anchored)
        return
    _must_be_two(files, kept or blobs or state)
    _must_be_of_two(files)
    reports = [_verified(session, file, asked) for file in files]
    with at_one_moment(files[0]) as one, at_one_moment(files[1]) as other:
        crossed = _crossed(session, (one, other))
    _show_both(session, files, reports, crossed)
    _end(
        ok=all(each.ok for each in reports) and all(each.ok for each in crossed),
        anchored=all(report.anchored for report in reports),
    )


class _Asked(NamedTuple):
    anchor: str | None
    kept: bytes | None
    is_mirror: bool
    blobs: Path | None
    ways: int | None
    state: Path | None


def _verified(session: Session, file: Path, asked: _Asked) -> Report:
    """Return what a verification came to; end the command where there is nothing to verify."""
    with _readable(session, asked), at_one_moment(file) as source:
        return _judged(session, source, file, asked)


@contextmanager
def _readable(session: Session, asked: _Asked) -> Iterator[None]:
    """End the command where a journal cannot be read and that says something of it."""
    from exchange.audit.memory import has_begun  # noqa: PLC0415

    try:
        yield
    except Fault as fault:
        # Where something was kept of what has to be in it, its being gone says all.
        is_gone = fault.code is Code.OTHER_FILE and (asked.kept or has_begun(asked.state))
        if says_nothing_of_it(fault) and not is_gone:
            raise
        # A copy that is no longer a journal at all has been tampered with, or torn.
        _show_unreadable(session, fault)
        sys.exit(output.EXIT_TAMPERED)


def _judged(session: Session, source: Blocking, file: Path, asked: _Asked) -> Report:
    from exchange.audit.verify import Verifier  # noqa: PLC0415

    told = progress.counted(session)
    size = source.size()
    with (
        _memory(source, asked) as (memory, state),
        _ahead(source, asked, state) as ahead,
    ):
        return Verifier(
            source,
            asked.anchor,
            lambda done: told(done, size),
            asked.kept,
            is_mirror=asked.is_mirror,
            files=_files(file, asked.blobs, is_mirror=asked.is_mirror),
            ahead=ahead,
            memory=memory,
            state=state,
        ).run()


@contextmanager
def held_mirrors(
    session: Session, files: tuple[Path, ...], anchor: str
) -> Iterator[list[Blocking]]:
    """Give two nations' mirrors, once each holds by itself and both to each other.

    Else what does not hold is shown, and the command ends with 5. What was passed over on the
    way, or is newer than a mirror, is shown all the same.
    """
    _must_be_of_two(files)
    asked = _Asked(anchor, None, True, None, None, None)
    with _readable(session, asked), ExitStack() as stack:
        sources = [stack.enter_context(at_one_moment(file)) for file in files]
        reports = [
            _judged(session, source, file, asked)
            for source, file in zip(sources, files, strict=True)
        ]
        crossed = _crossed(session, sources)
        is_held = all(each.ok for each in reports) and all(each.ok for each in crossed)
        if not is_held:
            _show_both(session, files, reports, crossed)
            sys.exit(output.EXIT_TAMPERED)
        for each in () if session.as_json else crossed:
            show_crossed(session, each)
        yield sources


def _warn(session: Session, file: Path, *, is_mirror: bool) -> None:
    if not is_mirror and may_lack_newest(file):
        session.say(
            "Si su nodo estaba en marcha al copiarlo, los asientos más nuevos están en su"
            f" {file.name}-wal, que no está aquí: cópielo también, o use `audit mirror`.",
            "If its node was running when this was copied, the newest entries are in its"
            f" {file.name}-wal, which is not here: copy that too, or use `audit mirror`.",
        )


def _end(*, ok: bool, anchored: bool) -> None:
    if not ok:
        sys.exit(output.EXIT_TAMPERED)
    if not anchored:
        sys.exit(output.EXIT_UNANCHORED)


def _must_be_two(files: tuple[Path, ...], of_one: Path | None) -> None:
    """Refuse what cannot be asked of two journals at once."""
    is_two = len(files) == len({file.resolve() for file in files}) == 2
    if not is_two or of_one:
        raise Unusable(
            "De dos diarios, cada uno de su nación, sin --checkpoint, --blobs ni --state.",
            "Of two journals, each of its nation, without --checkpoint, --blobs or --state.",
            "files",
        )


def _must_be_of_two(files: tuple[Path, ...]) -> None:
    """Refuse two journals of one node: nothing crosses within it. A fork is named."""
    from exchange.audit.forked import longest  # noqa: PLC0415

    try:
        with at_one_moment(files[0]) as one, at_one_moment(files[1]) as other:
            found = longest([one, other], partial(keep_evidence, files[0]))
    except (Fault, Refusal) as error:
        if error.code in output.ALARMS:
            raise
        # One cannot be read, or is no journal: what of it, its own report names.
        return
    _must_differ(found)


def _must_differ(nodes: Collection[str]) -> None:
    if len(nodes) < 2:
        raise Unusable(
            "dos diarios son del mismo nodo.", "two journals are of the same node.", "files"
        )


def _crossed(session: Session, sources: Sequence[Blocking]) -> list[Crossed]:
    """Hold each journal to what the other says came from it."""
    from exchange.audit.crossed import compare  # noqa: PLC0415

    one, other = sources
    try:
        found = [compare(one, other), compare(other, one)]
    except Refusal as refusal:
        # An entry that cannot be read: its own report names it.
        _show_unreadable(session, Fault(refusal.code, reason=refusal.at))
        sys.exit(output.EXIT_TAMPERED)
    _must_differ({found[0].home, found[0].there})
    return found


def _show_both(
    session: Session,
    files: Sequence[Path],
    reports: Sequence[Report],
    crossed: Sequence[Crossed],
) -> None:
    if session.as_json:
        output.show_json({"journals": reports, "crossed": crossed})
        return
    for file, report in zip(files, reports, strict=True):
        click.echo(f"{file}")
        _show(session, report)
    for each in crossed:
        show_crossed(session, each)


@contextmanager
def _ahead(source: Blocking, asked: _Asked, state: State | None) -> Iterator[Ahead | None]:
    """Judge ahead where that is worthwhile: in a short journal, processes only cost time."""
    from exchange.audit import ahead  # noqa: PLC0415

    first = state.size if state else 0
    if asked.ways is None and source.size() - first < ahead.WORTHWHILE:
        yield None
        return
    opens = partial(opened, source.path)
    with ahead.Ahead(opens, asked.anchor or "", first, asked.ways) as judged:
        yield judged


@contextmanager
def _memory(source: Blocking, asked: _Asked) -> Iterator[tuple[Memory | None, State | None]]:
    """Look up on disk what a long journal has too much of; go on with the auditor's file."""
    from exchange.audit import ahead, resuming  # noqa: PLC0415
    from exchange.audit.memory import Memory  # noqa: PLC0415

    if asked.state is not None:
        with Memory.open(asked.state) as memory:
            yield memory, resuming.load(memory, source, asked.anchor)
    elif source.size() >= ahead.WORTHWHILE:
        with (
            TemporaryDirectory(prefix="exchange-") as folder,
            Memory.open(Path(folder) / "state", is_kept=False) as memory,
        ):
            yield memory, None
    else:
        yield None, None


def _show_unreadable(session: Session, fault: Fault) -> None:
    if session.as_json:
        output.show_json({"ok": False, "error": output.problem(fault)})
        return
    told = f"{fault.code.value}: {fault.facts.get('reason', '-')}"
    session.say(
        f"ALTERADO: el archivo no se puede leer, o no es un diario ({told}).",
        f"TAMPERED: the file cannot be read, or is no journal ({told}).",
    )


def _files(file: Path, blobs: Path | None, *, is_mirror: bool) -> KeptFiles | None:
    """Return the folder of attachments; a mirror has none, whatever lies beside it."""
    from exchange.store.kept_files import KeptFiles  # noqa: PLC0415

    beside = file.with_name(BLOBS)
    if blobs is None and beside.is_dir() and not is_mirror:
        blobs = beside
    return None if blobs is None else KeptFiles(blobs)


def _given(kept: Path | None) -> bytes | None:
    """Return the checkpoint that was kept; what was given and is neither is no tampering."""
    from exchange.journal import bundle  # noqa: PLC0415
    from exchange.journal import checkpoint as c2sp  # noqa: PLC0415

    promised = kept.read_bytes() if kept else None
    if promised is not None:
        try:
            is_proof = promised.startswith(bundle.FIRST_LINE)
            c2sp.parse(bundle.parse(promised).note if is_proof else promised)
        except Refusal as refusal:
            code = refusal.code.value
            raise Unusable(
                f"{kept}: no es un punto de control ({code}).",
                f"{kept}: no checkpoint ({code}).",
                "--checkpoint",
            ) from refusal
    return promised


def _show(session: Session, report: Report) -> None:
    if session.as_json:
        output.show_json(report)
        return
    for line in _lines(session, report):
        click.echo(line)


def _lines(session: Session, report: Report) -> Iterator[str]:
    spanish = session.lang == "es"
    for check in report.checks:
        told = CHECKS[check.name][0 if check.ok else 1][0 if spanish else 1]
        mark = "ok" if check.ok else "!!"
        yield f"{mark}  {check.number}  {check.name:<12} {check.held:>7}  {told}"
        if not check.ok:
            first = "primer asiento afectado" if spanish else "first entry affected"
            at = "-" if check.first is None else check.first
            yield f"        {first}: {at}  ({f'{check.code} {check.at}'.strip()})"
    size, judged, attested = report.size, report.replayed, report.attested
    if spanish:
        yield f"{size} asientos: {judged} juzgados de nuevo, {attested} atestiguados"
    else:
        yield f"{size} entries: {judged} judged again, {attested} attested"
    if report.lost:
        yield (
            f"{report.lost} de ellos PERDIDOS, según declararon custodios de ambas naciones"
            if spanish
            else f"{report.lost} of them LOST, as custodians of both nations declared"
        )
    if report.since:
        yield (
            f"los primeros {report.since} ya se verificaron antes y no se leyeron otra vez"
            if spanish
            else f"the first {report.since} were verified before and not read again"
        )
    yield f"{'raíz' if spanish else 'root'} {report.root}"
    if not report.anchored:
        yield (
            f"SIN ANCLA: coherente solo consigo mismo; su propia ancla es {report.anchor}"
            if spanish
            else f"UNANCHORED: consistent with itself only; its own anchor is {report.anchor}"
        )
    if report.orders:
        yield (
            f"{report.orders} purgas ordenadas; {report.erased} cuerpos y llaves destruidos,"
            f" {report.bodies} conservados"
            if spanish
            else f"{report.orders} purges ordered; {report.erased} bodies and keys destroyed,"
            f" {report.bodies} kept"
        )
    if report.purged:
        yield (
            f"{report.purged} de {report.attached} adjuntos constan como purgados"
            if spanish
            else f"{report.purged} of {report.attached} attachments are marked as purged"
        )
    yield _witnessed(report, spanish=spanish)
    if report.ok:
        yield _checked_es(report) if spanish else _checked_en(report)
    else:
        yield "ALTERADO." if spanish else "TAMPERED."
    yield from _hints(report, spanish=spanish)


def _witnessed(report: Report, *, spanish: bool) -> str:
    """Say who vouches for it besides its node, and up to where."""
    if report.witnessed_at is not None:
        size, when = report.witnessed, zulu(report.witnessed_at)
        return (
            f"testigos: quórum hasta {size} asientos, a las {when}"
            if spanish
            else f"witnesses: a quorum up to {size} entries, as of {when}"
        )
    if report.quorum == "none":
        return (
            "testigos: ninguno, según el arreglo (quorum none)"
            if spanish
            else "witnesses: none, by the arrangement (quorum none)"
        )
    return (
        "testigos: ninguno hasta ahora, y el arreglo pide quórum"
        if spanish
        else "witnesses: none so far, and the arrangement asks for a quorum"
    )


def _hints(report: Report, *, spanish: bool) -> Iterator[str]:
    """Say what may be behind a verdict other than tampering: said, and never assumed."""
    if any(each.name == "replay" and each.code == "trust-invalid" for each in report.checks):
        yield (
            "Puede que el ancla dada sea de otro intercambio: sin --anchor se ve la suya."
            if spanish
            else "The anchor given may be another exchange's: without --anchor, see its own."
        )
    if not (report.ok or report.mirror or report.grouped or report.bodies):
        # A node's file robbed of them looks just the same.
        yield (
            "Sin grupos firmados ni cuerpos sellados. Si usted lo copió con `audit mirror`: "
            "--mirror."
            if spanish
            else "No commit group is signed and no sealed body is there. If you made it with "
            "`audit mirror`: --mirror."
        )


def _checked_en(report: Report) -> str:
    """Say what was found right, how far it is signed for, and what was not looked at."""
    last, left = report.covered - 1, report.uncovered
    told = f"Intact up to entry {last}." if left else "Intact."
    told += " Every entry checked is as it was signed."
    if left and report.grouped:
        told += f" {left} entries after the newest checkpoint: signed by commit group only."
    elif left:
        told += f" {left} entries after the newest checkpoint are not signed for yet."
    unseen = [] if report.grouped else ["commit groups"]
    unseen += [] if report.bodies else ["sealed bodies"]
    unseen += _unseen(report, "attachments")
    return f"{told} Not looked at here: {', '.join(unseen)}." if unseen else told


def _checked_es(report: Report) -> str:
    last, left = report.covered - 1, report.uncovered
    told = f"Íntegro hasta el asiento {last}." if left else "Íntegro."
    told += " Cada asiento examinado es como se firmó."
    if left and report.grouped:
        told += f" {left} asientos tras el último punto de control: firmados solo por grupo."
    elif left:
        told += f" {left} asientos tras el último punto de control aún no están firmados."
    unseen = [] if report.grouped else ["grupos de escritura"]
    unseen += [] if report.bodies else ["cuerpos sellados"]
    unseen += _unseen(report, "adjuntos")
    return f"{told} No se examinan aquí: {', '.join(unseen)}." if unseen else told


def _unseen(report: Report, word: str) -> list[str]:
    """Return how many attachments are named and were not looked at, in a word."""
    is_unseen = report.attachments is None and report.attached
    return [f"{word} ({report.attached})"] if is_unseen else []
