"""What bulletins of one inbox do to each other: cancel, correct, supersede, by one originator.

A node says so by index; here it is read again from the signed headers, and a correction is held
to the text that it corrects, which no node can do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client.reading import Delivered
from exchange.errors import Code, Refusal
from exchange.model.bulletin import AnyBulletin, Cor, corrected, doubts, unfounded
from exchange.model.bulletin.amendments import Change
from exchange.model.bulletin.indicators import turned
from exchange.model.bulletin.weighing import Told, of_text
from exchange.model.header import BEARING, RELATION_OF, Reference, Relation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.reading import Item
    from exchange.model.bulletin import Indicator
    from exchange.model.codes import Codes
    from exchange.model.header import Header

# So many corrections before one, direct or of each other, are applied to see whether it holds:
# protects whoever reads from a chain that takes minutes. Nobody corrects a bulletin so often.
MAX_CORRECTIONS = 256


class Mark(msgspec.Struct, frozen=True):
    """The entry at ``index`` cancels, corrects or supersedes the bulletin so marked.

    Unless it ``is_here``, in the inbox that was looked through, the node's word is all we have.
    """

    relation: Relation
    index: int
    is_here: bool = True


class Claim(msgspec.Struct, frozen=True):
    """A change whose ``before`` is not what the bulletin said: what it did say is ``found``."""

    change: Change
    found: object


class Held(msgspec.Struct, frozen=True):
    """A correction beside what it corrects, as earlier corrections had left that.

    ``after`` is the bulletin as it should read, or None where the correction does not hold:
    then ``refusal`` says why, and ``unfounded`` which of its changes. ``is_partial``: an
    earlier correction is not here, or cannot be read here whole, and may have changed it.
    """

    target: Delivered
    before: AnyBulletin
    after: AnyBulletin | None
    refusal: Refusal | None = None
    unfounded: list[Claim] = []
    is_partial: bool = False


def reference_of(header: Header) -> Reference | None:
    """Return the reference to what a bulletin cancels, corrects or supersedes, if it does."""
    relation = RELATION_OF.get(header.verb)
    return header.reference(relation) if relation in BEARING else None


def target_of(item: Delivered, items: Sequence[Item]) -> Delivered | None:
    """Return the bulletin that an item bears on, if we hold it and it is its originator's."""
    reference = reference_of(item.header)
    if reference is None:
        return None
    named = (item.header.origin, reference.id, reference.header_digest)
    return next(
        (
            each
            for each in items
            if isinstance(each, Delivered)
            and (each.header.origin, each.header.id, each.digest) == named
        ),
        None,
    )


def marks(items: Sequence[Item]) -> dict[int, list[Mark]]:
    """Return by index what was done to each bulletin, in the journal's order.

    What came before its target, or before the target was granted to us, and is not in this
    inbox, is known from the target's entry or its grant.
    """
    found: dict[int, set[tuple[int, Relation]]] = {}
    held = [item for item in items if isinstance(item, Delivered)]
    here = {each.accepted: each.index for each in held}
    # By the originator alone: what another says of it is no business of this one.
    places = {(each.header.origin, each.header.id, each.digest): each.index for each in held}
    for item in held:
        if reference := reference_of(item.header):
            named = (item.header.origin, reference.id, reference.header_digest)
            if named in places:
                found.setdefault(places[named], set()).add((item.index, reference.rel))
        for relation, index in item.earlier:
            # Granted to us too, it stands here at the entry of its grant.
            found.setdefault(item.index, set()).add((here.get(index, index), relation))
    at = set(here.values())
    return {
        place: [Mark(relation, index, index in at) for index, relation in sorted(told)]
        for place, told in found.items()
    }


def corrections(item: Delivered, items: Sequence[Item]) -> list[Delivered]:
    """Return what corrects a bulletin, in the journal's order, whatever came of it."""
    return [
        each
        for each in items
        if isinstance(each, Delivered)
        and each.header.verb == "correct"
        and target_of(each, [item]) is not None
    ]


def hold(correction: Delivered, items: Sequence[Item], codes: Codes) -> Held | None:
    """Hold a correction to what it corrects; None where one of the two cannot be read here.

    So too where it does not match and an earlier correction, which may be why, is not here or
    cannot be read here whole.
    """
    target = target_of(correction, items)
    if target is None or not isinstance(correction.bulletin, Cor) or target.bulletin is None:
        return None
    if target.not_understood or correction.not_understood:
        # Of a newer version: what it corrects may be what is not known here.
        return None
    earlier = _Earlier(items, correction.accepted)
    order = earlier.within(target)
    if len(order) - 1 > MAX_CORRECTIONS:
        refusal = Refusal(Code.OVERSIZED, "/refs", corrections=len(order) - 1)
        return Held(target, target.bulletin, None, refusal)
    before = _as_corrected(order, earlier, codes)
    if before is None:
        return None
    held = _held(target, before, correction.bulletin, codes)
    done = marks(items)
    is_missing = any(
        mark.relation == "corrects" and not mark.is_here and mark.index < correction.accepted
        for each in order
        for mark in done.get(each.index, [])
    )
    is_missing = is_missing or any(
        each.bulletin is None or each.not_understood for each in order[1:]
    )
    if held.after is None and is_missing:
        return None
    return msgspec.structs.replace(held, is_partial=is_missing)


def as_corrected(item: Delivered, items: Sequence[Item], codes: Codes) -> AnyBulletin | None:
    """Return what a bulletin says by now, all that corrects it applied; cancelled ones are not.

    None where that cannot be said: one of them is not here, cannot be read, or does not hold.
    """
    earlier = _Earlier(items, 1 << 62)
    order = earlier.within(item)
    known = {each.index for each in order}
    for each in order:
        told = marks(items).get(each.index, [])
        is_missing = any(m.relation == "corrects" and not m.is_here for m in told)
        if is_missing or each.bulletin is None or each.not_understood:
            return None
    for each in order[1:]:
        held = hold(each, items, codes)
        if held is None or held.after is None or held.target.index not in known:
            return None
    return _as_corrected(order, earlier, codes)


def warnings(item: Delivered, items: Sequence[Item], codes: Codes) -> list[Indicator]:
    """Return what the reader of a correction or an update is warned of beside earlier texts.

    Nothing where the earlier text is not here, nor again what the text shows by itself.
    """
    bulletin, texts = item.bulletin, _texts(item, items, codes)
    if bulletin is None or texts is None:
        return []
    before, after = texts
    found = turned(Told(of_text(before), of_text(after)))
    if isinstance(bulletin, Cor):
        known = [(each.code, each.at) for each in doubts(before)]
        found += [each for each in doubts(after) if (each.code, each.at) not in known]
    told = {each.code for each in doubts(bulletin, item.not_understood)}
    return [each for each in found if each.code not in told]


def _texts(
    item: Delivered, items: Sequence[Item], codes: Codes
) -> tuple[AnyBulletin, AnyBulletin] | None:
    """Return what a bulletin said, and what its correction or update makes of it."""
    if item.header.verb == "correct":
        held = hold(item, items, codes)
        return None if held is None or held.after is None else (held.before, held.after)
    target = target_of(item, items)
    if target is None or target.bulletin is None or item.bulletin is None:
        return None
    return target.bulletin, item.bulletin


class _Earlier:
    """The corrections before an entry that are not cancelled, by what they correct."""

    def __init__(self, items: Sequence[Item], until: int) -> None:
        # In the order in which they were taken in: a grant may bring them in any other.
        held = [item for item in items if isinstance(item, Delivered)]
        held.sort(key=lambda each: each.accepted)
        named = {(each.header.origin, each.header.id, each.digest): each.index for each in held}
        done = marks(items)
        self._of: dict[int, list[Delivered]] = {}
        for each in held:
            reference = reference_of(each.header)
            if reference is None or reference.rel != "corrects" or each.accepted >= until:
                continue
            name = (each.header.origin, reference.id, reference.header_digest)
            is_cancelled = any(mark.relation == "cancels" for mark in done.get(each.index, ()))
            if name in named and not is_cancelled:
                self._of.setdefault(named[name], []).append(each)

    def of(self, item: Delivered) -> Sequence[Delivered]:
        """Return what corrects this very bulletin, in the journal's order."""
        return self._of.get(item.index, ())

    def within(self, item: Delivered) -> list[Delivered]:
        """Return a bulletin, then what corrects it, then what corrects that, and so on."""
        order = [item]
        # It grows as it is gone through; digests cannot run in a circle.
        for each in order:
            order += self.of(each)
        return order


def _as_corrected(
    order: Sequence[Delivered], earlier: _Earlier, codes: Codes
) -> AnyBulletin | None:
    """Return the first bulletin as corrections left it: those that hold, as corrected too."""
    texts: dict[int, AnyBulletin | None] = {}
    for item in reversed(order):
        bulletin = item.bulletin
        for each in earlier.of(item):
            said = texts[each.index]
            if bulletin is not None and isinstance(said, Cor):
                bulletin = _held(item, bulletin, said, codes).after or bulletin
        texts[item.index] = bulletin
    return texts[order[0].index]


def _held(target: Delivered, before: AnyBulletin, correction: Cor, codes: Codes) -> Held:
    try:
        after = corrected(before, correction, codes)
    except Refusal as refusal:
        claims = [Claim(change, found) for change, found in unfounded(before, correction)]
        return Held(target, before, None, refusal, claims)
    return Held(target, before, after)
