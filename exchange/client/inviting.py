"""Invitations as an operator deals with them: given, listed with what became of them, decided.

Nothing of them is kept here. What the node tells is verified again before anybody rests on it:
who is to decide sees what holds, and a verdict that does not is none. A link can be
worked out again by who gave it: its secret follows from the storage key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from exchange.client import vouching
from exchange.errors import Code, Refusal
from exchange.model import objects, wire
from exchange.model.codec import unb64
from exchange.model.identity import digest
from exchange.seal import enrolment, jws
from exchange.seal import invitation as invitations
from exchange.seal.enrolment import MAX_AGE_S
from exchange.seal.invitation import Bound, Link
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from exchange.client.agency import Agency
    from exchange.model.identity import SuiteId
    from exchange.model.objects import Enrolment, Invitation, Receipt, Verdict
    from exchange.model.view import View
    from exchange.model.wire import InvitationItem, KeptObject

State = Literal[
    "open", "over", "withdrawn", "waiting", "approved", "declined", "in-force", "unproved"
]


class Given(NamedTuple):
    """An invitation, the request that it was used for, the verdict, and how it stands.

    ``wrong`` is why the verdict that the node shows is not believed: then it is unproved.
    """

    invitation: Invitation
    item: InvitationItem
    request: Enrolment | None
    verdict: Verdict | None
    state: State
    wrong: Refusal | None = None

    @property
    def digest(self) -> str:
        """Of what is to be decided: the request, or the invitation while there is none."""
        return digest((self.item.requested or self.item.invitation).object.encode())


async def listed(agency: Agency, view: View) -> list[Given]:
    """Return the nation's invitations of which something may still come, newest first."""
    now = agency.world.now()
    oldest = now - MAX_AGE_S - invitations.MAX_LIFE_S
    found: list[Given] = []
    async for item in _items(agency):
        given = _given(item, view, now)
        if given.invitation.until < oldest:
            break
        found.append(given)
    return found


async def _items(agency: Agency) -> AsyncIterator[InvitationItem]:
    before: dict[str, int] = {}
    while True:
        page = await agency.transport.get_as(wire.InvitationPage, "/v1/invitations", **before)
        for item in page.items:
            yield item
        if not page.items or not page.items[-1].number:
            return
        before = {"before": page.items[-1].number}


def _given(item: InvitationItem, view: View, now: int) -> Given:
    invitation = objects.decode_invitation(_payload(item.invitation, objects.INVITATION_TYP))
    request = verdict = None
    if item.requested is not None:
        request = objects.decode_enrolment(_payload(item.requested, objects.ENROLMENT_TYP))
    if item.decided is not None:
        verdict = objects.decode_verdict(_payload(item.decided, objects.VERDICT_TYP))
    given = Given(invitation, item, request, verdict, "open")
    given = given._replace(state=_state(given, view, now))
    try:
        _must_be_decided(given, view)
    except Refusal as refusal:
        return given._replace(state="unproved", wrong=refusal)
    return given


def _must_be_decided(given: Given, view: View) -> None:
    """Hold a verdict that the node shows to who must have signed it, and what it is on."""
    verdict, decided = given.verdict, given.item.decided
    if verdict is None or decided is None or given.state in {"open", "over", "waiting"}:
        return
    signed = jws.read(decided.object.encode(), objects.MAX_OBJECT_BYTES)
    invited = given.invitation
    invitations.must_be_operator(signed, verdict, invited.invited, view)
    if given.request is not None:
        named = digest(given.item.invitation.object.encode())
        invitations.must_be_used(named, invited, given.request)
    if verdict.verdict == "approved":
        invitations.must_be_second(invited, verdict)


def _payload(kept: KeptObject, typ: str) -> bytes:
    signed = jws.read(kept.object.encode(), objects.MAX_OBJECT_BYTES)
    jws.must_be(signed, typ, objects.MAX_OBJECT_BYTES)
    return signed.payload


def _state(given: Given, view: View, now: int) -> State:
    request, verdict = given.request, given.verdict
    if verdict is not None and verdict.of != given.digest:
        # Said of something else: nobody has decided this.
        verdict = None
    if request is None:
        if verdict is not None:
            return "withdrawn"
        return "open" if now < given.invitation.until else "over"
    standing = view.endpoints.get(request.endpoint)
    if standing is not None and {key.jwk.kid for key in request.keys} <= standing.keys.keys():
        return "in-force"
    return "waiting" if verdict is None else verdict.verdict


class Wish(NamedTuple):
    """Who shall be invited, until when (seconds UTC), by which person, and for which suite."""

    endpoint: str
    until: int
    officer: str
    suite: SuiteId


async def invite(agency: Agency, wish: Wish, keys: Sequence[bytes]) -> tuple[Given, Link]:
    """Return an invitation and its link: one of ours that is still open, or else a new one.

    Args:
        agency: of an operator.
        wish: whom to invite.
        keys: the storage keys of this endpoint, the newest first.
    """
    view = await agency.view()
    for given in await listed(agency, view):
        mine = given.invitation.endpoint == agency.profile.endpoint
        if mine and given.state == "open" and given.invitation.invited == wish.endpoint:
            link = link_of(agency, given, keys)
            if link is not None:
                return given, link
    profile, now, identity = agency.profile, agency.world.now(), agency.new_id()
    bound = _bound(agency, wish.endpoint, wish.suite, wish.until)
    secret = invitations.secret_of(keys[0], identity)
    made = objects.Invitation(
        v="xb1",
        suite=agency.keys.signer.suite,
        id=identity,
        origin=profile.member,
        endpoint=profile.endpoint,
        invited=wish.endpoint,
        node=profile.node,
        tls=view.nodes[profile.node].tls,
        anchor=profile.anchor,
        lock=invitations.lock(invitations.proof(bound, secret)),
        until=wish.until,
        at=now,
        officer=wish.officer,
    )
    raw = agency.sign(made, objects.INVITATION_TYP)
    receipt = await agency.submit(raw)
    item = wire.InvitationItem(0, wire.KeptObject(receipt.index, raw.decode()), None, None)
    return Given(made, item, None, None, "open"), Link(bound, unb64(digest(raw)), secret)


def link_of(agency: Agency, given: Given, keys: Sequence[bytes]) -> Link | None:
    """Return the link of an invitation that was given from here; None: it cannot be had."""
    made = given.invitation
    for key in keys:
        secret = invitations.secret_of(key, made.id)
        for suite in SUITES:
            bound = _bound(agency, made.invited, suite, made.until)
            if invitations.lock(invitations.proof(bound, secret)) == made.lock:
                named = digest(given.item.invitation.object.encode())
                return Link(bound, unb64(named), secret)
    return None


def _bound(agency: Agency, endpoint: str, suite: SuiteId, until: int) -> Bound:
    profile = agency.profile
    tls = unb64(agency.trust.newest.nodes[profile.node].tls)
    anchor = unb64(profile.anchor)
    return Bound(endpoint, suite, profile.node, profile.url, tls, anchor, until)


def judge(given: Given, view: View, now: int) -> Enrolment:
    """Verify a request and its invitation: all that the node says of them.

    Raises:
        Refusal: what is wrong; or ``not-found``: nobody has used the invitation.
    """
    if given.item.requested is None:
        raise Refusal(Code.NOT_FOUND, "/requested", name=given.invitation.invited)
    raw = given.item.invitation.object.encode()
    signed = jws.read(raw, objects.MAX_OBJECT_BYTES)
    asked = jws.read(given.item.requested.object.encode(), objects.MAX_OBJECT_BYTES)
    invited = given.invitation
    invitations.must_be_operator(signed, invited, invited.invited, view, (now,))
    request = enrolment.judge(asked, view, now)
    invitations.must_be_used(signed.digest, invited, request)
    return request


async def file_of(agency: Agency, given: Given) -> bytes:
    """Return what custodians take of an approved request, with the node's receipts.

    Raises:
        Refusal: custodians would refuse it, for this reason.
        Fault: the node gives no receipts.
    """
    told = await agency.transport.get_as(
        wire.InvitationReceipts, "/v1/invitations/receipts", number=given.item.number
    )
    kept = (given.item.requested, given.item.invitation, given.item.decided)
    shown = (told.requested, told.invitation, told.decided)
    whole = vouching.Vouched(
        [each.object.encode() for each in kept if each is not None],
        [each for each in shown if each is not None],
    )
    file = vouching.write(whole)
    vouching.check(file, await agency.view(), agency.world.now())
    return file


async def decide(
    agency: Agency, given: Given, verdict: Literal["approved", "declined"], officer: str
) -> tuple[Given, Receipt]:
    """Sign and post a verdict; return the invitation as it stands with it.

    Raises:
        Refusal, Fault: the node said no, or its answer was lost: list again, and see.
    """
    made = objects.Verdict(
        v="xb1",
        suite=agency.keys.signer.suite,
        id=agency.new_id(),
        origin=agency.profile.member,
        endpoint=agency.profile.endpoint,
        of=given.digest,
        verdict=verdict,
        at=agency.world.now(),
        officer=officer,
    )
    if verdict == "approved":
        invitations.must_be_second(given.invitation, made)
    raw = agency.sign(made, objects.VERDICT_TYP)
    receipt = await agency.submit(raw)
    kept = wire.KeptObject(receipt.index, raw.decode())
    item = wire.InvitationItem(
        given.item.number, given.item.invitation, given.item.requested, kept
    )
    state: State = "withdrawn" if given.request is None else verdict
    return given._replace(item=item, verdict=made, state=state), receipt
