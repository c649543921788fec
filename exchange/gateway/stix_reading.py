"""A STIX 2.1 bundle as the values of a VOI or SZR draft.

Of a bundle that carries our extension, all that the bulletin said; of any other, what STIX has
its own words for: a text, a name, a sighting, a place, a TLP. Nothing is made up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from exchange.errors import Code, Refusal
from exchange.gateway.stix_parts import TLP, extension_id
from exchange.model.header import Marking

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_BYTES = 4 * 1024 * 1024
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?Z")
_SUBDIVISION = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")
# From the widest to the narrowest; of several in a bundle, the narrowest holds.
_BREADTH = ("clear", "green", "amber", "amber+strict", "red")
# STIX 2.1, section 7.2.1.4: TLP 1, by the ids that the standard gave it.
_FIRST_TLP = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": "clear",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "green",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "amber",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "red",
}
_TLP_OF = {**{made: tlp for tlp, made in TLP.items()}, **_FIRST_TLP}
# What stands for a vessel or a seizure where nobody knows our extensions.
_ABOUT = {"voi": "infrastructure", "szr": "incident"}
_LANGUAGES = ("es", "en")

Object = dict[str, Any]


def read(data: bytes, type_: str) -> dict[str, Any]:
    """Return what a bundle says, as a draft's values: ``post`` and ``bulletin``.

    Raises:
        Refusal: ``oversized`` or ``malformed``: it is no bundle; ``nothing-to-import``: it
            holds nothing of this type, or several.
    """
    objects = _objects(data)
    name = extension_id("bulletin")
    ours = [told for each in _of(objects, "report") if (told := _told(each, name, "bulletin"))]
    if ours:
        found = _only([told for told in ours if told.get("type") == type_], type_)
        return {"post": _post(objects), "bulletin": found}
    return {"post": _post(objects), "bulletin": _foreign(objects, type_)}


def _objects(data: bytes) -> list[Object]:
    if len(data) > MOST_BYTES:
        raise Refusal(Code.OVERSIZED, limit=MOST_BYTES, found=len(data))
    try:
        bundle = msgspec.json.decode(data, type=_Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(Code.MALFORMED, expected="stix") from None
    return bundle.objects


class _Bundle(msgspec.Struct, tag_field="type", tag="bundle"):
    objects: list[dict[str, Any]]


def _of(objects: Iterable[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each.get("type") in kinds]


def _only(found: list[Any], type_: str) -> Any:
    if len(found) != 1:
        raise Refusal(Code.NOTHING_TO_IMPORT, "", format="stix", type=type_)
    return found[0]


def _told(each: Object, name: str, told: str) -> Object | None:
    extensions = each.get("extensions")
    extension = extensions.get(name) if isinstance(extensions, dict) else None
    value = extension.get(told) if isinstance(extension, dict) else None
    return value if isinstance(value, dict) else None


def _post(objects: list[Object]) -> dict[str, Any]:
    name = extension_id("marking")
    markings = _of(objects, "marking-definition")
    ours = [told for each in markings if (told := _told(each, name, "marking"))]
    if len(ours) == 1:
        post: dict[str, Any] = {k: ours[0][k] for k in ("precedence", "status") if k in ours[0]}
        marking = {k: ours[0][k] for k in Marking.__struct_fields__ if k in ours[0]}
        return {**post, "marking": marking}
    named = [ref for each in objects for ref in _list(each, "object_marking_refs")]
    found = [tlp for ref in named if (tlp := _TLP_OF.get(ref)) is not None]
    return {"marking": {"tlp": max(found, key=_BREADTH.index)}} if found else {}


def _list(each: Object, name: str) -> list[str]:
    value = each.get(name)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _foreign(objects: list[Object], type_: str) -> dict[str, Any]:
    about = _only(_of(objects, _ABOUT[type_]), type_)
    report = next(iter(_of(objects, "report")), about)
    told = _text(about, "description") or _text(report, "description")
    bulletin = {"title": _text(report, "name") or _text(about, "name")}
    if type_ == "voi":
        bulletin["content"] = _vessel(objects, about, told)
    else:
        bulletin["remarks"] = told
        bulletin["content"] = {"place": _place(_located(objects))}
    return {name: value for name, value in bulletin.items() if value}


def _vessel(objects: list[Object], about: Object, told: Object | None) -> dict[str, Any]:
    vessel = {"name": about.get("name"), "former_names": _list(about, "aliases")}
    content = {
        "vessel": {name: value for name, value in vessel.items() if value},
        "suspicion": told,
        "seen": _seen(objects, about),
    }
    return {name: value for name, value in content.items() if value}


def _seen(objects: list[Object], about: Object) -> dict[str, Any]:
    """Return the newest sighting of a vessel."""
    sightings = [
        each
        for each in _of(objects, "sighting")
        if each.get("sighting_of_ref") == about.get("id")
    ]
    timed = [
        (_time(each.get("last_seen") or each.get("first_seen")), each) for each in sightings
    ]
    at, newest = max(timed, key=lambda pair: pair[0], default=("", {}))
    seen = {"at": at, "place": _place(_located(objects, _list(newest, "where_sighted_refs")))}
    return {name: value for name, value in seen.items() if value}


def _located(objects: list[Object], refs: list[str] | None = None) -> Object:
    """Return the one location that is meant; of several, none is."""
    found = [
        each for each in _of(objects, "location") if refs is None or each.get("id") in refs
    ]
    return found[0] if len(found) == 1 else {}


def _place(location: Object) -> dict[str, Any]:
    area = str(location.get("administrative_area", ""))
    place: dict[str, Any] = {
        "accuracy_m": location.get("precision"),
        "subdivision": area if _SUBDIVISION.fullmatch(area) else None,
        "name": location.get("name") or location.get("region"),
    }
    longitude, latitude = location.get("longitude"), location.get("latitude")
    if longitude is not None and latitude is not None:
        place["geometry"] = {"type": "Point", "coordinates": [longitude, latitude]}
    return {name: value for name, value in place.items() if value is not None}


def _text(each: Object, name: str) -> Object | None:
    """Return a property as free text; where STIX names no language, it is English (3.2)."""
    text, lang = each.get(name), each.get("lang", "en")
    if not isinstance(text, str) or not text.strip() or lang not in _LANGUAGES:
        return None
    return {"lang": lang, "text": text}


def _time(text: Any) -> str:
    """Return a time in whole seconds, or nothing where there is none."""
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    return f"{found.group(1)}Z" if found else ""
