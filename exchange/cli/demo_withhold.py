"""``exchange demo --attack withhold``: a node that keeps back what it owes to one officer.

The node's program is really altered (``demo_altered``), and runs as a process of its own. What
is told is what the officer's program and the auditor's answered; nothing here knows it before.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from exchange.cli import output
from exchange.cli.demo_altered import EVERY
from exchange.cli.demo_case import AUDIT, SENAN, WATCH
from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from exchange.cli.demo_case import Stage

_DRAFT = "voi-1.es.toml"
_ENDPOINT = "us.jiatfs/watch"
_ATTEMPTS, _STEP_S = 60, 0.5


class Nodes(NamedTuple):
    """Runs the node, as it is or altered, as a process of its own, for as long as entered."""

    honest: Callable[[], AbstractContextManager[None]]
    # How it is altered, whom it keeps short, and from which place of that inbox on.
    altered: Callable[[str, str, int], AbstractContextManager[None]]


def play(stage: Stage, nodes: Nodes) -> None:
    """Tell both ways to withhold; each ends with who found it out, and what is kept of it."""
    with nodes.honest():
        had = _honest(stage)
    with nodes.altered("third", _ENDPOINT, had):
        _every_third(stage)
    with nodes.honest():
        had = _healed(stage)
    with nodes.altered("frozen", _ENDPOINT, had):
        _frozen(stage, had)


def _honest(stage: Stage) -> int:
    stage.head("2. Un nodo honesto", "2. An honest node")
    stage.ask(WATCH, "subscribe", "maritime")
    posted = [_post(stage), _post(stage)][-1]
    count = int(_proof(stage, posted)["count"])
    stage.tell(
        f"{WATCH} prueba que nada falta: {count} elementos.",
        f"{WATCH} proves that nothing is missing: {count} items.",
    )
    return count


def _every_third(stage: Stage) -> None:
    stage.head("3. Una de cada tres entregas", "3. Every third delivery")
    for _ in range(EVERY + 1):
        _post(stage)
    stage.tell(
        f"Con el programa alterado, el nodo dio {EVERY + 1} recibos por boletines para {WATCH},"
        " y retiene uno. El programa del oficial dice cuál:",
        f"With its program altered, the node gave {EVERY + 1} receipts for bulletins to {WATCH}"
        " and keeps one back. The officer's program says which:",
    )
    error = _accused(stage)
    _show(stage, error)
    kept = error["facts"]["evidence"]
    stage.tell(
        f"Guardado: lo que el nodo firmó que debe ({kept}).",
        f"Kept: what the node signed that it owes ({kept}).",
    )


def _healed(stage: Stage) -> int:
    stage.head("4. El programa de antes, de vuelta", "4. The former program, put back")
    count = int(_proof(stage, _post(stage))["count"])
    stage.tell(
        f"Nada se perdió: el diario lo tenía todo. {count} elementos, probados.",
        f"Nothing was lost: the journal had all of it. {count} items, proved.",
    )
    return count


def _frozen(stage: Stage, had: int) -> None:
    stage.head("5. Un buzón congelado", "5. A frozen inbox")
    posted = _post(stage)
    proof = _proof(stage, posted)
    stage.tell(
        f"El nodo firma que {WATCH} tiene {proof['count']} elementos y calla el del asiento"
        f" {posted['index']}, en cabeza y buzón por igual: su víctima sola no puede verlo.",
        f"The node signs that {WATCH} has {proof['count']} items, and is silent on that of"
        f" entry {posted['index']}, in head and inbox alike: its victim alone cannot see it.",
    )
    if proof["count"] != had:
        raise Fault(Code.INTERNAL, found="not frozen")
    stage.tell(
        "El auditor copia el diario y vuelve a contar cada buzón; no se fía del nodo:",
        "The auditor copies the journal and counts each inbox again, believing no node:",
    )
    copy = str(stage.folder / "mirror.db")
    error = stage.ask(AUDIT, "audit", "mirror", copy, expect=(output.EXIT_TAMPERED,))["error"]
    _show(stage, error)
    index, proof_file = error["facts"]["found"], error["facts"]["evidence"]
    stage.tell(
        f"Guardado: el asiento {index}, con la cuenta falsa, bajo la firma del nodo"
        f" ({proof_file}). {SENAN} tiene el recibo del asiento {posted['index']}: llame a"
        f" {WATCH} por otra vía, y a los custodios.",
        f"Kept: entry {index}, with the false count, under the node's signature ({proof_file})."
        f" {SENAN} holds the receipt of entry {posted['index']}: reach {WATCH} by other means,"
        " and the custodians.",
    )


def _show(stage: Stage, error: dict[str, Any]) -> None:
    for lang in ("es", "en"):
        told = error[lang]
        stage.show(f"{error['code']}: {told['what']}\n{told['next']}")


def _accused(stage: Stage) -> dict[str, Any]:
    """Have the officer's program look, until it holds what the node signed against it.

    Raises:
        Fault: ``unavailable``: it never does.
    """
    for _ in range(_ATTEMPTS):
        answer = stage.ask(WATCH, "inbox", "--prove", expect=(0, output.EXIT_TAMPERED))
        error: dict[str, Any] = answer.get("error") or {}
        if "evidence" in error.get("facts", {}):
            return error
        time.sleep(_STEP_S)
    raise Fault(Code.UNAVAILABLE, name="evidence")


def _post(stage: Stage) -> dict[str, Any]:
    return stage.ask(SENAN, "post", stage.draft(_DRAFT), "--yes")


def _proof(stage: Stage, posted: dict[str, Any]) -> dict[str, Any]:
    """Have the officer's program prove, until a checkpoint covers what was posted last.

    Raises:
        Fault: ``unavailable``: none does.
    """
    for _ in range(_ATTEMPTS):
        # Before the first checkpoint there is nothing to prove by.
        answer = stage.ask(WATCH, "inbox", "--prove", expect=(0, output.EXIT_REFUSED))
        proof: dict[str, Any] | None = answer["proof"]
        if proof is not None and proof["covered"] > posted["index"]:
            return proof
        time.sleep(_STEP_S)
    raise Fault(Code.UNAVAILABLE, name="checkpoint")
