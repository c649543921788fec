"""The verb ``trace``: what became of a bulletin that was posted from here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from exchange.cli import ageing, naming, output, world
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu, zulu_ms
from exchange.client import granting
from exchange.client.reading import Acked, Granted
from exchange.errors import Code, Refusal
from exchange.model import header as headers
from exchange.model import objects
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.outbox import Outbox
    from exchange.client.reading import Item


@click.command()
@click.argument("identity", metavar="ID|ENTRY")
@verb
def trace(session: Session, identity: str) -> None:
    """Tell what became of a bulletin posted from here, recipient by recipient."""
    story = asyncio.run(_trace(session, identity))
    if session.as_json:
        output.show_json(story)
        return
    accepted, index = story["accepted"], story["index"]
    session.say(
        f"{story['id']}\naceptado {accepted}, asiento {index}, recibo verificado",
        f"{story['id']}\naccepted {accepted}, entry {index}, receipt verified",
    )
    for each in story["recipients"]:
        click.echo(f"  {each['endpoint']}")
        _show_acks(session, each["acknowledgements"])
        ageing.show(session, each, story["target_s"])
    for each in story["grants"]:
        click.echo(f"  {each['endpoint']}  {_told(session, each)}")
        _show_acks(session, each["acknowledgements"])


def _told(session: Session, grant: dict[str, Any]) -> str:
    by, at, index = grant["granted_by"], grant["at"], grant["index"]
    if index is None:
        waits = "en espera de su recibo: exchange outbox --resume"
        return (
            f"concedido por {by}, {at}, {waits}"
            if session.lang == "es"
            else f"granted by {by}, {at}, waiting for its receipt: exchange outbox --resume"
        )
    if session.lang == "es":
        return f"concedido por {by}, {at}, asiento {index}"
    return f"granted by {by}, {at}, entry {index}"


def _show_acks(session: Session, steps: Sequence[dict[str, Any]]) -> None:
    for step in steps:
        said = world.codes().words("ack-outcomes", step["outcome"], session.lang)
        click.echo(f"    {step['taken']}  {said}  {step['officer'] or ''}".rstrip())
    if not steps:
        session.say("    sin acuse todavía", "    no acknowledgement yet")


async def _trace(session: Session, identity: str) -> dict[str, Any]:
    """Put together the receipt, which the node gives to the poster only, grants and acks."""
    async with session.context().agency() as agency:
        identity = naming.posted(agency.world.outbox, identity)
        envelope = agency.world.outbox.envelope(identity)
        signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES) if envelope else None
        if envelope is None or signed is None or signed.typ != headers.TYP:
            raise Refusal(Code.NOT_FOUND, "/outbox", id=identity)
        receipt, facts = await agency.receipt(identity, envelope)
        header = headers.decode(signed.payload)
        # Of this very bulletin: an id alone may be on another's, too.
        ours = objects.Subject(agency.profile.endpoint, identity, signed.digest)
        items = await agency.everything()
        grants = _grants(agency.world.outbox, ours, items)
        arrangement = agency.trust.newest.agreed()
    return {
        "id": identity,
        "index": receipt.index,
        "node": receipt.node,
        "accepted": zulu_ms(facts.taken_ms),
        "issued": zulu(header.issued),
        "precedence": header.precedence,
        "target_s": arrangement.target_s(header.precedence),
        "recipients": [
            {
                "endpoint": name,
                "acknowledgements": acks,
                **ageing.of_recipient(acks, arrangement, header.precedence, facts.taken_ms),
            }
            for name in header.to
            for acks in [_acks(items, ours, name)]
        ],
        "grants": grants,
    }


def _grants(
    outbox: Outbox, ours: objects.Subject, items: Sequence[Item]
) -> list[dict[str, Any]]:
    """Return who was let in since: by us, by our receipts; by colleagues, by the inbox."""
    found = [
        (made.grant, made.receipt.index if made.receipt else None)
        for made in granting.made(outbox, ours.header_digest)
    ]
    found += [
        (item.grant, item.index)
        for item in items
        if isinstance(item, Granted) and item.grant.of == ours
    ]
    return [
        {
            "endpoint": grant.to,
            "granted_by": grant.endpoint,
            "at": zulu(grant.at),
            "index": index,
            "acknowledgements": _acks(items, ours, grant.to),
        }
        for grant, index in found
    ]


def _acks(items: Sequence[Item], ours: objects.Subject, name: str) -> list[dict[str, Any]]:
    return [
        {
            "outcome": item.ack.outcome,
            "officer": item.ack.officer,
            "at": zulu(item.ack.at),
            "taken": zulu_ms(item.taken_ms),
            "index": item.index,
        }
        for item in items
        if isinstance(item, Acked) and item.ack.of == ours and item.ack.endpoint == name
    ]
