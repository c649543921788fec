"""Two officers on watch as they are in earnest: a node, two machines, two desks, all programs.

Each machine is a folder and processes of its own. One endpoint is there from the founding on;
the other is let in by an invitation, as the ceremony has it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from exchange.custody.founding import EndpointPlan, MemberPlan
from tests.cli.delegation import Person
from tests.cli.exercise import _LABEL, OPS, ROOT, Exercise, Ran
from tests.cli.test_keys import custodians

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exchange.model.codes import Lang

NEW = "pa.senan/guardia"
_SECOND = "pa.minseg-second"


class Machine(Person):
    """Where an endpoint of the founding is at home: its context, and keys of its own."""

    def __init__(self, root: Path, name: str, made: Exercise) -> None:
        super().__init__(root, name)
        self._made = made

    def environment(self, **more: str) -> dict[str, str]:
        return self._made.environment(PYTHONPATH=str(ROOT), EXCHANGE_CONTEXT=self.name, **more)


def founded(folder: Path) -> Exercise:
    """An exercise with two operators in Panama, so that one may approve what one invited."""
    endpoint = EndpointPlan("pa.minseg/second", _LABEL, ("operator",))
    more = (MemberPlan("pa.minseg", _LABEL, (endpoint,)),)
    return Exercise(folder, feeds=("maritime", "requests"), more=more)


def apart(run: Callable[..., Ran], *words: str) -> Ran:
    """Run a command beside a browser: Playwright's own loop goes round in this thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run, *words).result()


def enrol(made: Exercise, machine: Person) -> dict[str, Any]:
    """Let the new endpoint in, step by step; how it stands at last."""

    def operator(context: str, *words: str) -> Any:
        ran = apart(made.at, context, *words, "--json")
        assert ran.code == 0, ran.out
        return ran.json

    given = operator(OPS, "invite", NEW, "--officer", "ana")
    asked = machine.does("enrol", given["link"], "--anchor", given["words"]["es"])
    assert asked["state"] == "waiting"
    file, document = made.folder / "new.request", made.folder / "member.trust"
    words = ("approve", NEW, "--officer", "luis", "--out", str(file), "--yes")
    approved = operator(_SECOND, *words)
    assert approved["words"] == asked["words"]
    title = ("--title-es", "EJERCICIO: guardia", "--title-en", "EXERCISE: watch")
    roles = ("--role", "poster", "--role", "reader")
    by = tuple(map(str, custodians(made, "pa")))
    admit = ("keys", "admit", str(file), "--out", str(document), "--yes")
    admitted = operator(OPS, *admit, *title, *roles, *by)
    assert admitted["words"] == asked["words"]
    operator(OPS, "keys", "publish", str(document))
    return dict(machine.does("enrol", given["link"]))


@contextmanager
def desk(machine: Person, lang: Lang) -> Iterator[str]:
    """Open an officer's desk; the link that it prints."""
    with (machine.folder / "desk.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "exchange", "--lang", lang, "desk", "--json"],
            cwd=machine.folder,
            env=machine.environment(),
            stdout=subprocess.PIPE,
            stderr=log,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (machine.folder / "desk.log").read_text()
            yield json.loads(line)["desk"]
        finally:
            process.terminate()
            process.communicate(timeout=30)
