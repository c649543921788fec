"""JSON Schema 2020-12 documents of the bulletin types, made from the structs and code lists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from exchange.model.bulletin import shape
from exchange.model.bulletin.kinds import TYPES
from exchange.model.bulletin.words import TIME_PATTERN

if TYPE_CHECKING:
    from exchange.model.bulletin.shape import Member, Shape
    from exchange.model.codes import Codes

_TYPE = {"text": "string", "integer": "integer", "number": "number", "boolean": "boolean"}
_LIMITS = {
    "ge": "minimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}
_TIME = {
    "type": "string",
    "format": "date-time",
    "pattern": TIME_PATTERN,
}


def documents(codes: Codes) -> dict[str, bytes]:
    """Return each document under its file's name, such as ``voi.schema.json``.

    The same code lists give the same bytes. Writing them is the caller's.
    """
    return {f"{code}.schema.json": document(code, codes) for code in TYPES}


def document(code: str, codes: Codes) -> bytes:
    """Return the schema of one bulletin type, as UTF-8 text that ends with LF."""
    definitions: dict[str, Any] = {}
    maker = _Maker(codes, definitions)
    top = maker.body(shape.of(code))
    word = codes.lists["types"][code]
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:exchange:v1:{code}",
        "title": f"{word.en} / {word.es}",
        **top,
        "$defs": dict(sorted(definitions.items())),
    }
    return (json.dumps(whole, ensure_ascii=False, indent=1) + "\n").encode()


class _Maker:
    """Turns shapes into schemas; structs and code lists go to ``$defs`` once."""

    def __init__(self, codes: Codes, definitions: dict[str, Any]) -> None:
        self._codes = codes
        self._definitions = definitions

    def body(self, form: Shape) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        required = []
        if form.tag_field:
            properties[form.tag_field] = {"const": form.tag}
            required.append(form.tag_field)
        for member in form.members:
            properties[member.name] = self._member(member)
        required += [member.name for member in form.members if member.required]
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def _member(self, member: Member) -> dict[str, Any]:
        word = self._codes.lists["fields"].get(member.name)
        label = {} if word is None else {"title": f"{word.en} / {word.es}"}
        return {**label, **self.of(member.shape)}

    def of(self, form: Shape) -> dict[str, Any]:
        found = self._plain(form)
        return {"anyOf": [found, {"type": "null"}]} if form.nullable else found

    def _plain(self, form: Shape) -> dict[str, Any]:
        match form.kind:
            case "struct":
                name = form.struct.__name__ if form.struct is not None else ""
                return self._reference(name, lambda: self.body(form))
            case "choice":
                return {"oneOf": [self.of(item) for item in form.items]}
            case "list" | "pair":
                return self._array(form)
            case _:
                return self._scalar(form)

    def _array(self, form: Shape) -> dict[str, Any]:
        if form.kind == "list":
            return {"type": "array", "items": self.of(form.items[0]), **_items(form)}
        items = [self.of(item) for item in form.items]
        count = len(items)
        closed = {"items": False, "minItems": count, "maxItems": count}
        return {"type": "array", "prefixItems": items, **closed}

    def _scalar(self, form: Shape) -> dict[str, Any]:
        if form.codes:
            values = list(self._codes.lists[form.codes])
            name = f"codes-{form.codes}"
            return self._reference(name, lambda: {"type": "string", "enum": values})
        if form.kind == "any":
            return {}
        if form.kind == "time":
            return dict(_TIME)
        limits = {_LIMITS[name]: limit for name, limit in form.limits.items()}
        return {"type": _TYPE[form.kind], **limits}

    def _reference(self, name: str, make: Any) -> dict[str, Any]:
        if name not in self._definitions:
            self._definitions[name] = {}
            self._definitions[name] = make()
        return {"$ref": f"#/$defs/{name}"}


def _items(form: Shape) -> dict[str, Any]:
    names = {"min_length": "minItems", "max_length": "maxItems"}
    return {names[name]: limit for name, limit in form.limits.items()}
