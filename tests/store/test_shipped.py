"""The second place: files that only grow, and what can be read of them after any damage."""

from __future__ import annotations

import os

import pytest

from exchange.errors import Fault
from exchange.node.ports import Shipped
from exchange.store import shipped
from exchange.store.shipped import ShippedFiles


def group(first, count=2):
    entries = [b"exercise entry %d" % (first + n) for n in range(count)]
    return Shipped(first, b"exercise statement", entries, [b"exercise body %d" % first])


def ours(folder):
    """The second place as the process uses it that ships there."""
    files = ShippedFiles(folder)
    files.claim(1)
    return files


GROUPS = [group(0), group(2), group(4)]


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def whole(folder):
    for each in GROUPS:
        ours(folder).append([each])
    (path,) = folder.glob("*.groups")
    return path


def read(folder):
    return list(ShippedFiles(folder).groups())


@pytest.mark.usefixtures("whole")
def test_groups_come_back_as_they_were_from_any_process(folder):
    assert read(folder) == GROUPS
    assert ShippedFiles(folder).size() == 6


def test_several_groups_are_added_at_once(folder):
    ours(folder).append(GROUPS)
    assert read(folder) == GROUPS


def test_group_that_does_not_follow_is_refused(folder, whole):
    before = whole.read_bytes()
    for first in (5, 7):
        with pytest.raises(Fault):
            ours(folder).append([group(first)])
    assert whole.read_bytes() == before


def test_what_was_torn_off_comes_again_in_its_place(folder, whole):
    raw = whole.read_bytes()
    first = len(raw) // 3
    for length in range(first, len(raw)):
        whole.write_bytes(raw[:length])
        assert read(folder) == GROUPS[: length // first]
    files = ours(folder)
    assert files.size() == 4
    files.append([group(4)])
    assert whole.read_bytes() == raw


def test_what_cannot_be_read_is_gone_once_something_follows(folder, whole):
    raw = whole.read_bytes()
    whole.write_bytes(raw[: 2 * len(raw) // 3] + bytes(4096))
    ours(folder).append(GROUPS[2:])
    assert whole.read_bytes() == raw


def test_any_flipped_bit_ends_what_is_read_and_nothing_altered_is(folder, whole):
    raw = whole.read_bytes()
    third = len(raw) // 3
    for place in range(len(raw)):
        whole.write_bytes(raw[:place] + bytes([raw[place] ^ 1 << place % 8]) + raw[place + 1 :])
        assert read(folder) == GROUPS[: place // third], place


def test_nothing_is_cut_off_behind_a_flipped_bit_with_a_whole_frame_behind_it(folder, whole):
    raw = whole.read_bytes()
    third = len(raw) // 3
    for place in range(len(raw)):
        flipped = raw[:place] + bytes([raw[place] ^ 1 << place % 8]) + raw[place + 1 :]
        whole.write_bytes(flipped)
        if place >= 2 * third:  # the last frame: as if it were torn, and it comes again
            assert ShippedFiles(folder).size() == 4, place
            continue
        with pytest.raises(Fault, match="damaged"):
            ShippedFiles(folder).size()
        with pytest.raises(Fault, match="damaged"):
            ours(folder).append(GROUPS[place // third :])
        assert whole.read_bytes() == flipped, place


def test_damage_in_an_earlier_file_ends_what_is_read_and_not_what_was_shipped(
    folder, monkeypatch
):
    monkeypatch.setattr(shipped, "FILE_BYTES", 1)
    files = ours(folder)
    for each in GROUPS:
        files.append([each])
    earlier = sorted(folder.glob("*.groups"))[1]
    raw = earlier.read_bytes()
    for damage in (lambda: earlier.write_bytes(raw[:-1] + b"x"), earlier.unlink):
        damage()
        assert (ShippedFiles(folder).size(), read(folder)) == (6, GROUPS[:1])


def test_frame_left_out_is_noticed(folder, whole):
    raw = whole.read_bytes()
    third = len(raw) // 3
    whole.write_bytes(raw[:third] + raw[2 * third :])
    assert read(folder) == GROUPS[:1]
    with pytest.raises(Fault, match="damaged"):
        ShippedFiles(folder).size()


def test_a_full_file_is_followed_by_another(folder, monkeypatch):
    monkeypatch.setattr(shipped, "FILE_BYTES", 1)
    files = ours(folder)
    files.append(GROUPS[:1])
    files.append(GROUPS[1:])
    assert len(list(folder.glob("*.groups"))) == 2
    assert read(folder) == GROUPS
    assert ShippedFiles(folder).size() == 6
    ours(folder).append([group(6)])
    assert read(folder) == [*GROUPS, group(6)]


def test_file_that_is_gone_from_the_middle_ends_what_is_read(folder, monkeypatch):
    monkeypatch.setattr(shipped, "FILE_BYTES", 1)
    files = ours(folder)
    for each in GROUPS:
        files.append([each])
    sorted(folder.glob("*.groups"))[1].unlink()
    assert read(folder) == GROUPS[:1]


def test_what_is_told_to_be_there_was_synced_file_and_folder(folder, monkeypatch):
    synced = []
    files, sync = ours(folder), os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(handle) or sync(handle))
    files.append(GROUPS[:1])
    assert len(synced) == 2
    files.append(GROUPS[1:])
    assert len(synced) == 3


def test_disk_that_is_not_there_is_not_made_up_for(tmp_path):
    with pytest.raises(Fault):
        ShippedFiles(tmp_path / "unplugged").size()
    assert not (tmp_path / "unplugged").exists()


def test_nothing_is_shipped_to_a_folder_that_nobody_claimed(folder, whole):
    before = whole.read_bytes()
    files = ours(folder)
    (folder / "epoch").unlink()
    for each in (files, ShippedFiles(folder)):
        with pytest.raises(Fault, match="not the one claimed"):
            each.append([group(6)])
    assert (list(folder.iterdir()), whole.read_bytes()) == ([whole], before)


def test_epoch_before_ours_is_another_place_too(folder, whole):
    files = ours(folder)
    files.claim(5)
    (folder / "epoch").write_bytes(b"4\n")
    before = whole.read_bytes()
    with pytest.raises(Fault, match="not the one claimed"):
        files.append([group(6)])
    assert whole.read_bytes() == before


def test_file_that_lost_what_was_shipped_is_not_gone_on_with(folder, whole):
    raw = whole.read_bytes()
    for damage in (lambda: whole.write_bytes(raw[:-1]), whole.unlink):
        whole.write_bytes(raw)
        files = ours(folder)
        assert files.size() == 6
        damage()
        with pytest.raises(Fault, match="second place"):
            files.append([group(6)])
        # Neither zeros up to where it was, nor a file that begins in its middle.
        assert [path.stat().st_size for path in folder.glob("*.groups")] in ([], [len(raw) - 1])


def test_what_survives_is_read_of_each_file_behind_a_damage_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr("exchange.store.shipped.FILE_BYTES", 1)
    place = ShippedFiles(tmp_path)
    place.claim(1)
    for first in range(3):
        place.append([Shipped(first, b"statement", [b"entry %d\n" % first], [])])
    (tmp_path / f"{1:015}.groups").write_bytes(b"damaged")
    assert [each.first for each in place.groups()] == [0]
    assert [each.first for each in place.surviving()] == [0, 2]
    assert [each.first for each in place.surviving(2)] == [2]
