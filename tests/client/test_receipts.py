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
from exchange.seal import jws
from exchange.seal.software import SoftwareSigner
from tests import builders
from tests.builders import FOUNDED, world
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
    plan = NodePlan("us", "https://localhost:9443", "A" * 43)
    document = founder.node(plan, secrets)
    view = world().later(founder.signed(document, ["us"]), now=FOUNDED)
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
    made._known += [Known(view, 0) for view in views]
    return made


def changed_hands(receipt):
    """The view in which other keys sign receipts, from just after this receipt's group on."""
    end = jws.read(bytes(receipt.group), 9999)
    statement = objects.decode_group(end.payload)
    secrets = world().founder.new_node("pa")
    plan = NodePlan("pa", "https://localhost:8443", "A" * 43)
    node = msgspec.structs.replace(world().founder.node(plan, secrets), version=2)
    later = world().later(world().founder.signed(node, ["pa"]))
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
    book = builders.Book(mixed.view)
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
