"""Bulletins made up from a seed: valid, varied, and the same again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from exchange.cli.world import picks
from exchange.model.bulletin.varying import vary
from tests.model.bulletins import CODES, NAMES, plain, verdict

MANY = 12


@pytest.mark.parametrize("name", NAMES)
def test_what_is_made_up_is_valid_and_no_two_are_alike(name):
    pick = picks(len(name))
    made = [vary(plain(name), CODES, pick) for _ in range(MANY)]
    assert [verdict(values) for values in made] == [None] * MANY
    assert len({json.dumps(values) for values in made}) == MANY


def test_the_same_seed_makes_the_same_and_leaves_the_example_as_it_was():
    values = plain("szr-1")
    first, second = (vary(values, CODES, picks(7)) for _ in range(2))
    assert first == second
    assert values == plain("szr-1")


def test_all_times_are_moved_alike():
    made = vary(plain("brq-2"), CODES, picks(1), timedelta(days=2), changes=0)
    assert made["due"] == made["content"]["reply_by"] == "2026-11-27T15:30:00Z"
    assert made["observed"] == made["content"]["seen"]["at"] == "2026-11-27T11:00:00Z"


def test_over_many_every_kind_of_change_is_made():
    pick = picks(3)
    made = [vary(plain("szr-2"), CODES, pick) for _ in range(60)]
    seizures = [each["content"] for each in made]
    assert len({each["modality"] for each in seizures}) > 3
    assert len({json.dumps(each.get("containers")) for each in seizures}) > 3
    assert len({json.dumps(each["place"]) for each in seizures}) > 3
    assert {len(each.get("drugs", [])) for each in seizures} > {1}
    assert any("arrested" not in each or not each["arrested"] for each in seizures)
    assert len({each["event"] for each in seizures}) > 3


def test_figures_quoted_from_a_public_source_are_never_made_up():
    pick = picks(5)
    quoted = plain("sta-2")["content"]["published"]
    for _ in range(40):
        assert vary(plain("sta-2"), CODES, pick)["content"]["published"] == quoted
