"""What of one nation's journal is in the other's, told by ``audit verify`` and ``report``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exchange.audit.crossed import Crossed
    from exchange.cli.main import Session


def show_crossed(session: Session, each: Crossed) -> None:
    """Say what crossed, what has still to, and where the journals do not agree."""
    way = f"{each.home} > {each.there}"
    mark = "ok" if each.ok else "!!"
    session.say(
        f"{mark}  {way}: {each.held} asientos cruzaron y son los mismos, {each.waiting} por"
        f" cruzar, {each.blinded} de ninguna incumbencia allá",
        f"{mark}  {way}: {each.held} entries crossed and are the same, {each.waiting} still to"
        f" cross, {each.blinded} of no concern there",
    )
    if each.lost:
        session.say(
            f"        además, {each.lost} que cruzaron se declararon perdidos en {each.home}:"
            " de ellos queda allá lo que aquí ya no está",
            f"        besides, {each.lost} that crossed were declared lost at {each.home}: what"
            " is here no more is still there",
        )
    if each.overtaken:
        session.say(
            f"??      {each.overtaken} que se deben allá no están, aunque los hay posteriores:"
            f" retenidos, o a la espera de adjuntos; el primero aquí: {each.first_overtaken}",
            f"??      {each.overtaken} owed there are not there, though later ones are: kept"
            f" back, or waiting for attachments; the first here: {each.first_overtaken}",
        )
    if each.beyond:
        session.say(
            f"??      {each.beyond} llegados allá son posteriores a esta copia de {each.home}:"
            " ni cuadran ni dejan de cuadrar; copie de nuevo ese diario.",
            f"??      {each.beyond} that came there are newer than this copy of {each.home}:"
            " neither borne out nor not; mirror that journal again.",
        )
    if not each.ok:
        why = f"{each.first}  ({f'{each.code} {each.at}'.strip()})"
        session.say(
            f"        primer asiento afectado en {each.there}: {why}",
            f"        first entry affected at {each.there}: {why}",
        )
