"""Enrolment by invitation: an operator invites, who is new asks once, a second person decides.

None of the three gives access: keys are listed by custodians alone, in a member's document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from exchange.broker import keys
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.policy import rules
from exchange.policy.ageing import must_be_past
from exchange.seal import enrolment, jws
from exchange.seal import invitation as invitations

if TYPE_CHECKING:
    from exchange.broker.holding import Find
    from exchange.broker.records import Found, Recorded
    from exchange.broker.settle import Ledger
    from exchange.model.objects import Enrolment, Invitation, Verdict
    from exchange.model.view import Standing, View

# How many invitations a nation's operators may give within the longest time that one may be
# open: protects who looks at them, and the journal, from a flood.
MAX_INVITATIONS: Final = 64


class Issued(NamedTuple):
    """An invitation that an operator did sign."""

    invitation: Invitation
    digest: str


class Asked(NamedTuple):
    """A request by invitation whose keys could be listed; its invitation is settled later."""

    enrolment: Enrolment
    shown: objects.Shown
    digest: str


class Ruled(NamedTuple):
    """A verdict that an operator did sign; what it is on is settled later."""

    verdict: Verdict
    digest: str


Enrolling = Issued | Asked | Ruled


# -- consider ---------------------------------------------------------------------------------


def invitation(signed: jws.Signed, caller: str, view: View, now: int) -> Issued:
    """Hold an invitation to its operator, and to the node that it is for.

    Raises:
        Refusal: the first check that fails.
    """
    jws.must_be(signed, objects.INVITATION_TYP, objects.MAX_OBJECT_BYTES)
    made = objects.decode_invitation(signed.payload)
    standing = _operator(signed, made, caller, view, now)
    if made.invited in view.endpoints:
        raise Refusal(Code.ALREADY_ENROLLED, "/invited", name=made.invited)
    if invitations.nation_of(made.invited, view, "/invited") != standing.member.nation:
        raise Refusal(Code.NOT_YOURS, "/invited", name=made.invited)
    node = view.nodes.get(made.node)
    serves = node.serves if node is not None else ()
    rules.must_be_home(standing.member.nation, serves, made.invited, "/node")
    if node is not None and made.tls != node.tls:
        raise Refusal(Code.DIGEST_MISMATCH, "/tls", expected=node.tls)
    if made.anchor != view.anchor:
        raise Refusal(Code.DIGEST_MISMATCH, "/anchor", expected=view.anchor)
    if not now < made.until <= now + invitations.MAX_LIFE_S:
        raise Refusal(Code.WRONG_VALUE, "/until", limit=invitations.MAX_LIFE_S)
    must_be_past(made.at, view, now)
    return Issued(made, signed.digest)


def request(signed: jws.Signed, _: str, view: View, now: int) -> Asked:
    """Hold a request by invitation to what custodians will hold it to.

    Whoever has the link's proof may bring it: nobody who is new has a session.

    Raises:
        Refusal: the first check that fails.
    """
    made = enrolment.judge(signed, view, now)
    if not isinstance(made.invitation, objects.Shown):
        raise Refusal(Code.BAD_INVITATION, "/invitation")
    return Asked(made, made.invitation, signed.digest)


def verdict(signed: jws.Signed, caller: str, view: View, now: int) -> Ruled:
    """Hold a verdict to its operator.

    Raises:
        Refusal: the first check that fails.
    """
    jws.must_be(signed, objects.VERDICT_TYP, objects.MAX_OBJECT_BYTES)
    made = objects.decode_verdict(signed.payload)
    _operator(signed, made, caller, view, now)
    must_be_past(made.at, view, now)
    return Ruled(made, signed.digest)


def _operator(
    signed: jws.Signed, made: Invitation | Verdict, caller: str, view: View, now: int
) -> Standing:
    standing = view.signatory(made.origin, made.endpoint, made.suite)
    if made.endpoint != caller:
        raise Refusal(Code.NOT_YOURS, "/endpoint", name=made.endpoint)
    jws.verify_by(signed, standing, now)
    view.must_hold(standing.member.nation, now, "/endpoint")
    if "operator" not in standing.endpoint.roles:
        raise Refusal(Code.MISSING_ROLE, "/endpoint", name="operator")
    return standing


# -- settle -----------------------------------------------------------------------------------


def place(
    ledger: Ledger, decision: Enrolling, raw: bytes, names: tuple[bytes, ...], find: Find
) -> Recorded:
    """Give what was considered its entry.

    Raises:
        Refusal: what went before does not allow it.
    """
    match decision:
        case Issued(made, named):
            facts: entries.Facts = entries.Invited(named, **ledger.common())
            key = _numbered(made, ledger, find)
        case Asked(_, shown, named):
            of = _unlocked(decision, ledger.taken_ms // 1000, find)
            facts = entries.EnrolmentAsked(named, of, **ledger.common())
            key = keys.enrolled_by(shown.invitation)
        case Ruled(made, named):
            facts = entries.Decided(named, _open(made, ledger, find), **ledger.common())
            key = keys.verdict_on(made.of)
    return ledger.keep(facts, raw, (*names, key))


def _numbered(made: Invitation, ledger: Ledger, find: Find) -> bytes:
    """Return the key of a nation's next invitation, if it may be given now."""
    nation, number = _nation(made), count(_nation(made), find)
    before = number - MAX_INVITATIONS
    if before >= 0 and (earlier := find(keys.nth_invitation(nation, before))) is not None:
        given_s = entries.decode(earlier.entry).facts.taken_ms // 1000
        wait_s = given_s + invitations.MAX_LIFE_S - ledger.taken_ms // 1000
        if wait_s > 0:
            raise Refusal(Code.TOO_MANY, "/invited", limit=MAX_INVITATIONS, wait=wait_s)
    return keys.nth_invitation(nation, number)


def _nation(made: Invitation) -> str:
    return made.invited.partition(".")[0]


def count(nation: str, find: Find) -> int:
    """Return how many invitations a nation has given; it takes steps like a number its bits."""
    over = 1
    while find(keys.nth_invitation(nation, over - 1)) is not None:
        over *= 2
    least, over = over // 2, over - 1
    while least < over:
        middle = (least + over) // 2
        if find(keys.nth_invitation(nation, middle)) is not None:
            least = middle + 1
        else:
            over = middle
    return least


def _unlocked(asked: Asked, now: int, find: Find) -> int:
    """Return the entry of the invitation that a request may use now."""
    found, invited = named(asked.shown.invitation, find)
    if found is None or not isinstance(invited, objects.Invitation):
        raise Refusal(Code.BAD_INVITATION, "/invitation")
    invitations.must_unlock(invited, asked.shown)
    invitations.must_be_for(invited, asked.enrolment)
    if used := find(keys.enrolled_by(asked.shown.invitation)):
        raise Refusal(Code.INVITATION_USED, "/invitation", found=used.index)
    if withdrawn := find(keys.verdict_on(asked.shown.invitation)):
        raise Refusal(Code.INVITATION_OVER, "/invitation", found=withdrawn.index)
    if now >= invited.until:
        raise Refusal(Code.INVITATION_OVER, "/invitation")
    return found.index


def _open(made: Verdict, ledger: Ledger, find: Find) -> int:
    """Return the entry that a verdict is on, if it may be decided, and by its operator."""
    found, on = named(made.of, find)
    if found is None or on is None:
        raise Refusal(Code.BAD_INVITATION, "/of")
    given = invitation_of(on, find)
    view = ledger.in_force
    nation = invitations.nation_of(given.invited, view, "/of")
    if nation != view.standing(made.endpoint).member.nation:
        raise Refusal(Code.BAD_INVITATION, "/of")
    if made.verdict == "approved":
        if on is given:
            raise Refusal(Code.WRONG_VALUE, "/verdict")
        invitations.must_be_second(given, made)
    if before := find(keys.verdict_on(made.of)):
        raise Refusal(Code.ALREADY_DECIDED, "/of", found=before.index)
    if on is given and (used := find(keys.enrolled_by(made.of))):
        raise Refusal(Code.INVITATION_USED, "/of", found=used.index)
    return found.index


def named(digest: str, find: Find) -> tuple[Found | None, Invitation | Enrolment | None]:
    """Return the entry of an invitation or request by its digest, and what it says."""
    found = find(keys.by_digest(digest))
    if found is None:
        return None, None
    entry = entries.decode(found.entry)
    match entry.facts:
        case entries.Invited():
            payload = jws.read(entry.object, objects.MAX_OBJECT_BYTES).payload
            return found, objects.decode_invitation(payload)
        case entries.EnrolmentAsked():
            payload = jws.read(entry.object, objects.MAX_OBJECT_BYTES).payload
            return found, objects.decode_enrolment(payload)
        case _:
            return found, None


def invited_in(entry: bytes) -> str:
    """Return the endpoint that an invitation's entry is for."""
    signed = jws.read(entries.decode(entry).object, objects.MAX_OBJECT_BYTES)
    return objects.decode_invitation(signed.payload).invited


def invitation_of(on: Invitation | Enrolment, find: Find) -> Invitation:
    """Return the invitation that a recorded request was by, or itself."""
    if isinstance(on, objects.Invitation):
        return on
    shown = on.invitation
    given = named(shown.invitation, find)[1] if isinstance(shown, objects.Shown) else None
    if not isinstance(given, objects.Invitation):
        raise Refusal(Code.BAD_INVITATION, "/of")
    return given


def lookups(decision: Enrolling) -> list[bytes]:
    """Return the keys that settling looks up first; what it needs then follows from them."""
    match decision:
        case Issued():
            return []
        case Asked(_, shown):
            of = shown.invitation
        case Ruled(made):
            of = made.of
    return [keys.by_digest(of), keys.enrolled_by(of), keys.verdict_on(of)]


def follow(decision: Enrolling, find: Find) -> None:
    """Go the ways that settling will go, so as to be asked for what it will need."""
    match decision:
        case Issued(made):
            # Its number follows from how many of its own group come before it: so whichever of
            # the last ones its bound may rest on. Those of the group are found there.
            nation, given = _nation(made), count(_nation(made), find)
            for number in range(max(0, given - MAX_INVITATIONS), given):
                find(keys.nth_invitation(nation, number))
        case Ruled(made):
            _, on = named(made.of, find)
            if on is not None:
                invitation_of(on, find)
        case Asked():
            pass
