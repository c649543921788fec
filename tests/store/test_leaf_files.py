"""Leaf hashes of another journal in a file: what was cut or altered is never given as kept."""

from __future__ import annotations

import os

import pytest

from exchange.errors import Code, Fault
from exchange.journal.tree import Frontier, leaf_hash
from exchange.store.leaf_files import LeafFile

LEAVES = [leaf_hash(b"entry %d" % each) for each in range(300)]


def edge(count):
    return Frontier().extend(LEAVES[:count])


@pytest.fixture
def file(tmp_path):
    made = LeafFile(tmp_path / "links", "pa")
    made.add(b"".join(LEAVES[:200]), edge(200), "note 200")
    made.add(b"".join(LEAVES[200:]), edge(300), "")
    made.vouch("note 150")
    return made


def again(file):
    return LeafFile(file.path.parent, "pa")


def test_what_was_added_is_recalled_whole(file):
    other = again(file)
    assert other.recall()
    assert other.frontier == edge(300)
    assert (other.reached.note, other.reached.vouched) == ("note 200", "note 150")
    assert b"".join(other.pieces(300)) == b"".join(LEAVES)


def test_nothing_is_recalled_before_anything_was_kept(tmp_path):
    assert not LeafFile(tmp_path / "links", "pa").recall()


def test_hashes_behind_what_was_reached_are_written_anew(file):
    with file.path.open("ab") as raw:
        raw.write(b"torn off")
    other = again(file)
    assert other.recall()
    more = leaf_hash(b"more")
    other.add(more, edge(300).extend([more]), "")
    third = again(file)
    assert third.recall()
    assert third.frontier.size == 301
    assert third.path.stat().st_size == 301 * 32


@pytest.mark.parametrize("change", ["cut", "altered", "no head", "another head"])
def test_what_is_damaged_is_not_recalled(file, change):
    head = file.path.with_name("pa.leaves.json")
    match change:
        case "cut":
            os.truncate(file.path, 299 * 32)
        case "altered":
            raw = bytearray(file.path.read_bytes())
            raw[17] ^= 1
            file.path.write_bytes(raw)
        case "no head":
            head.unlink()
        case _:
            head.write_bytes(b"{}")
    other = again(file)
    assert not other.recall()
    assert (other.frontier, other.reached.note) == (Frontier(), "")


def test_what_is_cleared_is_gone(file):
    file.clear()
    assert (file.frontier.size, file.reached.vouched) == (0, "")
    assert not again(file).recall()


def test_less_than_asked_for_is_a_fault(file):
    with pytest.raises(Fault) as caught:
        list(file.pieces(301))
    assert caught.value.code is Code.FILE


def test_nothing_is_added_where_the_disk_is_nearly_full(file, monkeypatch):
    found = os.statvfs(file.path)
    full = os.statvfs_result((*found[:4], 1, *found[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    with pytest.raises(Fault) as caught:
        file.add(LEAVES[0], edge(300).extend(LEAVES[:1]), "")
    assert caught.value.code is Code.STORE_FAILED
    assert file.frontier.size == 300


def test_it_takes_no_more_than_its_share_of_a_disk(file, monkeypatch):
    found = os.statvfs(file.path)
    # 2^31 bytes are free of a disk that has as many: the file may have 2^28.
    small = os.statvfs_result((1, 1, 2**31, 2**31, 2**31, *found[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: small)
    file.add(LEAVES[0], edge(300).extend(LEAVES[:1]), "")
    large = os.statvfs_result((1, 1, 301 * 32 * 8, 2**31, 2**31, *found[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: large)
    with pytest.raises(Fault):
        file.add(LEAVES[0], edge(300), "")
