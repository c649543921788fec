"""The newest signed checkpoint in a file of its own: whole, durable, its owner's alone."""

from __future__ import annotations

import os
import stat

import pytest

from exchange.errors import Fault
from exchange.store.pledge import PledgeFile


@pytest.fixture
def path(tmp_path):
    return tmp_path / "signed.note"


async def test_what_was_kept_last_is_found_by_another_process(path):
    assert await PledgeFile(path).newest() is None
    for note in (b"exercise note 1", b"exercise note 2"):
        await PledgeFile(path).keep(note)
    assert await PledgeFile(path).newest() == b"exercise note 2"
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert [each.name for each in path.parent.iterdir()] == [path.name]


async def test_what_is_kept_was_synced_before_it_took_its_place_and_then_the_folder(
    path, monkeypatch
):
    done = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: done.append(path.exists()) or sync(handle))
    await PledgeFile(path).keep(b"exercise note")
    assert done == [False, True]


async def test_file_left_half_written_by_a_kill_is_in_nobodys_way(path):
    await PledgeFile(path).keep(b"exercise note")
    path.with_name(f"{path.name}.new").write_bytes(b"exer")
    assert await PledgeFile(path).newest() == b"exercise note"
    await PledgeFile(path).keep(b"exercise note 2")
    assert await PledgeFile(path).newest() == b"exercise note 2"


async def test_place_that_cannot_be_read_or_written_is_a_fault(tmp_path):
    gone = PledgeFile(tmp_path / "unplugged" / "signed.note")
    with pytest.raises(Fault):
        await gone.keep(b"exercise note")
    (tmp_path / "folder").mkdir()
    with pytest.raises(Fault):
        await PledgeFile(tmp_path / "folder").newest()
