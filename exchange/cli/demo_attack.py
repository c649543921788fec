"""``exchange demo --attack``: a node set back or forked by who has its folder and its keys.

A witness runs as a process of its own. Nothing is staged: what is told is what node and witness
answered, and what the check of the evidence did.
"""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from exchange.cli import output, witness_state
from exchange.cli.demo_case import SENAN, WATCH
from exchange.errors import Code, Fault
from exchange.model.trust import ACCEPT_ALL, DEFAULT_UNWITNESSED_S, Witnesses
from exchange.store.witnessed import EVIDENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from exchange.cli.demo_case import Stage

Attack = Literal["fork", "rollback"]
NAME = "us/witness"
_DRAFT = "voi-1.es.toml"
_WITNESSED = 2
_WAIT_S, _STEP_S = 60, 0.2


def found(folder: Path, port: int, secret: str) -> Witnesses:
    """Found the witness; return what the arrangement is to say of it."""
    folder.mkdir()
    line = witness_state.found(folder, NAME, f"https://127.0.0.1:{port}", secret)
    return Witnesses([line, f"quorum {NAME}"], DEFAULT_UNWITNESSED_S, ACCEPT_ALL)


class Servers(NamedTuple):
    """Runs the node, and the witness, each as a process of its own, for as long as entered."""

    node: Callable[[], AbstractContextManager[None]]
    witness: Callable[[], AbstractContextManager[None]]


def play(stage: Stage, servers: Servers, kind: Attack) -> None:
    """Tell the whole attack; ends with what the evidence proves."""
    _list_keys(stage)
    node, before = stage.folder / "node", stage.folder / "before"
    with servers.witness():
        with servers.node():
            stage.ask(WATCH, "subscribe", "maritime")
            _post(stage)
        shutil.copytree(node, before)
        with servers.node():
            size = _witnessed(stage)
    shutil.rmtree(node)
    shutil.copytree(before, node)
    # A fork is longer than what was witnessed; what was set back is shorter.
    _set_back(stage, servers, size if kind == "fork" else 0)
    _convicted(stage)


def _list_keys(stage: Stage) -> None:
    stage.head(
        "2. Un testigo, y un nodo cuyo diario debe cofirmar", "2. A witness, and its log"
    )
    lines = stage.run("journal", "keys", "--state", str(stage.folder / "node"))
    _logs(stage).write_text(f"{lines}quorum none\n", encoding="utf-8")
    stage.tell(
        f"El testigo {NAME} conoce las claves del diario; ambas naciones lo acordaron.",
        f"The witness {NAME} knows the journal's keys; both nations agreed on it.",
    )


def _logs(stage: Stage) -> Path:
    return stage.folder / "witness" / witness_state.LOGS


def _post(stage: Stage, *words: str) -> dict[str, Any]:
    return stage.ask(SENAN, "post", stage.draft(_DRAFT), "--yes", *words)


def _witnessed(stage: Stage) -> int:
    """Have bulletins witnessed; return how long the journal is then."""
    stage.head("3. El diario crece y se cofirma", "3. The journal grows and is cosigned")
    told = [_post(stage, "--witnessed") for _ in range(_WITNESSED)]
    # From a power of two on, a proof does not tell which past it leads on from.
    while (size := _vouched(told[-1])["size"]) & (size - 1) == 0:
        told.append(_post(stage, "--witnessed"))
    vouched = _vouched(told[-1])
    stage.tell(
        f"Atestiguado por {NAME} a las {vouched['at']}: {size} asientos.",
        f"Witnessed by {NAME} at {vouched['at']}: {size} entries.",
    )
    return int(size)


def _vouched(told: dict[str, Any]) -> dict[str, Any]:
    vouched: dict[str, Any] | None = told["witnessed"]
    if vouched is None:
        raise Fault(Code.UNAVAILABLE, name=NAME)
    return vouched


def _set_back(stage: Stage, servers: Servers, size: int) -> None:
    stage.head("4. El ataque", "4. The attack")
    stage.tell(
        "Quien tiene la carpeta y las claves del nodo repone una copia vieja, sin testigo.",
        "Who has the node's folder and keys puts an old copy back, with no witness in sight.",
    )
    with servers.node():
        while (told := _post(stage))["index"] < size:
            pass
        stage.tell(
            f"Recibos nuevos por asientos ya dados: ahora el {told['index']}.",
            f"New receipts for entries that were given out before: now {told['index']}.",
        )
        with servers.witness():
            _await(stage)
            stage.tell(
                "El testigo vuelve. El nodo ve su propia firma y deja de escribir:",
                "The witness is back. The node sees its own signature and stops writing:",
            )
            ends = (output.EXIT_FAULT, output.EXIT_TAMPERED)
            answer = stage.ask(SENAN, "post", stage.draft(_DRAFT), "--yes", expect=ends)
            stage.show(f"{answer['error']['code']}: {answer['error']['en']['what']}")


def _evidence(stage: Stage) -> list[Path]:
    memory = stage.folder / "witness" / witness_state.MEMORY
    return sorted((memory / EVIDENCE).glob("*.evidence"))


def _await(stage: Stage) -> None:
    """Wait until the witness has evidence and the node has stopped.

    Raises:
        Fault: ``unavailable``: neither came.
    """
    for _ in range(int(_WAIT_S / _STEP_S)):
        diary = (stage.folder / "node" / "diary.log").read_text("utf-8").splitlines()
        events = {json.loads(line)["event"] for line in diary if line.startswith("{")}
        if _evidence(stage) and events & {"journal-behind", "journal-forked"}:
            return
        time.sleep(_STEP_S)
    raise Fault(Code.UNAVAILABLE, name="evidence")


def _convicted(stage: Stage) -> None:
    stage.head("5. La evidencia, sin conexión", "5. The evidence, offline")
    (path,) = _evidence(stage)
    words = ["witness", "check", str(path), "--logs", str(_logs(stage))]
    stage.show(stage.run(*words, expect=(output.EXIT_TAMPERED,)))
