"""MISP: a bulletin as an event, its parts as objects, its members as their attributes.

The marking is in tags, on the event and on each attribute, since attributes are found without
their event. A tag binds only those who heed it: how far the event may travel is its
distribution, by default the own organisation; more is refused where the marking forbids it, see
``taking``.
Source: the MISP core format (draft-dulaunoy-misp-core-format).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import msgspec

from exchange.gateway import members
from exchange.gateway.cover import SHARINGS, moment
from exchange.model.bulletin import blocks
from exchange.model.bulletin import shape as shapes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.gateway.cover import Cover
    from exchange.gateway.members import Found
    from exchange.model.bulletin import Bulletin
    from exchange.model.bulletin.shape import Shape
    from exchange.model.codes import Codes, Lang

# uuid5(NAMESPACE_OID, "exchange-broker misp 1"): never to be changed, partners keep its ids.
NAMESPACE = UUID("f00963c2-cd81-55db-88b2-20ae1c7c59f0")
# MISP's types by the form or the kind of a member; any other is text.
_BY_FORM = {
    "phone": "phone-number",
    "iban": "iban",
    "bic": "bic",
    "aba": "aba-rtn",
}
_BY_KIND = {"time": "datetime", "integer": "counter", "number": "float", "boolean": "boolean"}
_INHERIT = "5"
_GEOLOCATION = ("geolocation", "cd6f2238-ba55-4888-82c4-104e6e1acf21", "8")


def write(bulletin: Bulletin, cover: Cover, lang: Lang, codes: Codes) -> bytes:
    """Return one event as JSON; its distribution is the cover's ``sharing``."""
    form, values = shapes.of(bulletin.type), members.plain(bulletin)
    writer = _Writer(bulletin, cover, lang, codes)
    return msgspec.json.encode(
        {
            "Event": {
                "uuid": bulletin.id,
                "info": members.in_words(values["title"], lang),
                "date": moment(cover.issued)[:10],
                "timestamp": str(cover.issued),
                "published": False,
                # Undefined: MISP's levels are of attacks on computers.
                "threat_level_id": "4",
                "analysis": "2",
                "distribution": str(SHARINGS.index(cover.sharing)),
                "Orgc": {"name": bulletin.origin, "uuid": _uuid("member", bulletin.origin)},
                "Tag": writer.tags,
                "Attribute": list(writer.about()),
                "Object": [
                    made
                    for found in members.structs(form, values)
                    if not members.is_text(found.form) and not _is_translation(found.form)
                    for made in writer.objects(found)
                ],
            }
        }
    )


class _Writer:
    """Writes objects and attributes of one bulletin, all tagged alike."""

    def __init__(self, bulletin: Bulletin, cover: Cover, lang: Lang, codes: Codes) -> None:
        self._bulletin = bulletin
        self._cover = cover
        self._lang: Lang = lang
        self._codes = codes
        self.tags = [{"name": name} for name in _tags(bulletin, cover)]

    def about(self) -> Iterator[dict[str, Any]]:
        """Return what the header says, as attributes of the event."""
        cover = self._cover
        facts = {
            "endpoint": cover.endpoint,
            "verb": cover.verb,
            "expires": moment(cover.expires),
        }
        for name, value in facts.items():
            kind = "datetime" if name == "expires" else "text"
            yield self._attribute(("post", name), kind, value, self._label(name))
        for place, ref in enumerate(cover.refs):
            words = self._codes.words("relations", ref.rel, self._lang)
            yield self._attribute(("post", "refs", str(place)), "text", ref.id, words)

    def objects(self, found: Found) -> Iterator[dict[str, Any]]:
        """Return the object of a struct, and of a position the one that MISP shows on a map."""
        held = [self._id(*inner.path) for inner in _children(found)]
        point = found.value.get("geometry") if found.form.struct is blocks.Place else None
        if point is not None and point["type"] == "Point":
            located = self._located(found, point["coordinates"])
            held.append(located["uuid"])
            yield located
        name = f"exchange-{_kebab(found.form.struct)}"
        kind = (name, _uuid("template", name), "1")
        attributes = [made for member in _members(found) for made in self._of(member)]
        if attributes:
            yield self._object(kind, found.path, attributes, held)

    def _object(
        self,
        kind: tuple[str, str, str],
        path: tuple[str, ...],
        attributes: list[dict[str, Any]],
        held: list[str],
    ) -> dict[str, Any]:
        own = self._id(*path)
        return {
            "uuid": own,
            "name": kind[0],
            "meta-category": "misc",
            "description": self._label(_last(path) or "bulletin"),
            "template_uuid": kind[1],
            "template_version": kind[2],
            "timestamp": str(self._cover.issued),
            "distribution": _INHERIT,
            "comment": ".".join(path),
            "Attribute": attributes,
            "ObjectReference": [
                {
                    "uuid": self._id("reference", own, other),
                    "object_uuid": own,
                    "referenced_uuid": other,
                    "relationship_type": "contains",
                }
                for other in held
            ],
        }

    def _located(self, found: Found, position: list[float]) -> dict[str, Any]:
        path = (*found.path, "geolocation")
        facts = {"longitude": position[0], "latitude": position[1]}
        if "accuracy_m" in found.value:
            facts["accuracy-radius"] = found.value["accuracy_m"]
        attributes = [
            self._attribute((*path, name), "float", value, "") for name, value in facts.items()
        ]
        return self._object(_GEOLOCATION, path, attributes, [])

    def _of(self, found: Found) -> Iterator[dict[str, Any]]:
        """Return a member's attributes: a list has several, a text one for each language."""
        if members.is_text(found.form):
            yield from self._text(found)
        elif found.form.kind == "list":
            for place, value in enumerate(found.value):
                inner = (*found.path, str(place))
                yield from self._of(members.Found(inner, found.form.items[0], value))
        else:
            kind = _BY_FORM.get(found.form.form) or _BY_KIND.get(found.form.kind, "text")
            words = members.label(found, self._lang, self._codes) or self._label(found.name)
            is_code = bool(found.form.codes)
            yield self._attribute(found.path, kind, found.value, words, is_code=is_code)

    def _text(self, found: Found) -> Iterator[dict[str, Any]]:
        original, label = found.value, self._label(found.name)
        told = f"{label} [{original['lang']}]"
        yield self._attribute(found.path, "text", original["text"], told)
        for place, each in enumerate(original.get("translations", [])):
            how = self._codes.words("translation-ways", each["how"], self._lang)
            told = f"{label} [{each['lang']}; {how}; {each['by']}]"
            yield self._attribute((*found.path, str(place)), "text", each["text"], told)

    def _attribute(
        self,
        path: tuple[str, ...],
        kind: str,
        value: Any,
        comment: str,
        *,
        is_code: bool = False,
    ) -> dict[str, Any]:
        return {
            "uuid": self._id("attribute", *path),
            "object_relation": _last(path),
            "type": kind,
            "category": _CATEGORIES.get(kind, "Other"),
            "value": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
            "comment": comment,
            # Nothing here is for a network's sensor; equal codes make no two events alike.
            "to_ids": False,
            "disable_correlation": is_code or kind in _BY_KIND.values(),
            "distribution": _INHERIT,
            "timestamp": str(self._cover.issued),
            "Tag": self.tags,
        }

    def _label(self, name: str) -> str:
        return self._codes.words("fields", name, self._lang)

    def _id(self, *path: str) -> str:
        return _uuid(self._bulletin.id, *path)


_CATEGORIES = dict.fromkeys(("iban", "bic", "aba-rtn"), "Financial fraud")


def _last(path: tuple[str, ...]) -> str:
    return next((step for step in reversed(path) if not step.isdecimal()), "")


def _uuid(*parts: str) -> str:
    return str(uuid5(NAMESPACE, "/".join(parts)))


def _kebab(struct: type | None) -> str:
    name = "bulletin" if struct is None else struct.__name__
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _is_translation(form: Shape) -> bool:
    return form.struct is blocks.Translation


def _members(found: Found) -> Iterator[Found]:
    """Yield what a struct says itself; the structs inside it are objects of their own."""
    for member in found.form.members:
        form, value = member.shape, found.value.get(member.name)
        inner = form.items[0] if form.kind == "list" else form
        is_own = inner.kind == "struct" and not members.is_text(inner)
        if value is not None and not is_own:
            yield members.Found((*found.path, member.name), form, value)


def _children(found: Found) -> Iterator[Found]:
    """Yield the next structs inside a struct that become objects: those that say something."""
    for inner in members.structs(found.form, found.value, found.path):
        steps = inner.path[len(found.path) :]
        is_next = len(steps) == 1 or (len(steps) == 2 and steps[1].isdecimal())
        if not is_next or members.is_text(inner.form) or _is_translation(inner.form):
            continue
        if any(_members(inner)):
            yield inner
        else:
            yield from _children(inner)


def _tags(bulletin: Bulletin, cover: Cover) -> Iterator[str]:
    marking = cover.marking
    yield f"tlp:{marking.tlp}"
    for code in marking.releasable_to:
        yield f'exchange:releasable-to="{code}"'
    for code in marking.handling:
        yield f'exchange:handling="{code}"'
    yield f'exchange:originator-control="{str(marking.originator_control).lower()}"'
    yield f'exchange:status="{cover.status}"'
    yield from (f'exchange:bears="{each}"' for each in cover.bears)
    yield f'exchange:precedence="{cover.precedence}"'
    yield f'exchange:type="{bulletin.type}"'
    if bulletin.grading is not None:
        yield f'admiralty-scale:source-reliability="{bulletin.grading.reliability}"'
        yield f'admiralty-scale:information-credibility="{bulletin.grading.credibility}"'
