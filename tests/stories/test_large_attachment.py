"""A promise to a ship's small machine: 100 MB pass in memory that does not grow with them."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.exercise import OPS, ROOT, WATCH, Exercise
from tests.stories.bounded import address_space

SIZE = 100_000_000
# Less than the file, more than opening a key container takes (64 MiB, by Argon2id).
MIB = 88


@pytest.fixture
def exercise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A node whose threads take little room, whenever they start: what grows is looked at."""
    made = Exercise(tmp_path / "exercise")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    stack = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, stack[1]))
    made.start()
    resource.setrlimit(resource.RLIMIT_STACK, stack)
    yield made
    assert made.stop() == 0, made.log.read_text()


def bounded(exercise: Exercise, mib: int, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.stories.bounded", str(mib), *words],
        env=exercise.environment(PYTHONPATH=str(ROOT), MALLOC_ARENA_MAX="1"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def told(ran: subprocess.CompletedProcess[str]) -> Any:
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def processes(exercise: Exercise) -> list[int]:
    """The node's own process and its fronts."""
    assert exercise.node is not None
    first = exercise.node.pid
    children = Path(f"/proc/{first}/task/{first}/children").read_text("ascii").split()
    return [first, *map(int, children)]


def test_client_node_and_reader_pass_100_mb_in_less(exercise: Exercise, tmp_path: Path) -> None:
    small, large = tmp_path / "small.bin", tmp_path / "large.bin"
    small.write_bytes(b"EJERCICIO")
    with large.open("wb") as file:
        file.truncate(SIZE)

    def post(path: Path) -> Any:
        words = ("--context", OPS, "post", exercise.draft(), "--yes", "--json")
        return told(bounded(exercise, MIB, *words, "--attach", str(path)))

    # Once, so that every part of the node has begun; then none of it may grow by the file.
    post(small)
    for process in processes(exercise):
        most = address_space(process) + MIB * 1024 * 1024
        resource.prlimit(process, resource.RLIMIT_AS, (most, most))
    receipt = post(large)
    read = ("--context", WATCH, "read", receipt["id"], "--json", "--save", str(tmp_path / "in"))
    (tmp_path / "in").mkdir()
    (saved,) = told(bounded(exercise, MIB, *read))["saved"]
    assert Path(saved).stat().st_size == SIZE
    with Path(saved).open("rb") as found:
        assert not any(any(piece) for piece in iter(lambda: found.read(1 << 20), b""))


def test_the_bound_binds(exercise: Exercise) -> None:
    """Else the test above would show nothing."""
    ran = bounded(exercise, 8, "--context", OPS, "outbox", "--resume")
    assert ran.returncode != 0
