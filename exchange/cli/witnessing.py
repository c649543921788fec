"""The verb ``witness``: found one, run it, say how far it is; check evidence against a log."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from exchange.cli import output, world
from exchange.cli.home import read_sealed
from exchange.cli.main import Session, group, verb
from exchange.cli.usage import Unusable
from exchange.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchange.cli.witness_state import WitnessState
    from exchange.journal.witness import Rings

_STATE = click.option(
    "--state",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The witness's folder.",
)
_NAME = re.compile(r"[a-z0-9][a-z0-9./-]{0,62}")
_PROVED = {
    "forked": (
        "BIFURCADO: dos raíces de un mismo tamaño",
        "FORKED: two roots of one size",
    ),
    "rewritten": (
        "REESCRITO: el más largo tiene otro pasado que el más corto",
        "REWRITTEN: the longer one has another past than the shorter",
    ),
    "rolled-back": (
        "RETROCEDIDO: el más corto tiene fecha posterior",
        "ROLLED BACK: the shorter one is dated later",
    ),
}  # fmt: skip


@group
def witness() -> None:
    """Cosign other nodes' journals, and keep what convicts one that tells two pasts."""


@witness.command("found")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", required=True, help="What it signs under, such as us/witness.")
@click.option("--url", required=True, help="Where it will answer: https://HOST:PORT.")
@verb
def found(session: Session, folder: Path, name: str, url: str) -> None:
    """Make a witness in FOLDER with fresh keys, and print its line for a witness policy."""
    from exchange.cli import witness_state  # noqa: PLC0415
    from exchange.cli.begin import address  # noqa: PLC0415

    if not _NAME.fullmatch(name):
        raise Unusable(
            f"{name}: hasta 63 de a-z, 0-9, punto, barra y guion.",
            f"{name}: up to 63 of a-z, 0-9, dot, slash and hyphen.",
            "--name",
        )
    where = address(url)
    if folder.exists() and any(folder.iterdir()):
        raise Unusable(f"{folder} no está vacía.", f"{folder} is not empty.", "FOLDER")
    secret = world.passphrase(str(folder), is_new=True)
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        line = witness_state.found(folder, name, where, secret)
    except BaseException:
        # Whole or nothing, so that one can try again.
        for each in folder.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        if is_new:
            folder.rmdir()
        raise
    if session.as_json:
        output.show_json({"witness": name, "folder": str(folder), "policy": line})
    session.say(
        f"Testigo {name} en {folder}. Los diarios que atiende: {folder}/logs.policy.\n"
        f"Su línea para la política de testigos del arreglo:\n{line}",
        f"Witness {name} in {folder}. The logs that it serves: {folder}/logs.policy.\n"
        f"Its line for the arrangement's witness policy:\n{line}",
    )


@witness.command("beside")
@click.argument("folder", metavar="STATE", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--url", required=True, help="The node's link, as others reach it: https://HOST:PORT."
)
@click.option("--anew", is_flag=True, help="Its memory is lost: another key, never the same.")
@verb
def beside(session: Session, folder: Path, url: str, *, anew: bool) -> None:
    """Give the node in STATE a witness of its own; print its line for a witness policy.

    It cosigns for every node of the directory, on the address of the node's link (``link`` in
    node.json), from the node's next start on. Said again, it shows the same line. With --anew
    it vouches for nobody until both nations have agreed on the line of its new key.
    """
    from exchange.cli import witness_state  # noqa: PLC0415
    from exchange.cli.begin import address  # noqa: PLC0415
    from exchange.cli.home import sealed_surely, write_private  # noqa: PLC0415
    from exchange.cli.state import KEYS, WITNESS  # noqa: PLC0415
    from exchange.custody import container  # noqa: PLC0415

    where = address(url)
    passphrase = world.passphrase(folder.name)
    secrets = container.unseal(read_sealed(folder / KEYS), passphrase)
    is_new = anew or witness_state.PURPOSE not in secrets.keys
    if is_new:
        witness_state.begin_anew(folder / WITNESS)
        keys = {**secrets.keys, witness_state.PURPOSE: [witness_state.fresh()]}
        secrets = msgspec.structs.replace(secrets, keys=keys)
        write_private(folder / KEYS, sealed_surely(secrets, passphrase))
    node, (key,) = secrets.holder, secrets.of(witness_state.PURPOSE)
    name, line = witness_state.name_beside(node), witness_state.beside(node, key, where)
    if session.as_json:
        output.show_json({"witness": name, "node": node, "new": is_new, "policy": line})
    session.say(
        f"Testigo {name}, junto al nodo {node}: desde su próximo arranque.\n"
        f"Su línea para la política de testigos del arreglo:\n{line}",
        f"Witness {name}, beside the node {node}: from its next start on.\n"
        f"Its line for the arrangement's witness policy:\n{line}",
    )


@witness.command("up")
@_STATE
@click.option(
    "--listen",
    default="127.0.0.1:8444",
    show_default=True,
    metavar="HOST:PORT",
    help="Address to answer at.",
)
@click.option(
    "--until-eof",
    is_flag=True,
    help="End as well when standard input ends: "
    "for a program that starts a witness and may be killed.",
)
@verb
def up(session: Session, folder: Path, listen: str, until_eof: bool) -> None:
    """Run a witness on its folder until it is told to stop."""
    from exchange.cli.node import address_of  # noqa: PLC0415
    from exchange.cli.serve import How  # noqa: PLC0415
    from exchange.cli.witness_serve import run  # noqa: PLC0415

    def say() -> None:
        session.say(f"Testigo en {listen}", f"Witness at {listen}")

    run(_state(folder), How(address_of(listen), 0, until_eof=until_eof), say)


@witness.command("status")
@_STATE
@verb
def status(session: Session, folder: Path) -> None:
    """Say how far each log was cosigned, and which evidence there is; ends with 5 on any.

    The witness must not run: ask its /metrics instead.
    """
    told = asyncio.run(_status(_state(folder)))
    if session.as_json:
        output.show_json(told)
    else:
        spanish = {"log": "diario", "size": "asientos", "cosigned": "cofirmado"}
        english = {"log": "log", "size": "entries", "cosigned": "cosigned"}
        output.table(told["logs"], spanish if session.lang == "es" else english)
    for each in told["evidence"]:
        session.say(f"EVIDENCIA: {each}", f"EVIDENCE: {each}")
    if told["evidence"]:
        sys.exit(output.EXIT_TAMPERED)


async def _status(here: WitnessState) -> dict[str, Any]:
    from exchange.cli.times import zulu  # noqa: PLC0415
    from exchange.store.witnessed import EVIDENCE, WitnessFiles  # noqa: PLC0415

    recall = WitnessFiles.open(here.memory)
    try:
        rows = []
        for origin in sorted(await recall.sizes()):
            kept = await recall.newest(origin)
            if kept is not None:
                when = zulu(kept.cosigned_s)
                rows.append({"log": origin, "size": kept.size, "cosigned": when})
        evidence = sorted(map(str, (here.memory / EVIDENCE).glob("*.evidence")))
        return {"logs": rows, "evidence": evidence}
    finally:
        await recall.close()


@witness.command("check")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--logs",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The log's keys, as `exchange journal keys` prints them.",
)
@click.option(
    "--state",
    "node",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A node's folder instead: by the keys that its directory lists, or ever did.",
)
@verb
def check(session: Session, file: Path, logs: Path | None, node: Path | None) -> None:
    """Check evidence offline: what FILE proves against a log, by that log's own signatures.

    Ends with 5 when it convicts the log, with 1 when it proves nothing.
    """
    from exchange.journal import checkpoint, forks  # noqa: PLC0415
    from exchange.journal.witness import ring_of  # noqa: PLC0415

    known = _known(logs, node)
    evidence = forks.read(file.read_bytes()[: forks.MAX_BYTES + 1])
    short, long = checkpoint.parse(evidence.shorter), checkpoint.parse(evidence.longer)
    rings = known.get(short.origin) or _unknown(short.origin)
    kind = forks.check(evidence, short.origin, rings)
    by = [ring_of(each, rings) or 0 for each in (evidence.shorter, evidence.longer)]
    is_over = min(by) < len(rings) - 1
    if session.as_json:
        sizes = [short.size, long.size]
        told = {"log": short.origin, "proves": kind, "sizes": sizes, "keys_over": is_over}
        output.show_json(told)
    spanish, english = _PROVED[kind]
    session.say(
        f"{spanish}. {short.origin} firmó ambos: {short.size} y {long.size} asientos.",
        f"{english}. {short.origin} signed both: {short.size} and {long.size} entries.",
    )
    if is_over:
        session.say(
            "Lo firmaron, al menos en parte, claves ya cedidas: si fueron robadas, pudo ser "
            "también quien las tiene.",
            "Keys that were handed over since signed at least one of them: if they were "
            "stolen, it may have been whoever has them.",
        )
    sys.exit(output.EXIT_TAMPERED)


def _known(logs: Path | None, node: Path | None) -> Mapping[str, Rings]:
    """Return each log's keys: as a file lists them, or as a node's directory does."""
    if (logs is None) == (node is None):
        raise Unusable("Diga --logs o --state.", "Say --logs or --state.", "--logs")
    if logs is not None:
        from exchange.cli.witness_state import logs_in  # noqa: PLC0415

        return logs_in(logs)
    from exchange.cli.arranging.handing import in_force  # noqa: PLC0415
    from exchange.cli.state import State  # noqa: PLC0415
    from exchange.node.listed import ListedLogs  # noqa: PLC0415

    view = asyncio.run(in_force(State(node or Path())))
    return ListedLogs(lambda: view)


def _unknown(origin: str) -> Any:
    from exchange.errors import Code  # noqa: PLC0415

    raise Refusal(Code.BAD_CHECKPOINT, "", name=origin[:64])


def _state(folder: Path) -> WitnessState:
    from exchange.cli.witness_state import WitnessState  # noqa: PLC0415

    return WitnessState(folder)
