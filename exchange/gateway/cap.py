"""CAP 1.2: a lookout or a notice as an alert, with one info block for each language.

Elements stand in the order of the OASIS standard, sections 3.2.1 to 3.2.4. Only what an alert's
marking lets many people see comes this far: see ``taking``.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from exchange import render
from exchange.gateway import members
from exchange.gateway.cover import banner, statement
from exchange.model.bulletin import Voi, blocks
from exchange.model.bulletin import shape as shapes
from exchange.model.codes import LANGUAGES
from exchange.render.values import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exchange.gateway.cover import Cover
    from exchange.model.bulletin import Bulletin
    from exchange.model.codes import Codes, Lang

_SPACE = "urn:oasis:names:tc:emergency:cap:1.2"
_LANGUAGES = {"es": "es-PA", "en": "en-US"}
_STATUS = {"actual": "Actual", "exercise": "Exercise", "test": "Test"}
_URGENCY = {"flash": "Immediate", "immediate": "Immediate", "priority": "Expected"}
_SEVERITY = {"flash": "Extreme", "immediate": "Severe", "priority": "Moderate"}
# Credibility 1 to 5 of the Admiralty pair; 6, "cannot be judged", and none at all are Unknown.
_CERTAINTY = {"1": "Observed", "2": "Likely", "3": "Possible", "4": "Unlikely", "5": "Unlikely"}
_RESPONSES = {
    "track": "Monitor",
    "report": "Monitor",
    "board": "Execute",
    "do-not-approach": "Avoid",
}
_UNBROKEN = 100_000
_METRES_OF_A_DEGREE = 111_195


def write(bulletin: Bulletin, cover: Cover, codes: Codes) -> bytes:
    """Return an alert as XML in UTF-8, escaped and without a document type."""
    ET.register_namespace("", _SPACE)
    alert = ET.Element(f"{{{_SPACE}}}alert")
    is_public = cover.marking.tlp == "clear"
    statements = (statement(cover, lang, codes) for lang in LANGUAGES)
    _put(
        alert,
        ("identifier", bulletin.id),
        ("sender", cover.endpoint),
        ("sent", _time(cover.issued)),
        ("status", _STATUS[cover.status]),
        ("msgType", "Alert"),
        ("scope", "Public" if is_public else "Restricted"),
        ("restriction", "" if is_public else banner(cover)),
        *(("code", code) for code in _codes(bulletin, cover)),
        ("note", "\n\n".join([banner(cover), *statements])),
        # A CAP reference needs when its target was sent, which no header tells: its id alone.
        ("incidents", " ".join(ref.id for ref in cover.refs)),
    )
    for lang in LANGUAGES:
        _info(alert, bulletin, cover, lang, codes)
    ET.indent(alert)
    xml: bytes = ET.tostring(alert, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def _codes(bulletin: Bulletin, cover: Cover) -> Iterator[str]:
    marking = cover.marking
    yield f"exchange:type={bulletin.type}"
    yield f"exchange:verb={cover.verb}"
    yield f"exchange:tlp={marking.tlp}"
    yield from (f"exchange:releasable-to={code}" for code in marking.releasable_to)
    yield from (f"exchange:handling={code}" for code in marking.handling)


def _info(
    alert: ET.Element, bulletin: Bulletin, cover: Cover, lang: Lang, codes: Codes
) -> None:
    values = members.plain(bulletin)
    info = ET.SubElement(alert, f"{{{_SPACE}}}info")
    credibility = (values.get("grading") or {}).get("credibility", "")
    content = values["content"]
    # The whole page, as a person reads it: codes in words, units, times in UTC.
    page = render.page(bulletin, lang, codes, _UNBROKEN)
    _put(
        info,
        ("language", _LANGUAGES[lang]),
        ("category", "Security"),
        ("event", codes.words("types", bulletin.type, lang)),
        ("responseType", _response(bulletin)),
        ("urgency", _URGENCY.get(cover.precedence, "Unknown")),
        ("severity", _SEVERITY.get(cover.precedence, "Unknown")),
        ("certainty", _CERTAINTY.get(credibility, "Unknown")),
        ("effective", _time(cover.issued)),
        ("onset", "" if bulletin.observed is None else _utc(bulletin.observed)),
        ("expires", _time(cover.expires)),
        ("senderName", bulletin.origin),
        ("headline", members.in_words(values["title"], lang)),
        ("description", page),
        ("instruction", _asked(bulletin, values, lang, codes)),
        ("contact", _contact(content.get("contact"))),
    )
    for area in _areas(bulletin, values):
        _area(info, area, lang, codes)


def _response(bulletin: Bulletin) -> str:
    if not isinstance(bulletin, Voi):
        return "Execute"
    # Of a newer version: what is asked for is for a person to judge.
    return _RESPONSES.get(bulletin.content.action, "Assess")


def _asked(bulletin: Bulletin, values: dict[str, Any], lang: Lang, codes: Codes) -> str:
    if isinstance(bulletin, Voi):
        return codes.words("actions", bulletin.content.action, lang)
    return members.in_words(values["content"]["request"], lang)


def _contact(contact: dict[str, Any] | None) -> str:
    if contact is None:
        return ""
    return ", ".join(contact[n] for n in ("office", "phone", "radio") if n in contact)


def _areas(bulletin: Bulletin, values: dict[str, Any]) -> list[dict[str, Any]]:
    form = shapes.of(bulletin.type)
    return [
        found.value
        for found in members.structs(form, values)
        if found.form.struct is blocks.Place
    ]


def _area(info: ET.Element, place: dict[str, Any], lang: Lang, codes: Codes) -> None:
    area = ET.SubElement(info, f"{{{_SPACE}}}area")
    port = codes.word("ports", place.get("locode", ""))
    names = [
        place.get("name"),
        port.in_(lang) if port else place.get("locode"),
        place.get("subdivision"),
        codes.words("zones", place["zone"], lang) if "zone" in place else None,
    ]
    told = ", ".join(name for name in names if name) or codes.words("fields", "place", lang)
    _put(area, ("areaDesc", told), *_shapes(place))
    for name, value in (("UN/LOCODE", "locode"), ("ISO 3166-2", "subdivision")):
        if value in place:
            geocode = ET.SubElement(area, f"{{{_SPACE}}}geocode")
            _put(geocode, ("valueName", name), ("value", place[value]))


def _shapes(place: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a polygon or circles, in CAP's order: latitude first, kilometres."""
    geometry = place.get("geometry")
    radius = place.get("accuracy_m", 0) / 1000
    if geometry is None:
        return
    if geometry["type"] == "Polygon":
        yield "polygon", " ".join(_pair(x, y) for x, y in geometry["coordinates"][0])
    elif geometry["type"] == "Point":
        yield "circle", f"{_pair(*geometry['coordinates'])} {plain(radius)}"
    else:
        # CAP has no lines: circles around each leg's middle, wide enough to hold the leg.
        yield from (("circle", leg) for leg in _legs(geometry["coordinates"], radius))


def _legs(line: list[list[float]], radius_km: float) -> Iterable[str]:
    for (x1, y1), (x2, y2) in pairwise(line):
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        wide = (x2 - x1) * math.cos(math.radians(y))
        reach = math.hypot(wide, y2 - y1) * _METRES_OF_A_DEGREE / 2000 + radius_km
        # Up, or its ends would lie outside.
        yield f"{_pair(x, y)} {math.ceil(reach * 1000) / 1000:.3f}"


def _pair(longitude: float, latitude: float) -> str:
    return f"{plain(latitude)},{plain(longitude)}"


def _put(parent: ET.Element, *elements: tuple[str, str]) -> None:
    """Add elements in their order; those without text are left out.

    Characters that hide or rewrite text are written out: XML has no place for some of them.
    """
    for name, text in elements:
        if text:
            shown = "\n".join(render.lines(text))
            ET.SubElement(parent, f"{{{_SPACE}}}{name}").text = shown


def _time(seconds: int) -> str:
    return _utc(datetime.fromtimestamp(seconds, UTC))


def _utc(when: datetime) -> str:
    # CAP forbids Z; and -00:00, not +00:00, is how it writes UTC (3.3.2).
    return f"{when:%Y-%m-%dT%H:%M:%S}-00:00"
