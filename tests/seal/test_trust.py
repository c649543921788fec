"""Trust documents: who must sign what, and that nobody else can."""

from __future__ import annotations

import json

import msgspec
import pytest

from exchange.broker.records import Rejected
from exchange.errors import Code, Refusal
from exchange.model.identity import Nation, Signatory
from exchange.model.metadata import Root, read_file
from exchange.model.view import Custodians, View
from exchange.seal import jws, trust, trust_making
from tests import builders
from tests.books import Book
from tests.builders import COAST, FOUNDED, MINSA, NOW, OPS
from tests.vectors import trusting
from tests.vectors.case import Case, answer, posted
from tests.vectors.delegating import successor
from tests.vectors.listing import LISTING
from tests.vectors.trusting import rearrangement, respelled

WORLD = builders.world()


@pytest.mark.parametrize("case", trusting.TRUST + LISTING, ids=lambda case: case.name)
def test_is_refused(case: Case) -> None:
    made = posted(case, WORLD)
    settled, _ = answer(made, WORLD.later(*made.documents))
    assert isinstance(settled, Rejected)
    assert (settled.refusal.code, settled.refusal.at) == (case.code, case.at)


def judged(raw: bytes, view: View) -> Code | None:
    try:
        trust.judge(raw, view, NOW)
    except Refusal as refusal:
        return refusal.code
    return None


def test_first_document_is_the_root_that_the_anchor_names() -> None:
    nothing = View(anchor=WORLD.anchor)
    assert judged(WORLD.documents[0], nothing) is None
    for other in WORLD.documents[1:]:
        assert judged(other, nothing) == Code.TRUST_INVALID
    usurper = builders.Founder(builders.Randomness("usurper"), FOUNDED)
    root = usurper.signed(usurper.root(WORLD.view.online))
    assert judged(root, nothing) == Code.TRUST_INVALID


def test_anchor_covers_the_signatures_too() -> None:
    """The same root signed again is another document: an anchor names bytes."""
    again = WORLD.founder.signed(WORLD.founder.root(WORLD.view.online))
    assert read_file(again).signed == read_file(WORLD.documents[0]).signed
    assert judged(again, View(anchor=WORLD.anchor)) == Code.TRUST_INVALID


def test_root_is_not_taken_twice() -> None:
    assert judged(WORLD.documents[0], WORLD.view) == Code.STALE_VERSION


def all_of(founder: builders.Founder) -> list[jws.Signer]:
    return founder.signers()


def succeeded(*signers: jws.Signer) -> bytes:
    """The next root, all of its custodians new."""
    return trust_making.signed(successor().root(WORLD.view.online, 2), [], signers)


def test_custodians_change_when_old_and_new_of_both_nations_sign() -> None:
    after = successor()
    view = WORLD.later(succeeded(*all_of(WORLD.founder), *all_of(after)))
    assert view.custodians["root"] == after.circles
    # From here on the new ones sign the arrangement, and the old ones do not.
    then, theirs = WORLD._replace(view=view), rearrangement(WORLD)
    assert judged(then.signed_by(theirs, *all_of(after)), view) is None
    assert judged(then.signed_by(theirs, *all_of(WORLD.founder)), view) == (
        Code.TRUST_NOT_SIGNED
    )
    # Each nation's own role is as the arrangement's file has it, until that is signed anew.
    assert judged(WORLD.amended(OPS, builders.suspended), view) is None


@pytest.mark.parametrize("left_out", range(8))
def test_custodians_do_not_change_when_one_of_the_eight_is_missing(left_out: int) -> None:
    signers = [*all_of(WORLD.founder), *all_of(successor())]
    del signers[left_out]
    assert judged(succeeded(*signers), WORLD.view) == Code.TRUST_NOT_SIGNED


@pytest.mark.parametrize("nations", [["pa"], ["us"]])
def test_neither_nation_alone_changes_what_both_agreed(nations) -> None:
    assert (
        judged(WORLD.signed(rearrangement(WORLD), nations), WORLD.view) == Code.TRUST_NOT_SIGNED
    )
    assert judged(WORLD.signed(WORLD.root(), nations), WORLD.view) == Code.TRUST_NOT_SIGNED


def test_both_nations_change_what_both_agreed() -> None:
    assert judged(WORLD.rearranged(), WORLD.view) is None
    assert judged(WORLD.signed(WORLD.root()), WORLD.view) is None


def test_either_nation_alone_changes_its_own_member_and_nothing_of_the_other() -> None:
    told: list[tuple[str, Nation, Nation]] = [("pa.minsa", "pa", "us"), ("us.uscg", "us", "pa")]
    for name, own, other in told:
        member = msgspec.structs.replace(WORLD.member(name), version=2)
        assert judged(WORLD.signed(member, [own]), WORLD.view) is None
        assert judged(WORLD.signed(member, [other]), WORLD.view) == Code.TRUST_NOT_SIGNED


def test_halves_of_two_custodians_are_not_one() -> None:
    """One custodian's classical signature with another's post-quantum one."""
    member = msgspec.structs.replace(WORLD.member("pa.senan"), version=2)
    raw = WORLD.signed(member, ["pa"])
    mixed = respelled(
        raw, lambda told: told.update(signatures=[told["signatures"][i] for i in (0, 3, 2, 1)])
    )
    assert judged(mixed, WORLD.view) == Code.TRUST_NOT_SIGNED


def with_people(nation: Nation, *people: Signatory) -> Root:
    """The next root, in which a nation has these custodians."""
    circles = WORLD.founder.circles
    circles[nation] = Custodians(circles[nation].threshold, people)
    return trust_making.root(2, WORLD.founder.expires, circles, WORLD.view.online)


def test_custodian_of_two_names_is_refused() -> None:
    first = WORLD.founder.circles["pa"].signatories[0]
    twice = with_people("pa", first, Signatory("pa-alias", first.keys))
    assert judged(WORLD.signed(twice), WORLD.view) == Code.TRUST_INVALID


def test_member_keeps_its_own_keys_in_its_next_version() -> None:
    assert judged(WORLD.amended(OPS, builders.suspended), WORLD.view) is None
    moved = WORLD.later(WORLD.amended(OPS, builders.suspended))
    then = WORLD._replace(view=moved)
    same = msgspec.structs.replace(then.member("pa.senan"), version=3)
    assert judged(then.signed(same, ["pa"]), moved) is None


def test_suspended_operator_brings_nothing() -> None:
    view = WORLD.later(WORLD.amended(MINSA, builders.suspended))
    arrival = WORLD.arrival(WORLD.amended(COAST, builders.suspended), MINSA)
    settled = Book(view).post(arrival)[0]
    assert isinstance(settled, Rejected)
    assert settled.refusal.code == Code.ENDPOINT_SUSPENDED


def test_node_s_own_operator_needs_no_endpoint() -> None:
    book = Book(View(anchor=WORLD.anchor))
    for document in WORLD.documents:
        book.post(WORLD.arrival(document, ""))
    assert book.view.heads == WORLD.view.heads
    assert book.view.endpoints == WORLD.view.endpoints


def test_log_keys_are_one_of_each_kind_and_fit() -> None:
    node = WORLD.view.nodes["pa"]
    for log in ([node.log[1], node.log[0]], node.log[:1], [*node.log, node.log[0]]):
        changed = msgspec.structs.replace(node, version=2, log=log)
        assert judged(WORLD.signed(changed, ["pa"]), WORLD.view) == Code.TRUST_INVALID
    weak = msgspec.structs.replace(node.log[0], x="AQ" + "A" * 41)
    changed = msgspec.structs.replace(node, version=2, log=[weak, node.log[1]])
    assert judged(WORLD.signed(changed, ["pa"]), WORLD.view) == Code.WEAK_KEY
    keys = [weak, node.receipts.keys[1]]
    changed = msgspec.structs.replace(node, version=2, receipts=Signatory("pa-r", keys))
    assert judged(WORLD.signed(changed, ["pa"]), WORLD.view) == Code.WEAK_KEY


def test_custodian_with_a_weak_key_is_refused() -> None:
    first, second = WORLD.founder.circles["us"].signatories
    weak = msgspec.structs.replace(first.keys[0], x="AQ" + "A" * 41)
    for keys, code in (
        ([weak, first.keys[1]], Code.WEAK_KEY),
        ([first.keys[1], first.keys[0]], Code.TRUST_INVALID),
        (first.keys[:1], Code.TRUST_INVALID),
    ):
        bad = with_people("us", Signatory(first.name, keys), second)
        assert judged(WORLD.signed(bad), WORLD.view) == code


def test_view_is_folded_by_the_same_rules() -> None:
    with pytest.raises(Refusal) as refusal:
        trust.apply(WORLD.documents[1], WORLD.view, 9, NOW)
    assert refusal.value.code == Code.STALE_VERSION


def test_signature_that_is_no_custodian_s_is_refused_and_not_passed_over() -> None:
    member = msgspec.structs.replace(WORLD.member("pa.senan"), version=2)
    pa, us = (WORLD.founder.signers([nation]) for nation in ("pa", "us"))
    for what, signers in (
        (member, pa),
        (rearrangement(WORLD), pa + us),
        (WORLD.root(), pa + us),
    ):
        assert judged(WORLD.signed_by(what, *signers), WORLD.view) is None
        extra = [*signers, WORLD.signers[OPS]]
        assert judged(WORLD.signed_by(what, *extra), WORLD.view) == Code.TRUST_NOT_SIGNED


def by_custodian(raw: bytes) -> list[list[dict[str, str]]]:
    told = json.loads(raw.split(b"\n")[0])["signatures"]
    return [told[at : at + 2] for at in range(0, len(told), 2)]


def regrouped(raw: bytes, order: list[int]) -> bytes:
    groups = by_custodian(raw)
    chosen = [each for place in order for each in groups[place]]
    return respelled(raw, lambda told: told.update(signatures=chosen))


@pytest.mark.parametrize(
    ("order", "at"),
    [
        ([0, 1, 2, 3], None),
        ([0, 1, 2, 3, 3], "/signatures/8"),
        ([0, 0, 1, 2, 3], "/signatures/2"),
        ([0, 1, 2, 3, 0], "/signatures/8"),
        ([1, 0, 2, 3], "/signatures/2"),
        ([2, 3, 0, 1], "/signatures/4"),
    ],
)
def test_document_has_one_spelling_of_its_signatures(order, at) -> None:
    """Each of these holds: but who brings a document would choose its digest."""
    for raw in (WORLD.rearranged(), WORLD.signed(WORLD.root())):
        told = regrouped(raw, order)
        if at is None:
            assert judged(told, WORLD.view) is None
            continue
        with pytest.raises(Refusal) as refusal:
            trust.judge(told, WORLD.view, NOW)
        assert (refusal.value.code, refusal.value.at) == (Code.TRUST_NOT_SIGNED, at)


def renewed() -> bytes:
    """The next root, all of its custodians new, signed by the old ones and by them."""
    return succeeded(*all_of(WORLD.founder), *all_of(successor()))


def test_old_custodians_sign_before_new_ones() -> None:
    raw = renewed()
    assert judged(raw, WORLD.view) is None
    late = regrouped(raw, [4, 5, 6, 7, 0, 1, 2, 3])
    assert judged(late, WORLD.view) == Code.TRUST_NOT_SIGNED


def with_a_third() -> tuple[bytes, bytes]:
    """A root with a third custodian of Panama, and the next arrangement signed by all five."""
    third, pa = all_of(successor())[0], WORLD.founder.circles["pa"]
    root = with_people("pa", *pa.signatories, Signatory("pa-third", list(third.keys)))
    old = all_of(WORLD.founder)
    five = [*old[:2], third, *old[2:]]
    return WORLD.signed_by(root, *old, third), WORLD.signed_by(rearrangement(WORLD), *five)


def test_signature_beyond_the_threshold_may_be_left_out_and_the_first_to_come_stays() -> None:
    """Two bytes of one document: the same is agreed, and who came first is the record's."""
    root, arrangement = with_a_third()
    view = WORLD.later(root)
    shorter = regrouped(arrangement, [0, 1, 3, 4])
    told = [read_file(each.split(b"\n")[0]).signed for each in (shorter, arrangement)]
    assert told[0] == told[1]
    for first, second in ((arrangement, shorter), (shorter, arrangement)):
        after = trust.apply(first, view, view.index + 1, NOW)
        assert judged(second, after) == Code.STALE_VERSION
        assert after.arrangement == trust.apply(second, view, view.index + 1, NOW).arrangement
        # Whoever was shown the other one has another chain, and its bulletins are refused here.
        assert after.heads != trust.apply(second, view, view.index + 1, NOW).heads


def test_custodian_of_both_roots_signs_once() -> None:
    """Who stays is counted on both terms, by one group, in its old place."""
    after, circles = successor(), WORLD.founder.circles
    circles["pa"] = after.circles["pa"]
    root = trust_making.root(2, WORLD.founder.expires, circles, WORLD.view.online)
    pa, us = (WORLD.founder.signers([nation]) for nation in ("pa", "us"))
    new = after.signers(["pa"])
    assert judged(WORLD.signed_by(root, *pa, *us, *new), WORLD.view) is None
    for order in ([*pa, *us, *new, *us], [*pa, *new, *us]):
        told = WORLD.signed_by(root, *order)
        assert judged(told, WORLD.view) == Code.TRUST_NOT_SIGNED
