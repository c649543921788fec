"""The verb ``peers``: how a node's links to other nations' nodes are, as it says itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from exchange.cli import options, output, world
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.errors import Code, Fault, Refusal
from exchange.node.links import LinkHealth, Told

if TYPE_CHECKING:
    from exchange.cli.state import State

_HEADS = {
    "en": {
        "node": "node",
        "link": "link",
        "since": "since",
        "pulled": "pulled",
        "lag_s": "lag, s",
        "seen": "its checkpoint",
        "file": "last file, up to",
        "cosigned": "cosigned ours",
        "vouched": "we cosigned",
        "leaves": "hashes kept",
    },
    "es": {
        "node": "nodo",
        "link": "enlace",
        "since": "desde",
        "pulled": "recogido",
        "lag_s": "atraso, s",
        "seen": "su punto de control",
        "file": "último archivo, hasta",
        "cosigned": "cofirmó el nuestro",
        "vouched": "cofirmamos",
        "leaves": "huellas guardadas",
    },
}
_LINK = {
    "en": {"up": "up", "down": "DOWN", "stopped": "STOPPED", "files": "files"},
    "es": {"up": "activo", "down": "CAÍDO", "stopped": "DETENIDO", "files": "archivos"},
}


@click.command()
@options.STATE
@verb
def peers(session: Session, folder: Path) -> None:
    """Say how the node's links to other nodes are, and what to do where one is not well.

    Reads what the node writes into its folder once a second; nothing is asked of anybody. Ends
    with 5 where a journal is convicted or a node could not prove what it said, with 3 where a
    link is down, trust documents are in force there and not here, something waits for an
    attachment, or this node does not run, else with 0.
    """
    from exchange.cli.standing import FILE, STALE_S  # noqa: PLC0415
    from exchange.cli.state import State  # noqa: PLC0415

    here = State(folder)
    chosen = here.settings()
    if not chosen.link and not chosen.peers:
        if session.as_json:
            output.show_json({"node": chosen.node, "peers": []})
        session.say(
            f"{chosen.node}: sin enlaces: node.json no nombra link ni peers.",
            f"{chosen.node}: no links: node.json names neither link nor peers.",
        )
        return
    told = _read(here, FILE)
    age = max(world.now() - told.at, 0)
    runs = age <= STALE_S
    if session.as_json:
        output.show_json(_values(told, runs=runs))
    else:
        _show(session, told, runs=runs)
    links = told.links
    if links.evidence or any(each.stopped for each in links.peers):
        sys.exit(output.EXIT_TAMPERED)
    is_well = all(
        (each.up or each.by_file) and not each.behind and not each.waiting
        for each in links.peers
    )
    if not runs or links.trouble or not is_well:
        sys.exit(output.EXIT_FAULT)


def _read(here: State, name: str) -> Told:
    """Return what the node said last.

    Raises:
        Fault: ``file``: it never said anything, or that cannot be read.
    """
    path = here.links / name
    try:
        return msgspec.json.decode(path.read_bytes(), type=Told)
    except (OSError, msgspec.MsgspecError) as error:
        raise Fault(Code.FILE, name=str(path), found=type(error).__name__) from error


def _values(told: Told, *, runs: bool) -> dict[str, Any]:
    links = told.links
    return {
        "node": told.node,
        "at": zulu(told.at),
        "runs": runs,
        "unwitnessed_s": told.unwitnessed_s,
        "witness": links.witness or None,
        "trouble": _problem(links.trouble),
        "evidence": links.evidence,
        "peers": [_peer(each) for each in links.peers],
    }


def _peer(each: LinkHealth) -> dict[str, Any]:
    witnessed = {"size": each.cosigned, "at": _when(each.cosigned_at)}
    return {
        "node": each.node,
        "link": _stands(each),
        "since": zulu(each.since),
        "pulled": each.pulled,
        "size": each.size,
        "lag_s": each.lag_s,
        "seen": _when(each.seen),
        "witness": each.witness or None,
        "cosigned": witnessed if each.cosigned_at else None,
        "vouched": each.vouched,
        "leaves": {"size": each.leaves, "trouble": _problem(each.leaves_code)},
        "file": {"at": _when(each.file_at), "to": each.file_to} if each.file_at else None,
        "behind": each.behind,
        "waiting": {"count": each.waiting, "first": [_awaited(told) for told in each.awaited]},
        "trouble": _problem(each.code, each),
    }


def _awaited(told: str) -> dict[str, Any]:
    index, code, since = told.split(" ")
    return {"index": int(index), "code": code, "since": zulu(int(since))}


def _stands(each: LinkHealth) -> str:
    if each.stopped or each.by_file:
        return "stopped" if each.stopped else "files"
    return "up" if each.up else "down"


def _when(seconds: int) -> str | None:
    return zulu(seconds) if seconds else None


def _problem(code: str, each: LinkHealth | None = None) -> dict[str, Any] | None:
    """Return what is wrong, in words and with what to do next; None where nothing is."""
    if not code:
        return None
    at, facts = (each.at, each.facts) if each else ("", {})
    kind = Refusal if each and each.stopped else Fault
    return output.problem(kind(Code(code), at, **facts))


def _show(session: Session, told: Told, *, runs: bool) -> None:
    if not runs:
        session.say(
            f"EL NODO NO FUNCIONA, o está colgado: lo que sigue es de {zulu(told.at)}.",
            f"THE NODE DOES NOT RUN, or hangs: what follows is of {zulu(told.at)}.",
        )
    lang, links = session.lang, told.links
    output.table([_row(each, session) for each in links.peers], _HEADS[lang])
    if told.unwitnessed_s is not None:
        session.say(
            f"Un quórum de testigos respaldó nuestro diario hace {told.unwitnessed_s} s.",
            f"A quorum of witnesses vouched for our journal {told.unwitnessed_s} s ago.",
        )
    said = [(each.node, _problem(each.code, each)) for each in links.peers]
    for name, problem in [*said, (links.witness, _problem(links.trouble))]:
        if problem is not None:
            words = problem[lang]
            click.echo(f"!! {name}: {words['what']} {words['next']} ({problem['code']})")
    for each in links.peers:
        for document in each.behind:
            session.say(
                f"!! {each.node}: vigente allá y no aquí: {document} (docs/federation.es.md)",
                f"!! {each.node}: in force there and not here: {document} (docs/federation.md)",
            )
        _show_waiting(session, each)
        if each.leaves_code:
            session.say(
                f"!! {each.node}: no llegan más huellas de su diario: {each.leaves_code}",
                f"!! {each.node}: no more hashes of its journal come: {each.leaves_code}",
            )
    for name in links.evidence:
        session.say(
            f"EVIDENCIA: {name} (exchange witness check; docs/federation.es.md)",
            f"EVIDENCE: {name} (exchange witness check; docs/federation.md)",
        )


def _show_waiting(session: Session, each: LinkHealth) -> None:
    for told in map(_awaited, each.awaited):
        words = output.problem(Fault(Code(told["code"])))[session.lang]["what"]
        index, since = told["index"], told["since"]
        session.say(
            f"!! {each.node}: asiento {index}, espera un adjunto desde {since}: {words}",
            f"!! {each.node}: entry {index} waits for an attachment since {since}: {words}",
        )
    if (more := each.waiting - len(each.awaited)) > 0:
        session.say(f"!! {each.node}: y {more} más", f"!! {each.node}: and {more} more")


def _row(each: LinkHealth, session: Session) -> dict[str, object]:
    cosigned = f"{each.cosigned}, {zulu(each.cosigned_at)}" if each.cosigned_at else "-"
    return {
        "node": each.node,
        "link": _LINK[session.lang][_stands(each)],
        "since": zulu(each.since),
        "pulled": f"{each.pulled}/{each.size}",
        "lag_s": each.lag_s,
        "seen": _when(each.seen) or "-",
        "file": f"{zulu(each.file_at)}, {each.file_to}" if each.file_at else "-",
        "cosigned": cosigned,
        "vouched": each.vouched or "-",
        "leaves": each.leaves or "-",
    }
