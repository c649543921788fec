"""GeoJSON (RFC 7946): every place of a bulletin as a feature for somebody's map.

A feature tells of its place and of what the place belongs to: the single members of each struct
around it. What stands in lists beside it is left out: a map is no case file.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from exchange.errors import Code, Refusal
from exchange.gateway import members
from exchange.gateway.cover import banner, moment
from exchange.model.bulletin import blocks
from exchange.model.bulletin import shape as shapes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.gateway.cover import Cover
    from exchange.gateway.members import Found
    from exchange.model.bulletin import Bulletin
    from exchange.model.bulletin.shape import Shape
    from exchange.model.codes import Codes, Lang


def write(bulletin: Bulletin, cover: Cover, lang: Lang, codes: Codes) -> bytes:
    """Return a FeatureCollection, in UTF-8; a place without a position has a null geometry.

    Raises:
        Refusal: ``no-place``: the type may have places, and this bulletin has none.
    """
    form, values = shapes.of(bulletin.type), members.plain(bulletin)
    places = [
        found for found in members.structs(form, values) if found.form.struct is blocks.Place
    ]
    if not places:
        raise Refusal(Code.NO_PLACE, "/content", type=bulletin.type)
    about = _about(cover, lang, codes)
    features = [
        {
            "type": "Feature",
            "id": f"{bulletin.id}#{'/'.join(place.path)}",
            "geometry": _wound(place.value.get("geometry")),
            "properties": {**about, **_told(form, values, place.path, lang, codes)},
        }
        for place in places
    ]
    return msgspec.json.encode({"type": "FeatureCollection", "features": features})


def _wound(geometry: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a geometry whose outer ring goes counter-clockwise, and its holes clockwise.

    Source: RFC 7946, section 3.1.6.
    """
    if geometry is None or geometry["type"] != "Polygon":
        return geometry
    rings = [
        ring if (_doubled_area(ring) >= 0) == (place == 0) else ring[::-1]
        for place, ring in enumerate(geometry["coordinates"])
    ]
    return {**geometry, "coordinates": rings}


def _doubled_area(ring: list[list[float]]) -> float:
    """Return twice the area inside a ring, positive where it goes counter-clockwise."""
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(ring))


def _about(cover: Cover, lang: Lang, codes: Codes) -> dict[str, Any]:
    """Return what every feature carries: it may be taken out of the file by itself."""
    return {
        "marking": banner(cover),
        "tlp": cover.marking.tlp,
        "releasable_to": cover.marking.releasable_to,
        "handling": cover.marking.handling,
        "originator_control": cover.marking.originator_control,
        "endpoint": cover.endpoint,
        "status": cover.status,
        "status.label": codes.words("status", cover.status, lang),
        "verb": cover.verb,
        "precedence": cover.precedence,
        "precedence.label": codes.words("precedence", cover.precedence, lang),
        "bears": cover.bears,
        "refs": [{"rel": ref.rel, "id": ref.id} for ref in cover.refs],
        "issued": moment(cover.issued),
        "expires": moment(cover.expires),
    }


def _told(
    form: Shape, values: dict[str, Any], path: tuple[str, ...], lang: Lang, codes: Codes
) -> dict[str, Any]:
    """Return the single members of every struct on the way to a place, and of the place."""
    told: dict[str, Any] = {"type": form.tag, "place": ".".join(path)}
    told["type.label"] = codes.words("types", form.tag, lang)
    here, value, behind = form, values, ""
    for step in ("", *path):
        if step:
            here, value = _step(here, value, step)
            behind = behind if step.isdecimal() else f"{behind}{step}."
        if here.kind == "struct":
            for found in _single(here, value):
                told.update(_property(behind, found, lang, codes))
    return told


def _step(form: Shape, value: Any, step: str) -> tuple[Shape, Any]:
    if step.isdecimal():
        return form.items[0], value[int(step)]
    member = form.member(step)
    if member is None:
        raise KeyError(step)
    return member.shape, value[step]


def _single(form: Shape, value: Any, path: tuple[str, ...] = ()) -> Iterator[Found]:
    """Yield what a struct says once: values, texts, lists of values; of structs the same."""
    for member in form.members:
        inner, found = member.shape, value.get(member.name)
        if found is None or inner.struct is blocks.Place or inner.kind == "choice":
            continue
        where = (*path, member.name)
        if members.is_text(inner) or members.is_leaf(inner):
            yield members.Found(where, inner, found)
        elif inner.kind == "struct":
            # One that has places of its own is told of by their features.
            if not _leads_to_a_place(inner):
                yield from _single(inner, found, where)
        elif members.is_leaf(inner.items[0]) and found:
            yield members.Found(where, inner, found)


def _leads_to_a_place(form: Shape) -> bool:
    return any(inner.struct is blocks.Place for inner in shapes.every(form))


def _property(behind: str, found: Found, lang: Lang, codes: Codes) -> dict[str, Any]:
    name = behind + ".".join(found.path)
    if members.is_text(found.form):
        return {name: members.in_words(found.value, lang)}
    if found.form.kind == "list":
        inner = found.form.items[0]
        labels = [members.label(members.Found((), inner, v), lang, codes) for v in found.value]
        words = [label for label in labels if label is not None]
        return {name: found.value, **({f"{name}.label": words} if words else {})}
    label = members.label(found, lang, codes)
    return {name: found.value, **({f"{name}.label": label} if label is not None else {})}
