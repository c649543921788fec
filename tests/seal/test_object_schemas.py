"""The committed JSON Schemas of the signed objects agree with what reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from exchange import resources
from exchange.errors import Refusal
from exchange.model import header, metadata, objects
from exchange.model.codec import unb64
from exchange.model.trust import EndpointKey
from exchange.seal import body, jws, schemas
from tests import builders
from tests.builders import world
from tests.vectors import generate

FOLDER = resources.schemas() / "v1"


def vector(path: str) -> Any:
    (found,) = (FOLDER / "vectors").glob(f"[as]*/{path}")
    return json.loads(found.read_text("utf-8"))


def payload(path: str, name: str = "object") -> Any:
    return json.loads(unb64(json.loads(vector(path)[name])["payload"]))


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def enrolment() -> objects.Enrolment:
    """A request for a new encryption key."""
    key = EndpointKey("enc", world().key(builders.OPS), builders.NOW, builders.NOW + 9)
    return objects.Enrolment(
        v="xb1",
        suite="xb1-h",
        id=builders.new_id(),
        origin="pa.senan",
        endpoint=builders.OPS,
        node="pa",
        keys=[key],
        replaces=["A" * 43],
        issued=builders.NOW,
    )


def receipt(raw: bytes) -> None:
    read = msgspec.json.decode(raw, type=objects.Receipt)
    jws.read(bytes(read.group), objects.MAX_OBJECT_BYTES)


# Name to an example that is accepted, and what reads it.
READ: dict[str, tuple[Callable[[], Any], Callable[[bytes], Any]]] = {
    "header": (lambda: payload("all-members-set.json"), header.decode),
    "acknowledgement": (
        lambda: payload("acknowledgement.json"),
        objects.decode_acknowledgement,
    ),
    "grant": (lambda: payload("grant.json"), objects.decode_grant),
    "release": (lambda: payload("release.json"), objects.decode_release),
    "draft": (lambda: payload("draft.json"), objects.decode_draft),
    "confirmation": (lambda: payload("confirmation.json"), objects.decode_confirmation),
    "consent": (lambda: payload("consent.json"), objects.decode_consent),
    "request": (lambda: payload("request.json"), objects.decode_request),
    "notice": (lambda: payload("notice-refused.json"), objects.decode_notice),
    "subscription": (lambda: payload("subscription.json"), objects.decode_subscription),
    "session": (lambda: payload("session.json"), objects.decode_session),
    "enrolment": (
        lambda: json.loads(msgspec.json.encode(enrolment())),
        objects.decode_enrolment,
    ),
    "invitation": (lambda: payload("invitation.json"), objects.decode_invitation),
    "verdict": (lambda: payload("verdict-approved.json"), objects.decode_verdict),
    "receipt-statement": (
        lambda: json.loads(unb64(vector("receipt.json")["receipt"]["group"]["payload"])),
        objects.decode_group,
    ),
    "receipt": (lambda: vector("receipt.json")["receipt"], receipt),
    "body": (
        lambda: json.loads(vector("bulletin.json")["body"]),
        lambda raw: body.parse(raw, "xb1-h"),
    ),
    "wrap": (
        lambda: json.loads(vector("grant.json")["body"]),
        lambda raw: body.parse_wrap(raw, "xb1-h"),
    ),
    "signed": (
        lambda: json.loads(vector("grant.json")["object"]),
        lambda raw: jws.read(raw, objects.MAX_OBJECT_BYTES),
    ),
}
# What a schema cannot say: which members belong to which news, and one spelling of a set.
LISTED = {
    "notice": {"/about", "/recipient", "/code"},
    "draft": {"/step", "/body"},
    "request": {"/step", "/of", "/feed", "/since", "/bulletin", "/reason"},
}
# Which lengths and algorithms belong together is the suite's, and base64 has its own rules.
LENIENT = {"body", "wrap", "signed", "receipt", "enrolment"}
OTHERS: tuple[Any, ...] = (None, True, 7, -1, 2.5, "zz", "", "Ñ", [], {}, [{}], 2**60)


@cache
def validator(name: str) -> Any:
    document = json.loads((FOLDER / f"objects/{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def test_the_committed_documents_are_the_generated_ones() -> None:
    made = schemas.documents()
    for name, document in made.items():
        committed = (FOLDER / "objects" / name).read_bytes()
        assert committed == document, "run python -m tests.model.regenerate"
    assert {path.name for path in (FOLDER / "objects").iterdir()} == set(made)
    assert {name.partition(".")[0] for name in made} == set(READ)


@pytest.mark.parametrize("name", READ)
def test_both_accept_what_is_accepted(name: str) -> None:
    make, read = READ[name]
    read(compact(make()))
    validator(name).validate(make())


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    inside: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        inside = enumerate(value)
    for key, inner in inside:
        yield (*at, key), inner
        yield from places(inner, (*at, key))


def put(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    holder = value
    for step in at[:-1]:
        holder = holder[step]
    if new is ...:
        del holder[at[-1]]
    else:
        holder[at[-1]] = new
    return value


def mutations(make: Callable[[], Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for at, value in places(make()):
        yield at, put(make(), at, ...)
        for other in OTHERS:
            yield at, put(make(), at, other)
        if isinstance(value, dict):
            yield at, put(make(), (*at, "unexpected"), 1)
        if isinstance(value, str):
            yield at, put(make(), at, value + "~")
            yield at, put(make(), at, value.swapcase())
    yield (), {**make(), "unexpected": 1}


@pytest.mark.parametrize("name", READ)
def test_both_give_the_same_verdict_on_every_mutation(name: str) -> None:
    make, read = READ[name]
    refused = 0
    for at, value in mutations(make):
        try:
            read(compact(value))
            is_read = True
        except (Refusal, msgspec.ValidationError):
            is_read = False
        accepted, where = validator(name).is_valid(value), "/" + "/".join(map(str, at))
        refused += not is_read
        assert accepted or not is_read, where
        if accepted and not is_read:
            is_listed = where in LISTED.get(name, set()) or name in LENIENT
            is_set = name in {"header", "subscription"} and isinstance(at[-1], int)
            assert is_listed or is_set or value == make(), where
    assert refused > 20


@pytest.mark.parametrize("name", READ)
def test_schemas_are_closed_at_every_depth(name: str) -> None:
    document = json.loads((FOLDER / f"objects/{name}.schema.json").read_text("utf-8"))
    for _, value in [((), document), *places(document)]:
        if isinstance(value, dict) and value.get("type") == "object":
            assert value["additionalProperties"] is False
            # A JWK leaves members out: those of the other kind of key. An enrolment was frozen
            # before there were invitations.
            is_jwk = "kty" in value["properties"]
            left_out = {"invitation"} if "replaces" in value["properties"] else set()
            # Of a time only what is about one tells: ``model.ticking.members``.
            left_out |= {"clock"} if "about" in value["properties"] else set()
            assert is_jwk or set(value["required"]) == set(value["properties"]) - left_out


def test_every_accepted_vector_follows_the_schema_of_its_object() -> None:
    by_typ = {
        header.TYP: "header",
        objects.ACK_TYP: "acknowledgement",
        objects.GRANT_TYP: "grant",
        objects.RELEASE_TYP: "release",
        objects.SUBSCRIPTION_TYP: "subscription",
        objects.INVITATION_TYP: "invitation",
        objects.ENROLMENT_TYP: "enrolment",
        objects.VERDICT_TYP: "verdict",
    }
    seen = set()
    for verdict, case in generate.cases():
        if verdict == "accept":
            raw = vector(f"{case.name}.json")["object"].encode()
            if raw.startswith(metadata.BEGINS):
                continue
            validator("signed").validate(json.loads(raw))
            signed = jws.read(raw, 256 * 1024)
            if signed.typ in by_typ:
                validator(by_typ[signed.typ]).validate(json.loads(signed.payload))
                seen.add(signed.typ)
    assert seen == set(by_typ)


@pytest.mark.parametrize("name", [each for each in READ if each != "receipt"])
@given(raw=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_refused_and_nothing_breaks(name: str, raw: bytes) -> None:
    with pytest.raises(Refusal):
        READ[name][1](raw)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("name", ["grant", "release", "notice", "wrap"])
@given(data=st.data())
def test_any_value_in_any_place_is_one_verdict(name: str, data: st.DataObject) -> None:
    make, read = READ[name]
    at = data.draw(st.sampled_from([at for at, _ in places(make())]))
    raw = compact(put(make(), at, data.draw(_JSON)))
    told = ""
    try:
        read(raw)
    except Refusal as refusal:
        told = refusal.at
    # Where it is wrong is told by our names alone: what was sent could be content.
    assert told.isascii()
