"""Another implementation lets in the trust documents that ours does, spelled as ours are."""

from __future__ import annotations

import itertools

import pytest

from exchange.errors import Refusal
from exchange.model.codec import b64
from exchange.model.view import LIFETIME_S
from exchange.seal import trust
from tests.builders import FOUNDED, NOW, world
from tests.peers.javascript import needs_packages
from tests.seal.test_trust import by_custodian, regrouped, renewed, with_a_third
from tests.seal.test_trust_metadata import keys_taken

pytestmark = needs_packages
WORLD = world()


TOLD = {
    "anchor": WORLD.anchor,
    "founded": FOUNDED,
    "documents": [raw.decode() for raw in WORLD.documents],
}


@pytest.fixture(scope="module")
def verdicts(peer):
    """What the two make of a document; None where they let it in."""

    def asked(raw, *before):
        answer = peer.ask(
            "judge",
            world=TOLD,
            documents=[each.decode() for each in before],
            taken_ms=NOW * 1000,
            object=b64(raw),
            body="",
        )
        try:
            trust.judge(raw, WORLD.later(*before), NOW)
        except Refusal as refusal:
            return answer.get("code"), refusal.code.value
        return answer.get("code"), None

    return asked


def test_timestamp_is_timely_by_the_clock_of_who_reads_it(peer):
    """Not by its node's word for when it was signed: over, or dated ahead."""
    stamp, skew_s = WORLD.stamped(), WORLD.arrangement.limits.skew_s
    ahead, over = NOW - skew_s - 1, NOW + LIFETIME_S
    told = {"world": TOLD, "documents": [stamp.decode()], "taken_ms": NOW * 1000}
    for now, holds in ((ahead, False), (ahead + 1, True), (over - 1, True), (over, False)):
        assert peer.ask("timely", **told, now=now) == {"holds": holds}
        try:
            WORLD.later(stamp).must_be_timely("pa", now)
        except Refusal:
            assert not holds, now
        else:
            assert holds, now


@pytest.mark.parametrize("raw", [WORLD.rearranged(), WORLD.signed(WORLD.root()), renewed()])
def test_signatures_in_any_order_but_the_one_are_refused(verdicts, raw):
    whole = range(len(by_custodian(raw)))
    orders = [*itertools.permutations(range(4)), *((*range(4), twice) for twice in range(4))]
    let_in = 0
    for order in orders:
        theirs, ours = verdicts(regrouped(raw, [*order, *whole[4:]]))
        assert theirs == ours, order
        assert (ours is None) == (order == (0, 1, 2, 3)), order
        let_in += ours is None
    assert let_in == 1


def test_old_custodians_sign_before_new_ones(verdicts):
    raw = renewed()
    assert verdicts(raw) == (None, None)
    late = regrouped(raw, [4, 5, 6, 7, 0, 1, 2, 3])
    assert verdicts(late) == ("trust-not-signed",) * 2


def test_document_of_one_nation_that_another_signs_too_is_refused(verdicts):
    member = WORLD.member("pa.senan")
    raw = WORLD.signed(type(member)(**{**_members(member), "version": 2}))
    assert verdicts(raw) == ("trust-not-signed",) * 2


def _members(struct):
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def test_signature_beyond_the_threshold_may_be_left_out_and_the_first_to_come_stays(verdicts):
    root, arrangement = with_a_third()
    for order in ((0, 1, 2, 3, 4), (0, 1, 3, 4), (0, 2, 3, 4), (1, 2, 3, 4)):
        assert verdicts(regrouped(arrangement, order), root) == (None, None)
    for order in ((0, 3, 4), (1, 3, 4), (0, 1, 3)):
        assert verdicts(regrouped(arrangement, order), root) == ("trust-not-signed",) * 2
    for order in ((0, 1, 2, 3, 4), (0, 1, 3, 4)):
        told = verdicts(regrouped(arrangement, order), root, arrangement)
        assert told == ("stale-version",) * 2


def test_that_it_is_an_exercise_is_said_by_true_alone(verdicts):
    assert verdicts(WORLD.rearranged(exercise=True)) == (None, None)
    for value in (1, "yes", [True], {}):
        theirs, ours = verdicts(WORLD.rearranged(exercise=value))
        assert theirs is not None, value
        assert ours is not None, value


def test_endpoint_s_key_that_is_a_custodian_s_or_a_node_s_is_refused(verdicts):
    for where, (_, raw) in keys_taken().items():
        assert verdicts(raw) == ("trust-invalid",) * 2, where
