"""The frozen statements hold: grants as opened, notices, receipts and session requests."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from exchange.errors import Code
from exchange.model.view import View
from tests import builders
from tests.vectors import case, stating
from tests.vectors.case import Statement

FILES = sorted(stating.FOLDER.glob("*.json"))
_KEYS = Path(__file__).parent / "opening-keys.json"
SEEDS = json.loads(_KEYS.read_text("utf-8"))["seeds"]

# What verifying these can answer.
ANSWERED = {
    *(Code.BAD_PROOF, Code.BAD_SESSION, Code.CANNOT_DECRYPT, Code.DIGEST_MISMATCH),
    *(Code.NOT_A_RECIPIENT, Code.SIGNATURE_COUNT, Code.SIZE_MISMATCH, Code.TARGET_MISMATCH),
    *(Code.UNKNOWN_KEY, Code.UNKNOWN_MEMBER, Code.UNKNOWN_OBJECT, Code.WRONG_VALUE),
    *(Code.BAD_SIGNATURE, Code.DUPLICATE_MEMBER, Code.KEY_KNOWN, Code.KEY_NOT_VALID),
    *(Code.NOT_HOME, Code.ORIGIN_MISMATCH, Code.WEAK_KEY),
    *(Code.KEY_LIFETIME, Code.NOT_YET_ISSUED, Code.REQUEST_STALE),
}


@cache
def founded() -> View:
    return case.founded(json.loads((stating.FOLDER.parent / "world.json").read_text("utf-8")))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_statement_holds(path: Path) -> None:
    told = json.loads(path.read_text("utf-8"))
    assert stating.outcome(told, founded(), SEEDS) == told["expect"]
    assert path.stem == told["name"]
    assert told["shows"]


@pytest.mark.parametrize("statement", stating.STATEMENTS, ids=lambda each: each.name)
def test_statement_is_answered_as_its_table_says(statement: Statement) -> None:
    stating.vector(statement, builders.world())


def test_every_statement_is_frozen_and_every_code_has_one() -> None:
    assert {path.stem for path in FILES} == {each.name for each in stating.STATEMENTS}
    told = [json.loads(path.read_text("utf-8"))["expect"] for path in FILES]
    assert {each["code"] for each in told if "code" in each} == {c.value for c in ANSWERED}
    # Of each kind one at least is let in.
    let_in = {each.statement for each in stating.STATEMENTS if each.code is None}
    assert let_in == {"enrolment", "grant", "notice", "receipt", "session"}
