"""A key container in shares: k of n open it, and nothing else does."""

from __future__ import annotations

import os
from itertools import combinations, count

import msgspec
import pytest

from exchange.custody import container, ring, shares
from exchange.custody.container import Secrets
from exchange.custody.shares import Gathering, Plan
from exchange.errors import Code, Fault, Refusal
from exchange.seal.software import new_signing

CUSTODIAN = Secrets("pa-custodian-1", {ring.SIGN: new_signing("xb1-h", os.urandom)})
AT = 1_750_000_000


TWO_OF_THREE = Plan(2, 3)


def made(plan=TWO_OF_THREE, before=()):
    return shares.share(CUSTODIAN, plan, AT, os.urandom, before)


SHARED = made()


def opened(shared, words):
    gathering = Gathering(shared.file)
    for each in words:
        gathering.add(" ".join(each))
    return gathering.open()


def refused(shared, *words):
    gathering = Gathering(shared.file)
    for each in words[:-1]:
        gathering.add(" ".join(each))
    with pytest.raises(Refusal) as refusal:
        gathering.add(" ".join(words[-1]))
    # A share is a secret: no word of it is repeated.
    assert not {str(fact) for fact in refusal.value.facts.values()} & set(words[-1])
    return refusal.value.code, refusal.value.facts


@pytest.mark.parametrize("plan", [Plan(2, 2), Plan(2, 3), Plan(3, 5)])
def test_any_so_many_shares_open_the_whole_container(plan):
    shared = made(plan)
    assert len(shared.shares) == plan.shares
    for some in combinations(shared.shares, plan.threshold):
        assert opened(shared, some) == CUSTODIAN


def test_sixteen_shares_all_needed_open_it_in_any_order():
    shared = made(Plan(16, 16))
    assert opened(shared, shared.shares[::-1]) == CUSTODIAN


def test_fewer_shares_than_the_threshold_open_nothing():
    shared = made(Plan(3, 3))
    gathering = Gathering(shared.file)
    for each in shared.shares[:2]:
        gathering.add(" ".join(each))
    assert gathering.missing == 1
    with pytest.raises(Refusal) as refusal:
        gathering.open()
    assert refusal.value.code is Code.SHARE_MIXED


def test_four_letters_of_each_word_are_enough():
    short = [[word[:4].upper() for word in each] for each in SHARED.shares]
    assert opened(SHARED, short[1:]) == CUSTODIAN


def test_word_that_is_none_is_named_by_its_place():
    typed = [*SHARED.shares[0]]
    typed[20] = "ceremonia"
    code, facts = refused(SHARED, typed)
    assert (code, facts["place"]) == (Code.SHARE_WRONG, 21)


def test_misread_word_is_refused_before_the_next_share_is_asked_for():
    for place in (0, 5, 32):
        typed = [*SHARED.shares[0]]
        typed[place] = "academic" if typed[place] != "academic" else "acid"
        assert refused(SHARED, typed)[0] is Code.SHARE_WRONG


def test_share_that_lacks_a_word_is_refused():
    code, facts = refused(SHARED, SHARED.shares[0][:-1])
    assert (code, facts["found"], facts["expected"]) == (Code.SHARE_WRONG, 32, "share-words")


def test_same_share_twice_counts_once():
    code, facts = refused(SHARED, SHARED.shares[2], SHARED.shares[2])
    assert (code, facts["place"]) == (Code.SHARE_TWICE, 3)


def test_share_of_another_set_is_told_to_be_one():
    other = made()
    code, facts = refused(SHARED, SHARED.shares[0], other.shares[1])
    assert (code, facts["found"]) == (Code.SHARE_MIXED, other.about.made.number)


def test_share_of_the_set_before_is_told_to_be_of_an_older_one():
    newer = made(before=[SHARED.about.made])
    assert newer.about.made.number != SHARED.about.made.number
    assert refused(newer, SHARED.shares[0])[0] is Code.SHARE_SUPERSEDED


def test_new_set_never_takes_the_number_of_one_before():
    numbers = (n.to_bytes(2, "big") for n in count(7))

    def randomness(size):
        return next(numbers) if size == 2 else os.urandom(size)

    before = [shares.Made(7, AT), shares.Made(8, AT)]
    assert shares.share(CUSTODIAN, Plan(2, 2), AT, randomness, before).about.made.number == 9


def test_share_that_bears_the_sets_number_and_is_of_another_secret_opens_nothing():
    def same(size):
        return b"\x00\x07" if size == 2 else os.urandom(size)

    one, two = (shares.share(CUSTODIAN, Plan(2, 2), AT, same) for _ in range(2))
    with pytest.raises(Refusal) as refusal:
        opened(one, [one.shares[0], two.shares[1]])
    assert refusal.value.code is Code.SHARE_MIXED
    with pytest.raises(Fault) as fault:
        opened(one, two.shares)
    assert fault.value.code is Code.KEY_FILE


def test_share_of_another_threshold_is_refused_though_the_number_is_the_same():
    def same(size):
        return b"\x00\x07" if size == 2 else os.urandom(size)

    one, two = (shares.share(CUSTODIAN, Plan(k, 3), AT, same) for k in (2, 3))
    assert refused(one, two.shares[0])[0] is Code.SHARE_MIXED


@pytest.mark.parametrize(
    "change",
    [
        {"holder": "us-custodian-1"},
        {"shares": 5},
        {"before": [{"number": 3, "at": 5}]},
    ],
)
def test_what_the_file_says_of_itself_cannot_be_changed(change):
    told = msgspec.json.decode(SHARED.file)
    told["about"] |= change
    altered = SHARED._replace(file=msgspec.json.encode(told))
    with pytest.raises(Fault) as fault:
        opened(altered, SHARED.shares[:2])
    assert fault.value.facts["expected"] == "key-container-undamaged"


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b"[" * 9999, SHARED.file[:-9]])
def test_file_that_is_none_is_a_fault_of_the_file(raw):
    with pytest.raises(Fault) as fault:
        Gathering(raw)
    assert fault.value.facts["expected"] == shares.KIND


def test_shared_file_alone_says_whose_it_is_and_no_secret():
    assert shares.about(SHARED.file).holder == CUSTODIAN.holder
    for key in CUSTODIAN.of(ring.SIGN):
        assert msgspec.json.encode(key.seed) not in SHARED.file
    with pytest.raises(Fault):
        container.unseal(SHARED.file, "any")


def test_every_share_is_thirty_three_words_told_apart_by_four_letters():
    assert {len(each) for each in SHARED.shares} == {shares.SHARE_WORDS}
    assert len({word[:4] for word in shares.WORDLIST}) == len(shares.WORDLIST)
