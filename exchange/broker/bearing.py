"""What cancels, corrects or supersedes a bulletin: held to its target, and found again from it.

A correction or an update stands until it is cancelled. Which of them stand is asked when a
bulletin is granted, and when it comes after them: its new holder was owed none of them.
"""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from exchange.broker import holding, keys
from exchange.errors import Code, Refusal
from exchange.model.header import BEARING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exchange.broker.holding import Find, Target
    from exchange.broker.records import Found
    from exchange.model.header import Header, Reference, Relation

# What bears on one bulletin in one way and is found again; and all that bears on it, on what
# corrects it, and so on. More is taken in all the same, and owed to every holder: only granted
# is such a bulletin no more. Protects the writer from a history without end.
MAX_BEARING: Final = 64
MAX_STANDING: Final = 128


class Bearing(NamedTuple):
    """What an arrival has to do with its target.

    Attributes:
        target: its entry, if it is here.
        holders: who hears of the arrival.
        keys: to take for it.
        granted: to whom what it cancels was granted, with the index of the grant.
    """

    target: int | None = None
    holders: tuple[str, ...] = ()
    keys: tuple[bytes, ...] = ()
    granted: tuple[tuple[str, int], ...] = ()


def early(header: Header, header_digest: str) -> tuple[bytes, ...]:
    """Return the keys of what may bear on a bulletin before it comes, in order of BEARING."""
    return _early(header.origin, header_digest, header.id, header.type)


# Asked for five times on a bulletin's way; as many are kept as of its other names.
@lru_cache(maxsize=1024)
def _early(origin: str, header_digest: str, identity: str, kind: str) -> tuple[bytes, ...]:
    return tuple(keys.bearing(rel, origin, header_digest, identity, kind) for rel in BEARING)


def of_target(header: Header, reference: Reference) -> list[bytes]:
    """Return the keys of what bears on a target as this does, and of what cancels it."""
    named = (header.origin, reference.header_digest, reference.id, header.type)
    return [
        *(keys.bearing(rel, *named) for rel in (reference.rel, "cancels")),
        keys.later(reference.rel, reference.header_digest),
    ]


def bear(header: Header, find: Find) -> Bearing:
    """Hold an arrival to the bulletin that it cancels, corrects or supersedes.

    The target may be still to come: then the key that is taken here lets it name this one. Else
    a later grant of the target does.

    Raises:
        Refusal: ``target-mismatch``, or ``target-cancelled``: an update of what is no more.
    """
    reference = holding.target_of(header)
    if reference is None:
        return Bearing()
    rel, named = reference.rel, reference.header_digest
    found = find(keys.by_digest(named))
    told: tuple[str, ...] = ()
    if found is not None:
        target = holding.held_to(found, header, reference)
        told = tuple(holding.holders(target, find))
        if rel == "cancels" and target.header.endpoint != header.endpoint:
            # A colleague's: its author is to destroy it, and obeys nobody's word but this.
            told = (*told, target.header.endpoint)
    full = (rel, header.origin, named, reference.id, header.type)
    cancelling = keys.bearing("cancels", *full[1:])
    if rel == "supersedes" and (cancelled := find(cancelling)):
        raise Refusal(Code.TARGET_CANCELLED, "/refs", id=reference.id, found=cancelled.index)
    taken: tuple[bytes, ...]
    if rel == "cancels":
        # One suffices; it stands for good.
        taken = () if find(cancelling) else (cancelling,)
    elif found is not None:
        taken = _next(partial(keys.later, rel, named), find)
    else:
        taken = _next(partial(keys.bearing, *full), find)
    granted = tuple(holding.grants(named, find)) if found and rel == "cancels" else ()
    return Bearing(found.index if found else None, told, taken, granted)


def _next(key: Callable[[int], bytes], find: Find) -> tuple[bytes, ...]:
    number = len(_numbered(key, find))
    return (key(number),) if number < MAX_BEARING else ()


def _numbered(key: Callable[[int], bytes], find: Find) -> list[Found]:
    """Return what is found under numbered keys, up to the first under which nothing is."""
    first = find(key(0))
    if first is None:
        return []
    # All at once: who looks them up for us goes to the store once more, not once for each.
    others = [find(key(number)) for number in range(1, MAX_BEARING)]
    return [first, *(each for each in takewhile(lambda one: one is not None, others) if each)]


def names(header: Header, header_digest: str) -> list[bytes]:
    """Return every key under which what bears on a bulletin may be found, whenever it came."""
    cancels, *amending = BEARING
    named = (header.origin, header_digest, header.id, header.type)
    found = [keys.bearing(cancels, *named)]
    for number in range(MAX_BEARING):
        for rel in amending:
            found.append(keys.bearing(rel, *named, number))
            found.append(keys.later(rel, header_digest, number))
    return found


def cancelled(target: Target) -> bytes:
    """Return the key of what cancels a bulletin that is here."""
    header = target.header
    return keys.bearing("cancels", header.origin, target.digest, header.id)


def by_colleagues(of: Header, bearing: Iterable[Target]) -> list[Target]:
    """Return what corrects a bulletin and its author did not post: nor is the author owed it.

    Args:
        of: the bulletin's header.
        bearing: what is found under its ``names``.
    """
    return [
        each
        for each in bearing
        if each.header.verb == "correct" and each.header.endpoint != of.endpoint
    ]


class Standing(NamedTuple):
    """What stands of all that bears on a bulletin, in journal order.

    Attributes:
        corrections: what corrects it, and what corrects that; none of them cancelled.
        updates: what supersedes it, not cancelled, and not superseded in its turn.
        is_whole: all that there is was looked through.
    """

    corrections: list[Target]
    updates: list[Target]
    is_whole: bool


def standing(header: Header, header_digest: str, find: Find) -> Standing:
    """Return what stands of all that corrects or supersedes a bulletin."""
    corrections = _Found(header, header_digest, "corrects", find)
    updates = _Found(header, header_digest, "supersedes", find)
    return Standing(
        corrections.standing(),
        updates.leaves(),
        corrections.is_whole and updates.is_whole,
    )


def come_early(header: Header, header_digest: str, find: Find) -> Standing | None:
    """Return what stands of what corrected or superseded a bulletin before it came."""
    _, *amending = early(header, header_digest)
    if not any(map(find, amending)):
        return None
    return standing(header, header_digest, find)


def widest(target: Target, stands: Standing, find: Find) -> int:
    """Return to how many what cancels a bulletin, or what bears on it, may be owed."""
    concerned = (target, *stands.corrections, *stands.updates)
    # One more: its author, where a colleague cancels it.
    return max(len(holding.holders(each, find)) for each in concerned) + 1


class _Node(NamedTuple):
    target: Target
    parent: int
    is_cancelled: bool


class _Found:
    """All that one relation leads to from a bulletin."""

    def __init__(self, header: Header, header_digest: str, rel: Relation, find: Find) -> None:
        self.is_whole = True
        self._nodes: list[_Node] = []
        self._find = find
        self._rel = rel
        self._add(-1, header, header_digest)
        # It grows as it is gone through; digests cannot run in a circle.
        for place, node in enumerate(self._nodes):
            self._add(place, node.target.header, node.target.digest)

    def _add(self, parent: int, header: Header, header_digest: str) -> None:
        full = (self._rel, header.origin, header_digest, header.id, header.type)
        for key in (partial(keys.bearing, *full), partial(keys.later, self._rel, full[2])):
            found = _numbered(key, self._find)
            self.is_whole &= len(found) < MAX_BEARING
            for each in found:
                if len(self._nodes) == MAX_STANDING:
                    self.is_whole = False
                    return
                if (target := holding.read(each)) is not None:
                    self._nodes.append(_Node(target, parent, self._is_cancelled(target)))

    def _is_cancelled(self, target: Target) -> bool:
        return self._find(cancelled(target)) is not None

    def standing(self) -> list[Target]:
        """Return what is not cancelled, and bears on nothing that is."""
        stands: list[bool] = []
        for node in self._nodes:
            stands.append(not node.is_cancelled and (node.parent < 0 or stands[node.parent]))
        return self._in_order(stands)

    def leaves(self) -> list[Target]:
        """Return what is not cancelled and leads to nothing that is not."""
        leads = [False] * len(self._nodes)
        for place, node in reversed(list(enumerate(self._nodes))):
            if node.parent >= 0 and (leads[place] or not node.is_cancelled):
                leads[node.parent] = True
        return self._in_order(
            not (node.is_cancelled or is_led)
            for node, is_led in zip(self._nodes, leads, strict=True)
        )

    def _in_order(self, stands: Iterable[bool]) -> list[Target]:
        chosen = [node.target for node, is_so in zip(self._nodes, stands, strict=True) if is_so]
        return sorted(chosen, key=lambda each: each.index)
