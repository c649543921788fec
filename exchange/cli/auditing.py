"""Verbs of an auditor: ``audit mirror``, ``log``, ``verify``, ``checkpoint``, ``proof``."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.cli import output, progress
from exchange.cli.journal_file import may_lack_newest, opened
from exchange.cli.main import Session, group, verb
from exchange.cli.times import zulu_ms
from exchange.cli.usage import Unusable
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from exchange.model import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.audit.verify import Report
    from exchange.client.agency import Agency

EXIT_UNANCHORED = 6
_PAGE = 256
_ANCHOR = re.compile(r"[A-Za-z0-9_-]{43}")
_FILE = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))

# What each check says when it holds, and when it does not.
_CHECKS = {
    "readable": (
        ("todos los asientos se leen, sin huecos", "every entry can be read, without a gap"),
        ("la lectura se interrumpe", "reading breaks off"),
    ),
    "hashes": (
        ("cada asiento es el que se guardó", "each entry is the one that was stored"),
        ("un asiento fue alterado", "an entry was altered"),
    ),
    "replay": (
        ("las mismas reglas dan cada decisión", "the same rules give each decision"),
        ("un asiento no se sigue de las reglas", "an entry does not follow from the rules"),
    ),
    "checkpoints": (
        ("cada punto de control firmado concuerda", "each signed checkpoint agrees"),
        ("un punto de control firmado dice otra cosa", "a signed checkpoint says otherwise"),
    ),
    "covered": (
        ("asientos bajo el último punto de control", "entries under the newest checkpoint"),
        ("ningún asiento está firmado", "no entry is signed for"),
    ),
    "groups": (
        ("asientos bajo grupos firmados", "entries under signed commit groups"),
        ("un grupo firmado dice otra cosa", "a signed commit group says otherwise"),
    ),
    "bodies": (
        ("cuerpos sellados son los firmados", "sealed bodies are the ones signed for"),
        ("un cuerpo sellado falta o no es el firmado", "a sealed body is gone or another"),
    ),
    "inboxes": (
        ("lugares en buzones, como se deben", "places in inboxes, as they are owed"),
        ("un buzón no tiene lo que se le debe", "an inbox does not hold what it is owed"),
    ),
    "heads": (
        ("buzones cuentan lo que tienen", "inboxes count what they hold"),
        ("una cuenta o el final no concuerda", "a count, or the end, is another"),
    ),
    "keys": (
        ("claves llevan a su asiento", "keys lead to their entry"),
        ("una clave falta, sobra o lleva a otro", "a key is gone, too many or leads elsewhere"),
    ),
    "kinds": (
        ("asientos bajo su clase, y el último de cada una", "entries by kind, newest known"),
        ("una clase, o su último asiento, es otra", "a kind, or the newest of one, is another"),
    ),
    "tiles": (
        ("losas llenas del árbol, con su raíz", "whole tiles of the tree, with their root"),
        ("la raíz de una losa es otra, falta o sobra", "a tile's root is another, or too many"),
    ),
    "kept": (
        ("asientos bajo el punto guardado aparte", "entries under the one kept elsewhere"),
        (
            "no es el diario del punto guardado aparte: cortado, bifurcado o de otro nodo",
            "not the journal of the checkpoint kept elsewhere: cut off, forked, another node's",
        ),
    ),
}  # fmt: skip


@group
def audit() -> None:
    """Review the record: mirror it, list it, verify it, prove one entry."""


@audit.command("mirror")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@verb
def mirror(session: Session, file: Path) -> None:
    """Copy the node's journal into FILE, judging every entry. Needs the auditor's role.

    A mirror made before is gone on with, once all that it holds is what the node still says.
    """
    size, new = asyncio.run(_mirror(session, file))
    if session.as_json:
        output.show_json({"file": str(file), "size": size, "new": new})
    session.say(
        f"{size} asientos en {file}, {new} de ellos nuevos",
        f"{size} entries in {file}, {new} of them new",
    )


async def _mirror(session: Session, file: Path) -> tuple[int, int]:
    from exchange.audit.mirror import pull  # noqa: PLC0415
    from exchange.store.sqlite import SqliteStore  # noqa: PLC0415

    async with session.context().agency() as agency:
        # Nothing is put on disk for whoever turns out to have no session, or not the role.
        await agency.transport.get("/v1/journal", first=0, limit=1)
        file.parent.mkdir(parents=True, exist_ok=True)
        store = SqliteStore.open(file)
        try:
            anchor = agency.profile.anchor
            return await pull(agency.transport, store, anchor, progress.counted(session))
        finally:
            await store.close()


@audit.command("log")
@click.argument(
    "file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option("--first", default=0, help="From this entry on.")
@click.option("--limit", default=1000, show_default=True, help="At most so many.")
@verb
def log(session: Session, file: Path | None, first: int, limit: int) -> None:
    """List journal entries: of FILE, or of the node (which needs the auditor's role)."""
    found = (
        _of_file(file, first, limit) if file else asyncio.run(_of_node(session, first, limit))
    )
    rows = [_row(index, raw) for index, raw in found]
    if session.as_json:
        output.show_json({"entries": rows})
        return
    spanish = {
        "index": "asiento",
        "taken": "hora",
        "kind": "clase",
        "who": "quién",
        "told": "qué",
    }
    english = {"index": "entry", "taken": "time", "kind": "kind", "who": "who", "told": "what"}
    output.table(rows, spanish if session.lang == "es" else english)


def _of_file(file: Path, first: int, limit: int) -> list[tuple[int, bytes]]:
    with opened(file) as source:
        found: list[tuple[int, bytes]] = []
        while len(found) < limit and (
            page := source.read(first + len(found), min(_PAGE, limit - len(found)))
        ):
            found += [(stored.index, stored.entry) for stored in page]
        return found


async def _of_node(session: Session, first: int, limit: int) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    async with session.context().agency() as agency:
        while len(found) < limit:
            page = await agency.transport.get_as(
                wire.JournalPage,
                "/v1/journal",
                first=first + len(found),
                limit=min(wire.MAX_PAGE, limit - len(found)),
            )
            found += [(item.index, item.entry.encode()) for item in page.items]
            if not page.items:
                break
    return found


def _row(index: int, raw: bytes) -> dict[str, Any]:
    entry = entries.decode(raw)
    facts = entry.facts
    row = {"index": index, "taken": zulu_ms(facts.taken_ms), "kind": entries.kind_of(facts)}
    return {**row, **_told(entry)}


def _told(entry: entries.Entry) -> dict[str, str]:
    from exchange.model import header as headers  # noqa: PLC0415
    from exchange.seal import jws  # noqa: PLC0415

    match entry.facts:
        case entries.Accepted() as facts:
            header = headers.decode(jws.read(entry.object, headers.MAX_HEADER_BYTES).payload)
            owed = " ".join(each.endpoint for each in facts.owed)
            told = f"{header.type} {header.verb} {header.id} > {owed}"
            return {"who": header.endpoint, "told": told}
        case (
            entries.Acknowledged() | entries.Granted() | entries.Released() | entries.Noticed()
        ) as facts:
            return _about_another(facts, entry.object)
        case entries.Refused() as facts:
            return {"who": facts.caller, "told": f"{facts.code} {facts.at}".strip()}
        case entries.Trust() as facts:
            return {"who": "", "told": f"{facts.name} v{facts.version}"}
        case entries.EpochOpened() as facts:
            return {"who": facts.node, "told": f"epoch {facts.epoch}"}
        case entries.Checkpointed() | entries.InboxHeads() as facts:
            return {"who": "", "told": f"size {facts.size}"}


def _about_another(
    facts: entries.Acknowledged | entries.Granted | entries.Released | entries.Noticed,
    raw: bytes,
) -> dict[str, str]:
    from exchange.model import objects  # noqa: PLC0415
    from exchange.seal import jws  # noqa: PLC0415

    payload = jws.read(raw, objects.MAX_OBJECT_BYTES).payload
    at = "" if facts.of is None else f" ({facts.of})"
    match facts:
        case entries.Acknowledged():
            ack = objects.decode_acknowledgement(payload)
            return {"who": ack.endpoint, "told": f"{ack.outcome} {ack.of.id}{at}"}
        case entries.Granted():
            grant = objects.decode_grant(payload)
            return {"who": grant.endpoint, "told": f"{grant.of.id}{at} > {grant.to}"}
        case entries.Released():
            release = objects.decode_release(payload)
            return {"who": release.endpoint, "told": f"{release.of.id}{at}"}
        case entries.Noticed():
            notice = objects.decode_notice(payload)
            said = " ".join(filter(None, (notice.about, notice.recipient, notice.code)))
            return {"who": notice.node, "told": f"{said} {notice.of.id}{at}"}


@audit.command("verify")
@_FILE
@click.option("--anchor", help="Digest of the first root, as the custodians read it aloud.")
@click.option(
    "--checkpoint",
    "kept",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A checkpoint that was kept elsewhere: the journal must still contain it.",
)
@click.option(
    "--mirror",
    "is_mirror",
    is_flag=True,
    help="FILE was made by `audit mirror`: it has no commit groups and no sealed bodies.",
)
@verb
def verify(
    session: Session, file: Path, anchor: str | None, kept: Path | None, is_mirror: bool
) -> None:
    """Verify the journal in FILE, offline: a node's file, a copy, or a mirror.

    Ends with 0 when all holds, 5 when something was tampered with, 6 when all holds but no
    anchor was given: then the journal is consistent with itself, and that is all.
    """
    from exchange.audit.verify import Verifier  # noqa: PLC0415

    promised = _given(anchor, kept)
    try:
        with opened(file) as source:
            told = progress.counted(session)
            size = source.size()
            report = Verifier(
                source,
                anchor,
                lambda done: told(done, size),
                promised,
                is_mirror=is_mirror,
            ).run()
    except Fault as error:
        # A copy that is no longer a journal at all has been tampered with, or torn.
        if session.as_json:
            output.show_json({"ok": False, "error": output.problem(error)})
            sys.exit(output.EXIT_TAMPERED)
        session.say(
            "ALTERADO: el archivo no se puede leer.", "TAMPERED: the file cannot be read."
        )
        sys.exit(output.EXIT_TAMPERED)
    _show(session, report)
    if not is_mirror and may_lack_newest(file):
        session.say(
            "Si su nodo estaba en marcha al copiarlo, los asientos más nuevos están en su"
            f" {file.name}-wal, que no está aquí: cópielo también, o use `audit mirror`.",
            "If its node was running when this was copied, the newest entries are in its"
            f" {file.name}-wal, which is not here: copy that too, or use `audit mirror`.",
        )
    if not report.ok:
        sys.exit(output.EXIT_TAMPERED)
    if not report.anchored:
        sys.exit(EXIT_UNANCHORED)


def _given(anchor: str | None, kept: Path | None) -> bytes | None:
    """Return the checkpoint that was kept; what was given and is neither is no tampering."""
    from exchange.journal import checkpoint as c2sp  # noqa: PLC0415

    if anchor is not None and not _ANCHOR.fullmatch(anchor):
        raise Unusable(
            f"{anchor[:64]}: no son 43 caracteres de base64url.",
            f"{anchor[:64]}: not 43 characters of base64url.",
            "--anchor",
        )
    promised = kept.read_bytes() if kept else None
    if promised is not None:
        try:
            c2sp.parse(promised)
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
        told = _CHECKS[check.name][0 if check.ok else 1][0 if spanish else 1]
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
    yield f"{'raíz' if spanish else 'root'} {report.root}"
    if not report.anchored:
        yield (
            f"SIN ANCLA: coherente solo consigo mismo; su propia ancla es {report.anchor}"
            if spanish
            else f"UNANCHORED: consistent with itself only; its own anchor is {report.anchor}"
        )
    if report.ok:
        yield _checked_es(report) if spanish else _checked_en(report)
    else:
        yield "ALTERADO." if spanish else "TAMPERED."
    yield from _hints(report, spanish=spanish)


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
    return f"{told} No se examinan aquí: {', '.join(unseen)}." if unseen else told


@audit.command("checkpoint")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@verb
def checkpoint(session: Session, file: Path) -> None:
    """Save the node's newest signed checkpoint in FILE, for `audit verify --checkpoint`."""
    output.must_be_new(file)
    raw, size = asyncio.run(_checkpoint(session))
    output.write_new(file, raw)
    if session.as_json:
        output.show_json({"file": str(file), "size": size})
    session.say(
        f"Punto de control de {size} asientos en {file}; guárdelo fuera del nodo.",
        f"Checkpoint of {size} entries in {file}; keep it away from the node.",
    )


async def _checkpoint(session: Session) -> tuple[bytes, int]:
    from exchange.journal import checkpoint as c2sp  # noqa: PLC0415
    from exchange.journal.logkeys import log_keys, origin_of  # noqa: PLC0415

    async with session.context().agency() as agency:
        raw = await agency.transport.get("/v1/checkpoint")
        node = (await agency.view()).nodes[agency.profile.node]
    required = log_keys(node)
    verified = c2sp.verify(raw, origin=origin_of(node.node), required=required)
    return raw, verified.checkpoint.size


@audit.command("proof")
@click.argument("index", type=int)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Save the proof.")
@verb
def proof(session: Session, index: int, out: Path | None) -> None:
    """Prove that entry INDEX is under the node's newest signed checkpoint."""
    if out is not None:
        output.must_be_new(out)
    result, text = asyncio.run(_proof(session, index))
    if out is not None:
        output.write_new(out, text.encode())
    if session.as_json:
        output.show_json(result)
    session.say(
        f"El asiento {index} está bajo el punto de control de {result['size']} asientos, "
        f"firmado por {result['origin']} ({result['steps']} pasos).",
        f"Entry {index} is under the checkpoint of {result['size']} entries, "
        f"signed by {result['origin']} ({result['steps']} steps).",
    )


async def _proof(session: Session, index: int) -> tuple[dict[str, Any], str]:
    from exchange.journal import bundle, checkpoint  # noqa: PLC0415
    from exchange.journal.logkeys import log_keys, origin_of  # noqa: PLC0415
    from exchange.journal.tree import leaf_hash  # noqa: PLC0415

    async with session.context().agency() as agency:
        answer = await agency.transport.get_as(wire.Proof, "/v1/proof", index=index)
        raw = await _entry(session, agency, index)
        view = await agency.view()
        node = view.nodes.get(agency.profile.node)
    found = bundle.parse(answer.proof.encode())
    origin = origin_of(agency.profile.node)
    if node is None or found.index != index:
        raise Refusal(Code.BAD_PROOF, "/index", found=found.index)
    bundle.verify_proof(found, leaf_hash(raw), origin=origin, required=log_keys(node))
    size = checkpoint.parse(found.note).size
    told = {"index": index, "size": size, "origin": origin, "steps": len(found.path)}
    return told, answer.proof


async def _entry(session: Session, agency: Agency, index: int) -> bytes:
    """Return the entry to be proved: posted from here, in the inbox, or as an auditor."""
    box = agency.world.outbox
    for identity in box.sent():
        receipt, envelope = box.receipt(identity), box.envelope(identity)
        if receipt is not None and envelope is not None and receipt.index == index:
            return receipt.facts.encode() + b"\n" + envelope.header
    page = await agency.transport.get_as(wire.InboxPage, "/v1/inbox", after=index - 1, limit=1)
    if page.items and page.items[0].index == index:
        return page.items[0].entry.encode()
    found = await _of_node(session, index, 1)
    if not found:
        raise Refusal(Code.NOT_FOUND, "/index", found=index)
    return found[0][1]
