"""Pass on what we hold to one more recipient: as its marking and its originator let us.

Nothing is encrypted anew: the content key that was wrapped to us is wrapped once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.client import compose, passing
from exchange.client.asking import Asked
from exchange.client.attaching import untold
from exchange.client.granting import Granting, gave, must_need_no_release, releasers, signed
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.identity import uuid7
from exchange.policy import rules
from exchange.seal import body as bodies
from exchange.seal.open import content_key, granted_wrap
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from exchange.client.agency import Agency
    from exchange.client.pending import Pending
    from exchange.client.reading import Delivered
    from exchange.model.objects import Receipt
    from exchange.seal.close import Envelope


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
    subject = objects.Subject(header.endpoint, header.id, item.digest)
    said = passing.last(agency.inbox.consents(), subject, by, endpoint)
    consent = rules.Consent(said.until) if said else None
    holds = gave(agency.world.outbox, item.digest, endpoint)
    holds = holds or agency.inbox.is_given_by_colleague(item.digest, endpoint)
    given = rules.Given(by, now, consent, holds)
    rules.decide("grant", header, view, now, recipient=endpoint, given=given, released=None)
    if endpoint in header.to:
        raise Refusal(Code.ALREADY_HELD, "/to", name=endpoint)
    reader = compose.reader(endpoint, view, "granted", SUITES[header.suite].wrap, now)
    return Granting(header, subject, reader, [], releasers(header, given, endpoint, view))


async def grant(agency: Agency, item: Delivered, prepared: Granting) -> Receipt:
    """Give what we hold to one more recipient, as it was reviewed; then as ``Agency.post``."""
    must_need_no_release(prepared)
    identity, made = await _signed(agency, item, prepared)
    return await agency.send(identity, made)


async def ask(
    agency: Agency, item: Delivered, prepared: Granting, mark: str, officer: str | None
) -> Pending:
    """Ask for the release of a grant of what a colleague posted; see ``Asking.ask_grant``."""
    if item.opened is None:
        raise item.locked or Refusal(Code.CANNOT_DECRYPT, id=item.header.id)
    _, made = await _signed(agency, item, prepared)
    asked = Asked(prepared, made, await _posted(agency, item), item.opened)
    return await agency.asking.ask_grant(asked, mark, untold, officer)


async def _signed(agency: Agency, item: Delivered, prepared: Granting) -> tuple[str, Envelope]:
    key = await _content_key(agency, item)
    world, keys = agency.world, agency.keys
    identity = uuid7(world.clock_ms(), world.randomness(10))
    by = agency.profile.endpoint
    return identity, signed(prepared, key, by, keys.signer, identity, world.now())


async def _posted(agency: Agency, item: Delivered) -> bytes:
    """Return a bulletin's signed header, as its entry holds it."""
    if item.grant is not None:
        entry = await agency.bodies.granted(item.index)
    else:
        (held,) = agency.inbox.held.items(item.position, 1)
        entry = held.entry
    return entries.decode(entry.encode()).object


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
