"""``audit verify``: a journal's file and its attachments, held to each other, offline."""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from exchange.cli import options, output, packaging, progress, verdict
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
from exchange.cli.usage import Unusable
from exchange.errors import Code, ExchangeError, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from exchange.audit.ahead import Ahead
    from exchange.audit.checks import Report
    from exchange.audit.crossed import Crossed
    from exchange.audit.memory import Memory
    from exchange.audit.resuming import Past, State
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
    for file in files:
        _must_be_no_evidence(file)
    if state is not None and not is_mirror:
        raise Unusable(
            "Solo una copia hecha con `audit mirror` se verifica por partes: --mirror.",
            "Only a copy made by `audit mirror` is verified in parts: --mirror.",
            "--state",
        )
    asked = _Asked(anchor, _given(kept), is_mirror, blobs, ways, state)
    if len(files) == 1:
        report = _verified(session, files[0], asked)
        _must_be_said([(files[0], report)])
        if at := verdict.of_another_state(report):
            raise Fault(Code.STATE_OTHER, at, name=report.node)
        _show(session, files[0], report)
        _warn(session, files[0], is_mirror=is_mirror)
        _end(ok=report.ok, anchored=report.anchored)
        return
    _must_be_two(files, kept or blobs or state)
    _must_be_of_two(files)
    reports = [_verified(session, file, asked) for file in files]
    crossed = _crossed(session, files, reports)
    if all(each.ok for each in crossed):
        _must_be_said(list(zip(files, reports, strict=True)))
    _show_both(session, files, reports, crossed)
    _end(
        ok=all(each.ok for each in reports) and all(each.ok for each in crossed),
        anchored=all(report.anchored for report in reports),
    )


def _must_be_no_evidence(file: Path) -> None:
    """Name the command that checks the evidence of a case: to this one it is another file."""
    from exchange.client import dossier  # noqa: PLC0415

    with file.open("rb") as opened:
        begins = opened.read(4096)
    if begins.startswith(b"{") and dossier.looks_like_one(begins):
        raise Unusable(
            f"{file} es evidencia de un caso: exchange case --check {file} --anchor ANCLA.",
            f"{file} is evidence of a case: exchange case --check {file} --anchor ANCHOR.",
            "files",
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
    with _readable(session, file, asked), at_one_moment(file) as source:
        return _judged(session, source, file, asked)


@contextmanager
def _readable(session: Session, file: Path, asked: _Asked) -> Iterator[None]:
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
        _show_unreadable(session, file, fault)
        sys.exit(output.EXIT_TAMPERED)


def _judged(session: Session, source: Blocking, file: Path, asked: _Asked) -> Report:
    from exchange.audit.verify import Verifier  # noqa: PLC0415

    told = progress.counted(session)
    size = source.size()
    with (
        _memory(source, asked) as (memory, state, past),
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
            past=past,
        ).run()


def _must_be_said(judged: Sequence[tuple[Path, Report]]) -> None:
    """Ask whether a file is a mirror, where nothing else is amiss in any of them.

    It may be one; that nothing else is amiss says nothing of a node's file.

    Raises:
        Fault: ``mirror-unsaid``.
    """
    unsaid = [file for file, report in judged if verdict.may_be_mirror(report)]
    if unsaid and all(report.ok or verdict.may_be_mirror(report) for _, report in judged):
        raise Fault(Code.MIRROR_UNSAID, name=str(unsaid[0]))


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
    with ExitStack() as stack:
        sources, reports = [], []
        for file in files:
            with _readable(session, file, asked):
                sources.append(stack.enter_context(at_one_moment(file)))
                reports.append(_judged(session, sources[-1], file, asked))
        crossed = _compared(session, files, sources, reports)
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


def _crossed(
    session: Session, files: Sequence[Path], reports: Sequence[Report]
) -> list[Crossed]:
    with at_one_moment(files[0]) as one, at_one_moment(files[1]) as other:
        return _compared(session, files, (one, other), reports)


def _compared(
    session: Session,
    files: Sequence[Path],
    sources: Sequence[Blocking],
    reports: Sequence[Report],
) -> list[Crossed]:
    """Hold each journal to what the other says came from it.

    Where one has an entry that cannot be read, the reports that name it are shown all the same.
    """
    from exchange.audit.crossed import compare  # noqa: PLC0415

    one, other = sources
    try:
        found = [compare(one, other), compare(other, one)]
    except (Fault, Refusal) as error:
        _show_both(session, files, reports, [], error)
        sys.exit(output.EXIT_TAMPERED)
    _must_differ({found[0].home, found[0].there})
    return found


def _show_both(
    session: Session,
    files: Sequence[Path],
    reports: Sequence[Report],
    crossed: Sequence[Crossed],
    error: ExchangeError | None = None,
) -> None:
    """Show two reports, and what crossed; or why that cannot be told."""
    if session.as_json:
        journals = [_values(*each) for each in zip(files, reports, strict=True)]
        why = {} if error is None else {"ok": False, "error": output.problem(error)}
        output.show_json({"journals": journals, "crossed": crossed, **why})
        return
    for file, report in zip(files, reports, strict=True):
        click.echo(f"{file}")
        _show(session, file, report)
    for each in crossed:
        show_crossed(session, each)
    if error is not None:
        session.say(
            f"ALTERADO: lo que cruzó no puede cotejarse ({error.code.value} {error.at}).",
            f"TAMPERED: what crossed cannot be held to each other ({error.code.value}"
            f" {error.at}).",
        )


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
def _memory(
    source: Blocking, asked: _Asked
) -> Iterator[tuple[Memory | None, State | None, Past | None]]:
    """Look up on disk what a long journal has too much of; go on with the auditor's file."""
    from exchange.audit import ahead, resuming  # noqa: PLC0415
    from exchange.audit.memory import Memory  # noqa: PLC0415

    if asked.state is not None:
        try:
            with Memory.open(asked.state) as memory:
                yield memory, *resuming.load(memory, source, asked.anchor)
        except sqlite3.DatabaseError as error:
            # The journal's own are faults by now.
            raise Fault(Code.STATE_OTHER, "", found="damaged") from error
    elif source.size() >= ahead.WORTHWHILE:
        with (
            TemporaryDirectory(prefix="exchange-") as folder,
            Memory.open(Path(folder) / "state", is_kept=False) as memory,
        ):
            yield memory, None, None
    else:
        yield None, None, None


def _show_unreadable(session: Session, file: Path, fault: Fault) -> None:
    if session.as_json:
        output.show_json({"ok": False, "file": str(file), "error": output.problem(fault)})
        return
    told = f"{fault.code.value}: {fault.facts.get('reason', '-')}"
    session.say(
        f"ALTERADO: {file} no se puede leer, o no es un diario ({told}).",
        f"TAMPERED: {file} cannot be read, or is no journal ({told}).",
    )


def _files(file: Path, blobs: Path | None, *, is_mirror: bool) -> KeptFiles | None:
    """Return the folder of attachments; a mirror has none, whatever lies beside it."""
    from exchange.store.kept_files import KeptFiles  # noqa: PLC0415

    beside = file.resolve().with_name(BLOBS)
    if blobs is None and beside.is_dir() and not is_mirror:
        blobs = beside
    return None if blobs is None else KeptFiles(blobs)


# How a checkpoint begins: whose, of how many entries, and their root.
_ROOT = re.compile(rb"[^\n]+\n\d+\n[A-Za-z0-9+/]+=*\n")


def _given(kept: Path | None) -> bytes | None:
    """Return the checkpoint that was kept; what was given and is neither is no tampering."""
    from exchange.journal import bundle  # noqa: PLC0415
    from exchange.journal import checkpoint as c2sp  # noqa: PLC0415

    promised = kept.read_bytes() if kept else None
    if promised is not None:
        try:
            # What begins as one is judged: a proof that was cut, a root that nobody signed.
            if not (promised.startswith(bundle.FIRST_LINE) or _ROOT.match(promised)):
                c2sp.parse(promised)
        except Refusal as refusal:
            code = refusal.code.value
            raise Unusable(
                f"{kept}: no es un punto de control ({code}).",
                f"{kept}: no checkpoint ({code}).",
                "--checkpoint",
            ) from refusal
    return promised


def _values(file: Path, report: Report) -> dict[str, Any]:
    """Return a report as values, with all that is said of it in words."""
    return {
        **msgspec.to_builtins(report),
        "file": str(file),
        "verdict": verdict.of(report),
        "against_journal": verdict.is_against(report),
        "may_lack_newest": not report.mirror and may_lack_newest(file),
    }


def _show(session: Session, file: Path, report: Report) -> None:
    if session.as_json:
        output.show_json(_values(file, report))
        return
    for line in verdict.lines(report, spanish=session.lang == "es"):
        click.echo(line)
