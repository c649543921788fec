"""What is searched for: pairs of a key and a value, the same in a URL and on a command line.

``type=voi&origin=pa.senan&from=2026-11-01``: values of one key are alternatives, keys narrow
each other. Whatever is not known here is refused: a misspelt filter would find too much.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from exchange.audit.rows import FACETS
from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

# What one is looked up by, beside facets; ``entry`` is an index in any journal searched.
NAMES: Final = ("id", "target", "thread", "digest")
KEYS: Final = ("journal", *FACETS, *NAMES, "entry", "from", "to", "order", "limit", "cursor")
MAX_LIMIT: Final = 1000
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_CURSOR: Final = re.compile(r"[a-z0-9.+-]+:\d{1,16}(,[a-z0-9.+-]+:\d{1,16})*")


class Query(msgspec.Struct, frozen=True):
    """What is searched for.

    Attributes:
        journals: nodes whose journals are searched; empty: all.
        facets: of each facet that is narrowed, the values that will do. ``origin``,
            ``endpoint`` and ``recipient`` also take a member for all its endpoints.
        names: of each of ``NAMES`` the values that will do.
        entries: indexes that will do; empty: any.
        since_ms: taken in at this time or later; ``until_ms``: before this time.
        newest_first: in which order rows come.
        limit: rows at most.
        cursor: where a page ended, as ``Found.next`` gave it; empty: at the beginning.
    """

    journals: tuple[str, ...] = ()
    facets: dict[str, tuple[str, ...]] = {}
    names: dict[str, tuple[str, ...]] = {}
    entries: tuple[int, ...] = ()
    since: str = ""
    until: str = ""
    newest_first: bool = True
    limit: int = 50
    cursor: str = ""

    @property
    def since_ms(self) -> int | None:
        """The first millisecond UTC that will do."""
        return None if not self.since else moment(self.since, "/from")[0]

    @property
    def until_ms(self) -> int | None:
        """The first millisecond UTC that will not do any more."""
        return None if not self.until else moment(self.until, "/to")[1]

    def pairs(self) -> list[tuple[str, str]]:
        """Return it as pairs, in one order: what ``parse`` makes the same query of."""
        found = [("journal", each) for each in self.journals]
        for name in FACETS:
            found += [(name, value) for value in self.facets.get(name, ())]
        for name in NAMES:
            found += [(name, value) for value in self.names.get(name, ())]
        found += [("entry", str(index)) for index in self.entries]
        found += [("from", self.since)] if self.since else []
        found += [("to", self.until)] if self.until else []
        found += [] if self.newest_first else [("order", "oldest")]
        found += [] if self.limit == Query().limit else [("limit", str(self.limit))]
        return found + ([("cursor", self.cursor)] if self.cursor else [])


def parse(pairs: Iterable[tuple[str, str]]) -> Query:
    """Return what these pairs ask for.

    Args:
        pairs: of a key in ``KEYS`` and a value; an empty value is as if it were not there. A
            time is ``2026-11-01`` (that day, as a whole) or ``2026-11-01T18:00:00Z``.

    Raises:
        Refusal: ``unknown-member`` or ``wrong-value``, at the key.
    """
    given = _given(pairs)
    order, cursor = _one(given, "order", "newest"), _one(given, "cursor")
    if order not in {"newest", "oldest"}:
        raise Refusal(Code.WRONG_VALUE, "/order")
    if cursor and not _CURSOR.fullmatch(cursor):
        raise Refusal(Code.WRONG_VALUE, "/cursor")
    limit = _number(_one(given, "limit", str(Query().limit)), "/limit")
    if limit > MAX_LIMIT:
        raise Refusal(Code.WRONG_VALUE, "/limit", expected=MAX_LIMIT)
    query = Query(
        journals=tuple(given.get("journal", ())),
        facets={name: tuple(given[name]) for name in FACETS if given.get(name)},
        names={name: tuple(given[name]) for name in NAMES if given.get(name)},
        entries=tuple(_number(each, "/entry") for each in given.get("entry", ())),
        since=_one(given, "from"),
        until=_one(given, "to"),
        newest_first=order == "newest",
        limit=limit,
        cursor=cursor,
    )
    # Times are read here, so that one that is none is refused before anything is searched.
    _ = query.since_ms, query.until_ms
    return query


def _given(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for key, value in pairs:
        if key not in KEYS:
            raise Refusal(Code.UNKNOWN_MEMBER, f"/{key[:48]}", name=key[:48])
        if value and value not in given.setdefault(key, []):
            given[key].append(value)
    return given


def _one(given: dict[str, list[str]], key: str, usual: str = "") -> str:
    values = given.get(key) or [usual]
    if len(values) > 1:
        raise Refusal(Code.WRONG_VALUE, f"/{key}")
    return values[0]


def changed(query: Query, **to: Any) -> Query:
    """Return a query with other members, from its first page on."""
    return msgspec.structs.replace(query, **{"cursor": "", **to})


def moment(text: str, at: str) -> tuple[int, int]:
    """Return the first ms of a day or second, and the first one after it.

    Raises:
        Refusal: ``wrong-value``: it is neither.
    """
    is_day = _DAY.fullmatch(text) is not None
    try:
        form = "%Y-%m-%d" if is_day else "%Y-%m-%dT%H:%M:%SZ"
        found = dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC)
        # The last day that there is has none after it.
        after = found + dt.timedelta(days=is_day)
    except (ValueError, OverflowError):
        raise Refusal(Code.WRONG_VALUE, at, expected="2026-11-01") from None
    return int(found.timestamp()) * 1000, int(after.timestamp()) * 1000


def _number(text: str, at: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text):
        raise Refusal(Code.WRONG_VALUE, at)
    return int(text)
