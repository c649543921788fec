"""``keys show``: what is held here, what the directory says of it, and for how long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from exchange.cli import output, world
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.custody import ring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.custody.container import Secrets
    from exchange.custody.ring import Held
    from exchange.model.identity import Jwk
    from exchange.model.trust import EndpointKey

_HEADS = {
    "en": {"use": "use", "alg": "alg", "state": "state", "listed": "directory", "since": "from",
           "until": "until", "days_left": "days", "kid": "kid"},
    "es": {"use": "uso", "alg": "alg", "state": "estado", "listed": "directorio",
           "since": "desde", "until": "hasta", "days_left": "días", "kid": "kid"},
}  # fmt: skip
_WORDS = {
    "en": {"sig": "signs", "enc": "opens", "in-use": "in use", "next": "asked for",
           "past": "past", "destroyed": "destroyed"},
    "es": {"sig": "firma", "enc": "abre", "in-use": "en uso", "next": "solicitada",
           "past": "anterior", "destroyed": "destruida"},
}  # fmt: skip


@click.command()
@click.option("--offline", is_flag=True, help="Do not ask the node what the directory says.")
@verb
def show(session: Session, offline: bool) -> None:
    """Show this endpoint's keys, what the directory says of each, and when it ends."""
    context = session.context()
    secrets = context.secrets()
    signing = context.signer(secrets).keys
    listed = None if offline else asyncio.run(_listed(session, secrets))
    now = world.now()
    rows = [row(each, listed, now) for each in _all(secrets, signing)]
    due = _is_rotation_due(secrets, now)
    if session.as_json:
        found = {"endpoint": secrets.holder, "keys": rows, "rotation_due": due}
        output.show_json(found)
        return
    words, yes = _WORDS[session.lang], {True: "ok", False: "-", None: "?"}
    shown = [
        {
            **each,
            "use": words[each["use"]],
            "state": words[each["state"]],
            "listed": yes[each["listed"]],
        }
        for each in rows
    ]
    output.table(shown, _HEADS[session.lang])
    if due:
        session.say(
            "La clave que abre tiene más de un mes: exchange keys rotate",
            "The opening key is over a month old: exchange keys rotate",
        )


def _all(secrets: Secrets, signing: list[Jwk] | Any) -> list[Held]:
    """Return every key, those in a token included: the container knows only the others."""
    found = ring.held(secrets)
    here = {each.kid for each in found}
    elsewhere = [
        ring.Held("sig", jwk.kid, jwk.alg, "in-use", secrets.lives.get(jwk.kid))
        for jwk in signing
        if jwk.kid not in here
    ]
    return [*elsewhere, *found]


def row(held: Held, listed: Mapping[str, EndpointKey] | None, now: int) -> dict[str, Any]:
    """Return a key as plain values; dates are the directory's where it lists the key."""
    entry = (listed or {}).get(held.kid)
    dates = entry or held.life
    is_gone = held.state == "destroyed"
    return {
        "use": held.use,
        "alg": held.alg,
        "kid": held.kid,
        "state": held.state,
        "listed": None if listed is None else entry is not None,
        "since": zulu(dates.since) if dates and not is_gone else "-",
        "until": zulu(dates.until) if dates else "-",
        "days_left": (dates.until - now) // ring.DAY_S if dates and not is_gone else "-",
    }


def _is_rotation_due(secrets: Secrets, now: int) -> bool:
    """Tell whether the newest opening key is over a month old, and none was asked for."""
    opens = [each for each in ring.held(secrets) if each.use == "enc"]
    if any(each.state == "next" for each in opens):
        return False
    lives = [each.life for each in opens if each.state == "in-use" and each.life]
    return any(now - life.since > ring.ROTATE_DAYS * ring.DAY_S for life in lives)


async def _listed(session: Session, secrets: Secrets) -> Mapping[str, EndpointKey]:
    context = session.context()
    async with context.agency_as(secrets, context.signer(secrets)) as agency:
        standing = (await agency.view()).endpoints.get(secrets.holder)
        return standing.keys if standing else {}
