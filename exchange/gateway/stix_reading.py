"""A STIX 2.1 bundle as the values of a VOI or SZR draft.

Of a bundle that carries our extension, all that the bulletin said; of any other, what STIX has
its own words for: a text, a name, a sighting, a place, a TLP. Nothing is made up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from exchange.errors import Code, Refusal
from exchange.gateway.noting import Noted
from exchange.gateway.stix_markings import BREADTH, is_marked, leads_nowhere, narrowness
from exchange.gateway.stix_parts import extension_id
from exchange.model.header import Marking

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_BYTES = 4 * 1024 * 1024
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?Z")
_SUBDIVISION = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")
# What stands for a vessel or a seizure where nobody knows our extensions.
_ABOUT = {"voi": "infrastructure", "szr": "incident"}
_LANGUAGES = ("es", "en")

Object = dict[str, Any]


def read(data: bytes, type_: str) -> dict[str, Any]:
    """Return what a bundle says, as a draft's values: ``post`` and ``bulletin``.

    ``noted`` is what the draft says nothing of: what was done to it since, whose it is, what it
    refers to, and each marking that is not understood.

    Raises:
        Refusal: ``oversized`` or ``malformed``: it is no bundle; ``nothing-to-import``: it
            holds nothing of this type, or several.
    """
    every = _objects(data)
    objects, name = _newest_versions(every), extension_id("bulletin")
    told = [(each, _told(each, name, "bulletin")) for each in _of(objects, "report")]
    ours = [(each, found) for each, found in told if found]
    if ours:
        about, bulletin = _only([pair for pair in ours if pair[1].get("type") == type_], type_)
        given, origin = [about], bulletin.get("origin")
    else:
        about = _only(_of(objects, _ABOUT[type_]), type_)
        foreign = _given(objects, type_, about)
        bulletin = _foreign(foreign, type_)
        given, origin = [each for each in foreign if each], _author(objects, about)
    # What marked an earlier version still narrows.
    post, marks = _post(every, about, given)
    noted = [*_noted(objects, given, origin), *marks]
    return {"post": post, "bulletin": bulletin, "noted": noted}


def _noted(objects: list[Object], given: list[Object], origin: Any) -> Iterator[Noted]:
    """Yield what a bundle says of a bulletin and no draft does."""
    about = given[0]
    for done in _list(_marked(objects, about), "bears"):
        yield Noted("bears", done)
    if any(each.get("revoked") is True for each in given):
        yield Noted("bears", "revoked")
    if isinstance(origin, str) and origin:
        yield Noted("origin", origin)
    references = about.get("external_references")
    for ref in references if isinstance(references, list) else []:
        if (
            isinstance(ref, dict)
            and ref.get("source_name") == "exchange"
            and "description" in ref
        ):
            yield Noted("refs", f"{ref['description']} {ref.get('external_id')}")


def _author(objects: list[Object], about: Object) -> Any:
    made_by = about.get("created_by_ref")
    named = (each.get("name") for each in _of(objects, "identity") if each.get("id") == made_by)
    return next(named, made_by)


def _objects(data: bytes) -> list[Object]:
    if len(data) > MOST_BYTES:
        raise Refusal(Code.OVERSIZED, limit=MOST_BYTES, found=len(data))
    try:
        bundle = msgspec.json.decode(data, type=_Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(Code.MALFORMED, expected="stix") from None
    return bundle.objects


def _newest_versions(objects: list[Object]) -> list[Object]:
    """Return of each object the version that was modified last (STIX 2.1, section 3.6)."""
    newest: dict[str | int, Object] = {}
    for place, each in enumerate(objects):
        name = identity if isinstance(identity := each.get("id"), str) else place
        if name not in newest or _modified(each) >= _modified(newest[name]):
            newest[name] = each
    return list(newest.values())


def _modified(each: Object) -> str:
    # Without its Z a time with more digits comes after the same with fewer.
    return str(each.get("modified", "")).removesuffix("Z")


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


def _marked(objects: list[Object], about: Object) -> Object:
    """Return what the marking of ours that this very object has says; nothing if none.

    A bundle may hold the marking of another bulletin beside it, which says nothing of this one.
    """
    refs, name = _list(about, "object_marking_refs"), extension_id("marking")
    markings = [each for each in _of(objects, "marking-definition") if each.get("id") in refs]
    told = [found for each in markings if (found := _told(each, name, "marking"))]
    return told[0] if len(told) == 1 else {}


def _post(
    objects: list[Object], about: Object, given: list[Object]
) -> tuple[dict[str, Any], list[Noted]]:
    """Return how to post it as far as it is told, and what its author must weigh.

    A TLP is taken only where all that the draft is made of has one of its own as a whole. What
    marks a part, or something beside it, narrows that, and says nothing of what nobody marked.
    """
    own = {} if leads_nowhere(about, objects) else _marked(objects, about)
    post: dict[str, Any] = {k: own[k] for k in ("precedence", "status") if k in own}
    marking = {k: own[k] for k in Marking.__struct_fields__ if k in own}
    found, strange = narrowness(objects)
    said = marking.pop("tlp", None)
    if said in BREADTH:
        found.append(said)
    elif said is not None:
        strange.append(str(said))
    noted = [Noted("marking", each) for each in strange]
    # Somebody may have narrowed a bundle of ours on its way.
    narrowest = max(found, key=BREADTH.index, default=None)
    if narrowest and not strange and all(is_marked(each, objects) for each in given):
        marking["tlp"] = narrowest
    elif narrowest:
        noted.append(Noted("tlp", narrowest))
    return {**post, **({"marking": marking} if marking else {})}, noted


def _list(each: Object, name: str) -> list[str]:
    value = each.get(name)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


class _Given(NamedTuple):
    """The objects that a draft is made of another's bundle from; empty where there is none."""

    about: Object
    report: Object
    sighting: Object
    location: Object


def _given(objects: list[Object], type_: str, about: Object) -> _Given:
    """Return what tells of it: the one report that refers to it, and where it was."""
    reports = [e for e in _of(objects, "report") if about.get("id") in _list(e, "object_refs")]
    report = reports[0] if len(reports) == 1 else {}
    if type_ != "voi":
        return _Given(about, report, {}, _located(objects))
    sighting = _newest(objects, about)
    where = _located(objects, _list(sighting, "where_sighted_refs"))
    return _Given(about, report, sighting, where)


def _foreign(given: _Given, type_: str) -> dict[str, Any]:
    about, report = given.about, given.report
    told = _text(about, "description") or _text(report, "description")
    bulletin = {"title": _text(report, "name") or _text(about, "name")}
    if type_ == "voi":
        bulletin["content"] = _vessel(given, told)
    else:
        bulletin["remarks"] = told
        bulletin["content"] = {"place": _place(given.location)}
    return {name: value for name, value in bulletin.items() if value}


def _vessel(given: _Given, told: Object | None) -> dict[str, Any]:
    about = given.about
    vessel = {"name": about.get("name"), "former_names": _list(about, "aliases")}
    seen = {"at": _seen_at(given.sighting), "place": _place(given.location)}
    content = {
        "vessel": {name: value for name, value in vessel.items() if value},
        "suspicion": told,
        "seen": {name: value for name, value in seen.items() if value},
    }
    return {name: value for name, value in content.items() if value}


def _newest(objects: list[Object], about: Object) -> Object:
    """Return the newest sighting of a vessel that stands."""
    sightings = [
        each
        for each in _of(objects, "sighting")
        if each.get("sighting_of_ref") == about.get("id") and each.get("revoked") is not True
    ]
    return max(sightings, key=_seen_at, default={})


def _seen_at(sighting: Object) -> str:
    return _time(sighting.get("last_seen") or sighting.get("first_seen"))


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
