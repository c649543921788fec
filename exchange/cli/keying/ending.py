"""``keys destroy``: an opening key whose time is over goes, and what it opened says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from exchange.cli import output, world
from exchange.cli.asking import confirm
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.client.sealed import Sealed, sealed
from exchange.custody import ring
from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.custody.container import Secrets
    from exchange.model.trust import EndpointKey

_SHOWN = 20  # a screenful; --json has them all


class _Found(NamedTuple):
    """What the node knows: the keys that the directory lists, and the inbox."""

    listed: Mapping[str, EndpointKey]
    bulletins: list[Sealed]


@click.command()
@click.argument("kid", nargs=-1)
@click.option(
    "--due", is_flag=True, help="Every past key that no bulletin to be retained needs any more."
)
@click.option("--force", is_flag=True, help="Also a key that others may still seal to.")
@click.option("--yes", is_flag=True, help="Do not ask before destroying.")
@verb
def destroy(session: Session, kid: tuple[str, ...], due: bool, force: bool, yes: bool) -> None:
    """Destroy opening keys by their KID, after showing what will no longer open."""
    if bool(kid) == due:
        raise click.UsageError("KID / --due")
    context = session.context()
    secrets, passphrase = context.unlocked()
    now, found = world.now(), asyncio.run(_find(session, secrets))
    kids = _due(secrets, found, now) if due else _chosen(secrets, kid)
    if not force:
        _must_be_over(kids, found.listed, now)
    after = ring.without(secrets, kids, now)
    lost = [each for each in found.bulletins if each.kids & set(kids)]
    retained = [each for each in lost if each.retain_until > now]
    if kids:
        _warn(session, kids, lost, retained)
        if not yes:
            confirm(session.lang, "¿Destruir?", "Destroy?")
        context.keep(after, passphrase)
    _tell(session, kids, lost, retained)


def _chosen(secrets: Secrets, kids: Sequence[str]) -> list[str]:
    """Return the keys meant, each by its kid or an unmistakable beginning of it."""
    opens = [
        each.jwk.kid
        for each in ring.held(secrets)
        if each.use == "enc" and each.state != "destroyed"
    ]
    chosen = []
    for kid in kids:
        found = [each for each in opens if each.startswith(kid)]
        if len(found) != 1:
            raise Refusal(Code.UNKNOWN_KEY, "", kid=kid[:64], name=secrets.holder)
        chosen += found
    return chosen


def _due(secrets: Secrets, found: _Found, now: int) -> list[str]:
    """Return the past keys that nobody may seal to, and nothing to be retained is sealed to."""
    needed = {kid for each in found.bulletins if each.retain_until > now for kid in each.kids}
    return [
        each.jwk.kid
        for each in ring.held(secrets)
        if each.use == "enc"
        and each.state == "past"
        and each.jwk.kid not in needed
        and not _is_valid(found.listed.get(each.jwk.kid), now)
    ]


def _is_valid(key: EndpointKey | None, now: int) -> bool:
    # One that is not valid yet will be: others may seal to it then.
    return key is not None and now < key.until


def _must_be_over(kids: Sequence[str], listed: Mapping[str, EndpointKey], now: int) -> None:
    for kid in kids:
        key = listed.get(kid)
        if key is not None and _is_valid(key, now):
            raise Refusal(Code.KEY_IN_USE, "", name=kid, until=zulu(key.until))


async def _find(session: Session, secrets: Secrets) -> _Found:
    context = session.context()
    async with context.agency_as(secrets, context.signer(secrets)) as agency:
        standing = (await agency.view()).endpoints.get(secrets.holder)
        return _Found(
            standing.keys if standing else {}, [each async for each in sealed(agency)]
        )


def _warn(
    session: Session, kids: Sequence[str], lost: Sequence[Sealed], retained: Sequence[Sealed]
) -> None:
    if session.as_json:
        return
    for kid in kids:
        click.echo(kid)
    session.say(
        f"Ya no se abrirán {len(lost)} boletines; {len(retained)} de ellos aún deben"
        " conservarse:",
        f"{len(lost)} bulletins will no longer open; {len(retained)} of them are still to be"
        " retained:",
    )
    until = "retain until" if session.lang == "en" else "conservar hasta"
    rows: list[dict[str, Any]] = [
        {"index": each.index, "id": each.id, "until": zulu(each.retain_until)}
        for each in (retained or lost)[:_SHOWN]
    ]
    entry = "entry" if session.lang == "en" else "asiento"
    output.table(rows, {"index": entry, "id": "id", "until": until})
    session.say(
        "No hay vuelta atrás, salvo por respaldos: destruya también los que la contengan.",
        "There is no way back, but for backups: destroy those that hold it as well.",
    )


def _tell(
    session: Session, kids: Sequence[str], lost: Sequence[Sealed], retained: Sequence[Sealed]
) -> None:
    if session.as_json:
        output.show_json(
            {
                "destroyed": list(kids),
                "locked": [each.id for each in lost],
                "retained": [each.id for each in retained],
            }
        )
    session.say(f"Claves destruidas: {len(kids)}.", f"Keys destroyed: {len(kids)}.")
