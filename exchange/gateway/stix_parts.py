"""What every STIX 2.1 bundle of ours is made of: ids, markings, extension definitions.

Ids are UUIDv5 over the bulletin's id and the place in it: the same bulletin gives the same
bundle, wherever it is exported. Sources: STIX 2.1, sections 3.2 (common properties), 7.2 (data
markings) and 7.3 (extensions); the OASIS common objects for TLP 2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import msgspec

from exchange.gateway.cover import banner, moment, statement

if TYPE_CHECKING:
    from exchange.gateway.cover import Cover
    from exchange.model.bulletin import Bulletin
    from exchange.model.codes import Codes

# uuid5(NAMESPACE_OID, "exchange-broker stix 1"): never to be changed, partners keep its ids.
NAMESPACE = UUID("32fb7ebc-2407-5509-afcc-503a1366ad59")
TLP_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
TLP = {
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
_TLP_CREATED = "2022-10-01T00:00:00.000Z"
# When these definitions were made; their version changes with the schema's minor version.
_DEFINED = "2026-11-26T00:00:00.000Z"

# What STIX has no words for, and which of our documents says what stands there.
EXTENSIONS = {
    "account": "a bank account of a network",
    "boarding": "the result of boarding a vessel",
    "bulletin": "the whole bulletin",
    "flow": "an irregular migration flow, counted",
    "link": "what one has to do with another, graded",
    "marking": "releasability, handling, originator control, status and precedence",
    "network": "a network of organized crime, or one that smuggles people",
    "notice": "somebody wanted or missing, something stolen",
    "operation": "a joint operation",
    "organization": "a company or group",
    "person": "a person, and why they are named",
    "place": "a place with its geometry, zone and UN/LOCODE",
    "property": "what a network owns or uses",
    "seizure": "drugs, cash and goods that were seized",
    "sighting": "when, where and how a vessel was seen moving",
    "transfer": "money that moved",
    "vessel": "a vessel as it was described",
    "wallet": "an address on a public ledger",
}


def identifier(kind: str, *parts: str) -> str:
    """Return the id of an object, the same for the same parts."""
    return f"{kind}--{uuid5(NAMESPACE, '/'.join(parts))}"


def extension_id(name: str) -> str:
    """Return the id of one of our extension definitions."""
    return identifier("extension-definition", "extension", name)


def to_millisecond(seconds: int) -> str:
    """Return a time as STIX has it where an object says when it was made."""
    return f"{moment(seconds)[:-1]}.000Z"


AUTHOR = identifier("identity", "author")
_NOTHING: tuple[Any, ...] = (None, "", [], {})


class Bundle:
    """Gathers the objects of one bulletin, with what they have in common."""

    def __init__(self, bulletin: Bulletin, cover: Cover, codes: Codes) -> None:
        """Begin with the originator's identity and the markings."""
        self._id = bulletin.id
        self._issued = to_millisecond(cover.issued)
        self._used: set[str] = set()
        self.objects: list[dict[str, Any]] = []
        self.originator = identifier("identity", "member", bulletin.origin)
        self._markings = [TLP[cover.marking.tlp], identifier("marking-definition", self._id)]
        self._begin(bulletin.origin, cover, codes)

    def _begin(self, origin: str, cover: Cover, codes: Codes) -> None:
        statements = (statement(cover, lang, codes) for lang in ("en", "es"))
        told = {
            **msgspec.to_builtins(cover.marking),
            "status": cover.status,
            "precedence": cover.precedence,
            "verb": cover.verb,
            "endpoint": cover.endpoint,
            "expires": moment(cover.expires),
            **({"bears": cover.bears} if cover.bears else {}),
        }
        self.objects += [
            _organization(self.originator, origin, "organization", self._markings),
            {
                "type": "marking-definition",
                "spec_version": "2.1",
                "id": TLP[cover.marking.tlp],
                "created": _TLP_CREATED,
                "name": f"TLP:{cover.marking.tlp.upper()}",
                "extensions": {
                    TLP_EXTENSION: {
                        "extension_type": "property-extension",
                        "tlp_2_0": cover.marking.tlp,
                    }
                },
            },
            {
                "type": "marking-definition",
                "spec_version": "2.1",
                "id": self._markings[1],
                "created": self._issued,
                "created_by_ref": self.originator,
                "name": banner(cover),
                "definition_type": "statement",
                "definition": {"statement": "\n\n".join([banner(cover), *statements])},
                "extensions": self.extension("marking", told),
            },
        ]

    def extension(self, name: str, told: dict[str, Any]) -> dict[str, Any]:
        """Return what an object says beyond STIX, under one property of our extension."""
        self._used.add(name)
        return {extension_id(name): {"extension_type": "property-extension", name: told}}

    def add(self, kind: str, at: str, **properties: Any) -> str:
        """Add an object made of what stands at a place in the bulletin; return its id."""
        made = identifier(kind, self._id, at)
        self.objects.append(
            {
                "type": kind,
                "spec_version": "2.1",
                "id": made,
                "created_by_ref": self.originator,
                "created": self._issued,
                "modified": self._issued,
                "object_marking_refs": self._markings,
                **{n: value for n, value in properties.items() if value not in _NOTHING},
            }
        )
        return made

    def write(self) -> bytes:
        """Return the bundle: definitions first, then what refers to them."""
        used = sorted(self._used)
        author = [_organization(AUTHOR, "exchange", "system", [TLP["clear"]]), _CLEAR]
        defined = [_definition(name) for name in used]
        unique = {each["id"]: each for each in [*author, *defined, *self.objects]}
        return msgspec.json.encode(
            {
                "type": "bundle",
                "id": identifier("bundle", self._id),
                "objects": list(unique.values()),
            }
        )


_CLEAR = {
    "type": "marking-definition",
    "spec_version": "2.1",
    "id": TLP["clear"],
    "created": _TLP_CREATED,
    "name": "TLP:CLEAR",
    "extensions": {TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": "clear"}},
}


def _organization(made: str, name: str, kind: str, markings: list[str]) -> dict[str, Any]:
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": made,
        "created": _DEFINED,
        "modified": _DEFINED,
        "name": name,
        "identity_class": kind,
        "object_marking_refs": markings,
    }


def _definition(name: str) -> dict[str, Any]:
    return {
        "type": "extension-definition",
        "spec_version": "2.1",
        "id": extension_id(name),
        "created_by_ref": AUTHOR,
        "created": _DEFINED,
        "modified": _DEFINED,
        "name": f"exchange {name}",
        "description": f"In the property {name}: {EXTENSIONS[name]}.",
        "schema": f"Members as in schemas/v1 of exchange: {EXTENSIONS[name]}.",
        "version": "1.0.0",
        "extension_types": ["property-extension"],
        "object_marking_refs": [TLP["clear"]],
    }
