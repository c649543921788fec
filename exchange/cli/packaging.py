"""``audit package``: one bulletin's proof as one file, from journals; and to verify one."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from exchange.cli import bearing, options, output
from exchange.cli.journal_file import at_one_moment
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.client import amending
from exchange.client.bearing import marks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.evidence.fetching import Fetched
    from exchange.evidence.finding import Kept
    from exchange.evidence.judge import Report
    from exchange.evidence.package import Of
    from exchange.evidence.parts import Shown

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_BEGINS = b"PK\3\4"


@click.command("package")
@click.argument("bulletin", metavar="ID|INDEX")
@click.option(
    "--from",
    "files",
    type=_FILE,
    multiple=True,
    required=True,
    help="A journal: a node's file or a mirror. Again for the other node's.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The package, a new file.",
)
@options.anchor()
@click.option(
    "--checkpoint",
    "kept",
    type=_FILE,
    multiple=True,
    help="A cosigned checkpoint that was kept, if the journal holds none that is new enough.",
)
@verb
def package(  # noqa: PLR0913, PLR0917  (one for each option)
    session: Session,
    bulletin: str,
    files: tuple[Path, ...],
    out: Path,
    anchor: str | None,
    kept: tuple[Path, ...],
) -> None:
    """Put the proof of one bulletin in one file, that anybody can verify. No content.

    The bulletin by its id, or by the index of its entry in the first journal. Of the journals
    the one of the node where it was posted must be among them; with the other node's too, both
    nations' records are in it. The file has two verifiers in it that need nothing of the
    exchange, and a cover that says how. It must hold before it is written.
    """
    from exchange.evidence import finding  # noqa: PLC0415
    from exchange.evidence.package import make  # noqa: PLC0415

    output.must_be_new(out)
    notes = [_checkpoint(each) for each in kept]
    with ExitStack() as opened:
        sources = [opened.enter_context(at_one_moment(each)) for each in files]
        journals = [finding.kept(each, anchor) for each in sources]
        _must_differ(journals)
        try:
            of, shown = finding.shown(journals, bulletin, notes)
        except finding.Missing as missing:
            node = missing.facts["name"]
            raise Unusable(
                f"falta el diario del nodo {node}, donde se publicó este boletín.",
                f"the journal of node {node} is missing, where this bulletin was posted.",
                "--from",
            ) from None
        raw = make(of, shown)
    output.write_new(out, raw)
    tell(session, out, of, shown, is_open=False)


def _checkpoint(path: Path) -> bytes:
    from exchange.errors import Refusal  # noqa: PLC0415
    from exchange.journal import terms  # noqa: PLC0415

    raw = path.read_bytes()
    try:
        terms.node_of(raw)
    except Refusal as refusal:
        code = refusal.code.value
        raise Unusable(
            f"{path}: no es un punto de control ({code}).",
            f"{path}: no checkpoint ({code}).",
            "--checkpoint",
        ) from refusal
    return raw


def _must_differ(journals: Sequence[Kept]) -> None:
    nodes = [each.node for each in journals]
    if len(set(nodes)) < len(nodes):
        raise Unusable(
            "dos diarios son del mismo nodo.", "two journals are of the same node.", "--from"
        )


def tell(session: Session, out: Path, of: Of, shown: Sequence[Shown], *, is_open: bool) -> None:
    """Say what was written, and what whoever gets it needs besides."""
    from exchange.model.identity import digest  # noqa: PLC0415

    size = out.stat().st_size
    if session.as_json:
        told: dict[str, Any] = {
            "file": str(out),
            "bytes": size,
            "digest": digest(out.read_bytes()),
            "endpoint": of.header.endpoint,
            "id": of.header.id,
            "journals": {each.node: each.entry.index for each in shown},
            "acknowledgements": sum(len(each.acknowledgements) for each in shown),
            "content": is_open,
            "anchor": of.anchor,
        }
        output.show_json(told)
    places = ", ".join(f"{each.node} {each.entry.index}" for each in shown)
    session.say(
        f"Paquete de {of.header.id} ({of.header.endpoint}; asientos {places}) en {out},"
        f" {size} bytes.",
        f"Package of {of.header.id} ({of.header.endpoint}; entries {places}) in {out},"
        f" {size} bytes.",
    )
    if is_open:
        session.say(
            "CONTIENE EL TEXTO: entréguelo solo a quien pueda leerlo.",
            "IT HOLDS THE TEXT: hand it only to who may read it.",
        )
    session.say(
        "Quien lo reciba necesita además la huella que leen los custodios; la de este es"
        f" {of.anchor}.",
        "Whoever gets it also needs the fingerprint that the custodians read aloud; this one's"
        f" is {of.anchor}.",
    )


# -- to verify one --------------------------------------------------------------------------


def is_package(file: Path) -> bool:
    """Tell whether a file is meant as a package: no journal begins so."""
    with file.open("rb") as opened:
        begins = opened.read(len(_BEGINS))
    return begins == _BEGINS or file.suffix.lower() == ".zip"


def check(session: Session, file: Path, anchor: str | None) -> None:
    """Verify a package, say what became of each step, and end with its exit code."""
    from exchange.evidence import archive, judge  # noqa: PLC0415

    with file.open("rb") as opened:
        # One byte more than any package: then it is told to be too large, and not read whole.
        report = judge.verify(opened.read(archive.MAX_BYTES + 1), anchor)
    if session.as_json:
        output.show_json(msgspec.to_builtins(report))
    else:
        for line in _lines(session, report):
            click.echo(line)
    if not report.ok:
        sys.exit(output.EXIT_TAMPERED)
    if not report.anchored:
        sys.exit(output.EXIT_UNANCHORED)


_MARKS = {"held": "ok", "absent": "--", "failed": "!!", "not-reached": ".."}


def _lines(session: Session, report: Report) -> Iterator[str]:
    from exchange.evidence.words import SAID  # noqa: PLC0415

    spanish = session.lang == "es"
    unreached = "no se llegó a este paso" if spanish else "this step was not reached"
    for step in report.steps:
        said = SAID[step.name][session.lang].of(step.verdict) or unreached
        count = step.count or ""
        mark = _MARKS[step.verdict]
        yield f"{mark}  {step.number:2}  {step.name:<16} {count:>4}  {said}"
        if step.verdict == "failed":
            where = f"{step.code} {step.at}".strip()
            first = "" if step.index is None else f"; {_affected(spanish=spanish)} {step.index}"
            yield f"        {where}{first}"
    if report.id:
        yield f"{report.endpoint}  {report.id}"
    if report.taken_ms is not None:
        when, at = zulu(report.taken_ms // 1000), f"exchange/{report.node} {report.index}"
        yield f"asentado {when}, {at}" if spanish else f"recorded {when}, {at}"
    if report.posted_at != report.node:
        yield (
            f"publicado en el nodo {report.posted_at}, cuyo diario no está en el paquete"
            if spanish
            else f"posted at node {report.posted_at}, whose journal is not in the package"
        )
    if report.witnessed_at is not None:
        when = zulu(report.witnessed_at)
        yield f"cofirmado a las {when}" if spanish else f"cosigned as of {when}"
    if not report.ok:
        yield "ALTERADO." if spanish else "TAMPERED."
    elif not report.anchored:
        yield (
            f"SIN ANCLA: coherente solo consigo mismo; su propia ancla es {report.anchor}"
            if spanish
            else f"UNANCHORED: consistent with itself only; its own anchor is {report.anchor}"
        )
    else:
        yield "Auténtico, desde su ancla." if spanish else "Authentic, from your anchor."


def _affected(*, spanish: bool) -> str:
    return "primer asiento afectado" if spanish else "first entry affected"


# -- by who holds the bulletin --------------------------------------------------------------


@click.command("package")
@click.argument("identity", metavar="ID")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The package, a new file.",
)
@click.option(
    "--with-body",
    is_flag=True,
    help="With the text as it was sealed: for who may read it, and hands it to a court.",
)
@verb
def own(session: Session, identity: str, out: Path, with_body: bool) -> None:
    """Put the proof of a bulletin that you posted or received in one file for others to verify.

    Like `audit package`, from your own node, which is not believed: the file must hold. Without
    --with-body there is no content in it. Whoever takes the file out of this program answers
    for it from there on.
    """
    output.must_be_new(out)
    fetched = asyncio.run(_fetched(session, identity, with_body=with_body))
    output.write_new(out, fetched.pack())
    tell(session, out, fetched.of, [fetched.shown], is_open=with_body)


async def _fetched(session: Session, identity: str, *, with_body: bool) -> Fetched:
    from exchange.cli import reading  # noqa: PLC0415
    from exchange.errors import Code, Refusal  # noqa: PLC0415
    from exchange.evidence import fetching  # noqa: PLC0415

    async with session.context().agency() as agency:
        box = agency.world.outbox
        if with_body and box.receipt(identity) is not None:
            fetched = await fetching.fetch(agency, identity, with_body=True)
            # By then it is known here what another machine of ours posted to it.
            bearing.warn(amending.marks(box, identity), session, err=True)
            return fetched
        if with_body:
            # What is not shown to us any more is not taken out either.
            item, known = await reading.find(agency, identity)
            if item.bulletin is None:
                raise item.locked or Refusal(Code.CANNOT_DECRYPT, id=identity)
            bearing.warn(marks(known.items).get(item.index, []), session, err=True)
        return await fetching.fetch(agency, identity, with_body=with_body)
