"""``keys destroy``: an opening key whose time is over goes, and what it opened says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from exchange.cli import output, world
from exchange.cli.asking import confirm
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.client.sealed import Sealed, sealed
from exchange.custody import ring
from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.custody.container import Secrets
    from exchange.model.trust import EndpointKey

_SHOWN = 20  # a screenful; --json has them all


class _Found(NamedTuple):
    """What needs keys: the directory that lists them, the inbox, and grants to come.

    ``kept`` are bulletins posted from here whose content key is kept: id, until when, and the
    opening key that it is wrapped to.
    """

    listed: Mapping[str, EndpointKey]
    bulletins: list[Sealed]
    kept: list[tuple[str, int, str]]


class _Lost(NamedTuple):
    """What will no longer be possible, and which older copies of the container go as well."""

    bulletins: list[Sealed]
    retained: list[Sealed]
    grants: list[str]
    copies: list[str]


# One key's name in 64 begins with a hyphen, and is no option; so no -h either, only --help.
@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]}
)
@click.argument("kid", nargs=-1)
@click.option(
    "--due", is_flag=True, help="Every past key that no bulletin to be retained needs any more."
)
@click.option(
    "--force", is_flag=True, help="Also a key that others may still seal to, or come to."
)
@click.option("--yes", is_flag=True, help="Do not ask before destroying.")
@verb
def destroy(session: Session, kid: tuple[str, ...], due: bool, force: bool, yes: bool) -> None:
    """Destroy opening keys by their KID, after showing what will no longer open.

    Older copies of the container, such as a restore puts aside, are deleted as well.
    """
    if bool(kid) == due:
        raise Unusable(
            "Diga KID, o --due: uno de los dos.", "Say KID, or --due: one of the two."
        )
    context = session.context()
    secrets, passphrase = context.unlocked()
    now, found = world.now(), asyncio.run(_find(session, secrets))
    kids = _due(secrets, found, now) if due else _chosen(secrets, kid)
    if not force:
        _must_not_wait(secrets, kids)
        _must_be_over(kids, found.listed, now)
    after = ring.without(secrets, kids, now)
    lost = _lost(found, set(kids), now, [path.name for path in context.copies()])
    if kids or lost.copies:
        _warn(session, kids, lost)
        if not yes:
            confirm(session, "¿Destruir?", "Destroy?")
        if kids:
            context.keep(after, passphrase)
        context.drop_copies()
    _tell(session, kids, lost)


def _lost(found: _Found, kids: set[str], now: int, copies: list[str]) -> _Lost:
    bulletins = [each for each in found.bulletins if each.kids & kids]
    retained = [each for each in bulletins if each.is_retained(now)]
    grants = [identity for identity, until, kid in found.kept if kid in kids and until > now]
    return _Lost(bulletins, retained, grants, copies)


def _chosen(secrets: Secrets, kids: Sequence[str]) -> list[str]:
    """Return the keys meant, each by its kid or an unmistakable beginning of it.

    One that is destroyed already may be named again: a copy may still hold it.
    """
    opens = [each for each in ring.held(secrets) if each.use == "enc"]
    chosen = []
    for kid in kids:
        found = [each for each in opens if each.kid.startswith(kid)]
        if len(found) != 1:
            raise Refusal(Code.UNKNOWN_KEY, "", kid=kid[:64], name=secrets.holder)
        chosen += [each.kid for each in found if each.state != "destroyed"]
    return chosen


def _due(secrets: Secrets, found: _Found, now: int) -> list[str]:
    """Return the past keys that nobody may seal to, and nothing to be retained is sealed to."""
    needed = {kid for each in found.bulletins if each.is_retained(now) for kid in each.kids}
    needed |= {kid for _, until, kid in found.kept if until > now}
    return [
        each.kid
        for each in ring.held(secrets)
        if each.use == "enc"
        and each.state == "past"
        and each.kid not in needed
        and not _is_valid(found.listed.get(each.kid), now)
    ]


def _is_valid(key: EndpointKey | None, now: int) -> bool:
    # One that is not valid yet will be: others may seal to it then.
    return key is not None and now < key.until


def _must_not_wait(secrets: Secrets, kids: Sequence[str]) -> None:
    """Refuse a key whose request may be with the custodians: listed, it would be sealed to."""
    for each in ring.held(secrets):
        if each.state == "next" and each.kid in kids:
            raise Refusal(Code.KEY_ASKED_FOR, "", name=each.kid)


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
            standing.keys if standing else {},
            [each async for each in sealed(agency)],
            list(agency.world.kept.wrapped()),
        )


def _warn(session: Session, kids: Sequence[str], lost: _Lost) -> None:
    if session.as_json:
        return
    for kid in kids:
        click.echo(kid)
    session.say(
        f"Ya no se abrirán {len(lost.bulletins)} boletines; {len(lost.retained)} de ellos aún"
        f" deben conservarse. {len(lost.grants)} enviados ya no podrán concederse a otros:",
        f"{len(lost.bulletins)} bulletins will no longer open; {len(lost.retained)} of them are"
        f" still to be retained. {len(lost.grants)} posted ones can no longer be granted:",
    )
    until = "retain until" if session.lang == "en" else "conservar hasta"
    rows: list[dict[str, Any]] = [
        {
            "index": each.index,
            "id": each.id,
            "until": zulu(each.retain_until) if each.retain_until else "-",
        }
        for each in (lost.retained or lost.bulletins)[:_SHOWN]
    ]
    entry = "entry" if session.lang == "en" else "asiento"
    output.table(rows, {"index": entry, "id": "id", "until": until})
    if lost.copies:
        session.say(
            f"Se borran también las copias anteriores: {', '.join(lost.copies)}.",
            f"Older copies are deleted as well: {', '.join(lost.copies)}.",
        )
    session.say(
        "No hay vuelta atrás, salvo por respaldos: destruya también los que la contengan.",
        "There is no way back, but for backups: destroy those that hold it as well.",
    )


def _tell(session: Session, kids: Sequence[str], lost: _Lost) -> None:
    if session.as_json:
        output.show_json(
            {
                "destroyed": list(kids),
                "locked": [each.id for each in lost.bulletins],
                "retained": [each.id for each in lost.retained],
                "ungrantable": lost.grants,
                "copies": lost.copies,
            }
        )
    session.say(f"Claves destruidas: {len(kids)}.", f"Keys destroyed: {len(kids)}.")
