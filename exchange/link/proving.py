"""Hold a page to what was proved before: its checkpoint, its entries, no place left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.broker import peering
from exchange.errors import Code, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal import forks, terms
from exchange.journal.heads import EMPTY, InboxHead
from exchange.journal.proofs import verify_consistency
from exchange.journal.tree import Under
from exchange.link.waiting import Waiting
from exchange.model import entry as entries
from exchange.model.codec import b64, unb64
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.seal import trust

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from exchange.link.pages import Offered, Page
    from exchange.model.view import View


class Pulled(msgspec.Struct, frozen=True):
    """How far a link came: to which entry, under which checkpoint, and each inbox's head.

    ``gone`` are bulletins that were told of without their bytes, and since when (seconds UTC),
    until their order to purge is shown. ``waiting`` is what came so far that bytes of it lack,
    by what it crosses before: one dict for all pages, changed in place (``link.waiting``), as
    it may be long. ``here`` and ``leaf`` are the size of our own journal then, and the hash of
    its last entry: an older copy of it begins anew.
    """

    after: int = -1
    note: str = ""
    inboxes: dict[str, int] = {}
    gone: dict[int, int] = {}
    waiting: dict[int, Waiting] = {}
    here: int = 0
    leaf: str = ""
    # When a file was taken in last (seconds UTC; 0: never), and up to which entry that went.
    file_at: int = 0
    file_to: int = 0
    # Chains of the inboxes, as ``journal.heads`` folds them.
    chains: dict[str, str] = {}

    def heads(self) -> dict[str, InboxHead]:
        """Return how much of each inbox of ours came, and the chain over it."""
        counted = self.inboxes.items()
        return {name: InboxHead(count, unb64(self.chains[name])) for name, count in counted}

    @property
    def size(self) -> int:
        """How many entries the checkpoint is of; 0 before there is one."""
        return c2sp.parse(self.note.encode()).size if self.note else 0


class Forked(Exception):  # noqa: N818  (carries evidence to who keeps it)
    """Two checkpoints that one honest journal cannot have."""

    def __init__(self, known: bytes, evidence: bytes, refusal: Refusal) -> None:
        """Carry which checkpoint was known, the text of the evidence, and what to say of it."""
        super().__init__()
        self.known = known
        self.evidence = evidence
        self.refusal = refusal


class Ground(NamedTuple):
    """What a page is judged on: whose, what is in force there and here, and whom we serve.

    ``vouched`` is what its witnesses vouched for on the page before, and held.
    """

    node: str
    there: View
    here: View
    serves: Collection[str]
    vouched: bytes = b""


def prove(page: Page, before: Pulled, on: Ground) -> Pulled:
    """Return how far a page leads, once all that it says of itself is proved.

    Raises:
        Refusal: it is not.
        Forked: its checkpoint does not go on from the last one.
    """
    view = foreseen(page, on)
    root, size = _checked(page, before, on.node, view)
    _must_be_one(page, on, view, root)
    held, under = before.heads(), Under(size, root)
    for item in page.items:
        under.verify(item.leaf, item.index, item.path)
        _must_be_its_body(item)
        if _is_placed(item) and item.index <= before.after:
            raise Refusal(Code.BAD_PROOF, "/index", found=item.index)
        count(item, held, on.serves)
    if not before.after <= page.cursor < size:
        raise Refusal(Code.BAD_PROOF, "/cursor", found=page.cursor)
    return msgspec.structs.replace(
        before,
        after=page.cursor,
        note=page.note.decode(),
        inboxes={name: head.count for name, head in held.items()},
        chains={name: b64(head.chain) for name, head in held.items()},
    )


def unpurged(
    items: Iterable[Offered], gone: AbstractSet[int], since: Mapping[int, int], now: int
) -> dict[int, int]:
    """Return which bulletins were told of without their bytes, and since when.

    Args:
        items: of a page that was proved.
        gone: of which of them something is there no more.
        since: which ones were before.
        now: seconds UTC.
    """
    found = dict(since)
    for item in items:
        of = item.facts.of if isinstance(item.facts, entries.Granted) else item.index
        # What crosses beside another is not owed to ours, nor is the order to purge it.
        if item.by == item.index and not gone.isdisjoint((item.index, of)):
            found.setdefault(of, now)
    for item in items:
        if isinstance(item.facts, entries.PurgeOrdered):
            found.pop(item.facts.of, None)
    return found


def foreseen(page: Page, on: Ground) -> View:
    """Return what is in force there after a page: its checkpoint may be signed by new keys."""
    view = folded(page, on.there)
    return view if on.node in view.nodes else on.here


def folded(page: Page, view: View) -> View:
    """Return a view of the other node with the trust that is on a page.

    Raises:
        Refusal: a document does not follow from it.
    """
    for item in sorted(page.items, key=lambda each: each.index):
        if isinstance(item.facts, entries.Trust) and item.index > view.index:
            now = item.facts.taken_ms // 1000
            view = trust.apply(item.body or b"", view, item.index, now)
    return view


def _checked(page: Page, before: Pulled, node: str, view: View) -> tuple[bytes, int]:
    """Return root and size of a page's checkpoint: signed, and going on from the last one."""
    if page.note == before.note.encode():
        # Proved when it came first; while a backlog crosses, most pages are under the same.
        last = c2sp.parse(page.note)
        return last.root, last.size
    found = terms.of(page.note, node, view).verify(page.note).checkpoint
    if not before.note:
        return found.root, found.size
    last = c2sp.parse(before.note.encode())
    try:
        verify_consistency(last.size, found.size, page.grown, last.root, found.root)
    except Refusal as refusal:
        known = before.note.encode()
        evidence = forks.of(known, page.note, page.grown).encode()
        said = Refusal(Code.HEAD_WENT_BACK, "/note", expected=last.size, found=found.size)
        raise Forked(known, evidence, said) from refusal
    return found.root, found.size


def _must_be_one(page: Page, on: Ground, view: View, root: bytes) -> None:
    """Hold a page's checkpoint to the one that witnesses vouch for: it goes on from that.

    Who of them must have cosigned it, and as of when, is held to where it counts: that silence
    is proved (``node.clocks``).

    Raises:
        Refusal: ``bad-checkpoint``, ``bad-proof``.
        Forked: they vouch for another journal than the one that is shown here.
    """
    if not page.vouched:
        return
    if page.vouched == on.vouched:
        # Its signatures held when it came first; that this page goes on from it is still open.
        vouched = c2sp.parse(page.vouched)
    else:
        vouched = terms.of(page.vouched, on.node, view).verify(page.vouched).checkpoint
    size = c2sp.parse(page.note).size
    if vouched.size > size:
        raise Refusal(Code.BAD_PROOF, "/vouched", expected=size, found=vouched.size)
    try:
        verify_consistency(vouched.size, size, page.since_vouched, vouched.root, root)
    except Refusal as refusal:
        evidence = forks.of(page.vouched, page.note, page.since_vouched).encode()
        said = Refusal(Code.JOURNAL_FORKED, "/vouched", found=vouched.size)
        raise Forked(page.vouched, evidence, said) from refusal


def _must_be_its_body(item: Offered) -> None:
    if item.body is not None and Blob(digest(item.body), len(item.body)) != item.blobs[0]:
        raise Refusal(Code.BAD_PROOF, "/body", found=item.index)


def _is_placed(item: Offered) -> bool:
    return item.by == item.index and not item.is_ahead


def count(item: Offered, held: dict[str, InboxHead], serves: Collection[str]) -> None:
    """Hold an entry to the next place in each inbox of ours, and take it in: none was left out.

    What came beside another one, or ahead of its place, takes none.

    Raises:
        Refusal: ``item-withheld``.
    """
    for owed in entries.owed_by(item.facts) if _is_placed(item) else ():
        if not peering.is_here(owed.endpoint, serves):
            continue
        head = held.get(owed.endpoint, EMPTY)
        if owed.position != head.count:
            raise Refusal(
                Code.ITEM_WITHHELD,
                "/owed",
                name=owed.endpoint,
                expected=head.count,
                found=owed.position,
            )
        held[owed.endpoint] = head.after(item.index, item.leaf)
