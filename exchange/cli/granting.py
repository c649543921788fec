"""The verb ``grant``: one more recipient for a bulletin that was posted from here."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from exchange import render
from exchange.cli import away, held, output, world
from exchange.cli import officer as on_watch
from exchange.cli.asking import confirm
from exchange.cli.main import Session, verb
from exchange.cli.reading import find
from exchange.cli.times import zulu
from exchange.client import granting, onward
from exchange.model.identity import digest

if TYPE_CHECKING:
    from exchange.client.granting import Granting


@click.command()
@click.argument("identity", metavar="ID")
@click.argument("endpoint", metavar="ENDPOINT")
@click.option("--yes", is_flag=True, help="Do not ask before granting.")
@held.OFFICER
@verb
def grant(
    session: Session, identity: str, endpoint: str, yes: bool, officer: str | None
) -> None:
    """Let ENDPOINT read the bulletin ID, posted from here or held, after showing who that is.

    The bulletin is not sealed anew: its key is wrapped once more. What was granted cannot be
    taken back; a cancellation reaches whoever it was granted to. What another agency sent is
    passed on as its marking allows, or by the originator's consent: see `consent`. What went
    out by a release goes to another reader by one of its own: then the grant waits for that
    (exit code 7), see `release list`.
    """
    named = officer or on_watch.of(session.context())
    if not asyncio.run(_grant(session, identity, endpoint, named, unasked=yes)):
        away.leave(session)


async def _grant(
    session: Session, identity: str, endpoint: str, officer: str | None, *, unasked: bool
) -> bool:
    """Grant it, and return True; or ask for its release, and return False."""
    mark = digest(f"grant\n{identity}\n{endpoint}".encode())
    async with session.context().agency() as agency:
        if held.taken_up(session, agency, mark) is not None:
            return False
        # Ours first: under its id another may have posted one too.
        item = None
        if agency.world.outbox.envelope(identity) is None:
            item, _ = await find(agency, identity)
        prepared = (
            await agency.prepare_grant(identity, endpoint)
            if item is None
            else await onward.prepare(agency, item, endpoint)
        )
        review = _review(session, prepared)
        if not session.as_json:
            _show(session, prepared, review)
        if prepared.releasers:
            asked = held.Asked(mark, unasked)
            send = partial(granting.ask, agency, prepared, mark, officer)
            if item is not None:
                send = partial(onward.ask, agency, item, prepared, mark, officer)
            return await held.ask(session, agency, send, review, asked)
        if not unasked:
            confirm(session, "¿Conceder?", "Grant?")
        receipt = (
            await agency.grant(prepared)
            if item is None
            else await onward.grant(agency, item, prepared)
        )
    if session.as_json:
        output.show_json({"granted": True, "index": receipt.index, **review})
    session.say(
        f"Recibo: {endpoint} puede leer {identity}; asiento {receipt.index}.",
        f"Receipt: {endpoint} can read {identity}; entry {receipt.index}.",
    )
    return True


def _review(session: Session, prepared: Granting) -> dict[str, Any]:
    reader = prepared.reader
    return {
        "id": prepared.header.id,
        "endpoint": reader.endpoint,
        "title": reader.title[session.lang],
        "nation": reader.nation,
        "key_until": zulu(reader.key_until),
        "amended_by": prepared.amended_by,
        **held.told(prepared),
    }


def _show(session: Session, prepared: Granting, review: dict[str, Any]) -> None:
    click.echo(render.heading(prepared.header, session.lang, world.codes()))
    for each in prepared.amended_by:
        session.say(
            f"ATENCIÓN: {each} lo corrige, actualiza o cancela; concédalo también.",
            f"NOTE: {each} corrects, updates or cancels it; grant that as well.",
        )
    session.say("\nPodrá leerlo además:", "\nWill be able to read it as well:")
    spanish = {"endpoint": "destinatario", "title": "agencia", "nation": "nación",
               "key_until": "clave hasta"}  # fmt: skip
    english = {"endpoint": "recipient", "title": "agency", "nation": "nation",
               "key_until": "key until"}  # fmt: skip
    output.table([review], spanish if session.lang == "es" else english)
    held.show(session, prepared)
