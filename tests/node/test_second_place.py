"""What a node signed and shipped is remembered apart from its journal, and held against it."""

from __future__ import annotations

import shutil

import pytest

from exchange.errors import Code, Fault
from exchange.journal.checkpoint import parse
from exchange.store import shipped
from exchange.store.pledge import PledgeFile
from exchange.store.shipped import Known, ShippedFiles
from exchange.store.sqlite import SqliteStore
from tests.builders import WATCH, world
from tests.node.running import journal, post, running, until


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def pledge(tmp_path):
    return PledgeFile(tmp_path / "signed.note")


@pytest.fixture
def second(tmp_path):
    (tmp_path / "second").mkdir()
    return ShippedFiles(tmp_path / "second")


class Failing:
    """A pledge, or a second place, on a disk that is full for a while."""

    def __init__(self, inner):
        self.inner = inner
        self.is_full = True

    async def newest(self):
        return await self.inner.newest()

    async def keep(self, note):
        if self.is_full:
            raise Fault(Code.STORE_FAILED)
        await self.inner.keep(note)

    def size(self):
        return self.inner.size()

    def groups(self):
        return self.inner.groups()

    def claim(self, epoch):
        self.inner.claim(epoch)

    def append(self, groups):
        if self.is_full:
            raise Fault(Code.STORE_FAILED)
        self.inner.append(groups)


async def write(path, count=1, **settings):
    """Go on with a journal by so many bulletins; return its size."""
    async with running(SqliteStore.open(path), **settings) as node:
        for _ in range(count):
            await post(node, world().envelope(to=[WATCH]))
        if settings.get("pledge"):
            await node.checkpoints.checkpoint()
        if settings.get("second"):
            await until(lambda: node.shipped == node.size)
        return node.size


async def code_of_opening(path, **settings):
    with pytest.raises(Fault) as caught:
        await write(path, 0, **settings)
    return caught.value.code


# -- what was signed --------------------------------------------------------------------------


async def test_journal_replaced_by_an_older_copy_is_not_opened(path, pledge, tmp_path):
    await write(path, pledge=pledge)
    shutil.copy(path, tmp_path / "older.db")
    newer = await write(path, 5, pledge=pledge)
    # The older copy agrees with itself in everything: that more was signed is known elsewhere.
    shutil.copy(tmp_path / "older.db", path)
    with pytest.raises(Fault) as caught:
        await write(path, 0, pledge=pledge)
    assert caught.value.code is Code.JOURNAL_BEHIND
    assert caught.value.facts["expected"] == newer - 1


async def test_journal_that_was_lost_is_not_begun_anew(path, pledge):
    await write(path, pledge=pledge)
    path.unlink()
    assert await code_of_opening(path, pledge=pledge) is Code.JOURNAL_BEHIND


async def test_older_copy_that_grew_otherwise_is_not_opened(path, pledge, tmp_path):
    await write(path, pledge=pledge)
    shutil.copy(path, tmp_path / "older.db")
    await write(path, 2, pledge=pledge)
    shutil.copy(tmp_path / "older.db", path)
    await write(path, 9)
    assert await code_of_opening(path, pledge=pledge) is Code.STORE_FAILED


async def test_what_was_signed_and_altered_is_not_believed(path, pledge, tmp_path):
    await write(path, pledge=pledge)
    note = tmp_path / "signed.note"
    raw = note.read_bytes()
    size = parse(raw).size
    note.write_bytes(raw.replace(b"\n%d\n" % size, b"\n%d\n" % (size - 1)))
    assert await code_of_opening(path, pledge=pledge) is Code.BAD_CHECKPOINT


async def test_node_that_had_no_such_place_has_it_from_its_next_start(path, pledge):
    async with running(SqliteStore.open(path)) as node:
        note = await node.checkpoints.checkpoint()
    await write(path, 0)
    async with running(SqliteStore.open(path), pledge=pledge):
        assert await pledge.newest() == note


async def test_checkpoint_is_shown_to_nobody_before_it_is_kept(path, pledge):
    failing = Failing(pledge)
    async with running(SqliteStore.open(path), pledge=failing) as node:
        with pytest.raises(Fault):
            await node.checkpoints.checkpoint()
        assert (node.newest, await pledge.newest()) == (None, None)
        kinds = {type(each.facts).__name__ for each in await journal(node)}
        assert "Checkpointed" not in kinds
        failing.is_full = False
        note = await node.checkpoints.checkpoint()
        assert note == node.newest == await pledge.newest()


async def test_while_it_cannot_be_kept_one_checkpoint_is_begun_and_no_more(path, pledge):
    failing = Failing(pledge)
    async with running(SqliteStore.open(path), pledge=failing) as node:
        for _ in range(3):
            await post(node, world().envelope(to=[WATCH]))
            with pytest.raises(Fault):
                await node.checkpoints.checkpoint()
        failing.is_full = False
        note = await node.checkpoints.checkpoint()
        assert note == node.newest == await pledge.newest()
        kinds = [type(each.facts).__name__ for each in await journal(node)]
        assert (kinds.count("InboxHeads"), kinds.count("Checkpointed")) == (1, 1)
        # What came meanwhile is news, and is covered by the next.
        assert parse(await node.checkpoints.checkpoint()).size > parse(note).size + 2


# -- what was shipped -------------------------------------------------------------------------


async def test_all_that_is_durable_is_shipped_group_by_group(path, second):
    async with running(SqliteStore.open(path), second=second) as node:
        await post(node, world().envelope(to=[WATCH]))
        await until(lambda: node.shipped == node.size)
        groups = list(second.groups())
        assert [each for group in groups for each in group.entries] == [
            row.entry for row in await node.store.read(0, node.size)
        ]
        for group in groups:
            row = await node.store.group(group.first)
            assert (row.count, row.statement) == (len(group.entries), group.statement)


async def test_second_place_that_fails_holds_nobody_up_and_catches_up(path, second):
    failing = Failing(second)
    async with running(SqliteStore.open(path), second=failing) as node:
        await post(node, world().envelope(to=[WATCH]))
        await until(lambda: node.shipper.lag.is_failing)
        assert node.shipped == 0
        assert node.is_ready
        failing.is_full = False
        await until(lambda: node.shipped == node.size)
        assert not node.shipper.lag.is_failing


async def test_second_place_that_goes_away_is_not_told_to_have_what_it_has_not(
    path, second, tmp_path
):
    async with running(SqliteStore.open(path), second=second) as node:
        await until(lambda: node.shipped == node.size)
        # As when a disk is pulled: the folder of its mount is left, empty.
        disk = second._folder.rename(tmp_path / "pulled")
        second._folder.mkdir()
        await post(node, world().envelope(to=[WATCH]))
        await until(lambda: node.shipper.lag.is_failing)
        assert node.shipped < node.size
        assert list(second._folder.iterdir()) == []
        second._folder.rmdir()
        disk.rename(second._folder)
        await until(lambda: node.shipped == node.size)
        assert not node.shipper.lag.is_failing
        assert sum(len(group.entries) for group in second.groups()) == node.size


async def test_node_given_a_second_place_later_ships_all_from_the_first_entry(path, second):
    await write(path, 3)
    size = await write(path, 0, second=second)
    assert ShippedFiles(second._folder).size() == size


async def test_journal_shorter_than_what_was_shipped_is_not_opened(path, second, tmp_path):
    await write(path, second=second)
    shutil.copy(path, tmp_path / "older.db")
    await write(path, 2, second=second)
    shutil.copy(tmp_path / "older.db", path)
    before = path.read_bytes()
    assert await code_of_opening(path, second=second) is Code.JOURNAL_BEHIND
    assert path.read_bytes() == before


async def test_second_place_that_is_not_there_keeps_a_node_from_starting(path, tmp_path):
    gone = ShippedFiles(tmp_path / "unplugged")
    assert await code_of_opening(path, second=gone) is Code.STORE_FAILED


async def test_what_the_second_place_cannot_give_back_is_counted_no_more(
    path, second, monkeypatch
):
    monkeypatch.setattr(shipped, "FILE_BYTES", 1)
    await write(path, 2, second=second)
    first, gone, *_ = sorted(second._folder.iterdir())
    gone.unlink()
    readable = sum(len(group.entries) for group in second.groups())
    assert first.name < gone.name == f"{readable:015}.groups"
    async with running(SqliteStore.open(path), second=ShippedFiles(second._folder)) as node:
        await until(lambda: node.shipped == readable)
        assert node.shipper.lag.is_failing
        # It goes on all the same: what is shipped now may be needed.
        await post(node, world().envelope(to=[WATCH]))
        await until(lambda: node.shipper._shipped == node.size)
        assert node.shipped == readable


async def test_older_journal_is_no_reason_to_cut_off_what_stands_behind_damage(
    path, second, tmp_path
):
    await write(path, second=second)
    shutil.copy(path, tmp_path / "older.db")
    await write(path, 3, second=second)
    shutil.copy(tmp_path / "older.db", path)
    (file,) = second._folder.glob("*.groups")
    raw = bytearray(file.read_bytes())
    raw[100] ^= 1
    file.write_bytes(raw)
    again = ShippedFiles(second._folder)
    assert await code_of_opening(path, second=again) is Code.STORE_FAILED
    assert file.read_bytes() == raw


async def test_attempt_that_went_through_all_the_same_is_not_shipped_twice(path, second):
    class Deaf(Failing):
        """Writes, and says that it failed."""

        def append(self, groups):
            self.inner.append(groups)
            if self.is_full:
                raise Fault(Code.STORE_FAILED)

    deaf = Deaf(second)
    async with running(SqliteStore.open(path), second=deaf) as node:
        await post(node, world().envelope(to=[WATCH]))
        await until(lambda: node.shipper.lag.is_failing)
        deaf.is_full = False
        size = node.size
    assert second.size() == size
    assert sum(len(group.entries) for group in second.groups()) == size


# -- bookkeeping ------------------------------------------------------------------------------


async def test_a_node_that_only_keeps_books_writes_none(path, pledge, second):
    async with running(SqliteStore.open(path), pledge=pledge, second=second) as node:
        await node.checkpoints.checkpoint()
        size = node.size
        for _ in range(5):
            await node.checkpoints.checkpoint()
        assert node.size == size
        assert [type(each.facts).__name__ for each in await journal(node)][-1] == "Checkpointed"


# -- restored elsewhere -----------------------------------------------------------------------


async def test_node_that_was_restored_elsewhere_writes_no_more(path, second):
    async with running(SqliteStore.open(path), second=second) as node:
        await until(lambda: node.shipped == node.size)
        taken = ShippedFiles(second._folder)
        taken.claim(node.writer.epoch + 1)
        await post(node, world().envelope(to=[WATCH]))
        await until(lambda: not node.is_ready)
        with pytest.raises(Fault) as caught:
            await post(node, world().envelope(to=[WATCH]))
        assert caught.value.code is Code.NODE_REPLACED
        # Nothing was added to what belongs to the other one now.
        assert taken.size() == node.size - 1
    assert taken.size() == node.size - 1


async def test_node_that_was_restored_elsewhere_does_not_start_again(path, second):
    await write(path, second=second)
    ShippedFiles(second._folder).claim(7)
    before = path.read_bytes()
    assert await code_of_opening(path, second=second) is Code.NODE_REPLACED
    assert path.read_bytes() == before


async def test_second_place_is_the_node_s_again_at_each_start(path, second):
    await write(path, second=second)
    size = await write(path, second=second)
    assert second.size() == size
    assert (second._folder / "epoch").read_text() == "2\n"


def known_to(tmp_path, name="second", **changes):
    """The second place of that name, of a node that remembers to which one it shipped."""
    place = tmp_path / name
    place.mkdir(exist_ok=True)
    return ShippedFiles(place, Known(tmp_path / "shipped-to", name, **changes))


async def test_second_place_that_is_empty_all_at_once_is_not_begun_anew(path, tmp_path):
    size = await write(path, second=known_to(tmp_path))
    (tmp_path / "second").rename(tmp_path / "disk")
    before = path.read_bytes()
    # As the mount point is without its disk; what else lies there does not make it ours.
    for litter in ("lost+found", "purged"):
        second = known_to(tmp_path)
        (tmp_path / "second" / litter).mkdir()
        assert await code_of_opening(path, second=second) is Code.SECOND_PLACE_LOST
    assert path.read_bytes() == before
    assert {each.name for each in (tmp_path / "second").iterdir()} == {"lost+found", "purged"}
    shutil.rmtree(tmp_path / "second")
    (tmp_path / "disk").rename(tmp_path / "second")
    assert await write(path, second=known_to(tmp_path)) > size


async def test_second_place_is_begun_anew_when_an_operator_says_so_once(path, tmp_path):
    await write(path, second=known_to(tmp_path))
    shutil.rmtree(tmp_path / "second")
    size = await write(path, second=known_to(tmp_path, is_new=True))
    assert known_to(tmp_path).size() == size
    await write(path, second=known_to(tmp_path))
    shutil.rmtree(tmp_path / "second")
    assert await code_of_opening(path, second=known_to(tmp_path)) is Code.SECOND_PLACE_LOST


async def test_another_second_place_is_begun_at_its_name_and_known_from_then_on(path, tmp_path):
    await write(path, second=known_to(tmp_path))
    await write(path, second=known_to(tmp_path, "other"))
    shutil.rmtree(tmp_path / "other")
    second = known_to(tmp_path, "other")
    assert await code_of_opening(path, second=second) is Code.SECOND_PLACE_LOST


async def test_second_place_of_a_node_that_remembered_none_is_known_from_its_next_start(
    path, second, tmp_path
):
    await write(path, second=second)
    await write(path, second=known_to(tmp_path))
    shutil.rmtree(tmp_path / "second")
    assert await code_of_opening(path, second=known_to(tmp_path)) is Code.SECOND_PLACE_LOST


async def test_what_cannot_be_read_of_a_second_place_is_no_reason_to_begin_one(path, tmp_path):
    second = known_to(tmp_path)
    (tmp_path / "shipped-to").write_bytes(b"\xff")
    assert await code_of_opening(path, second=second) is Code.STORE_FAILED
    assert list((tmp_path / "second").iterdir()) == []


async def test_epoch_is_no_earlier_than_what_a_restored_node_is_told(path):
    async with running(SqliteStore.open(path), least_epoch=1_000) as node:
        assert node.writer.epoch == 1_000
    async with running(SqliteStore.open(path), least_epoch=1_000) as node:
        assert node.writer.epoch == 1_001
