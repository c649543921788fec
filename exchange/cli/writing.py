"""Verbs of an author: ``draft``, ``check``, ``post``, ``reply``, ``outbox``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange import render
from exchange.cli import output, world
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model import bulletin as bulletins
from exchange.model import draft as drafts
from exchange.model import header as headers
from exchange.model.identity import uuid7

if TYPE_CHECKING:
    from exchange.client.agency import Agency
    from exchange.client.compose import Prepared
    from exchange.model.bulletin.blocks import Target
    from exchange.model.draft import Draft

_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
_TARGET = click.option(
    "--target",
    metavar="ID",
    help="The bulletin this one updates, corrects, cancels or answers.",
)
_DRY = click.option("--dry-run", is_flag=True, help="Show who could read it; send nothing.")
_YES = click.option("--yes", is_flag=True, help="Do not ask before sending.")


@click.command()
@click.argument("type_", metavar="TYPE", type=click.Choice(sorted(bulletins.TYPES)))
@verb
def draft(session: Session, type_: str) -> None:
    """Print a commented template of a bulletin of TYPE; edit it, `check` it, `post` it."""
    text = drafts.template(type_, session.lang, world.codes())
    if session.as_json:
        output.show_json({"type": type_, "template": text})
    else:
        click.echo(text, nl=False)


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
@_DRY
@_YES
@verb
def post(session: Session, file: Path, target: str | None, dry_run: bool, yes: bool) -> None:
    """Seal and post a draft, after showing exactly who will be able to read it."""
    asyncio.run(_post(session, _read(file), target, sending=None if dry_run else yes))


@click.command()
@click.argument("target", metavar="ID")
@_FILE
@_DRY
@_YES
@verb
def reply(session: Session, target: str, file: Path, dry_run: bool, yes: bool) -> None:
    """Answer the bulletin ID with a draft: as `post --target ID`."""
    asyncio.run(_post(session, _read(file), target, sending=None if dry_run else yes))


@click.command()
@click.option("--resume", is_flag=True, help="Post again whatever has no receipt yet.")
@verb
def outbox(session: Session, resume: bool) -> None:
    """List what was posted from here, and what still waits for its receipt."""
    box = session.context().outbox()
    if resume:
        asyncio.run(_resume(session))
    rows: list[dict[str, Any]] = [
        {"id": each, "index": receipt.index if (receipt := box.receipt(each)) else None}
        for each in box.sent()
    ]
    rows += [{"id": each, "index": None} for each in box.waiting()]
    if session.as_json:
        output.show_json({"outbox": rows})
        return
    waiting = "waiting" if session.lang == "en" else "en espera"
    shown = [
        {**row, "index": waiting if row["index"] is None else row["index"]} for row in rows
    ]
    output.table(shown, {"index": "entry" if session.lang == "en" else "asiento", "id": "id"})


async def _resume(session: Session) -> None:
    async with session.context().agency() as agency:
        await agency.resume()


def _read(file: Path) -> Draft:
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from error
    is_json = file.suffix == ".json" or data.lstrip()[:1] == b"{"
    return drafts.read_draft(data, toml=not is_json)


def _check_alone(session: Session, read: Draft) -> None:
    identity = uuid7(world.clock_ms(), world.randomness(10))
    bulletin = drafts.complete(read, id=identity, origin="pa.check", codes=world.codes())
    warnings = _warnings(session, bulletin)
    if session.as_json:
        output.show_json({"valid": True, "type": bulletin.type, "warnings": warnings})
        return
    for warning in warnings:
        click.echo(warning)
    session.say(
        "Válido. Quién podría leerlo lo dice el nodo: con un contexto, y sin --offline.",
        "Valid. Who could read it is for the node to say: with a context, without --offline.",
    )


def _warnings(session: Session, bulletin: bulletins.Bulletin) -> list[str]:
    codes = world.codes()
    return [
        render.indicator(found, session.lang, codes)
        for found in bulletins.indicators(bulletin, codes)
    ]


async def _post(
    session: Session, read: Draft, target: str | None, *, sending: bool | None
) -> None:
    """Prepare, review, and post unless ``sending`` is None; True asks no question."""
    async with session.context().agency() as agency:
        found = await _target(agency, target) if target else None
        prepared = await agency.prepare(read, found)
        review = _review(session, prepared)
        if not session.as_json:
            _show_review(session, prepared, review)
        if sending is None:
            if session.as_json:
                output.show_json({"sent": False, **review})
            return
        if not sending and not sys.stdin.isatty():
            raise click.UsageError(
                "Nadie puede confirmar aquí: --yes envía sin preguntar, --dry-run no envía."
                if session.lang == "es"
                else "Nobody is here to confirm: --yes sends unasked, --dry-run does not send."
            )
        if not sending:
            _confirm(session)
        try:
            receipt = await agency.post(prepared)
        except Fault as fault:
            raise _kept(fault, prepared) from fault
    if session.as_json:
        output.show_json({"sent": True, "index": receipt.index, "node": receipt.node, **review})
    session.say(
        f"Recibo: {prepared.header.id} es el asiento {receipt.index} del nodo {receipt.node}.",
        f"Receipt: {prepared.header.id} is entry {receipt.index} of node {receipt.node}.",
    )


def _confirm(session: Session) -> None:
    asked = "¿Enviar? [s/N]" if session.lang == "es" else "Send? [y/N]"
    said = click.prompt(asked, default="n", show_default=False, err=True)
    if said.strip().lower() not in ("s", "si", "sí", "y", "yes"):
        raise click.Abort


def _kept(fault: Fault, prepared: Prepared) -> ExchangeError:
    # It is sealed and kept: say under which id, so that `outbox --resume` makes sense.
    return Fault(fault.code, fault.at, **{**fault.facts, "id": prepared.header.id})


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
        "warnings": _warnings(session, prepared.bulletin),
    }


def _show_review(session: Session, prepared: Prepared, review: dict[str, Any]) -> None:
    click.echo(render.heading(prepared.header, session.lang, world.codes()))
    for warning in review["warnings"]:
        click.echo(warning)
    session.say(
        f"\nPodrán leerlo exactamente {len(prepared.readers)}, y nadie más:",
        f"\nExactly {len(prepared.readers)} will be able to read it, and nobody else:",
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


async def _target(agency: Agency, identity: str) -> Target:
    """Return what ID stands for: a bulletin posted from here, or one in the inbox."""
    from exchange.client.reading import Delivered  # noqa: PLC0415
    from exchange.seal import jws  # noqa: PLC0415

    envelope = agency.world.outbox.envelope(identity)
    if envelope is not None:
        signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES)
        return _named(headers.decode(signed.payload), signed.digest)
    for item in await agency.everything():
        if isinstance(item, Delivered) and item.header.id == identity:
            return _named(item.header, item.digest)
    raise Refusal(Code.NOT_FOUND, "/target", id=identity)


def _named(header: headers.Header, header_digest: str) -> Target:
    from exchange.model.bulletin.blocks import Target  # noqa: PLC0415

    return Target(
        id=header.id, origin=header.origin, type=header.type, header_digest=header_digest
    )
