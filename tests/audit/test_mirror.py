"""A mirror is whole or it is no mirror."""

import asyncio
from typing import Any

import pytest

from exchange.audit.mirror import pull
from exchange.errors import Code, Refusal
from exchange.model import wire
from exchange.store.memory import MemoryStore


class Silent:
    """A node that says there are entries, and gives none."""

    def __init__(self, size: int) -> None:
        self.size = size

    async def get_as(self, kind: type, _path: str, **_: int):
        if kind is wire.JournalPage:
            return wire.JournalPage(items=[], size=self.size)
        return wire.TrustPage(items=[], cursor=-1, total=0)


def mirrored(size: int) -> tuple[int, int]:
    node: Any = Silent(size)
    return asyncio.run(pull(node, MemoryStore(), "A" * 43, lambda *_: None))


def test_a_node_that_stops_before_its_end_is_told_on() -> None:
    with pytest.raises(Refusal) as refusal:
        mirrored(3)
    assert refusal.value.code == Code.BAD_PROOF
    assert refusal.value.at == "/size"


def test_an_empty_journal_is_mirrored_whole() -> None:
    assert mirrored(0) == (0, 0)
