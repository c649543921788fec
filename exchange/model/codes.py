"""The code lists of ``schemas/v1/codes/`` as one value, loaded at the composition root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

Lang = Literal["es", "en"]
LANGUAGES: tuple[Lang, ...] = ("es", "en")

# Lists whose codes go on the wire in bulletins and headers.
WIRE = (
    "ack-outcomes",
    "acknowledgement-rules",
    "actions",
    "age-bands",
    "answer-outcomes",
    "bases",
    "boarding-actions",
    "boarding-decisions",
    "cancellation-reasons",
    "cautions",
    "chains",
    "consent-bases",
    "consent-steps",
    "consents",
    "correction-reasons",
    "count-kinds",
    "countries",
    "credibility",
    "currencies",
    "custody-actions",
    "declarations",
    "deconfliction-answers",
    "deconfliction-steps",
    "directions",
    "dispositions",
    "document-kinds",
    "drugs",
    "force",
    "goods",
    "handling",
    "horizons",
    "initiative-states",
    "jurisdictions",
    "languages",
    "link-kinds",
    "media-types",
    "mids",
    "minorities",
    "modalities",
    "nationality-claims",
    "nationality-findings",
    "news",
    "notice-classes",
    "notices",
    "offences",
    "person-roles",
    "phases",
    "ports",
    "precedence",
    "property-kinds",
    "protections",
    "qualifiers",
    "reconciliation",
    "refusal-grounds",
    "relations",
    "reliability",
    "sexes",
    "smuggling-kinds",
    "status",
    "steps",
    "support-kinds",
    "tlp",
    "translation-ways",
    "transports",
    "trends",
    "types",
    "typologies",
    "unit-kinds",
    "units",
    "verbs",
    "vessel-types",
    "vulnerabilities",
    "zones",
)
# Lists of words for people only: labels, phrases, warnings, what was expected or came of it.
SPOKEN = (
    "case-reasons",
    "case-states",
    "chase-ends",
    "consent-states",
    "decline-reasons",
    "purge-causes",
    "expectations",
    "fields",
    "indicators",
    "measures",
    "phrases",
    "release-states",
    "request-states",
    "trace-reasons",
    "trace-steps",
)


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sentence or label in both languages."""

    en: str
    es: str

    def in_(self, lang: Lang) -> str:
        """Return it in one language."""
        return self.en if lang == "en" else self.es


class Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One code and its words.

    ``of`` is what the code belongs to (a MID's flag, a reliability's Europol 4x4 letter).
    ``meaning``, ``unit``, ``example`` and ``shown`` are for fields: what to write there, in
    which measure, for instance what, and whether a template shows it though it is optional.
    """

    code: str
    en: str
    es: str
    of: str | None = None
    meaning: Said | None = None
    unit: str | None = None
    example: str | int | float | bool | list[str] | None = None
    shown: bool = False

    def in_(self, lang: Lang) -> str:
        """Return the words in one language."""
        return self.en if lang == "en" else self.es


class CodeList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code list as it stands in its file."""

    name: str = msgspec.field(name="list")
    version: str
    source: str
    codes: list[Word]


class Explanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happened, why, and what to do next; ``{fact}`` stands for a fact of the refusal.

    A part in square brackets is left out when a fact it names was not given.
    """

    what: str
    why: str
    next: str


class RefusalText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One refusal or fault: its HTTP status, and its explanation in both languages."""

    code: str
    http: int
    en: Explanation
    es: Explanation


class RefusalList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file ``refusals.json``."""

    name: Literal["refusals"] = msgspec.field(name="list")
    version: str
    source: str
    codes: list[RefusalText]


class Codes(msgspec.Struct, frozen=True):
    """Every list, by name and code; never changed once loaded."""

    lists: dict[str, dict[str, Word]]
    refusals: dict[str, RefusalText]

    def has(self, name: str, code: str) -> bool:
        """Say whether the list holds the code."""
        return code in self.lists[name]

    def word(self, name: str, code: str) -> Word | None:
        """Return the entry of a code, if the list holds it."""
        return self.lists[name].get(code)

    def words(self, name: str, code: str, lang: Lang) -> str:
        """Return the words of a code; a code nobody translated is shown as it is."""
        entry = self.lists[name].get(code)
        return code if entry is None else entry.in_(lang)

    def phrase(self, code: str, lang: Lang) -> str:
        """Return a phrase of our own pages.

        Raises:
            KeyError: there is no such phrase (a mistake in the caller).
        """
        return self.lists["phrases"][code].in_(lang)


def load(read: Callable[[str], bytes]) -> Codes:
    """Read every code list.

    Args:
        read: returns the bytes of a document such as ``v1/codes/drugs.json``.

    Raises:
        ValueError: a list is not what its name says, or holds a code twice.
    """
    lists: dict[str, dict[str, Word]] = {}
    for name in WIRE + SPOKEN:
        found = msgspec.json.decode(read(f"v1/codes/{name}.json"), type=CodeList)
        lists[name] = {word.code: word for word in found.codes}
        if found.name != name or len(lists[name]) != len(found.codes):
            message = f"v1/codes/{name}.json: another list's name, or a code twice"
            raise ValueError(message)
    texts = msgspec.json.decode(read("v1/codes/refusals.json"), type=RefusalList)
    return Codes(lists, {text.code: text for text in texts.codes})
