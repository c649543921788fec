"""Hold what crossed to the heads that its home signed, and keep both for whom it is owed to.

With a page come the heads of our endpoints' inboxes there, under its checkpoint. What came must
be all of it, in the same places: a tail that is withheld is seen at once. The endpoints hold
their node to the same heads: what of it did not come into their inbox here is kept with them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.broker import keys, peering
from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal import heads as maps
from exchange.journal.heads import EMPTY, InboxHead
from exchange.journal.tree import leaf_hash, verify_path
from exchange.link.proving import Behind, count
from exchange.model import entry as entries
from exchange.model.codec import b64, unb64
from exchange.model.lost import losses_in
from exchange.node.crossed import HERE, HomeHead, Place, account

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from exchange.broker.records import Found
    from exchange.link.pages import Offered, Page
    from exchange.link.proving import Pulled
    from exchange.model.wire import LinkHeads
    from exchange.node.crossed import HomeHeads
    from exchange.node.node import Node

# Heads that are known are asked for again after so long (seconds): dated anew, and cosigned.
_AGAIN_S = 30


class _Told(NamedTuple):
    """Heads that hold: how many entries they cover, and each inbox's."""

    covered: int
    own: Mapping[str, InboxHead]


class Counter:
    """Counts for the endpoints of one node what crosses from another one."""

    def __init__(self, node: Node, far: str, kept: HomeHeads | None) -> None:
        """Keep it there, if there is a place; what comes is held to the heads all the same."""
        self._node = node
        self._far = far
        self._kept = kept
        self._newest = None
        if kept is not None:
            # One that is damaged is made anew, from the next page.
            with suppress(Fault):
                self._newest = kept.newest(far)

    @property
    def known(self) -> int:
        """The entry of the heads that are here; 0 where they are to be had anew."""
        last = self._newest
        is_young = last is not None and self._node.now() < last.kept_at + _AGAIN_S
        return last.heads.index if last and is_young and not last.trouble else 0

    def through(self, size: int) -> int | None:
        """Return when the newest heads below a size were taken in there, seconds UTC.

        None where none are known, or they do not hold.
        """
        last = self._newest
        if last is None or last.trouble or last.heads.index >= size:
            return None
        return entries.decode(last.heads.entry.encode()).facts.taken_ms // 1000

    async def note(self, items: Iterable[Offered], has: Mapping[int, Collection[str]]) -> None:
        """Keep what of these did not come into the inboxes here that it is owed to at home.

        ``has`` says of those that are here who of ours has them.
        """
        placed = [item for item in items if item.by == item.index and not item.is_ahead]
        lacking = [(item, owed) for item in placed for owed in self._without(item, has)]
        found: dict[str, list[Place]] = {}
        known = await self._node.store.find([self._key(item) for item, _ in lacking])
        for item, owed in lacking:
            place = await self._place(item, owed, known.get(self._key(item)))
            if place is not None:
                found.setdefault(owed.endpoint, []).append(place)
        for endpoint, places in found.items():
            if self._kept is not None:
                self._kept.add(self._far, endpoint, places)

    def _without(
        self, item: Offered, has: Mapping[int, Collection[str]]
    ) -> Iterator[entries.Owed]:
        """Yield the places that an entry takes at home and in no inbox here; of nearly none."""
        here = has.get(item.index, ())
        if isinstance(item.facts, entries.PurgeOrdered):
            here = ()
        for owed in entries.owed_by(item.facts):
            if owed.endpoint not in here and peering.is_here(owed.endpoint, self._serves()):
                yield owed

    def hold(self, page: Page, before: Pulled) -> None:
        """Hold a page that was taken in to the heads that came with it, and keep these.

        Raises:
            Refusal: ``item-withheld`` or ``chain-differs``: what came is not what they say; or
                ``bad-proof``. They are kept all the same, where they hold.
            Fault: they cannot be kept.
        """
        if page.heads is None:
            return
        told = self._verified(page, page.heads)
        state, passed = before.heads(), 0
        homes = self._node.writer.homes
        behind = Behind(
            losses_in(homes.newest(self._far), self._far)[before.passed :],
            lambda loss: homes.before(self._far, loss.end),
            self._serves(),
        )
        for item in page.items:
            if item.index < told.covered:
                passed = count(item, state, behind, passed)
        behind.set_on(state, passed, told.covered)
        last = self._newest
        is_known = last and last.heads.index == page.heads.index and not last.trouble
        try:
            if not is_known:
                _must_be(told.own, state)
        except Refusal as refusal:
            if told.covered <= before.after:
                # Older than what is here: nothing is gained by it, and who proves sees its age.
                return
            self._keep(page, page.heads, refusal.code.value)
            raise
        self._keep(page, page.heads, "")

    def stop(self, refusal: Refusal, page: Page | None = None) -> None:
        """Note why the link is stopped, and the heads of what was not taken in, if sound."""
        code = refusal.code.value
        if page is not None and page.heads is not None:
            with suppress(Refusal):
                self._verified(page, page.heads)
                self._keep(page, page.heads, code)
                return
        last = self._newest
        if last is not None and self._kept is not None and not last.trouble:
            self._newest = msgspec.structs.replace(last, trouble=code)
            self._kept.keep(self._far, self._newest)

    def _keep(self, page: Page, heads: LinkHeads, trouble: str) -> None:
        self._newest = HomeHead(page.note.decode(), heads, self._node.now(), trouble)
        if self._kept is not None:
            self._kept.keep(self._far, self._newest)

    def _verified(self, page: Page, heads: LinkHeads) -> _Told:
        """Return the heads of all our endpoints, each in its one place under the checkpoint."""
        raw = heads.entry.encode()
        facts = entries.decode(raw).facts
        if not isinstance(facts, entries.InboxHeads) or facts.size > heads.index:
            raise Refusal(Code.BAD_PROOF, "/heads", found=heads.index)
        top = c2sp.parse(page.note)
        path = [unb64(step) for step in heads.path]
        verify_path(leaf_hash(raw), heads.index, top.size, path, top.root)
        view = self._node.writer.homes.before(self._far, facts.size)
        known = maps.names(entries.TRUST_INBOX, view.endpoints, view.nodes)
        own = {}
        for name in known:
            if not peering.is_here(name, self._serves()):
                continue
            if (told := heads.own.get(name)) is None:
                raise Refusal(Code.BAD_PROOF, "/heads", name=name)
            own[name] = InboxHead(told.count, unb64(told.chain))
            place = maps.Place(unb64(told.salt), [unb64(step) for step in told.path])
            maps.verify(name, own[name], place, known, unb64(facts.root))
        return _Told(facts.size, own)

    async def _place(
        self, item: Offered, owed: entries.Owed, found: Found | None
    ) -> Place | None:
        """Return the place of an entry that is not in that inbox here; None where it is."""
        leaf = b64(item.leaf)
        if isinstance(item.facts, entries.PurgeOrdered):
            return Place(owed.position, item.index, leaf, item.raw.decode())
        if await account(self._node.store, owed.endpoint, found) == HERE:
            return None
        about = peering.subject(entries.decode(item.raw))
        of = about.header_digest if about is not None else ""
        return Place(owed.position, item.index, leaf, "", of)

    def _key(self, item: Offered) -> bytes:
        return keys.crossed(entries.Home(self._far, item.index))

    def _serves(self) -> Collection[str]:
        return peering.nations_of(self._node.name, self._node.view)


def _must_be(told: Mapping[str, InboxHead], here: Mapping[str, InboxHead]) -> None:
    for name, head in told.items():
        came = here.get(name, EMPTY)
        if came.count < head.count:
            expected, found = head.count, came.count
            raise Refusal(
                Code.ITEM_WITHHELD, "/heads", name=name, expected=expected, found=found
            )
        if came != head:
            raise Refusal(Code.CHAIN_DIFFERS, "/heads", name=name, found=came.count)
