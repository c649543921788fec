"""Ageing: by the arrangement's targets, or by those that hold where it names none."""

from __future__ import annotations

import msgspec
import pytest

from exchange.errors import Code, Refusal
from exchange.model import trust
from exchange.policy.ageing import is_seen_to, overdue_s
from tests.builders import NOW, NOW_MS, world

AGREED = trust.Targets(60, 120, 180, 240)


def arrangement(targets=None):
    return msgspec.structs.replace(world().arrangement, targets=targets)


@pytest.mark.parametrize(
    ("precedence", "usual", "agreed"),
    [
        ("flash", 600, 60),
        ("immediate", 1800, 120),
        ("priority", 10_800, 180),
        ("routine", 86_400, 240),
    ],
)
def test_each_precedence_is_overdue_at_its_target_and_not_before(precedence, usual, agreed):
    for targets, limit in ((None, usual), (AGREED, agreed)):
        said = arrangement(targets)
        assert overdue_s(said, precedence, NOW_MS, NOW + limit - 1) is None
        assert overdue_s(said, precedence, NOW_MS, NOW + limit) == 0
        assert overdue_s(said, precedence, NOW_MS, NOW + limit + 7) == 7


def test_that_a_machine_has_it_is_not_that_somebody_saw_to_it():
    assert not is_seen_to("delivered")
    assert is_seen_to("opened")
    assert is_seen_to("unreadable")


def test_arrangement_without_targets_is_spelt_as_it_always_was():
    assert b"targets" not in trust.encode(arrangement())
    assert trust.decode(trust.encode(arrangement())) == arrangement()


def test_targets_are_part_of_what_is_signed():
    view = world().later(world().rearranged(targets=AGREED))
    assert view.agreed().target_s("flash") == 60
    assert trust.decode(trust.encode(view.agreed())) == view.agreed()


@pytest.mark.parametrize("targets", [{"flash": 1}, {**msgspec.to_builtins(AGREED), "x": 1}])
def test_targets_are_all_there_and_no_more(targets):
    said = {**msgspec.to_builtins(arrangement(AGREED)), "targets": targets}
    with pytest.raises(Refusal) as caught:
        trust.decode(msgspec.json.encode(said))
    assert caught.value.code in {Code.MISSING_MEMBER, Code.UNKNOWN_MEMBER}
