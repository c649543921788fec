"""A witness in a process of its own, and an exercise whose journal it must cosign."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from exchange.cli import witness_state
from exchange.model.trust import ACCEPT_ALL, WhenUnwitnessed, Witnesses
from tests.cli.exercise import PASSPHRASE, ROOT, Exercise, free_port

if TYPE_CHECKING:
    from pathlib import Path


class Watch:
    """One witness; ``start`` and ``stop`` it as often as wanted."""

    def __init__(self, folder: Path, name: str = "us/witness") -> None:
        self.folder, self.port = folder, free_port()
        self.log = folder.with_name(f"{folder.name}.log")
        folder.mkdir()
        self.url = f"https://127.0.0.1:{self.port}"
        self.line = witness_state.found(folder, name, self.url, PASSPHRASE)
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def state(self) -> witness_state.WitnessState:
        return witness_state.WitnessState(self.folder)

    def serve(self, lines: list[str]) -> None:
        text = "".join(f"{line}\n" for line in [*lines, "quorum none"])
        (self.folder / witness_state.LOGS).write_text(text, encoding="utf-8")

    def start(self) -> None:
        """Start it, and return when it answers."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("EXCHANGE_")}
        words = ["witness", "up", "--state", str(self.folder)]
        with self.log.open("ab") as log:
            before = log.tell()
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "exchange",
                    *words,
                    f"--listen=127.0.0.1:{self.port}",
                ],
                env={**kept, "EXCHANGE_PASSPHRASE": PASSPHRASE, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )
        for _ in range(600):
            if b'"event": "ready"' in self.log.read_bytes()[before:]:
                return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Stop it; its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(how)
        code = self.process.wait(30)
        self.process = None
        return code


def agreed(
    *watches: Watch, limit_s: int = 4 * 3600, past: WhenUnwitnessed = ACCEPT_ALL
) -> Witnesses:
    """All of these are the quorum."""
    names = [each.name for each in watches]
    lines = [each.line for each in watches]
    return Witnesses([*lines, f"group all all {' '.join(names)}", "quorum all"], limit_s, past)


def watched(folder: Path, *watches: Watch, witnesses: Witnesses | None = None) -> Exercise:
    """An exercise that these witness; nothing is started."""
    made = Exercise(folder, witnesses=witnesses or agreed(*watches))
    lines = made.run("journal", "keys", "--state", str(made.place.node)).out.splitlines()
    for each in watches:
        each.serve(lines)
    return made
