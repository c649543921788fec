"""Who would be able to read what is still being written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client import compose
from exchange.client.compose import LeftOut, Reader
from exchange.errors import Refusal
from exchange.model import bulletin as bulletins
from exchange.model import draft as drafts
from exchange.model.header import Declaration, Header, TrustPoint
from exchange.seal.close import UNSEALED

if TYPE_CHECKING:
    from exchange.model.draft import Draft
    from exchange.model.view import Standing, View


class Audience(msgspec.Struct, frozen=True):
    """Who would be able to read what is still being written.

    ``withheld`` are subscribers to whom it may not be released as it is marked; ``objection``
    is why a recipient that was named may not have it, or why there is nobody at all.
    """

    readers: list[Reader]
    left_out: list[LeftOut]
    withheld: list[LeftOut]
    objection: Refusal | None = None


def audience(draft: Draft, view: View, *, endpoint: str, identity: str, now: int) -> Audience:
    """Return who would be able to read a draft that is not whole yet.

    What a cancellation is of is not looked up: who holds that is known once it is prepared.

    Args:
        draft: its posting whole; of its bulletin the type, and what it declares.
        view: as for ``prepare``.
        endpoint: who posts.
        identity: a UUIDv7.
        now: seconds UTC.

    Raises:
        Refusal: a recipient that is named is unknown, or has no key that may be sealed to; or
            there is no such feed.
    """
    standing = view.standing(endpoint)
    header = _stand_in(draft, standing, view, identity, now)
    review, withheld = compose.Review(in_spite=True), list[LeftOut]()
    readers: list[Reader] = []
    left_out: list[LeftOut] = []
    with review:
        readers, left_out = compose.readers_of(draft, header, view, now, review, None, withheld)
    return Audience(readers, left_out, withheld, review.objection)


def _stand_in(draft: Draft, standing: Standing, view: View, identity: str, now: int) -> Header:
    """Return a header as far as it says who may have a bulletin."""
    post, kind = draft.post, str(draft.bulletin.get("type"))
    declares = drafts.declared(draft.bulletin.get("content"))
    return Header(
        v="xb1",
        suite=standing.endpoint.suite,
        id=identity,
        origin=standing.member.member,
        endpoint=standing.endpoint.id,
        type=kind,
        schema=bulletins.SCHEMA,
        verb=post.verb or bulletins.VERBS[kind][0],
        status=post.status,
        feed=post.feed,
        to=[],
        marking=post.marking,
        declares=msgspec.convert(declares, list[Declaration]),
        precedence=post.precedence,
        observed=None,
        issued=now,
        due=None,
        expires=drafts.expires_at(post, now),
        retain_until=drafts.retain_until(post, now),
        regime=None,
        refs=[],
        commit=compose.NO_COMMIT,
        body=UNSEALED,
        attachments=[],
        trust=TrustPoint(view.position, view.heads[-1]),
    )
