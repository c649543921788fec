"""How leave to pass something on stands: asked, granted until, refused, used, ended, withdrawn.

Told from what this endpoint can check: what it posted, and what is in its inbox.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from exchange.client import granting, story
from exchange.client.reading import Consented, Delivered, Granted
from exchange.errors import Fault, Refusal
from exchange.model import bulletin as bulletins
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.bulletin import Con
from exchange.model.header import Header
from exchange.model.identity import member_of
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from exchange.client.agency import Agency
    from exchange.client.outbox import Outbox
    from exchange.client.reading import Item
    from exchange.model.bulletin.blocks import Target, Text
    from exchange.model.bulletin.strangers import Unknown
    from exchange.model.codes import Codes

# Words of ``schemas/v1/codes/consent-states.json``.
State = Literal[
    "asked", "answered", "granted", "used", "ended", "withdrawn", "refused", "sanitised"
]


class Talk(NamedTuple):
    """A request or an answer: its header, and its text."""

    header: Header
    bulletin: Con


class Row(msgspec.Struct, frozen=True):
    """How leave to pass one bulletin on stands, for one giver and one receiver.

    ``of`` is the bulletin's id; ``to`` an agency where nothing more is known yet. ``used`` is
    the entry by which it was given. ``reply_by`` and ``until`` in seconds UTC.
    """

    of: str
    by: str
    to: str
    state: State
    request: str | None = None
    answer: str | None = None
    consent: str | None = None
    reason: Text | None = None
    reply_by: int | None = None
    until: int | None = None
    used: int | None = None


def standing(agency: Agency, items: Sequence[Item]) -> list[Row]:
    """Return how each request and each consent stands that this endpoint knows of."""
    talks = [*_ours(agency), *_theirs(items)]
    answers = _answers(talks)
    last, now = _last(agency, items), agency.world.now()
    rows: list[Row] = []
    told: set[str] = set()
    for talk in talks:
        if talk.bulletin.content.consent_step != "request":
            continue
        asked = (talk.bulletin.content.target.origin, talk.header.origin, talk.header.id)
        mine = [each for each in last if _is_of(each, talk)]
        for consent in mine:
            told.add(consent.id)
            found = answers.get((*asked, member_of(consent.to)))
            rows.append(_row(agency, consent, items, now, talk, found))
        done = {member_of(each.to) for each in mine}
        open_ = [to for to in talk.bulletin.content.proposed_to if to not in done]
        rows += [_unmet(talk, to, answers.get((*asked, to))) for to in open_]
    rows += [_row(agency, each, items, now) for each in last if each.id not in told]
    return rows


def _answers(talks: Iterable[Talk]) -> dict[tuple[str, str, str, str], Talk]:
    """Return each answer by who gives it, whose request it is to, and of which agency.

    Of others than it names is still asked; and nobody answers for an originator.
    """
    return {
        (each.header.origin, content.target.origin, content.target.id, to): each
        for each in talks
        if (content := each.bulletin.content).consent_step == "answer"
        for to in content.proposed_to
    }


def given(
    agency: Agency,
    items: Sequence[Item],
    identity: str | None,
    listed: Iterable[tuple[int, objects.Consent]] = (),
) -> list[objects.Consent]:
    """Return the consents of ours that stand, as far as that is known here.

    Args:
        agency: whose member's.
        items: its whole inbox.
        identity: only those of this bulletin, or this consent; None for all.
        listed: more that a journal holds, with the entry of each: a colleague is owed none.
    """
    return [
        each
        for each in _last(agency, items, listed)
        if each.origin == agency.profile.member
        and each.until is not None
        and identity in (None, each.of.id, each.id)
    ]


class About(NamedTuple):
    """What a request is about, as far as it is known here; ``unknown`` of a newer version."""

    header: Header | None = None
    text: bulletins.AnyBulletin | None = None
    unknown: Sequence[Unknown] = ()

    @property
    def may_protect(self) -> bool:
        """Whether it may name somebody protected, as far as can be told without its text."""
        return self.header is None or "protected-person" in self.header.declares


def of_request(agency: Agency, items: Sequence[Item], asked: Target) -> About:
    """Return what a request is about: posted from here, or by a colleague to us."""
    for each in _theirs(items):
        if each.header.id == asked.id and each.header.origin == asked.origin:
            return _about(agency, items, each.bulletin.content.target)
    return About()


def _about(agency: Agency, items: Iterable[Item], target: Target) -> About:
    ours = story.posted(agency.world.outbox, target.id)
    if ours is not None and ours.digest == target.header_digest:
        return About(ours.header, _text(agency, target.id))
    for each in items:
        if isinstance(each, Delivered) and each.digest == target.header_digest:
            return About(each.header, each.bulletin, each.not_understood)
    return About()


def _unmet(talk: Talk, to: str, found: Talk | None) -> Row:
    content = talk.bulletin.content
    row = Row(content.target.id, talk.header.endpoint, to, "asked", request=talk.header.id)
    if found is None:
        by = content.reply_by
        return msgspec.structs.replace(row, reply_by=int(by.timestamp()) if by else None)
    states: dict[str, State] = {"deny": "refused", "grant-sanitised": "sanitised"}
    said = found.bulletin.content
    return msgspec.structs.replace(
        row,
        state=states.get(said.consent or "", "answered"),
        answer=found.header.id,
        reason=said.conditions,
    )


def _row(  # noqa: PLR0913, PLR0917  (what is known of it)
    agency: Agency,
    consent: objects.Consent,
    items: Iterable[Item],
    now: int,
    talk: Talk | None = None,
    found: Talk | None = None,
) -> Row:
    used = _used(agency, consent, items)
    state: State = "granted"
    if consent.until is None:
        state = "withdrawn"
    elif used is not None:
        state = "used"
    elif now >= consent.until:
        state = "ended"
    return Row(
        consent.of.id,
        consent.by,
        consent.to,
        state,
        request=talk.header.id if talk else None,
        answer=found.header.id if found else None,
        consent=consent.id,
        reason=found.bulletin.content.conditions if found else None,
        until=consent.until,
        used=used,
    )


def _is_of(consent: objects.Consent, talk: Talk) -> bool:
    content = talk.bulletin.content
    return (
        consent.of.header_digest == content.target.header_digest
        and consent.by == talk.header.endpoint
        and member_of(consent.to) in content.proposed_to
    )


def _used(agency: Agency, consent: objects.Consent, items: Iterable[Item]) -> int | None:
    """Return the entry by which it was given, as giver, receiver or originator know it."""
    named = (consent.of.header_digest, consent.by, consent.to)
    for item in items:
        grant = item.grant if isinstance(item, Granted | Delivered) else None
        if grant and (grant.of.header_digest, grant.endpoint, grant.to) == named:
            return item.index
    for each in granting.made(agency.world.outbox, consent.of.header_digest):
        is_this = (each.grant.endpoint, each.grant.to) == (consent.by, consent.to)
        if is_this and each.receipt is not None:
            return each.receipt.index
    return None


def _last(
    agency: Agency,
    items: Iterable[Item],
    listed: Iterable[tuple[int, objects.Consent]] = (),
) -> list[objects.Consent]:
    """Return what was said last of each bulletin, giver and receiver: by us, and told to us."""
    said: list[tuple[float, objects.Consent]] = list(listed)
    said += [(each.index, each.consent) for each in items if isinstance(each, Consented)]
    said += _said(agency.world.outbox)
    last: dict[tuple[str, str, str], objects.Consent] = {}
    for _, each in sorted(said, key=lambda one: one[0]):
        last[each.of.header_digest, each.by, each.to] = each
    return list(last.values())


def _said(box: Outbox) -> Iterator[tuple[float, objects.Consent]]:
    """Yield what was said here, oldest first: what waits to be sent is newer than all."""
    waiting = box.waiting()
    for identity in [*box.sent(), *waiting]:
        receipt, envelope = box.receipt(identity), box.envelope(identity)
        if envelope is None:
            continue
        read = jws.read(envelope.header, headers.MAX_HEADER_BYTES)
        if read.typ == objects.CONSENT_TYP:
            place = float("inf") if receipt is None else receipt.index
            yield place, objects.decode_consent(read.payload)


def _theirs(items: Iterable[Item]) -> Iterator[Talk]:
    for item in items:
        if isinstance(item, Delivered) and isinstance(item.bulletin, Con):
            yield Talk(item.header, item.bulletin)


def _ours(agency: Agency) -> Iterator[Talk]:
    for each in story.every(agency.world.outbox):
        if each.header.type == "con":
            text = _text(agency, each.header.id)
            if isinstance(text, Con):
                yield Talk(each.header, text)


def _text(agency: Agency, identity: str) -> bulletins.Bulletin | None:
    """Return the text of what was posted from here; None where its key or body is gone."""
    world, keys = agency.world, agency.keys
    codes: Codes = world.codes
    with suppress(Refusal, Fault):
        envelope, of = world.outbox.envelope(identity), story.posted(world.outbox, identity)
        if envelope is not None and of is not None:
            openers = [*keys.openers, *keys.destroyed]
            raw = world.kept.text(envelope, of.header, openers, world.now())
            return bulletins.decode(raw, codes)
    return None
