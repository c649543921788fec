"""Who may be told of the people a bulletin names: its content held to its marking.

A node enforces what the header declares; who is named, and from where, only its author and its
readers see. Both hold it to these rules: before it is sealed, and when it is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.errors import Code, Refusal
from exchange.model.bulletin.demands import must
from exchange.model.bulletin.people_rules import persons

if TYPE_CHECKING:
    from exchange.model.bulletin.kinds import AnyBulletin
    from exchange.model.header import Marking

# 28 CFR 23.20(h): what is kept of a person is reviewed within five years.
MAX_REVIEW_S = 5 * 366 * 86_400
_NOT_FOR_PEOPLE = ("green", "clear")
_NARROW = ("red", "amber+strict")


def check(bulletin: AnyBulletin, marking: Marking, issued: int, under: str = "") -> None:
    """Hold a bulletin that names people to its marking.

    Args:
        bulletin: decoded.
        marking: its header's, or its draft's.
        issued: seconds UTC.
        under: where the bulletin is, for the pointers told: ``/bulletin`` in a draft.

    Raises:
        Refusal: ``persons-audience``, ``protected-persons`` or ``asylum-to-origin``, at the
            marking; ``wrong-value``: a person is not reviewed in time.
    """
    for at, person in persons(bulletin):
        if marking.tlp in _NOT_FOR_PEOPLE:
            raise Refusal(Code.PERSONS_AUDIENCE, "/marking/tlp", found=marking.tlp)
        within = 0 < person.review_by.timestamp() - issued <= MAX_REVIEW_S
        must(within, f"{under}{at}/review_by", "review-within")
        if not person.protections:
            continue
        if marking.tlp not in _NARROW:
            raise Refusal(Code.PROTECTED_PERSONS, "/marking/tlp", found=marking.tlp)
        if not marking.originator_control or "h2" not in marking.handling:
            raise Refusal(Code.PROTECTED_PERSONS, "/marking/handling")
        is_asylum = "asylum-seeker" in person.protections
        if is_asylum and person.nationality in marking.releasable_to:
            at_home = str(person.nationality)
            raise Refusal(Code.ASYLUM_TO_ORIGIN, "/marking/releasable_to", found=at_home)
