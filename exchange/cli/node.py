"""Verbs of who runs a node: ``up`` and ``doctor``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from cryptography.hazmat.backends.openssl.backend import backend

from exchange import __version__
from exchange.cli import expiring, options, output
from exchange.cli.main import Session, verb
from exchange.cli.usage import Unusable
from exchange.errors import ExchangeError
from exchange.model import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.client.transport import Profile


@click.command()
@options.STATE
@click.option(
    "--listen",
    default="127.0.0.1:8443",
    show_default=True,
    metavar="HOST:PORT",
    help="Address to answer at.",
)
@click.option(
    "--checkpoint-every", default=1.0, show_default=True, help="Seconds between checkpoints."
)
@click.option(
    "--until-eof",
    is_flag=True,
    help="End as well when standard input ends: "
    "for a program that starts a node and may be killed.",
)
@click.option(
    "--second-anew",
    is_flag=True,
    help="The second place is empty because it is lost: ship all to it again.",
)
@options.CLOCK
@verb
def up(  # noqa: PLR0913, PLR0917  (one for each option)
    session: Session,
    folder: Path,
    listen: str,
    checkpoint_every: float,
    until_eof: bool,
    second_anew: bool,
    clock_is_right: bool,
) -> None:
    """Run a node on its folder until it is told to stop."""
    from exchange.cli.sparing import spared  # noqa: PLC0415
    from exchange.node.spawning import fronts  # noqa: PLC0415

    address = address_of(listen)

    def say() -> None:
        session.say(f"Nodo en {listen}", f"Node at {listen}")

    # They load what they need while this process does.
    with fronts() as spawned:
        with spared():
            from exchange.cli.serve import How, run  # noqa: PLC0415
            from exchange.cli.state import State  # noqa: PLC0415

        how = How(address, checkpoint_every, until_eof=until_eof)
        here = State(folder, second_is_new=second_anew, clock_is_right=clock_is_right)
        run(here, how, say, spawned)


def address_of(listen: str, option: str = "--listen") -> tuple[str, int]:
    """Return host and port of an address to answer at."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) < 65536:
        raise Unusable(
            f"{listen} no es de la forma HOST:PUERTO, como 127.0.0.1:8443.",
            f"{listen} is not of the form HOST:PORT, as 127.0.0.1:8443 is.",
            option,
        )
    return host, int(port)


@click.command()
@verb
def doctor(session: Session) -> None:
    """Look at this machine, the context and the node, and say what is not well.

    Ends with 3 when something does not work; advice alone ends with 0.
    """
    checks = [_python(), *_of_context(session)]
    # What is only advised against is told, and is no fault.
    is_well = all(check["ok"] or check.get("advice") for check in checks)
    if session.as_json:
        output.show_json({"checks": checks, "ok": is_well})
    else:
        heads = {
            "state": "",
            "name": "check" if session.lang == "en" else "control",
            "told": "",
        }
        rows = [
            {
                "state": "ok" if check["ok"] else "!!",
                "name": check["name"],
                "told": check[session.lang],
            }
            for check in checks
        ]
        output.table(rows, heads)
    if not is_well:
        sys.exit(output.EXIT_FAULT)


def _python() -> dict[str, object]:
    version = sys.version.split()[0]
    told = f"exchange {__version__}, Python {version}, {backend.openssl_version_text()}"
    return {"name": "install", "ok": True, "es": told, "en": told}


def _tls_group(profile: Profile) -> dict[str, object]:
    """Shake hands with the node as every verb does, and say what was agreed on."""
    from exchange.client import tls  # noqa: PLC0415
    from exchange.client.transport import group_of  # noqa: PLC0415

    group = asyncio.run(group_of(profile))
    if group == tls.GROUP:
        spanish = f"intercambio de claves poscuántico con el nodo: {group}"
        english = f"post-quantum key exchange with the node: {group}"
    else:
        spanish = (
            f"el nodo ofrece solo un intercambio de claves clásico ({group}); el contenido va "
            "sellado igualmente (X-Wing)"
        )
        english = (
            f"the node offers a classical key exchange only ({group}); bodies are sealed all "
            "the same (X-Wing)"
        )
    told = {"name": "tls-group", "ok": group == tls.GROUP, "advice": True, "group": group}
    return {**told, "es": spanish, "en": english}


def _of_context(session: Session) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []

    def step(name: str, work: Callable[[], tuple[str, str]]) -> bool:
        try:
            spanish, english = work()
        except ExchangeError as error:
            problem = output.problem(error)
            found.append(
                {
                    "name": name,
                    "ok": False,
                    "code": error.code.value,
                    "es": f"{problem['es']['what']} {problem['es']['next']}",
                    "en": f"{problem['en']['what']} {problem['en']['next']}",
                }
            )
            return False
        found.append({"name": name, "ok": True, "es": spanish, "en": english})
        return True

    def which() -> tuple[str, str]:
        profile = session.context().profile()
        return (
            f"{profile.endpoint}, nodo {profile.url}",
            f"{profile.endpoint}, node {profile.url}",
        )

    def opened() -> tuple[str, str]:
        kinds = sorted(
            {key.alg for keys in session.context().secrets().keys.values() for key in keys}
        )
        return (f"claves abiertas: {', '.join(kinds)}", f"keys opened: {', '.join(kinds)}")

    health: list[wire.Health] = []
    ending: list[dict[str, object]] = []

    def reached() -> tuple[str, str]:
        told, found_so, files = asyncio.run(_reach(session))
        health.append(found_so)
        ending.extend(files)
        return told

    if step("context", which) and step("keys", opened) and step("node", reached):
        found.append(_tls_group(session.context().profile()))
    told = [*(_witnesses(each) for each in health), *(_ending(each) for each in ending)]
    return [*found, *told, *_expiring(session)]


def _ending(row: dict[str, Any]) -> dict[str, object]:
    """Return a check for a file of the custodians that is about to end, or has ended."""
    spanish, english = (expiring.file_line(row, lang) for lang in ("es", "en"))
    told = {"name": "trust-expiry", "ok": False, "advice": row["days_left"] >= 0}
    return {**told, "es": spanish, "en": english, **row}


def _witnesses(health: wire.Health) -> dict[str, object]:
    """Return for how long nobody has vouched for the node's journal; old is advice."""
    from exchange.node.witnessing import WARN_S  # noqa: PLC0415  (slow, and for doctor only)

    age = health.unwitnessed_s
    if age is None:
        spanish, english = (
            "el arreglo no pide testigos",
            "the arrangement asks for no witnesses",
        )
    else:
        spanish = f"un quórum respaldó el diario del nodo hace {age} s"
        english = f"a quorum vouched for the node's journal {age} s ago"
    is_well = age is None or age <= WARN_S
    told = {"name": "witnesses", "ok": is_well, "advice": True, "unwitnessed_s": age}
    return {**told, "es": spanish, "en": english}


def _expiring(session: Session) -> list[dict[str, object]]:
    """Return a check for each key that is about to end; one that has ended is no advice."""
    rows = session.expiring()
    endpoint = session.context().profile().endpoint if rows else ""
    return [
        {
            "name": "key-expiry",
            "ok": False,
            "advice": row["step"] != 0,
            "es": expiring.line(row, endpoint, "es"),
            "en": expiring.line(row, endpoint, "en"),
            **row,
        }
        for row in rows
    ]


async def _reach(
    session: Session,
) -> tuple[tuple[str, str], wire.Health, list[dict[str, Any]]]:
    async with session.context().agency() as agency:
        view = await agency.view()
        now = agency.world.now()
        days = min((lapse.days(now) for lapse in agency.lapses(view)), default=0)
        box = agency.world.outbox
        health = await agency.transport.get_as(wire.Health, "/livez")
        waiting = len(box.waiting()) + len(box.acks.waiting())
    spanish = (
        f"responde; {view.position} documentos de confianza verificados desde el ancla; "
        f"mis claves sirven {days} días más; {waiting} en espera de recibo"
    )
    english = (
        f"answers; {view.position} trust documents verified from the anchor; "
        f"my keys serve for {days} days more; {waiting} waiting for a receipt"
    )
    return (spanish, english), health, expiring.files(view, now)
