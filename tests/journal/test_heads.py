"""Inbox heads: each change of what is owed changes a head, and a head has one place."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exchange.errors import Code, Refusal
from exchange.journal import heads
from exchange.journal.heads import EMPTY, HeadsMap, InboxHead, Place, Snapshot
from exchange.journal.tree import root_of

TRUST = "trust"
SEED = bytes(range(16))
OWED = [(3, b"\1" * 32), (4, b"\2" * 32), (9, b"\3" * 32)]


def folded(owed):
    head = EMPTY
    for index, leaf in owed:
        head = head.after(index, leaf)
    return head


def test_chain_is_the_hash_that_the_protocol_tells():
    first = sha256(b"xb1-inbox\0" + bytes(32) + (3).to_bytes(8) + b"\1" * 32).digest()
    assert folded(OWED[:1]) == InboxHead(1, first)
    second = sha256(b"xb1-inbox\0" + first + (4).to_bytes(8) + b"\2" * 32).digest()
    assert folded(OWED[:2]) == InboxHead(2, second)


@pytest.mark.parametrize(
    "other",
    [
        OWED[1:],
        OWED[:-1],
        [OWED[0], OWED[2]],
        [OWED[1], OWED[0], OWED[2]],
        [(3, OWED[1][1]), (4, OWED[0][1]), OWED[2]],
        [OWED[0], (4, b"\4" * 32), OWED[2]],
        [OWED[0], (5, OWED[1][1]), OWED[2]],
    ],
    ids=[
        "first withheld",
        "last withheld",
        "one withheld",
        "reordered",
        "contents swapped",
        "replaced",
        "moved",
    ],
)
def test_whatever_is_done_to_what_is_owed_changes_the_head(other):
    assert folded(other).chain != folded(OWED).chain


def made(count=5, seed=SEED):
    known = heads.names(TRUST, [f"pa.x{n}/ops" for n in range(count)])
    owed = [InboxHead(n, sha256(name.encode()).digest()) for n, name in enumerate(known)]
    return known, HeadsMap(list(zip(known, owed, strict=True)), seed)


@given(st.integers(0, 40))
def test_each_head_is_found_under_the_root(count):
    known, tree = made(count)
    for name in known:
        heads.verify(name, tree.heads[name], tree.place(name), known, tree.root)
    assert tree.place("us.none/ops") is None


def test_root_is_that_of_salted_leaves_in_the_order_of_names():
    known, tree = made(3)
    assert known == ["pa.x0/ops", "pa.x1/ops", "pa.x2/ops", "trust"]
    leaves = []
    for name in known:
        head, salt = tree.heads[name], tree.place(name).salt
        said = b"xb1-inbox-head\0" + salt + head.count.to_bytes(8) + head.chain + name.encode()
        leaves.append(sha256(b"\0" + said).digest())
    assert tree.root == root_of(leaves)


@pytest.mark.parametrize(
    "lie",
    [
        lambda name, head, place, known: (name, replace(head, count=9), place, known),
        lambda name, head, place, known: (name, replace(head, count=-1), place, known),
        lambda name, head, place, known: (name, replace(head, count=2**64), place, known),
        lambda name, head, place, known: (name, replace(head, chain=bytes(32)), place, known),
        lambda name, head, place, known: (name, replace(head, chain=b""), place, known),
        lambda name, head, place, known: (name, head, place._replace(salt=bytes(16)), known),
        lambda name, head, place, known: (name, head, place._replace(salt=b""), known),
        lambda name, head, place, known: (name, head, Place(place.salt, []), known),
        lambda _, head, place, known: ("us.none/ops", head, place, known),
        # The same leaf in another place: nobody has two.
        lambda name, head, place, known: (name, head, place, ["pa.a/ops", *known]),
        lambda name, head, place, known: (name, head, place, [known[-1], *known[:-1]]),
    ],
)
def test_lie_about_a_head_is_refused(lie):
    known, tree = made()
    name = known[2]
    told = lie(name, tree.heads[name], tree.place(name), known)
    with pytest.raises(Refusal) as caught:
        heads.verify(*told, tree.root)
    assert caught.value.code is Code.BAD_PROOF


def test_leaf_cannot_be_cut_into_another_count_and_chain():
    known, tree = made()
    name = next(each for each in known if tree.heads[each].chain[0] < 128)
    head, place = tree.heads[name], tree.place(name)
    shifted = InboxHead(int.from_bytes(head.chain[:8]), head.chain[8:])
    longer = place._replace(salt=place.salt + head.count.to_bytes(8))
    with pytest.raises(Refusal):
        heads.verify(name, shifted, longer, known, tree.root)


def test_every_leaf_is_salted_anew_though_nothing_changed():
    """A neighbour cannot see whose inbox stood still."""
    known, before = made(seed=bytes(16))
    _, after = made(seed=bytes(15) + b"\1")
    for name in known:
        assert not set(before.place(name).path) & set(after.place(name).path)
        assert before.place(name).salt != after.place(name).salt
    salts = {before.place(name).salt for name in known}
    assert len(salts) == len(known)


def test_snapshot_comes_back_with_whoever_left_the_directory():
    inboxes = {"pa.gone/ops": InboxHead(2, b"\5" * 32), "pa.x0/ops": InboxHead(1, b"\6" * 32)}
    known = heads.names(TRUST, ["pa.x0/ops", "pa.x1/ops"])
    snapshot = Snapshot.of(7, 5, inboxes, known)
    back = Snapshot.decode(snapshot.encode())
    assert back == snapshot
    assert back.inboxes() == inboxes
    assert list(back.map(SEED).heads) == known


@given(st.binary(max_size=60))
def test_any_bytes_are_no_snapshot_and_crash_nothing(raw):
    with pytest.raises(ValueError, match="snapshot"):
        Snapshot.decode(raw)
