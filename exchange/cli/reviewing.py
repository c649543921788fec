"""What is shown before a bulletin is sealed: above all, exactly who will be able to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from exchange import render
from exchange.cli import held, output, saving, world
from exchange.cli.times import zulu
from exchange.errors import Code

if TYPE_CHECKING:
    from exchange.cli.main import Session
    from exchange.client.compose import Prepared


def told(session: Session, prepared: Prepared) -> dict[str, Any]:
    """Return what is told of a bulletin before it is sealed."""
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
        "as_of": zulu(prepared.as_of_ms // 1000) if prepared.as_of_ms else None,
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
        "warnings": output.warnings(prepared.warnings),
        **({"unchecked": True} if _is_unchecked(prepared) else {}),
        **held.told(prepared),
    }


def _is_unchecked(prepared: Prepared) -> bool:
    objection = prepared.objection
    return objection is not None and objection.code is Code.CORRECTION_UNCHECKED


def show(session: Session, prepared: Prepared, said: dict[str, Any]) -> None:
    """Show the same to a person: its heading, what is odd, and exactly who can read it."""
    click.echo(render.heading(prepared.header, session.lang, world.codes()))
    for warning in said["warnings"]:
        click.echo(warning[session.lang])
    if "unchecked" in said:
        session.say(
            "¡Atención! Aquí no se ha comprobado que encaje con lo que corrige.",
            "Note! It was not checked here that it fits what it corrects.",
        )
    saving.show_files(session, prepared.files)
    session.say(
        f"\nPodrán leerlo exactamente {len(prepared.readers)} cuando salga:",
        f"\nExactly {len(prepared.readers)} will be able to read it when it goes out:",
    )
    for each in said["left_out"]:
        name, spanish, english = each["endpoint"], each["es"]["what"], each["en"]["what"]
        session.say(
            f"¡{name} NO podrá leerlo! {spanish}",
            f"{name} will NOT be able to read it! {english}",
        )
    if (as_of := said["as_of"]) is not None:
        session.say(
            "¡Atención! El nodo no responde: destinatarios y claves como se sabían a las"
            f" {as_of}; el nodo los juzga cuando lo recibe.",
            f"Note! The node is away: recipients and keys as they were known as of {as_of};"
            " the node judges them when it gets it.",
        )
    named = {"named": "nombrado", "subscribed": "suscrito", "holds": "lo tiene"}
    rows = [
        {**each, "reason": named[each["reason"]] if session.lang == "es" else each["reason"]}
        for each in said["readers"]
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
    held.show(session, prepared)
