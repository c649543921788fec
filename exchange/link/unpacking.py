"""Take in a file that another node wrote for ours, as if its pages had come over the link.

The same checks in the same order, the same evidence. What differs: who says so is proved by the
file's signature, and it may come twice, late, or before the one that it goes on from.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.proofs import consistency_proof, root_at
from exchange.link import pages
from exchange.link.proving import folded
from exchange.seal import jws
from exchange.seal.trust import suite_of_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from exchange.journal.rest import Rest
    from exchange.link.pages import Page
    from exchange.link.parcels import Contents
    from exchange.link.proving import Ground, Pulled
    from exchange.link.pulling import Puller
    from exchange.model.trust import Node as NodeDocument
    from exchange.model.view import View


class Filed:
    """Meets ``link.taking.Source``: what a file has not, its node had no more."""

    def __init__(self, contents: Contents) -> None:
        """Give out of this file."""
        self.node = contents.parcel.node
        self._contents = contents

    async def pieces(
        self,
        digest: str,
        index: int,  # noqa: ARG002  (by its digest it is found)
        by: int,  # noqa: ARG002
        offset: int,
    ) -> AsyncIterator[bytes]:
        """Yield bytes that an entry names, from an offset on."""
        place = self._contents.blobs.get(digest)
        if place is None:
            raise Refusal(Code.NOT_FOUND, "/digest")
        found = self._contents.pieces(place, offset)
        while (piece := await asyncio.to_thread(next, found, None)) is not None:
            yield piece


async def bring(
    puller: Puller, us: str, contents: Contents, told: Callable[[int, int], None]
) -> None:
    """Take in a file; what it has that is here already changes nothing.

    Args:
        puller: of the node that wrote it.
        us: our node's name.
        contents: the file, read and found to be whole.
        told: is told of how many of its pages were taken in, and how many there are.

    Raises:
        Refusal: ``bad-export``: others signed it; ``export-other``: of or for another;
            ``export-missing``: one that comes before it did not come;
            ``export-older``: the journal is known to be longer by now, and not all of this is
            here. Nothing of it is taken in. Or what it says does not hold under the other
            node's own signature: that stops its link.
        Fault: nothing can be recorded now.
    """
    parcel, far = contents.parcel, puller.adopter.far
    if (parcel.node, parcel.to) != (far, us):
        raise Refusal(Code.EXPORT_OTHER, "/to", name=parcel.node, to=parcel.to)
    pages_count = len(contents.pages)
    if not pages_count:
        raise Refusal(Code.BAD_EXPORT, "/page")
    async with puller.taking:
        _must_go_on(contents, await puller.known())
    # Without what comes before, its trust and so its keys are not known either.
    coming = await _coming(contents, puller.ground())
    await asyncio.to_thread(_must_be_signed, contents, puller.ground(), coming)
    rest = await asyncio.to_thread(_proved_rest, contents)
    number = 0
    while number < pages_count:
        async with puller.taking:
            is_anew = await _bring_page(puller, contents, number, rest, coming)
            if is_anew:
                _must_go_on(contents, puller.pulled)
        number = 0 if is_anew else number + 1
        told(number, pages_count)
    if puller.leaves is not None:
        await puller.leaves.came_by_file(parcel.after + 1, rest)
    async with puller.taking:
        await puller.came_by_file(parcel.cursor)


async def _bring_page(
    puller: Puller, contents: Contents, number: int, rest: Rest, coming: View | None
) -> bool:
    """Take in a page; return whether it told that all is to be taken in anew instead."""
    before, parcel = await puller.known(), contents.parcel
    if before.after >= parcel.cursor and (not before.waiting or parcel.size < before.size):
        return False
    page = await asyncio.to_thread(_page, contents, number)
    # Its log signed the shorter one before: nothing against it, but no proof leads back.
    if parcel.size < before.size and puller.dated(page.note) <= puller.seen:
        raise Refusal(Code.EXPORT_OLDER, "/size", expected=before.size, after=before.after)
    grown = await asyncio.to_thread(_grown, before.size, parcel.size, rest)
    try:
        page, again = _beyond(page, before)
        ground = puller.ground()
        if coming is not None and coming.index > ground.there.index:
            # Its checkpoint may be signed by keys that only a later page lists.
            ground = ground._replace(there=coming)
        await puller.take(Filed(contents), page._replace(grown=grown), again, ground)
    except Refusal as refusal:
        if refusal.code is Code.NOT_UNDERSTOOD:
            # A newer program wrote it: ours waits until it is as new.
            raise Fault(refusal.code, refusal.at, **refusal.facts) from refusal
        puller.stop(refusal)
        raise
    return puller.pulled.after < before.after


def _must_go_on(contents: Contents, before: Pulled) -> None:
    after = contents.parcel.after
    if after > before.after:
        raise Refusal(Code.EXPORT_MISSING, "/after", expected=before.after, found=after)


def _beyond(page: Page, before: Pulled) -> tuple[Page, list[int]]:
    """Return what of a page is beyond what was looked through, or waited; and what waited."""
    again = sorted({item.by for item in page.items if item.by in before.waiting})
    items = [
        # As over the link, where it is asked for once more: out of its place.
        msgspec.structs.replace(item, is_ahead=True) if item.by <= before.after else item
        for item in page.items
        if item.by > before.after or item.by in again
    ]
    return page._replace(items=items, cursor=max(page.cursor, before.after)), again


def _page(contents: Contents, number: int) -> Page:
    """Return a page of a file.

    Raises:
        Refusal: ``bad-export``: it is none, or under another checkpoint than the file.
    """
    try:
        page = pages.decode(contents.page(number), contents.parcel.node)
    except Fault as fault:
        raise Refusal(Code.BAD_EXPORT, "/page") from fault
    if c2sp.parse(page.note).size != contents.parcel.size:
        raise Refusal(Code.BAD_EXPORT, "/page")
    return page


def _proved_rest(contents: Contents) -> Rest:
    """Return the hashes of a file, which lead to the root of its checkpoint.

    Raises:
        Refusal: ``bad-export``: they do not. What follows from them must accuse nobody.
    """
    rest, told = contents.rest(), c2sp.parse(_page(contents, 0).note)
    if rest.size != told.size or root_at(rest.size, rest) != told.root:
        raise Refusal(Code.BAD_EXPORT, "/leaves")
    return rest


def _grown(old: int, new: int, rest: Rest) -> list[bytes]:
    """Return the proof that a file's checkpoint goes on from the one that is known here."""
    return consistency_proof(old, new, rest) if old <= new else []


async def _coming(contents: Contents, on: Ground) -> View | None:
    """Return what is in force there after the trust that a file begins with, page by page.

    None where it does not hold: of what nobody signed nothing is believed, and nobody accused.
    """
    view = on.there
    for number in range(len(contents.pages)):
        page = await asyncio.to_thread(_page, contents, number)
        try:
            view = await asyncio.to_thread(folded, page, view)
        except Refusal:
            return None
        if not page.is_trust_alone(contents.parcel.after):
            break
    return view


def _must_be_signed(contents: Contents, on: Ground, view: View | None) -> None:
    """Hold a file to the keys of the node that it says wrote it.

    As our directory lists them; or as one does that comes in the file: the node was given other
    keys meanwhile. Keys that were in ours before, and are over, are nobody's word any more.

    Raises:
        Refusal: ``bad-export``: it is signed by others.
    """
    coming = view.nodes.get(on.node) if view is not None else None
    known = [document for _, document in on.here.tenures.get(on.node, ())]
    # A new version of the document may list the same keys.
    now = [document.receipts.keys for document in known[-1:]]
    before = [document.receipts.keys for document in known[:-1]]
    over = [each for each in before if each not in now]
    listed = [*known[-1:], coming]
    for document in listed:
        if document is None or document.receipts.keys in over:
            continue
        if _is_signed(contents, document, on):
            return
    raise Refusal(Code.BAD_EXPORT, "/signed")


def _is_signed(contents: Contents, document: NodeDocument, on: Ground) -> bool:
    suite = suite_of_node(document)
    if contents.parcel.suite != suite or suite not in on.here.agreed().suites:
        return False
    try:
        jws.verify_by_signatory(contents.signed, document.receipts, suite)
    except Refusal:
        return False
    return True
