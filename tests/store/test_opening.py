"""A file that is no journal is named, and stays as it is."""

from __future__ import annotations

import os

import pytest

from exchange.errors import Code, Fault
from exchange.store.sqlite import SqliteStore


def test_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "journal.db"
    for raw in (os.urandom(8192), b"SQLite format 3\0" + bytes(200)):
        path.write_bytes(raw)
        for read_only in (True, False):
            with pytest.raises(Fault) as fault:
                SqliteStore.open(path, read_only=read_only)
            assert fault.value.code is Code.STORE_FAILED
            assert fault.value.facts["name"] == "journal.db"
        assert path.read_bytes() == raw
