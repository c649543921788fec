"""The frozen vectors hold: what other implementations read is what this one does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jwcrypto import jwk as jwcrypto_jwk  # type: ignore[import-untyped]
from jwcrypto import jws as jwcrypto_jws

from exchange.broker.intake import Arrival
from exchange.broker.records import Recorded, Rejected
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.codec import b64, unb64
from exchange.model.header import Blob
from exchange.model.view import View
from exchange.seal import trust
from exchange.seal.close import Envelope
from exchange.seal.open import SoftwareOpener
from exchange.seal.software import SecretKey
from exchange.seal.suites import SUITES
from tests.books import Book
from tests.builders import decoded
from tests.vectors import case
from tests.vectors.case import Posted, answer, opened
from tests.vectors.generate import SHELVES, VECTORS, Shelf

FILES = sorted(
    path
    for shelf in SHELVES
    for verdict in ("accept", "refuse")
    for path in (VECTORS / shelf.folder / verdict).glob("*.json")
)
SEEDS = {
    shelf.known: json.loads(shelf.keys.read_text("utf-8"))["seeds"]
    for shelf in SHELVES
    if shelf.openings
}

# What consider, settle and opening can answer; the rest is said elsewhere, or of faults.
ANSWERED = {
    *(Code.OVERSIZED, Code.MALFORMED, Code.DUPLICATE_MEMBER, Code.UNKNOWN_MEMBER),
    *(Code.MISSING_MEMBER, Code.WRONG_TYPE, Code.WRONG_VALUE, Code.BAD_BASE64, Code.NOT_UTF8),
    *(Code.CONTROL_CHARACTER, Code.UNKNOWN_OBJECT, Code.BAD_FRAMING, Code.SUITE_NOT_ALLOWED),
    *(Code.SIGNATURE_COUNT, Code.SIGNATURE_ORDER, Code.UNKNOWN_KEY, Code.KEY_NOT_VALID),
    *(Code.BAD_SIGNATURE, Code.WEAK_KEY, Code.DIGEST_MISMATCH, Code.SIZE_MISMATCH),
    *(Code.WRAPS_MISMATCH, Code.MISSING_BLOB, Code.CONTEXT_MISMATCH, Code.NOT_A_RECIPIENT),
    *(Code.CANNOT_DECRYPT, Code.COMMIT_MISMATCH, Code.UNKNOWN_ENDPOINT),
    *(Code.ENDPOINT_SUSPENDED, Code.ORIGIN_MISMATCH, Code.UNKNOWN_FEED),
    *(Code.TYPE_NOT_ON_FEED, Code.MAY_NOT_POST, Code.MAY_NOT_READ, Code.NOT_RELEASABLE),
    *(Code.STATUS_NOT_ON_FEED, Code.MARKING_NOT_ON_FEED),
    *(Code.CATEGORY_NOT_HELD, Code.NO_CATEGORY_HELD, Code.ORIGINATOR_CONTROL),
    *(Code.TLP_ONWARD, Code.CONSENT_WITHDRAWN, Code.CONSENT_OVER, Code.CONSENT_UNKNOWN),
    *(Code.UNKNOWN_RECIPIENT, Code.RECIPIENT_KEY_UNFIT, Code.VERB_TYPE_MISMATCH),
    *(Code.REFERENCE_MISSING, Code.SCHEMA_NOT_KNOWN, Code.NOT_YET_ISSUED, Code.EXPIRED),
    *(
        Code.LIFETIME,
        Code.RETENTION_TOO_LONG,
        Code.TARGET_MISMATCH,
        Code.TARGET_CANCELLED,
        Code.NOT_OWED,
        Code.ID_REUSED,
        Code.STALE_VERSION,
    ),
    *(Code.TRUST_NOT_SIGNED, Code.TRUST_INVALID, Code.PROTECTED_PERSONS, Code.NOT_YOURS),
    *(Code.MISSING_ROLE, Code.TARGET_UNKNOWN, Code.TARGET_CANCELLED, Code.ALREADY_HELD),
    *(Code.RELEASE_REQUIRED, Code.RELEASE_LATE, Code.DRAFT_OVER),
    *(Code.OWN_RELEASE, Code.ALREADY_RELEASED, Code.TRUST_EXPIRED, Code.TRUST_MIXED),
    Code.OFFICER_REQUIRED,
    *(Code.BAD_INVITATION, Code.INVITATION_USED, Code.INVITATION_OVER, Code.INVITATION_OTHER),
    *(Code.OWN_INVITATION, Code.ALREADY_ENROLLED, Code.ALREADY_DECIDED),
    *(Code.KEY_KNOWN, Code.NOT_HOME),
}


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


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
def founded(known: str = "world.json") -> View:
    return case.founded(read(VECTORS / known))


def arrival(told: Mapping[str, Any]) -> Arrival:
    return Arrival(told["caller"], raw(told["object"]), raw(told["body"]), told["taken_ms"])


def outcome(told: Mapping[str, Any]) -> dict[str, Any]:
    if "recipient" in told:
        return outcome_of_opening(told)
    view, made = founded(told["world"]), arrival(told)
    for document in told["documents"]:
        view = trust.apply(document.encode(), view, view.index + 1, made.taken_ms // 1000)
    before = tuple(arrival(each) for each in told["before"])
    held = msgspec.convert(told.get("held", []), tuple[Blob, ...])
    settled, book = answer(Posted(made, (), before, held), view)
    if isinstance(settled, Rejected):
        return {"code": settled.refusal.code.value, "at": settled.refusal.at}
    return recorded(settled, book)


def recorded(settled: Recorded, book: Book) -> dict[str, Any]:
    facts = msgspec.to_builtins(entries.decode(book.entries[-1]).facts)
    del facts["salt"]
    return {"index": settled.index, "facts": facts}


def outcome_of_opening(told: Mapping[str, Any]) -> dict[str, Any]:
    wrap = SUITES[decoded(raw(told["object"])).suite].wrap
    seed = unb64(SEEDS[told["world"]][told["recipient"]])
    opener = SoftwareOpener(SecretKey(wrap, seed))
    found = opened(Envelope(raw(told["object"]), raw(told["body"])), [opener])
    if isinstance(found, Refusal):
        return {"code": found.code.value, "at": found.at}
    return {"text": found.text.decode(), "salt": b64(found.salt)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(VECTORS))[:-5])
def test_vector_holds(path: Path) -> None:
    told = read(path)
    assert outcome(told) == told["expect"]
    assert ("code" in told["expect"]) == (path.parent.name == "refuse")
    assert path.stem.removeprefix("open-") == told["name"]
    assert told["shows"]


def test_every_code_that_can_be_answered_has_a_vector() -> None:
    told = {read(path)["expect"].get("code") for path in FILES} - {None}
    assert told == {code.value for code in ANSWERED}


@pytest.mark.parametrize("shelf", SHELVES, ids=lambda shelf: shelf.known)
def test_every_case_is_frozen(shelf: Shelf) -> None:
    made = {f"{verdict}/{case.name}" for verdict, case in shelf.cases()}
    made |= {
        f"{'refuse' if each.code else 'accept'}/open-{each.name}" for each in shelf.openings
    }
    folder = VECTORS / shelf.folder
    found = {path.relative_to(folder) for path in FILES if path.parents[1] == folder}
    assert made == {f"{path.parent.name}/{path.stem}" for path in found}


def test_no_vector_lies_beside_the_shelves() -> None:
    worlds = {VECTORS / shelf.known for shelf in SHELVES}
    statements = set((VECTORS / "statements").glob("*.json"))  # see test_stating.py
    assert {*FILES, *worlds, *statements} == set(VECTORS.rglob("*.json"))


@pytest.mark.parametrize(
    ("folder", "place"), [("", 0), ("", 1), ("xb1-c", 0), ("xb1-ch", 0), ("xb1-ch", 1)]
)
def test_another_library_verifies_each_signature(folder: str, place: int) -> None:
    """jwcrypto knows nothing of us, and verifies each signature from our directory's keys."""
    told = read(VECTORS / folder / "accept/bulletin.json")
    envelope = json.loads(raw(told["object"]))
    jwk = founded(told["world"]).endpoints[told["caller"]].endpoint.keys[place].jwk
    public = jwcrypto_jwk.JWK(**msgspec.to_builtins(jwk))
    token = jwcrypto_jws.JWS()
    token.allowed_algs = [jwk.alg]
    mine = envelope["signatures"][place]
    token.deserialize(f"{mine['protected']}.{envelope['payload']}.{mine['signature']}", public)
    assert json.loads(token.payload)["endpoint"] == told["caller"]
    assert public.thumbprint() == json.loads(unb64(mine["protected"]))["kid"]
    other = json.loads(raw(read(VECTORS / "accept/late.json")["object"]))["payload"]
    with pytest.raises(jwcrypto_jws.InvalidJWSSignature):
        token.deserialize(f"{mine['protected']}.{other}.{mine['signature']}", public)
