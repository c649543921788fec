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
from exchange.model.lost import losses_in, must_not_be_lost
from exchange.seal import trust

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from exchange.link.pages import Offered, Page
    from exchange.model.trust import Loss
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
    # How many losses that journal had declared when this was begun: nothing of what is lost by
    # them is in the chains. And behind how many of them the chains go on.
    lost: int = 0
    passed: int = 0

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

    ``before`` returns what was in force there before an entry, as far as it is here, and
    ``vouched`` is what its witnesses vouched for on the page before, and held.
    """

    node: str
    there: View
    here: View
    serves: Collection[str]
    before: Callable[[int], View]
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
    losses = losses_in(view, on.node)
    behind = Behind(
        losses[before.passed :],
        lambda loss: _before(page, on.before(loss.end), loss.end),
        on.serves,
    )
    passed = 0
    # Under a checkpoint that covers a declaration, stubs stand where it says.
    declared = [loss for loss in losses if loss.end < size]
    for item in page.items:
        must_not_be_lost(item.index, declared)
        under.verify(item.leaf, item.index, item.path)
        _must_be_its_body(item)
        if _is_placed(item) and item.index <= before.after:
            raise Refusal(Code.BAD_PROOF, "/index", found=item.index)
        passed = count(item, held, behind, passed)
    passed = behind.set_on(held, passed, page.cursor + 1)
    if not before.after <= page.cursor < size:
        raise Refusal(Code.BAD_PROOF, "/cursor", found=page.cursor)
    return msgspec.structs.replace(
        before,
        after=page.cursor,
        note=page.note.decode(),
        inboxes={name: head.count for name, head in held.items()},
        chains={name: b64(head.chain) for name, head in held.items()},
        passed=before.passed + passed,
    )


class Behind(NamedTuple):
    """What a journal declared lost and the chains do not go on behind yet.

    ``before`` returns what was in force there before the declaration, ``serves`` are ours.
    """

    losses: Sequence[Loss]
    before: Callable[[Loss], View]
    serves: Collection[str]

    def set_on(self, held: dict[str, InboxHead], passed: int, index: int) -> int:
        """Have the inboxes of ours go on behind what is lost before an entry.

        Returns:
            Behind how many losses they go on now, where it was ``passed``.
        """
        for loss in self.losses[passed:]:
            if loss.end > index:
                break
            names = {*self.before(loss).endpoints, *held}
            for name in (each for each in names if peering.is_here(each, self.serves)):
                head = held.get(name, EMPTY)
                held[name] = head.set_on(head.count + loss.end - loss.first)
            passed += 1
        return passed


def begun_anew(before: Pulled, view: View, node: str) -> Pulled:
    """Return where to go on, once it is known what a journal declared lost.

    From its beginning, where what is lost was pulled: the chains of its inboxes do not have it
    any more. The checkpoint stays: theirs must go on from it.
    """
    losses = losses_in(view, node)
    if len(losses) <= before.lost:
        return before
    if before.after >= losses[before.lost].first:
        return Pulled(note=before.note, lost=len(losses))
    return msgspec.structs.replace(before, lost=len(losses))


def _before(page: Page, known: View, index: int) -> View:
    """Return what was in force there before an entry, with what a page has of that."""
    come = (each for each in page.items if known.index < each.index < index)
    return folded(page._replace(items=sorted(come, key=lambda each: each.index)), known)


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


def count(item: Offered, held: dict[str, InboxHead], behind: Behind, passed: int) -> int:
    """Hold an entry to the next place in each inbox of ours, and take it in: none was left out.

    What came beside another one, or ahead of its place, takes none.

    Returns:
        As ``Behind.set_on``.

    Raises:
        Refusal: ``item-withheld``.
    """
    if not _is_placed(item):
        return passed
    passed = behind.set_on(held, passed, item.index)
    for owed in entries.owed_by(item.facts):
        if not peering.is_here(owed.endpoint, behind.serves):
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
    return passed
