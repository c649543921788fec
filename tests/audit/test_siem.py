"""A SIEM gets each entry once, whatever becomes of who writes, in a form that it reads."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time

import msgspec
import pytest

from exchange.audit import siem
from exchange.audit.index import Index
from exchange.audit.rows import Row
from exchange.cli.benching.auditing import MadeUp
from exchange.errors import Fault, Refusal
from tests.audit.made import Made, index_of
from tests.builders import AUDIT, DESK

SIZE = 9000


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    path = tmp_path_factory.mktemp("siem") / "x.index"
    with Index.open(path) as index:
        index.fold(MadeUp(SIZE), lambda *_: None)
    return path


def write(path, folder, form="jsonl", **given):
    with Index.open(path, read_only=True) as index:
        (journal,) = index.journals()
        return siem.export(index, journal, folder, form, lambda *_: None, **given)


def written(folder, form="jsonl"):
    """Which entry each line is of, over all files in the order of their names."""
    lines = [
        line
        for path in sorted(folder.glob(f"*.{form}"))
        for line in path.read_bytes().splitlines()
    ]
    if form == "jsonl":
        return [json.loads(line)["entry"] for line in lines]
    return [int(re.search(rb" externalId=(\d+) ", line)[1]) for line in lines]


@pytest.mark.parametrize("form", ["jsonl", "cef"])
def test_every_entry_is_written_once_in_files_of_bounded_size(indexed, tmp_path, form):
    assert write(indexed, tmp_path, form, max_bytes=100_000) == SIZE
    assert written(tmp_path, form) == list(range(SIZE))
    files = sorted(tmp_path.iterdir())
    assert len(files) > 10
    assert all(file.stat().st_size < 102_000 for file in files)
    assert write(indexed, tmp_path, form, max_bytes=100_000) == 0


@pytest.mark.parametrize("form", ["jsonl", "cef"])
@pytest.mark.parametrize("cut", [1, 40, 100_000])
def test_line_that_was_not_written_whole_is_written_again(indexed, tmp_path, form, cut):
    write(indexed, tmp_path, form, max_bytes=100_000)
    file = max(tmp_path.iterdir())
    with file.open("r+b") as torn:
        torn.truncate(max(0, file.stat().st_size - cut))
    assert write(indexed, tmp_path, form, max_bytes=100_000) > 0
    assert written(tmp_path, form) == list(range(SIZE))


def test_what_an_auditor_was_shown_has_its_fields(tmp_path):
    made = Made()
    at = made.shown(7)
    with index_of(tmp_path / "x.index", made) as index:
        (journal,) = index.journals()
        row = index.row(journal, at)
    assert ("endpoint", AUDIT) in row.facets()
    assert (row.outcome, row.shown) == (("read",), 7)
    line = siem.cef_line(row)
    assert f"suser={AUDIT} msg=entries 0-0x7 tiles 0-0x1000000 " in line
    assert f"start={made.ms - 60_000} end={made.ms} " in line
    told = json.loads(siem.json_line(row))
    assert told["reads"] == [["entries", "0-0x7"], ["tiles", "0-0x1000000"]]


KILLED = """
import sys
from pathlib import Path
from exchange.audit import siem
from exchange.audit.index import Index
with Index.open(Path(sys.argv[1]), read_only=True) as index:
    (journal,) = index.journals()
    siem.export(index, journal, Path(sys.argv[2]), "jsonl", lambda *_: None, 50_000)
"""


def test_killed_while_writing_leaves_nothing_out_and_doubles_nothing(indexed, tmp_path):
    kills = 0
    for lines in range(500, SIZE, 1500):
        running = subprocess.Popen([sys.executable, "-c", KILLED, indexed, tmp_path])
        deadline = time.monotonic() + 60
        while sum(1 for _ in tmp_path.iterdir()) * 100 < lines and running.poll() is None:
            assert time.monotonic() < deadline
        if running.poll() is None:
            os.kill(running.pid, signal.SIGKILL)
        kills += running.wait() == -signal.SIGKILL
    assert kills
    write(indexed, tmp_path, max_bytes=50_000)
    assert written(tmp_path) == list(range(SIZE))


def test_another_journal_is_never_added_to_what_is_there(indexed, tmp_path):
    other = Made("us")
    for _ in range(3):
        other.refused()
    with index_of(tmp_path / "o.index", other):
        pass
    folder = tmp_path / "siem"
    folder.mkdir()
    write(tmp_path / "o.index", folder)
    with pytest.raises(Refusal) as refused:
        write(indexed, folder)
    assert (refused.value.code, refused.value.facts["found"]) == ("mirror-mismatch", 3)
    assert written(folder) == [0, 1, 2, 3]


@pytest.mark.parametrize("form", ["jsonl", "cef"])
def test_after_an_entry_that_cannot_be_read_it_goes_on(tmp_path, form):
    made = Made("pa")
    made.entries.append(b"no entry\n")
    folder = tmp_path / "siem"
    folder.mkdir()
    for new in (2, 1, 0):
        with index_of(tmp_path / "o.index", made):
            pass
        assert write(tmp_path / "o.index", folder, form) == new
        if new == 2:
            made.refused()


def test_two_at_once_do_not_write_into_one_folder(indexed, tmp_path):
    """Both would go on from the same line, and each write the next."""
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(Fault) as fault:
        write(indexed, tmp_path)
    assert (fault.value.code, fault.value.facts["name"]) == ("export-in-use", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    os.close(other)
    assert write(indexed, tmp_path) == SIZE


@pytest.mark.parametrize(
    ("form", "said", "digest"),
    [
        ("jsonl", (b'"kind":', b'"new":"","kind":'), (b'"digest":"', b'"digest":"x')),
        ("cef", (b"|broker|1|", b"|broker|2|"), (b" fileHash=", b" fileHash=x")),
    ],
)
def test_line_of_another_release_is_gone_on_from_and_of_another_entry_is_not(
    tmp_path, form, said, digest
):
    made = Made("pa")
    made.bulletin(to=[DESK])
    folder = tmp_path / "siem"
    folder.mkdir()
    with index_of(tmp_path / "o.index", made):
        pass
    for change, code in ((said, None), (digest, "mirror-mismatch")):
        write(tmp_path / "o.index", folder, form)
        (file,) = folder.iterdir()
        whole, _, last = file.read_bytes()[:-1].rpartition(b"\n")
        file.write_bytes(whole + b"\n" + last.replace(*change, 1) + b"\n")
        assert last.replace(*change, 1) != last
        if code is None:
            assert write(tmp_path / "o.index", folder, form) == 0
            file.unlink()
        else:
            with pytest.raises(Refusal, match=code):
                write(tmp_path / "o.index", folder, form)


def parsed(line):
    """A CEF line as ArcSight's rules split it."""
    fields = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
    pairs = re.findall(r"(\w+)=((?:[^=\\]|\\.)*?)(?= \w+=|$)", fields[7])
    unescaped = {
        key: value.replace("\\n", "\n").replace("\\=", "=").replace("\\\\", "\\")
        for key, value in pairs
    }
    return fields[:7], unescaped


def test_nothing_that_somebody_wrote_breaks_out_of_its_field():
    row = Row(
        "pa", 7, 1000, "refused", ("a|b\\",), "x=y", endpoint="a b=c\\d|e", rule="one\ntwo",
        policy=3, id="01",
    )  # fmt: skip
    line = siem.cef_line(row)
    assert "\n" not in line
    assert line.startswith("CEF:0|exchange|broker|1|refused|refused a\\|b\\\\|5|rt=1000 ")
    head, said = parsed(line)
    assert head[:3] == ["CEF:0", "exchange", "broker"]
    assert (said["reason"], said["suser"], said["msg"]) == ("x=y", "a b=c\\d|e", "one\ntwo")
    assert (said["cn1Label"], said["cn1"], said["cs1Label"]) == ("arrangement", "3", "bulletin")
    assert "\\r" in siem.cef_line(msgspec.structs.replace(row, rule="a\rb"))


def test_keys_that_are_not_valid_weigh_more_than_a_misspelt_feed():
    made = Made()
    made.bulletin(to=[DESK])

    def severity(code):
        return int(parsed(siem.cef_line(Row("pa", 1, 1, "refused", (), code)))[0][6])

    assert severity("key-not-valid") > severity("unknown-feed") > 1


def test_lines_have_what_rows_have_and_no_more():
    row = Row("pa", 7, 1000, "accepted", ("accepted",), type="voi", to=("us.jiatfs/watch",))
    told = json.loads(siem.json_line(row))
    assert told == {
        "node": "pa", "entry": 7, "taken_ms": 1000, "kind": "accepted",
        "outcome": ["accepted"], "type": "voi", "to": ["us.jiatfs/watch"],
    }  # fmt: skip
