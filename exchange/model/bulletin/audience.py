"""Who may be told of the people a bulletin names: its content held to its marking.

A node enforces what the header declares; who is named, and from where, only its author and its
readers see. Both hold it to these rules: before it is sealed, and when it is opened.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.model.bulletin.corrections import is_past
from exchange.model.bulletin.demands import must
from exchange.model.bulletin.people_rules import persons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.bulletin.kinds import AnyBulletin
    from exchange.model.bulletin.people import Person
    from exchange.model.bulletin.strangers import Unknown
    from exchange.model.header import Marking

# 28 CFR 23.20(h): what is kept of a person is reviewed within five years.
MAX_REVIEW_S = 5 * 366 * 86_400
ADULT_YEARS = 18
_NATIONS = {"pa": "PAN", "us": "USA"}
_NOT_FOR_PEOPLE = ("green", "clear")
_NOT_FLED = frozenset({"minor", "victim"})
_NARROW = ("red", "amber+strict")


def check(
    bulletin: AnyBulletin,
    marking: Marking,
    issued: int,
    under: str = "",
    unknown: Sequence[Unknown] = (),
) -> None:
    """Hold a bulletin that names people to its marking.

    Args:
        bulletin: decoded.
        marking: its header's, or its draft's.
        issued: seconds UTC.
        under: where the bulletin is, for the pointers told: ``/bulletin`` in a draft.
        unknown: what of it is of a newer version.

    Raises:
        Refusal: ``persons-audience``, ``protected-persons`` or ``asylum-to-origin``, at the
            marking; ``wrong-value``: a person is not reviewed in time.
    """
    # What is declared may stand in free text, or in a content that is not known here.
    if "protected-person" in bulletin.declares:
        _must_be_narrow(marking)
    if "persons" in bulletin.declares and marking.tlp in _NOT_FOR_PEOPLE:
        raise Refusal(Code.PERSONS_AUDIENCE, "/marking/tlp", found=marking.tlp)
    for at, person in persons(bulletin, unknown):
        _must_not_go_home(person, marking)
        if is_past(bulletin, at):
            # What a correction takes back held when it was written, if at all.
            continue
        within = 0 < person.review_by.timestamp() - issued <= MAX_REVIEW_S
        must(within, f"{under}{at}/review_by", "review-within")
        if _is_minor(person, issued):
            told = "minor" in person.protections
            must(told, f"{under}{at}/protections", "protection-told")


def check_onward(
    bulletin: AnyBulletin, to: Sequence[str], unknown: Sequence[Unknown] = ()
) -> None:
    """Hold the leave to pass a bulletin on to the people it names: nobody is told on at home.

    Args:
        bulletin: what would be passed on.
        to: third parties, as a consent proposes them: nation, or ``int``, and name.
        unknown: what of it is of a newer version.

    Raises:
        Refusal: ``asylum-to-origin``: one may be of a country that an asylum seeker fled; of
            which country a third party's two letters are is only known of the two nations.
    """
    for _, person in persons(bulletin, unknown):
        if not _may_have_fled(person):
            continue
        for place, name in enumerate(to):
            nation = name.partition(".")[0]
            home = _NATIONS.get(nation)
            if nation != "int" and (home is None or home in _homes(person)):
                at = f"/bulletin/content/proposed_to/{place}"
                raise Refusal(Code.ASYLUM_TO_ORIGIN, at, found=name)


def overdue(bulletin: AnyBulletin, now: int) -> list[str]:
    """Return the JSON pointers of reviews whose day is past: who stays named is not decided.

    Args:
        bulletin: decoded; of a correction, what it takes back does not count.
        now: seconds UTC.
    """
    return [
        f"{at}/review_by"
        for at, person in persons(bulletin)
        if not is_past(bulletin, at) and person.review_by.timestamp() < now
    ]


def _must_not_go_home(person: Person, marking: Marking) -> None:
    if not _may_have_fled(person):
        return
    for home in sorted(_homes(person) & set(marking.releasable_to)):
        raise Refusal(Code.ASYLUM_TO_ORIGIN, "/marking/releasable_to", found=home)


def _may_have_fled(person: Person) -> bool:
    # As what a newer version protects somebody is not known: they may have fled as well.
    return not set(person.protections) <= _NOT_FLED


def _must_be_narrow(marking: Marking) -> None:
    if marking.tlp not in _NARROW:
        raise Refusal(Code.PROTECTED_PERSONS, "/marking/tlp", found=marking.tlp)
    if not marking.originator_control or "h2" not in marking.handling:
        raise Refusal(Code.PROTECTED_PERSONS, "/marking/handling")


def _is_minor(person: Person, issued: int) -> bool:
    """Tell whether somebody is certainly under 18, by the earliest date that is meant."""
    if person.birth_date is None:
        return False
    born = [*(int(part) for part in person.birth_date.split("-")), 1, 1][:3]
    when = datetime.fromtimestamp(issued, UTC)
    return [when.year - ADULT_YEARS, when.month, when.day] < born


def _homes(person: Person) -> set[str]:
    """Return the countries that somebody may have fled: their own, and who gave them papers."""
    papers = {
        each.issued_by for each in person.documents if each.document_kind != "refugee-document"
    }
    return papers | ({person.nationality} if person.nationality else set())
