"""A copy of a journal that was made while its node ran is told from a whole one."""

from __future__ import annotations

import shutil
import sqlite3

from exchange.cli.journal_file import may_lack_newest
from exchange.store.sqlite import SqliteStore
from tests.store.samples import Scribe


async def test_copy_without_the_log_beside_it_may_lack_the_newest_entries(tmp_path):
    path, copy, plain = (tmp_path / name for name in ("j.db", "copy.db", "plain.db"))
    store = SqliteStore.open(path)
    await store.append(Scribe().bulletins(3), 0)
    shutil.copy(path, copy)
    assert may_lack_newest(copy)
    assert not may_lack_newest(path)
    shutil.copy(f"{path}-wal", f"{copy}-wal")
    assert not may_lack_newest(copy)
    await store.close()
    with sqlite3.connect(plain) as other:
        other.execute("CREATE TABLE t (x)")
    assert not may_lack_newest(plain)
