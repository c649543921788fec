"""The verb ``officer``: who has the watch, and is named in what is attested or released."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from exchange.cli import output
from exchange.cli.main import Session, verb
from exchange.cli.usage import Unusable
from exchange.client.files import write_durably
from exchange.model.objects import Officer

if TYPE_CHECKING:
    from exchange.cli.home import Context

_FILE = "officer"


@click.command()
@click.argument("name", required=False)
@click.option("--none", "is_over", is_flag=True, help="Nobody has the watch any more.")
@verb
def officer(session: Session, name: str | None, is_over: bool) -> None:
    """Say who has the watch: NAME is named in every acknowledgement and release from here on.

    Without NAME it changes nothing and shows who it is. `--officer` names another, once.
    """
    context = session.context()
    if name is not None and is_over:
        raise Unusable("Un nombre, o --none; no ambos.", "A name, or --none; not both.", "NAME")
    if name is not None:
        _must_be_one(name)
        keep(context, name)
    if is_over:
        (context.folder / _FILE).unlink(missing_ok=True)
    named = of(context)
    if session.as_json:
        output.show_json({"endpoint": context.profile().endpoint, "officer": named})
    session.say(f"De guardia: {named or '(nadie)'}.", f"On watch: {named or '(nobody)'}.")


def of(context: Context) -> str | None:
    """Return who has the watch at an endpoint, as was said on this machine."""
    file = context.folder / _FILE
    return file.read_text(encoding="utf-8").strip() if file.exists() else None


def keep(context: Context, name: str) -> None:
    """Keep who has the watch at an endpoint, on this machine."""
    write_durably(context.folder / _FILE, name.encode() + b"\n")


def _must_be_one(name: str) -> None:
    try:
        msgspec.convert(name, Officer)
    except msgspec.ValidationError:
        raise Unusable(
            "De 1 a 40 de: letras sin tilde, cifras, punto, guion y guion bajo.",
            "1 to 40 of: plain letters, digits, dot, hyphen and underscore.",
            "NAME",
        ) from None
