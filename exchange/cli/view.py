"""``exchange view``: save what one wants to see of the inbox, by a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import click
import msgspec

from exchange.cli import output
from exchange.cli.main import Session, group, verb
from exchange.cli.usage import Unusable
from exchange.client import views
from exchange.client.views import NamedView
from exchange.model.bulletin import TYPES
from exchange.model.header import Precedence, Status

if TYPE_CHECKING:
    from pathlib import Path

    from exchange.cli.home import Context

_FILE = "views.json"
_HEADS = {
    "es": {"name": "vista", "feeds": "canales", "types": "tipos", "precedence": "precedencia",
           "status": "estado", "origins": "de"},
    "en": {"name": "view", "feeds": "feeds", "types": "types", "precedence": "precedence",
           "status": "status", "origins": "from"},
}  # fmt: skip


@group
def view() -> None:
    """Save views of the inbox by a name: they hide nothing that is owed, only its row."""


def of(context: Context) -> dict[str, NamedView]:
    """Return the views that an endpoint saved on this machine."""
    return views.saved(file(context))


def file(context: Context) -> Path:
    """Return where an endpoint's views are saved on this machine."""
    return context.folder / _FILE


@view.command("save")
@click.argument("name")
@click.option("--feed", "feeds", multiple=True, metavar="FEED", help="Of this feed.")
@click.option(
    "--type", "types", multiple=True, type=click.Choice(sorted(TYPES)), help="Of this type."
)
@click.option(
    "--precedence",
    multiple=True,
    type=click.Choice(get_args(Precedence)),
    help="Of this precedence.",
)
@click.option(
    "--status", multiple=True, type=click.Choice(get_args(Status)), help="Of this status."
)
@click.option("--from", "origins", multiple=True, metavar="MEMBER", help="From this agency.")
@verb
def save(session: Session, name: str, **asked: tuple[str, ...]) -> None:
    """Save the view NAME, in place of one of that name: bulletins that fit all that is asked.

    An option given again means either. What is no bulletin, or does not open, is shown always.
    """
    if not views.NAME.fullmatch(name):
        raise Unusable(
            "Un nombre lleva minúsculas, cifras y guiones, hasta 40.",
            "A name has lower-case letters, digits and hyphens, up to 40.",
            "NAME",
        )
    context = session.context()
    made = NamedView(**{what: sorted(set(values)) for what, values in asked.items()})
    views.keep(file(context), {**of(context), name: made})
    if session.as_json:
        output.show_json({"name": name, **msgspec.to_builtins(made)})
    session.say(
        f"Guardada: exchange inbox --view {name}", f"Saved: exchange inbox --view {name}"
    )


@view.command("list")
@verb
def list_(session: Session) -> None:
    """List the saved views."""
    rows: list[dict[str, Any]] = [
        {"name": name, **msgspec.to_builtins(each)}
        for name, each in of(session.context()).items()
    ]
    if session.as_json:
        output.show_json({"views": rows})
    elif rows:
        shown = [
            {name: " ".join(v) if isinstance(v, list) else v for name, v in row.items()}
            for row in rows
        ]
        output.table(shown, _HEADS[session.lang])
    else:
        session.say("No hay vistas guardadas.", "There are no saved views.")


@view.command("drop")
@click.argument("name")
@verb
def drop(session: Session, name: str) -> None:
    """Forget the view NAME."""
    context = session.context()
    saved = of(context)
    views.named(saved, name)
    views.keep(file(context), {other: each for other, each in saved.items() if other != name})
    if session.as_json:
        output.show_json({"dropped": name})
    session.say(f"Olvidada: {name}.", f"Forgotten: {name}.")


def hidden(session: Session, name: str, count: int) -> None:
    """Say how many a view hides, were it none."""
    session.say(
        f"Vista «{name}»: {count} ocultos; siguen debiéndose y en el buzón (inbox sin --view).",
        f"View `{name}`: {count} hidden; still owed, and in the inbox (inbox without --view).",
    )
