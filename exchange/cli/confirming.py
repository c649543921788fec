"""The verb ``confirm``: say that a bulletin posted from here still holds, and is needed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from exchange.cli import away, naming, output
from exchange.cli.main import Session, verb
from exchange.client import confirming
from exchange.client.transport import is_away
from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from exchange.model.objects import Receipt


@click.command()
@click.argument("identity", metavar="ID|ENTRY")
@verb
def confirm(session: Session, identity: str) -> None:
    """Confirm that the bulletin ID, posted from here, still holds: it is kept on.

    Answers a review (`inbox` shows it). What holds no more is corrected or cancelled instead;
    without an answer it is purged where the arrangement says so.
    """
    of, own, receipt, why = asyncio.run(_confirm(session, identity))
    if receipt is None:
        if session.as_json and why is not None:
            output.show_json({"of": of, "index": None, **away.queued(own, why)})
        session.say(
            f"El nodo no responde: la confirmación de {of} espera en la bandeja de salida.",
            f"The node is away: the confirmation of {of} waits in the outbox.",
        )
        away.leave(session)
        return
    if session.as_json:
        output.show_json({"of": of, "id": own, "index": receipt.index})
    session.say(
        f"Confirmado: {of} sigue vigente; asiento {receipt.index}.",
        f"Confirmed: {of} still holds; entry {receipt.index}.",
    )


async def _confirm(
    session: Session, identity: str
) -> tuple[str, str, Receipt | None, Fault | None]:
    async with session.context().agency() as agency:
        named = naming.posted(agency.world.outbox, identity)
        own, envelope = confirming.confirmation(agency, named)
        try:
            return named, own, await agency.send(own, envelope), None
        except Fault as fault:
            if not is_away(fault) or fault.code is Code.OUTCOME_UNKNOWN:
                raise
            return named, own, None, fault
