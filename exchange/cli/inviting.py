"""``invite``: an operator invites a new endpoint, and sees what became of each invitation."""

from __future__ import annotations

import asyncio
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from exchange.cli import fingerprint, output, world
from exchange.cli.asking import confirm
from exchange.cli.home import write_private
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.client import inviting
from exchange.client.inviting import Wish
from exchange.custody import ring
from exchange.errors import Code, Refusal
from exchange.model.codec import refusal_of
from exchange.model.identity import EndpointId
from exchange.seal import invitation
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from exchange.client.inviting import Given
    from exchange.model.identity import SuiteId
    from exchange.seal.invitation import Link

OFFICER = click.option(
    "--officer", metavar="NAME", help="You, by name, as it will stand in the record."
)
_HOUR_S, _HOURS, _SUITE = 3600, 24, next(iter(SUITES))
_MOST_HOURS = invitation.MAX_LIFE_S // _HOUR_S
_KINDS = (".svg", ".png")
_HEADS = {
    "en": {"endpoint": "endpoint", "state": "state", "until": "good until", "by": "invited by",
           "decided": "decided by"},
    "es": {"endpoint": "punto de enlace", "state": "estado", "until": "sirve hasta",
           "by": "invita", "decided": "decide"},
}  # fmt: skip
_STATES = {
    "en": {"open": "open", "over": "over", "withdrawn": "withdrawn", "waiting": "to be decided",
           "approved": "approved", "declined": "declined", "in-force": "in force",
           "unproved": "unproved"},
    "es": {"open": "abierta", "over": "vencida", "withdrawn": "retirada",
           "waiting": "por decidir", "approved": "aprobada", "declined": "rechazada",
           "in-force": "en vigor", "unproved": "sin comprobar"},
}  # fmt: skip


@click.command()
@click.argument("endpoint", required=False)
@OFFICER
@click.option(
    "--hours",
    type=click.IntRange(1, _MOST_HOURS),
    help="For how long the link is good; 24 unless told.",
)
@click.option(
    "--suite",
    type=click.Choice(list(SUITES)),
    help=f"The algorithms that the new endpoint signs and seals by; {_SUITE} unless told.",
)
@click.option(
    "--qr",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the QR code into a new file, .svg or .png.",
)
@click.option("--withdraw", is_flag=True, help="End an invitation that nobody has used.")
@click.option("--yes", is_flag=True, help="Do not ask before withdrawing.")
@verb
def invite(  # noqa: PLR0913  (the options of the verb)
    session: Session,
    endpoint: str | None,
    *,
    officer: str | None,
    hours: int | None,
    suite: SuiteId | None,
    qr: Path | None,
    withdraw: bool,
    yes: bool,
) -> None:
    """Invite a new ENDPOINT of your nation: a link, good once and for a short time.

    Without ENDPOINT it lists what became of each invitation. The link goes to one person, by a
    way that you trust; an operator other than you approves what comes of it. Said again while
    it is open, it shows the same link; another is given once that one is withdrawn.
    """
    if endpoint is None:
        _list(session)
        return
    if officer is None:
        raise Unusable("--officer dice quién invita.", "--officer says who invites.")
    _must_be_name(endpoint)
    if withdraw:
        _withdraw(session, endpoint, officer, yes=yes)
        return
    if qr is not None:
        _must_be_picture(qr)
    until = world.now() + (hours or _HOURS) * _HOUR_S
    given, link = asyncio.run(_invite(session, Wish(endpoint, until, officer, suite or _SUITE)))
    _must_be_as_wished(given, link, {"--officer": officer, "--hours": hours, "--suite": suite})
    text = invitation.write(link)
    if qr is not None:
        write_private(qr, picture(text, qr.suffix[1:]))
    _tell(session, given, text, qr)


def _must_be_as_wished(given: Given, link: Link, wished: dict[str, Any]) -> None:
    """Refuse to pass an open invitation off as another one that was asked for now."""
    made = given.invitation
    found = {
        "--officer": made.officer,
        # The time it took to sign it is in between.
        "--hours": round((made.until - made.at) / _HOUR_S),
        "--suite": link.bound.suite,
    }
    for option, wish in wished.items():
        if wish is not None and wish != found[option]:
            raise Unusable(
                f"hay ya una invitación abierta de {made.invited}, con {option}"
                f" {found[option]}, hasta {zulu(made.until)}. Retírela antes, con --withdraw; o"
                f" muestre su enlace con {option} {found[option]}.",
                f"an invitation of {made.invited} is open already, with {option}"
                f" {found[option]}, until {zulu(made.until)}. End it first, with --withdraw; or"
                f" show its link with {option} {found[option]}.",
                option,
            )


def _must_be_name(endpoint: str) -> None:
    try:
        msgspec.convert(endpoint, EndpointId)
    except msgspec.ValidationError as error:
        raise refusal_of(error, "/invited") from None


def _must_be_picture(path: Path) -> None:
    if path.suffix not in _KINDS:
        raise Unusable(
            f"{path.name}: un código QR se escribe como .svg o .png.",
            f"{path.name}: a QR code is written as .svg or .png.",
            "--qr",
        )
    output.must_be_new(path)


async def _invite(session: Session, wish: Wish) -> tuple[Given, Link]:
    context = session.context()
    secrets = context.secrets()
    async with context.agency_as(secrets, context.signer(secrets)) as agency:
        return await inviting.invite(agency, wish, ring.storage(secrets))


def picture(text: str, kind: str) -> bytes:
    """Return a QR code as SVG or PNG."""
    import segno  # noqa: PLC0415

    made = BytesIO()
    segno.make_qr(text, error="l").save(made, kind=kind, scale=4)
    return made.getvalue()


def drawn(text: str) -> str:
    """Return a QR code in half blocks, for a terminal."""
    import segno  # noqa: PLC0415

    made = StringIO()
    segno.make_qr(text, error="l").terminal(made, border=2, compact=True)
    return made.getvalue()


def _tell(session: Session, given: Given, text: str, qr: Path | None) -> None:
    if session.as_json:
        row = {**_row(given), "link": text, "qr": str(qr) if qr else None}
        row["suite"] = invitation.read(text).bound.suite
        anchor = given.invitation.anchor
        output.show_json({**row, "anchor": anchor, "words": fingerprint.spoken(anchor)})
        return
    invited, until = given.invitation.invited, zulu(given.invitation.until)
    session.say(
        f"{invited}: invitado hasta {until}. El enlace, para una sola persona; quien lo tenga"
        " primero puede usarlo:",
        f"{invited}: invited until {until}. The link, for one person only; whoever has it first"
        " can use it:",
    )
    click.echo(f"\n{text}\n")
    click.echo(drawn(text))
    session.say(
        "En la máquina nueva: exchange enrol. Un operador distinto de usted lo aprueba:"
        f" exchange approve {invited}",
        "On the new machine: exchange enrol. An operator other than you approves it:"
        f" exchange approve {invited}",
    )


def _row(given: Given) -> dict[str, Any]:
    made, verdict = given.invitation, given.verdict
    asked, decided = given.item.requested, given.item.decided
    return {
        "endpoint": made.invited,
        "state": given.state,
        "until": zulu(made.until),
        "by": f"{made.endpoint} {made.officer}",
        "decided": f"{verdict.endpoint} {verdict.officer}" if verdict else "",
        "digest": given.digest,
        "invited_at": given.item.invitation.index,
        "requested_at": asked.index if asked else None,
        "decided_at": decided.index if decided else None,
        "wrong": output.problem(given.wrong) if given.wrong else None,
    }


def _list(session: Session) -> None:
    rows = [_row(each) for each in asyncio.run(_listed(session))]
    if session.as_json:
        output.show_json({"invitations": rows})
        return
    words = _STATES[session.lang]
    output.table([{**row, "state": words[row["state"]]} for row in rows], _HEADS[session.lang])


async def _listed(session: Session) -> list[Given]:
    async with session.context().agency() as agency:
        return await inviting.listed(agency, await agency.view())


def _withdraw(session: Session, endpoint: str, officer: str, *, yes: bool) -> None:
    if not yes:
        confirm(session, f"¿Retirar la invitación de {endpoint}?", f"Withdraw {endpoint}'s?")
    found = asyncio.run(_withdrawn(session, endpoint, officer))
    if session.as_json:
        output.show_json({"withdrawn": [_row(each) for each in found]})
    session.say(
        f"{endpoint}: {len(found)} retirada; el enlace ya no sirve.",
        f"{endpoint}: {len(found)} withdrawn; the link is good no more.",
    )


async def _withdrawn(session: Session, endpoint: str, officer: str) -> list[Given]:
    async with session.context().agency() as agency:
        given = await inviting.listed(agency, await agency.view())
        mine = [each for each in given if each.invitation.invited == endpoint]
        wanted = [each for each in mine if each.state == "open"]
        if not wanted:
            raise Refusal(Code.NOT_FOUND, "/invited", name=endpoint)
        return [
            (await inviting.decide(agency, each, "declined", officer))[0] for each in wanted
        ]
