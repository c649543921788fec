"""The three verifiers, asked alike: the exchange's own, the script, and the page's program."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import ModuleType
from typing import Any, Self

from exchange.evidence import judge
from tests.evidence.page import FOLDER, MADE
from tests.peers.javascript import NODE

HERE = Path(__file__).parent
HOLDS, UNANCHORED = "holds", "unanchored"


def own(raw: bytes, anchor: str | None) -> str:
    """The exchange's own: the first step that does not hold, or that all do."""
    report = judge.verify(raw, anchor)
    failed = [step.name for step in report.steps if step.verdict == "failed"]
    return failed[0] if failed else HOLDS if report.anchored else UNANCHORED


def load() -> ModuleType:
    """The script, in this process."""
    spec = importlib.util.spec_from_file_location("verify", FOLDER / "verify.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_SCRIPT = load()


def script(raw: bytes, anchor: str | None) -> str:
    """The script's: by its steps, without its words."""
    steps = _SCRIPT.steps(raw, anchor)
    for name in _SCRIPT.STEPS:
        try:
            next(steps)
        except Exception:  # noqa: BLE001  (as its own main does)
            return str(name)
    return HOLDS if anchor else UNANCHORED


class Page:
    """The page's own program in one Node.js, which answers a question a line."""

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        command = [NODE, HERE / "judge.mjs", MADE]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)  # the end of its input is the end of it

    def ask(self, **told: Any) -> Any:
        process = self._process
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(told) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    def __call__(self, raw: bytes, anchor: str | None) -> str:
        """Its verdict, as the others give theirs."""
        with NamedTemporaryFile() as file:
            file.write(raw)
            file.flush()
            told = self.ask(file=file.name, anchor=anchor)
        failed = [step["name"] for step in told["steps"] if step["verdict"] == "failed"]
        assert told["ok"] == (not failed)
        return str(failed[0]) if failed else HOLDS if told["isAnchored"] else UNANCHORED


class Alike:
    """What all three say of a package; it is an error if they do not say the same."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def __call__(self, raw: bytes, anchor: str | None) -> str:
        """The name of the first step that does not hold, or that it holds, and how."""
        said = {
            "own": own(raw, anchor),
            "script": script(raw, anchor),
            "page": self.page(raw, anchor),
        }
        assert len(set(said.values())) == 1, said
        return said["own"]
