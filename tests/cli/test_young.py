"""Files on their way: no other file is touched, and nothing stays but of whoever is at work."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from exchange.cli import young
from exchange.cli.carrying import _Files
from exchange.cli.usage import Unusable
from tests.cli.exercise import ROOT


def begun(files, number, happens):
    with files.begin(number) as made:
        made.write(b"exported")
        happens()


def fails():
    message = "full"
    raise OSError(message)


def test_an_export_neither_follows_nor_takes_away_what_lies_beside_it(tmp_path):
    file, theirs = tmp_path / "o.export", tmp_path / "theirs"
    theirs.write_bytes(b"EXERCISE")
    beside = tmp_path / "o.export.new"
    beside.symlink_to(theirs)
    files = _Files(file)
    begun(files, 0, lambda: None)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"exported", 0o600)
    assert (theirs.read_bytes(), beside.is_symlink()) == (b"EXERCISE", True)
    with pytest.raises(OSError, match="full"):
        begun(files, 1, fails)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        file.name,
        beside.name,
        "theirs",
    ]


def test_what_came_meanwhile_keeps_its_name_if_only_a_link(tmp_path):
    file = tmp_path / "o.export"
    with pytest.raises(Unusable):
        begun(_Files(file), 0, lambda: file.symlink_to(tmp_path / "nowhere"))
    assert list(tmp_path.iterdir()) == [file]
    assert not file.exists()


def test_full_disk_and_a_folder_that_is_not_there_are_told_by_the_name_asked_for(tmp_path):
    file, nowhere = tmp_path / "o.export", tmp_path / "none" / "o.export"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5, before[1]))
    try:
        with pytest.raises(OSError, match="large") as full:
            begun(_Files(file), 0, lambda: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with pytest.raises(FileNotFoundError) as lacking:
        begun(_Files(nowhere), 0, lambda: None)
    assert (full.value.filename, lacking.value.filename) == (str(file), str(nowhere))
    # What is read meanwhile keeps its own name.
    with pytest.raises(FileNotFoundError) as other, young.beside(file, "trying"):
        (tmp_path / "source").read_bytes()
    assert other.value.filename == str(tmp_path / "source")
    assert list(tmp_path.iterdir()) == []


# Killed while it writes.
DYING = """
import os, signal, sys
from pathlib import Path
from exchange.cli import young
with young.beside(Path(sys.argv[1]), "trying") as made:
    os.kill(os.getpid(), signal.SIGTERM)
"""


def test_what_a_killed_command_left_goes_and_what_another_writes_stays(tmp_path):
    theirs = tmp_path / ".o.trying-12345678"
    theirs.symlink_to(tmp_path / "theirs")
    (tmp_path / "theirs").write_bytes(b"EXERCISE")
    words = [sys.executable, "-P", "-c", DYING, str(tmp_path / "an older one")]
    subprocess.run(words, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith(".an older one.")]
    with young.beside(tmp_path / "o", "trying") as held:
        assert (len(left), young.clear(tmp_path, "trying")) == (1, left)
        assert (held.path.exists(), theirs.is_symlink()) == (True, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [theirs.name, "theirs"]
