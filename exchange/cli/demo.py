"""``exchange demo``: a case told live, by separate processes, through public verbs and kit."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from exchange import resources
from exchange.cli import demo_inputs, exercise, found, output, state, world
from exchange.cli.demo_case import Stage, play
from exchange.cli.demo_drafts import Drafts
from exchange.cli.found import Site
from exchange.cli.home import write_private
from exchange.cli.main import Session, verb
from exchange.cli.usage import Unusable
from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from exchange.cli.demo_attack import Attack
    from exchange.model.identity import Nation
    from exchange.model.trust import Witnesses

PASSPHRASE_BYTES = 16
_READY_S = 20
# A node that keeps back what it owes: not one of this program's verbs.
_ALTERED = "exchange.cli.demo_altered"


@click.command()
@click.option("--once", is_flag=True, help="End when the case is told.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Leave everything in this folder, for the other verbs to work on.",
)
@click.option(
    "--inputs",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of drafts to tell the case with, instead of those that came along.",
)
@click.option(
    "--nodes",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="One node that serves both nations; or two, each of its own, that witness each other.",
)
@click.option(
    "--attack",
    type=click.Choice(["fork", "rollback", "withhold"]),
    help="Instead of the case, set back or fork a node that has a witness, or have it keep back"
    " what it owes, and see who notices.",
)
@verb
def demo(  # noqa: PLR0913, PLR0917  (its options)
    session: Session,
    once: bool,
    keep: Path | None,
    inputs: Path | None,
    nodes: int,
    attack: Attack | Literal["withhold"] | None,
) -> None:
    """Tell a case: two nations, separate processes, real keys, one flipped byte found."""
    if attack is not None and nodes != 1:
        raise Unusable(
            "Un ataque se cuenta con un nodo y su testigo: sin --nodes.",
            "An attack is told with one node and its witness: without --nodes.",
            "--nodes",
        )
    source = inputs or resources.schemas() / "v1" / "examples"
    demo_inputs.look_at(source)
    session.say(
        "EJERCICIO. Todo lo que sigue es ficticio y ocurre en esta máquina.",
        "EXERCISE. All that follows is fictitious and happens on this machine.",
    )
    with _folder(keep) as folder:
        drafts = Drafts(source, folder / "drafts", None if inputs else world.now())
        if attack is not None:
            if attack == "withhold":
                stage = _withhold(session, folder, drafts)
            else:
                stage = _attack(session, folder, drafts, attack)
            if session.as_json:
                told = {"attack": attack, "told": stage.told, "folder": str(folder)}
                output.show_json(told)
            elif not keep:
                session.say(
                    f"La carpeta del ejercicio se borra ahora, con lo guardado: --keep CARPETA"
                    f" la deja ({folder}).",
                    f"The exercise's folder is deleted now, with what was kept: --keep DIR"
                    f" leaves it ({folder}).",
                )
            return
        stage = _founded(folder, drafts, session, nodes=nodes)
        with ExitStack() as served:
            for name, port in stage.nodes.items():
                served.enter_context(running(folder / name, port, stage.environment))
            play(stage)
            if session.as_json:
                output.show_json(_summary(stage, is_kept=bool(keep), goes_on=not once))
            if not once:
                tell_how_to_try(session, stage)
                _linger(session)
        if keep:
            _tell_how_to_go_on(session, stage)


def _summary(stage: Stage, *, is_kept: bool, goes_on: bool) -> dict[str, Any]:
    """Return what was told; and where everything is, for as long as it is there."""
    there = is_kept or goes_on
    return {
        "told": stage.told,
        "folder": str(stage.folder) if is_kept else None,
        "url": f"https://127.0.0.1:{stage.port}" if goes_on else None,
        "home": str(stage.folder / "home") if there else None,
        "passphrase_file": str(stage.folder / "passphrase") if there else None,
        "anchor": stage.anchor,
    }


def _attack(session: Session, folder: Path, drafts: Drafts, kind: Attack) -> Stage:
    from exchange.cli import demo_attack  # noqa: PLC0415

    secret, port = world.randomness(PASSPHRASE_BYTES).hex(), free_port()
    witness = folder / "witness"
    witnesses = demo_attack.found(witness, port, secret)
    stage = _founded(folder, drafts, session, secret, witnesses)
    environment = stage.environment
    servers = demo_attack.Servers(
        lambda: running(folder / "node", stage.port, environment),
        lambda: running(witness, port, environment, "witness", "up"),
    )
    demo_attack.play(stage, servers, kind)
    return stage


def _withhold(session: Session, folder: Path, drafts: Drafts) -> Stage:
    from exchange.cli import demo_withhold  # noqa: PLC0415

    stage = _founded(folder, drafts, session)
    node, environment = folder / "node", stage.environment

    def altered(kind: str, endpoint: str, begin: int) -> AbstractContextManager[None]:
        words = [kind, endpoint, str(begin), "up"]
        return running(node, stage.port, environment, *words, module=_ALTERED)

    def honest() -> AbstractContextManager[None]:
        return running(node, stage.port, environment)

    demo_withhold.play(stage, demo_withhold.Nodes(honest, altered))
    return stage


def _founded(  # noqa: PLR0913, PLR0917  (as ``found.write_sites``)
    folder: Path,
    drafts: Drafts,
    session: Session,
    secret: str = "",
    witnesses: Witnesses | None = None,
    nodes: int = 1,
) -> Stage:
    session.say(
        "1. Se fundan el arreglo, las agencias y sus claves (firmas y sobres poscuánticos).",
        "1. The arrangement, the agencies and their keys (post-quantum) are founded.",
    )
    secret = secret or world.randomness(PASSPHRASE_BYTES).hex()
    members, feeds = exercise.MEMBERS, exercise.feeds()
    sites, ports = _sites(nodes)
    place = found.write_sites(folder, sites, members, feeds, secret, witnesses)
    # The passphrase lies beside the keys: right for an exercise, and for nothing else.
    write_private(folder / "passphrase", f"{secret}\n".encode())
    environment = {
        **os.environ,
        "EXCHANGE_PASSPHRASE": secret,
        "EXCHANGE_HOME": str(place.home),
        "EXCHANGE_LANG": session.lang,
    }
    anchor = place.founded.anchor
    stage = Stage(folder, drafts, ports["node"], anchor, environment, session.as_json)
    stage.nodes = ports
    if nodes > 1:
        stage.pulled = {
            "pa": folder / "node-us" / state.LINKS / "pa.json",
            "us": folder / "node" / state.LINKS / "us.json",
        }
        session.say(
            "   Dos nodos, uno por nación: cada uno juzga lo del otro y atestigua su diario.",
            "   Two nodes, one for each nation: each judges the other's, and is its witness.",
        )
    return stage


def _sites(nodes: int) -> tuple[list[Site], dict[str, int]]:
    """Return where each node will answer, and its port by the name of its folder."""
    if nodes == 1:
        port = free_port()
        return [Site(found.NODE, f"https://127.0.0.1:{port}")], {"node": port}
    ports, links = [free_port(), free_port()], [free_port(), free_port()]
    nations: tuple[Nation, Nation] = ("pa", "us")
    sites = [
        Site(nation, f"https://127.0.0.1:{port}", f"127.0.0.1:{link}", (nation,))
        for nation, port, link in zip(nations, ports, links, strict=True)
    ]
    return sites, dict(zip(("node", "node-us"), ports, strict=True))


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="exchange-demo-") as name:
            yield Path(name)
        return
    if keep.exists() and any(keep.iterdir()):
        raise Unusable(f"{keep} no está vacía.", f"{keep} is not empty.", "--keep")
    keep.mkdir(parents=True, exist_ok=True)
    keep.chmod(0o700)
    yield keep.resolve()


def free_port() -> int:
    """Return a port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    folder: Path,
    port: int,
    environment: dict[str, str],
    *words: str,
    module: str = "exchange",
) -> Iterator[None]:
    """Run a node, or what ``words`` name, as a process of its own; end it by its own id.

    It ends as well when this process does, however that comes about: then the pipe that it has
    for its standard input is at its end.

    Raises:
        Fault: ``unavailable``: it did not come up; its diary says why.
    """
    diary = folder / "diary.log"
    listen = f"127.0.0.1:{port}"
    command = [*(words or ["up"]), "--state", str(folder), "--listen", listen, "--until-eof"]
    with (
        diary.open("ab") as out,
        subprocess.Popen(  # noqa: S603  (ourselves)
            [sys.executable, "-P", "-m", module, *command],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
        ) as process,
    ):
        try:
            _wait_ready(process, port, diary)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_ready(process: subprocess.Popen[bytes], port: int, diary: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    last = diary.read_text(encoding="utf-8").strip().splitlines()[-1:]
    raise Fault(Code.UNAVAILABLE, name="node", found=(last or ["-"])[0][:200])


def _tell_how_to_go_on(session: Session, stage: Stage) -> None:
    session.say(
        f"\nTodo queda en {stage.folder}. Para seguir con cualquier verbo:",
        f"\nEverything stays in {stage.folder}. To go on with any verb:",
    )
    up = [
        f"up --state {stage.folder}/{name} --listen 127.0.0.1:{port} &"
        for name, port in stage.nodes.items()
    ]
    _show_commands(session, stage, *up, "--context us.jiatfs-watch inbox")


def _show_commands(session: Session, stage: Stage, *words: str) -> None:
    if session.as_json:
        return
    this, journal = world.called(), stage.folder / "node" / "journal.db"
    click.echo(f"  export EXCHANGE_HOME={stage.folder}/home")
    click.echo(f"  export EXCHANGE_PASSPHRASE_FILE={stage.folder}/passphrase")
    for each in (*words, f"audit verify {journal} --anchor {stage.anchor}"):
        click.echo(f"  {this} {each}")


def tell_how_to_try(session: Session, stage: Stage) -> None:
    """Print where the node answers and what to say to it; the lines work as they stand."""
    address = f"https://127.0.0.1:{stage.port}"
    session.say(
        f"\nEl nodo sigue en marcha en {address}; Ctrl-C lo termina. En otra terminal:",
        f"\nThe node goes on running at {address}; Ctrl-C ends it. In another terminal:",
    )
    _show_commands(
        session,
        stage,
        "context",
        "--context us.jiatfs-watch inbox",
        f"--context pa.senan-ops check {stage.folder}/drafts/voi-1.es.toml",
        f"--context pa.senan-ops post {stage.folder}/drafts/voi-1.es.toml",
    )


def _linger(session: Session) -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        session.say("\nFin.", "\nDone.")
