"""What ``settle`` must be given of the past: the keys to look up before, in rounds.

Most need one round. What bears on a bulletin is found from it step by step: the keys of the
next round follow from what the last one found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.broker import bearing, citing, consents, enrolling, holding, keys, releasing
from exchange.broker.drafting import Submitted
from exchange.broker.establishing import Established
from exchange.broker.intake import (
    Admitted,
    Attested,
    Conferred,
    Countersigned,
    Declined,
    Heard,
    Overheard,
    Permitted,
    Requested,
    Upheld,
)
from exchange.errors import Refusal
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.identity import member_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.broker.holding import Find
    from exchange.broker.intake import Considered, Decision, OfBulletins, Signed
    from exchange.broker.records import Found
    from exchange.model.header import Blob
    from exchange.model.objects import Consent, Grant


_TYPS: dict[type[Signed], str] = {
    Admitted: headers.TYP,
    Attested: objects.ACK_TYP,
    Conferred: objects.GRANT_TYP,
    Countersigned: objects.RELEASE_TYP,
    Submitted: objects.DRAFT_TYP,
    Upheld: objects.CONFIRMATION_TYP,
    Permitted: objects.CONSENT_TYP,
    Requested: objects.REQUEST_TYP,
    enrolling.Issued: objects.INVITATION_TYP,
    enrolling.Asked: objects.ENROLMENT_TYP,
    enrolling.Ruled: objects.VERDICT_TYP,
}


def own(decision: Signed, digest: str) -> tuple[bytes, bytes]:
    """Return the two keys that a signed object takes: its digest, and its id for ever."""
    # What was signed stands first in each.
    return keys.by_digest(digest), keys.of_header(_TYPS[type(decision)], decision[0])


def lookups(considered: Considered, looked: Mapping[bytes, Found | None]) -> list[bytes]:
    """Return the keys that are still to be looked up; call it again until there are none.

    Args:
        considered: what is to be settled.
        looked: every key that was looked up, with what it leads to, or None.
    """
    return Wants(considered)(looked)


class Wants:
    """Asks for what one decision needs, as ``lookups`` does, round after round.

    What the first round asks for is named once: naming is hashing, and there are two rounds
    (33 us of a bulletin before).
    """

    def __init__(self, considered: Considered) -> None:
        """Begin with nothing looked up."""
        self._considered = considered
        self._first: list[bytes] | None = None

    def __call__(self, looked: Mapping[bytes, Found | None]) -> list[bytes]:
        """Return the keys that are still to be looked up."""
        if self._first is None:
            self._first = _first(self._considered)
        if missing := [key for key in self._first if key not in looked]:
            return missing
        asking = Asking(looked)
        try:
            _follow(self._considered, asking)
        except Refusal:
            # Settling will come to it as well, and then it has all that it needs.
            return list(asking.missing)
        return list(asking.missing)


class Asking:
    """Finds what was looked up, and notes what was not as ``missing``."""

    def __init__(self, looked: Mapping[bytes, Found | None]) -> None:
        """Look among these."""
        self.missing: dict[bytes, None] = {}
        self._looked = looked

    def __call__(self, key: bytes) -> Found | None:
        """Return what a key leads to, as far as it was looked up."""
        if key not in self._looked:
            self.missing[key] = None
        return self._looked.get(key)


def _follow(considered: Considered, find: Find) -> None:
    """Go the ways that settling will go, so as to be asked for what it will need."""
    match considered.decision:
        case Admitted(header, digest):
            bearing.come_early(header, digest, find)
            held = bearing.bear(header, find)
            citing.must_stay_within(header, [*header.to, *held.holders], 0, find)
            if considered.decision.is_marked:
                releasing.follow(header.endpoint, digest, find)
        case Conferred(grant, digest):
            if grant.origin == member_of(grant.of.endpoint):
                releasing.follow(grant.endpoint, digest, find)
            _follow_grant(grant, find)
        case enrolling.Issued() | enrolling.Asked() | enrolling.Ruled() as decision:
            enrolling.follow(decision, find)
        case Submitted(draft):
            releasing.follow(releasing.author(draft), draft.of, find)
            citing.must_stay_within(draft, draft.to, 0, find)
        case Permitted(consent):
            _follow_consent(consent, find)
        case Attested() | Countersigned() | Upheld() | Requested():
            pass
        case Established() | Heard() | Overheard() | Declined():
            pass


def _follow_grant(grant: Grant, find: Find) -> None:
    target = holding.target(grant.of, member_of(grant.of.endpoint), find)
    if target is not None:
        for each in (grant.endpoint, grant.to):
            holding.shown_by(target, each, find)
        citing.must_stay_within(target.header, [grant.to], 0, find)
        stands = bearing.standing(target.header, target.digest, find)
        bearing.widest(target, stands, find)


def _follow_consent(consent: Consent, find: Find) -> None:
    target = holding.target(consent.of, consent.origin, find)
    if target is not None:
        for each in (consent.by, consent.to):
            holding.shown_by(target, each, find)


def _first(considered: Considered) -> list[bytes]:
    came = [keys.crossed(considered.came.home)] if considered.came else []
    return [*came, *_of(considered.decision)]


def _of(decision: Decision) -> list[bytes]:
    if isinstance(decision, Overheard):
        return []
    if isinstance(decision, Heard):
        of = decision.notice.of.header_digest
        told = [keys.granted_to(of, each) for each in decision.told]
        return [keys.by_digest(of), keys.by_digest(decision.digest), *told]
    if isinstance(decision, Established):
        change = decision.change
        return [*keys.of_trust(change.name, change.version, decision.blob.digest)]
    if isinstance(decision, Declined):
        return [keys.by_digest(decision.digest)]
    names = own(decision, decision.digest)
    if isinstance(decision, enrolling.Issued | enrolling.Asked | enrolling.Ruled):
        return [*names, *enrolling.lookups(decision)]
    return [*names, *_about(decision)]


def _about(decision: OfBulletins) -> list[bytes]:  # noqa: C901  (one for each kind)
    wanted: list[bytes]
    match decision:
        case Admitted(header, digest):
            wanted = [*bearing.early(header, digest), *citing.lookups(header)]
            if target := holding.target_of(header):
                # The second that bears on one target must find the first: a key is taken once.
                wanted += [
                    keys.by_digest(target.header_digest),
                    keys.purge(target.header_digest),
                    *bearing.of_target(header, target),
                    *holding.lookups(target.header_digest),
                ]
            if decision.is_marked:
                wanted += releasing.lookups(releasing.subject(decision))
        case Attested(ack):
            wanted = [
                keys.by_digest(ack.of.header_digest),
                keys.granted_to(ack.of.header_digest, ack.endpoint),
                *([keys.purge(ack.of.header_digest)] if ack.outcome == "purged" else []),
            ]
        case Conferred(grant):
            (kid,) = decision.seen.wraps
            origin = member_of(grant.of.endpoint)
            passed = (grant.of.header_digest, grant.endpoint)
            wanted = [
                keys.by_digest(grant.of.header_digest),
                keys.purge(grant.of.header_digest),
                keys.bearing("cancels", origin, grant.of.header_digest, grant.of.id),
                *(
                    releasing.lookups(releasing.of_grant(decision))
                    if origin == grant.origin
                    else [keys.granted_to(*passed), *consents.lookups(*passed, grant.to)]
                ),
                keys.granted_to(grant.of.header_digest, grant.to),
                keys.granted_with(grant.of.header_digest, grant.to, kid),
                *holding.lookups(grant.of.header_digest),
            ]
        case Countersigned(release):
            wanted = [
                keys.by_digest(release.of.header_digest),
                *holding.lookups(release.of.header_digest),
                *releasing.lookups(release.of),
            ]
        case Submitted(draft):
            wanted = [*releasing.sought(draft), *citing.lookups(draft)]
        case Upheld(confirmation):
            of, origin = confirmation.of, confirmation.origin
            wanted = [
                keys.by_digest(of.header_digest),
                keys.purge(of.header_digest),
                keys.bearing("cancels", origin, of.header_digest, of.id),
            ]
        case Permitted(consent):
            of = consent.of
            wanted = [
                keys.by_digest(of.header_digest),
                keys.purge(of.header_digest),
                keys.bearing("cancels", consent.origin, of.header_digest, of.id),
                keys.granted_to(of.header_digest, consent.by),
                *consents.lookups(of.header_digest, consent.by, consent.to),
            ]
        case Requested(request):
            wanted = [keys.by_digest(request.of.header_digest)] if request.of else []
    return wanted


def attachments(considered: Considered) -> list[Blob]:
    """Return the blobs of which ``settle`` must be told whether they are here."""
    match considered.decision:
        case Admitted(header):
            return header.attachments
        case Submitted(draft):
            return draft.attachments
        case _:
            return []
