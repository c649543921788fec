"""Pass on what we hold to one more recipient: as its marking and its originator let us.

Nothing is encrypted anew: the content key that was wrapped to us is wrapped once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.client import compose, passing
from exchange.client.granting import Granting, signed
from exchange.errors import Code, Refusal
from exchange.model import objects
from exchange.model.identity import uuid7
from exchange.policy import rules
from exchange.seal import body as bodies
from exchange.seal.open import content_key, granted_wrap
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from exchange.client.agency import Agency
    from exchange.client.reading import Delivered
    from exchange.model.objects import Receipt


async def prepare(agency: Agency, item: Delivered, endpoint: str) -> Granting:
    """Return what would be passed on, once the rules and its originator allow it.

    The node refuses the same; who passes on should hear it before anything is signed.

    Raises:
        Refusal: the first rule that it breaks; or why we cannot read it ourselves.
    """
    if item.bulletin is None:
        raise item.locked or Refusal(Code.CANNOT_DECRYPT, id=item.header.id)
    view, _ = await agency.known_view()
    now, header, by = agency.world.now(), item.header, agency.profile.endpoint
    view.must_be_timely(agency.profile.node, now)
    if endpoint in header.to:
        raise Refusal(Code.ALREADY_HELD, "/to", name=endpoint)
    subject = objects.Subject(header.endpoint, header.id, item.digest)
    said = passing.last(agency.inbox.consents(), subject, by, endpoint)
    consent = rules.Consent(said.until) if said else None
    given = rules.Given(by, now, consent)
    rules.decide("grant", header, view, now, recipient=endpoint, given=given)
    reader = compose.reader(endpoint, view, "granted", SUITES[header.suite].wrap, now)
    return Granting(header, subject, reader, [])


async def grant(agency: Agency, item: Delivered, prepared: Granting) -> Receipt:
    """Give what we hold to one more recipient, as it was reviewed; then as ``Agency.post``."""
    key = await _content_key(agency, item)
    world, keys = agency.world, agency.keys
    identity = uuid7(world.clock_ms(), world.randomness(10))
    made = signed(prepared, key, agency.profile.endpoint, keys.signer, identity, world.now())
    return await agency.send(identity, made)


async def _content_key(agency: Agency, item: Delivered) -> bytes:
    header = item.header
    until, openers = header.retain_until, [*agency.keys.openers, *agency.keys.destroyed]
    raw = await agency.bodies.blob(header.body.digest, item.index, until)
    jwe = bodies.parse(raw, header.suite)
    wraps = jwe.recipients
    if item.grant is not None:
        wrap = await agency.bodies.blob(item.grant.wrap.digest, item.index, until)
        wraps = [granted_wrap(item.grant, header, wrap)]
    info = bodies.wrap_info(bodies.context(header), header.suite)
    return content_key(wraps, info, openers)
