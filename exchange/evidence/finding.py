"""Find a bulletin in the journals at hand, and say which of them it was posted at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from exchange.broker import keys
from exchange.errors import Code, Refusal
from exchange.evidence import making, package
from exchange.model import entry as entries
from exchange.model import header as headers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.evidence.making import Trusted
    from exchange.evidence.parts import Shown


class Source(making.Source, Protocol):
    """A journal that finds entries by their names, too."""

    def find(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Return the index that each key leads to."""


class Kept(NamedTuple):
    """A journal at hand: whose it is, and its trust log."""

    source: Source
    node: str
    told: Trusted


def kept(source: Source, anchor: str | None) -> Kept:
    """Return a journal, once its trust documents follow.

    Raises:
        Refusal: they do not, or it is no journal's beginning.
        Fault: it cannot be read.
    """
    return Kept(source, making.node_of(source), making.trusted(source, anchor))


class Missing(Refusal):
    """The journal of the node where the bulletin was posted is not at hand."""


def place_of(journal: Kept, named: str) -> int:
    """Return where a bulletin stands in a journal.

    Args:
        journal: the journal.
        named: its entry's index, or the bulletin's id.

    Raises:
        Refusal: ``not-found``; or ``id-unclear``: several endpoints used that id.
    """
    if named.isdecimal():
        return int(named)
    listed = journal.told.view.endpoints
    wanted = [
        keys.bulletin(headers.TYP, each.member.member, each.endpoint.id, named)
        for each in listed.values()
    ]
    found = sorted(set(journal.source.find(wanted).values()))
    if not found:
        raise Refusal(Code.NOT_FOUND, "", id=named[:64])
    if len(found) > 1:
        raise Refusal(Code.ID_UNCLEAR, "", id=named[:64], found=found[0])
    return found[0]


def shown(
    journals: Sequence[Kept], named: str, notes: Sequence[bytes] = ()
) -> tuple[package.Of, list[Shown]]:
    """Return a bulletin, and what each journal shows of it: first that of its posting.

    Args:
        journals: at hand; ``named`` is looked for in the first.
        named: the bulletin's id, or the index of its entry in the first journal.
        notes: cosigned checkpoints that were kept beside the journals.

    Raises:
        Missing: the journal where it was posted is not among them.
        Refusal: there is no such bulletin, or no checkpoint that vouches for it.
    """
    first = journals[0]
    place = place_of(first, named)
    entry = making.one(first.source, place)
    came = entries.came_in(entry)
    at = entries.Home(first.node, place) if came is None else came[0]
    home = next((each for each in journals if each.node == at.node), None)
    if home is None:
        raise Missing(Code.NOT_FOUND, "/home", name=at.node, found=at.index)
    _, signed, header = making.accepted_in(making.one(home.source, at.index))
    of = package.Of(header, signed, home.told.anchor)
    found = [_of(home, at.index, notes)]
    for each in journals:
        if each is home:
            continue
        there = each.source.find([keys.crossed(at)]).values()
        found += [_of(each, index, notes) for index in there if _is_bulletin(each, index)]
    return of, found


def _is_bulletin(journal: Kept, index: int) -> bool:
    """Tell whether it was taken in there, and not refused."""
    facts = entries.decode(making.one(journal.source, index)).facts
    return isinstance(facts, entries.Accepted)


def _of(journal: Kept, index: int, notes: Sequence[bytes]) -> Shown:
    own = [note for note in notes if making.is_of(note, journal.node)]
    return making.shown(journal.source, index, journal.told, own[0] if own else None)
