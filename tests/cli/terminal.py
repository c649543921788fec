"""A person at a terminal: the command line in a process of its own, on a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

from tests.cli.exercise import ROOT

PATIENCE_S = 30


class Terminal:
    """A command that asks; what it shows is awaited, and what is typed ends with a newline."""

    def __init__(self, *words: str, **env: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("EXCHANGE_")}
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "exchange", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**kept, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "NO_COLOR": "1", **env},
            # No terminal but this one: else the prompt would open the tests' own.
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._ours)

    def answer(self, prompt: str, said: bytes) -> None:
        """Wait until this is shown, then type."""
        self._until(prompt.encode())
        os.write(self._ours, said + b"\n")

    def end(self) -> int:
        """Wait until the command ends; its exit code."""
        self._until(None)
        return self._process.wait(PATIENCE_S)

    def _until(self, wanted: bytes | None) -> None:
        end = time.monotonic() + PATIENCE_S
        while wanted is None or wanted not in self.shown:
            ready, _, _ = select.select([self._ours], [], [], max(0, end - time.monotonic()))
            assert ready, self.shown
            try:
                more = os.read(self._ours, 4096)
            except OSError:  # Linux's way to say that nobody has the other side any more
                more = b""
            if not more:
                assert wanted is None, self.shown
                return
            self.shown += more
        self.shown = self.shown.partition(wanted)[2] if wanted else self.shown
