"""However a program ends that runs a node for itself: the node ends with it."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import threading

from tests.cli.exercise import ROOT, Exercise

TIMEOUT_S = 60
# A program that runs a node, and is killed while it does.
KILLED = """
import os, signal, sys
from pathlib import Path
from exchange.cli.demo import running

with running(Path(sys.argv[1]), int(sys.argv[2]), dict(os.environ)):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_node_ends_when_the_program_that_started_it_is_killed(tmp_path):
    made = Exercise(tmp_path / "exercise")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(made.place.node), str(made.port)],
        env=made.environment(PYTHONPATH=str(ROOT)),
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    # Whoever writes the journal holds this lock; it is given back when the node has ended.
    with (made.place.node / "journal.db.lock").open("rb") as lock:
        ended = threading.Thread(target=fcntl.flock, args=(lock, fcntl.LOCK_EX), daemon=True)
        ended.start()
        ended.join(TIMEOUT_S)
        assert not ended.is_alive(), (made.place.node / "diary.log").read_text()
    assert '"event": "stopping"' in (made.place.node / "diary.log").read_text()
