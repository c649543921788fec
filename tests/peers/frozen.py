"""The frozen vectors as anybody finds them: every folder, read by their document alone."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from exchange import resources
from exchange.errors import Refusal
from exchange.model import metadata
from exchange.model.codec import unb64
from exchange.model.identity import Jwk
from exchange.seal import trust
from tests.vectors.case import founded

FOLDER = resources.schemas() / "v1/vectors"
FILES = sorted(
    path for path in FOLDER.rglob("*.json") if path.parent.name in ("accept", "refuse")
)
_SEEDS = Path(__file__).parents[1] / "vectors"


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def name(path: Path) -> str:
    """A vector's place below the folder, without the ending."""
    return path.relative_to(FOLDER).with_suffix("").as_posix()


def raw(told: Any) -> bytes:
    """The bytes that a vector tells: a string, parts with runs, or base64."""
    if isinstance(told, str):
        return told.encode()
    if isinstance(told, list):
        return b"".join(raw(part) for part in told)
    if "base64" in told:
        return unb64(told["base64"])
    return str(told["fill"]).encode() * int(told["times"])


@cache
def world(known: str) -> Any:
    return read(FOLDER / known)


def typ(path: Path) -> str | None:
    """What a vector's object says it is; None where that cannot be read."""
    told = raw(read(path)["object"])
    if told.startswith(metadata.BEGINS):
        return "tuf"
    try:
        first = json.loads(told)["signatures"][0]
        told = json.loads(unb64(first["protected"]))["typ"]
    except (ValueError, LookupError, TypeError, Refusal):
        return None
    return str(told)


def seed(path: Path, recipient: str) -> bytes:
    """The private key that a recipient opens with; each folder of a suite has its own."""
    folder = path.parents[1].relative_to(FOLDER).parts
    keys = read(_SEEDS / f"{'-'.join(('opening-keys', *folder))}.json")
    return unb64(keys["seeds"][recipient])


def directory(told: Any) -> dict[str, Jwk]:
    """Every public key of the documents that a vector is judged under, by its thumbprint."""
    known = world(told["world"])
    view = founded(known)
    for document in told.get("documents", ()):
        view = trust.apply(document.encode(), view, view.index + 1, known["founded"])
    circles = [circle for role in view.custodians.values() for circle in role.values()]
    signatories = [who for circle in circles for who in circle.signatories]
    signatories += [node.receipts for node in view.nodes.values()]
    enrolled = [key for each in view.endpoints.values() for key in each.endpoint.keys]
    held = [*(key for who in signatories for key in who.keys), *(key.jwk for key in enrolled)]
    return {jwk.kid: jwk for jwk in held}
