"""Seal to nobody whom its nation has shut out, in whichever node's journal that is in force.

A document takes effect in each journal by itself, in ours when our node takes it in. Until
then, or for as long as it lies, a suspended endpoint is active in our node's view, and a key
that was struck off is good. Who holds the newer document, verified, seals by the stricter one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exchange.model.trust import Endpoint, EndpointKey, Member
    from exchange.model.view import View


def strictest(view: View, others: Iterable[View]) -> View:
    """Return our node's view, with each endpoint as strict as in the newest of its member.

    Nothing is given that our node's view does not give: a newer key, say, it would refuse. An
    older version in another journal says nothing: that one is behind.

    Args:
        view: in force in our node's journal.
        others: in force in those of other nodes.
    """
    for other in others:
        for name, theirs in other.endpoints.documents.items():
            ours = view.member(name)
            if ours is not None and theirs.version >= ours.version and theirs != ours:
                view = view.with_document(_stricter(ours, theirs))
    return view


def _stricter(ours: Member, theirs: Member) -> Member:
    there = {each.id: each for each in theirs.endpoints}
    endpoints = [_as_strict(each, there.get(each.id)) for each in ours.endpoints]
    return replace(ours, endpoints=endpoints)


def _as_strict(ours: Endpoint, theirs: Endpoint | None) -> Endpoint:
    if theirs is None:
        return replace(ours, status="suspended")
    there = {key.jwk.kid: key for key in theirs.keys}
    return replace(
        ours,
        status=ours.status if theirs.status == "active" else theirs.status,
        roles=[role for role in ours.roles if role in theirs.roles],
        keys=[_shorter(key, there[key.jwk.kid]) for key in ours.keys if key.jwk.kid in there],
    )


def _shorter(ours: EndpointKey, theirs: EndpointKey) -> EndpointKey:
    return replace(
        ours, since=max(ours.since, theirs.since), until=min(ours.until, theirs.until)
    )
