"""A nation's members as they shall be: from a draft, from requests for keys, from decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec

from exchange.client import vouching
from exchange.errors import Code, Refusal
from exchange.model.identity import EndpointId, MemberId, Nation, member_of
from exchange.model.trust import Endpoint, Label, Member, Role
from exchange.seal import enrolment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.model.objects import Enrolment
    from exchange.model.view import View

_Roles = Annotated[list[Role], msgspec.Meta(min_length=1)]


class EndpointDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What custodians say of an endpoint; its keys come by its own request."""

    id: EndpointId
    title: Label
    roles: _Roles


class MemberDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What custodians say of an agency."""

    member: MemberId
    title: Label
    endpoints: list[EndpointDraft] = []


class DirectoryDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Agencies to list, or whose titles and roles change; those left out stay as they are."""

    members: list[MemberDraft]


class Asked(NamedTuple):
    """What shall change of members.

    ``requests`` are enrolments as they came; with ``anew`` their endpoints lost their keys.
    ``ended`` are keys that hold no more from now on.
    """

    drafts: Sequence[MemberDraft] = ()
    requests: Sequence[bytes] = ()
    suspended: Sequence[str] = ()
    resumed: Sequence[str] = ()
    ended: Sequence[str] = ()
    anew: bool = False
    overlap_s: int = 0


def members(view: View, asked: Asked, now: int) -> list[Member]:
    """Return the members that change, as they shall be.

    Args:
        view: what is in force, with the arrangement and nodes that are proposed beside.
        asked: what shall change.
        now: seconds UTC.

    Raises:
        Refusal: a request that may not be admitted; an endpoint or key that nobody has.
    """
    after: dict[str, Member] = {}

    def known(name: str) -> Member:
        found = after.get(name) or view.member(name)
        if found is None:
            raise Refusal(Code.UNKNOWN_ENDPOINT, "", name=name)
        return found

    fresh: dict[str, EndpointDraft] = {}
    for draft in asked.drafts:
        listed = view.member(draft.member)
        after[draft.member] = _described(listed or _new(draft, now), draft)
        fresh.update({each.id: each for each in draft.endpoints})
    for raw in asked.requests:
        checked, _ = vouching.check(raw, view, now, anew=asked.anew)
        before = known(checked.origin)
        if asked.anew:
            before = enrolment.ended(before, checked.endpoint, now, asked.overlap_s)
        new = _fresh(fresh.get(checked.endpoint), checked)
        after[checked.origin] = enrolment.admitted(before, checked, now, asked.overlap_s, new)
    for endpoint in asked.suspended:
        after[member_of(endpoint)] = _set(known(member_of(endpoint)), endpoint, "suspended")
    for endpoint in asked.resumed:
        after[member_of(endpoint)] = _set(known(member_of(endpoint)), endpoint, "active")
    for kid in asked.ended:
        owner = _owner(view, kid)
        after[owner] = _without(known(owner), kid, now)
    return list(after.values())


def _new(draft: MemberDraft, now: int) -> Member:
    nation: Nation = "pa" if draft.member.startswith("pa.") else "us"
    return Member("xb1", 1, now, draft.member, nation, draft.title, [])


def _described(member: Member, draft: MemberDraft) -> Member:
    """Return a member with the draft's titles and roles; endpoints without keys wait."""
    said = {each.id: each for each in draft.endpoints}
    endpoints = [
        msgspec.structs.replace(
            each, title=said[each.id].title, roles=sorted(set(said[each.id].roles))
        )
        if each.id in said
        else each
        for each in member.endpoints
    ]
    return msgspec.structs.replace(member, title=draft.title, endpoints=endpoints)


def _fresh(said: EndpointDraft | None, request: Enrolment) -> Endpoint | None:
    if said is None:
        return None
    roles = sorted(set(said.roles))
    return Endpoint(said.id, said.title, "active", request.suite, roles, [])


def _each(member: Member, change: Callable[[Endpoint], Endpoint]) -> Member:
    endpoints = [change(each) for each in member.endpoints]
    return msgspec.structs.replace(member, endpoints=endpoints)


def _set(member: Member, endpoint: str, status: str) -> Member:
    if all(each.id != endpoint for each in member.endpoints):
        raise Refusal(Code.UNKNOWN_ENDPOINT, "", name=endpoint)

    def change(each: Endpoint) -> Endpoint:
        if each.id != endpoint:
            return each
        return msgspec.structs.replace(
            each, status="suspended" if status == "suspended" else "active"
        )

    return _each(member, change)


def _owner(view: View, kid: str) -> str:
    for standing in view.endpoints.values():
        if kid in standing.keys:
            return standing.member.member
    raise Refusal(Code.UNKNOWN_KEY, "", kid=kid[:64])


def _without(member: Member, kid: str, now: int) -> Member:
    """Return a member whose key ends now: no signature by it is taken in, nothing sealed to it.

    It stays listed, with its end: who looks up why something is refused finds the reason.
    """

    def change(each: Endpoint) -> Endpoint:
        keys = [
            msgspec.structs.replace(key, until=min(key.until, now))
            if key.jwk.kid == kid
            else key
            for key in each.keys
        ]
        return msgspec.structs.replace(each, keys=keys)

    return _each(member, change)
