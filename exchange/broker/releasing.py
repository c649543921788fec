"""Releases in the journal's order: recorded before their bulletin, and found when it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exchange.broker import holding, keys
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import objects
from exchange.policy import releasing
from exchange.seal import jws

if TYPE_CHECKING:
    from exchange.broker.holding import Find
    from exchange.broker.intake import Admitted, Countersigned
    from exchange.broker.settle import Found, Ledger, Recorded
    from exchange.model.objects import Subject

# Of one bulletin. One is enough; more than one counts where a releaser was suspended since.
MAX_RELEASES: Final = 8


def lookups(of: Subject) -> list[bytes]:
    """Return the keys of every release that a bulletin may have."""
    named = (of.endpoint, of.id, of.header_digest)
    return [keys.release(*named, number) for number in range(MAX_RELEASES)]


def subject(decision: Admitted) -> Subject:
    """Return how a release names a bulletin."""
    header = decision.header
    return objects.Subject(header.endpoint, header.id, decision.digest)


def let_in(ledger: Ledger, decision: Admitted, find: Find) -> int | None:
    """Return the entry of the release by which a bulletin is let in; None where it needs none.

    Raises:
        Refusal: ``release-required``.
    """
    record = _on_record(subject(decision), find) if decision.needs_release else []
    found = {_by(each): each.index for each in reversed(record)}
    by = releasing.must_be_released(decision.header, ledger.in_force, found)
    return None if by is None else found[by]


def _on_record(of: Subject, find: Find) -> list[Found]:
    return [found for key in lookups(of) if (found := find(key)) is not None]


def _by(found: Found) -> str:
    signed = jws.read(entries.decode(found.entry).object, objects.MAX_OBJECT_BYTES)
    return objects.decode_release(signed.payload).endpoint


def record(
    ledger: Ledger, decision: Countersigned, raw: bytes, own: tuple[bytes, ...], find: Find
) -> Recorded:
    """Enter a release.

    Args:
        ledger: of the group.
        decision: whose signature holds.
        raw: as received.
        own: the keys that it takes as any object does.
        find: returns the entry that a key leads to.

    Raises:
        Refusal: ``target-mismatch``; ``release-late``: the bulletin could not have come without
            one; or ``oversized``: there are more than anybody needs.
    """
    release, named = decision.release, decision.release.of.header_digest
    target = holding.target(release.of, release.origin, find)
    if target is not None and releasing.needs_release(target.header, ledger.in_force):
        raise Refusal(Code.RELEASE_LATE, "/of", id=release.of.id, found=target.index)
    number = len(_on_record(release.of, find))
    if number == MAX_RELEASES:
        raise Refusal(Code.OVERSIZED, "/of", limit=MAX_RELEASES, found=number + 1)
    holders = [*target.owed, *holding.grantees(named, find)] if target else []
    facts = entries.Released(
        digest=decision.digest,
        of=target.index if target else None,
        owed=ledger.owe([release.of.endpoint, *holders]),
        **ledger.common(),
    )
    return ledger.keep(facts, raw, (*own, lookups(release.of)[number]))
