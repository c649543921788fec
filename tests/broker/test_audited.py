"""What an entry says was shown to an auditor could have been shown, and is spelled one way."""

from __future__ import annotations

import msgspec
import pytest

from exchange.broker.audited import is_bookkeeping, must_hold
from exchange.errors import Refusal
from exchange.model import entry as entries
from exchange.model.shown import Shown
from tests.builders import AUDIT, NOW_MS

READ = Shown("entries", 2, 0, 3, 5)
FACTS = entries.AuditRead(
    salt="A" * 22,
    taken_ms=NOW_MS,
    view=3,
    auditor=AUDIT,
    since_ms=NOW_MS,
    until_ms=NOW_MS,
    reads=[READ, Shown("proofs", 1, 3, 3, 1)],
)


def test_what_could_be_shown_holds_and_is_bookkeeping():
    must_hold(FACTS, 4)
    assert is_bookkeeping(entries.encode(FACTS))
    common = {"salt": "A" * 22, "taken_ms": NOW_MS, "view": 3}
    refused = entries.Refused(caller="", digest="A", size=0, code="", at="", **common)
    assert not is_bookkeeping(entries.encode(refused))


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"since_ms": NOW_MS + 1}, "/since_ms"),
        ({"reads": []}, "/reads"),
        ({"reads": [Shown("proofs", 1, 0, 0, 1), READ]}, "/reads"),
        ({"reads": [READ, READ]}, "/reads"),
        ({"reads": [Shown("entries", 1, 0, 4, 5)]}, "/reads/0"),
        ({"reads": [Shown("entries", 1, 3, 2, 5)]}, "/reads/0"),
        ({"reads": [READ, Shown("proofs", 2, 0, 2, 1)]}, "/reads/1"),
        ({"reads": [Shown("entries", 0, 0, 2, 1)]}, "/reads/0"),
    ],
)
def test_what_could_not_be_shown_is_named(changes, at):
    with pytest.raises(Refusal) as caught:
        must_hold(msgspec.structs.replace(FACTS, **changes), 4)
    assert (caught.value.code, caught.value.at) == ("bad-proof", at)
