from __future__ import annotations

import pytest

from exchange.store import inserting
from exchange.store.memory import MemoryStore
from exchange.store.sqlite import SqliteStore
from tests.store.samples import Scribe


@pytest.fixture
def scribe():
    return Scribe()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture(params=["memory", "sqlite", "sqlite-alone", "sqlite-aged"])
async def store(request, path, monkeypatch):
    """Each kind of store; alone: without threads of its own.

    Aged: keys move on to the large table from the first group on.
    """
    if request.param == "sqlite-aged":
        monkeypatch.setattr(inserting, "FRESH_KEYS", 0)
        monkeypatch.setattr(inserting, "SWEEP_KEYS", 3)
    has_threads = request.param != "sqlite-alone"
    opened = (
        MemoryStore()
        if request.param == "memory"
        else SqliteStore.open(path, has_threads=has_threads)
    )
    yield opened
    await opened.close()


@pytest.fixture
async def reopen(store, path):
    """Close a store and open its journal again, as a restart does."""
    opened = [store]

    async def again():
        await opened[-1].close()
        is_memory = isinstance(store, MemoryStore)
        opened.append(store.reopen() if is_memory else SqliteStore.open(path))
        return opened[-1]

    yield again
    for each in opened:
        await each.close()
