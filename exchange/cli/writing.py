"""Verbs of an author: ``check``, ``post``, ``reply``, ``outbox``."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from exchange import render
from exchange.cli import output, world
from exchange.cli.asking import confirm, must_be_there
from exchange.cli.main import Session, verb
from exchange.cli.progress import teller
from exchange.cli.times import zulu
from exchange.cli.usage import unreadable
from exchange.client.resuming import named
from exchange.client.transport import is_away
from exchange.errors import ExchangeError, Fault
from exchange.model import bulletin as bulletins
from exchange.model import draft as drafts
from exchange.model.identity import digest, uuid7

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.client.agency import Agency
    from exchange.client.compose import Prepared
    from exchange.client.outbox import Outbox
    from exchange.model.draft import Draft
    from exchange.model.objects import Receipt

# A bulletin is at most 256 KiB; as TOML, with comments, it may be somewhat longer.
_MAX_DRAFT_BYTES = 1024 * 1024
_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
_TARGET = click.option(
    "--target",
    metavar="ID|ENTRY",
    help="The bulletin this one updates, corrects, cancels or answers.",
)
_DRY = click.option("--dry-run", is_flag=True, help="Show who could read it; send nothing.")
_ATTACH = click.option(
    "--attach",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    metavar="PATH",
    help="A file to travel with it, sealed. May be given up to 16 times.",
)
_YES = click.option("--yes", is_flag=True, help="Do not ask before sending.")


@click.command()
@_FILE
@_TARGET
@click.option("--offline", is_flag=True, help="Check the file alone; do not ask the node.")
@verb
def check(session: Session, file: Path, target: str | None, offline: bool) -> None:
    """Validate a draft, and say who would be able to read it. Sends nothing."""
    read = _read(file)
    if offline or not session.home.names():
        _check_alone(session, read)
    else:
        asyncio.run(_post(session, read, target, sending=None))


@click.command()
@_FILE
@_TARGET
@_ATTACH
@_DRY
@_YES
@verb
def post(  # noqa: PLR0913, PLR0917  (one for each option)
    session: Session,
    file: Path,
    target: str | None,
    attach: tuple[Path, ...],
    dry_run: bool,
    yes: bool,
) -> None:
    """Seal and post a draft, after showing exactly who will be able to read it."""
    sending = None if dry_run else yes
    asyncio.run(_post(session, _read(file), target, attach, sending=sending))


@click.command()
@click.argument("target", metavar="ID|ENTRY")
@_FILE
@_ATTACH
@_DRY
@_YES
@verb
def reply(  # noqa: PLR0913, PLR0917  (one for each option)
    session: Session,
    target: str,
    file: Path,
    attach: tuple[Path, ...],
    dry_run: bool,
    yes: bool,
) -> None:
    """Answer a bulletin with a draft: as `post --target ID`."""
    sending = None if dry_run else yes
    asyncio.run(_post(session, _read(file), target, attach, sending=sending))


@click.command()
@click.option("--resume", is_flag=True, help="Post again whatever has no receipt yet.")
@verb
def outbox(session: Session, resume: bool) -> None:
    """List what was posted from here, and what still waits for its receipt."""
    box = session.context().outbox()
    if resume:
        asyncio.run(_resume(session))
    rows = [*_kept_in(box, "bulletin"), *_kept_in(box.acks, "acknowledgement")]
    if session.as_json:
        output.show_json({"outbox": rows})
        return
    waiting = "waiting" if session.lang == "en" else "en espera"
    damaged = "damaged receipt" if session.lang == "en" else "recibo dañado"
    kinds = {"bulletin": "boletín", "acknowledgement": "acuse"}
    shown = [
        {
            **row,
            "index": _entry_of(row, waiting, damaged),
            "kind": row["kind"] if session.lang == "en" else kinds[row["kind"]],
        }
        for row in rows
    ]
    english = {"index": "entry", "kind": "what", "id": "id"}
    spanish = {"index": "asiento", "kind": "qué", "id": "id"}
    output.table(shown, english if session.lang == "en" else spanish)


def _entry_of(row: dict[str, Any], waiting: str, damaged: str) -> object:
    if "fault" in row:
        return damaged
    return waiting if row["index"] is None else row["index"]


def _kept_in(box: Outbox, kind: str) -> list[dict[str, Any]]:
    """Return what an outbox holds: first what has its receipt, then what waits for it."""
    sent = [{"id": each, "kind": kind, **_receipted(box, each)} for each in box.sent()]
    return [*sent, *({"id": each, "kind": kind, "index": None} for each in box.waiting())]


def _receipted(box: Outbox, identity: str) -> dict[str, Any]:
    """Return the entry that a receipt is of; a damaged one is named and hides no other."""
    try:
        receipt = box.receipt(identity)
    except Fault as fault:
        return {"index": None, "fault": output.problem(fault)}
    return {"index": receipt.index if receipt else None}


async def _resume(session: Session) -> None:
    async with session.context().agency() as agency:
        await agency.resume(_teller(session), partial(_warn, session))


def _warn(session: Session, identity: str, error: ExchangeError) -> None:
    """Say on stderr, in JSON too, that something sealed has no receipt, and why."""
    click.echo(
        f"!!! {identity} SIGUE SIN RECIBO:"
        if session.lang == "es"
        else f"!!! {identity} STILL HAS NO RECEIPT:",
        err=True,
    )
    click.echo(render.refusal_text(error, session.lang, world.codes()), err=True)


def _teller(session: Session) -> Callable[[int, int], None]:
    return teller(session, "Adjunto", "Attachment")


def _read(file: Path) -> Draft:
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(_MAX_DRAFT_BYTES + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(_MAX_DRAFT_BYTES + 1)
    except OSError as error:
        raise unreadable(file, error, "FILE") from error
    is_json = file.suffix == ".json" or data.lstrip()[:1] == b"{"
    return drafts.read_draft(data, toml=not is_json)


def _check_alone(session: Session, read: Draft) -> None:
    identity = uuid7(world.clock_ms(), world.randomness(10))
    bulletin = drafts.complete(read, id=identity, origin="pa.check", codes=world.codes())
    bulletins.check_audience(bulletin, read.post.marking, world.now(), "/bulletin")
    warnings = _warnings(bulletins.indicators(bulletin, world.codes(), world.now()))
    if session.as_json:
        output.show_json({"valid": True, "type": bulletin.type, "warnings": warnings})
        return
    for warning in warnings:
        click.echo(warning[session.lang])
    session.say(
        "Válido. Quién podría leerlo lo dice el nodo: con un contexto, y sin --offline.",
        "Valid. Who could read it is for the node to say: with a context, without --offline.",
    )


def _warnings(found: Sequence[bulletins.Indicator]) -> list[dict[str, str]]:
    codes = world.codes()
    return [
        {
            "code": each.code,
            "at": each.at,
            "es": render.indicator(each, "es", codes),
            "en": render.indicator(each, "en", codes),
        }
        for each in found
    ]


async def _post(
    session: Session,
    read: Draft,
    target: str | None,
    attach: Sequence[Path] = (),
    *,
    sending: bool | None,
) -> None:
    """Prepare, review, and post unless ``sending`` is None; True asks no question."""
    from exchange.cli import choosing  # noqa: PLC0415

    if sending is False:
        must_be_there(
            session,
            "Nadie puede confirmar aquí: --yes envía sin preguntar, --dry-run no envía.",
            "Nobody is here to confirm: --yes sends unasked, --dry-run does not send.",
        )
    mark = digest(msgspec.json.encode((read, target, [_file_mark(path) for path in attach])))
    async with session.context().agency() as agency:
        if sending is not None and await _is_taken_up(session, agency, mark):
            return
        found = await choosing.target(agency, target) if target else None
        prepared = await agency.prepare(read, found, attach)
        review = _review(session, prepared)
        if not session.as_json:
            _show_review(session, prepared, review)
        if sending is None:
            if session.as_json:
                output.show_json({"sent": False, **review})
            return
        if not sending:
            confirm(session, "¿Enviar?", "Send?")
        with named(prepared.header.id):
            receipt = await agency.post(prepared, mark, _teller(session))
        _tell(session, prepared.header.id, receipt, review)
        agency.world.outbox.forget(mark)


def _tell(session: Session, identity: str, receipt: Receipt, more: dict[str, Any]) -> None:
    if session.as_json:
        told = {"sent": True, "id": identity, "index": receipt.index, "node": receipt.node}
        output.show_json({**more, **told})
    session.say(
        f"Recibo: {identity} es el asiento {receipt.index} del nodo {receipt.node}.",
        f"Receipt: {identity} is entry {receipt.index} of node {receipt.node}.",
    )


def _file_mark(path: Path) -> tuple[str, str]:
    """Return what tells a file to be attached from every other."""
    try:
        with path.open("rb") as file:
            return path.name, file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error, "--attach") from error


async def _is_taken_up(session: Session, agency: Agency, mark: str) -> bool:
    """Resolve what was left without an answer; tell whether this very draft was among it."""
    box = agency.world.outbox
    mine = box.marked(mark)
    for identity in box.waiting():
        session.say(
            f"{identity} quedó sin respuesta: se pregunta al nodo antes de sellar nada más ...",
            f"{identity} had no answer: asking the node before anything else is sealed ...",
        )
        try:
            with named(identity):
                receipt = await agency.resolve(identity, _teller(session))
        except ExchangeError as error:
            # Of another, its trouble is no reason to keep this one from being sealed.
            if identity == mine or is_away(error):
                raise
            _warn(session, identity, error)
            continue
        if identity != mine:
            session.say(f"  es el asiento {receipt.index}.", f"  it is entry {receipt.index}.")
    if mine is None or (posted := await agency.posted(mark)) is None:
        return False
    session.say(
        "Este mismo borrador ya se envió; no se sella otra vez.",
        "This very draft was posted already; it is not sealed again.",
    )
    _tell(session, *posted, {"again": True})
    box.forget(mark)
    return True


def _review(session: Session, prepared: Prepared) -> dict[str, Any]:
    header = prepared.header
    return {
        "id": header.id,
        "type": header.type,
        "verb": header.verb,
        "status": header.status,
        "feed": header.feed,
        "precedence": header.precedence,
        "tlp": header.marking.tlp,
        "releasable_to": header.marking.releasable_to,
        "expires": header.expires,
        "readers": [
            {
                "endpoint": each.endpoint,
                "title": each.title[session.lang],
                "nation": each.nation,
                "reason": each.reason,
                "key_until": zulu(each.key_until),
            }
            for each in prepared.readers
        ],
        "left_out": [
            {"endpoint": each.endpoint, **output.problem(each.why)}
            for each in prepared.left_out
        ],
        "attachments": [
            {"name": each.name, "media_type": each.media_type, "size": each.size}
            for each in prepared.files
        ],
        "warnings": _warnings(prepared.warnings),
    }


def _show_review(session: Session, prepared: Prepared, review: dict[str, Any]) -> None:
    click.echo(render.heading(prepared.header, session.lang, world.codes()))
    for warning in review["warnings"]:
        click.echo(warning[session.lang])
    _show_files(session, prepared)
    session.say(
        f"\nPodrán leerlo exactamente {len(prepared.readers)}, y nadie más:",
        f"\nExactly {len(prepared.readers)} will be able to read it, and nobody else:",
    )
    for each in review["left_out"]:
        name, spanish, english = each["endpoint"], each["es"]["what"], each["en"]["what"]
        session.say(
            f"¡{name}, suscrito, NO podrá leerlo! {spanish}",
            f"{name}, subscribed, will NOT be able to read it! {english}",
        )
    named = {"named": "nombrado", "subscribed": "suscrito"}
    rows = [
        {**each, "reason": named[each["reason"]] if session.lang == "es" else each["reason"]}
        for each in review["readers"]
    ]
    spanish = {
        "endpoint": "destinatario",
        "title": "agencia",
        "nation": "nación",
        "reason": "por",
        "key_until": "clave hasta",
    }
    english = {
        "endpoint": "recipient",
        "title": "agency",
        "nation": "nation",
        "reason": "because",
        "key_until": "key until",
    }
    output.table(rows, spanish if session.lang == "es" else english)


def _show_files(session: Session, prepared: Prepared) -> None:
    for file in prepared.files:
        kind = world.codes().words("media-types", file.media_type, session.lang)
        name = render.visible(file.name)
        session.say(
            f"Adjunto: {name} ({kind}, {file.size} bytes)",
            f"Attachment: {name} ({kind}, {file.size} bytes)",
        )
