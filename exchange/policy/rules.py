"""Whether a bulletin may pass: each rule raises the refusal it stands for, or says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.model.header import BEARING, RELATION_OF

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from exchange.model.header import Blob, Header, Verb
    from exchange.model.objects import Release
    from exchange.model.trust import Limits
    from exchange.model.view import Standing, View

# The types that bind a verb; every other type is new or an update of its own kind.
VERB_OF: dict[str, Verb] = {"cor": "correct", "can": "cancel", "rpy": "reply", "brp": "reply"}


def admit(header: Header, standing: Standing, view: View, now: int) -> None:
    """Apply what the arrangement says of the bulletin itself.

    Args:
        header: verified.
        standing: its author.
        view: the trust documents in force.
        now: taken time, seconds UTC.

    Raises:
        Refusal: the first rule that it breaks.
    """
    _posting(header, standing, view)
    _kind(header)
    _times(header, view.agreed().limits, now)
    if header.schema not in view.agreed().schemas:
        raise Refusal(Code.SCHEMA_NOT_KNOWN, "/schema", found=header.schema)
    if header.regime is not None and header.regime not in view.agreed().regimes:
        raise Refusal(Code.WRONG_VALUE, "/regime", found=header.regime)
    _trust_point(header, view)
    _protected(header)


def attached(header: Header, held: Collection[Blob]) -> None:
    """Hold a header to what its author uploaded: each attachment is here, whole and verified.

    Args:
        header: verified.
        held: which of its attachments are here, by digest and size: a fact from outside.

    Raises:
        Refusal: ``missing-blob``, naming the first that is not.
    """
    for place, blob in enumerate(header.attachments):
        if blob not in held:
            raise Refusal(Code.MISSING_BLOB, f"/attachments/{place}", digest=blob.digest)


def is_late(header: Header, view: View, now: int) -> bool:
    """Tell whether a bulletin took longer to arrive than the arrangement calls usual."""
    return now - header.issued > view.agreed().limits.late_s


def _posting(header: Header, standing: Standing, view: View) -> None:
    feed = view.feed(header.feed)
    if header.type not in feed.types:
        raise Refusal(Code.TYPE_NOT_ON_FEED, "/type", found=header.type, name=feed.name)
    if standing.member.member not in feed.post or "poster" not in standing.endpoint.roles:
        raise Refusal(Code.MAY_NOT_POST, "/feed", name=feed.name)


def _kind(header: Header) -> None:
    expected = VERB_OF.get(header.type)
    if expected is None and header.verb not in ("new", "update"):
        raise Refusal(Code.VERB_TYPE_MISMATCH, "/verb", expected="new", found=header.verb)
    if expected is not None and header.verb != expected:
        raise Refusal(Code.VERB_TYPE_MISMATCH, "/verb", expected=expected, found=header.verb)
    relation = RELATION_OF.get(header.verb)
    if relation is not None and header.reference(relation) is None:
        raise Refusal(Code.REFERENCE_MISSING, "/refs", expected=relation)
    # A second target would be passed over in silence.
    if relation in BEARING and sum(r.rel == relation for r in header.refs) > 1:
        raise Refusal(Code.WRONG_VALUE, "/refs", expected="one-target")


def _times(header: Header, limits: Limits, now: int) -> None:
    if header.issued > now + limits.skew_s:
        raise Refusal(Code.NOT_YET_ISSUED, "/issued", limit=limits.skew_s)
    # Expiry is judged here, at the moment of receipt, and never again at reading.
    if header.expires <= now:
        raise Refusal(Code.EXPIRED, "/expires", found=header.expires)
    lifetime = header.expires - header.issued
    if not 0 < lifetime <= limits.lifetime_s:
        raise Refusal(Code.LIFETIME, "/expires", limit=limits.lifetime_s, found=lifetime)
    if header.retain_until < header.expires:
        raise Refusal(Code.LIFETIME, "/retain_until", found=header.retain_until)


def _trust_point(header: Header, view: View) -> None:
    # A sender whose trust inbox differs from ours was shown another history: refuse, loudly.
    place = header.trust.position
    # Nobody can seal before having seen the root: position 0 would be of any history.
    if place < 1 or place > view.position or view.heads[place] != header.trust.head:
        raise Refusal(Code.TRUST_INVALID, "/trust", found=place, limit=view.position)


def _protected(header: Header) -> None:
    if "protected-person" in header.declares and header.marking.tlp not in (
        "red",
        "amber+strict",
    ):
        raise Refusal(Code.PROTECTED_PERSONS, "/marking/tlp", found=header.marking.tlp)
    if "persons" in header.declares and header.marking.tlp in ("green", "clear"):
        raise Refusal(Code.PERSONS_AUDIENCE, "/marking/tlp", found=header.marking.tlp)


def recipients(header: Header, view: View) -> list[Standing]:
    """Return those named in ``to``, once each of them may have this bulletin.

    Raises:
        Refusal: the first recipient that may not, by place.
    """
    return [
        may_receive(endpoint, header.feed, header.marking.releasable_to, view, f"/to/{place}")
        for place, endpoint in enumerate(header.to)
    ]


def may_receive(
    endpoint: str, feed: str, releasable_to: Collection[str], view: View, at: str
) -> Standing:
    """Return a recipient that may have a bulletin of this feed and releasability.

    Raises:
        Refusal: unknown, suspended, no reader, not on the feed, or not releasable to it.
    """
    standing = known_recipient(endpoint, view, at)
    readers = view.feed(feed).read
    if standing.member.member not in readers or "reader" not in standing.endpoint.roles:
        raise Refusal(Code.MAY_NOT_READ, at, name=endpoint)
    if standing.alpha3 not in releasable_to:
        raise Refusal(Code.NOT_RELEASABLE, at, name=endpoint)
    return standing


def known_recipient(endpoint: str, view: View, at: str) -> Standing:
    """Return an active endpoint of the directory.

    Raises:
        Refusal: unknown or suspended.
    """
    standing = view.endpoints.get(endpoint)
    if standing is None:
        raise Refusal(Code.UNKNOWN_RECIPIENT, at, name=endpoint)
    if not standing.is_active:
        raise Refusal(Code.ENDPOINT_SUSPENDED, at, name=endpoint)
    return standing


def may_be_granted(header: Header, granter: Standing, endpoint: str, view: View) -> None:
    """Hold a grant to what the arrangement says of the bulletin, as if it were posted now.

    Raises:
        Refusal: its granter may not post on the feed, or the recipient may not receive from it.
    """
    feed = view.feed(header.feed, "/of")
    if granter.member.member not in feed.post or "poster" not in granter.endpoint.roles:
        raise Refusal(Code.MAY_NOT_POST, "/endpoint", name=feed.name)
    may_receive(endpoint, header.feed, header.marking.releasable_to, view, "/to")


def may_release(release: Release, standing: Standing) -> None:
    """Hold a release to its releaser: of the author's member, with the role, not the author.

    Raises:
        Refusal: ``own-release``, ``origin-mismatch`` or ``missing-role``.
    """
    author = release.of.endpoint
    if author == release.endpoint:
        raise Refusal(Code.OWN_RELEASE, "/of/endpoint", name=author)
    if author.partition("/")[0] != standing.member.member:
        raise Refusal(Code.ORIGIN_MISMATCH, "/of/endpoint", expected=standing.member.member)
    if "releaser" not in standing.endpoint.roles:
        raise Refusal(Code.MISSING_ROLE, "/endpoint", name="releaser")


def wrap(kid: str, standing: Standing, now: int) -> None:
    """Hold one more wrapped key to its recipient: a key of theirs, for this, valid now.

    Raises:
        Refusal: ``wraps-mismatch``, or ``recipient-key-unfit`` naming the recipient.
    """
    if kid not in standing.keys:
        raise Refusal(Code.WRAPS_MISMATCH, "/body/header/kid", kid=kid)
    if not _is_fit(kid, standing, now):
        raise Refusal(Code.RECIPIENT_KEY_UNFIT, "/to", name=standing.endpoint.id)


def _is_fit(kid: str, standing: Standing, now: int) -> bool:
    key = standing.keys[kid]
    return key.use == "enc" and key.since <= now < key.until


def wraps(seen: Sequence[str], owed: Sequence[Standing], alg: str, now: int) -> None:
    """Hold the wrapped keys to the recipients: one valid key each, and no key besides.

    Args:
        seen: thumbprints of the keys that the body is wrapped to.
        owed: its recipients.
        alg: how the sender's suite wraps: a key of another could open nothing.
        now: taken time, seconds UTC.

    Raises:
        Refusal: ``wraps-mismatch``, or ``recipient-key-unfit`` naming the recipient.
    """
    left = set(seen)
    for place, standing in enumerate(owed):
        mine = left & standing.keys.keys()
        fit = {
            kid
            for kid in mine
            if _is_fit(kid, standing, now) and standing.keys[kid].jwk.alg == alg
        }
        if mine and not fit:
            raise Refusal(Code.RECIPIENT_KEY_UNFIT, f"/to/{place}", name=standing.endpoint.id)
        if len(mine) != 1:
            raise Refusal(Code.WRAPS_MISMATCH, f"/to/{place}", name=standing.endpoint.id)
        left -= mine
    if left:
        raise Refusal(Code.WRAPS_MISMATCH, "/body/recipients", kid=min(left))
