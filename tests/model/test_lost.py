"""A loss holds only where its declaration stands right behind it, and for the journal it names.

Each endpoint, and the other node, holds a trust entry that it is shown to that.
"""

from __future__ import annotations

import pytest

from exchange.errors import Code, Refusal
from exchange.model import lost
from exchange.model.trust import Loss
from exchange.seal import trust
from tests.builders import NOW, border


def declared_at(index, node="pa", **changes):
    """The views before and after an entry that declares six entries lost."""
    before = border().view
    first = before.index + 4
    told = {"first": first, "size": first + 3, "end": first + 6, "trust": before.index}
    why = {"es": "EJERCICIO", "en": "EXERCISE"}
    loss = Loss(node=node, root=border().anchor, why=why, **{**told, **changes})
    raw = border().rearranged(losses=[loss])
    return before, trust.apply(raw, before, first + index, NOW)


def test_right_behind_what_is_lost_a_declaration_holds():
    lost.must_stand(*declared_at(6), "pa")


@pytest.mark.parametrize(
    ("index", "changes"),
    [
        (5, {}),
        (7, {}),
        # A trust entry stood there by then: it would be among the lost, or nobody had it.
        (6, {"trust": 2}),
    ],
)
def test_anywhere_else_or_over_a_trust_entry_it_does_not(index, changes):
    with pytest.raises(Refusal) as caught:
        lost.must_stand(*declared_at(index, **changes), "pa")
    assert (caught.value.code, caught.value.at) == (Code.LOST_UNDECLARED, "/losses")


def test_of_another_journal_it_says_nothing_here():
    lost.must_stand(*declared_at(5, node="us"), "pa")


@pytest.mark.parametrize("changes", [{"first": 1}, {"size": 1}, {"end": 2}, {"node": "fr"}])
def test_what_is_no_range_of_a_listed_nodes_journal_is_no_loss(changes):
    with pytest.raises(Refusal) as caught:
        declared_at(6, **changes)
    assert (caught.value.code, caught.value.at) == (
        Code.TRUST_INVALID,
        "/files/0/losses/0",
    )
