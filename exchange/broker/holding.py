"""Who holds a bulletin, its recipients and those it was granted to; and who may be given it.

A bulletin's grants are found by number, so that one look-up before settling finds them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.broker import keys
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.header import BEARING, RELATION_OF
from exchange.policy import rules
from exchange.seal import jws
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exchange.broker.settle import Found
    from exchange.model.header import Header, Reference
    from exchange.model.objects import Grant, Subject
    from exchange.model.view import View

    Find = Callable[[bytes], Found | None]

# Grants of one bulletin. Every cancellation and correction looks for all of them.
MAX_GRANTS = 64


class Target(msgspec.Struct, frozen=True):
    """A bulletin that another object is about: entry, header, and to whom it is owed."""

    index: int
    header: Header
    owed: tuple[str, ...]


def lookups(header_digest: str) -> list[bytes]:
    """Return the keys of every grant that a bulletin may have."""
    return [keys.nth_grant(header_digest, number) for number in range(MAX_GRANTS)]


def grantees(header_digest: str, find: Find) -> list[str]:
    """Return the endpoints that a bulletin was granted to, in order."""
    return [_recipient(found.entry) for found in _grants(header_digest, find)]


def next_number(header_digest: str, find: Find) -> int:
    """Return the number of a bulletin's next grant."""
    return sum(1 for _ in _grants(header_digest, find))


def _grants(header_digest: str, find: Find) -> Iterator[Found]:
    for key in lookups(header_digest):
        found = find(key)
        if found is None:
            return
        yield found


def _recipient(entry: bytes) -> str:
    signed = jws.read(entries.decode(entry).object, objects.MAX_OBJECT_BYTES)
    return objects.decode_grant(signed.payload).to


def target(of: Subject, origin: str, find: Find) -> Target | None:
    """Return the bulletin that a grant or release is about, if it is here.

    Raises:
        Refusal: ``target-mismatch``: it is no bulletin, not of this originator, or of another
            id or endpoint than named.
    """
    found = find(keys.by_digest(of.header_digest))
    if found is None:
        return None
    entry = entries.decode(found.entry)
    if not isinstance(entry.facts, entries.Accepted):
        raise Refusal(Code.TARGET_MISMATCH, "/of", id=of.id)
    header = headers.decode(jws.read(entry.object, headers.MAX_HEADER_BYTES).payload)
    if (header.origin, header.endpoint, header.id) != (origin, of.endpoint, of.id):
        raise Refusal(Code.TARGET_MISMATCH, "/of", id=of.id)
    return Target(found.index, header, tuple(each.endpoint for each in entry.facts.owed))


def granted(grant: Grant, kid: str, view: View, now: int, find: Find) -> Target:
    """Return the bulletin that a grant gives, once it may be given to that recipient.

    Args:
        grant: verified.
        kid: the recipient's key that it is wrapped to.
        view: the trust documents in force.
        now: taken time, seconds UTC.
        find: returns the entry that a key leads to.

    Raises:
        Refusal: the first rule that it breaks.
    """
    of = grant.of
    found = target(of, grant.origin, find)
    if found is None:
        raise Refusal(Code.TARGET_UNKNOWN, "/of", id=of.id)
    if cancelled := find(keys.bearing("cancels", grant.origin, of.header_digest, of.id)):
        raise Refusal(Code.TARGET_CANCELLED, "/of", id=of.id, found=cancelled.index)
    # Until then its content is kept; from then on it is to be nowhere.
    if now >= found.header.retain_until:
        raise Refusal(Code.EXPIRED, "/of", found=found.header.retain_until)
    if grant.to in found.header.to or find(keys.granted_to(of.header_digest, grant.to)):
        raise Refusal(Code.ALREADY_HELD, "/to", name=grant.to)
    # One suite a bulletin: a key of another could open nothing.
    if view.endpoints[grant.to].keys[kid].jwk.alg != SUITES[found.header.suite].wrap:
        raise Refusal(Code.RECIPIENT_KEY_UNFIT, "/to", name=grant.to)
    rules.may_be_granted(found.header, view.standing(grant.endpoint), grant.to, view)
    return found


def early(header: Header, header_digest: str) -> list[bytes]:
    """Return the keys of what may bear on a bulletin before it comes, in order of BEARING."""
    origin, identity, kind = header.origin, header.id, header.type
    return [keys.bearing(rel, origin, header_digest, identity, kind) for rel in BEARING]


def later(header_digest: str) -> list[bytes]:
    """Return the keys of what corrects and what supersedes a bulletin that was here before."""
    return [keys.later(rel, header_digest) for rel in ("corrects", "supersedes")]


def bearing_of(header: Header, reference: Reference) -> list[bytes]:
    """Return the keys of what bears on a target as this does, and of what cancels it."""
    named = (header.origin, reference.header_digest, reference.id, header.type)
    return [keys.bearing(rel, *named) for rel in (reference.rel, "cancels")]


def target_of(header: Header) -> Reference | None:
    """Return the reference to what this one cancels, corrects or supersedes, if it does."""
    relation = RELATION_OF.get(header.verb)
    return header.reference(relation) if relation in BEARING else None


class Bearing(NamedTuple):
    """What an arrival has to do with its target: its entry, who holds it, and keys to take."""

    target: int | None = None
    holders: tuple[str, ...] = ()
    keys: tuple[bytes, ...] = ()


def bear(header: Header, find: Find) -> Bearing:
    """Hold an arrival to the bulletin that it cancels, corrects or supersedes.

    The target may be still to come: then the key that is taken here lets it name this one. Else
    a later grant of the target does.

    Raises:
        Refusal: ``target-mismatch``, or ``target-cancelled``: an update of what is no more.
    """
    reference = target_of(header)
    if reference is None:
        return Bearing()
    named = reference.header_digest
    target = find(keys.by_digest(named))
    holders: tuple[str, ...] = ()
    if target is not None:
        holders = (*_holders(target.entry, header, reference), *grantees(named, find))
    key, cancelling = bearing_of(header, reference)
    if reference.rel == "supersedes" and (cancelled := find(cancelling)):
        raise Refusal(Code.TARGET_CANCELLED, "/refs", id=reference.id, found=cancelled.index)
    if target is not None and reference.rel != "cancels":
        key = keys.later(reference.rel, named)
    taken = (key,) if find(key) is None else ()
    return Bearing(target.index if target else None, holders, taken)


def _holders(entry: bytes, header: Header, reference: Reference) -> tuple[str, ...]:
    """Return everybody who holds the target of what bears on it.

    Raises:
        Refusal: ``target-mismatch``: it is not a bulletin of this originator, or another id; or
            it is of another type than its update.
    """
    target = entries.decode(entry)
    if not isinstance(target.facts, entries.Accepted):
        raise Refusal(Code.TARGET_MISMATCH, "/refs")
    before = headers.decode(jws.read(target.object, headers.MAX_HEADER_BYTES).payload)
    is_its_own_kind = reference.rel != "supersedes" or before.type == header.type
    if (before.origin, before.id) != (header.origin, reference.id) or not is_its_own_kind:
        raise Refusal(Code.TARGET_MISMATCH, "/refs", id=reference.id)
    return tuple(owed.endpoint for owed in target.facts.owed)
