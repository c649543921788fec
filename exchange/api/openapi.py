"""Describe this interface as OpenAPI 3.1, from the same routes and structs that serve it."""

from __future__ import annotations

from typing import Any

import msgspec

from exchange import __version__
from exchange.api.app import IN_SESSION, OPEN
from exchange.api.roles import ROLES
from exchange.broker.pressing import RANKS
from exchange.model import events, objects, wire

_REF = "#/components/schemas/{name}"
_TEXT, _BYTES, _JSON = "text/plain", "application/octet-stream", "application/json"
_FRAMED = {"schema": {"type": "string", "description": "object LF body LF, repeated"}}
_SIGNED = {"schema": {"type": "string", "description": "a signed object (General JSON JWS)"}}

# What each route answers when all is well: status, media type, and the struct if it is JSON.
_ANSWERS: dict[str, tuple[int, str, type | None]] = {
    "/livez": (200, _JSON, wire.Health),
    "/readyz": (200, _JSON, wire.Health),
    "/metrics": (200, _TEXT, None),
    "/v1/openapi.json": (200, _JSON, None),
    "/v1/nonce": (200, _JSON, wire.Nonce),
    "/v1/session": (201, _JSON, objects.Answered),
    "/v1/objects": (201, _JSON, objects.Receipt),
    "/v1/batch": (200, wire.LINES_TYPE, wire.Line),
    "/v1/enrolments": (201, _JSON, wire.Standing),
    "/v1/inbox": (200, _JSON, wire.InboxPage),
    "/v1/events": (200, events.MEDIA_TYPE, None),
    "/v1/trust": (200, _JSON, wire.TrustPage),
    "/v1/blobs/{digest}": (200, _BYTES, None),
    "/v1/uploads/{digest}": (200, _JSON, wire.Upload),
    "/v1/granted": (200, _JSON, wire.JournalItem),
    "/v1/receipts/{id}": (200, _JSON, objects.Receipt),
    "/v1/posted/{id}": (200, wire.SIGNED_TYPE, None),
    "/v1/posted/{id}/bearing": (200, _JSON, wire.Bearing),
    "/v1/checkpoint": (200, _TEXT, None),
    "/v1/tile/{path}": (200, _BYTES, None),
    "/v1/proof": (200, _JSON, wire.Proof),
    "/v1/heads": (200, _JSON, wire.Heads),
    "/v1/heads/{node}": (200, _JSON, wire.HomeHeads),
    "/v1/journal": (200, _JSON, wire.JournalPage),
    "/v1/invitations": (200, _JSON, wire.InvitationPage),
    "/v1/invitations/receipts": (200, _JSON, wire.InvitationReceipts),
}
# Query parameters, all whole numbers: name, least, most, default.
_QUERIES: dict[str, list[tuple[str, int, int | None, int | None]]] = {
    "/v1/inbox": [
        ("after", -1, None, -1),
        ("limit", 1, wire.MAX_PAGE, 64),
        ("wait", 0, wire.MAX_WAIT_S, 0),
        *((rank, -1, None, -1) for rank in RANKS),
    ],
    "/v1/events": [(name, -1, None, -1) for name in ("after", *RANKS)],
    "/v1/trust": [("after", -1, None, -1)],
    "/v1/blobs/{digest}": [("index", 0, None, None), ("offset", 0, None, 0)],
    "/v1/uploads/{digest}": [("size", 1, None, None)],
    "PATCH /v1/uploads/{digest}": [("size", 1, None, None), ("offset", 0, None, None)],
    "/v1/granted": [("index", 0, None, None)],
    "/v1/checkpoint": [("cosigned", 0, 1, 0)],
    "/v1/proof": [("index", 0, None, None), ("cosigned", 0, 1, 0)],
    "/v1/heads": [("since", 0, None, 0)],
    "/v1/heads/{node}": [("first", 0, None, 0)],
    "/v1/invitations": [("before", 0, None, 2**53 - 1)],
    "/v1/invitations/receipts": [("number", 0, None, None)],
    "/v1/journal": [("first", 0, None, 0), ("limit", 1, wire.MAX_PAGE, 64)],
}

# Query parameters that are words, none of which must be given: name, what it is.
_WORDS: dict[str, list[tuple[str, str]]] = {
    "/v1/trust": [("node", "whose trust documents; without it, this node's own")],
}

_RETRY = {
    "description": "with too-many by a budget: whole seconds until there is room again",
    "required": False,
    "schema": {"type": "integer", "minimum": 1},
}


def describe() -> dict[str, Any]:
    """Return the description; a route without an answer here is a ``KeyError`` in the tests."""
    structs = [struct for _, _, struct in _ANSWERS.values() if struct is not None]
    schemas, components = msgspec.json.schema_components(
        [*structs, wire.Problem], ref_template=_REF
    )
    by_struct = dict(zip([*structs, wire.Problem], schemas, strict=True))
    # An entry's raw JSON within a receipt has no schema of its own: it is a signed object.
    paths: dict[str, Any] = {}
    for is_open, routes in ((True, OPEN), (False, IN_SESSION)):
        for method, route, handler in routes:
            path = route.replace(":.+", "")
            paths.setdefault(path, {})[method.lower()] = _operation(
                path, method, (handler.__doc__ or "").strip(), by_struct, is_open=is_open
            )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "exchange: the agencies' interface",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"session": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(
    path: str, method: str, told: str, by_struct: dict[type, Any], *, is_open: bool
) -> dict[str, Any]:
    status, media, struct = _ANSWERS[path]
    content = {media: {"schema": by_struct[struct]} if struct else {}}
    operation: dict[str, Any] = {
        "summary": told.splitlines()[0],
        "responses": {
            str(status): {"description": "as asked", "content": content},
            "default": {
                "description": "a refusal or fault, in Spanish and English",
                "headers": {"Retry-After": _RETRY},
                "content": {wire.PROBLEM_TYPE: {"schema": by_struct[wire.Problem]}},
            },
        },
    }
    if parameters := _parameters(path, method):
        operation["parameters"] = parameters
    if method == "POST":
        body = {_JSON: _SIGNED} if is_open else {wire.BATCH_TYPE: _FRAMED}
        operation["requestBody"] = {"required": True, "content": body}
    if method == "PATCH":
        operation["requestBody"] = {"required": True, "content": {_BYTES: {}}}
    if not is_open:
        operation["security"] = [{"session": []}]
        operation["x-roles"] = sorted(ROLES[method, path])
    return operation


def _parameters(path: str, method: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in ("digest", "id", "node", "path")
        if f"{{{name}}}" in path
    ]
    asked = _QUERIES.get(f"{method} {path}", _QUERIES.get(path, []))
    for name, least, most, default in asked:
        schema: dict[str, Any] = {"type": "integer", "minimum": least}
        if most is not None:
            schema["maximum"] = most
        if default is not None:
            schema["default"] = default
        found.append(
            {"name": name, "in": "query", "required": default is None, "schema": schema}
        )
    for name, told in _WORDS.get(path, []):
        word = {"type": "string", "pattern": "^[a-z0-9][a-z0-9.+-]{0,47}$"}
        asked_for = {"name": name, "in": "query", "required": False, "schema": word}
        found.append({**asked_for, "description": told})
    if path == "/v1/events":
        last = {"type": "string", "pattern": "^[0-9]{1,16}$"}
        found.append(
            {"name": events.LAST_HEADER, "in": "header", "required": False, "schema": last}
        )
    return found


def encode() -> bytes:
    """Return the description as it is committed and served: one spelling."""
    plain = msgspec.json.encode(describe(), order="sorted")
    return msgspec.json.format(plain, indent=1) + b"\n"
