"""A receipt is worth what its signature and path prove, and nothing more."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from exchange.client import receipts
from exchange.client.trust import Known, TrustLog
from exchange.custody.founding import NodePlan
from exchange.errors import Code, Refusal
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.seal import jws
from exchange.seal.close import Envelope
from exchange.seal.software import SoftwareSigner
from tests import builders
from tests.books import Book
from tests.builders import FOUNDED, WATCH, world
from tests.node.running import post, running

RECEIPT = "xb-receipt+jws"


@pytest.fixture(scope="module")
def group():
    """Four envelopes that were committed together, and their receipts."""

    async def made():
        async with running() as node:
            sent = [world().envelope() for _ in range(4)]
            answers = await asyncio.gather(*(post(node, each) for each in sent))
            assert answers[1].receipt.path, "the group has more than one entry"
            return [
                (each.header, answer.receipt)
                for each, answer in zip(sent, answers, strict=True)
            ]

    return asyncio.run(made())


def refusal_of(receipt, posted, view=None):
    with pytest.raises(Refusal) as caught:
        receipts.verify(receipt, posted, view or world().view)
    return caught.value.code


def changed(receipt, **changes):
    return msgspec.structs.replace(receipt, **changes)


def test_good_receipts_hold(group):
    for posted, receipt in group:
        assert isinstance(receipts.verify(receipt, posted, world().view), entries.Accepted)


def test_receipt_is_for_this_object_alone(group):
    assert refusal_of(group[1][1], group[2][0]) is Code.BAD_PROOF
    assert refusal_of(group[1][1], group[1][0] + b" ") is Code.BAD_PROOF


@pytest.mark.parametrize("by", [-1, 1, 1000])
def test_altered_index_is_found(group, by):
    posted, receipt = group[1]
    assert refusal_of(changed(receipt, index=receipt.index + by), posted) is Code.BAD_PROOF


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.replace('"late":false', '"late":true'),
        lambda facts: facts.replace("us.jiatfs/watch", "us.jiatfs/desk0"),
        lambda facts: facts + " ",
        lambda facts: facts.replace("accepted", "refused"),
        lambda _: "",
        lambda _: "{}",
        lambda facts: facts + "\n",
    ],
)
def test_altered_facts_are_found(group, change):
    posted, receipt = group[1]
    with pytest.raises(Refusal):
        receipts.verify(changed(receipt, facts=change(receipt.facts)), posted, world().view)


def test_altered_path_is_found(group):
    posted, receipt = group[1]
    for path in (
        receipt.path[:-1],
        [*receipt.path, b64(bytes(32))],
        [b64(bytes(32)), *receipt.path[1:]],
        receipt.path[::-1] if len(set(receipt.path)) > 1 else [],
    ):
        assert refusal_of(changed(receipt, path=path), posted) is Code.BAD_PROOF


def test_altered_statement_is_found(group):
    posted, receipt = group[1]
    statement = msgspec.json.decode(bytes(receipt.group))
    payload = receipts.objects.decode_group(jws.read(bytes(receipt.group), 9999).payload)
    for field, value in (("first", payload.first + 1), ("epoch", 9), ("root", b64(bytes(32)))):
        forged = msgspec.structs.replace(payload, **{field: value})
        body = {**statement, "payload": b64(msgspec.json.encode(forged))}
        raw = msgspec.Raw(msgspec.json.encode(body))
        assert refusal_of(changed(receipt, group=raw), posted) is Code.BAD_SIGNATURE


def test_signature_of_anybody_else_is_found(group):
    posted, receipt = group[1]
    payload = jws.read(bytes(receipt.group), 9999).payload
    for signer in (world().signers["pa.senan/ops"], next(iter(custodians()))):
        raw = msgspec.Raw(jws.sign(payload, RECEIPT, [signer]))
        assert refusal_of(changed(receipt, group=raw), posted) is Code.UNKNOWN_KEY
    own = SoftwareSigner.of(world().node.of("sign"))
    raw = msgspec.Raw(jws.sign(payload, "xb-ack+jws", [own]))
    assert refusal_of(changed(receipt, group=raw), posted) is Code.BAD_PROOF


def custodians():
    return world().founder.custodians["pa"].values()


def test_stripped_signature_is_found(group):
    posted, receipt = group[1]
    statement = msgspec.json.decode(bytes(receipt.group))
    statement["signatures"].pop()
    raw = msgspec.Raw(msgspec.json.encode(statement))
    assert refusal_of(changed(receipt, group=raw), posted) is Code.SIGNATURE_COUNT


def test_another_nodes_statement_does_not_pass_for_this_ones(group):
    posted, receipt = group[1]
    founder, secrets = world().founder, world().founder.new_node("us")
    plan = NodePlan("us", "https://localhost:9443", "A" * 43, serves=())
    document = founder.node(plan, secrets)
    view = world().later(world().signed(document, ["us"]), now=FOUNDED)
    payload = jws.read(bytes(receipt.group), 9999).payload
    raw = msgspec.Raw(jws.sign(payload, RECEIPT, [SoftwareSigner.of(secrets.of("sign"))]))
    forged = changed(receipt, group=raw)
    assert refusal_of(forged, posted, view) is Code.UNKNOWN_KEY
    # Under its own name it still says that the other one holds it.
    assert refusal_of(changed(forged, node="us"), posted, view) is Code.BAD_PROOF
    assert refusal_of(changed(receipt, node="none"), posted, view) is Code.BAD_PROOF


def test_receipt_of_bookkeeping_is_for_nobody(group):
    posted, receipt = group[1]
    facts = entries.EpochOpened(node="pa", epoch=1, salt="A", taken_ms=1, view=-1)
    made = changed(receipt, facts=msgspec.json.encode(facts).decode())
    assert refusal_of(made, posted) is Code.BAD_PROOF


def test_suite_must_be_one_of_the_arrangement_in_force(group):
    posted, receipt = group[1]
    agreed = msgspec.structs.replace(world().view.agreed(), suites=["xb1-c"])
    view = msgspec.structs.replace(world().view, arrangement=agreed)
    assert refusal_of(receipt, posted, view) is Code.SUITE_NOT_ALLOWED


def log(*views):
    """The trust documents as an agency has them: these views, one after another."""
    made = TrustLog(world().anchor)
    made._known += [Known(view, 0, entry=view.index) for view in views]
    return made


def changed_hands(receipt):
    """The view in which other keys sign receipts, from just after this receipt's group on."""
    end = jws.read(bytes(receipt.group), 9999)
    statement = objects.decode_group(end.payload)
    secrets = world().founder.new_node("pa")
    plan = NodePlan("pa", "https://localhost:8443", "A" * 43)
    node = msgspec.structs.replace(world().founder.node(plan, secrets), version=2)
    later = world().later(world().signed(node, ["pa"]))
    index = statement.first + statement.count
    return secrets, msgspec.structs.replace(later, index=index)


def test_receipt_holds_after_the_node_changed_the_keys_that_sign_them(group):
    for posted, receipt in group:
        _, later = changed_hands(receipt)
        receipts.verify_as_of(receipt, posted, log(world().view, later))


def test_receipt_holds_after_the_arrangement_dropped_its_suite(group):
    posted, receipt = group[1]
    _, later = changed_hands(receipt)
    agreed = msgspec.structs.replace(later.agreed(), suites=["xb1-c"])
    later = msgspec.structs.replace(later, arrangement=agreed)
    receipts.verify_as_of(receipt, posted, log(world().view, later))
    # Had it ended before, no receipt of it could be.
    early = msgspec.structs.replace(later, index=world().view.index, nodes=world().view.nodes)
    with pytest.raises(Refusal) as caught:
        receipts.verify_as_of(receipt, posted, log(early))
    assert caught.value.code is Code.SUITE_NOT_ALLOWED


def test_group_in_which_the_keys_change_is_signed_by_either_and_no_later_one(group):
    posted, receipt = group[1]
    secrets, later = changed_hands(receipt)
    payload = jws.read(bytes(receipt.group), 9999).payload
    new = SoftwareSigner.of(secrets.of("sign"))
    by_new = changed(receipt, group=msgspec.Raw(jws.sign(payload, RECEIPT, [new])))

    def held(which, index):
        known = log(world().view, msgspec.structs.replace(later, index=index))
        return receipts.verify_as_of(which, posted, known)

    first = objects.decode_group(payload).first
    assert held(receipt, first) == held(by_new, first)
    for which, index in ((receipt, first - 1), (by_new, later.index)):
        with pytest.raises(Refusal) as caught:
            held(which, index)
        assert caught.value.code is Code.UNKNOWN_KEY


def receipt_of(statement_suite, secrets):
    """A receipt by the mixed world's node, whose suite is xb1-ch, signed by these keys."""
    mixed = builders.mixed()
    envelope = mixed.envelope()
    book = Book(mixed.view)
    book.post(mixed.arrival(envelope))
    (entry,) = book.entries
    statement = objects.GroupStatement(
        v="xb1",
        suite=statement_suite,
        node="pa",
        epoch=1,
        first=book.base,
        count=1,
        root=b64(leaf_hash(entry)),
    )
    signed = jws.sign(msgspec.json.encode(statement), RECEIPT, [SoftwareSigner.of(secrets)])
    facts = entry.partition(b"\n")[0].decode()
    return envelope.header, objects.Receipt("pa", book.base, facts, [], msgspec.Raw(signed))


def test_receipt_is_held_to_the_node_s_own_suite():
    """The post-quantum key alone makes a good statement of xb1-c, which is agreed: not this."""
    mixed, secrets = builders.mixed(), builders.mixed().node.of("sign")
    posted, receipt = receipt_of("xb1-ch", secrets)
    assert isinstance(receipts.verify(receipt, posted, mixed.view), entries.Accepted)
    posted, receipt = receipt_of("xb1-c", secrets[1:])
    assert refusal_of(receipt, posted, mixed.view) is Code.SUITE_NOT_ALLOWED


# -- a node that signs for something else ----------------------------------------------------


def signed_for(line, posted, kept=None):
    """A receipt by the node's own keys over an entry of this line and what was posted."""
    entry = f"{line}\n".encode() + (posted if kept is None else kept)
    statement = objects.GroupStatement(
        v="xb1",
        suite="xb1-h",
        node="pa",
        epoch=1,
        first=30,
        count=1,
        root=b64(leaf_hash(entry)),
    )
    signer = SoftwareSigner.of(world().node.of("sign"))
    signed = jws.sign(msgspec.json.encode(statement), RECEIPT, [signer])
    return objects.Receipt("pa", 30, line, [], msgspec.Raw(signed))


def line_of(facts):
    return msgspec.json.encode(facts).decode()


def recorded(arrive):
    """What an honest ledger records of something posted after a bulletin: line and object."""
    book, envelope = Book(), world().envelope()
    book.post(world().arrival(envelope))
    posted = arrive(book, envelope)
    return entries.decode(book.entries[-1]).facts, posted


def a_header(_, envelope):
    return envelope.header


def an_ack(book, envelope):
    raw = world().ack(envelope)
    book.post(world().arrival(Envelope(raw, b""), WATCH))
    return raw


def test_facts_with_a_line_feed_in_them_make_it_another_object():
    facts, posted = recorded(a_header)
    receipts.verify(signed_for(line_of(facts), posted), posted, world().view)
    longer = f"{line_of(facts)}\n{{}}"
    assert refusal_of(signed_for(longer, posted), posted) is Code.BAD_PROOF


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "A" * 43},
        {"blobs": []},
        {"blobs": [Blob("A" * 43, 9)]},
    ],
)
def test_facts_of_another_bulletin_are_found(change):
    facts, posted = recorded(a_header)
    other = line_of(msgspec.structs.replace(facts, **change))
    assert refusal_of(signed_for(other, posted), posted) is Code.BAD_PROOF


def test_acknowledgement_is_recorded_as_one_of_this_very_object():
    facts, posted = recorded(an_ack)
    receipts.verify(signed_for(line_of(facts), posted), posted, world().view)
    accepted, _ = recorded(a_header)
    as_accepted = msgspec.structs.replace(accepted, digest=facts.digest)
    of_another = msgspec.structs.replace(facts, digest="A" * 43)
    for made in (as_accepted, of_another):
        assert refusal_of(signed_for(line_of(made), posted), posted) is Code.BAD_PROOF
    with pytest.raises(Refusal) as caught:
        receipts.must_be_taken_in(msgspec.structs.replace(facts, owed=[]), posted)
    assert caught.value.at == "/facts/owed"


def test_grant_is_of_the_wrapped_key_that_was_posted():
    wrap = Blob("A" * 43, 9)
    grant = objects.Grant(
        v="xb1",
        suite="xb1-h",
        id=builders.new_id(),
        origin="pa.senan",
        endpoint=builders.OPS,
        of=objects.Subject(builders.OPS, builders.new_id(), "A" * 43),
        to=WATCH,
        wrap=wrap,
        at=builders.NOW,
    )
    posted = world().sign(msgspec.json.encode(grant), objects.GRANT_TYP, builders.OPS)
    facts = entries.Granted(
        digest=digest(posted),
        of=30,
        wrap=wrap,
        kid="A" * 43,
        owed=[],
        salt="A" * 22,
        taken_ms=1,
        view=0,
    )
    receipts.verify(signed_for(line_of(facts), posted), posted, world().view)
    other = msgspec.structs.replace(facts, wrap=Blob("B" * 42 + "A", 9))
    assert refusal_of(signed_for(line_of(other), posted), posted) is Code.BAD_PROOF
    released = entries.Released(
        digest=facts.digest, of=30, owed=[], salt="A" * 22, taken_ms=1, view=0
    )
    assert refusal_of(signed_for(line_of(released), posted), posted) is Code.BAD_PROOF


@pytest.mark.parametrize(
    "change",
    [
        {"name": "subscriptions/us.jiatfs/desk"},
        {"version": 9},
        {"document": Blob("A" * 43, 9)},
    ],
)
def test_trust_document_is_recorded_under_its_own_name_and_version(change):
    posted = world().amended(builders.COAST, builders.suspended)
    facts = entries.Trust(
        name="us",
        version=2,
        position=9,
        document=Blob(digest(posted), len(posted)),
        salt="A" * 22,
        taken_ms=1,
        view=0,
    )
    receipts.verify(signed_for(line_of(facts), posted, b""), posted, world().view)
    other = msgspec.structs.replace(facts, **change)
    assert refusal_of(signed_for(line_of(other), posted, b""), posted) is Code.BAD_PROOF


def test_refusal_is_of_what_was_posted_whole():
    posted = b"no object at all"
    facts = entries.Refused(
        caller="",
        digest=digest(posted),
        size=len(posted),
        code="malformed",
        at="",
        salt="A" * 22,
        taken_ms=1,
        view=0,
    )
    receipts.verify(signed_for(line_of(facts), posted, b""), posted, world().view)
    for change in ({"size": 1}, {"digest": "A" * 43}):
        other = line_of(msgspec.structs.replace(facts, **change))
        assert refusal_of(signed_for(other, posted, b""), posted) is Code.BAD_PROOF


def test_release_is_owed_to_whose_bulletin_it_releases():
    of = objects.Subject(builders.OPS, builders.new_id(), "A" * 43)
    release = objects.Release(
        v="xb1",
        suite="xb1-h",
        id=builders.new_id(),
        origin="pa.senan",
        endpoint=builders.OPS,
        of=of,
        at=builders.NOW,
        officer=None,
    )
    posted = world().sign(msgspec.json.encode(release), objects.RELEASE_TYP, builders.OPS)
    owed = [entries.Owed(builders.OPS, 0)]
    facts = entries.Released(
        digest=digest(posted), of=None, owed=owed, salt="A" * 22, taken_ms=1, view=0
    )
    receipts.verify(signed_for(line_of(facts), posted), posted, world().view)
    receipts.must_be_taken_in(facts, posted)
    with pytest.raises(Refusal) as caught:
        receipts.must_be_taken_in(msgspec.structs.replace(facts, owed=[]), posted)
    assert caught.value.at == "/facts/owed"
