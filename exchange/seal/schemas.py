"""JSON Schema 2020-12 documents of the signed objects, made from the structs that read them."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from exchange.model import objects
from exchange.model.header import Header
from exchange.seal.body import Jwe, Wrap

# File name to struct and title; a payload is what a signed object carries in base64url.
DOCUMENTS: dict[str, tuple[type, str]] = {
    "header": (Header, "Header / Encabezado"),
    "acknowledgement": (objects.Acknowledgement, "Acknowledgement / Acuse"),
    "grant": (objects.Grant, "Grant / Concesión"),
    "release": (objects.Release, "Release / Autorización de salida"),
    "draft": (objects.SealedDraft, "Sealed draft / Borrador sellado"),
    "confirmation": (objects.Confirmation, "Confirmation / Confirmación"),
    "consent": (objects.Consent, "Consent / Consentimiento"),
    "request": (objects.Request, "Request for a grant / Solicitud de concesión"),
    "notice": (objects.Notice, "Notice / Aviso"),
    "subscription": (objects.Subscription, "Subscription / Suscripción"),
    "session": (objects.SessionRequest, "Session request / Solicitud de sesión"),
    "enrolment": (objects.Enrolment, "Enrolment / Inscripción"),
    "invitation": (objects.Invitation, "Invitation / Invitación"),
    "verdict": (objects.Verdict, "Verdict / Decisión"),
    "receipt-statement": (
        objects.GroupStatement,
        "What a receipt's signature covers / Lo que cubre la firma de un recibo",
    ),
    "receipt": (objects.Receipt, "Receipt / Recibo"),
    "body": (Jwe, "Sealed body / Cuerpo sellado"),
    "wrap": (Wrap, "Wrapped key of a grant / Llave envuelta de una concesión"),
}

_BASE64 = {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"}
# RFC 7515, section 7.2.1, with exactly these members.
_SIGNED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "payload": _BASE64,
        "signatures": {
            "type": "array",
            "minItems": 1,
            "maxItems": 64,
            "items": {
                "type": "object",
                "properties": {"protected": _BASE64, "signature": _BASE64},
                "required": ["protected", "signature"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["payload", "signatures"],
    "additionalProperties": False,
}


def documents() -> dict[str, bytes]:
    """Return each document under its file's name, such as ``grant.schema.json``."""
    made = {
        "signed.schema.json": _document("signed", "Signed object / Objeto firmado", _SIGNED)
    }
    for name, (struct, title) in DOCUMENTS.items():
        made[f"{name}.schema.json"] = _document(name, title, _schema(struct))
    return made


def _schema(struct: type) -> dict[str, Any]:
    (top,), definitions = msgspec.json.schema_components(
        [struct], ref_template="#/$defs/{name}"
    )
    # The struct itself stands at the top, not behind a reference.
    body = definitions.pop(top["$ref"].rpartition("/")[2])
    schema = {**body, "$defs": definitions} if definitions else body
    _plain(schema)
    if struct is objects.Receipt:
        schema["properties"]["group"] = _SIGNED
    return schema


def _plain(value: Any) -> None:
    """Take out what speaks of our code: names of structs, and their docstrings."""
    for name in ("title", "description"):
        # A member of that name would be a schema, and stays.
        if isinstance(value, dict) and isinstance(value.get(name), str):
            del value[name]
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            _plain(inner)


def _document(name: str, title: str, schema: dict[str, Any]) -> bytes:
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:exchange:v1:object:{name}",
        "title": title,
        **schema,
    }
    return (json.dumps(whole, ensure_ascii=False, indent=1) + "\n").encode()
