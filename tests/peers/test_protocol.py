"""What docs/protocol.md tells of names and numbers is what the code does."""

from __future__ import annotations

import json
import re
from typing import get_args

import msgspec
import pytest

from exchange import resources
from exchange.api import framing
from exchange.broker import records
from exchange.client import transport
from exchange.model import bulletin, entry, events, header, objects, trust, wire
from exchange.model.bulletin import lexical
from exchange.node import sessions
from exchange.seal import body, jws
from exchange.seal.suites import SUITES
from tests.peers.javascript import HERE

DOCS = HERE.parents[1] / "docs"
TEXT = (DOCS / "protocol.md").read_text("utf-8")
STRUCTS = [
    header.Header,
    objects.Acknowledgement,
    objects.Subscription,
    objects.SessionRequest,
    objects.GroupStatement,
]
DOCUMENTS = [trust.Arrangement, trust.Member, trust.Node]
LIMITS = {
    "a signed header": header.MAX_HEADER_BYTES,
    "another object": objects.MAX_OBJECT_BYTES,
    "a trust document": trust.MAX_TRUST_BYTES,
    "signatures of one object": jws.MAX_SIGNATURES,
    "recipients": header.MAX_RECIPIENTS,
    "refs": header.MAX_REFS,
    "a sealed body": body.MAX_BODY_BYTES,
    "a bulletin before sealing, padded": body.MAX_PLAINTEXT_BYTES,
    "depth of a bulletin": lexical.MAX_DEPTH,
    "endpoints owed one entry": records.MAX_OWED,
    "an entry": entry.MAX_ENTRY_BYTES,
    "one object with its body, a request": wire.MAX_OBJECT_REQUEST_BYTES,
    "a batch": wire.MAX_PAIRS,
    "a batch, bytes": wire.MAX_REQUEST_BYTES,
    "requests in flight, of one endpoint": wire.MAX_IN_FLIGHT_OF_ONE_BYTES,
    "requests in flight, of one member": wire.MAX_IN_FLIGHT_OF_MEMBER_BYTES,
    "requests in flight, of all in a session": wire.MAX_IN_FLIGHT_BYTES,
    "requests in flight, of all without a session": wire.MAX_IN_FLIGHT_OF_STRANGERS_BYTES,
    "silence within a request": framing.IDLE_S,
    "pace of a request, beyond its first 30 seconds": framing.PACE_BYTES_S,
    "a page of an inbox or the journal": wire.MAX_PAGE,
    "a page, bytes (one entry always fits)": wire.MAX_PAGE_BYTES,
    "streams of events, of one endpoint": wire.MAX_STREAMS_OF_ONE,
    "streams of events, of all": wire.MAX_STREAMS,
    "silence of a stream of events": events.BEAT_S,
    "a long poll": wire.MAX_WAIT_S,
    "a nonce; clocks apart in a session request": sessions.NONCE_LIFETIME_S,
    "a token": sessions.TOKEN_LIFETIME_S,
    "an answer a client reads": transport.MAX_ANSWER_BYTES,
}


def table(mark):
    """The rows of the table under a mark, without head and rule."""
    rows = TEXT.split(f"<!-- {mark} -->\n", 1)[1].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_every_limit_is_told_with_its_number():
    assert {what: int(limit.split()[0]) for what, limit, _ in table("limits")} == LIMITS
    assert bulletin.MAX_BYTES == body.MAX_PLAINTEXT_BYTES


def test_every_suite_is_told_as_it_is():
    told = {
        quoted(suite)[0]: (signatures.split(", "), wrap, int(public), int(ek))
        for suite, signatures, wrap, _, public, ek in table("suites")
    }
    assert told == {
        suite.id: (
            [each.name for each in suite.signatures],
            suite.wrap,
            suite.wrap_public_bytes,
            suite.kem.enc_length(),
        )
        for suite in SUITES.values()
    }


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_member_of_a_payload_is_told(struct):
    told = [quoted(member)[0] for member, _ in table(f"struct: {struct.__name__}")]
    assert told == list(struct.__struct_fields__)


def test_every_member_of_a_trust_document_is_told_in_its_order():
    told = {
        quoted(kind)[0]: quoted(members) for kind, members, *_ in table("struct: documents")
    }
    for struct in DOCUMENTS:
        fields = [field.encode_name for field in msgspec.structs.fields(struct)]
        assert fields == ["v", "version", "issued", *told[struct.__struct_config__.tag]]
    assert len(told) == len(DOCUMENTS)


def leads():
    """The text of the documents that this one's last section leads to, beside it."""
    more = TEXT.split("\n## More\n", 1)[1]
    names = re.findall(r"\]\(([a-z-]+\.md)\)", more)
    return "".join((DOCS / name).read_text("utf-8") for name in names)


def test_every_kind_of_entry_is_told_here_or_where_this_leads():
    told = {kind for row in table("entries") for kind in quoted(row[0])}
    kinds = {each.__struct_config__.tag for each in get_args(entry.Facts)}
    assert told <= kinds
    assert {kind for kind in kinds - told if f"`{kind}`" not in leads()} == set()


def test_every_route_is_told_here_or_where_this_leads():
    told = TEXT + leads()
    for path in json.loads(resources.read("v1/api.openapi.json"))["paths"]:
        if path.startswith("/v1/") and path != "/v1/openapi.json":
            assert path.replace("{path}", "…") in told, path


def test_every_code_that_is_named_is_one():
    listed = json.loads(resources.read("v1/codes/refusals.json"))["codes"]
    tables = re.findall(r"(?m)^\|.*\| else \|\n((?:\|.*\n)+)", TEXT)
    cells = [
        row.strip("|").rsplit(" | ", 1)[1] for rows in tables for row in rows.splitlines()[1:]
    ]
    named = {name for cell in cells for name in quoted(cell) if not name.startswith("/")}
    assert len(tables) > 5
    assert named <= {each["code"] for each in listed}
