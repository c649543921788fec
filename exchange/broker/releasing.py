"""Releases in the journal's order: recorded before their bulletin, and found when it comes.

So are the sealed drafts by which a release is asked for: each is decided once, and then goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from exchange.broker import due, holding, keys
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.objects import SealedDraft
from exchange.policy import releasing, rules
from exchange.policy.attesting import is_same
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Collection

    from exchange.broker.drafting import Submitted
    from exchange.broker.holding import Find, Target
    from exchange.broker.intake import Admitted, Conferred, Countersigned
    from exchange.broker.records import Found, Recorded
    from exchange.broker.settle import Ledger
    from exchange.model.header import Header
    from exchange.model.objects import Release, Subject

# Of one bulletin. One is enough; more than one counts where a releaser was suspended since.
MAX_RELEASES: Final = 8


class Submission(msgspec.Struct, frozen=True):
    """A sealed draft in the journal: its entry, what it says, and the digest of that."""

    index: int
    draft: SealedDraft
    digest: str


def lookups(of: Subject) -> list[bytes]:
    """Return the keys of every release that a bulletin may have, of its draft and its end."""
    named = (of.endpoint, of.header_digest)
    return [*_releases(of), keys.draft(*named), keys.decided(*named)]


def _releases(of: Subject) -> list[bytes]:
    named = (of.endpoint, of.id, of.header_digest)
    return [keys.release(*named, number) for number in range(MAX_RELEASES)]


def subject(decision: Admitted) -> Subject:
    """Return how a release names a bulletin."""
    header = decision.header
    return objects.Subject(header.endpoint, header.id, decision.digest)


def of_grant(decision: Conferred) -> Subject:
    """Return how a release names a grant."""
    grant = decision.grant
    return objects.Subject(grant.endpoint, grant.id, decision.digest)


def let_in(ledger: Ledger, decision: Admitted, find: Find) -> int | None:
    """Return the entry of the release by which a bulletin is let in; None where it needs none.

    Args:
        ledger: of the group.
        decision: on the bulletin.
        find: returns the entry that a key leads to.

    Raises:
        Refusal: ``draft-over``: it was declined or withdrawn, after its release too;
            ``own-release``: the person who asked gave it; or ``release-required``.
    """
    holders = released_for(ledger, decision.header, find)
    if not releasing.needs_release(decision.header, ledger.in_force, holders):
        return None
    # A front that says that it needs none looked nothing up: then nothing is on record.
    look = find if decision.is_marked else _none
    return _by(ledger, decision.header, subject(decision), look)


def released_for(ledger: Ledger, header: Header, find: Find) -> Collection[str] | None:
    """Return to whom a cancellation may go unreleased; None where its target is not here.

    To whom its target was sealed and granted, of either nation: not also who holds what that
    corrects, whom nobody released it for.
    """
    reference = header.reference("cancels") if header.verb == "cancel" else None
    found = find(keys.by_digest(reference.header_digest)) if reference else None
    if reference is None or found is None:
        return None
    target = holding.held_to(found, header, reference)
    holders = (*target.header.to, *holding.grantees(target.digest, find))
    return releasing.released_for(target.header, holders, ledger.in_force)


def let_grant_in(ledger: Ledger, decision: Conferred, target: Target, find: Find) -> int | None:
    """Return the entry of the release by which a grant is let in, as ``let_in``.

    It needs one where its bulletin's originator gives it to who was not released for.

    Raises:
        Refusal: as ``let_in``.
    """
    grant, header = decision.grant, target.header
    holds = holding.holds(target, grant.to, find)
    given = rules.Given(grant.endpoint, ledger.taken_ms // 1000, holds=holds)
    if not releasing.is_new_audience(header, given, grant.to, ledger.in_force):
        return None
    return _by(ledger, header, of_grant(decision), find)


def _by(ledger: Ledger, header: Header, of: Subject, find: Find) -> int:
    _must_be_open(of, find, "")
    ask = asked(of.endpoint, of.header_digest, find)
    record = [(_release(each), each.index) for each in _on_record(of, find)]
    # The release may have come before the draft, which says who asked.
    own = [said.officer for said, _ in record if _is_own(said, ask)]
    found = {said.endpoint: index for said, index in record if not _is_own(said, ask)}
    if own and not found:
        raise Refusal(Code.OWN_RELEASE, "", name=f"{own[0]}")
    return found[releasing.must_be_released(header, of.endpoint, ledger.in_force, found)]


def _is_own(release: Release, ask: Submission | None) -> bool:
    """Tell whether the person who asked for a release gave it, at another desk."""
    return ask is not None and is_same(release.officer, ask.draft.officer)


def _none(_: bytes) -> None:
    return None


def released_by(of: Subject, find: Find) -> dict[str, int]:
    """Return who released a bulletin, by what is on record, each with the first entry of it."""
    return {_release(each).endpoint: each.index for each in reversed(_on_record(of, find))}


def _must_be_open(of: Subject, find: Find, at: str) -> None:
    if (said_no := find(keys.decided(of.endpoint, of.header_digest))) is not None:
        raise Refusal(Code.DRAFT_OVER, at, found=said_no.index)


def _on_record(of: Subject, find: Find) -> list[Found]:
    return [found for key in _releases(of) if (found := find(key)) is not None]


def _release(found: Found) -> Release:
    signed = jws.read(entries.decode(found.entry).object, objects.MAX_OBJECT_BYTES)
    return objects.decode_release(signed.payload)


def read(found: Found) -> Submission | None:
    """Return the sealed draft in an entry; None where it is none."""
    entry = entries.decode(found.entry)
    if not isinstance(entry.facts, entries.Drafted):
        return None
    draft = objects.decode_draft(jws.read(entry.object, objects.MAX_OBJECT_BYTES).payload)
    return Submission(found.index, draft, entry.facts.digest)


def asked(endpoint: str, header_digest: str, find: Find) -> Submission | None:
    """Return the draft by which an author asked for a release, if it did."""
    found = find(keys.draft(endpoint, header_digest))
    return read(found) if found else None


def over(ledger: Ledger, ask: Submission | None, find: Find) -> due.Change:
    """Return that a draft is to go, now that it was decided; nothing where that is ordered."""
    if ask is None or find(keys.purge(ask.digest)) is not None:
        return due.Change()
    now, view = ledger.taken_ms // 1000, ledger.in_force
    return due.Change((due.Due(ask.index, due.PURGE, now, "decided", "", view.index),))


def ended(ledger: Ledger, of: Subject, find: Find) -> tuple[due.Due, ...]:
    """Return that the draft of what is in now is to go."""
    return over(ledger, asked(of.endpoint, of.header_digest, find), find).due


def follow(endpoint: str, header_digest: str, find: Find) -> None:
    """Ask for what ``over`` will need."""
    if (ask := asked(endpoint, header_digest, find)) is not None:
        find(keys.purge(ask.digest))


def enter(
    ledger: Ledger, decision: Countersigned, raw: bytes, names: tuple[bytes, ...], find: Find
) -> Recorded:
    """Enter a release.

    Args:
        ledger: of the group.
        decision: whose signature holds.
        raw: as received.
        names: the keys that any object takes.
        find: returns the entry that a key leads to.

    Raises:
        Refusal: ``target-mismatch``; ``release-late``: the bulletin could not have come without
            one; ``draft-over``: it was declined or withdrawn; ``own-release``: by the person
            who asked for it; ``already-released``: by the same endpoint; or ``oversized``:
            there are more than anybody needs.
    """
    facts, of = _released(ledger, decision, find), decision.release.of
    return ledger.keep(facts, raw, (*names, _releases(of)[len(_on_record(of, find))]))


def enter_draft(
    ledger: Ledger,
    decision: Submitted,
    raw_and_body: tuple[bytes, bytes],
    names: tuple[bytes, ...],
    find: Find,
) -> Recorded:
    """Enter a sealed draft, or what becomes of one; as ``enter``.

    Raises:
        Refusal: ``already-held``: the same was asked before; ``release-late``: its bulletin is
            here; of another step ``target-unknown``: nothing was asked; ``draft-over``: it was
            decided before; ``not-owed``: declined by one who was not asked; or
            ``target-mismatch``: withdrawn from others than were asked.
    """
    raw, body = raw_and_body
    facts, changed = _submitted(ledger, decision, find), _ends(ledger, decision, find)
    blob = (decision.seen.blob, body) if decision.seen else None
    return ledger.keep(facts, raw, (*names, _key_of(decision.draft)), changed, blob)


def _released(ledger: Ledger, decision: Countersigned, find: Find) -> entries.Released:
    said, of = decision.release, decision.release.of
    target = _not_late(ledger, said, find)
    _must_be_open(of, find, "/of")
    ask = asked(of.endpoint, of.header_digest, find)
    if _is_own(said, ask):
        raise Refusal(Code.OWN_RELEASE, "/officer", name=f"{said.officer}")
    record = _on_record(of, find)
    for each in record:
        # One place for each: the others are for those who may stand in.
        if _release(each).endpoint == said.endpoint:
            raise Refusal(Code.ALREADY_RELEASED, "/of", found=each.index)
    if len(record) == MAX_RELEASES:
        raise Refusal(Code.OVERSIZED, "/of", limit=MAX_RELEASES, found=len(record) + 1)
    holders = [*target.owed, *holding.grantees(of.header_digest, find)] if target else []
    # The other releasers need not look at it any more.
    others = [each for each in (ask.draft.to if ask else []) if each != said.endpoint]
    return entries.Released(
        digest=decision.digest,
        of=target.index if target else None,
        owed=ledger.owe([of.endpoint, *holders, *others]),
        **ledger.common(),
    )


def _not_late(ledger: Ledger, said: Release, find: Find) -> Target | None:
    """Return the bulletin that is released, where it is here and needed no release."""
    of = said.of
    came = find(keys.by_digest(of.header_digest))
    if came is not None and isinstance(entries.decode(came.entry).facts, entries.Granted):
        raise Refusal(Code.RELEASE_LATE, "/of", id=of.id, found=came.index)
    target = holding.target(of, said.origin, find)
    if target is not None and releasing.is_marked(target.header, ledger.in_force):
        raise Refusal(Code.RELEASE_LATE, "/of", id=of.id, found=target.index)
    return target


def author(draft: SealedDraft) -> str:
    """Return the endpoint whose draft it is."""
    return draft.to[0] if draft.step == "declined" else draft.endpoint


def _submitted(ledger: Ledger, decision: Submitted, find: Find) -> entries.Drafted:
    draft, named = decision.draft, author(decision.draft)
    ask = asked(named, draft.of, find)
    if (before := find(keys.by_digest(draft.of))) is not None:
        raise Refusal(Code.RELEASE_LATE, "/of", found=before.index)
    if draft.step == "asked":
        if ask is not None:
            raise Refusal(Code.ALREADY_HELD, "/of", found=ask.index)
        return _drafted(ledger, decision, None, draft.to)
    if ask is None:
        raise Refusal(Code.TARGET_UNKNOWN, "/of", digest=draft.of)
    if (decided := find(keys.decided(named, draft.of))) is not None:
        raise Refusal(Code.DRAFT_OVER, "/of", found=decided.index)
    if draft.step == "withdrawn" and draft.to != ask.draft.to:
        raise Refusal(Code.TARGET_MISMATCH, "/to")
    if draft.step == "declined" and draft.endpoint not in ask.draft.to:
        raise Refusal(Code.NOT_OWED, "/of", found=ask.index)
    told = [*draft.to, *(each for each in ask.draft.to if each != draft.endpoint)]
    return _drafted(ledger, decision, ask.index, told)


def _drafted(
    ledger: Ledger, decision: Submitted, of: int | None, told: list[str]
) -> entries.Drafted:
    draft, seen = decision.draft, decision.seen
    return entries.Drafted(
        digest=decision.digest,
        of=of,
        blobs=[seen.blob, *draft.attachments] if seen else [],
        wraps=seen.wraps if seen else [],
        owed=ledger.owe(told),
        **ledger.common(),
    )


def _ends(ledger: Ledger, decision: Submitted, find: Find) -> due.Change:
    """Return when a sealed draft is to go; and that what it decides is to go now."""
    draft, index = decision.draft, ledger.next_index
    mine: tuple[due.Due, ...] = ()
    if draft.body is not None:
        view = ledger.in_force
        mine = (due.Due(index, due.PURGE, draft.until, "header", "", view.index),)
    ask = None if draft.step == "asked" else asked(author(draft), draft.of, find)
    return due.Change((*mine, *over(ledger, ask, find).due))


def _key_of(draft: SealedDraft) -> bytes:
    """Return the key that a sealed draft takes, beside its own."""
    if draft.step == "asked":
        return keys.draft(draft.endpoint, draft.of)
    return keys.decided(author(draft), draft.of)


def sought(draft: SealedDraft) -> list[bytes]:
    """Return the keys of all that a sealed draft may meet: its bulletin, draft and decision."""
    named = (author(draft), draft.of)
    return [keys.by_digest(draft.of), keys.draft(*named), keys.decided(*named)]
