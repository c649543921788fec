"""Entries: facts, a line feed, and the object byte for byte."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.broker.records import MAX_OWED
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.header import MAX_ATTACHMENTS, MAX_HEADER_BYTES, MAX_RECIPIENTS, Blob
from exchange.model.shown import Shown
from tests.builders import AUDIT, NOW_MS, OPS, WATCH

COMMON: dict[str, Any] = {"salt": "A" * 22, "taken_ms": NOW_MS, "view": 3}
REFUSED = entries.Refused(
    caller=OPS, digest="A" * 43, size=1, code="expired", at="/expires", **COMMON
)
ALL: list[entries.Facts] = [
    entries.Accepted(
        digest="A" * 43,
        blobs=[Blob("B" * 43, 1)],
        wraps=["C" * 43],
        owed=[entries.Owed(WATCH, 0)],
        late=False,
        **COMMON,
    ),
    entries.Acknowledged(digest="A" * 43, of=1, owed=[entries.Owed(OPS, 0)], **COMMON),
    entries.Granted(
        digest="A" * 43,
        of=1,
        wrap=Blob("B" * 43, 1700),
        kid="C" * 43,
        owed=[entries.Owed(OPS, 0)],
        **COMMON,
    ),
    entries.Released(digest="A" * 43, of=None, owed=[entries.Owed(OPS, 0)], **COMMON),
    entries.Drafted(
        digest="A" * 43,
        of=None,
        blobs=[Blob("B" * 43, 1700)],
        wraps=["C" * 43],
        owed=[entries.Owed(OPS, 0)],
        **COMMON,
    ),
    entries.Noticed(digest="A" * 43, of=1, owed=[entries.Owed(OPS, 0)], **COMMON),
    entries.Confirmed(digest="A" * 43, of=1, owed=[], **COMMON),
    entries.Consented(digest="A" * 43, of=1, owed=[entries.Owed(OPS, 0)], **COMMON),
    entries.Invited(digest="A" * 43, **COMMON),
    entries.EnrolmentAsked(digest="A" * 43, of=1, **COMMON),
    entries.Decided(digest="A" * 43, of=1, **COMMON),
    entries.PurgeOrdered(
        of=1, grants=[2], cause="rule", rule="voi", agreed=0, owed=[], **COMMON
    ),
    entries.Purged(orders=[3], digests=["A" * 43], **COMMON),
    REFUSED,
    entries.Trust(name="root", version=1, position=0, document=Blob("A" * 43, 1), **COMMON),
    entries.EpochOpened(node="pa", epoch=1, **COMMON),
    entries.Checkpointed(size=1, note="a\nnote\n", **COMMON),
    entries.InboxHeads(size=2, seed=1, root="A" * 43, **COMMON),
    entries.AuditRead(
        auditor=AUDIT,
        since_ms=NOW_MS - 1,
        until_ms=NOW_MS,
        reads=[Shown("entries", 2, 0, 9, 12), Shown("proofs", 1, 3, 3, 1)],
        **COMMON,
    ),
]


@pytest.mark.parametrize("facts", ALL, ids=entries.kind_of)
def test_entry_comes_back_and_splits_at_its_first_line_feed(facts: entries.Facts) -> None:
    raw = entries.encode(facts, b'{"payload":"..."}')
    assert entries.decode(raw) == entries.Entry(facts, b'{"payload":"..."}')
    assert raw.split(b"\n") == [msgspec.json.encode(facts), b'{"payload":"..."}']
    assert f'"kind":"{entries.kind_of(facts)}"'.encode() in raw


def test_refusal_of_the_node_s_own_operator_comes_back() -> None:
    """The operator has no endpoint: an entry that cannot be read again would stop the node."""
    facts = msgspec.structs.replace(REFUSED, caller="")
    assert entries.decode(entries.encode(facts)).facts == facts


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda raw: raw.replace(b"\n", b""), Code.MALFORMED),
        (lambda raw: raw.replace(b",", b", ", 1), Code.MALFORMED),
        (lambda raw: raw.replace(b'"at"', b'"at":"/x","at"'), Code.MALFORMED),
        (lambda raw: raw.replace(b"/expires", b"\xff"), Code.MALFORMED),
        (lambda raw: raw[1:], Code.WRONG_TYPE),
        (lambda raw: raw[:20], Code.MALFORMED),
        (lambda raw: raw.replace(b"refused", b"omitted"), Code.NOT_UNDERSTOOD),
        (lambda raw: raw.replace(b"pa.senan/ops", b"pa.senan"), Code.WRONG_VALUE),
        (lambda raw: raw.replace(b'"at"', b'"to":1,"at"'), Code.UNKNOWN_MEMBER),
    ],
)
def test_altered_entry_is_refused(change, code: Code) -> None:
    with pytest.raises(Refusal) as refusal:
        entries.decode(change(entries.encode(REFUSED)))
    assert refusal.value.code == code


@given(st.binary(max_size=300))
def test_any_bytes_are_no_entry(raw: bytes) -> None:
    with pytest.raises(Refusal):
        entries.decode(raw)


def test_largest_entry_fits_under_a_leaf() -> None:
    longest = f"pa.{'a' * 30}/{'b' * 31}"
    facts = entries.Accepted(
        digest="A" * 43,
        blobs=[Blob("B" * 43, 2**53 - 1)] * (1 + MAX_ATTACHMENTS),
        wraps=["C" * 43] * MAX_RECIPIENTS,
        owed=[entries.Owed(longest, 2**53 - 1)] * MAX_OWED,
        late=False,
        target=2**53 - 1,
        cancelled_by=2**53 - 1,
        salt="A" * 22,
        taken_ms=2**53 - 1,
        view=2**53 - 1,
    )
    assert len(entries.encode(facts, bytes(MAX_HEADER_BYTES))) <= entries.MAX_ENTRY_BYTES
    with pytest.raises(ValueError, match="over 65535"):
        entries.encode(facts, bytes(64 * 1024))
