"""Tell who posted abroad to whom of ours it may not be owed, and why: a notice that we sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from exchange.broker import peering, retaining
from exchange.errors import Code
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.identity import uuid7
from exchange.model.outcome import Outcome
from exchange.seal import jws, notices

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from exchange.broker.holding import Find
    from exchange.broker.records import Found
    from exchange.broker.settle import Ledger
    from exchange.link.pages import Offered
    from exchange.node.node import Node


class _Unowed(NamedTuple):
    """What one of ours goes without, and who is to hear so: who posted what would give it.

    Nobody (empty), where that is none of the poster's business: it is on record all the same,
    for whom it is owed to at home (``node.crossed``).
    """

    poster: str
    of: objects.Subject
    recipient: str
    code: str


class _Telling(NamedTuple):
    """One notice to be entered, about the entry here at ``of``, if the bulletin is here."""

    notice: objects.Notice
    raw: bytes
    of: int | None
    poster: str

    def wanted(self, known: Mapping[bytes, Found | None]) -> list[bytes]:
        keys = retaining.may_be_told(self.notice, self.poster)
        return [key for key in keys if key not in known]

    def made(self, ledger: Ledger, find: Find) -> int | None:
        once = retaining.told_once(self.notice, self.poster, find)
        if once is None:
            return None
        told = [self.poster] if self.poster else []
        return retaining.notify(ledger, self.raw, self.of, told, once=(once,))


About = Literal["refused", "waiting"]


async def tell(node: Node, index: int, here: Outcome, item: Offered) -> None:
    """Enter a notice for each recipient of ours that an entry from abroad is not owed to.

    Said again it changes nothing: each is told once.

    Args:
        node: ours.
        index: of the entry here.
        here: what became of it.
        item: the entry there.

    Raises:
        Fault: nothing can be recorded.
    """
    without = _without(item.facts, here.has, node) if here.is_accepted else []
    # Of nearly all nobody goes without: that object need not be read once more.
    if not (here.is_refused or here.declined or without):
        return
    home = entries.decode(item.raw)
    of = index if here.is_accepted else None
    for unowed in _unowed(here, home, node):
        await _tell(node, unowed, "refused", of)
    for unowed in _of_nobody(without, home, Code.NOT_OWED.value):
        await _tell(node, unowed, "refused", of)


async def tell_waiting(node: Node, at_home: bytes, code: str) -> None:
    """Enter a notice for each recipient of ours that an entry from abroad is not given to yet.

    Args:
        node: ours.
        at_home: the entry there.
        code: why it waits.

    Raises:
        Fault: nothing can be recorded.
    """
    home = entries.decode(at_home)
    without = _of_nobody(_without(home.facts, frozenset(), node), home, code)
    for unowed in (*_unowed(code, home, node), *without):
        await _tell(node, unowed, "waiting", None)


async def _tell(node: Node, unowed: _Unowed, about: About, of: int | None) -> None:
    notice = _notice(node, unowed, about)
    known = await node.store.find(retaining.may_be_told(notice, unowed.poster))
    if retaining.told_once(notice, unowed.poster, known.get) is None:
        return
    raw = notices.sign(notice, node.writer.rings.signer(node.view))
    told = _Telling(notice, raw, of, unowed.poster)
    await node.writer.enter(told.made, told.wanted)


def _unowed(here: Outcome | str, at_home: entries.Entry, node: Node) -> Iterator[_Unowed]:
    """Yield who goes without; ``here`` is what became of it, or why it is not here yet."""
    facts = at_home.facts
    if isinstance(facts, entries.Accepted):
        header = headers.decode(jws.read(at_home.object, headers.MAX_HEADER_BYTES).payload)
        of = objects.Subject(header.endpoint, header.id, facts.digest)
        for name, code in _declined(here, header.to, node):
            yield _Unowed(header.endpoint, of, name, code)
    everyone = _code_for_all(here)
    if isinstance(facts, entries.Granted) and everyone is not None:
        signed = jws.read(at_home.object, objects.MAX_OBJECT_BYTES)
        grant = objects.decode_grant(signed.payload)
        yield _Unowed(grant.endpoint, grant.of, grant.to, everyone)


def _without(at_home: entries.Facts, has: Collection[str], node: Node) -> list[str]:
    """Return each of ours that an entry is owed to at home and who goes without it here.

    Its poster may not have named them: who holds what is corrected, say.
    """
    here = peering.nations_of(node.name, node.view)
    return [
        owed.endpoint
        for owed in entries.owed_by(at_home)
        if owed.endpoint not in has and peering.is_here(owed.endpoint, here)
    ]


def _of_nobody(without: Sequence[str], at_home: entries.Entry, code: str) -> Iterator[_Unowed]:
    if without and (of := peering.subject(at_home)) is not None:
        yield from (_Unowed("", of, endpoint, code) for endpoint in without)


def _code_for_all(here: Outcome | str) -> str | None:
    """Return why nobody of ours has it; None where somebody does."""
    if isinstance(here, str):
        return here
    return here.code if here.is_refused else None


def _declined(here: Outcome | str, to: list[str], node: Node) -> Iterator[tuple[str, str]]:
    if isinstance(here, Outcome):
        yield from ((each.endpoint, each.code) for each in here.declined)
    if (code := _code_for_all(here)) is not None:
        ours = node.view.nodes.get(node.name)
        for name in to:
            if ours is not None and peering.is_here(name, ours.serves):
                yield name, code


def _notice(node: Node, unowed: _Unowed, about: About) -> objects.Notice:
    settings, signer = node.settings, node.writer.rings.signer(node.view)
    return objects.Notice(
        v="xb1",
        suite=signer.suite,
        id=uuid7(settings.clock_ms(), settings.randomness(10)),
        node=node.name,
        of=unowed.of,
        about=about,
        recipient=unowed.recipient,
        code=unowed.code,
        at=settings.clock_ms() // 1000,
    )
