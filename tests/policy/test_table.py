"""Cases reach every line of the table in ``docs/policy.md``, and nothing that is not in it."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.policy import answers, cases, planted
from tests.policy.worlds import Json

COUNT = 24_000
LEAST = 3
DOCS = Path(__file__).parents[2] / "docs" / "policy.md"
ACTS = {"A": "accept", "G": "grant", "D": "deliver", "I": "ingress"}
CHOICE = "subscribe"

Line = tuple[str, str, str]


@cache
def made() -> tuple[Json, ...]:
    return tuple(cases.lines(1, COUNT))


@cache
def asked() -> tuple[answers.Question, ...]:
    return tuple(answers.questions(made()))


@cache
def right() -> tuple[Json, ...]:
    return tuple(each.answer() for each in asked())


def table() -> set[Line]:
    """Every (act, code, place) that the table has; places are numbered N."""
    found: set[Line] = set()
    for line in DOCS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and (code := re.fullmatch(r"`([a-z-]+)`", cells[2])):
            found.add((CHOICE, code[1], cells[3].strip('`"')))
        if not line.startswith("| ") or len(cells) not in {7, 8}:
            continue
        code = re.fullmatch(r"`([a-z-]+)`", cells[6])
        acts = [ACTS[cell] for cell in cells[1:5] if cell in ACTS]
        if code is None or not acts:
            continue
        for act in acts:
            at = cells[7].strip('`"') if len(cells) == 8 else _place(act)
            found.add((act, code[1], at))
    return found


def _place(act: str) -> str:
    return "" if act == "deliver" else "/to"


def seen() -> Counter[Line]:
    acts = [line["act"] for line in made() if "case" in line]
    found: Counter[Line] = Counter()
    for said in right():
        if said["verdict"] == "permit":
            found[acts[said["case"]], "", ""] += 1
            continue
        at = re.sub(r"/\d+", "/N", said["at"])
        # The place of a recipient: where it stands in ``to``, if it does.
        at = "/to" if at == "/to/N" else at
        found[acts[said["case"]], said["code"], at] += 1
    return found


def test_table_has_as_many_lines_as_it_had_when_it_was_read_last():
    # A table that cannot be taken apart any more would compare with nothing.
    assert len(table()) == 103


def test_every_line_of_the_table_is_reached_and_nothing_else():
    counted = seen()
    passed = {line for line in counted if not line[1]}
    assert passed == {(act, "", "") for act in (*ACTS.values(), CHOICE)}
    assert set(counted) - passed == table()
    assert {line: n for line, n in counted.items() if n < LEAST} == {}


@pytest.mark.parametrize("fault", sorted(planted.FAULTS))
def test_planted_fault_changes_a_verdict(fault):
    # Until the first one: how many there are, `./run oracle` counts.
    with planted.FAULTS[fault]():
        pairs = zip(asked(), right(), strict=True)
        changed = next((each for each in pairs if each[0].answer() != each[1]), None)
    assert changed is not None
    # It is gone with its context.
    question, verdict = changed
    assert question.answer() == verdict


def test_there_are_ten_faults_at_least():
    assert len(planted.FAULTS) >= 10


def test_same_seed_makes_the_same_cases_and_another_seed_others():
    first, again, other = (list(cases.lines(seed, 50)) for seed in (7, 7, 8))
    assert first == again
    assert first != other
