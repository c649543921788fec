"""The rules no schema can state: codes, check digits, and what must go with what.

Each rule refuses with ``wrong-value`` and the name of what was expected. Those names are in
``RULES`` and in ``schemas/README.md``, their sentences in ``codes/expectations.json``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

from stdnum import imo, iso6346

from exchange.errors import Code, Refusal
from exchange.model.bulletin import amendments, blocks, kinds, operational, records, requests
from exchange.model.bulletin import shape as shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.model.bulletin.shape import Shape
    from exchange.model.codes import Codes

# What only decoding checks: a JSON Schema accepts these, a conforming reader does not.
RULES = (
    "answer-text",
    "ascending",
    "change",
    "change-pointer",
    "container",
    "due-is-reply-by",
    "ground",
    "imo",
    "must-purge-declared",
    "numbered",
    "official-weighed",
    "percentiles",
    "period",
    "place-somewhere",
    "quantity-something",
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
    "weighed-beside-packages",
)
FORMS: dict[str, Callable[[str], bool]] = {"imo": imo.is_valid, "container": iso6346.is_valid}

# A file is sealed to its bulletin's id: a correction brings its own.
_FIXED = frozenset({"schema", "id", "origin", "type", "attachments"})


def check(bulletin: kinds.Bulletin, codes: Codes) -> None:
    """Hold a decoded bulletin against the code lists and the rules.

    Raises:
        Refusal: ``wrong-value`` with a JSON pointer and the name of what was expected.
    """
    _walk(shapes.of(bulletin.type), bulletin, "", codes)
    _bulletin(bulletin)


def _walk(shape: Shape, value: Any, at: str, codes: Codes) -> None:
    if value is None:
        return
    if shape.kind == "struct":
        _members(shape, value, at, codes)
    elif shape.kind == "list":
        item = shape.items[0]
        for number, inner in enumerate(value):
            _walk(item, inner, f"{at}/{number}", codes)
    elif shape.kind == "choice":
        struct: type = type(value)
        _members(shapes.of_struct(struct), value, at, codes)
    else:
        _scalar(shape, value, at, codes)


def _members(shape: Shape, value: Any, at: str, codes: Codes) -> None:
    for member in shape.members:
        _walk(member.shape, getattr(value, member.name), f"{at}/{member.name}", codes)
    rule = _OF_STRUCT.get(type(value))
    if rule is not None:
        rule(value, at)


def _scalar(shape: Shape, value: Any, at: str, codes: Codes) -> None:
    if shape.codes and not codes.has(shape.codes, value):
        raise Refusal(Code.WRONG_VALUE, at, expected="code", list=shape.codes, found=value[:48])
    if shape.form in FORMS and not FORMS[shape.form](value):
        _refuse(at, shape.form)


def _refuse(at: str, rule: str) -> NoReturn:
    raise Refusal(Code.WRONG_VALUE, at, expected=rule)


def _must(holds: bool, at: str, rule: str) -> None:
    if not holds:
        _refuse(at, rule)


def _ascending(numbers: Sequence[int], at: str, rule: str) -> None:
    _must(all(first < second for first, second in pairwise(numbers)), at, rule)


def _numbered(numbers: Sequence[int], at: str) -> None:
    _must(list(numbers) == list(range(1, len(numbers) + 1)), at, "numbered")


def _text(text: blocks.Text, at: str) -> None:
    langs = [text.lang, *(translation.lang for translation in text.translations)]
    _must(len(set(langs)) == len(langs), f"{at}/translations", "translation-language")


def _polygon(polygon: blocks.Polygon, at: str) -> None:
    for number, ring in enumerate(polygon.coordinates):
        _must(ring[0] == ring[-1], f"{at}/coordinates/{number}", "ring-closed")


def _place(place: blocks.Place, at: str) -> None:
    somewhere = (place.geometry, place.locode, place.subdivision, place.name)
    _must(any(part is not None for part in somewhere), at, "place-somewhere")


def _quantity(quantity: blocks.Quantity, at: str) -> None:
    _must(quantity.value is not None or quantity.packages is not None, at, "quantity-something")
    _must((quantity.value is None) == (quantity.unit is None), f"{at}/unit", "unit-with-value")
    if quantity.value is not None and quantity.packages is not None:
        # Else a reader could not tell a weight from packages multiplied by a guess.
        _must(quantity.basis is not None, f"{at}/basis", "weighed-beside-packages")
    if quantity.count == "official":
        _must(quantity.basis != "estimated", f"{at}/basis", "official-weighed")


def _vessel(vessel: blocks.Vessel, at: str) -> None:
    _must(vessel != blocks.Vessel(), at, "vessel-described")


def _period(period: blocks.Period, at: str) -> None:
    _must(period.start < period.end, f"{at}/end", "period")


def _vessel_of_interest(content: operational.VesselOfInterest, at: str) -> None:
    seen = content.seen is not None or content.notice != "sighting"
    _must(seen, f"{at}/seen", "sighting-seen")


def _seizure(content: operational.Seizure, at: str) -> None:
    _must(bool(content.drugs or content.cash or content.goods_seized), at, "seized-something")
    times = [step.at for step in content.custody]
    _must(times == sorted(times), f"{at}/custody", "ascending")


def _request(content: requests.InformationRequest, at: str) -> None:
    _numbered([question.n for question in content.questions], f"{at}/questions")


def _reply(content: requests.InformationReply, at: str) -> None:
    _must(content.target.type == "rfi", f"{at}/target/type", "target-rfi")
    _ascending([answer.n for answer in content.answers], f"{at}/answers", "ascending")


def _answer(answer: requests.Answer, at: str) -> None:
    _must(
        (answer.outcome == "refused") == (answer.ground is not None), f"{at}/ground", "ground"
    )
    told = answer.outcome not in ("answered", "partial") or answer.answer is not None
    _must(told, f"{at}/answer", "answer-text")


def _correction(content: amendments.Correction, at: str) -> None:
    kind = content.target.type
    _must(kind != "can", f"{at}/target/type", "target-not-a-cancellation")
    for number, change in enumerate(content.changes):
        place = f"{at}/changes/{number}"
        _must(change.before != change.after, place, "change")
        first = shapes.steps(change.pointer)[0]
        # A type we have no struct for yet cannot be looked into; its own reader will.
        known = (
            kind not in kinds.TYPES or shapes.at(shapes.of(kind), change.pointer) is not None
        )
        _must(first not in _FIXED and known, f"{place}/pointer", "change-pointer")


def _response(response: records.ResponseTime, at: str) -> None:
    _must(response.p50_s <= response.p90_s <= response.p99_s, f"{at}/p99_s", "percentiles")


def _dialogue(content: records.Dialogue, at: str) -> None:
    _numbered([decision.n for decision in content.decisions], f"{at}/decisions")


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


def _bulletin(bulletin: kinds.Bulletin) -> None:
    sorted_set = all(first < second for first, second in pairwise(bulletin.declares))
    _must(sorted_set, "/declares", "sorted-set")
    if isinstance(bulletin, kinds.Rfi):
        _must(bulletin.due == bulletin.content.reply_by, "/due", "due-is-reply-by")
    if isinstance(bulletin, kinds.Cor | kinds.Can):
        declared = "must-purge" in bulletin.declares
        _must(declared == bulletin.content.must_purge, "/declares", "must-purge-declared")
    if isinstance(bulletin, kinds.Cor | kinds.Can | kinds.Rpy):
        itself = bulletin.content.target.id == bulletin.id
        _must(not itself, "/content/target/id", "target-not-itself")
