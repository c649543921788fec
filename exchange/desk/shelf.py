"""What an officer holds, in the order in which it wants looking at; and what a search finds.

An inbox keeps the journal's order and proves itself by it. A shelf is for people: by
precedence, within it by when somebody is to have seen to it. It hides rows, never what is owed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import msgspec

from exchange.client import bearing, news
from exchange.client.reading import Acked, Delivered, Locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exchange.client.bearing import Mark
    from exchange.client.reading import Item, News
    from exchange.model.codes import Codes, Lang
    from exchange.model.header import Precedence

# A band each, in this order; what is no bulletin comes after them.
BANDS: Final[tuple[Precedence, ...]] = ("flash", "immediate", "priority", "routine")
State = Literal["unread", "unacknowledged", "overdue", "locked", "withdrawn"]
STATES: Final[tuple[State, ...]] = (
    "unread", "unacknowledged", "overdue", "locked", "withdrawn",
)  # fmt: skip
Kind = Literal[
    "bulletin", "acknowledgement", "grant", "release", "draft", "notice", "confirmation",
    "consent", "request", "purge", "locked",
]  # fmt: skip


_KINDS: Final[dict[str, Kind]] = {kind: kind for kind in get_args(Kind)}
_LANGS: Final[tuple[Lang, ...]] = ("es", "en")


class Row(msgspec.Struct, frozen=True):
    """One item of the inbox, as a shelf holds it.

    Attributes:
        item: as it was verified, and opened where it is sealed to us.
        kind: what it is.
        id, digest: of the bulletin that it is, or is about; empty where there is none.
        origin: who says it: a member of a bulletin, an endpoint of anything else.
        title: by language, as far as it was said; empty where it does not open.
        target_s: how long after it was taken in somebody is to have seen to it.
        due: when it is due by itself, in seconds UTC.
        words: all text in it, folded: what a search looks through.
    """

    item: Item
    kind: Kind
    id: str = ""
    digest: str = ""
    origin: str = ""
    title: dict[str, str] = {}
    target_s: int = 0
    due: int | None = None
    words: str = ""

    @property
    def is_flash(self) -> bool:
        """Whether it is a bulletin that may not wait."""
        return isinstance(self.item, Delivered) and self.item.header.precedence == "flash"

    @property
    def by_s(self) -> int:
        """When somebody is to have seen to it, in seconds UTC: by its target, or when due."""
        target = self.taken_ms // 1000 + self.target_s
        return target if self.due is None else min(target, self.due)

    @property
    def taken_ms(self) -> int:
        """When our node took it in; 0 where that is not known."""
        return 0 if isinstance(self.item, Locked) else self.item.taken_ms


class Asked(msgspec.Struct, frozen=True):
    """What is asked of a shelf; what is empty asks for nothing. All of it must hold.

    Attributes:
        text: words; each must be somewhere in a row, in any order, without regard to accents.
        types, precedence, status, feeds, origins: of bulletins, any of them.
        states: any of them.
        since, until: when it was taken in, in seconds UTC: from, and before.
    """

    text: str = ""
    types: tuple[str, ...] = ()
    precedence: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    since: int = 0
    until: int = 0


# What may stand before a colon in a search, in either language, and what it asks.
_PREFIXES: Final = {
    "type": "types", "tipo": "types",
    "from": "origins", "de": "origins",
    "feed": "feeds", "canal": "feeds",
    "status": "status", "estado": "status",
    "precedence": "precedence", "precedencia": "precedence",
    "is": "states", "es": "states",
}  # fmt: skip


def asked(said: str, also: Asked | None = None) -> Asked:
    """Return what a line in the search field asks: ``type:voi from:pa.senan panga``.

    What stands before a colon and is none of ours is a word like any other.
    """
    words, named = [], dict[str, list[str]]()
    for word in said.split():
        prefix, colon, value = word.partition(":")
        name = _PREFIXES.get(prefix.casefold()) if colon and value else None
        if name == "states" and value not in STATES:
            name = None
        if name is None:
            words.append(word)
        else:
            named.setdefault(name, []).append(value.casefold())
    base = also or Asked()
    found: dict[str, Any] = {
        name: (*getattr(base, name), *values) for name, values in named.items()
    }
    return msgspec.structs.replace(base, text=" ".join(words), **found)


def folded(text: str) -> str:
    """Return a text as it is searched: without case, accents and what marks them."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in apart if not unicodedata.combining(each))


class Shelf:
    """The inbox of one endpoint, held for looking at.

    ``target_s`` tells by a precedence how long somebody has to see to a bulletin.
    """

    def __init__(self, codes: Codes, target_s: Callable[[Precedence], int]) -> None:
        """Begin empty."""
        self._codes = codes
        self._target_s = target_s
        self._rows: dict[int, Row] = {}
        self._marks: dict[int, list[Mark]] = {}
        # Digests of what was looked at here, and of what was acknowledged from here.
        self.read: set[str] = set()
        self.acknowledged: set[str] = set()
        # Digests that something held here cancels, corrects or supersedes.
        self._named: set[str] = set()
        # What was looked through last, until something of it changes.
        self._version = 0
        self._order: tuple[tuple[object, ...], list[Row]] = ((), [])
        self._counts: tuple[tuple[object, ...], dict[str, int]] = ((), {})

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, items: Iterable[Item]) -> list[Row]:
        """Take in what is new, or changed (one that opens now); return it."""
        fresh = [
            item
            for item in items
            if (held := self._rows.get(item.index)) is None
            or (held.item is not item and held.item != item)
        ]
        made = [self._made(item) for item in fresh]
        self._rows.update((row.item.index, row) for row in made)
        self._version += bool(made)
        # Each is looked at: what comes may name what comes with it.
        if sum(self._bears(item) for item in fresh):
            self._marks = bearing.marks(self.items())
        return made

    def _bears(self, item: Item) -> bool:
        """Tell whether an item does something to what is held, or something held does to it."""
        if not isinstance(item, Delivered):
            return False
        reference = bearing.reference_of(item.header)
        if reference is not None:
            self._named.add(reference.header_digest)
        return bool(reference is not None or item.earlier or item.digest in self._named)

    def items(self) -> list[Item]:
        """Return what is held, in the journal's order."""
        return [self._rows[index].item for index in sorted(self._rows)]

    def row(self, index: int) -> Row | None:
        """Return the row of an entry, if it is held."""
        return self._rows.get(index)

    def marks(self, index: int) -> list[Mark]:
        """Return what was done to the bulletin of an entry."""
        return self._marks.get(index, [])

    def states(self, row: Row, now: int) -> set[State]:
        """Return what is true of a row now; of what is no bulletin, whether it was read."""
        found: set[State] = set()
        if self.key(row) not in self.read:
            found.add("unread")
        if row.kind == "locked" or (isinstance(row.item, Delivered) and row.item.locked):
            found.add("locked")
        if row.kind != "bulletin":
            return found
        if self._is_withdrawn(row):
            found.add("withdrawn")
        elif row.digest not in self.acknowledged:
            found.add("unacknowledged")
            if row.by_s <= now:
                found.add("overdue")
        return found

    @staticmethod
    def key(row: Row) -> str:
        """Return what a row goes by among what was read: a bulletin by its digest."""
        return row.digest if row.kind == "bulletin" else f"#{row.item.index}"

    def find(self, wanted: Asked, now: int) -> list[Row]:
        """Return the rows that are asked for, as they want looking at.

        Bands come in their order. In a band, what waits for somebody comes first, what is due
        soonest before the rest; then what was seen to, the newest first.
        """
        found = list(self._ordered())
        # Word by word: each goes through what the one before has left.
        for word in folded(wanted.text).split():
            found = [row for row in found if word in row.words]
        if msgspec.structs.replace(wanted, text="") == Asked():
            return found
        return [row for row in found if self._is_asked(row, wanted, now)]

    def waiting(self, band: Precedence, most: int) -> list[Row]:
        """Return what of one precedence nobody saw to, what is due soonest first; so many."""
        found = list[Row]()
        place = BANDS.index(band)
        for row in self._ordered():
            at, is_done, _ = self._place(row)
            if at > place or (at == place and is_done) or len(found) == most:
                break
            if at == place:
                found.append(row)
        return found

    def _ordered(self) -> list[Row]:
        """Return every row as it wants looking at; sorted again where something changed."""
        key = (self._version, self.acknowledged, len(self.acknowledged))
        if self._order[0] != key:
            self._order = (key, sorted(self._rows.values(), key=self._place))
        return self._order[1]

    def counts(self, now: int) -> dict[str, int]:
        """Return how many rows there are in each state, and of each precedence unseen to."""
        key = (self._version, self.acknowledged, len(self.acknowledged), len(self.read), now)
        if self._counts[0] != key:
            self._counts = (key, self._counted(now))
        return dict(self._counts[1])

    def _counted(self, now: int) -> dict[str, int]:
        counts: dict[str, int] = dict.fromkeys((*STATES, *BANDS), 0)
        for row in self._rows.values():
            states = self.states(row, now)
            for state in states:
                counts[state] += 1
            if "unacknowledged" in states and isinstance(row.item, Delivered):
                counts[row.item.header.precedence] += 1
        return counts

    def _is_withdrawn(self, row: Row) -> bool:
        marks = self._marks.get(row.item.index)
        return marks is not None and any(mark.relation == "cancels" for mark in marks)

    def _place(self, row: Row) -> tuple[int, bool, int]:
        if not isinstance(row.item, Delivered):
            return len(BANDS), False, -row.item.index
        is_open = row.digest not in self.acknowledged and not self._is_withdrawn(row)
        band = BANDS.index(row.item.header.precedence)
        return band, not is_open, row.by_s if is_open else -row.taken_ms

    def _is_asked(self, row: Row, wanted: Asked, now: int) -> bool:
        taken = row.taken_ms // 1000
        if taken < wanted.since or (wanted.until and taken >= wanted.until):
            return False
        if not self._fits(row, wanted):
            return False
        return not wanted.states or bool(self.states(row, now) & set(wanted.states))

    @staticmethod
    def _fits(row: Row, wanted: Asked) -> bool:
        """Say whether a bulletin's header fits; of what is none, only who says it is asked."""
        if wanted.origins and not row.origin.startswith(wanted.origins):
            return False
        header = row.item.header if isinstance(row.item, Delivered) else None
        pairs = (
            (wanted.types, header and header.type),
            (wanted.precedence, header and header.precedence),
            (wanted.status, header and header.status),
            (wanted.feeds, header and header.feed),
        )
        return all(not asked or value in asked for asked, value in pairs)

    # -- what a row says ----------------------------------------------------------------

    def _made(self, item: Item) -> Row:
        match item:
            case Delivered():
                return self._bulletin(item)
            case Locked():
                return Row(item, "locked", words="locked")
            case Acked(ack=ack):
                told = [self._codes.words("ack-outcomes", ack.outcome, lang) for lang in _LANGS]
                by = f" ({ack.officer})" if ack.officer else ""
                said = "\n".join((*(f"{each}{by}" for each in told), ack.endpoint, ack.of.id))
                kind: Kind = "acknowledgement"
                return Row(item, kind, ack.of.id, origin=ack.endpoint, words=folded(said))
            case _:
                return self._piece(item)

    def _piece(self, item: News) -> Row:
        told = [news.piece(item, lang, self._codes) for lang in _LANGS]
        words = [f"{each.title}\n{each.origin}\n{each.id}" for each in told]
        kind = _KINDS.get(told[0].kind, "notice")
        return Row(
            item, kind, told[0].id, origin=told[0].origin, words=folded("\n".join(words))
        )

    def _bulletin(self, item: Delivered) -> Row:
        header, title = item.header, dict[str, str]()
        due, said = header.due, list[str]()
        if item.bulletin is not None:
            told = item.bulletin.title
            title = {told.lang: told.text}
            title |= {each.lang: each.text for each in told.translations}
            said = list(_texts(msgspec.to_builtins(item.bulletin)))
        kinds = [word.in_(lang) for word in self._type(header.type) for lang in _LANGS]
        named = (header.id, header.origin, header.endpoint, header.feed, header.type, *kinds)
        return Row(
            item,
            "bulletin",
            header.id,
            item.digest,
            header.origin,
            title,
            self._target_s(header.precedence),
            due,
            folded("\n".join((*named, *said))),
        )

    def _type(self, code: str) -> list[Any]:
        word = self._codes.word("types", code)
        return [] if word is None else [word]


def _texts(value: Any) -> Iterator[str]:
    """Go through all text in a bulletin's values; numbers too, as they are written."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
