"""Pull what another node has for ours: proved entry by entry, taken in, and never twice.

    a page under a signed checkpoint > proved > its attachments fetched > taken in, trust first
    > whom it may not be owed to is told of > how far, kept

A link that is cut goes on where it stood. What a node cannot prove stops the link to it, with
an alarm: nothing that comes after is taken in, and everything else of this node goes on.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec
import structlog

from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal import terms
from exchange.journal.tree import leaf_hash
from exchange.link.adopting import Adopter
from exchange.link.counting import Counter
from exchange.link.pacing import Pace
from exchange.link.pages import NOTHING, Asked
from exchange.link.proving import (
    Forked,
    Ground,
    Pulled,
    begun_anew,
    foreseen,
    prove,
    unpurged,
)
from exchange.link.taking import Source, begin, take
from exchange.link.waiting import Queue, Waits
from exchange.model.codec import b64
from exchange.model.entry import Trust

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from exchange.link.leaves import Leaves
    from exchange.link.pages import Page
    from exchange.link.waiting import Waiting
    from exchange.model.view import View
    from exchange.node.node import Node

# Told back of what came ahead: it goes into the address of a request.
MAX_TOLD: Final = 256
_REST_S: Final = 1.0
# Whoever is cut off from the other nation is not to wait long once the link is back.
_LONGEST_REST_S: Final = 5.0
# A checkpoint dated so much later covers an order that was given before; beyond what the clocks
# of two nodes may differ (seconds).
_ORDER_S: Final = 300

# Of what waits, nothing changed.
NONE: Final[Mapping[int, Waiting | None]] = {}

_log = structlog.get_logger("exchange.link")


class Far(Source, Protocol):
    """Another node; ``link.transport.Peer`` is one."""

    async def entries(self, after: int, since: int, asked: Asked = NOTHING) -> Page:
        """Return what crosses after an index, under a checkpoint."""


class Memory(Protocol):
    """Where ``Pulled`` is kept from one start to the next; what is lost is pulled again."""

    def recall(self, wanted: type[Pulled]) -> Pulled | None:
        """Return what was kept last."""

    def keep(self, kept: Pulled, changed: Collection[int]) -> None:
        """Keep it, durably; ``changed`` is what of ``waiting`` is not as it was kept last."""

    def accuse(self, known: bytes, evidence: bytes) -> str:
        """Keep what convicts a node, once for the checkpoint that was known; return where."""


class _Coming(NamedTuple):
    """A page that was asked for while the one before it is taken in."""

    # How far that one leads, and under which checkpoint: else it is not the next.
    after: int
    note: str
    again: Sequence[int]
    page: asyncio.Task[Page]


class Puller:
    """One link, from another node to ours."""

    def __init__(self, far: Far, node: Node, memory: Memory) -> None:
        """Begin where it stood; ``run`` pulls."""
        self._far = far
        self._node = node
        self._memory = memory
        self.pulled = memory.recall(Pulled) or Pulled()
        # What waits, as ``pulled`` has it; and what of it changed and was not kept yet.
        self._queue = Queue(self.pulled.waiting)
        self._unkept: set[int] = set()
        # Not before our own journal was looked at.
        self._is_ours = False
        self.adopter = Adopter(node, far.node)
        self._counter = Counter(node, far.node, node.crossed)
        # What pressed and came ahead of its place, which is still to come.
        self._told: list[int] = []
        # How often each was cut of what was cut at the same byte.
        self._cuts: dict[int, int] = {}
        self._pace = Pace()
        self._coming: _Coming | None = None
        # Why nothing more is taken over this link, once something could not be proved.
        self.trouble: Refusal | None = None
        # Why it does not answer, while it does not.
        self.why: Fault | None = None
        # One page at a time, over the link or by a file.
        self.taking = asyncio.Lock()
        self.is_up = False
        self.since = node.now()
        # When all that it showed was here, by our clock; and the date of what it showed last.
        self.whole_at = self.since
        self.seen = self.dated(self.pulled.note.encode())
        # What their quorum vouched for, as they told it last; and that something was told.
        self.vouched = b""
        self.news = asyncio.Event()
        # Who keeps the leaf hashes of that journal, where somebody does.
        self.leaves: Leaves | None = None

    async def run(self) -> None:
        """Pull until cancelled, or until the other node cannot prove what it says."""
        rest_s = _REST_S
        try:
            while self.trouble is None:
                rest_s = await self._once(rest_s)
        finally:
            await self._drop_coming()
            self._stands(is_up=False)

    async def _once(self, rest_s: float) -> float:
        """Pull one page; return how long to rest when the next one fails."""
        try:
            await self._pull()
        except Refusal as refusal:
            self.stop(refusal)
        except Fault as fault:
            if self.is_up:
                _log.warning("link-down", node=self._far.node, code=fault.code.value)
            self._stands(is_up=False, why=fault)
            await asyncio.sleep(rest_s)
            return min(2 * rest_s, _LONGEST_REST_S)
        else:
            self._stands(is_up=True)
        return _REST_S

    def stop(self, refusal: Refusal) -> None:
        """Take nothing more from a node that could not prove what it said."""
        # Kept as told: who looks at it may want to look at their journal.
        self.trouble = refusal
        with suppress(Fault):
            self._counter.stop(refusal)
        _log.critical(
            "peer-untrue", node=self._far.node, code=refusal.code.value, at=refusal.at
        )

    async def _pull(self) -> None:
        """Pull one page; what neither node may be accused of is a fault, and is tried again."""
        try:
            await self.pull()
        except Refusal as refusal:
            if refusal.code is not Code.NOT_UNDERSTOOD:
                raise
            # A newer program wrote it: ours waits until it is as new.
            raise Fault(refusal.code, refusal.at, **refusal.facts) from refusal
        except ExchangeError:
            raise
        except Exception as error:
            _log.exception("link", node=self._far.node, error=type(error).__name__)
            raise Fault(Code.INTERNAL, found=type(error).__name__) from error

    def _stands(self, *, is_up: bool, why: Fault | None = None) -> None:
        """Note how the link is, and since when it is so."""
        now, self.why = self._node.now(), why
        if is_up != self.is_up:
            self.is_up, self.since = is_up, now
            if is_up:
                self._node.witnessing.again()
        if is_up and self.pulled.after + 1 >= self.size:
            self.whole_at = now

    @property
    def size(self) -> int:
        """How many entries the other journal had when it was seen last."""
        return self.pulled.size

    async def pull(self) -> int:
        """Take one page in; return how many entries were on it.

        Raises:
            Refusal: it does not hold.
            Fault: the other node does not answer, or ours cannot write.
        """
        async with self.taking:
            before = await self.known()
        try:
            page, again = await self._next(before)
            if not page.note:
                return 0
            async with self.taking:
                # Where a file was taken in meanwhile, it is asked for anew from there.
                if self.pulled is before:
                    await self.take(self._far, page, again)
        except BaseException:
            # What follows a page that was not taken in is not the next one.
            await self._drop_coming()
            raise
        return len(page.items)

    async def _next(self, before: Pulled) -> tuple[Page, Sequence[int]]:
        """Return the next page, and what of it was asked for once more."""
        coming, self._coming = self._coming, None
        if coming is not None:
            if (coming.after, coming.note) == (before.after, before.note):
                return await coming.page, coming.again
            await _cancelled(coming.page)
        again = self._waiting(before).due(self._node.now())
        trust = self._at_home().index
        asked = Asked(self._told, again, trust, self._counter.known, self._pace.most)
        return await self._page(before.after, before.size, asked), again

    def _ask_ahead(self, page: Page, after: Pulled, told: Sequence[int]) -> None:
        """Ask for what comes after a page that is proved, while it is taken in."""
        if after.after + 1 >= after.size or self._coming is not None:
            # It would wait there for news, and not know what was taken in here.
            return
        tried = {item.by for item in page.items}
        due = self._waiting(after).due(self._node.now())
        again = [each for each in due if each not in tried]
        came = [item.index for item in page.items if isinstance(item.facts, Trust)]
        trust = max([self._at_home().index, *came])
        asked = Asked(told, again, trust, self._counter.known, self._pace.most)
        work = self._page(after.after, after.size, asked)
        task = asyncio.create_task(work, name=f"page-{self._far.node}")
        self._coming = _Coming(after.after, after.note, again, task)

    async def _drop_coming(self) -> None:
        coming, self._coming = self._coming, None
        if coming is not None:
            await _cancelled(coming.page)

    async def take(
        self,
        far: Source,
        page: Page,
        again: Sequence[int],
        ground: Ground | None = None,
    ) -> None:
        """Take in a page that goes on from what is known, while ``taking`` is held.

        ``again`` are those on it that waited, and are there out of their place. ``ground`` is
        what it is judged on, where more is known of what is in force there.

        Where it tells that what was pulled is declared lost, all is pulled anew: nothing of it
        is taken in then, and ``pulled`` is back at the beginning.

        Raises:
            Refusal: it does not hold; or another did not before.
            Fault: as ``pull``.
        """
        if self.trouble is not None:
            raise self.trouble
        ground = ground or self.ground()
        before = begun_anew(self.pulled, foreseen(page, ground), self._far.node)
        if before.after < self.pulled.after:
            _log.warning("pulled-anew", node=self._far.node)
            await self._keep(self.pulled, before, dict.fromkeys(self.pulled.waiting))
            return
        after = self._proved(page, before, ground)
        told = self._told_after(page, after)
        if far is self._far:
            self._ask_ahead(page, after, told)
        begun = asyncio.get_running_loop().time()
        waits = Waits(self._waiting(before), self._node.now(), self._cuts)
        taken = await take(self._node, far, page.items, self.adopter, waits)
        gone = {each for each in taken.gone if not waits.was_ordered(each)}
        await self._counter.note(page.items, taken.has)
        self._counter.hold(page, before)
        gone_since = unpurged(page.items, gone, before.gone, self._node.now())
        # A page of trust alone was no answer to what was asked for once more.
        waits.end([] if page.is_trust_alone(before.after) else again, page.items)
        after = msgspec.structs.replace(after, gone=gone_since)
        await self._keep(before, after, waits.changed)
        self._told = told
        self._pace.fetched(len(page.items), page.came_s)
        self._pace.taken(len(page.items), asyncio.get_running_loop().time() - begun)
        if after.note != before.note:
            self.seen = self.dated(page.note) or self.seen
        self.vouched = page.vouched
        self.news.set()
        self._must_be_purged()
        self._cover(page)

    def _proved(self, page: Page, before: Pulled, ground: Ground) -> Pulled:
        """Return how far a page leads, once it is proved."""
        try:
            return prove(page, before, ground)
        except Forked as forked:
            raise self._convicted(forked) from forked
        except Refusal as refusal:
            if refusal.code is Code.ITEM_WITHHELD:
                # Its endpoints are to know how much they lack.
                self._counter.stop(refusal, page)
            raise

    def _told_after(self, page: Page, after: Pulled) -> list[int]:
        """Return what came ahead of its place by now, and is still to come there."""
        ahead = {
            item.index
            for item in page.items
            if item.is_ahead and not isinstance(item.facts, Trust)
        }
        # Beyond so many some come twice, which costs their bytes.
        return sorted(i for i in ahead.union(self._told) if i > after.after)[:MAX_TOLD]

    def _cover(self, page: Page) -> None:
        """Say under which checkpoint all is here: a quorum's, where one must vouch for it."""
        view = self._at_home()
        if view.node_before(self._far.node, c2sp.parse(page.note).size) is None:
            # What is in force there is still to come.
            return
        is_witnessed = terms.of(page.note, self._far.node, view).policy is not None
        note = page.vouched if is_witnessed else page.note
        # What waits for an attachment, or is told of without its bytes, may be the reply.
        is_whole = not self.pulled.waiting and not self.pulled.gone
        size = c2sp.parse(note).size if note else 0
        through = self._counter.through(size)
        if through is not None and is_whole and self.pulled.after + 1 >= size:
            self._node.clocks.cover(self._far.node, note, through)

    async def came_by_file(self, cursor: int) -> None:
        """Remember that a file was taken in just now, and up to which entry it went."""
        now = self._node.now()
        if self.pulled.after + 1 >= self.size:
            self.whole_at = now
        await self._keep(
            self.pulled, msgspec.structs.replace(self.pulled, file_at=now, file_to=cursor)
        )

    async def known(self) -> Pulled:
        """Return how far it came; none of it where our journal is not the one that it fed."""
        if self._is_ours:
            return self.pulled
        last = self.pulled
        if last.inboxes.keys() != last.chains.keys():
            # Written before they were folded.
            last = Pulled(note=last.note)
        if last.here and await self._leaf(last.here) != last.leaf:
            # An older copy was put back. The checkpoint stays: theirs must go on from it.
            _log.warning("pulled-anew", node=self._far.node)
            last = Pulled(note=last.note)
        self._is_ours = True
        self.pulled = last
        return last

    async def _leaf(self, size: int) -> str:
        """Return the hash of our last entry at a size; empty where it is not there."""
        rows = await self._node.store.read(size - 1, 1)
        return b64(leaf_hash(rows[0].entry)) if rows else ""

    def _waiting(self, pulled: Pulled) -> Queue:
        """Return what waits; made anew only where it is not what was changed last."""
        if self._queue.waiting is not pulled.waiting:
            self._queue = Queue(pulled.waiting)
        return self._queue

    async def _keep(
        self, before: Pulled, after: Pulled, changed: Mapping[int, Waiting | None] = NONE
    ) -> None:
        # Both have one and the same of what waits: it is not copied for each page.
        self._waiting(after).change(changed)
        self._unkept |= changed.keys()
        self.pulled = after
        if after != before or self._unkept:
            here = self._node.size
            self.pulled = msgspec.structs.replace(after, here=here, leaf=await self._leaf(here))
            self._memory.keep(self.pulled, self._unkept)
            self._unkept = set()

    def _must_be_purged(self) -> None:
        """Hold what was told of without its bytes to an order to purge it, given in time."""
        kept = self.pulled
        if kept.after + 1 < kept.size:
            return
        for index, since in kept.gone.items():
            if self.seen > since + _ORDER_S:
                raise Refusal(Code.ITEM_WITHHELD, "/body", found=index)

    def _convicted(self, forked: Forked) -> Refusal:
        """Return what convicts the other node, and where it is kept, if it could be."""
        said, kept = forked.refusal, ""
        try:
            kept = self._memory.accuse(forked.known, forked.evidence)
        except Fault as fault:
            # It is had again from the same lie, at the next start.
            _log.critical("evidence", node=self._far.node, code=fault.code.value)
        return Refusal(said.code, said.at, **said.facts, evidence=kept)

    async def _page(self, after: int, since: int, asked: Asked) -> Page:
        try:
            page = await self._far.entries(after, since, asked)
        except Refusal as refusal:
            if refusal.code in (Code.BAD_PROOF, Code.MALFORMED, Code.NOT_UNDERSTOOD):
                raise
            # It does not let us in, or not yet: that proves nothing against it.
            name, found = self._far.node, refusal.code.value
            raise Fault(Code.NODE_UNREACHABLE, name=name, found=found) from refusal
        begin(self._node, self._far.node, page.items)
        return page

    def ground(self) -> Ground:
        """Return what a page is judged on."""
        node, far = self._node, self._far.node
        ours = node.view.nodes.get(node.name)
        serves = ours.serves if ours else ()
        before = partial(node.writer.homes.before, far)
        return Ground(far, self._at_home(), node.view, serves, before, self.vouched)

    def dated(self, note: bytes) -> int:
        """Return when its journal dated a checkpoint, seconds UTC; 0 where it does not hold."""
        return _dated(note, self._far.node, self._at_home())

    def is_vouched(self, note: bytes) -> bool:
        """Tell whether a checkpoint is theirs, and a quorum of witnesses cosigned it."""
        try:
            needed = terms.of(note, self._far.node, self._at_home())
            return needed.met_at(needed.verify(note)) is not None
        except Refusal:
            return False

    def _at_home(self) -> View:
        """Return what is in force there, as far as it is here."""
        return self._node.writer.homes.newest(self._far.node)


def _dated(note: bytes, node: str, view: View) -> int:
    """Return when a journal dated its checkpoint, seconds UTC; 0 where it does not hold."""
    try:
        needed = terms.of(note, node, view)
        return needed.verify(note).at(needed.log[-1]) or 0
    except Refusal:
        return 0


async def _cancelled(task: asyncio.Task[Page]) -> None:
    """Give up what is under way; what it would have said is asked for anew."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
