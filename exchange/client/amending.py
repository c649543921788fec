"""A correction about to be sent, held to what it corrects; where that is not here, it says so.

What joins a corrected place with others can be judged on the whole bulletin alone: a total that
gives a hidden cell away is told to everybody once it is sent, whoever refuses it then.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.client import bearing, story
from exchange.client.reading import Delivered
from exchange.errors import Code, Fault, Refusal
from exchange.model import header as headers
from exchange.model.bulletin import decode, written
from exchange.model.identity import digest
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from exchange.client.bearing import Mark
    from exchange.client.compose import Prepared
    from exchange.client.kept import KeptKeys
    from exchange.client.outbox import Outbox
    from exchange.client.reading import Item
    from exchange.model.bulletin import AnyBulletin, Bulletin, Indicator
    from exchange.model.codes import Codes
    from exchange.model.header import Header
    from exchange.seal.open import Unwrapper

# Greater than every index: what has no receipt yet comes after all that has.
_NOT_YET = 1 << 62


class Own(NamedTuple):
    """What was posted from here, and what opens it; ``now`` in seconds UTC."""

    outbox: Outbox
    kept: KeptKeys
    openers: Sequence[Unwrapper]
    now: int


def posted(said: Header, own: Own, codes: Codes) -> Iterator[Delivered]:
    """Yield what was posted from here, as if it had come back.

    What a correction or an update is of is opened, and for a correction so are all others; but
    not where the key or the body is gone.
    """
    of = bearing.reference_of(said)
    for place, each in enumerate(story.every(own.outbox)):
        index = _NOT_YET + place if each.index is None else each.index
        is_wanted = each.header.verb == "correct" == said.verb
        is_wanted = is_wanted or (of is not None and each.digest == of.header_digest)
        text = None
        # What is gone or damaged here cannot be judged by; its readers will judge.
        with suppress(Refusal, Fault):
            text = text_of(each.header, own, codes) if is_wanted else None
        yield _item(each.header, each.digest, index, text)


def merged(
    ours: Iterable[Delivered], inbox: Iterable[Item], colleagues: Mapping[str, Sequence[int]]
) -> list[Item]:
    """Return what was posted from here and what came, each bulletin once.

    What is ours comes too where it bears on a colleague's bulletin that we hold, but sealed to
    others: then it is read here as it was posted.

    Args:
        ours: as ``posted``.
        inbox: all of it.
        colleagues: by id of what is ours, the entries of what colleagues corrected in it; that
            may be in the inbox or not.
    """
    mine = {each.digest: each for each in ours}
    for name, each in mine.items():
        earlier = [("corrects", index) for index in colleagues.get(each.header.id, ())]
        mine[name] = msgspec.structs.replace(each, earlier=earlier)
    came: list[Item] = []
    for item in inbox:
        own = mine.pop(item.digest, None) if isinstance(item, Delivered) else None
        if own is None or not isinstance(item, Delivered):
            came.append(item)
            continue
        text, earlier = item.bulletin or own.bulletin, [*item.earlier, *own.earlier]
        came.append(msgspec.structs.replace(item, bulletin=text, earlier=earlier))
    return [*mine.values(), *came]


def text_of(header: Header, own: Own, codes: Codes) -> Bulletin | None:
    """Return what a bulletin posted from here says; None where its envelope is gone.

    Raises:
        Refusal, Fault: the key or the body is gone, or damaged.
    """
    envelope = own.outbox.envelope(header.id)
    if envelope is None:
        return None
    return decode(own.kept.text(envelope, header, own.openers, own.now), codes)


def _item(header: Header, digest: str, index: int, bulletin: Bulletin | None) -> Delivered:
    return Delivered(
        position=0,
        index=index,
        taken_ms=0,
        header=header,
        digest=digest,
        late=False,
        target=None,
        accepted=index,
        accepted_ms=0,
        bulletin=bulletin,
    )


def objection(
    prepared: Prepared, held: Iterable[Item], codes: Codes, *, is_whole: bool = True
) -> Refusal | None:
    """Return why a correction could not be applied to what it corrects, as far as we see.

    Args:
        prepared: about to be sealed.
        held: what was posted from here, and what came.
        codes: the code lists.
        is_whole: all that our node has of ours was asked for.

    Returns:
        None where it can be; else what every reader would be told, or what no author writes,
        with ``at`` under ``/bulletin``. ``correction-unchecked``: the text that it corrects,
        or what corrected that before, is not here, or not understood here.
    """
    said = _said(prepared)
    if prepared.header.verb != "correct":
        return None
    found = bearing.hold(said, [*held, said], codes)
    refusal = found.refusal if found is not None else None
    if found is not None and found.after is not None:
        refusal = _written(found.before, found.after)
    if refusal is None and (found is None or found.is_partial or not is_whole):
        reference = bearing.reference_of(prepared.header)
        named = {} if reference is None else {"id": reference.id}
        return Refusal(Code.CORRECTION_UNCHECKED, "/bulletin/content/target", **named)
    if refusal is None or refusal.code is Code.OVERSIZED:
        return None
    return Refusal(refusal.code, f"/bulletin{refusal.at}", **refusal.facts)


def marks(outbox: Outbox, identity: str) -> list[Mark]:
    """Return what was posted from here since that bears on a bulletin posted from here.

    As ``bearing.marks`` does of an inbox: one's own bulletins do not come back to it.
    """
    posted, found = outbox.envelope(identity), []
    if posted is None:
        return []
    for each in outbox.sent():
        envelope, receipt = outbox.envelope(each), outbox.receipt(each)
        signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES) if envelope else None
        if signed is None or receipt is None or signed.typ != headers.TYP:
            continue
        reference = bearing.reference_of(headers.decode(signed.payload))
        if reference is not None and reference.header_digest == digest(posted.header):
            found.append(bearing.Mark(reference.rel, receipt.index))
    return sorted(found, key=lambda mark: mark.index)


def warnings(prepared: Prepared, held: Iterable[Item], codes: Codes) -> list[Indicator]:
    """Return what the author of a correction or an update is warned of beside what is held.

    Args:
        prepared: about to be sealed.
        held: what was posted from here, and what came.
        codes: the code lists.
    """
    said = _said(prepared)
    return bearing.warnings(said, [*held, said], codes)


def _said(prepared: Prepared) -> Delivered:
    return _item(prepared.header, "", 2 * _NOT_YET, prepared.bulletin)


def _written(before: AnyBulletin, after: AnyBulletin) -> Refusal | None:
    """Return what an author is refused of a bulletin as corrected, and every reader reads."""
    try:
        written.check_corrected(before, after)
    except Refusal as refusal:
        return refusal
    return None
