"""Tell who posted abroad to whom of ours it may not be owed, and why: a notice that we sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.broker import peering, retaining
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.identity import uuid7
from exchange.seal import jws, notices

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exchange.broker.holding import Find
    from exchange.broker.records import Found
    from exchange.broker.settle import Ledger
    from exchange.node.node import Node


class _Unowed(NamedTuple):
    """What one of ours goes without, and who is to hear so: who posted what would give it."""

    poster: str
    of: objects.Subject
    recipient: str
    code: str


class _Telling(NamedTuple):
    """One notice to be entered, about the entry here at ``of``, if the bulletin is here."""

    raw: bytes
    once: bytes
    of: int | None
    poster: str

    def wanted(self, known: Mapping[bytes, Found | None]) -> list[bytes]:
        return [] if self.once in known else [self.once]

    def made(self, ledger: Ledger, find: Find) -> int | None:
        if find(self.once) is not None:
            return None
        return retaining.notify(ledger, self.raw, self.of, [self.poster], once=(self.once,))


async def tell(node: Node, index: int, at_home: bytes) -> None:
    """Enter a notice for each recipient of ours that an entry from abroad is not owed to.

    Said again it changes nothing: each is told once.

    Args:
        node: ours.
        index: of the entry here.
        at_home: the entry there.

    Raises:
        Fault: nothing can be recorded.
    """
    (row,) = await node.store.read(index, 1)
    facts = entries.decode(row.entry).facts
    is_here = isinstance(facts, entries.Accepted)
    for unowed in _unowed(facts, entries.decode(at_home), node):
        notice = _notice(node, unowed)
        raw = notices.sign(notice, node.writer.rings.signer(node.view))
        (once,) = retaining.told_once(notice)
        told = _Telling(raw, once, index if is_here else None, unowed.poster)
        await node.writer.enter(told.made, told.wanted)


def _unowed(here: entries.Facts, at_home: entries.Entry, node: Node) -> Iterator[_Unowed]:
    facts = at_home.facts
    if isinstance(facts, entries.Accepted):
        header = headers.decode(jws.read(at_home.object, headers.MAX_HEADER_BYTES).payload)
        of = objects.Subject(header.endpoint, header.id, facts.digest)
        for name, code in _declined(here, header.to, node):
            yield _Unowed(header.endpoint, of, name, code)
    if isinstance(facts, entries.Granted) and isinstance(here, entries.Refused):
        signed = jws.read(at_home.object, objects.MAX_OBJECT_BYTES)
        grant = objects.decode_grant(signed.payload)
        yield _Unowed(grant.endpoint, grant.of, grant.to, here.code)


def _declined(here: entries.Facts, to: list[str], node: Node) -> Iterator[tuple[str, str]]:
    if isinstance(here, entries.Accepted) and here.declined is not msgspec.UNSET:
        yield from ((each.endpoint, each.code) for each in here.declined)
    if isinstance(here, entries.Refused):
        ours = node.view.nodes.get(node.name)
        for name in to:
            if ours is not None and peering.is_here(name, ours.serves):
                yield name, here.code


def _notice(node: Node, unowed: _Unowed) -> objects.Notice:
    settings, signer = node.settings, node.writer.rings.signer(node.view)
    return objects.Notice(
        v="xb1",
        suite=signer.suite,
        id=uuid7(settings.clock_ms(), settings.randomness(10)),
        node=node.name,
        of=unowed.of,
        about="refused",
        recipient=unowed.recipient,
        code=unowed.code,
        at=settings.clock_ms() // 1000,
    )
