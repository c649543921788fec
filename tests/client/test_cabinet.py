"""The cabinet: durable, sealed row by row, and telling nothing to who has only the disk."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import pytest

from exchange.client import losses
from exchange.client.cabinet import FILE, Cabinet
from exchange.client.losses import Loss
from exchange.errors import Code, Fault
from tests.builders import Randomness
from tests.client.dealing import STORAGE, cabinet

DAY = 86_400


@pytest.fixture
def kept(tmp_path):
    with closing(cabinet(tmp_path / "mail")) as made:
        yield made


def rows(kept):
    """The file, as somebody has it who has nothing else."""
    return closing(sqlite3.connect(kept.folder / FILE, isolation_level=None))


def on_disk(kept):
    return b"".join(each.read_bytes() for each in kept.folder.iterdir())


def code_of(call, *args):
    with pytest.raises(Fault) as caught:
        call(*args)
    return caught.value.code


def test_row_comes_back_to_the_next_command(kept, tmp_path):
    kept.put("drawer", "name", b"value")
    kept.close()
    with closing(cabinet(tmp_path / "mail")) as again:
        assert again.get("drawer", "name") == b"value"
        assert again.get("drawer", "other") is None
        assert again.get("other", "name") is None


def test_what_is_on_disk_tells_neither_names_nor_values(kept):
    kept.put("drawer", "name-of-it", b"value-of-it", 5 * DAY + 777)
    found = on_disk(kept)
    assert b"name-of-it" not in found
    assert b"value-of-it" not in found
    with rows(kept) as file:
        # The day on which it goes, not the second.
        assert file.execute("SELECT drawer, due FROM row").fetchall() == [("drawer", 5)]


def test_same_value_is_sealed_otherwise_each_time(kept):
    seen = set()
    for _ in range(2):
        kept.put("drawer", "name", b"value")
        with rows(kept) as file:
            seen |= set(file.execute("SELECT sealed FROM row").fetchall())
    assert len(seen) == 2


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE row SET sealed = (SELECT sealed FROM row WHERE seq = 2) WHERE seq = 1",
        "UPDATE row SET drawer = 'third' WHERE seq = 1",
        "UPDATE row SET sealed = substr(sealed, 1, 8) WHERE seq = 1",
    ],
    ids=["another row's", "another drawer's", "cut short"],
)
def test_row_in_the_place_of_another_is_damage_and_not_a_value(kept, change):
    kept.put("drawer", "one", b"1")
    kept.put("drawer", "two", b"2")
    kept.close()
    with rows(kept) as file:
        file.execute(change)
    drawer = "third" if "third" in change else "drawer"
    assert code_of(kept.rows, drawer) is Code.MAIL_DAMAGED
    assert kept.get("drawer", "two") == b"2"


def test_column_of_one_name_does_not_pass_for_another_of_the_same_row_name(kept):
    kept.put("one", "name", b"1")
    kept.put("two", "name", b"2")
    with rows(kept) as file:
        (named, sealed) = file.execute("SELECT name, sealed FROM row WHERE seq = 1").fetchone()
        file.execute("UPDATE row SET name = ?, sealed = ? WHERE seq = 2", (named, sealed))
    assert code_of(kept.rows, "two") is Code.MAIL_DAMAGED


def test_change_is_all_or_nothing(kept):
    kept.put("drawer", "before", b"0")

    def broken():
        with kept.change():
            kept.put("drawer", "one", b"1")
            kept.drop("drawer", "before")
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert kept.sound("drawer")[0] == [b"0"]
    with kept.change(), kept.change():
        kept.put("drawer", "one", b"1")
    assert kept.sound("drawer")[0] == [b"0", b"1"]


def test_rows_stay_in_the_order_in_which_they_came_also_when_written_anew(kept):
    for name in ("b", "a", "c"):
        kept.put("drawer", name, name.encode())
    kept.put("drawer", "b", b"B")
    kept.add("drawer", "a", b"never")
    assert kept.sound("drawer")[0] == [b"B", b"a", b"c"]


def test_row_goes_at_its_second_and_leaves_nothing_on_disk(kept):
    until = 5 * DAY + 777
    kept.put("drawer", "name", b"v" * 9000, until)
    kept.put("drawer", "stays", b"s")
    with rows(kept) as file:
        (sealed,) = file.execute("SELECT sealed FROM row WHERE seq = 1").fetchone()
    assert kept.take_overdue("drawer", until - 1) == ([], [])
    assert kept.take_overdue("drawer", until) == ([b"v" * 9000], [])
    kept.sweep()
    assert sealed[:64] not in on_disk(kept)
    assert sealed[5000:5064] not in on_disk(kept)
    assert kept.sound("drawer")[0] == [b"s"]


def moved(kept, day):
    with rows(kept) as file:
        file.execute("UPDATE row SET due = ?", (day,))


@pytest.mark.parametrize("day", [1, 900, None], ids=["early", "late", "never"])
def test_day_in_the_clear_that_was_moved_is_damage_until_it_is_put_right(kept, day):
    kept.put("drawer", "name", b"value", 500 * DAY)
    moved(kept, day)
    assert code_of(kept.get, "drawer", "name") is Code.MAIL_DAMAGED
    assert kept.sound("drawer")[0] == []
    assert kept.set_days_right() == 1
    assert kept.get("drawer", "name") == b"value"
    assert kept.set_days_right() == 0
    assert kept.take_overdue("drawer", 500 * DAY) == ([b"value"], [])


def test_row_without_a_time_that_was_given_one_is_damage_and_stays_once_put_right(kept):
    kept.put("drawer", "name", b"value")
    moved(kept, 1)
    assert code_of(kept.get, "drawer", "name") is Code.MAIL_DAMAGED
    assert kept.set_days_right() == 1
    assert kept.take_overdue("drawer", 1 << 40) == ([], [])


def spoilt(kept, name, drawer="drawer"):
    with rows(kept) as file:
        file.execute(
            "UPDATE row SET sealed = zeroblob(60) WHERE name = ?",
            (kept.seal.name(drawer, name),),
        )


def test_damaged_row_that_is_overdue_goes_and_keeps_no_other_here(kept):
    for name in ("one", "two", "three"):
        kept.put("drawer", name, name.encode(), 5 * DAY)
    kept.put("drawer", "later", b"later", 9 * DAY)
    spoilt(kept, "two")
    spoilt(kept, "later")
    assert kept.take_overdue("drawer", 6 * DAY) == (
        [b"one", b"three"],
        [kept.seal.name("drawer", "two")],
    )
    with rows(kept) as file:
        assert file.execute("SELECT due FROM row").fetchall() == [(9,)]


def test_damaged_row_that_can_be_had_again_is_dropped_and_told_of(kept):
    told = []
    kept.on_loss = told.append
    kept.put("drawer", "one", b"1")
    spoilt(kept, "one")
    assert kept.get_sound("drawer", "one") is None
    assert not kept.has("drawer", "one")
    assert told == losses.listed(kept) == [Loss("drawer", "again")]


def test_torn_file_is_no_damaged_row_to_be_dropped(kept):
    for number in range(40):
        kept.put("drawer", f"{number}", bytes(1000))
    kept.close()
    file = kept.folder / FILE
    data = file.read_bytes()
    file.write_bytes(data[:4096] + b"x" * (len(data) - 4096))
    assert code_of(kept.get_sound, "drawer", "1") is Code.MAIL_DAMAGED


def test_what_is_put_aside_stays_as_it_is(kept):
    kept.put("drawer", "one", b"1")
    spoilt(kept, "one")
    kept.put_aside("drawer", kept.sound("drawer")[1])
    assert kept.sound("drawer") == ([], [])
    with rows(kept) as file:
        assert file.execute("SELECT drawer, sealed FROM row").fetchall() == [
            ("aside.drawer", bytes(60))
        ]


def test_loss_is_listed_for_a_month_from_when_it_is_first_seen(kept):
    kept.lose(Loss("drawer", "again"))
    losses.age(kept, 100 * DAY)
    losses.age(kept, 129 * DAY)
    assert losses.listed(kept) == [Loss("drawer", "again")]
    losses.age(kept, 130 * DAY)
    assert losses.listed(kept) == []


def test_every_commit_is_synced_and_what_is_deleted_is_overwritten(kept):
    kept.put("drawer", "name", b"value")
    told = [
        kept._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "secure_delete")
    ]
    assert told == ["wal", 2, 1]


def test_only_its_owner_may_read_it(kept):
    kept.put("drawer", "name", b"value")
    assert {each.stat().st_mode & 0o077 for each in kept.folder.iterdir()} == {0}
    assert kept.folder.stat().st_mode & 0o077 == 0


def test_file_opens_with_any_of_the_keys_and_with_no_other(kept):
    kept.put("drawer", "name", b"value")
    with closing(Cabinet(kept.folder, [bytes(32), STORAGE], os.urandom)) as several:
        assert several.get("drawer", "name") == b"value"
    for keys in ([bytes(32)], []):
        other = Cabinet(kept.folder, keys, os.urandom)
        assert code_of(other.get, "drawer", "name") is Code.MAIL_LOCKED


def test_what_is_no_cabinet_is_not_written_to(tmp_path):
    tmp_path.joinpath(FILE).write_bytes(b"no database, and somebody's all the same")
    made = cabinet(tmp_path)
    assert code_of(made.put, "drawer", "name", b"") is Code.MAIL_DAMAGED
    assert b"somebody's" in tmp_path.joinpath(FILE).read_bytes()
    made = cabinet(tmp_path / FILE)
    assert code_of(made.put, "drawer", "name", b"") is Code.MAIL_FAILED


def test_file_that_is_torn_is_damage_that_no_free_space_mends(kept):
    for number in range(40):
        kept.put("drawer", f"{number}", bytes(1000))
    kept.close()
    file = kept.folder / FILE
    data = file.read_bytes()
    file.write_bytes(data[:4096] + b"x" * (len(data) - 4096))
    assert code_of(kept.rows, "drawer") is Code.MAIL_DAMAGED


def test_other_programs_database_is_not_written_to(tmp_path):
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.commit()
    assert code_of(cabinet(tmp_path).get, "drawer", "name") is Code.MAIL_FAILED


def test_file_of_a_newer_version_is_not_touched(kept):
    kept.put("drawer", "name", b"value")
    kept.close()
    with rows(kept) as file:
        file.execute("PRAGMA user_version = 2")
    assert code_of(kept.get, "drawer", "name") is Code.MAIL_FAILED


def test_two_commands_write_one_after_the_other(kept):
    other = Cabinet(kept.folder, [STORAGE], Randomness("other"))
    for number in range(20):
        (kept if number % 2 else other).put("drawer", f"{number}", b"%d" % number)
    assert len(kept.sound("drawer")[0]) == len(other.sound("drawer")[0]) == 20
    other.close()


def test_write_that_fails_is_a_fault_and_changes_nothing(kept):
    kept.put("drawer", "name", b"value")
    kept._connection.execute("PRAGMA max_page_count = 8")
    assert code_of(kept.put, "drawer", "more", bytes(1_000_000)) is Code.MAIL_FAILED
    assert kept.sound("drawer")[0] == [b"value"]
