"""Ask leave to pass something on, answer, withdraw.

Question and answer are bulletins of type ``con``, sealed; what a node enforces is the consent
that goes with a yes: one bulletin, one giver, one receiver, until a time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from exchange.client import story
from exchange.client.outcomes import made_ms
from exchange.client.transport import is_away
from exchange.errors import Code, Fault, Refusal
from exchange.model import draft as drafts
from exchange.model import objects
from exchange.model.bulletin import Con
from exchange.model.identity import member_of, uuid7
from exchange.policy import rules
from exchange.seal import jws
from exchange.seal.close import Envelope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.agency import Agency
    from exchange.client.reading import Delivered
    from exchange.model.codes import Lang
    from exchange.model.header import Header, Status
    from exchange.model.view import View

_WORDS: dict[str, tuple[str, str]] = {
    "request": ("¿Puede entregarse a {to}?", "May it be passed on to {to}?"),
    "grant": ("Puede entregarse a {to}", "It may be passed on to {to}"),
    "deny": ("No puede entregarse a {to}", "It may not be passed on to {to}"),
    "grant-sanitised": (
        "Puede entregarse a {to} una versión que no identifique la fuente",
        "A version that does not identify the source may be passed on to {to}",
    ),
}
_BANNERS: dict[Status, tuple[str, str]] = {
    "actual": ("", ""),
    "exercise": ("EJERCICIO: ", "EXERCISE: "),
    "test": ("PRUEBA: ", "TEST: "),
}


# -- what is written -------------------------------------------------------------------------


def feed_for(view: View, header: Header, ours: str, theirs: str) -> str:
    """Return the feed to talk on: the bulletin's own, else the first where both can.

    Raises:
        Refusal: ``unknown-feed``: the arrangement has none that carries ``con`` between them.
    """
    fit = [
        each.name
        for each in view.agreed().feeds
        if "con" in each.types and ours in each.post and theirs in each.read
    ]
    if header.feed in fit:
        return header.feed
    if not fit:
        raise Refusal(Code.UNKNOWN_FEED, "/feed", name="con")
    return fit[0]


def request(
    item: Delivered, to: Sequence[str], said: tuple[Lang, str], reply_by: int, feed: str
) -> drafts.Draft:
    """Return the draft that asks the originator of what we hold.

    Args:
        item: the bulletin, opened.
        to: agencies that it should be passed on to.
        said: what for, in its language.
        reply_by: seconds UTC.
        feed: to ask on.
    """
    header = item.header
    content = {
        "consent_step": "request",
        "target": _target(header, item.digest),
        "proposed_to": list(to),
        "purpose": {"lang": said[0], "text": said[1]},
        "reply_by": _spelled(reply_by),
    }
    return _draft(header, feed, "request", to, said[0], content)


def answer(  # noqa: PLR0913, PLR0917  (each is part of what is written)
    asked: Delivered,
    consent: str,
    to: Sequence[str],
    said: tuple[Lang, str] | None,
    feed: str,
    lang: Lang,
) -> drafts.Draft:
    """Return the draft that answers a request for these agencies, or for all it asks of.

    It says a word, and in whose words why, or on what conditions.
    """
    content, header = content_of(asked), asked.header
    members = list(to) or content.proposed_to
    told: dict[str, Any] = {
        "consent_step": "answer",
        "target": _target(header, asked.digest),
        "proposed_to": members,
        "purpose": msgspec.to_builtins(content.purpose),
        "consent": consent,
    }
    if said is not None:
        told["conditions"] = {"lang": said[0], "text": said[1]}
    return _draft(header, feed, consent, members, lang, told)


def content_of(asked: Delivered) -> Any:
    """Return what a request asks.

    Raises:
        Refusal: it is locked, or no request for consent.
    """
    if asked.bulletin is None:
        raise asked.locked or Refusal(Code.CANNOT_DECRYPT, id=asked.header.id)
    if not isinstance(asked.bulletin, Con) or asked.bulletin.content.consent_step != "request":
        raise Refusal(
            Code.WRONG_VALUE,
            "/bulletin/type",
            expected="consent-request",
            found=asked.header.type,
        )
    return asked.bulletin.content


def _spelled(when: int) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _target(header: Header, header_digest: str) -> dict[str, str]:
    return {
        "id": header.id,
        "origin": header.origin,
        "type": header.type,
        "header_digest": header_digest,
    }


def _draft(  # noqa: PLR0913, PLR0917  (each is part of what is written)
    header: Header,
    feed: str,
    words: str,
    to: Sequence[str],
    lang: Lang,
    content: dict[str, Any],
) -> drafts.Draft:
    place = ("es", "en").index(lang)
    named = ", ".join(to)
    title = f"{_BANNERS[header.status][place]}{_WORDS[words][place]}".format(to=named)
    post = drafts.Post(
        feed=feed,
        precedence="priority",
        status=header.status,
        # It tells of the bulletin: so it is marked as that, and under control itself.
        marking=msgspec.structs.replace(header.marking, originator_control=True),
        expires="72h",
        retain="365d",
        to=[header.endpoint],
    )
    return drafts.Draft(
        post, {"type": "con", "title": {"lang": lang, "text": title}, "content": content}
    )


# -- what is signed --------------------------------------------------------------------------


def prepare(agency: Agency, asked: Delivered, to: str, until: int) -> objects.Consent:
    """Return the consent to a request, once the rules would let the grant that it is for.

    Raises:
        Refusal: it is of nothing that we posted; nobody asked for that receiver; it names
            people who must not be told on there; or the first rule that it breaks.
    """
    content = content_of(asked)
    if member_of(to) not in content.proposed_to:
        raise Refusal(Code.WRONG_VALUE, "/to", expected=" ".join(content.proposed_to), found=to)
    of = story.posted(agency.world.outbox, content.target.id)
    if of is None or of.digest != content.target.header_digest:
        raise Refusal(Code.NOT_FOUND, "/outbox", id=content.target.id)
    by, now = asked.header.endpoint, agency.world.now()
    given = rules.Given(by, now, rules.Consent(until))
    view = agency.trust.strictest
    rules.decide("grant", of.header, view, now, recipient=to, given=given)
    return _consent(agency, of.subject, by, to, until)


async def send(agency: Agency, consent: objects.Consent) -> int | None:
    """Sign and send it; return its entry, or None: the node is away, and it waits.

    Raises:
        Refusal, Fault: as ``Agency.post``.
    """
    try:
        return (await agency.send(consent.id, _signed(agency, consent))).index
    except Fault as fault:
        if not is_away(fault) or fault.code is Code.OUTCOME_UNKNOWN:
            raise
        return None


async def take_back(agency: Agency, of: objects.Consent) -> tuple[objects.Consent, int | None]:
    """Withdraw a consent; return what says so, and its entry as ``send``.

    Where the consent itself waits to be sent, it goes first: after its withdrawal it would
    stand.

    Raises:
        Refusal, Fault: as ``Agency.post``.
    """
    made = _consent(agency, of.of, of.by, of.to, None)
    # What waits goes in the order of its ids, whatever the clock did in between.
    at_ms = max(agency.world.clock_ms(), made_ms(of.id) + 1)
    made = msgspec.structs.replace(made, id=uuid7(at_ms, agency.world.randomness(10)))
    if not await _is_sent(agency, of.id):
        agency.world.outbox.keep(made.id, _signed(agency, made))
        return made, None
    return made, await send(agency, made)


async def _is_sent(agency: Agency, identity: str) -> bool:
    """Send what waits; tell whether it waits no more."""
    if identity not in agency.world.outbox.waiting():
        return True
    try:
        await agency.resolve(identity)
    except Fault as fault:
        if not is_away(fault):
            raise
        return False
    return True


def _signed(agency: Agency, consent: objects.Consent) -> Envelope:
    raw = jws.sign(msgspec.json.encode(consent), objects.CONSENT_TYP, [agency.keys.signer])
    return Envelope(raw, b"")


def _consent(
    agency: Agency, of: objects.Subject, by: str, to: str, until: int | None
) -> objects.Consent:
    return objects.Consent(
        v="xb1",
        suite=agency.keys.signer.suite,
        id=uuid7(agency.world.clock_ms(), agency.world.randomness(10)),
        origin=agency.profile.member,
        endpoint=agency.profile.endpoint,
        of=of,
        by=by,
        to=to,
        until=until,
        at=agency.world.now(),
    )
