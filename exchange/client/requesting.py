"""Ask an originator for what was sealed before one could be among its readers; and answer.

A request and its answers are signed objects in the journal. Nothing is granted by itself:
whoever is asked grants what it chooses to, by grants as always, and then says that it did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from exchange.client import bearing, granting, story
from exchange.client.reading import Delivered, Requested
from exchange.errors import Code, Refusal
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.identity import digest, member_of, uuid7
from exchange.policy import requesting
from exchange.seal import jws
from exchange.seal.close import Envelope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.client.agency import Agency
    from exchange.client.outbox import Outbox
    from exchange.client.reading import Item
    from exchange.model.objects import DeclineReason, Request, Step
    from exchange.model.view import View

# Words of ``schemas/v1/codes/request-states.json``.
State = Literal["waiting", "open", "granted", "declined"]


class Ask(msgspec.Struct, frozen=True):
    """Of whom is asked what it posted on a feed since then (seconds UTC), or one of it."""

    to: str
    feed: str
    since: int
    bulletin: str | None = None


class Known(msgspec.Struct, frozen=True):
    """A request, ours or to us, and what became of it as far as that is known here.

    ``index`` is its entry; None while it waits to be sent. ``granted`` are the bulletins that
    came by grants of the member that was asked, on that feed, after it.
    """

    request: Request
    digest: str
    is_ours: bool
    state: State
    index: int | None
    reason: DeclineReason | None = None
    answered_by: str | None = None
    granted: list[str] = []


def asked(agency: Agency, ask: Ask, view: View) -> tuple[str, Envelope]:
    """Return a signed request and its id; the node would refuse the same.

    Raises:
        Refusal: this endpoint may not read the feed, or nobody posts on it there; or what is
            asked for has not the form of a request.
    """
    made = _made(agency, "asked", ask.to)
    made = msgspec.structs.replace(made, feed=ask.feed, since=ask.since, bulletin=ask.bulletin)
    requesting.may_ask(made, view)
    return made.id, _signed(agency, made)


def answered(
    agency: Agency, known: Known, reason: DeclineReason | None = None
) -> tuple[str, Envelope]:
    """Return the signed answer to a request, and its id: declined for a reason, or granted."""
    made = _made(agency, "granted" if reason is None else "declined", known.request.endpoint)
    of = objects.Subject(known.request.endpoint, known.request.id, known.digest)
    made = msgspec.structs.replace(made, of=of, reason=reason)
    return made.id, _signed(agency, made)


def _made(agency: Agency, step: Step, to: str) -> Request:
    world, profile = agency.world, agency.profile
    return objects.Request(
        v="xb1",
        suite=agency.keys.signer.suite,
        id=uuid7(world.clock_ms(), world.randomness(10)),
        origin=profile.member,
        endpoint=profile.endpoint,
        step=step,
        to=to,
        of=None,
        feed=None,
        since=None,
        bulletin=None,
        reason=None,
        at=world.now(),
    )


def _signed(agency: Agency, request: Request) -> Envelope:
    payload = msgspec.json.encode(request)
    # What nobody could decode must not wait in the outbox, where every list would meet it.
    objects.decode_request(payload)
    raw = jws.sign(payload, objects.REQUEST_TYP, [agency.keys.signer])
    return Envelope(raw, b"")


def every(outbox: Outbox, items: Sequence[Item]) -> list[Known]:
    """Return all requests that were made here, and all that were made of us, oldest first.

    Args:
        outbox: of this endpoint.
        items: its whole inbox.
    """
    own = list(_own(outbox))
    come = [
        (item.request, item.digest, item.index) for item in items if isinstance(item, Requested)
    ]
    answers = [each for each in (*own, *come) if each[0].step != "asked"]
    found = [
        *(_known(each, answers, items, is_ours=True) for each in own if _asks(each[0])),
        *(_known(each, answers, (), is_ours=False) for each in come if _asks(each[0])),
    ]
    return sorted(found, key=lambda each: (each.request.at, each.request.id))


def one(known: Sequence[Known], said: str) -> Known:
    """Return the request to us that is meant by its id or its entry number.

    Raises:
        Refusal: ``not-found``.
    """
    for each in known:
        if not each.is_ours and said in (each.request.id, str(each.index)):
            return each
    raise Refusal(Code.NOT_FOUND, "/request", id=said)


def matching(request: Request, outbox: Outbox) -> list[str]:
    """Return the ids of what was posted from here that is asked for, oldest first.

    Not what was cancelled, nor what was granted to who asks before.
    """
    posted = [each for each in story.every(outbox) if each.index is not None]
    gone = {
        of.header_digest
        for each in posted
        if each.header.verb == "cancel" and (of := bearing.reference_of(each.header))
    }
    return [
        each.header.id
        for each in posted
        if is_asked_for(request, each.header)
        and each.digest not in gone
        and all(
            made.grant.to != request.endpoint for made in granting.made(outbox, each.digest)
        )
    ]


def is_asked_for(request: Request, header: headers.Header) -> bool:
    """Tell whether a request asks for a bulletin that was posted from here."""
    return (
        header.verb != "cancel"
        and header.feed == request.feed
        and header.issued >= (request.since or 0)
        and request.bulletin in (None, header.id)
    )


_Come = tuple["Request", str, int | None]


def _asks(request: Request) -> bool:
    return request.step == "asked"


def _own(outbox: Outbox) -> Iterator[_Come]:
    """Yield the requests and answers that were made here, with digest and entry."""
    for identity in sorted({*outbox.sent(), *outbox.waiting()}):
        envelope = outbox.envelope(identity)
        if envelope is None:
            continue
        signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES)
        if signed.typ == objects.REQUEST_TYP:
            receipt = outbox.receipt(identity)
            index = receipt.index if receipt else None
            yield objects.decode_request(signed.payload), digest(envelope.header), index


def _known(
    each: _Come, answers: Sequence[_Come], items: Sequence[Item], *, is_ours: bool
) -> Known:
    request, named, index = each
    state: State = "waiting" if index is None else "open"
    known = Known(request, named, is_ours, state, index)
    # The newest counts; of those made here the one that waits is newer than all.
    last = max(
        (one for one in answers if _answers(one[0], request, named)),
        key=lambda one: float("inf") if one[2] is None else one[2],
        default=None,
    )
    if last is not None:
        answer = last[0]
        state = "declined" if answer.step == "declined" else "granted"
        known = msgspec.structs.replace(
            known, state=state, reason=answer.reason, answered_by=answer.endpoint
        )
    granted = [] if index is None else list(_granted(request, index, items))
    return msgspec.structs.replace(known, granted=granted)


def _answers(said: Request, request: Request, named: str) -> bool:
    # Of another member than was asked it is no answer, whatever a node lets in.
    is_asked = said.origin == member_of(request.to)
    return is_asked and said.of is not None and said.of.header_digest == named


def _granted(request: Request, index: int, items: Sequence[Item]) -> Iterator[str]:
    for item in items:
        if (
            isinstance(item, Delivered)
            and item.grant is not None
            and item.index > index
            and item.grant.origin == member_of(request.to)
            and item.header.feed == request.feed
        ):
            yield item.header.id
