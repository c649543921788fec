"""Grant a bulletin that was posted before to one more recipient: reviewed first, then signed.

Nothing is encrypted anew: the content key, kept since sealing, is wrapped once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client import compose
from exchange.client.asking import Asked
from exchange.client.attaching import untold
from exchange.client.bearing import reference_of
from exchange.errors import Code, Refusal
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.header import Blob, Header
from exchange.model.identity import digest, member_of
from exchange.policy import releasing, rules
from exchange.seal import body, jws
from exchange.seal.close import Envelope, wrap
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exchange.client.agency import Agency
    from exchange.client.compose import Reader
    from exchange.client.kept import KeptKeys
    from exchange.client.outbox import Outbox
    from exchange.client.pending import Pending
    from exchange.client.world import Keys
    from exchange.model.identity import EndpointId
    from exchange.model.objects import Grant, Receipt
    from exchange.model.view import View
    from exchange.seal.jws import Signer


class Granting(msgspec.Struct, frozen=True):
    """A grant about to be made: the bulletin, and who will be able to read it from now on.

    ``amended_by`` are the ids of what we posted since to correct or cancel it: the new
    recipient holds none of that unless it is granted too. ``releasers`` are who can release
    the grant, where the arrangement asks for that: then they are to be asked first.
    """

    header: Header
    subject: objects.Subject
    reader: Reader
    amended_by: list[str]
    releasers: list[Reader] = []


class Granted(msgspec.Struct, frozen=True):
    """A grant that was made here, and its receipt once there is one."""

    grant: Grant
    receipt: Receipt | None


def prepare(  # noqa: PLR0913  (each is asked)
    outbox: Outbox,
    identity: str,
    endpoint: str,
    view: View,
    now: int,
    *,
    given_by_colleague: Callable[[str, str], bool] = lambda _, __: False,
) -> Granting:
    """Return what would be granted, once the arrangement and the directory allow it.

    The node refuses the same; its author should hear it before anything is signed.

    Args:
        outbox: what was posted and granted from here.
        identity: of a bulletin that was posted from here.
        endpoint: whom it would be granted to.
        view: the trust documents in force.
        now: seconds UTC.
        given_by_colleague: tells whether a colleague granted it to that endpoint already, by
            its header's digest: who holds it and lost a key needs no second release.

    Raises:
        Refusal: the first rule that it breaks, or ``not-found``: it was not posted from here.
    """
    envelope = outbox.envelope(identity)
    signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES) if envelope else None
    if envelope is None or signed is None or signed.typ != headers.TYP:
        raise Refusal(Code.NOT_FOUND, "/outbox", id=identity)
    header = headers.decode(signed.payload)
    holds = gave(outbox, signed.digest, endpoint) or given_by_colleague(signed.digest, endpoint)
    given = rules.Given(header.endpoint, now, holds=holds)
    rules.decide("grant", header, view, now, recipient=endpoint, given=given, released=None)
    if endpoint in header.to and _opens(envelope, header, endpoint, view, now):
        raise Refusal(Code.ALREADY_HELD, "/to", name=endpoint)
    subject = objects.Subject(header.endpoint, header.id, signed.digest)
    reader = compose.reader(endpoint, view, "granted", SUITES[header.suite].wrap, now)
    amending = list(_amending(outbox, signed.digest))
    return Granting(header, subject, reader, amending, releasers(header, given, endpoint, view))


def releasers(header: Header, given: rules.Given, endpoint: str, view: View) -> list[Reader]:
    """Return who can release a grant; nobody where it needs none.

    Raises:
        Refusal: ``no-releaser``.
    """
    if not releasing.is_new_audience(header, given, endpoint, view):
        return []
    return compose.who_may_release(header, given.by, view, given.at)


def must_need_no_release(prepared: Granting) -> None:
    """Hold a grant about to be made to its release: it is asked for first.

    Raises:
        Refusal: ``release-required``.
    """
    if prepared.releasers:
        raise Refusal(Code.RELEASE_REQUIRED)


def _opens(envelope: Envelope, header: Header, endpoint: str, view: View, now: int) -> bool:
    """Tell whether a recipient still has a valid key that the bulletin was sealed to.

    If not, it lost them, or let them end: it may be granted the bulletin under its new key.
    """
    if not envelope.body:
        # Purged at its time: that it is over, the rules say.
        return False
    listed = view.standing(endpoint, "/to").keys
    wraps = body.look(envelope.body, header.suite).wraps
    return any(kid in listed and listed[kid].until > now for kid in wraps)


def sign(granting: Granting, kept: KeptKeys, keys: Keys, identity: str, now: int) -> Envelope:
    """Return the signed grant and, in the place of a body, the wrapped key.

    Args:
        granting: as it was reviewed.
        kept: holds the bulletin's content key.
        keys: the granting endpoint's.
        identity: the grant's UUIDv7.
        now: seconds UTC.

    Raises:
        Refusal: ``content-key-gone``, or ``key-destroyed``: the one that opens it.
        Fault: the content key cannot be read.
    """
    openers = [*keys.openers, *keys.destroyed]
    key = kept.key(granting.header, openers, now)
    return signed(granting, key, granting.header.endpoint, keys.signer, identity, now)


def signed(  # noqa: PLR0913, PLR0917  (each is part of what is signed)
    granting: Granting, key: bytes, by: EndpointId, signer: Signer, identity: str, now: int
) -> Envelope:
    """Return the signed grant of one endpoint, with a content key wrapped to the reader."""
    wrapped = msgspec.json.encode(wrap(key, granting.header, granting.reader.key))
    grant = objects.Grant(
        v="xb1",
        suite=signer.suite,
        id=identity,
        origin=member_of(by),
        endpoint=by,
        of=granting.subject,
        to=granting.reader.endpoint,
        wrap=Blob(digest(wrapped), len(wrapped)),
        at=now,
    )
    raw = jws.sign(msgspec.json.encode(grant), objects.GRANT_TYP, [signer])
    return Envelope(raw, wrapped)


async def ask(
    agency: Agency, prepared: Granting, mark: str, officer: str | None = None
) -> Pending:
    """Ask for the release of a grant of what was posted here: see ``Asking.ask_grant``.

    Raises:
        Refusal: as ``sign``, or why the bulletin cannot be shown to who is to release that; or
            as ``Asking.ask_grant``.
    """
    world, now = agency.world, agency.world.now()
    made = sign(prepared, world.kept, agency.keys, agency.new_id(), now)
    posted = world.outbox.envelope(prepared.header.id)
    if posted is None:
        raise Refusal(Code.NOT_FOUND, "/outbox", id=prepared.header.id)
    openers = [*agency.keys.openers, *agency.keys.destroyed]
    opened = world.kept.opened(posted, prepared.header, openers, now)
    asked = Asked(prepared, made, posted.header, opened)
    return await agency.asking.ask_grant(asked, mark, untold, officer)


def gave(outbox: Outbox, header_digest: str, endpoint: str) -> bool:
    """Tell whether a bulletin was granted to somebody from here, with a receipt."""
    earlier = (each for each in made(outbox, header_digest) if each.receipt is not None)
    return any(each.grant.to == endpoint for each in earlier)


def made(outbox: Outbox, header_digest: str) -> Iterator[Granted]:
    """Return the grants of a bulletin that were made here, oldest first."""
    return (each for each in every(outbox) if each.grant.of.header_digest == header_digest)


def every(outbox: Outbox) -> Iterator[Granted]:
    """Yield all grants that were made here, oldest first."""
    for identity, signed in _kept(outbox):
        if signed.typ == objects.GRANT_TYP:
            yield Granted(objects.decode_grant(signed.payload), outbox.receipt(identity))


def _amending(outbox: Outbox, header_digest: str) -> Iterator[str]:
    for identity, signed in _kept(outbox):
        if signed.typ == headers.TYP:
            # By its verb: what else it refers to, it does nothing to.
            reference = reference_of(headers.decode(signed.payload))
            if reference is not None and reference.header_digest == header_digest:
                yield identity


def _kept(outbox: Outbox) -> Iterator[tuple[str, jws.Signed]]:
    """Return everything in the outbox, sent and waiting, oldest first."""
    for identity in sorted({*outbox.sent(), *outbox.waiting()}):
        envelope = outbox.envelope(identity)
        if envelope is not None:
            yield identity, jws.read(envelope.header, headers.MAX_HEADER_BYTES)
