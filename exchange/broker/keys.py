"""The names under which the journal finds an entry again: 32 bytes each, fixed for ever."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exchange.model.entry import Home
    from exchange.model.header import Header, Relation
    from exchange.model.objects import (
        Acknowledgement,
        Confirmation,
        Consent,
        Enrolment,
        Grant,
        Invitation,
        Release,
        Request,
        SealedDraft,
        Verdict,
    )


# A bulletin's names are asked for when it is looked up, when it is settled, and when kept.
@lru_cache(maxsize=4096)
def _named(*parts: str) -> bytes:
    # No part holds a line feed, so two lists of parts never join to the same bytes.
    return sha256("\n".join(parts).encode()).digest()


def bulletin(typ: str, origin: str, endpoint: str, identity: str) -> bytes:
    """Return the idempotency key of a signed object."""
    return _named("id", typ, origin, endpoint, identity)


def of_header(
    typ: str,
    header: Header
    | Acknowledgement
    | Grant
    | Release
    | SealedDraft
    | Confirmation
    | Consent
    | Request
    | Invitation
    | Enrolment
    | Verdict,
) -> bytes:
    """Return the idempotency key of a header, or of an object that has an id as it has."""
    return bulletin(typ, header.origin, header.endpoint, header.id)


def by_digest(header_digest: str) -> bytes:
    """Return the key that finds an accepted bulletin by the digest of its header."""
    return _named("digest", header_digest)


def bearing(  # noqa: PLR0913, PLR0917  (each is part of the name)
    relation: Relation,
    origin: str,
    header_digest: str,
    identity: str,
    kind: str = "",
    number: int = 0,
) -> bytes:
    """Return the key of a bulletin of an originator that bears so on a header, from 0.

    A cancellation takes the first whenever it comes, others only when they come before their
    target; after it they take ``later``.
    All that the target is held to when it is here first is in the key: what comes early and
    names another id, or an update that is of another type (``kind``), is never found by it,
    and keeps the key from nobody.
    """
    held_to = (identity, kind) if relation == "supersedes" else (identity,)
    return _named(relation, origin, header_digest, *held_to, *_after(number))


def later(relation: Relation, header_digest: str, number: int = 0) -> bytes:
    """Return the key of what bears so on a header that was here before it, from 0."""
    # Held to its target already: the digest says which one.
    return _named("later", relation, header_digest, *_after(number))


def _after(number: int) -> tuple[str, ...]:
    # The first has no number: so it was named when only the first was kept.
    return (str(number),) if number else ()


def granted_to(header_digest: str, endpoint: str) -> bytes:
    """Return the key of the first grant of a header to an endpoint."""
    return _named("granted-to", header_digest, endpoint)


def granted_with(header_digest: str, endpoint: str, kid: str) -> bytes:
    """Return the key of the first grant of a header to an endpoint that a key of it opens."""
    return _named("granted-with", header_digest, endpoint, kid)


def nth_grant(header_digest: str, number: int) -> bytes:
    """Return the key of a header's grant by its number, from 0: how all of them are found."""
    return _named("grant", header_digest, str(number))


def consent(header_digest: str, by: str, to: str, number: int) -> bytes:
    """Return the key of what is said of one giving a bulletin to another, by number, from 0."""
    return _named("consent", header_digest, by, to, str(number))


def controlled(blob_digest: str) -> bytes:
    """Return the key of the first bulletin under originator control that names a ciphertext."""
    return _named("controlled", blob_digest)


def release(endpoint: str, identity: str, header_digest: str, number: int) -> bytes:
    """Return the key of a release of a header by its number, from 0.

    All that a release says of its bulletin is in the key: one that names another author or id
    is never found by it, and keeps the key from nobody.
    """
    return _named("release", endpoint, identity, header_digest, str(number))


def draft(endpoint: str, header_digest: str) -> bytes:
    """Return the key of the one draft that an author asks to have released, by its header."""
    return _named("draft", endpoint, header_digest)


def decided(endpoint: str, header_digest: str) -> bytes:
    """Return the key of what declined or withdrew a draft: there is one, or none."""
    return _named("draft-decided", endpoint, header_digest)


def clock(header_digest: str) -> bytes:
    """Return the key of the notice that a boarding request's time began, by its header."""
    return _named("clock", header_digest)


def replied(header_digest: str, member: str) -> bytes:
    """Return the key of the first reply of a member to a boarding request."""
    return _named("replied", header_digest, member)


def purge(header_digest: str) -> bytes:
    """Return the key of the one order to purge a bulletin, by the digest of its header."""
    return _named("purge", header_digest)


def nth_invitation(nation: str, number: int) -> bytes:
    """Return the key of a nation's invitation by its number, from 0: how all are found."""
    return _named("invitation", nation, str(number))


def enrolled_by(invitation_digest: str) -> bytes:
    """Return the key of the one request that an invitation was used for."""
    return _named("enrolment-asked", invitation_digest)


def verdict_on(digest: str) -> bytes:
    """Return the key of the one verdict on a request, or on an unused invitation."""
    return _named("decided", digest)


def trust(name: str, version: int) -> bytes:
    """Return the key of one version of a trust document."""
    return _named("trust", name, str(version))


def of_trust(name: str, version: int, digest: str) -> tuple[bytes, ...]:
    """Return the keys of a trust document: by its digest, and as that version of its name.

    A node's timestamps count from 1 again once it signs by new keys, so their versions name
    none of them for ever; that each is the next is for the view to say.
    """
    if name.startswith("timestamps/"):
        return (by_digest(digest),)
    return (by_digest(digest), trust(name, version))


def crossed(home: Home) -> bytes:
    """Return the key of the one entry here of an entry in the other nation's journal."""
    return _named("crossed", home.node, str(home.index))


def notice(header_digest: str, about: str, recipient: str, giver: str = "") -> bytes:
    """Return the key of what a node told once of a bulletin and one recipient.

    ``giver`` is who was told, where that is not the bulletin's author.
    """
    named = (header_digest, about, recipient)
    return _named("notice", *named, giver) if giver else _named("notice", *named)
