"""Who holds a bulletin, its recipients and those it was granted to; and who may be given it.

A bulletin's grants are found by number, so that one look-up before settling finds them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.broker import consents, keys
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.header import BEARING, RELATION_OF
from exchange.model.identity import member_of
from exchange.policy import rules
from exchange.seal import jws
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exchange.broker.records import Found
    from exchange.model.header import Header, Reference
    from exchange.model.objects import Grant, Subject
    from exchange.model.view import View

    Find = Callable[[bytes], Found | None]

# Grants of one bulletin. Every cancellation and correction looks for all of them.
MAX_GRANTS = 64
# What bears on one bulletin in one way and is found again. Any more is taken in all the same,
# and owed to who holds the bulletin; only there is no grant of it any more.
MAX_BEARING = 64


class Target(msgspec.Struct, frozen=True):
    """A bulletin that another object is about: its entry, whom it is owed and sealed to."""

    index: int
    header: Header
    digest: str
    owed: tuple[str, ...]
    wraps: tuple[str, ...] = ()


def indexes(targets: Sequence[Target]) -> list[int] | msgspec.UnsetType:
    """Return their entries, as an entry names them: not at all where there are none."""
    return [each.index for each in targets] or msgspec.UNSET


def lookups(header_digest: str) -> list[bytes]:
    """Return the keys of every grant that a bulletin may have."""
    return [keys.nth_grant(header_digest, number) for number in range(MAX_GRANTS)]


def grantees(header_digest: str, find: Find) -> list[str]:
    """Return the endpoints that a bulletin was granted to, in order."""
    return [endpoint for endpoint, _ in grants(header_digest, find)]


def grants(header_digest: str, find: Find) -> list[tuple[str, int]]:
    """Return to whom a bulletin was granted, each with the index of the grant, in order."""
    return [(_grant(found.entry).to, found.index) for found in granted_in(header_digest, find)]


def next_number(header_digest: str, find: Find) -> int:
    """Return the number of a bulletin's next grant."""
    return sum(1 for _ in granted_in(header_digest, find))


def granted_in(header_digest: str, find: Find) -> Iterator[Found]:
    """Yield the entries in which a bulletin was granted, in order."""
    for key in lookups(header_digest):
        found = find(key)
        if found is None:
            return
        yield found


def _grant(entry: bytes) -> Grant:
    signed = jws.read(entries.decode(entry).object, objects.MAX_OBJECT_BYTES)
    return objects.decode_grant(signed.payload)


def target(of: Subject, origin: str, find: Find) -> Target | None:
    """Return the bulletin that a grant or release is about, if it is here.

    Raises:
        Refusal: ``target-mismatch``: it is no bulletin, not of this originator, or of another
            id or endpoint than named.
    """
    found = find(keys.by_digest(of.header_digest))
    if found is None:
        return None
    named = read(found)
    if named is None:
        raise Refusal(Code.TARGET_MISMATCH, "/of", id=of.id)
    header = named.header
    if (header.origin, header.endpoint, header.id) != (origin, of.endpoint, of.id):
        raise Refusal(Code.TARGET_MISMATCH, "/of", id=of.id)
    return named


def holds(bulletin: Target, endpoint: str, find: Find) -> bool:
    """Tell whether a bulletin was sealed to an endpoint, or is shown to it by a grant, now."""
    return endpoint in bulletin.header.to or bool(shown_by(bulletin, endpoint, find))


def must_hold(bulletin: Target, endpoint: str, find: Find, at: str) -> None:
    """Hold one who is to give a bulletin to holding it now.

    Raises:
        Refusal: ``not-a-recipient``: it never did; or ``consent-withdrawn``: it was given it by
            a leave that was taken back, and is shown it no more.
    """
    if holds(bulletin, endpoint, find):
        return
    was_given = find(keys.granted_to(bulletin.digest, endpoint)) is not None
    code = Code.CONSENT_WITHDRAWN if was_given else Code.NOT_A_RECIPIENT
    raise Refusal(code, at, name=endpoint)


def shown_by(bulletin: Target, endpoint: str, find: Find) -> list[Found]:
    """Return the grants by which an endpoint is shown a bulletin now, in order.

    What another member gave by a consent that was withdrawn since is shown to nobody.
    """
    if find(keys.granted_to(bulletin.digest, endpoint)) is None:
        return []
    # Of all, before any is looked at: who looks up beforehand is to ask for all at once.
    known = {key: find(key) for key in lookups(bulletin.digest)}
    to_it = [
        (found, said)
        for found in granted_in(bulletin.digest, known.get)
        if (said := _grant(found.entry)).to == endpoint
    ]
    asked = [
        consents.newest(bulletin.digest, said.endpoint, endpoint, find) for _, said in to_it
    ]
    return [
        found
        for (found, said), consent in zip(to_it, asked, strict=True)
        if _is_shown(bulletin.header, found, said, consent[1] if consent else None)
    ]


def _is_shown(
    header: Header, found: Found, grant: Grant, consent: rules.Consent | None
) -> bool:
    taken_ms = entries.decode(found.entry).facts.taken_ms
    given = rules.Given(grant.endpoint, taken_ms // 1000, consent)
    try:
        rules.may_go_onward(header, given, grant.to, "")
    except Refusal:
        return False
    return True


def granted(
    grant: Grant, kid: str, view: View, now: int, find: Find
) -> tuple[Target, int | None]:
    """Return the bulletin that a grant gives, once it may be given to that recipient.

    With it the entry of the originator's consent, where one of another member gives it by that.

    Args:
        grant: verified.
        kid: the recipient's key that it is wrapped to.
        view: the trust documents in force.
        now: taken time, seconds UTC.
        find: returns the entry that a key leads to.

    Raises:
        Refusal: the first rule that it breaks.
    """
    of, origin = grant.of, member_of(grant.of.endpoint)
    found = target(of, origin, find)
    if found is None:
        raise Refusal(Code.TARGET_UNKNOWN, "/of", id=of.id)
    is_passed_on = grant.origin != origin
    if is_passed_on:
        must_hold(found, grant.endpoint, find, "/endpoint")
    if cancelled := find(keys.bearing("cancels", origin, of.header_digest, of.id)):
        raise Refusal(Code.TARGET_CANCELLED, "/of", id=of.id, found=cancelled.index)
    must_not_be_purged(of.header_digest, find)
    # One suite a bulletin: a key of another could open nothing.
    if view.endpoints[grant.to].keys[kid].jwk.alg != SUITES[found.header.suite].wrap:
        raise Refusal(Code.RECIPIENT_KEY_UNFIT, "/to", name=grant.to)
    said = None
    if is_passed_on:
        said = consents.newest(of.header_digest, grant.endpoint, grant.to, find)
    given = rules.Given(grant.endpoint, now, said[1] if said else None)
    # Whether it needs a release, and whose, is asked when it is given its place.
    rules.decide(
        "grant", found.header, view, now, recipient=grant.to, given=given, released=None
    )
    return found, said[0] if said else None


def must_be_new(  # noqa: PLR0913, PLR0917  (each is part of the question)
    bulletin: Target, endpoint: str, kid: str | None, view: View, now: int, find: Find
) -> None:
    """Hold what is to be given to not being there yet.

    Asked last: whoever may not give it to somebody is not to learn by that who holds it.

    Raises:
        Refusal: ``already-held``.
    """
    if can_open(bulletin, endpoint, kid, view, now, find):
        raise Refusal(Code.ALREADY_HELD, "/to", name=endpoint)


def must_not_be_purged(header_digest: str, find: Find) -> None:
    """Hold what is done to a bulletin to its being kept.

    Raises:
        Refusal: ``purged``: that was ordered.
    """
    if ordered := find(keys.purge(header_digest)):
        raise Refusal(Code.PURGED, "/of", found=ordered.index)


def can_open(  # noqa: PLR0913, PLR0917  (each is part of the question)
    bulletin: Target, endpoint: str, kid: str | None, view: View, now: int, find: Find
) -> bool:
    """Tell whether an endpoint holds a bulletin, wrapped to a key that it is known to have.

    One whose keys were lost holds what nobody opens. It may be granted the bulletin again once
    none of those keys is valid any more, each time with another key. What it is shown no more,
    it may be granted again with any key.
    """
    wraps = set(bulletin.wraps) if endpoint in bulletin.header.to else set()
    for each in shown_by(bulletin, endpoint, find):
        facts = entries.decode(each.entry).facts
        wraps |= {facts.kid} if isinstance(facts, entries.Granted) else set()
    listed = view.endpoints[endpoint].keys
    # A key in the container of its owner alone may still be good when its time is over.
    return kid in wraps or any(key in listed and listed[key].until > now for key in wraps)


def target_of(header: Header) -> Reference | None:
    """Return the reference to what this one cancels, corrects or supersedes, if it does."""
    relation = RELATION_OF.get(header.verb)
    return header.reference(relation) if relation in BEARING else None


def holders(target: Target, find: Find) -> list[str]:
    """Return everybody who must hear what is done to a bulletin, in order.

    They hold it; or they hold what it corrects or supersedes itself, so were told of it: in the
    entry of their grant, or of that bulletin where this one came first.
    """
    told: list[str] = []
    each: Target | None = target
    while each is not None:
        told += [*each.owed, *grantees(each.digest, find)]
        each = _parent(each.header, find)
    return list(dict.fromkeys(told))


def _parent(header: Header, find: Find) -> Target | None:
    """Return what a bulletin bears on, if that is here; what came early was not held to it."""
    reference = target_of(header)
    found = find(keys.by_digest(reference.header_digest)) if reference else None
    if reference is None or found is None:
        return None
    try:
        return held_to(found, header, reference)
    except Refusal:
        return None


def held_to(found: Found, header: Header, reference: Reference) -> Target:
    """Return the target of what bears on it.

    Raises:
        Refusal: ``target-mismatch``: it is not a bulletin of this originator, or another id; or
            it is of another type than its update.
    """
    target = read(found)
    if target is None:
        raise Refusal(Code.TARGET_MISMATCH, "/refs")
    before = target.header
    is_its_own_kind = reference.rel != "supersedes" or before.type == header.type
    if (before.origin, before.id) != (header.origin, reference.id) or not is_its_own_kind:
        raise Refusal(Code.TARGET_MISMATCH, "/refs", id=reference.id)
    return target


def read(found: Found) -> Target | None:
    """Return the bulletin in an entry; None where it is no bulletin."""
    entry = entries.decode(found.entry)
    if not isinstance(entry.facts, entries.Accepted):
        return None
    header = headers.decode(jws.read(entry.object, headers.MAX_HEADER_BYTES).payload)
    owed = tuple(each.endpoint for each in entry.facts.owed)
    return Target(found.index, header, entry.facts.digest, owed, tuple(entry.facts.wraps))
