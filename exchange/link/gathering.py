"""What crosses to another node: which entries, what goes ahead of them, and its proof.

Asked by who answers the link, and by who writes the same into files.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from exchange.broker import holding, peering
from exchange.errors import Code, Refusal
from exchange.journal.checkpoint import parse
from exchange.journal.proofs import consistency_proof, inclusion_proofs
from exchange.link import pages
from exchange.link.hasting import Hasting
from exchange.link.pages import MAX_ITEMS
from exchange.link.waiting import MAX_AGAIN
from exchange.model import entry as entries
from exchange.model import wire
from exchange.model.codec import b64
from exchange.node.stored import with_hashes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from exchange.journal.tiles import Hashes
    from exchange.link.quiet import Quiet
    from exchange.node.ports import Row, Store

# Of entries and bodies on one page; and of trust that goes with others.
MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
# Entries looked through for one page, whether or not they cross.
_MAX_LOOK: Final = 4096
_READ: Final = 256
_MAX_AHEAD: Final = 8
# Looked at for those: what may not go ahead must not be before what may.
_MAX_LOOK_AHEAD: Final = 256


class Offers(Protocol):
    """A journal that another node is told of: a node, or who exports from its file."""

    @property
    def store(self) -> Store:
        """What it holds."""

    def now(self) -> int:
        """Return the time, seconds UTC."""


class Beside(NamedTuple):
    """What a page has beside its entries: heads, and the newest checkpoint of a quorum."""

    heads: wire.LinkHeads | None = None
    vouched: bytes = b""


class Had(NamedTuple):
    """What a caller says: what it was told ahead, what to tell once more, its newest trust.

    ``most`` is how many it wants on a page, beside what goes ahead.
    """

    told: frozenset[int] = frozenset()
    again: frozenset[int] = frozenset()
    trust: int | None = None
    most: int = MAX_ITEMS


_NOTHING: Final = Had()


class Known(NamedTuple):
    """What is remembered from one page to the next: ``link.hasting``, ``link.quiet``."""

    hasting: Hasting
    quiet: Quiet | None = None


async def gathered(  # noqa: PLR0913, PLR0917  (who asks, from where to where, and what is known)
    node: Offers,
    nations: frozenset[str],
    after: int,
    size: int,
    had: Had = _NOTHING,
    known: Known | None = None,
) -> tuple[list[Crosses], int]:
    """Return what crosses below ``size``, what goes ahead first; and looked how far.

    ``known`` is what was looked up for an earlier page.
    """
    known = known or Known(Hasting(node))
    found, cursor = await crossing(node, nations, after, size, had, known.quiet)
    found = [*await _again(node, nations, had.again, size), *found]
    first = cursor if had.trust is None else max(cursor, had.trust)
    # Who says what it has is told of trust though nothing else crosses: the checkpoint may be
    # signed by keys that it lists.
    trust = await _trust_ahead(node, first, size) if found or had.trust is not None else []
    if found or trust:
        between = (after, cursor, size)
        ahead = await _ahead(node, nations, between, had.told, known.hasting)
        found = [*trust, *ahead, *found]
    return found, cursor


async def encoded(  # noqa: PLR0913, PLR0917  (what a page has)
    node: Offers,
    found: list[Crosses],
    cursor: int,
    note: bytes,
    since: int,
    beside: Beside | None = None,
) -> bytes:
    """Return a page of these entries, proved to be under a checkpoint."""
    size, of = parse(note).size, beside or Beside()
    vouched = of.vouched
    if vouched and parse(vouched).size > size:
        # It was cosigned since: the next page has it.
        vouched = b""
    sizes = (size, since, parse(vouched).size if vouched else size)
    proofs = await with_hashes(node.store, partial(_proved, found, sizes))
    page = wire.LinkPage(
        proofs.items,
        cursor,
        note.decode(),
        proofs.grown,
        of.heads,
        vouched.decode(),
        proofs.since_vouched,
    )
    return pages.encode(page, [each.body for each in found if each.body is not None])


class Crosses(msgspec.Struct, frozen=True):
    """An entry that crosses, before which, and its body if that is still here."""

    index: int
    by: int
    entry: bytes
    body: bytes | None
    is_ahead: bool = False

    def without_body(self) -> Crosses:
        """Return it with its body left to be asked for; a trust document goes all the same."""
        if isinstance(entries.decode(self.entry).facts, entries.Trust):
            return self
        return msgspec.structs.replace(self, body=None)


async def crossing(  # noqa: PLR0913, PLR0917  (as ``gathered``)
    node: Offers,
    nations: frozenset[str],
    after: int,
    size: int,
    had: Had = _NOTHING,
    quiet: Quiet | None = None,
) -> tuple[list[Crosses], int]:
    """Return what crosses below ``size``, and through which entry was looked.

    What the caller ``had`` of trust came ahead, and not again.
    """
    newest = -1 if had.trust is None else had.trust
    most = max(1, min(had.most, MAX_ITEMS))
    found: list[Crosses] = []
    looked, cursor, held = 0, after, 0
    while looked < _MAX_LOOK and cursor + 1 < size:
        if quiet is not None and (end := min(quiet.through(cursor + 1), size)) > cursor + 1:
            cursor = end - 1
            continue
        rows = await node.store.read(cursor + 1, min(_READ, max(most, 32), size - cursor - 1))
        read = [(row, entries.decode(row.entry).facts) for row in rows]
        bodies = await _bodies(
            node, [each for each in read if peering.is_for(each[1], nations)]
        )
        for row, facts in read:
            is_known = isinstance(facts, entries.Trust) and row.index <= newest
            if not is_known and await _is_for(node, facts, nations):
                for each in await _with_beside(node, row, facts, bodies):
                    fits = held + len(each.body or b"") <= MAX_PAGE_BYTES
                    found.append(each if fits else each.without_body())
                    held += len(each.entry) + len(found[-1].body or b"")
            cursor = row.index
            if len(found) >= most or held >= MAX_PAGE_BYTES:
                return found, cursor
        looked += len(rows)
        if not rows:
            break
    return found, cursor


async def _bodies(node: Offers, found: Sequence[tuple[Row, entries.Facts]]) -> dict[str, bytes]:
    """Return the bodies of these, read together, as far as a page has room for them."""
    wanted: list[str] = []
    held = 0
    for _, facts in found:
        for named in peering.names(facts)[:1]:
            wanted.append(named.digest)
            held += named.size
        if held >= MAX_PAGE_BYTES:
            break
    return await node.store.blobs(wanted)


async def _with_beside(
    node: Offers, row: Row, facts: entries.Facts, bodies: Mapping[str, bytes]
) -> list[Crosses]:
    """Return an entry, after what is to cross before it."""
    first = [await crosses(node, each, row.index) for each in await beside(node, facts)]
    body = await _body(node, facts, bodies)
    return [*first, Crosses(row.index, row.index, row.entry, body)]


async def _is_for(node: Offers, facts: entries.Facts, nations: frozenset[str]) -> bool:
    """Tell whether an entry crosses; a confirmation does where its bulletin is held there."""
    if not isinstance(facts, entries.Confirmed) or entries.home_of(facts) is not None:
        return peering.is_for(facts, nations)
    bulletin = entries.decode(await entry_of(node, facts.of)).facts
    if not isinstance(bulletin, entries.Accepted):
        return False
    granted = await node.store.find(holding.lookups(bulletin.digest))
    held = [each.endpoint for each in bulletin.owed]
    held += holding.grantees(bulletin.digest, granted.get)
    return any(peering.is_here(each, nations) for each in held)


async def beside(node: Offers, facts: entries.Facts) -> list[int]:
    """Return what is to cross before an entry; what came from abroad is known there."""
    found = peering.beside(facts)
    read = [entries.decode(await entry_of(node, each)).facts for each in found]
    return [
        index for index, each in zip(found, read, strict=True) if entries.home_of(each) is None
    ]


async def crosses(node: Offers, index: int, by: int, *, is_ahead: bool = False) -> Crosses:
    """Return an entry with its body, to cross before another one or for itself."""
    entry = await entry_of(node, index)
    body = await _body(node, entries.decode(entry).facts)
    return Crosses(index, by, entry, body, is_ahead)


async def _body(
    node: Offers, facts: entries.Facts, bodies: Mapping[str, bytes] | None = None
) -> bytes | None:
    named = peering.names(facts)
    if not named:
        return None
    known = bodies and bodies.get(named[0].digest)
    return known or await node.store.blob(named[0].digest)


async def _trust_ahead(node: Offers, cursor: int, size: int) -> list[Crosses]:
    """Return the trust entries that are further on than a page goes: they cross first.

    The checkpoint of the page may be signed by keys that the newest of them lists.
    """
    return [each async for each in trust_ahead(node, cursor, size)]


async def trust_ahead(node: Offers, after: int, size: int) -> AsyncIterator[Crosses]:
    """Yield the trust entries after an index and below a size, each to cross ahead."""
    while rows := await node.store.inbox(entries.TRUST_INBOX, after, _READ):
        for row in rows:
            if row.index >= size:
                return
            yield await crosses(node, row.index, row.index, is_ahead=True)
            after = row.index


async def _ahead(
    node: Offers,
    nations: frozenset[str],
    between: tuple[int, int, int],
    told: frozenset[int],
    hasting: Hasting,
) -> list[Crosses]:
    """Return what presses somebody over there and is further on than a page goes.

    ``between`` are where the caller stands, where the page ends and how much is signed for.
    """
    after, cursor, size = between
    hasting.passed(after)
    rows = await node.store.pressing(node.now())
    wanted = sorted(
        {
            (row.rank, row.index)
            for row in rows
            if cursor < row.index < size
            and row.index not in told
            and peering.is_here(row.endpoint, nations)
        }
    )
    found: list[Crosses] = []
    taken = looked = 0
    for _, index in wanted:
        if not hasting.is_known(index) and looked < _MAX_LOOK_AHEAD:
            looked += 1
            await _look_up(node, hasting, index)
        if not hasting.is_known(index) or not hasting.may(index, after):
            continue
        facts = entries.decode(await entry_of(node, index)).facts
        if peering.is_for(facts, nations):
            # With its release: without that it would be refused there, for good.
            both = (*await beside(node, facts), index)
            found += [await crosses(node, each, index, is_ahead=True) for each in both]
            taken += 1
        if taken >= _MAX_AHEAD:
            break
    return found


async def _look_up(node: Offers, hasting: Hasting, index: int) -> None:
    """Learn whether an entry may go ahead; of what is not a bulletin of ours nothing does."""
    raw = await entry_of(node, index)
    facts = entries.decode(raw).facts
    if isinstance(facts, entries.Accepted) and entries.home_of(facts) is None:
        await hasting.look_up(index, raw)
    else:
        hasting.keep_in_place(index)


async def _again(
    node: Offers, nations: frozenset[str], wanted: frozenset[int], size: int
) -> list[Crosses]:
    """Return what crossed before, or was told ahead, and is asked for once more."""
    found: list[Crosses] = []
    for index in sorted(wanted)[:MAX_AGAIN]:
        facts = entries.decode(await entry_of(node, index)).facts if index < size else None
        if facts is not None and await _is_for(node, facts, nations):
            both = (*await beside(node, facts), index)
            found += [await crosses(node, each, index, is_ahead=True) for each in both]
    held = 0
    for at, each in enumerate(found):
        held += len(each.body or b"")
        if held > MAX_PAGE_BYTES:
            found[at] = each.without_body()
    return found


async def entry_of(node: Offers, index: int) -> bytes:
    """Return an entry of the journal.

    Raises:
        Refusal: ``not-found``: there is none.
    """
    rows = await node.store.read(index, 1)
    if not rows or rows[0].index != index:
        raise Refusal(Code.NOT_FOUND, "/index")
    return rows[0].entry


class _Proofs(NamedTuple):
    items: list[wire.LinkItem]
    grown: list[str]
    since_vouched: list[str]


def _proved(found: list[Crosses], sizes: tuple[int, int, int], hashes: Hashes) -> _Proofs:
    size, since, vouched = sizes
    spelled = cache(b64)
    paths = inclusion_proofs([each.index for each in found], size, hashes)
    items = [
        wire.LinkItem(
            each.index,
            each.by,
            each.entry.decode(),
            [spelled(step) for step in path],
            has_body=each.body is not None,
            is_ahead=each.is_ahead,
        )
        for each, path in zip(found, paths, strict=True)
    ]
    # Who says to have seen more than there is learns it from the note.
    grown = consistency_proof(since, size, hashes) if since <= size else []
    after = consistency_proof(vouched, size, hashes)
    return _Proofs(items, [b64(step) for step in grown], [b64(step) for step in after])
