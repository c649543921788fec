"""Verbs about who one is, and how this is called: ``context``, ``completion``."""

from __future__ import annotations

import click

from exchange.cli import output, world
from exchange.cli.main import Session, verb
from exchange.errors import Code, Fault


@click.command()
@click.argument("name", required=False)
@verb
def context(session: Session, name: str | None) -> None:
    """List the endpoints on this machine, or make NAME the current one."""
    if name:
        session.home.use(name)
    names = session.home.names()
    current = _current(session) if names else None
    rows = [{"name": each, "current": "*" if each == current else ""} for each in names]
    if session.as_json:
        output.show_json(
            {"contexts": names, "current": current, "home": str(session.home.folder)}
        )
    elif rows:
        output.table(
            rows, {"current": "", "name": "context" if session.lang == "en" else "contexto"}
        )
    else:
        this = world.called()
        session.say(
            f"No hay contextos en {session.home.folder}. «{this} demo --keep DIR» deja unos.",
            f"No contexts in {session.home.folder}. `{this} demo --keep DIR` leaves some.",
        )


def _current(session: Session) -> str | None:
    """Return the context that verbs would work in; None where they would ask which."""
    try:
        return session.context().name
    except Fault:
        if session.chosen:
            raise
        return None


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@verb
def completion(session: Session, shell: str) -> None:
    """Print the completion script for SHELL; source it from the shell's own settings."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    from exchange.cli.main import cli  # noqa: PLC0415

    found = get_completion_class(shell)
    if found is None:
        raise Fault(Code.INTERNAL, found=shell)
    script = found(cli, {}, "exchange", "_EXCHANGE_COMPLETE").source()
    if session.as_json:
        output.show_json({"shell": shell, "script": script})
    else:
        click.echo(script)
