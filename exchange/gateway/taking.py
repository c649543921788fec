"""What each format may be given: types, and markings it can carry and its users will heed.

A marking that nobody at the other end is made to see is no marking: such an export is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from exchange.errors import Code, Refusal
from exchange.model.bulletin import TYPES, blocks
from exchange.model.bulletin import shape as shapes

if TYPE_CHECKING:
    from exchange.gateway.cover import Cover
    from exchange.model.bulletin import Bulletin

Format = Literal["geojson", "csv", "stix", "misp", "cap"]
FORMATS: tuple[Format, ...] = get_args(Format)

# A lookout and a notice ask whoever meets a vessel, a person or a thing to act: these are
# alerts. An operation's plan warns nobody, and a boarding request asks one State alone.
ALERTS = ("voi", "crm")
MAPPED = tuple(
    code
    for code in TYPES
    if any(form.struct is blocks.Place for form in shapes.every(shapes.of(code)))
)
_TAKES: dict[Format, tuple[str, ...]] = {
    "geojson": MAPPED,
    "csv": tuple(TYPES),
    "stix": tuple(TYPES),
    "misp": tuple(TYPES),
    "cap": ALERTS,
}
# MISP knows whose event it is, and asks no originator; and what is shared goes on to people
# whom its tags bind only by good will.
_MAY_BE_SHARED = ("clear", "green")
_CONTROL = "/marking/originator_control"
_MAY_ALERT = ("clear", "green", "amber")


def takes(to: Format) -> tuple[str, ...]:
    """Return the types that a format has a place for."""
    return _TAKES[to]


def admit(to: Format, bulletin: Bulletin, cover: Cover) -> None:
    """Refuse what a format has no place for, and a marking that it cannot carry.

    Raises:
        Refusal: ``format-lacks-type``, or ``format-lacks-marking`` at what forbids it.
    """
    if bulletin.type not in _TAKES[to]:
        raise Refusal(Code.FORMAT_LACKS_TYPE, "/type", format=to, type=bulletin.type)
    if to == "misp":
        _admit_event(bulletin, cover)
    if to == "cap":
        _admit_alert(bulletin, cover)


def _admit_event(bulletin: Bulletin, cover: Cover) -> None:
    marking, sharing = cover.marking, cover.sharing
    # Everybody of an organisation reads its events, and named readers are fewer.
    _must(marking.tlp != "red", "/marking/tlp", "misp", marking.tlp)
    guarded = "protected-person" in bulletin.declares
    _must(not guarded, "/declares", "misp", "protected-person")
    if sharing == "organisation":
        return
    _must(not marking.originator_control, _CONTROL, "misp", "originator-control")
    _must(marking.tlp in _MAY_BE_SHARED, "/marking/tlp", "misp", marking.tlp)
    _must("h2" not in marking.handling, "/marking/handling", "misp", "h2")
    widest = sharing != "all" or marking.tlp == "clear"
    _must(widest, "/marking/tlp", "misp", marking.tlp)


def _admit_alert(bulletin: Bulletin, cover: Cover) -> None:
    marking = cover.marking
    for each in ("cancelled", "superseded", "doubted"):
        # An alert goes on by itself: what no longer holds, or is not to be passed on, does not.
        _must(each not in cover.bears, "", "cap", each)
    _must(marking.tlp in _MAY_ALERT, "/marking/tlp", "cap", marking.tlp)
    _must(not marking.originator_control, _CONTROL, "cap", "originator-control")
    _must("h2" not in marking.handling, "/marking/handling", "cap", "h2")
    _must("persons" not in bulletin.declares, "/declares", "cap", "persons")


def _must(holds: bool, at: str, to: Format, found: str) -> None:
    if not holds:
        raise Refusal(Code.FORMAT_LACKS_MARKING, at, format=to, found=found)
