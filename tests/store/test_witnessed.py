"""What a witness remembers: durable before it signs, and never less than it signed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from exchange.errors import Code, Fault
from exchange.journal.proofs import root_at
from exchange.journal.witness import Remembered
from exchange.node.witness import Witness
from exchange.store.witnessed import LOGS as FILES
from exchange.store.witnessed import MARKS, WitnessFiles
from tests.node.witnessed import FORKED, HONEST, LOGS, NOW, ORIGIN, OWN, asked, signed


@pytest.fixture
def folder(tmp_path):
    WitnessFiles.found(tmp_path)
    return tmp_path


def remembered(size):
    return Remembered(size, root_at(size, HONEST), signed(size), NOW)


def fault(folder):
    with pytest.raises(Fault) as caught:
        WitnessFiles.open(folder)
    return caught.value.code


async def test_what_is_remembered_is_found_by_another_process(folder):
    seven, eight = remembered(7), remembered(8)
    recall = WitnessFiles.open(folder)
    assert await recall.newest(ORIGIN) is None
    await recall.advance(ORIGIN, None, seven)
    await recall.advance(ORIGIN, seven, eight)
    await recall.close()
    recall = WitnessFiles.open(folder)
    assert await recall.newest(ORIGIN) == eight
    assert await recall.sizes() == {ORIGIN: 8}
    await recall.close()


async def test_only_what_was_compared_is_replaced(folder):
    seven, eight = remembered(7), remembered(8)
    recall = WitnessFiles.open(folder)
    await recall.advance(ORIGIN, None, seven)
    for before in (None, eight):
        with pytest.raises(Fault) as caught:
            await recall.advance(ORIGIN, before, eight)
        assert caught.value.code is Code.STORE_FAILED
    assert await recall.newest(ORIGIN) == seven
    await recall.close()


async def test_all_of_it_was_synced_when_it_is_remembered(folder, monkeypatch):
    synced = []
    sync = os.fsync
    monkeypatch.setattr(
        os,
        "fsync",
        lambda handle: (
            synced.append(Path(f"/proc/self/fd/{handle}").readlink()) or sync(handle)
        ),
    )
    recall = WitnessFiles.open(folder)
    await recall.advance(ORIGIN, None, remembered(7))
    await recall.close()
    names = [str(each.relative_to(folder)) for each in synced]
    assert names[1:] == [FILES, f"{MARKS}.new", "."]
    assert names[0].startswith(f"{FILES}/")


async def test_one_process_at_a_time_has_it(folder):
    recall = WitnessFiles.open(folder)
    assert fault(folder) is Code.JOURNAL_IN_USE
    await recall.close()
    await WitnessFiles.open(folder).close()


async def test_a_memory_put_back_from_an_older_copy_is_not_opened(folder):
    recall = WitnessFiles.open(folder)
    await recall.advance(ORIGIN, None, remembered(7))
    (file,) = (folder / FILES).iterdir()
    older = file.read_bytes()
    await recall.advance(ORIGIN, remembered_in(older), remembered(8))
    await recall.close()
    file.write_bytes(older)
    assert fault(folder) is Code.WITNESS_BEHIND
    file.unlink()
    assert fault(folder) is Code.WITNESS_BEHIND


def remembered_in(raw):
    return msgspec.json.decode(raw, type=Remembered)


async def test_a_memory_that_is_gone_is_not_begun_anew(folder):
    (folder / MARKS).unlink()
    assert fault(folder) is Code.WITNESS_BEHIND


async def test_a_damaged_memory_is_not_begun_anew(folder):
    recall = WitnessFiles.open(folder)
    await recall.advance(ORIGIN, None, remembered(7))
    await recall.close()
    (file,) = (folder / FILES).iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    assert fault(folder) is Code.STORE_FAILED


def test_a_witness_that_is_killed_before_any_of_its_lines_cosigns_no_two_pasts(tmp_path):
    words = [sys.executable, "-P", "-m", "tests.store.dying_witness", str(tmp_path)]
    ran = subprocess.run(words, check=True, capture_output=True, timeout=300, text=True)
    lines = int(ran.stdout)
    assert lines > 20
    outs = [asyncio.run(after_the_kill(tmp_path / str(number))) for number in range(lines + 1)]
    # Some died before the other past could be ruled out, and some afterwards.
    assert set(outs) == {True, False}


async def after_the_kill(folder):
    """Ask for another past, then for the first one; return whether the first was bound to."""
    was_sent = (folder / "out").exists()
    recall = WitnessFiles.open(folder)
    witness = Witness(LOGS, OWN, recall, lambda: NOW * 1000)
    is_bound = (await recall.newest(ORIGIN)).size == 20
    assert is_bound or not was_sent
    other = await witness.add(asked(7, 21, FORKED).encode())
    assert other.status == (409 if is_bound else 200)
    if is_bound:
        assert (await witness.add(asked(20, 30).encode())).status == 200
    await recall.close()
    return is_bound
