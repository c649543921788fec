"""The rules no schema can state: codes, check digits, and what must go with what.

Each rule refuses with ``wrong-value`` and the name of what was expected. Those names are in
``RULES`` and in ``schemas/README.md``, their sentences in ``codes/expectations.json``.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.bulletin import (
    amendments,
    blocks,
    case_rules,
    contradictions,
    corrections,
    flow_rules,
    kinds,
    operational,
    people,
    people_rules,
    records,
    requests,
    weighing,
)
from exchange.model.bulletin import shape as shapes
from exchange.model.bulletin.checkdigits import FORMS
from exchange.model.bulletin.demands import ascending, must, numbered, refuse
from exchange.model.bulletin.strangers import strangers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exchange.model.bulletin.shape import Shape
    from exchange.model.bulletin.strangers import Unknown
    from exchange.model.codes import Codes

# What only decoding checks: a JSON Schema accepts these, a conforming reader does not.
_SHARED = (
    "answer-text",
    "ascending",
    "change",
    "change-pointer",
    "change-possible",
    "code-once",
    "due-is-reply-by",
    "ground",
    "must-purge-declared",
    "numbered",
    "official-weighed",
    "percentiles",
    "period",
    "place-somewhere",
    "quantity-something",
    "regime-named",
    "ring-closed",
    "seized-something",
    "sighting-seen",
    "sorted-set",
    "target-not-a-cancellation",
    "target-not-itself",
    "target-rfi",
    "time",
    "translation-language",
    "unit-with-value",
    "vessel-described",
    "visible",
)
_THEMES = (case_rules, people_rules, flow_rules, contradictions, weighing)
RULES = tuple(sorted({*_SHARED, *FORMS, *(rule for theme in _THEMES for rule in theme.RULES)}))


_GUARDS = people_rules.GUARDS | flow_rules.GUARDS
# Forms of what people write. Letters, digits, punctuation and symbols are seen; some letters of
# Hangul and the empty cell of Braille only fill a place.
_WRITTEN = frozenset({"line", "prose"})
_SEEN = frozenset("LNPS")
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def check(bulletin: kinds.Bulletin, codes: Codes) -> None:
    """Hold a decoded bulletin against the code lists and the rules.

    Raises:
        Refusal: ``wrong-value`` with a JSON pointer and the name of what was expected.
    """
    check_known(bulletin, codes, [])


def check_known(bulletin: kinds.AnyBulletin, codes: Codes, unknown: Sequence[Unknown]) -> None:
    """Hold what is known of a bulletin against the code lists and the rules.

    Args:
        bulletin: decoded.
        codes: the code lists.
        unknown: codes and members of a newer version. Such a code is passed over, and so are
            the rules of a struct that holds one; never a guard.

    Raises:
        Refusal: as ``check``.
    """
    at = frozenset(each.at for each in unknown)
    look = _Look(codes, at, _around(at))
    _walk(shapes.of_struct(type(bulletin)), bulletin, "", look)
    if isinstance(bulletin.content, amendments.Correction):
        _told(bulletin.content, look)
    _bulletin(bulletin)
    for place, person in people_rules.apart(bulletin, unknown):
        _somebody(person, place, codes, joins=not corrections.is_past(bulletin, place))
    people_rules.check(bulletin, unknown)


def _somebody(person: people.Person, at: str, codes: Codes, *, joins: bool) -> None:
    """Hold whoever a newer version names where we know of no place, as if there were one."""
    form = shapes.of_struct(people.Person)
    found = strangers(form, msgspec.to_builtins(person), at, codes)
    new = frozenset(each.at for each in found)
    _walk(form, person, at, _Look(codes, new, _around(new), joins))


class _Look(NamedTuple):
    codes: Codes
    unknown: frozenset[str]
    # Wherever something unknown stands inside.
    around: frozenset[str]
    # Whether members are held to what they say together.
    joins: bool = True


def _around(unknown: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    for at in unknown:
        steps = at.split("/")
        found.update("/".join(steps[:end]) for end in range(1, len(steps)))
    return frozenset(found)


def _walk(shape: Shape, value: Any, at: str, look: _Look) -> None:
    if shape.kind == "list":
        item = shape.items[0]
        if item.codes:
            must(len(set(value)) == len(value), at, "code-once")
        for number, inner in enumerate(value):
            _walk(item, inner, f"{at}/{number}", look)
    elif shape.kind in ("struct", "choice"):
        _members(value, at, look)
    else:
        _scalar(shape, value, at, look)


def _members(value: Any, at: str, look: _Look) -> None:
    struct: type = type(value)
    for name, shape in _looked_at(struct):
        inner = getattr(value, name)
        if inner is not None:
            _walk(shape, inner, f"{at}/{name}", look)
    guard = _GUARDS.get(struct)
    if guard is not None:
        guard(value, at)
    if look.joins and at not in look.around:
        for rule in _joining(struct):
            rule(value, at)


@cache
def _joining(struct: type) -> list[Callable[[Any, str], None]]:
    """Return the rules that join members of a struct, but those that guard people."""
    found = (_OF_STRUCT, *(theme.OF_STRUCT for theme in _THEMES))
    return [rules[struct] for rules in found if struct in rules]


@cache
def _looked_at(struct: type) -> list[tuple[str, Shape]]:
    """Return the members of a struct in which a rule may be broken, by name."""
    members = shapes.of_struct(struct).members
    return [(member.name, member.shape) for member in members if _has_rules(member.shape)]


def _has_rules(shape: Shape) -> bool:
    if shape.kind == "list":
        return _has_rules(shape.items[0])
    is_checked = shape.form in FORMS or shape.form in _WRITTEN
    return shape.kind in ("struct", "choice") or bool(shape.codes) or is_checked


def _scalar(shape: Shape, value: Any, at: str, look: _Look) -> None:
    if shape.codes and not look.codes.has(shape.codes, value):
        if at in look.unknown:
            return
        raise Refusal(Code.WRONG_VALUE, at, expected="code", list=shape.codes, found=value[:48])
    if shape.form in _WRITTEN:
        must(_is_visible(value), at, "visible")
    if shape.form in FORMS and not FORMS[shape.form](value):
        refuse(at, shape.form)


def _is_visible(text: str) -> bool:
    """Tell whether there is anything in a text that a reader sees."""
    return any(unicodedata.category(each)[0] in _SEEN and each not in _FILLERS for each in text)


def _text(text: blocks.Text, at: str) -> None:
    langs = [text.lang, *(translation.lang for translation in text.translations)]
    must(len(set(langs)) == len(langs), f"{at}/translations", "translation-language")


def _polygon(polygon: blocks.Polygon, at: str) -> None:
    for number, ring in enumerate(polygon.coordinates):
        must(ring[0] == ring[-1], f"{at}/coordinates/{number}", "ring-closed")


def _place(place: blocks.Place, at: str) -> None:
    somewhere = (place.geometry, place.locode, place.subdivision, place.name)
    must(any(part is not None for part in somewhere), at, "place-somewhere")


def _quantity(quantity: blocks.Quantity, at: str) -> None:
    must(quantity.value is not None or quantity.packages is not None, at, "quantity-something")
    must((quantity.value is None) == (quantity.unit is None), f"{at}/unit", "unit-with-value")
    if quantity.count == "official":
        must(quantity.basis != "estimated", f"{at}/basis", "official-weighed")


def _vessel(vessel: blocks.Vessel, at: str) -> None:
    must(vessel != blocks.Vessel(), at, "vessel-described")


def _period(period: blocks.Period, at: str) -> None:
    must(period.start < period.end, f"{at}/end", "period")


def _vessel_of_interest(content: operational.VesselOfInterest, at: str) -> None:
    seen = content.seen is not None or content.notice != "sighting"
    must(seen, f"{at}/seen", "sighting-seen")


def _seizure(content: operational.Seizure, at: str) -> None:
    must(bool(content.drugs or content.cash or content.goods_seized), at, "seized-something")
    times = [step.at for step in content.custody]
    must(times == sorted(times), f"{at}/custody", "ascending")


def _request(content: requests.InformationRequest, at: str) -> None:
    numbered([question.n for question in content.questions], f"{at}/questions")


def _reply(content: requests.InformationReply, at: str) -> None:
    must(content.target.type == "rfi", f"{at}/target/type", "target-rfi")
    ascending([answer.n for answer in content.answers], f"{at}/answers", "ascending")


def _answer(answer: requests.Answer, at: str) -> None:
    must((answer.outcome == "refused") == (answer.ground is not None), f"{at}/ground", "ground")
    told = answer.outcome not in ("answered", "partial") or answer.answer is not None
    must(told, f"{at}/answer", "answer-text")


def _correction(content: amendments.Correction, at: str) -> None:
    must(content.target.type != "can", f"{at}/target/type", "target-not-a-cancellation")
    for number, change in enumerate(content.changes):
        must(change.before != change.after, f"{at}/changes/{number}", "change")


def _told(content: amendments.Correction, look: _Look) -> None:
    """Hold what a correction tells to the type it corrects, as if it stood there."""
    for place in range(len(content.changes)):
        corrections.check_place(content, place, look.unknown)
    for side in corrections.sides(content):
        if side.form is None or side.holder is None:
            continue
        value = corrections.read(side, look.unknown, look.codes)
        # What was said before was accepted once, perhaps before there was a rule.
        _walk(side.form, value, side.at, look._replace(joins=not side.is_past))
        name = side.change.pointer.rpartition("/")[2]
        guard = flow_rules.OF_MEMBER.get((side.holder.struct, name))
        if guard is not None:
            guard(value, side.at)


def _response(response: records.ResponseTime, at: str) -> None:
    must(response.p50_s <= response.p90_s <= response.p99_s, f"{at}/p99_s", "percentiles")


def _dialogue(content: records.Dialogue, at: str) -> None:
    numbered([decision.n for decision in content.decisions], f"{at}/decisions")


_OF_STRUCT: dict[type, Callable[[Any, str], None]] = {
    blocks.Text: _text,
    blocks.Polygon: _polygon,
    blocks.Place: _place,
    blocks.Quantity: _quantity,
    blocks.Vessel: _vessel,
    blocks.Period: _period,
    operational.VesselOfInterest: _vessel_of_interest,
    operational.Seizure: _seizure,
    requests.InformationRequest: _request,
    requests.InformationReply: _reply,
    requests.Answer: _answer,
    amendments.Correction: _correction,
    records.ResponseTime: _response,
    records.Dialogue: _dialogue,
}


def _bulletin(bulletin: kinds.AnyBulletin) -> None:
    sorted_set = all(first < second for first, second in pairwise(bulletin.declares))
    must(sorted_set, "/declares", "sorted-set")
    if isinstance(bulletin, kinds.Rfi | kinds.Brq | kinds.Con):
        by = bulletin.content.reply_by
        must(by is None or bulletin.due == by, "/due", "due-is-reply-by")
    if isinstance(bulletin, kinds.Brq):
        must(bulletin.regime is not None, "/regime", "regime-named")
    if isinstance(bulletin, kinds.Cor | kinds.Can):
        declared = "must-purge" in bulletin.declares
        must(declared == bulletin.content.must_purge, "/declares", "must-purge-declared")
    target = getattr(bulletin.content, "target", None)
    if target is not None:
        must(target.id != bulletin.id, "/content/target/id", "target-not-itself")
