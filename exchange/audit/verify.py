"""Verify a whole journal from its bytes: numbered checks, each named, in words and in JSON.

Works on a node's own file, on a copy, or on a mirror, with no network. Which it is the auditor
says, and never the file: a node's file whose statements and bodies were taken out looks like a
mirror. What is trusted is the anchor that the auditor brings; without one, the result says
*unanchored*. That a journal was cut off at a checkpoint, or forked, shows only against a
checkpoint that was kept elsewhere.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, get_args

import msgspec

from exchange import __version__
from exchange.audit import attached, forms, tables
from exchange.audit.checks import Check, Name, Report
from exchange.audit.folding import establish
from exchange.audit.groups import Group, Groups, Place
from exchange.audit.purges import Purges
from exchange.audit.resuming import FORM, Grown, Past, Reader, State, is_due
from exchange.audit.signed import Signed
from exchange.broker.enrolling import invited_in
from exchange.broker.replay import Replayer
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.journal import quorum
from exchange.journal.stored import leaf_of
from exchange.journal.tree import Frontier
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.model.view import View
from exchange.node.ports import Head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from exchange.audit.memory import Memory
    from exchange.broker import carried
    from exchange.broker.intake import Considered


_PAGE = 256


class Stored(msgspec.Struct, frozen=True):
    """One entry as found: its index, its bytes, and the leaf hash stored beside it."""

    index: int
    entry: bytes
    leaf: bytes


class Source(tables.Source, Protocol):
    """A journal to read: a node's file, a copy, or a mirror. Raises ``Fault`` if it cannot."""

    def agreeing(self, *, is_whole: bool) -> int:
        """Return how many tables of the file agree with their own indexes."""

    def read(self, first: int, limit: int) -> Sequence[Stored]:
        """Return at most ``limit`` entries from index ``first`` on, in order."""

    def group(self, index: int) -> Group | None:
        """Return the commit group that holds an entry; None, or no statement, if unknown."""


class Verifier:
    """Runs through a journal once, in order."""

    def __init__(  # noqa: PLR0913  (all that an auditor may bring)
        self,
        source: Source,
        anchor: str | None,
        told: Callable[[int], None],
        kept: bytes | None = None,
        *,
        is_mirror: bool = False,
        files: attached.Files | None = None,
        ahead: Callable[[carried.Place], Considered | None] | None = None,
        memory: Memory | None = None,
        state: State | None = None,
        past: Past | None = None,
    ) -> None:
        """Verify what ``source`` holds.

        Args:
            source: the journal.
            anchor: digest of the first root, if the auditor brought one.
            told: hears how many entries are done.
            kept: a checkpoint of this node that was kept elsewhere, if there is one.
            is_mirror: it is a copy made entry by entry, without statements and bodies.
            files: the folder of attachments that belongs to it, if it is at hand.
            ahead: what entries were judged to be in other processes: see ``audit.ahead``.
            memory: where to look up what is not held; of a mirror, where to go on from.
            state: where an earlier verification of this mirror ended, as ``resuming.load``
                gave it; with its ``memory``.
            past: how far an earlier one came that is not gone on with: this is to hold it.
        """
        self._source = source
        self._kept = kept
        self._is_mirror = is_mirror
        self._tables = tables.Tables(source)
        self._attached = attached.Attached(files)
        self._purges = Purges()
        # What was not there to be looked at makes no check.
        given: dict[Name, object] = {"kept": kept, "attachments": files, "state": past}
        self._skipped = {name for name, brought in given.items() if brought is None}
        self._taken_ms = 0
        self._told = told
        self._anchored = anchor is not None
        frontier = Frontier.decode(state.frontier) if state else Frontier()
        self._memory, self._state, self._past = memory, state, past
        self._first_lost: int | None = None
        self._entry_at = Reader(source, frontier)
        self._hashes = Grown(source, frontier)
        self._replayer = Replayer(View(anchor=anchor or ""), self._entry_at, source.blob, ahead)
        if memory is not None:
            self._replayer.keep_in(memory.keys, memory.due)
        self._trust: list[int] = []
        self._saved = frontier.size
        self._newest: int | None = None
        self._groups = Groups(source.group, is_mirror=is_mirror)
        self._signed = Signed(self._hashes, self._is_node)
        # One journal is one node; its name and epoch as it last said them.
        self._node, self._epoch = "", 0
        self._listed = forms.Listed()
        self._held: dict[Name, int] = dict.fromkeys(get_args(Name), 0)
        self._failed: dict[Name, tuple[int | None, ExchangeError]] = {}
        self._attested = 0

    def run(self) -> Report:
        """Return the report; what it finds in the journal never raises."""
        # Where to save, and no more: a table that leads nowhere is found by its own check.
        with suppress(Fault, Refusal):
            self._newest = self._source.newest("checkpoint")
        # Before anything is remembered: what is gone on with is not looked at as a whole again.
        self._check_file()
        try:
            if self._state is not None:
                self._carry_on(self._state)
            for stored in self._entries():
                self._groups.begin(stored.index, self._replayer.view)
                leaf = self._hash(stored)
                self._replay(stored)
                place = Place(self._replayer.view, self._node, self._epoch)
                self._groups.end(leaf, place)
                self._told(stored.index + 1)
                self._remember()
        except (Fault, Refusal) as error:
            self._fail("readable", self._held["readable"], error)
        self._check_lost()
        self._check_signed()
        self._check_groups()
        self._check_tables()
        self._check_purges()
        self._attached.finish(self._purges.ordered)
        self._held["attachments"] = self._attached.held
        if self._attached.failed is not None:
            self._fail("attachments", *self._attached.failed)
        if self._kept is not None:
            self._check_kept(self._kept)
        self._check_past()
        self._held["cosigned"] = self._signed.witnessed.count
        if not (self._signed.witnessed.count or "cosigned" in self._failed):
            self._skipped.add("cosigned")
        covered = self._held["covered"]
        if not covered:
            # Nobody signed any of it: nothing of it can be held against anybody.
            self._fail("covered", 0, Refusal(Code.BAD_CHECKPOINT))
        return self._report()

    def _carry_on(self, state: State) -> None:
        """Go on where an earlier verification ended; what is in force is folded anew."""
        for index in state.trust:
            try:
                establish(self._replayer, index, self._entry_at(index), self._source.blob)
            except (Fault, Refusal) as error:
                self._fail("replay", index, error)
        self._replayer.carry_on(state.replay, Frontier.decode(state.frontier))
        self._tables.carry_on(state.tables)
        self._purges.carry_on(state.purges)
        self._attached.carry_on(state.named)
        self._groups.carry_on()
        self._signed.carry_on(state.held["checkpoints"], state.covered, state.witnessed)
        self._held.update({name: state.held[name] for name in self._held})
        self._attested, self._taken_ms = state.attested, state.taken_ms
        self._node, self._epoch = state.node, state.epoch
        self._listed = forms.Listed(state.endpoints, state.auditors)
        self._trust = list(state.trust)

    def _remember(self) -> None:
        """Save how far it is, right after a checkpoint: now and then, and after the newest."""
        size, memory = self._replayer.size, self._memory
        if memory is None or not (memory.is_kept and self._is_mirror):
            return
        if self._past is not None:
            # What was held before is not forgotten for what may be another past.
            return
        if size - 1 != self._newest and not is_due(size, self._saved):
            return
        if self._failed or self._signed.first or self._groups.count:
            return
        carried = self._replayer.carried()
        if carried is None or self._tables.held["bodies"]:
            # No checkpoint; or a node's own file: what presses, say, is not carried on.
            return
        held = {**self._held, "readable": size, "checkpoints": self._signed.held}
        state = State(
            form=FORM,
            program=__version__,
            anchor=self._replayer.view.anchor if self._anchored else "",
            own=self._replayer.view.anchor,
            frontier=self._hashes.frontier.encode(),
            trust=self._trust,
            replay=carried,
            tables=self._tables.carried(),
            purges=self._purges.carried(),
            named=self._attached.carried(),
            held={str(name): count for name, count in held.items()},
            attested=self._attested,
            covered=self._signed.covered,
            witnessed=self._signed.witnessed.carried(),
            node=self._node,
            epoch=self._epoch,
            taken_ms=self._taken_ms,
            endpoints=sorted(self._listed.endpoints),
            auditors=sorted(self._listed.auditors),
        )
        if not self._tables.failed and self._signed.uncosigned is None:
            memory.save(msgspec.json.encode(state))
            self._saved = size

    def _page(self, first: int) -> Sequence[Stored]:
        """Return the next entries; of a page that cannot be read whole, the first alone."""
        try:
            return self._source.read(first, _PAGE)
        except Fault:
            return self._source.read(first, 1)

    def _entries(self) -> Iterator[Stored]:
        while page := self._page(self._held["readable"]):
            for stored in page:
                if stored.index != self._held["readable"]:
                    raise Refusal(Code.BAD_PROOF, "/index", expected=self._held["readable"])
                yield stored
                self._held["readable"] += 1

    def _hash(self, stored: Stored) -> bytes:
        leaf = leaf_of(stored.entry)
        if leaf == stored.leaf:
            self._held["hashes"] += 1
        else:
            self._fail("hashes", stored.index, Refusal(Code.DIGEST_MISMATCH, "/leaf"))
        for tile in self._hashes.extend([leaf]):
            self._tables.completed(tile, stored.index)
        frontier, past = self._hashes.frontier, self._past
        if past is not None and frontier.size == past.size and frontier.root() == past.root:
            self._past, self._held["state"] = None, past.size
        return leaf

    def _replay(self, stored: Stored) -> None:
        try:
            facts = entries.decode(stored.entry).facts
            if isinstance(facts, entries.Checkpointed):
                self._signed.add(stored.index, facts, self._replayer.view)
            if isinstance(facts, entries.Trust | entries.TrustReceived):
                self._trust.append(stored.index)
            if isinstance(facts, entries.Lost):
                self._held["lost"] += 1
                self._first_lost = self._first_lost or stored.index
            if isinstance(facts, entries.Trust) and not self._replayer.view.anchor:
                self._replayer.take_anchor(facts.document.digest)
            if "replay" in self._failed:
                # What follows depends on what went before: judging on would only make noise.
                return
            was_judged = self._step(stored, facts)
        except (Fault, Refusal) as error:
            # A document or an earlier entry that cannot be read is as good as gone.
            self._fail("replay", stored.index, error)
            if error.code is Code.LOST_UNDECLARED:
                self._fail("lost", stored.index, error)
            return
        self._held["replay"] += 1
        self._attested += not was_judged

    def _step(self, stored: Stored, facts: entries.Facts) -> bool:
        """Judge the next entry, by the rules and by its form; return whether rules could."""
        before = self._replayer.view
        replayed = self._replayer.step(stored.entry)
        self._tables.add(stored.index, replayed.record)
        if isinstance(facts, entries.Accepted | entries.Drafted):
            self._attached.add(stored.index, facts.blobs)
        doomed = self._replayer.doomed.get(stored.index, frozenset())
        self._purges.add(stored.index, facts, doomed)
        self._taken_ms = facts.taken_ms
        if self._replayer.view is not before:
            self._listed.follow(self._replayer.view)
        if isinstance(facts, entries.Invited):
            # Whoever is invited may be told no before it is listed.
            self._listed.endpoints.add(invited_in(stored.entry))
        forms.check(facts, stored.index, self._listed)
        if isinstance(facts, entries.EpochOpened):
            self._is_node(facts.node, Refusal(Code.BAD_PROOF, "/node", name=facts.node))
            self._epoch = facts.epoch
        return replayed.was_judged

    def _is_node(self, name: str, otherwise: Refusal) -> None:
        self._node = self._node or name
        if name != self._node:
            raise otherwise

    def _check_groups(self) -> None:
        self._groups.finish(self._replayer.view)
        self._held["groups"] = self._groups.held
        if self._groups.first is not None:
            self._fail("groups", *self._groups.first)

    def _check_tables(self) -> None:
        """Hold what is kept beside the entries to them, as far as they replay."""
        size, frontier = self._held["readable"], self._hashes.frontier.encode()
        head = Head(size, self._epoch, self._taken_ms, frontier)
        is_whole = not self._failed.keys() & {"readable", "replay"}
        is_signed = self._groups.unsigned is None and self._groups.first is None
        groups, replayer = self._groups.count if is_signed else None, self._replayer
        end = tables.End(
            head,
            replayer.positions,
            groups,
            replayer.heads,
            self._is_mirror,
            replayer.due.values(),
            self._purges.ordered,
        )
        self._tables.finish(end if is_whole else None)
        for name, held in self._tables.held.items():
            self._held[name] = held
            if name in self._tables.failed:
                self._fail(name, *self._tables.failed[name])

    def _check_file(self) -> None:
        """Hold the file to itself: what it keeps twice says the same."""
        try:
            # Gone on with, older entries are not read again: a million are gigabytes.
            self._held["file"] = self._source.agreeing(is_whole=self._state is None)
        except Fault as fault:
            self._fail("file", None, fault)

    def _check_past(self) -> None:
        """Tell where this is not what an earlier verification held, gone on with."""
        if (past := self._past) is None:
            return
        size, own = self._hashes.frontier.size, self._replayer.view.anchor
        if self._node != past.node or own != past.own:
            at = "/node"
        elif self._first_lost is not None and self._first_lost < past.size:
            # Their hashes may have survived nowhere: then the root is another since.
            at = "/lost"
        else:
            at = "/size" if size < past.size else "/root"
        refusal = Refusal(Code.BAD_CHECKPOINT, at, expected=past.size, found=size)
        self._fail("state", None, refusal)

    def _check_purges(self) -> None:
        """Hold orders to their time, and what is said to be gone to what is there."""
        purges = self._purges
        self._held["purges"] = purges.done
        try:
            purges.check_time(self._taken_ms)
            purges.check_gone(self._has, self._named)
        except (Fault, Refusal) as error:
            first = error.facts.get("found")
            self._fail("purges", first if isinstance(first, int) else None, error)

    def _has(self, digest: str) -> bool:
        return self._source.blob(digest) is not None or self._attached.has(digest)

    def _named(self, digests: Iterable[str]) -> Mapping[str, int]:
        """Return which of these something names that stays. Seldom asked: it reads it all."""
        wanted, found = set(digests), dict[str, int]()
        for stored in self._entries_again():
            facts = entries.decode(stored.entry).facts
            if stored.index in self._purges.ordered:
                continue
            match facts:
                case entries.Accepted(blobs=blobs) | entries.Drafted(blobs=blobs):
                    named = {each.digest for each in blobs}
                case entries.Granted(wrap=wrap):
                    named = {wrap.digest}
                case _:
                    continue
            found.update(dict.fromkeys(named & wanted, stored.index))
        return found

    def _entries_again(self) -> Iterator[Stored]:
        first = 0
        while page := self._source.read(first, _PAGE):
            yield from page
            first += len(page)

    def _check_lost(self) -> None:
        """Hold what is called lost to declarations; a journal without any has no such check."""
        try:
            self._replayer.finish()
        except Refusal as refusal:
            self._fail("lost", None, refusal)
        if not (self._held["lost"] or "lost" in self._failed):
            self._skipped.add("lost")

    def _check_signed(self) -> None:
        """Take over what became of the checkpoints."""
        self._held["checkpoints"] = self._signed.held
        self._held["covered"] = self._signed.covered
        if self._signed.first is not None:
            self._fail("checkpoints", *self._signed.first)
        if self._signed.uncosigned is not None:
            self._fail("cosigned", *self._signed.uncosigned)

    def _check_kept(self, raw: bytes) -> None:
        try:
            view = self._replayer.view
            self._held["kept"] = self._signed.check_kept(raw, view, self._entry_at)
        except Refusal as refusal:
            is_of_one = refusal.at in {"/path", "/index", "/entry"}
            index = refusal.facts.get("found") if is_of_one else None
            self._fail("kept", index if isinstance(index, int) else None, refusal)

    def _fail(self, name: Name, first: int | None, error: ExchangeError) -> None:
        self._failed.setdefault(name, (first, error))

    def _report(self) -> Report:
        size, covered = self._held["readable"], self._held["covered"]
        arrangement = self._replayer.view.arrangement
        checks = []
        names = [each for each in get_args(Name) if each not in self._skipped]
        for number, name in enumerate(names, 1):
            first, error = self._failed.get(name, (None, None))
            code = error.code.value if error else None
            at = error.at if error else ""
            held = self._held[name]
            checks.append(Check(number, name, error is None, held, first, code, at))
        return Report(
            ok=not self._failed,
            anchored=self._anchored,
            anchor=self._replayer.view.anchor,
            mirror=self._is_mirror,
            size=size,
            replayed=self._held["replay"] - self._attested,
            attested=self._attested,
            covered=covered,
            uncovered=size - covered - 1 if covered else size,
            grouped=self._groups.held,
            bodies=self._held["bodies"],
            attached=self._attached.named,
            attachments=None if "attachments" in self._skipped else self._attached.held,
            purged=self._attached.purged,
            erased=self._tables.purged,
            orders=self._purges.orders,
            quorum=arrangement.quorum if arrangement else quorum.NONE,
            cosigned=self._signed.witnessed.count,
            witnessed=self._signed.witnessed.size,
            witnessed_at=self._signed.witnessed.at,
            root=b64(self._hashes.frontier.root()),
            since=self._state.size if self._state else 0,
            lost=self._held["lost"],
            node=self._node,
            checks=checks,
        )
