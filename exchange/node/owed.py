"""What an endpoint may fetch by what is owed to it: an entry opens its own blobs, no others.

A grant opens its wrapped key and, to the one it is for, the bulletin that it grants. That an
entry is owed never changes; whether what it names is shown is decided anew each time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from exchange.broker import consents, keys
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.identity import member_of
from exchange.policy import drafting, rules
from exchange.seal import jws

if TYPE_CHECKING:
    from exchange.model.entry import Entry
    from exchange.model.header import Blob, Header
    from exchange.model.objects import SealedDraft
    from exchange.model.view import View
    from exchange.node.ports import Row, Store


class Owed(NamedTuple):
    """A bulletin that one endpoint is owed, by header's digest; by whose grant, if by one."""

    endpoint: str
    header: Header
    of: str
    given: rules.Given | None = None

    async def of_now(self, store: Store) -> Owed:
        """Return the same with what its originator says by now of passing it on.

        Raises:
            Fault: the store does not answer.
        """
        given = self.given
        if given is None or member_of(given.by) == self.header.origin:
            return self
        wanted = consents.lookups(self.of, given.by, self.endpoint)
        found = await store.find(wanted)
        said = consents.newest(self.of, given.by, self.endpoint, found.get)
        return self._replace(given=given._replace(consent=said[1] if said else None))

    def must_be_shown(self, view: View, now: int) -> None:
        """Decide whether its endpoint is to be shown it, now.

        Raises:
            Refusal: by the first rule that does not permit it.
        """
        rules.decide(
            "deliver", self.header, view, now, recipient=self.endpoint, given=self.given
        )


class OwedDraft(NamedTuple):
    """A sealed draft that one endpoint is owed, by its digest."""

    endpoint: str
    draft: SealedDraft
    of: str

    async def of_now(self, store: Store) -> OwedDraft:  # noqa: ARG002  (as ``Owed`` is asked)
        """Return the same: nothing that is said later changes it."""
        return self

    def must_be_shown(self, view: View, now: int) -> None:  # noqa: ARG002  (as ``Owed`` is asked)
        """Decide whether its endpoint is to be shown it, now.

        Raises:
            Refusal: see ``policy.drafting``.
        """
        drafting.must_be_shown(self.draft, self.endpoint, view)


class Named(NamedTuple):
    """What an entry names: digests of what lies in the journal's file, and attachments."""

    owed: Owed | OwedDraft
    kept: frozenset[str]
    attached: frozenset[Blob]


class Granted(NamedTuple):
    """A bulletin that was granted: its row, and the digest of the wrapped key."""

    owed: Owed
    row: Row
    wrap: str


async def blobs(store: Store, endpoint: str, index: int) -> Named | None:
    """Return what an entry owed to this endpoint names; None if it is not owed, or no bulletin.

    Sealed to others, a bulletin whose correction one holds is still not one's own.
    """
    entry = await _entry(store, endpoint, index)
    if entry is None:
        return None
    if isinstance(entry.facts, entries.Accepted):
        return _named(entry.facts, Owed(endpoint, _header(entry), entry.facts.digest))
    if isinstance(entry.facts, entries.Drafted):
        return _named_by_draft(entry, entry.facts, endpoint)
    given = await granted(store, endpoint, index)
    if given is None:
        return None
    facts = entries.decode(given.row.entry).facts
    if not isinstance(facts, entries.Accepted):
        raise Fault(Code.STORE_FAILED, found=given.row.index)
    named = _named(facts, given.owed)
    return named._replace(kept=named.kept | {given.wrap})


async def purged(store: Store, header_digest: str) -> Refusal | None:
    """Return what is said of a bulletin's bytes once their purge was ordered: when, and why."""
    key = keys.purge(header_digest)
    found = (await store.find([key])).get(key)
    facts = entries.decode(found.entry).facts if found else None
    if not isinstance(facts, entries.PurgeOrdered):
        return None
    day = datetime.fromtimestamp(facts.taken_ms // 1000, UTC).date().isoformat()
    named = {"name": facts.rule} if facts.rule else {}
    return Refusal(Code.PURGED, "/digest", day=day, **named)


async def granted(store: Store, endpoint: str, index: int) -> Granted | None:
    """Return the bulletin that a grant at ``index`` gives to this endpoint, if any.

    Raises:
        Fault: the store does not answer, or holds a grant of nothing.
    """
    entry = await _entry(store, endpoint, index)
    # The posting endpoint is owed a colleague's grant as news; it opens nothing.
    if (
        entry is None
        or not isinstance(entry.facts, entries.Granted)
        or entry.facts.owed[0].endpoint != endpoint
    ):
        return None
    found = await store.read(entry.facts.of, 1)
    if not found:
        raise Fault(Code.STORE_FAILED, found=entry.facts.of)
    signed = jws.read(entry.object, objects.MAX_OBJECT_BYTES)
    grant, taken = objects.decode_grant(signed.payload), entry.facts.taken_ms // 1000
    by = rules.Given(grant.endpoint, taken)
    header = _header(entries.decode(found[0].entry))
    due = Owed(endpoint, header, grant.of.header_digest, by)
    return Granted(await due.of_now(store), found[0], entry.facts.wrap.digest)


def _header(entry: Entry) -> Header:
    return headers.decode(jws.read(entry.object, headers.MAX_HEADER_BYTES).payload)


def _named_by_draft(entry: Entry, facts: entries.Drafted, endpoint: str) -> Named:
    signed = jws.read(entry.object, objects.MAX_OBJECT_BYTES)
    draft = objects.decode_draft(signed.payload)
    kept = frozenset([draft.body.digest] if draft.body else [])
    owed = OwedDraft(endpoint, draft, facts.digest)
    return Named(owed, kept, frozenset(draft.attachments))


def _named(facts: entries.Accepted, owed: Owed) -> Named:
    # The first is the body; attachments follow.
    body, *attached = facts.blobs
    return Named(owed, frozenset({body.digest}), frozenset(attached))


async def _entry(store: Store, endpoint: str, index: int) -> Entry | None:
    rows = await store.inbox(endpoint, index - 1, 1)
    return entries.decode(rows[0].entry) if rows and rows[0].index == index else None
