"""Commit groups: what a node signed, group by group, is what stands in its journal.

They reach to the last entry, where checkpoints come once in a while. A mirror has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.journal.tree import Group as Tree
from exchange.model import objects
from exchange.model.codec import unb64
from exchange.seal import jws, trust

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.model.identity import Jwk
    from exchange.model.view import View


class Group(msgspec.Struct, frozen=True):
    """A commit group as found; its statement is empty where there is none."""

    first: int
    count: int
    statement: bytes


class Place(NamedTuple):
    """Where the journal is: the view, and who writes it in which epoch (empty, 0: unknown)."""

    view: View
    node: str
    epoch: int


class _Open(NamedTuple):
    group: Group
    before: View
    leaves: list[bytes]


class _Closed(NamedTuple):
    group: Group
    views: tuple[View, View]
    place: Place
    root: bytes


class Groups:
    """Follows a journal entry by entry, and judges each group at its end.

    ``held`` counts the entries under statements that hold, ``count`` the groups that have one;
    ``first`` is the first group that does not hold, with why. ``unsigned`` is the first without
    a statement.
    """

    def __init__(self, group: Callable[[int], Group | None], *, is_mirror: bool) -> None:
        """Begin before entry 0; ``group`` returns the group that holds an entry."""
        self._is_mirror = is_mirror
        self.held = self.count = 0
        self.unsigned: int | None = None
        self.first: tuple[int, ExchangeError] | None = None
        self._group = group
        self._open: _Open | None = None
        # A journal's first documents are signed for by a node that is not in force yet.
        self._waiting: list[_Closed] = []

    def carry_on(self) -> None:
        """Go on after a mirror's entries: none of their groups had a statement."""
        self.unsigned = 0

    def begin(self, index: int, view: View) -> None:
        """Tell of an entry before it is judged; ``view`` is in force before it."""
        if self._open is not None:
            return
        try:
            group = self._group(index)
        except Fault as fault:
            self._fail(index, fault)
            return
        if group is None or not group.statement:
            self.unsigned = index if self.unsigned is None else self.unsigned
            return
        if group.first != index or group.count < 1:
            self._fail(index, Refusal(Code.BAD_PROOF, "/first", found=group.first))
            return
        self._open = _Open(group, view, [])
        self.count += 1

    def end(self, leaf: bytes, place: Place) -> None:
        """Tell of the same entry afterwards, by its leaf hash as computed."""
        if self._open is None:
            return
        group, before, leaves = self._open
        leaves.append(leaf)
        if len(leaves) < group.count:
            return
        self._open = None
        self._waiting.append(_Closed(group, (before, place.view), place, Tree(leaves).root))
        if place.node in place.view.nodes:
            self._judge_waiting(place.view)

    def finish(self, view: View) -> None:
        """Judge what is left; a group that is not whole was cut."""
        self._judge_waiting(view)
        if self._open is not None:
            first = self._open.group.first
            self._fail(first, Refusal(Code.BAD_PROOF, "/count", found=first))
        # A node signs every group. A mirror has no statement, or all of them.
        may_lack = self._is_mirror and not self.held and self.first is None
        if self.unsigned is not None and not may_lack:
            self._fail(self.unsigned, Refusal(Code.BAD_PROOF, "/group", found=self.unsigned))

    def _judge_waiting(self, view: View) -> None:
        for closed in self._waiting:
            try:
                _check(closed, view)
            except Refusal as refusal:
                self._fail(closed.group.first, refusal)
            else:
                self.held += closed.group.count
        self._waiting.clear()

    def _fail(self, first: int, error: ExchangeError) -> None:
        if self.first is None:
            self.first = (first, error)


def _check(closed: _Closed, now: View) -> None:
    group, place = closed.group, closed.place
    signed = jws.read(group.statement, objects.MAX_OBJECT_BYTES)
    if signed.typ != objects.RECEIPT_TYP:
        raise Refusal(Code.BAD_PROOF, "/statement", name=signed.typ[:48])
    known = [view.nodes[place.node] for view in closed.views if place.node in view.nodes]
    if not known and place.node in now.nodes:
        known = [now.nodes[place.node]]
    statement = objects.decode_group(signed.payload)
    # A node may have changed its suite while the group was open; each of its documents has one.
    of_suite = [node for node in known if trust.suite_of_node(node) == statement.suite]
    if known and not of_suite:
        raise Refusal(Code.SUITE_NOT_ALLOWED, "/suite", found=statement.suite)
    keys = {key.kid: key for node in of_suite for key in node.receipts.keys}

    def key_of(claim: jws.Claim) -> Jwk:
        if claim.kid not in keys:
            raise Refusal(Code.UNKNOWN_KEY, claim.at, kid=claim.kid[:64])
        return keys[claim.kid]

    jws.verify(signed.claims, statement.suite, key_of)
    said = (statement.node, statement.epoch, statement.first, statement.count)
    if said != (place.node, place.epoch, group.first, group.count):
        raise Refusal(Code.BAD_PROOF, "/statement", found=group.first)
    if unb64(statement.root) != closed.root:
        raise Refusal(Code.BAD_PROOF, "/root", found=group.first)
