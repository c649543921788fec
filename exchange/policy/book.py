"""The arrangement, ready to be asked: its lists as sets, made once and not at each bulletin."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

from exchange.errors import Code, Refusal
from exchange.model.header import WRAP_BYTES, Handling, Status, Tlp
from exchange.policy.limits import DEFAULT_SIZES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from exchange.model.header import Header
    from exchange.model.trust import Arrangement, Category, Feed, Limits, Sizes
    from exchange.model.view import View

# Sealed, of a cancellation that waits for nobody: why it cancels, and no report besides. The
# wrapped keys of its recipients come on top.
PLAIN_BODY_BYTES: Final = 16 * 1024
# Views of late that share one arrangement share one book.
_KEPT: Final = 8
# Most bulletins say what one of the last so many said: which categories they bear is kept.
_SAYINGS: Final = 1024


class Terms(NamedTuple):
    """What a feed carries, and who may post and read."""

    name: str
    types: frozenset[str]
    post: frozenset[str]
    read: frozenset[str]
    statuses: frozenset[str]
    tlp: frozenset[str]
    handling: frozenset[str]


class Said(NamedTuple):
    """Of a header, what an arrangement's categories may name."""

    tlp: str
    status: str
    precedence: str
    type: str
    feed: str
    regime: str | None
    handling: tuple[str, ...]
    declares: tuple[str, ...]
    originator_control: bool


class Borne(NamedTuple):
    """A category, and of its values those that a bulletin bears: each with its holders."""

    name: str
    is_permissive: bool
    values: tuple[tuple[str, frozenset[str]], ...]


class Book:
    """What an arrangement says, as rules ask for it."""

    def __init__(self, agreed: Arrangement) -> None:
        """Read an arrangement."""
        self.feeds = {feed.name: _terms(feed) for feed in agreed.feeds}
        self.schemas = frozenset(agreed.schemas)
        self.regimes = frozenset(agreed.regimes)
        self.limits: Limits = agreed.limits
        self.sizes: Sizes = agreed.sizes or DEFAULT_SIZES
        self.agreed = agreed
        self._four_eyes = frozenset(agreed.four_eyes)
        self._categories = [_Category(each) for each in agreed.categories or ()]
        self._borne = lru_cache(_SAYINGS)(self._find)

    def feed(self, name: str, at: str) -> Terms:
        """Return what holds for a feed.

        Raises:
            Refusal: ``unknown-feed``.
        """
        terms = self.feeds.get(name)
        if terms is None:
            raise Refusal(Code.UNKNOWN_FEED, at, name=name)
        return terms

    def borne(self, header: Header) -> tuple[Borne, ...]:
        """Return the categories of which a bulletin bears values, in their order."""
        if not self._categories:
            return ()
        return self._borne(_said(header))

    def is_marked(self, header: Header) -> bool:
        """Tell whether a bulletin bears a mark of those that ask for a release."""
        if not self._four_eyes:
            return False
        return not self._four_eyes.isdisjoint(marks_of(_said(header)))

    def needs_release(self, header: Header, holders: Collection[str] | None) -> bool:
        """Tell whether a second person of its author's member must have released a bulletin.

        Never what cancels and no more: to withdraw something is not to wait for anybody.

        Args:
            header: of the bulletin.
            holders: who holds what it cancels, if that bears a mark itself; None where that
                is not here, and then nobody can say.
        """
        return self.is_marked(header) and not _only_cancels(header, holders)

    def on_feed(self, name: str) -> tuple[Borne, ...]:
        """Return the restrictive categories of which all that is on a feed bears values."""
        found = (each.borne(frozenset({f"feed:{name}"})) for each in self._categories)
        return tuple(each for each in found if each.values and not each.is_permissive)

    def _find(self, said: Said) -> tuple[Borne, ...]:
        marks = frozenset(marks_of(said))
        found = (each.borne(marks) for each in self._categories)
        return tuple(each for each in found if each.values)


def _only_cancels(header: Header, holders: Collection[str] | None) -> bool:
    most = PLAIN_BODY_BYTES + WRAP_BYTES[header.suite] * len(header.to)
    return (
        header.verb == "cancel"
        and not header.attachments
        and header.body.size <= most
        and holders is not None
        and set(holders).issuperset(header.to)
    )


class _Category:
    def __init__(self, category: Category) -> None:
        self._name = category.name
        self._is_permissive = category.kind == "permissive"
        self._values = [
            (each.name, frozenset(each.marks), frozenset(each.holders))
            for each in category.values
        ]

    def borne(self, marks: frozenset[str]) -> Borne:
        values = tuple(
            (name, holders) for name, by, holders in self._values if not marks.isdisjoint(by)
        )
        return Borne(self._name, self._is_permissive, values)


def _said(header: Header) -> Said:
    marking = header.marking
    return Said(
        marking.tlp,
        header.status,
        header.precedence,
        header.type,
        header.feed,
        header.regime,
        tuple(marking.handling),
        tuple(header.declares),
        marking.originator_control,
    )


def marks_of(said: Said) -> Iterable[str]:
    """Return what a header says, each as an arrangement names it."""
    yield f"tlp:{said.tlp}"
    yield f"status:{said.status}"
    yield f"precedence:{said.precedence}"
    yield f"type:{said.type}"
    yield f"feed:{said.feed}"
    for handling in said.handling:
        yield f"handling:{handling}"
    for declared in said.declares:
        yield f"declares:{declared}"
    if said.originator_control:
        yield "originator-control:yes"
    if said.regime is not None:
        yield f"regime:{said.regime}"


def _terms(feed: Feed) -> Terms:
    return Terms(
        feed.name,
        frozenset(feed.types),
        frozenset(feed.post),
        frozenset(feed.read),
        frozenset(get_args(Status) if feed.statuses is None else feed.statuses),
        frozenset(get_args(Tlp) if feed.tlp is None else feed.tlp),
        frozenset(get_args(Handling) if feed.handling is None else feed.handling),
    )


class _Itself:
    """An arrangement as a key: the same object, whatever it says."""

    def __init__(self, agreed: Arrangement) -> None:
        self.agreed = agreed

    def __hash__(self) -> int:
        return id(self.agreed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.agreed is self.agreed


@lru_cache(_KEPT)
def _book(itself: _Itself) -> Book:
    return Book(itself.agreed)


def book(view: View) -> Book:
    """Return what the arrangement in force says.

    Raises:
        Refusal: ``trust-invalid``: there is none, and nothing flows before there is one.
    """
    return _book(_Itself(view.agreed()))


def must_cohere(agreed: Arrangement) -> None:
    """Hold an arrangement to itself: what names something that is not there would bind nobody.

    Raises:
        Refusal: ``wrong-value``, with its place: a name that comes twice, or a mark of a feed,
            type or regime that the arrangement does not have.
    """
    _once((feed.name for feed in agreed.feeds), "/feeds")
    types = {f"type:{each}" for feed in agreed.feeds for each in feed.types}
    known = {f"feed:{feed.name}" for feed in agreed.feeds} | types
    known |= {f"regime:{each}" for each in agreed.regimes}
    _once((each.name for each in agreed.retention), "/retention")
    _once((each.name for each in agreed.categories or ()), "/categories")
    for place, category in enumerate(agreed.categories or ()):
        at = f"/categories/{place}/values"
        _once((value.name for value in category.values), at)
        for number, value in enumerate(category.values):
            _known(value.marks, known, f"{at}/{number}/marks")
    _known(agreed.four_eyes, known, "/four_eyes")
    _clocks(agreed)


def _clocks(agreed: Arrangement) -> None:
    """Hold clocks to the regimes that there are, and to one for each and who is asked."""
    seen: set[tuple[str, str | None]] = set()
    for place, clock in enumerate(agreed.clocks):
        at = f"/clocks/{place}"
        if clock.regime not in agreed.regimes:
            raise Refusal(Code.WRONG_VALUE, f"{at}/regime", found=clock.regime)
        if clock.reminders != sorted(set(clock.reminders)):
            raise Refusal(Code.WRONG_VALUE, f"{at}/reminders", found=clock.regime)
        if (clock.regime, clock.asked) in seen:
            raise Refusal(Code.WRONG_VALUE, at, found=clock.regime)
        seen.add((clock.regime, clock.asked))


def _known(marks: Iterable[str], known: set[str], at: str) -> None:
    for place, mark in enumerate(marks):
        if mark.startswith(("feed:", "type:", "regime:")) and mark not in known:
            raise Refusal(Code.WRONG_VALUE, f"{at}/{place}", found=mark)


def _once(names: Iterable[str], at: str) -> None:
    seen: set[str] = set()
    for place, name in enumerate(names):
        if name in seen:
            raise Refusal(Code.WRONG_VALUE, f"{at}/{place}/name", found=name)
        seen.add(name)
