"""Budgets to the millisecond: a burst, then one at a time, and when to come again."""

from __future__ import annotations

import pytest

from exchange.errors import Code, Refusal
from exchange.model.trust import Budget
from exchange.policy import limits
from exchange.policy.limits import Rate, Spent
from tests.builders import NOW_MS

WIDE = Budget(1000, 1)


def refused(spent: Spent, now_ms: int, mine: Budget, ours: Budget = WIDE) -> Refusal:
    with pytest.raises(Refusal) as caught:
        limits.spend(Rate(now_ms, spent), (mine, ours))
    assert caught.value.code is Code.TOO_MANY
    return caught.value


def test_burst_is_had_at_once_and_then_one_at_each_interval():
    budget, spent = Budget(3, 1500), Spent()
    for _ in range(3):
        spent = limits.spend(Rate(NOW_MS, spent), (budget, WIDE))
    assert spent.endpoint == NOW_MS + 4500
    assert refused(spent, NOW_MS, budget).facts == {"limit": 3, "wait": 2}
    assert refused(spent, NOW_MS + 1499, budget).facts["wait"] == 1
    spent = limits.spend(Rate(NOW_MS + 1500, spent), (budget, WIDE))
    assert refused(spent, NOW_MS + 1500, budget).facts["wait"] == 2


def test_who_was_silent_has_the_burst_again_and_no_more():
    budget = Budget(2, 1000)
    spent = Spent(NOW_MS - 1_000_000, NOW_MS - 1_000_000)
    for _ in range(2):
        spent = limits.spend(Rate(NOW_MS, spent), (budget, WIDE))
    refused(spent, NOW_MS, budget)


def test_the_longer_wait_is_told_with_its_limit():
    spent = Spent(NOW_MS + 5000, NOW_MS + 9000)
    told = refused(spent, NOW_MS, Budget(1, 1), Budget(2, 1000))
    assert told.facts == {"limit": 2, "wait": 8}
    assert refused(spent, NOW_MS, Budget(1, 1), Budget(9, 1000)).facts["limit"] == 1


def test_what_is_refused_by_one_budget_is_not_spent_of_the_other():
    spent = Spent(0, NOW_MS + 5)
    refused(spent, NOW_MS, Budget(1, 1), Budget(1, 1))
    assert limits.spend(Rate(NOW_MS + 5, spent), (Budget(1, 1), Budget(1, 1))) == Spent(
        NOW_MS + 6, NOW_MS + 6
    )
