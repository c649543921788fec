"""``enrol``: a new machine takes up an invitation, makes its keys, and asks to be listed.

Each step is on disk before the next: killed anywhere, the same command goes on, with the same
keys and the same request. Only what the node has recorded becomes a context.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from exchange.cli import fingerprint, output, world
from exchange.cli.asking import confirm
from exchange.cli.found import context_of
from exchange.cli.home import KEYS, PROFILE, sealed_surely, unsealed, write_private
from exchange.cli.keying import making
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable, in_the_way
from exchange.client.answers import decoded
from exchange.client.files import make_private
from exchange.client.transport import Profile, Transport, certificate_at
from exchange.custody import ring, signers
from exchange.errors import Code, Fault, Refusal
from exchange.model import objects, wire
from exchange.model.codec import b64
from exchange.model.identity import digest
from exchange.seal import invitation, jws

if TYPE_CHECKING:
    from pathlib import Path

    from exchange.custody.container import Secrets
    from exchange.model.wire import EnrolmentState
    from exchange.seal.invitation import Link

REQUEST = "enrolment.jws"
_STATES: dict[EnrolmentState, tuple[str, str]] = {
    "waiting": (
        "La solicitud espera: un segundo operador la mira y ejecuta «exchange approve».",
        "The request waits: a second operator looks at it and runs `exchange approve`.",
    ),
    "approved": (
        "Aprobada. Cuando los custodios listen las claves, «exchange inbox» abre el buzón.",
        "Approved. Once the custodians list the keys, `exchange inbox` opens the inbox.",
    ),
    "declined": (
        "Rechazada: hable con quien lo invitó. Las claves hechas aquí no sirven para nada.",
        "Declined: talk to who invited you. The keys made here are good for nothing.",
    ),
    "in-force": (
        "Las claves ya figuran en el directorio: «exchange inbox» abre el buzón.",
        "The keys are in the directory: `exchange inbox` opens the inbox.",
    ),
}


class Stood(NamedTuple):
    """What was asked, and how it stands."""

    request: bytes
    standing: wire.Standing


@click.command()
@click.argument("link", required=False)
@click.option(
    "--anchor",
    type=fingerprint.Digest(),
    help="The anchor as custodians read it aloud, or its 24 words; else you compare it here.",
)
@click.option("--name", help="Name of the context; the endpoint's own unless told.")
@verb
def enrol(session: Session, link: str | None, anchor: str | None, name: str | None) -> None:
    """Take up an invitation: make this endpoint's keys here, and ask that they be listed.

    Without LINK it is asked for, so that nobody sees it in a list of processes. Run again with
    the same link it changes nothing, and tells how the request stands.
    """
    told = invitation.read(link or _asked_for())
    where = session.home.place(name or context_of(told.bound.endpoint))
    request = _kept(where, told)
    if request is None:
        if (where / PROFILE).exists():
            in_the_way(where, "--name")
        _must_be_open(told)
        _must_be_anchored(session, told, anchor)
    profile = _profile(told)
    if request is None:
        request = _made(where, told)
    standing = asyncio.run(_ask(profile, request))
    if not (where / PROFILE).exists():
        write_private(where / PROFILE, msgspec.json.encode(profile) + b"\n")
    _tell(session, profile, where.name, Stood(request, standing))


def _asked_for() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Link / Enlace", hide_input=True, err=True))
    return sys.stdin.read(4096)


def _kept(where: Path, told: Link) -> bytes | None:
    """Return the request that was made for this invitation here, if one was."""
    path = where / REQUEST
    if not path.exists():
        return None
    raw = path.read_bytes().strip()
    asked = objects.decode_enrolment(jws.read(raw, objects.MAX_OBJECT_BYTES).payload)
    shown = asked.invitation
    is_same = isinstance(shown, objects.Shown) and shown == told.shown
    return raw if is_same else None


def _must_be_open(told: Link) -> None:
    if world.now() >= told.bound.until:
        raise Refusal(Code.INVITATION_OVER, "/until", until=zulu(told.bound.until))


def _must_be_anchored(session: Session, told: Link, anchor: str | None) -> None:
    """Have the anchor compared with what the custodians said, by the person or by its words."""
    said = b64(told.bound.anchor)
    if anchor is not None:
        if anchor != said:
            raise Refusal(Code.DIGEST_MISMATCH, "/anchor", expected=anchor)
        return
    if session.as_json or not sys.stdin.isatty():
        raise Unusable(
            "--anchor dice el ancla, como la leyeron los custodios.",
            "--anchor says the anchor, as the custodians read it aloud.",
        )
    fingerprint.show(
        session,
        f"{told.bound.endpoint}, en el nodo {told.bound.node}. El ancla, para cotejarla de viva"
        " voz con los custodios de su nación, no con quien le envió el enlace:",
        f"{told.bound.endpoint}, at the node {told.bound.node}. The anchor, to be compared by"
        " voice with your nation's custodians, not with who sent you the link:",
        said,
    )
    confirm(session, "¿Son las mismas palabras?", "Are they the same words?")


def _profile(told: Link) -> Profile:
    bound = told.bound
    certificate = certificate_at(bound.url, b64(bound.tls))
    return Profile(bound.endpoint, bound.node, bound.url, certificate, b64(bound.anchor))


def _made(where: Path, told: Link) -> bytes:
    """Return a request for the keys that are here, made if there are none, and keep it."""
    make_private(where)
    secrets = _secrets(where / KEYS, told)
    signer = signers.software(secrets.of(ring.SIGN))
    place = making.Place(told.bound.endpoint, signer.suite, told.bound.node)
    asked = msgspec.structs.replace(making.first(place, secrets, signer), invitation=told.shown)
    request = ring.request(asked, [signer])
    write_private(where / REQUEST, request + b"\n")
    return request


def _secrets(path: Path, told: Link) -> Secrets:
    endpoint = told.bound.endpoint
    if path.exists():
        # Made for an invitation before this one, or by a command that was killed.
        secrets = unsealed(path, endpoint)
        if secrets.holder != endpoint:
            raise Fault(Code.KEY_FILE, name=secrets.holder, expected=endpoint)
        return secrets
    secrets = making.new_secrets(endpoint, told.bound.suite)
    write_private(path, sealed_surely(secrets, world.passphrase(endpoint, is_new=True)))
    return secrets


async def _ask(profile: Profile, request: bytes) -> wire.Standing:
    async with Transport(profile, None, world.now) as line:
        return decoded(await line.ask_in(request), wire.Standing)


def _tell(session: Session, profile: Profile, name: str, stood: Stood) -> None:
    named, state = digest(stood.request), stood.standing.state
    index = stood.standing.receipt.index
    if session.as_json:
        told = {"endpoint": profile.endpoint, "context": name, "state": state, "index": index}
        words = {"digest": named, "words": fingerprint.spoken(named)}
        output.show_json({**told, **words, "anchor": profile.anchor})
        return
    session.say(
        f"{profile.endpoint}: solicitud en el asiento {index}.",
        f"{profile.endpoint}: request in entry {index}.",
    )
    if state == "waiting":
        fingerprint.show(
            session,
            "Huella de la solicitud, para leérsela a quien la apruebe y a los custodios:",
            "Fingerprint of the request, to be read to who approves it and to the custodians:",
            named,
        )
    session.say(*_STATES[state])
