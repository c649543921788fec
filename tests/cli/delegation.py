"""People who share nothing but files: each with a machine of their own, and a stick."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cli.exercise import ROOT, Ran

TEMPLATES = ROOT / "keys" / "templates"
PATIENCE_S = 60


class Person:
    """One machine: a folder that no other process is told of, and a passphrase of its own."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.folder = root / name
        self.folder.mkdir(parents=True)
        (self.folder / "home").mkdir()

    def environment(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("EXCHANGE_")}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "EXCHANGE_PASSPHRASE": f"{self.name}'s own passphrase",
            "EXCHANGE_HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            **more,
        }

    def run(self, *words: str, stdin: str = "", **env: str) -> Ran:
        """Run a command in a process of its own, here."""
        ran = subprocess.run(
            [sys.executable, "-P", "-m", "exchange", *words],
            cwd=self.folder,
            env=self.environment(**env),
            input=stdin.encode(),
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())

    def does(self, *words: str, stdin: str = "", **env: str) -> Any:
        """Run a command that must go through; what it says, as JSON."""
        ran = self.run(*words, "--json", stdin=stdin, **env)
        assert ran.code == 0, (self.name, words, ran.out, ran.err)
        return json.loads(ran.out)

    def refused(self, *words: str) -> str:
        """Run a command that must be refused; the code that it is refused with."""
        ran = self.run(*words, "--json")
        assert ran.code == 1, (self.name, words, ran.out, ran.err)
        return str(json.loads(ran.out)["error"]["code"])

    def give(self, other: Person, *names: str) -> None:
        """Carry files or folders to another machine, by stick; nothing there is in the way."""
        for name in names:
            there = other.folder / name
            if (self.folder / name).is_dir():
                shutil.copytree(self.folder / name, there, dirs_exist_ok=True)
            else:
                assert not there.exists() or there.read_bytes() == self.read(name), there
                shutil.copyfile(self.folder / name, there)

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()
