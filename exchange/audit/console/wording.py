"""What rows and facets say, in the reader's language: codes as words where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, get_args
from urllib.parse import urlencode

from exchange.audit.query import changed
from exchange.audit.rows import FACETS
from exchange.model.objects import News, Outcome

if TYPE_CHECKING:
    from exchange.audit.query import Query
    from exchange.audit.search import Found
    from exchange.model.codes import Codes, Lang
    from exchange.web.words import Words

# Facets whose values are codes of the language of bulletins, and the list that has them.
_LISTS: Final = {
    "type": "types",
    "verb": "verbs",
    "precedence": "precedence",
    "marking": "tlp",
    "status": "status",
}
_ACKS: Final = frozenset(get_args(Outcome))
_NEWS: Final = frozenset(get_args(News))
# Values of a facet that are shown before one asks for more.
SHOWN: Final = 8


class Choice(NamedTuple):
    """A value of a facet: its words, of how many, and the search with it or without."""

    words: str
    code: str
    total: int
    is_on: bool
    query: str


class Facet(NamedTuple):
    """A facet, with its values; ``more`` are those that one has to ask for."""

    name: str
    choices: list[Choice]
    more: list[Choice]


class Wording:
    """Words for one reader."""

    def __init__(self, words: Words, codes: Codes, lang: Lang) -> None:
        """Speak this language."""
        self._words, self._codes, self._lang = words, codes, lang

    def kind(self, kind: str) -> str:
        """Return what an entry is."""
        return self._words.text(self._lang, f"kind.{kind}")

    def outcome(self, outcome: str, kind: str = "") -> str:
        """Return what became of an entry.

        What an acknowledgement and a notice say are codes of the language of bulletins; some
        are spelled like outcomes of other kinds.
        """
        if kind == "notice" or (outcome in _NEWS and not self._words.has(f"outcome.{outcome}")):
            return self._codes.words("news", outcome, self._lang)
        if kind == "acknowledged" or not self._words.has(f"outcome.{outcome}"):
            name = "ack-outcomes" if outcome in _ACKS else "relations"
            return self._codes.words(name, outcome, self._lang)
        return self._words.text(self._lang, f"outcome.{outcome}")

    def code(self, code: str) -> str:
        """Return what a refusal's code, or the cause of a purge, means."""
        found = self._codes.refusals.get(code)
        if found is not None:
            said = (found.en if self._lang == "en" else found.es).what
            return _without_facts(said)
        return self._codes.words("purge-causes", code, self._lang)

    def node(self, node: str) -> str:
        """Return a node's name: of a nation's, with the nation."""
        key = f"nation.{node}"
        return self._words.text(self._lang, key) if self._words.has(key) else node

    def value(self, facet: str, value: str) -> str:
        """Return a value of a facet in words; a name is its own."""
        if facet in _LISTS:
            return self._codes.words(_LISTS[facet], value, self._lang)
        match facet:
            case "kind":
                return self.kind(value)
            case "outcome":
                return self.outcome(value)
            case "nation" | "journal":
                return self.node(value)
            case "policy":
                return self._words.text(self._lang, "policy.version", version=value)
            case _:
                return value

    def facets(self, found: Found, query: Query) -> list[Facet]:
        """Return what a search can be narrowed by, or widened, from here."""
        made = [self._facet("journal", found.facets["journal"], query.journals, query)]
        for name in FACETS:
            values = found.facets.get(name, {})
            if len(values) > 1 or query.facets.get(name):
                made.append(self._facet(name, values, query.facets.get(name, ()), query))
        return made

    def _facet(
        self, name: str, values: dict[str, int], on: tuple[str, ...], query: Query
    ) -> Facet:
        choices = [
            Choice(
                self.value(name, value), value, count, value in on, _toggled(query, name, value)
            )
            for value, count in values.items()
        ]
        first = [each for each in choices if each.is_on]
        rest = [each for each in choices if not each.is_on]
        room = max(SHOWN - len(first), 0)
        return Facet(name, first + rest[:room], rest[room:])

    def age(self, seconds: int) -> str:
        """Return how long ago something was, in one unit."""
        for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
            if seconds >= 2 * size:
                return self._words.count(self._lang, f"age.{unit}", seconds // size)
        return self._words.count(self._lang, "age.second", max(seconds, 0))


def _toggled(query: Query, facet: str, value: str) -> str:
    """Return a query with a value of a facet more or less, as a URL has it."""
    now = query.journals if facet == "journal" else query.facets.get(facet, ())
    then = tuple(each for each in now if each != value) if value in now else (*now, value)
    if facet == "journal":
        return urlencode(changed(query, journals=then).pairs())
    facets = {name: values for name, values in query.facets.items() if name != facet}
    return urlencode(changed(query, facets=facets | ({facet: then} if then else {})).pairs())


def _without_facts(said: str) -> str:
    """Return a refusal's sentence without what its facts would fill in."""
    kept, depth = [], 0
    for each in said:
        depth += (each == "[") - (each == "]")
        if not depth and each != "]":
            kept.append(each)
    return "".join(kept)
