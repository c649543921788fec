"""An exercise on disk, its node in a process of its own, and the command line to use it."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from click.testing import CliRunner

from exchange import resources
from exchange.cli import found
from exchange.cli.home import MAIL, Home
from exchange.cli.main import cli
from exchange.client.cabinet import Cabinet
from exchange.custody import ring
from exchange.custody.founding import SUITE, EndpointPlan, MemberPlan
from exchange.model.bulletin import TYPES
from exchange.model.identity import SuiteId
from exchange.model.trust import Label, Role, Witnesses

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PASSPHRASE = "exercise passphrase"  # noqa: S105
OPS, WATCH, AUDIT = "pa.senan-ops", "us.jiatfs-watch", "us.jiatfs-audit"
DESK = "us.jiatfs-desk"  # reads
_LABEL: Label = {"es": "EJERCICIO", "en": "EXERCISE"}


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        (line,) = self.out.splitlines()
        return json.loads(line)


class Exercise:
    """Two agencies, one node."""

    def __init__(  # noqa: PLR0913, PLR0917  (what exercises differ in)
        self,
        folder: Path,
        ops: SuiteId = SUITE,
        watch: SuiteId = SUITE,
        feeds: tuple[str, ...] = ("maritime",),
        witnesses: Witnesses | None = None,
        more: tuple[MemberPlan, ...] = (),
    ) -> None:
        self.folder = folder
        self.port = free_port()
        both: tuple[Role, ...] = ("poster", "reader")
        members = [
            MemberPlan(
                "pa.senan",
                _LABEL,
                (EndpointPlan("pa.senan/ops", _LABEL, (*both, "operator"), suite=ops),),
            ),
            MemberPlan(
                "us.jiatfs",
                _LABEL,
                (
                    EndpointPlan("us.jiatfs/watch", _LABEL, both, suite=watch),
                    EndpointPlan("us.jiatfs/desk", _LABEL, ("reader",)),
                    EndpointPlan("us.jiatfs/audit", _LABEL, ("auditor",)),
                ),
            ),
            *more,
        ]
        types = list(TYPES)
        listed = [found.feed(name, _LABEL, types, members) for name in feeds]
        self.place = found.write(folder, self.port, members, listed, PASSPHRASE, witnesses)
        self.node: subprocess.Popen[bytes] | None = None
        self.log = folder / "node.log"
        # Opened once: stretching the passphrase takes as long as a command.
        self.unlocked: dict[str, Any] = {}

    def copy(self, folder: Path) -> Exercise:
        """The same exercise in another folder, not started; only one of the two may run."""
        shutil.copytree(self.folder, folder)
        made = copy.copy(self)
        made.folder, made.log, made.node = folder, folder / "node.log", None
        made.place = self.place._replace(node=folder / "node", home=folder / "home")
        return made

    def copy_context(self, context: str) -> str:
        """A second context of the same endpoint, to be changed; its name."""
        contexts = self.place.home / "contexts"
        name = f"{context}-{len(list(contexts.iterdir()))}"
        shutil.copytree(contexts / context, contexts / name)
        return name

    def environment(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("EXCHANGE_")}
        return {
            **kept,
            "EXCHANGE_PASSPHRASE": PASSPHRASE,
            "EXCHANGE_HOME": str(self.place.home),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            **more,
        }

    def start(self, *more: str) -> None:
        """Start the node, and return when it takes bulletins."""
        listen = ["--listen", f"127.0.0.1:{self.port}", *more]
        words = ["up", "--state", str(self.place.node), *listen]
        with self.log.open("ab") as log:
            before = log.tell()
            self.node = subprocess.Popen(
                [sys.executable, "-P", "-m", "exchange", *words],
                env=self.environment(PYTHONPATH=str(ROOT)),
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        for _ in range(600):
            if b'"event": "ready"' in self.log.read_bytes()[before:]:
                return
            assert self.node.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def signed(self, index: int = 0) -> None:
        """Wait until the node has signed a checkpoint that holds an entry."""
        note = self.place.node / "signed.note"
        for _ in range(600):
            if note.exists() and int(note.read_text().split("\n")[1]) > index:
                return
            time.sleep(0.05)
        raise TimeoutError(self.log.read_text())

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Stop the node; its exit code."""
        if self.node is None:
            return 0
        self.node.send_signal(how)
        code = self.node.wait(30)
        self.node = None
        return code

    def run(self, *words: str, stdin: str | bytes | None = None, **env: str) -> Ran:
        """Run a command in this process; ``up``, which may run for ever, in one of its own."""
        if "up" in words:
            return self._apart(*words, **env)
        environment = {**dict.fromkeys(os.environ), **self.environment(**env)}
        unset = {k: v for k, v in environment.items() if v is None or v}
        result = CliRunner().invoke(cli, words, env=unset, input=stdin)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    def _apart(self, *words: str, **env: str) -> Ran:
        """Run a node that is not to start; one that did is ended, and fails the test."""
        try:
            ran = subprocess.run(
                [sys.executable, "-P", "-m", "exchange", *words],
                env=self.environment(PYTHONPATH=str(ROOT), **env),
                cwd=self.folder,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        except subprocess.TimeoutExpired as ended:
            raise AssertionError(ended.stderr) from ended
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def at(self, context: str, *words: str, **options: Any) -> Ran:
        return self.run("--context", context, *words, **options)

    @contextmanager
    def mail(self, context: str, *, purge: bool = True) -> Iterator[Cabinet]:
        """What a context keeps of its mail, as its own commands open it."""
        here = Home(self.place.home).current(context)
        sealed = here.sealed()
        if self.unlocked.get(context, (None,))[0] != sealed:
            self.unlocked[context] = (sealed, here.unlocked_with(PASSPHRASE))
        secrets = self.unlocked[context][1]
        made = (
            here.cabinet(secrets)
            if purge
            else Cabinet(here.folder / MAIL, ring.storage(secrets), os.urandom)
        )
        with closing(made) as opened:
            yield opened

    def draft(self, name: str = "voi-1.es.toml", **changes: str) -> str:
        """A committed example, for this exercise's one feed and explicit reader."""
        text = resources.read(f"v1/examples/{name}").decode()
        for feed in ("requests", "dialogue", "migration", "crime", "operations"):
            text = text.replace(f'feed = "{feed}"', 'feed = "maritime"')
        if "\nto = " not in text:
            text = text.replace("[post]\n", '[post]\nto = ["us.jiatfs/watch"]\n', 1)
        for old, new in changes.items():
            text = text.replace(old, new)
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def post(self, *more: str) -> Any:
        return self.at(OPS, "post", self.draft(), "--yes", "--json", *more).json


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
