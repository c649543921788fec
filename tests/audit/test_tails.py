"""A lost end, looked for in several places: in order, each entry its own, no further."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from exchange.audit.tails import Looked, Tail, first_wrong, missing
from exchange.errors import Code, Fault
from exchange.journal.tree import leaf_hash, root_of
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.node.ports import Shipped

ENTRIES = [b"entry %d\n" % each for each in range(12)]
LEAVES = [leaf_hash(each) for each in ENTRIES]


def group(first, count, *, but=()):
    """So many entries from one on, some of them altered."""
    kept = [
        b"altered" if index in but else ENTRIES[index] for index in range(first, first + count)
    ]
    return Shipped(first, b"", kept, [])


class Held:
    def __init__(self, size=12):
        self.size = size

    def leaves(self, first, count):
        return LEAVES[first : min(first + count, self.size)]


def place(*groups, after=None):
    """A place with these groups; ``after`` is what it raises then."""

    def given(begin):
        whole = [each for each in groups if each.first + len(each.entries) > begin]
        yield from whole
        if after is not None:
            raise after

    return given


def looked(tail, *sizes):
    return tail.look(sizes, lambda _: None)


def test_the_second_place_goes_on_where_the_first_ends():
    tail = Tail([place(group(0, 3)), place(group(0, 3), group(3, 4), group(7, 5))], Held())
    assert looked(tail, 5, 12) == Looked(
        12, {5: root_of(LEAVES[:5]), 12: root_of(LEAVES)}, None
    )
    assert tail.given == [3, 9]


def test_a_place_that_cannot_be_read_has_no_more_and_the_next_goes_on():
    broken = place(group(0, 3), after=Fault(Code.STORE_FAILED))
    tail = Tail([broken, place(group(0, 3), group(3, 4))], None)
    assert looked(tail).size == 7


def test_what_is_altered_in_one_place_comes_from_another():
    tail = Tail(
        [place(group(0, 3), group(3, 4, but=[5])), place(group(3, 4), group(7, 5))], Held()
    )
    assert looked(tail) == Looked(12, {}, None)
    assert tail.given == [3, 9]


def test_it_ends_before_the_first_group_with_an_entry_that_is_not_its_own():
    tail = Tail([place(group(0, 3)), place(group(3, 4, but=[5]), group(7, 5))], Held())
    assert looked(tail) == Looked(3, {}, 5)
    # Without hashes it is taken for what it says; the root tells.
    other = looked(Tail(tail._places, None), 12)
    assert (other.size, other.wrong) == (12, None)
    assert other.roots[12] != root_of(LEAVES)


def stub(leaf=None):
    said = {} if leaf is None else {"leaf": b64(leaf)}
    return entries.encode(entries.Lost(taken_ms=1, view=-1, salt=b64(bytes(16)), **said), b"")


def stubbed(first, kept, *, and_then=b""):
    """A group whose entries are stubs with the hashes of so many of them."""
    made = [stub(leaf) for leaf in LEAVES[first : first + kept]]
    return Shipped(first, b"", [*made, *([and_then] if and_then else [])], [])


@pytest.mark.parametrize("leaves", [Held(), None])
def test_a_stub_is_not_taken_for_what_another_place_has(leaves):
    for bad in (stubbed(3, 4), stubbed(3, 3, and_then=ENTRIES[6])):
        tail = Tail([place(group(0, 3), bad), place(group(3, 4), group(7, 5))], leaves)
        assert looked(tail) == Looked(12, {}, None)
        assert tail.given == [3, 9]
        assert missing(3, 7, [bad], leaves) == [(3, 6)]


def test_stubs_of_a_declared_loss_are_their_own():
    unknown = stub()
    kept = [*(stub(leaf) for leaf in LEAVES[:3]), unknown, ENTRIES[4]]
    leaves = [*LEAVES[:3], leaf_hash(unknown), LEAVES[4]]
    held = SimpleNamespace(leaves=lambda first, count: leaves[first : first + count])
    assert first_wrong(Shipped(0, b"", kept, []), held) is None
    # Written anew over what was there, the last of them is not what stands there.
    assert first_wrong(Shipped(0, b"", kept, []), Held()) == 3


def test_what_nobody_kept_hashes_of_is_held_to_nothing():
    assert first_wrong(group(3, 4, but=[5]), Held(5)) is None
    assert first_wrong(group(3, 4, but=[5]), Held(6)) == 5


def test_no_group_goes_over_the_limit():
    tail = Tail([place(group(0, 3), group(3, 4), group(7, 5))], Held())
    assert [each.first for each in tail.groups(6)] == [0]
    assert [each.first for each in tail.groups(7)] == [0, 3]


def test_a_group_that_does_not_go_on_ends_a_place():
    assert looked(Tail([place(group(0, 3), group(4, 4))], None)).size == 3
    # One that begins before what is there already is of other groups than these.
    assert looked(Tail([place(group(0, 3)), place(group(2, 4))], None)).size == 3


def test_what_is_right_in_no_place_is_listed_as_ranges():
    survive = [group(10, 2), group(4, 2), group(6, 2, but=[6])]
    assert missing(3, 14, survive, Held()) == [(3, 3), (6, 9), (12, 13)]
    assert missing(3, 14, survive, None) == [(3, 3), (8, 9), (12, 13)]
    assert missing(3, 3, [], None) == []
