"""``approve``: a second person looks at who asks, and says yes or no."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click

from exchange.cli import fingerprint, output, world
from exchange.cli.asking import confirm
from exchange.cli.inviting import OFFICER
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.client import inviting
from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from exchange.client.agency import Agency
    from exchange.client.inviting import Given
    from exchange.model.objects import Enrolment

_HEADS = {
    "en": {"use": "use", "alg": "alg", "since": "from", "until": "until", "kid": "kid"},
    "es": {"use": "uso", "alg": "alg", "since": "desde", "until": "hasta", "kid": "kid"},
}
_USES = {"en": {"sig": "signs", "enc": "opens"}, "es": {"sig": "firma", "enc": "abre"}}


class Answer(NamedTuple):
    """What a person wants said of a request."""

    endpoint: str
    officer: str | None
    verdict: Literal["approved", "declined"]
    is_asked: bool


@click.command()
@click.argument("endpoint")
@OFFICER
@click.option("--decline", is_flag=True, help="Say no: the keys will not be listed.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write what the custodians take: `keys admit FILE`.",
)
@click.option("--yes", is_flag=True, help="Do not ask before signing.")
@verb
def approve(  # noqa: PLR0913  (the options of the verb)
    session: Session,
    endpoint: str,
    officer: str | None,
    *,
    decline: bool,
    out: Path | None,
    yes: bool,
) -> None:
    """Look at the request of a new ENDPOINT that somebody else invited, and approve it.

    You see who asks and for which keys, and compare the fingerprint by voice with the person
    at the new machine. It lets nobody in by itself: the custodians list the keys. Of what is
    approved, --out writes the file that they take, as often as you like: with the node's
    receipts, checked here as they will check it.
    """
    if out is not None:
        output.must_be_new(out)
    wish = Answer(endpoint, officer, "declined" if decline else "approved", not yes)
    given, file = asyncio.run(_approved(session, wish, is_taken=out is not None))
    if out is not None and file is not None:
        output.write_new(out, file)
    _tell(session, given, out if file else None)


async def _approved(
    session: Session, wish: Answer, *, is_taken: bool
) -> tuple[Given, bytes | None]:
    """Return a request as it stands once this was said of it, and what custodians take."""
    async with session.context().agency() as agency:
        given = await _decided(session, agency, wish)
        if not is_taken or given.state != "approved":
            return given, None
        return given, await inviting.file_of(agency, given)


async def _decided(session: Session, agency: Agency, wish: Answer) -> Given:
    given = await _found(agency, wish)
    view, now = await agency.view(), world.now()
    if given.wrong is not None:
        raise given.wrong
    if given.state in (wish.verdict, "in-force"):
        return given
    if given.verdict is not None and given.item.decided is not None:
        raise Refusal(Code.ALREADY_DECIDED, "/of", found=given.item.decided.index)
    if wish.officer is None:
        raise Unusable("--officer dice quién decide.", "--officer says who decides.")
    if wish.verdict == "approved":
        # Nobody is asked to approve what custodians would refuse; no is always an answer.
        inviting.judge(given, view, now)
    if given.request is not None:
        _show(session, given, given.request)
    if wish.is_asked:
        approves = wish.verdict == "approved"
        confirm(
            session,
            "¿Aprobar?" if approves else "¿Rechazar?",
            "Approve?" if approves else "Decline?",
        )
    decided, _ = await inviting.decide(agency, given, wish.verdict, wish.officer)
    return decided


async def _found(agency: Agency, wish: Answer) -> Given:
    """Return the newest request of an endpoint; one that is to be decided before any other."""
    given = await inviting.listed(agency, await agency.view())
    asked = [
        each
        for each in given
        if each.invitation.invited == wish.endpoint and each.request is not None
    ]
    waiting = [each for each in asked if each.state == "waiting"]
    if not asked:
        raise Refusal(Code.NOT_FOUND, "/requested", name=wish.endpoint)
    return (waiting or asked)[0]


def _keys(request: Enrolment) -> list[dict[str, Any]]:
    return [
        {
            "use": key.use,
            "alg": key.jwk.alg,
            "since": zulu(key.since),
            "until": zulu(key.until),
            "kid": key.jwk.kid,
        }
        for key in request.keys
    ]


def _show(session: Session, given: Given, request: Enrolment) -> None:
    if session.as_json:
        return
    made = given.invitation
    session.say(
        f"{request.endpoint} pide que se listen sus claves en {request.node}."
        f" Invitó {made.officer}, de {made.endpoint}, el {zulu(made.at)}.",
        f"{request.endpoint} asks that its keys be listed at {request.node}."
        f" Invited by {made.officer}, at {made.endpoint}, on {zulu(made.at)}.",
    )
    uses = _USES[session.lang]
    rows = [{**row, "use": uses[row["use"]]} for row in _keys(request)]
    output.table(rows, _HEADS[session.lang])
    fingerprint.show(
        session,
        "Huella de la solicitud, para cotejarla de voz con quien está en la máquina nueva:",
        "Fingerprint of the request, to be compared by voice with who is at the new machine:",
        given.digest,
    )


def _tell(session: Session, given: Given, out: Path | None) -> None:
    written = str(out) if out is not None else None
    if session.as_json:
        told = {"endpoint": given.invitation.invited, "state": given.state}
        words = {"digest": given.digest, "words": fingerprint.spoken(given.digest)}
        keys = _keys(given.request) if given.request else []
        output.show_json({**told, **words, "keys": keys, "file": written})
        return
    if given.state == "declined":
        session.say(
            "Rechazada: con esta solicitud no entra nadie.",
            "Declined: nobody comes in by this request.",
        )
        return
    if given.state == "in-force":
        session.say(
            "Sus claves ya figuran en el directorio: los custodios no necesitan nada más.",
            "Its keys are in the directory already: custodians need nothing more.",
        )
        return
    name = written or "FILE"
    session.say(
        f"Aprobada. Los custodios: exchange keys admit {name} ..."
        + ("" if written else " (--out escribe el archivo)"),
        f"Approved. The custodians: exchange keys admit {name} ..."
        + ("" if written else " (--out writes the file)"),
    )
