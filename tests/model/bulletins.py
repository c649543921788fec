"""The committed examples, decoded and as JSON values, for tests to change one thing in."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import msgspec

from exchange import resources
from exchange.errors import Code, Refusal
from exchange.model import codes, draft
from exchange.model.bulletin import (
    SCHEMA,
    Bulletin,
    Newer,
    decode,
    decode_newer,
    doubts,
    encode,
)

CODES = codes.load(resources.read)
FOLDER = resources.schemas() / "v1" / "examples"
INDEX: dict[str, dict[str, str]] = json.loads((FOLDER / "index.json").read_text())
NAMES = sorted(INDEX)


@cache
def drafted(name: str) -> draft.Draft:
    return draft.read_draft((FOLDER / name).read_bytes(), toml=True)


@cache
def example(name: str) -> Bulletin:
    """Return a committed example as a bulletin; ``voi-1`` is short for its file."""
    file = next(found for found in NAMES if found.startswith(name))
    return draft.complete(
        drafted(file), id=INDEX[file]["id"], origin=INDEX[file]["origin"], codes=CODES
    )


def plain(name: str) -> dict[str, Any]:
    """Return an example as JSON values of its own, to be changed."""
    values: dict[str, Any] = json.loads(encode(example(name)))
    return values


def put(values: Any, pointer: str, value: Any) -> Any:
    """Set the member at a pointer; Ellipsis takes it out."""
    *path, last = pointer.split("/")[1:]
    here = values
    for step in path:
        here = here[int(step)] if isinstance(here, list) else here[step]
    key: Any = int(last) if isinstance(here, list) else last
    if value is ...:
        del here[key]
    else:
        here[key] = value
    return values


def verdict(data: bytes | dict[str, Any]) -> Refusal | None:
    """Return how decoding refuses, or None where it does not."""
    raw = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()
    try:
        decode(raw, CODES)
    except Refusal as refusal:
        return refusal
    return None


def told_at(data: bytes | dict[str, Any]) -> tuple[str, Any] | None:
    """Return where and by which rule decoding refuses, or None where it does not."""
    refusal = verdict(data)
    return None if refusal is None else (refusal.at, refusal.facts.get("expected"))


def written_at(values: dict[str, Any]) -> tuple[str, Any] | None:
    """Return where and by which rule its author is refused, or None where nobody is."""
    told = {key: each for key, each in values.items() if key not in draft._FILLED}
    post = msgspec.structs.replace(drafted("szr-1.es.toml").post, verb=None)
    try:
        draft.complete(
            draft.Draft(post, told), id=values["id"], origin=values["origin"], codes=CODES
        )
    except Refusal as refusal:
        return refusal.at.removeprefix("/bulletin"), refusal.facts["expected"]
    return None


def warned(data: bytes | dict[str, Any]) -> list[tuple[str, str]]:
    """Return what its reader is warned of, and where."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    try:
        read = Newer(SCHEMA, decode(raw, CODES), [])
    except Refusal as refusal:
        if refusal.code is not Code.SCHEMA_NOT_KNOWN:
            raise
        read = decode_newer(raw, CODES, "1.1")
    return [(each.code, each.at) for each in doubts(read.bulletin, read.unknown)]


def said(data: bytes | dict[str, Any]) -> tuple[str, str]:
    """Return the code and the pointer of the refusal; fails where there is none."""
    refusal = verdict(data)
    assert refusal is not None, "not refused"
    return refusal.code.value, refusal.at
