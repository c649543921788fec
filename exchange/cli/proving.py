"""What ``inbox --prove`` says: how much is proved and as of when, or which alarm there is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from exchange import render
from exchange.cli import ageing, output, witnessed, world
from exchange.cli.times import zulu
from exchange.client.proving import WITHHOLDING, Proven
from exchange.errors import Refusal

if TYPE_CHECKING:
    from exchange.cli.main import Session
    from exchange.client.agency import Agency
    from exchange.client.homes import Crossed
    from exchange.client.reading import Item
    from exchange.model.codes import Lang

Outcome = Proven | Refusal | None


async def held_to(agency: Agency) -> tuple[list[Item], Proven | Refusal]:
    """Return what came, and what is proved of it; where a gap shows, what came before it.

    The proof may have evidence of it. Where it has none, as nothing was signed of it yet, the
    gap stays the alarm.
    """
    try:
        return await _proven(agency, await agency.everything())
    except Refusal as refusal:
        if refusal.code not in WITHHOLDING:
            raise
        gap = refusal
    try:
        await agency.prove()
    except Refusal as refusal:
        gap = refusal
    return await agency.inbox.as_held(), gap


async def _proven(agency: Agency, items: list[Item]) -> tuple[list[Item], Proven | Refusal]:
    """Return what is proved to be all, or the alarm, which hides nothing that came."""
    while True:
        try:
            proven = await agency.prove()
        except Refusal as refusal:
            return items, refusal
        if proven.count <= len(items):
            return items, proven
        # More came meanwhile, and it is proved of that too: show it.
        items = await agency.everything()


def told(outcome: Outcome) -> dict[str, Any]:
    """Return the members of a JSON answer: ``proof``, null beside an ``error``; or none."""
    match outcome:
        case None:
            return {}
        case Proven():
            return {"proof": outcome}
        case Refusal():
            return {"proof": None, "error": output.problem(outcome)}


def conclude(outcome: Outcome, session: Session) -> None:
    """Say it below the list; an alarm goes to stderr and ends the command."""
    match outcome:
        case Proven():
            session.say(*line(outcome))
            for home in outcome.homes:
                session.say(*of_home(home))
        case Refusal():
            if not session.as_json:
                words = render.refusal_text(outcome, session.lang, world.codes())
                click.echo(words, err=True)
            session.announce()
            sys.exit(output.exit_code(outcome))
        case None:
            pass


def line(proven: Proven) -> tuple[str, str]:
    """Return what is proved, in Spanish and in English."""
    when = zulu(proven.signed)
    others = proven.abroad.items()
    theirs = "".join(f", los {count} del nodo {name}" for name, count in others)
    also = "".join(f", all {count} of node {name}" for name, count in others)
    vouched = witnessed.line(proven.quorum, witnessed.values(proven.witnessed))
    spanish = (
        f"Nada falta: los {proven.count} elementos que se le deben entre los primeros "
        f"{proven.covered} asientos están aquí, y los {proven.trust} documentos de "
        f"confianza{theirs}; "
        f"punto de control de {proven.size} asientos, firmado {when}.\n{vouched[0]}"
    )
    english = (
        f"Nothing is missing: all {proven.count} items owed to you among the first "
        f"{proven.covered} entries are here, and all {proven.trust} trust documents{also}; "
        f"checkpoint of {proven.size} entries, signed {when}.\n{vouched[1]}"
    )
    return spanish, english


def of_home(home: Crossed) -> tuple[str, str]:
    """Return what is proved of another node, in Spanish and English; loudly if it is old."""
    node, count, here, size = home.node, home.count, home.here, home.size
    when, gone = zulu(home.as_of), count - here
    kinds = ", ".join(f"{word} {number}" for word, number in home.elsewhere.items())
    langs: tuple[Lang, ...] = ("es", "en")
    ago = {lang: ageing.span(home.age_s, lang) for lang in langs}
    vouched = witnessed.values(home.witnessed)
    spanish = (
        f"Todo cuadra con el nodo {node}: de los {count} elementos que allá se le dirigieron, "
        f"{here} están aquí y {gone} constan con su motivo{f' ({kinds})' if gone else ''}; "
        f"según su punto de control de {size} asientos, {when} (hace {ago['es']})."
    )
    english = (
        f"All tallies with node {node}: of the {count} items addressed to you there, {here} "
        f"are here and {gone} are accounted for{f' ({kinds})' if gone else ''}; by its "
        f"checkpoint of {size} entries, {when} ({ago['en']} ago)."
    )
    if vouched:
        by = ", ".join(vouched["by"])
        spanish += f" Atestiguado por {by} a las {vouched['at']}."
        english += f" Witnessed by {by} at {vouched['at']}."
    if "waiting" in home.elsewhere:
        waits = home.elsewhere["waiting"]
        spanish += f"\n!!! {waits} no han llegado: esperan, según su nodo (waiting). !!!"
        english += f"\n!!! {waits} did not come yet: they wait, by your node's word. !!!"
    if home.is_stale:
        spanish += (
            f"\n!!! Eso es viejo (se permiten {home.limit_s} s): puede haber más allá. !!!"
        )
        english += f"\n!!! That is old ({home.limit_s} s are allowed): there may be more. !!!"
    if home.trouble:
        spanish += f"\n!!! Su nodo no toma nada más de {node}: {home.trouble}. !!!"
        english += f"\n!!! Your node takes nothing more from {node}: {home.trouble}. !!!"
    return spanish, english
