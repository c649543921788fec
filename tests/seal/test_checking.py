"""Every step of envelope.md, "Checking", by the code and the place it answers with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.broker.intake import Admitted, Arrival, Considered, Declined, consider
from exchange.broker.records import Recorded, Rejected
from exchange.errors import Code, Refusal
from exchange.model import metadata, trust
from exchange.model.header import MAX_HEADER_BYTES
from exchange.model.metadata import Targets
from exchange.model.trust import MAX_TRUST_BYTES
from exchange.seal import jws
from tests import builders
from tests.books import Book
from tests.builders import COAST, DAY, DESK, NOW, OPS, WATCH, suspended
from tests.seal.admitting import must_be_admitted
from tests.vectors import changes, checking, forging, reading
from tests.vectors.case import Case, Posted, answer, posted
from tests.vectors.changes import keys_from
from tests.vectors.forging import BOTH
from tests.vectors.listing import again

WORLD = builders.world()
CASES = [*reading.READING, *checking.SUITE, *checking.KEYS, *checking.BODY]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_refused(case: Case) -> None:
    made = posted(case, WORLD)
    settled, _ = answer(made, WORLD.later(*made.documents))
    assert isinstance(settled, Rejected)
    assert (settled.refusal.code, settled.refusal.at) == (case.code, case.at)


def test_every_case_has_its_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(("since", "until"), [(NOW, NOW + 1), (0, NOW + 1), (NOW, NOW + DAY)])
def test_key_is_valid_from_its_first_second_to_its_last(
    place: int, since: int, until: int
) -> None:
    view = WORLD.later(
        WORLD.amended(OPS, keys_from("sig", place, since, until)),
        WORLD.amended(COAST, keys_from("enc", 0, since, until)),
    )
    must_be_admitted(WORLD.arrival(WORLD.envelope()), view)


def test_white_space_between_members_is_signed_as_it_is() -> None:
    """Nothing is written anew to be checked: other bytes of the same meaning hold as well."""
    envelope = WORLD.envelope()
    spaced = forging.repayload(WORLD, envelope, lambda raw: raw.replace(b",", b" ,\t"))
    must_be_admitted(WORLD.arrival(spaced), WORLD.view)


# -- the order of the steps --------------------------------------------------------------------


def _unread_body(envelope: Any) -> Any:
    return envelope._replace(body=b"{")


def _short_body(envelope: Any) -> Any:
    return envelope._replace(body=envelope.body.replace(b'"iv"', b' "iv"'))


def _stripped(envelope: Any) -> Any:
    return envelope._replace(
        header=forging.altered(envelope.header, lambda told: told["signatures"].pop())
    )


def _flipped(place: int) -> Callable[[Any], Any]:
    return lambda envelope: envelope._replace(
        header=forging.altered(envelope.header, changes.flip_signature(place))
    )


def _reordered(envelope: Any) -> Any:
    return envelope._replace(
        header=forging.altered(envelope.header, lambda told: told["signatures"].reverse())
    )


def _by(*by: tuple[str, int]) -> Callable[[Any], Any]:
    def change(envelope: Any) -> Any:
        payload = forging.payload_of(envelope.header)
        return envelope._replace(header=forging.signed(WORLD, payload, by))

    return change


def _unwrapped(envelope: Any) -> Any:
    return forging.rebody(WORLD, envelope, lambda told: told["recipients"].pop())


NO_SUITE = WORLD.rearranged(suites=[])
EXPIRED_KEY = WORLD.amended(OPS, keys_from("sig", 0, 0, NOW))
# Two faults, what belongs to the envelope first; the earlier step answers.
ORDER: list[tuple[str, Code, tuple[bytes, ...], dict[str, Any], list[Any]]] = [
    ("parse-before-suite", Code.MALFORMED, (NO_SUITE,), {}, [_unread_body]),
    ("parse-before-signature", Code.MALFORMED, (), {}, [_unread_body, _flipped(0)]),
    ("suite-before-count", Code.SUITE_NOT_ALLOWED, (NO_SUITE,), {}, [_stripped]),
    ("endpoint-before-suite", Code.ENDPOINT_SUSPENDED,
     (NO_SUITE, WORLD.amended(OPS, suspended)), {}, []),
    ("origin-before-suite", Code.ORIGIN_MISMATCH, (NO_SUITE,), {"origin": "us.uscg"}, []),
    ("count-before-order", Code.SIGNATURE_COUNT, (), {}, [_by((OPS, 1), (OPS, 0), (OPS, 0))]),
    ("count-before-keys", Code.SIGNATURE_COUNT, (EXPIRED_KEY,), {}, [_stripped]),
    ("order-before-keys", Code.SIGNATURE_ORDER, (EXPIRED_KEY,), {}, [_reordered]),
    ("order-before-kid", Code.SIGNATURE_ORDER, (), {}, [_by((DESK, 1), (DESK, 0))]),
    ("keys-before-signatures", Code.UNKNOWN_KEY, (), {},
     [_by((OPS, 0), (DESK, 1)), _flipped(0)]),
    ("key-before-digest", Code.KEY_NOT_VALID, (EXPIRED_KEY,), {}, [_short_body]),
    ("first-signature-first", Code.BAD_SIGNATURE, (), {}, [_flipped(0), _flipped(1)]),
    ("signature-before-size", Code.BAD_SIGNATURE, (), {}, [_short_body, _flipped(1)]),
    ("signature-before-policy", Code.BAD_SIGNATURE, (), {"expires": NOW}, [_flipped(1)]),
    ("size-before-wraps", Code.SIZE_MISMATCH, (), {}, [_unwrapped, _short_body]),
    ("size-before-policy", Code.SIZE_MISMATCH, (), {"expires": NOW}, [_short_body]),
    ("wraps-before-policy", Code.WRAPS_MISMATCH, (), {"expires": NOW}, [_unwrapped]),
    ("recipients-before-wraps", Code.ENDPOINT_SUSPENDED,
     (WORLD.amended(COAST, suspended),), {}, [_unwrapped]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "code", "documents", "changes", "faults"), ORDER, ids=[each[0] for each in ORDER]
)
def test_earlier_step_answers(name, code, documents, changes, faults) -> None:  # noqa: ARG001
    envelope = WORLD.envelope(**changes)
    for fault in faults:
        envelope = fault(envelope)
    made = Posted(WORLD.arrival(envelope), documents)
    settled, _ = answer(made, WORLD.later(*documents))
    assert isinstance(settled, Rejected)
    assert settled.refusal.code == code


# -- any bytes ---------------------------------------------------------------------------------

ENVELOPE = WORLD.envelope()
ACK, SUBSCRIPTION = WORLD.ack(ENVELOPE), WORLD.subscription()
OBJECTS = [ENVELOPE.header, ACK, SUBSCRIPTION, WORLD.documents[1], WORLD.documents[-1]]


def decided(arrival: Arrival) -> Considered:
    """Exactly one decision, and one entry for it."""
    considered = consider(arrival, WORLD.view)
    book = Book()
    settled = book.place(book.ledger(), considered, arrival)
    assert isinstance(settled, Recorded | Rejected)
    return considered


def _spliced(raw: bytes) -> st.SearchStrategy[bytes]:
    """An object with some slice of it replaced by anything."""
    places = st.tuples(st.integers(0, len(raw)), st.integers(0, 40), st.binary(max_size=40))
    return places.map(lambda cut: raw[: cut[0]] + cut[2] + raw[cut[0] + cut[1] :])


@given(st.binary(max_size=400), st.binary(max_size=400), st.sampled_from([OPS, WATCH, "", "x"]))
def test_any_bytes_are_one_decision(raw: bytes, body: bytes, caller: str) -> None:
    assert isinstance(decided(Arrival(caller, raw, body, NOW * 1000)).decision, Declined)


@given(st.sampled_from(OBJECTS).flatmap(_spliced), st.just(ENVELOPE.body) | st.just(b""))
def test_spliced_object_is_one_decision(raw: bytes, body: bytes) -> None:
    decided(Arrival(OPS, raw, body, NOW * 1000))


@given(_spliced(ENVELOPE.body))
def test_spliced_body_is_refused_unless_it_is_the_same(body: bytes) -> None:
    considered = decided(Arrival(OPS, ENVELOPE.header, body, NOW * 1000))
    assert isinstance(considered.decision, Admitted) == (body == ENVELOPE.body)


@given(_spliced(WORLD.made(again(WORLD))[1][0]))
def test_spliced_trust_document_is_one_decision(payload: bytes) -> None:
    """Signed as it is, it is taken for what it says; a title may be told in other letters."""
    whole = WORLD.made(again(WORLD))[1][0]
    is_declined = isinstance(
        decided(Arrival("", _listed(payload), b"", NOW * 1000)).decision, Declined
    )
    if payload == whole:
        assert not is_declined
    elif not is_declined:
        was, now = (msgspec.to_builtins(trust.decode(each)) for each in (whole, payload))
        assert {name for name in was if was[name] != now[name]} <= {"title", "endpoints"}


def _listed(payload: bytes) -> bytes:
    """Metadata of Panama that lists these bytes as its member's file, signed as it then is."""
    made, _ = WORLD.made(again(WORLD))
    assert isinstance(made, Targets)
    if not payload:
        return b""
    told = {**made.targets, "members/pa.senan.json": metadata.info(payload)}
    made = msgspec.structs.replace(made, targets=told)
    return WORLD.founder.signed(made, [payload], ["pa"])


HEAVY = {
    "brackets": b"[" * MAX_TRUST_BYTES,
    "braces": b'{"payload":' * (MAX_TRUST_BYTES // 11),
    "signatures": b'{"payload":"","signatures":['
    + b'{"protected":"","signature":""},' * 8000
    + b"]}",
    "members": b"{" + b'"payload":"",' * 20_000 + b'"signatures":[]}',
    "colons": b'{"payload":"' + b":" * 262_000 + b'","signatures":[]}',
    "backticks": b'{"' + b"` - at `$.x" * 23_000 + b'":1}',
    "pads": b'{"payload":"' + b"=" * 262_000 + b'","signatures":[]}',
    "quotes": b'"' * MAX_TRUST_BYTES,
    "zeros": bytes(MAX_TRUST_BYTES),
}


@pytest.mark.parametrize("raw", HEAVY.values(), ids=HEAVY.keys())
def test_garbage_of_any_size_costs_few_steps(raw: bytes) -> None:
    """Counted in calls, not in seconds: twice the garbage is not four times the work."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    for body in (b"", raw):
        calls = 0
        sys.setprofile(count)
        try:
            considered = consider(Arrival(OPS, raw, body, NOW * 1000), WORLD.view)
        finally:
            sys.setprofile(None)
        assert isinstance(considered.decision, Declined)
        assert calls < 500


def test_object_over_its_limit_is_not_even_parsed() -> None:
    with pytest.raises(Refusal) as refusal:
        jws.read(b"x" * (MAX_HEADER_BYTES + 1), MAX_HEADER_BYTES)
    assert refusal.value.code == Code.OVERSIZED
    assert BOTH == ((OPS, 0), (OPS, 1))
