"""Verbs of other systems: ``export`` an opened bulletin, ``import`` a file as a draft."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from exchange import gateway, render
from exchange.cli import bearing as shown
from exchange.cli import output, reading, world
from exchange.cli.main import Session, verb
from exchange.cli.usage import unreadable
from exchange.client import bearing
from exchange.errors import Code, Refusal
from exchange.gateway import stix_reading, tables
from exchange.model import bulletin as bulletins
from exchange.model import draft as drafts
from exchange.model.bulletin import OfNewerType
from exchange.model.identity import uuid7

if TYPE_CHECKING:
    from exchange.client.reading import Delivered, Item
    from exchange.gateway import Bearing, Cover, Format, Sharing, Source
    from exchange.model.bulletin import Bulletin

_OUT = click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to a new file instead of the screen.",
)


class _Opened(NamedTuple):
    bulletin: Bulletin
    cover: Cover


@click.command()
@click.argument("what", metavar="ID|ENTRY|FILE")
@click.option(
    "--to",
    required=True,
    type=click.Choice(gateway.FORMATS),
    help="The other system's format.",
)
@click.option(
    "--sharing",
    type=click.Choice(gateway.SHARINGS),
    default="organisation",
    show_default=True,
    help="How far it may travel in MISP, as far as its marking allows.",
)
@_OUT
@verb
def export(session: Session, what: str, to: Format, sharing: Sharing, out: Path | None) -> None:
    """Write a bulletin of the inbox, or a draft in a file, in another system's format.

    Its marking goes along; what the format cannot carry is told, or refused. Whoever takes the
    file out of this program answers for it from there on.
    """
    if out is not None:
        output.must_be_new(out)
    is_draft = Path(what).is_file()
    if not is_draft and Path(what).suffix:  # an id or an entry has none
        raise unreadable(Path(what), FileNotFoundError(), "FILE")
    opened = _drafted(Path(what), sharing) if is_draft else _of_inbox(session, what, sharing)
    data = gateway.export(*opened, to, session.lang, world.codes())
    told = {
        "id": opened.bulletin.id,
        "type": opened.bulletin.type,
        "to": to,
        "marking": gateway.banner(opened.cover),
        "bears": opened.cover.bears,
        "draft": is_draft,
        "bytes": len(data),
        "lost": msgspec.to_builtins(gateway.lost(opened.bulletin, to)),
        "disarmed": tables.count_disarmed(data) if to == "csv" else 0,
    }
    _say(session, told)
    _put(session, data, out, {**told, "document": data.decode()})


def _say(session: Session, told: dict[str, Any]) -> None:
    """Say on stderr what is to be known of a file that leaves."""
    if told["draft"]:
        _warn(
            session,
            "Es un borrador: nadie lo firmó ni lo envió.",
            "This is a draft: nobody has signed or sent it.",
        )
    _warn(session, f"Marca: {told['marking']}", f"Marking: {told['marking']}")
    if "review-overdue" in told["bears"]:
        _warn(
            session,
            "REVISIÓN VENCIDA: ya debía haberse decidido si las personas siguen nombradas.",
            "REVIEW OVERDUE: whether people stay named was to be decided by now.",
        )
    if "doubted" in told["bears"]:
        told_by = "exchange check" if told["draft"] else "exchange read"
        _warn(
            session,
            f"DUDOSO: lea antes de qué se advierte, con {told_by}.",
            f"DOUBTED: read first what is warned of, with {told_by}.",
        )
    for each in told["lost"]:
        _warn(session, f"No se lleva: {each['es']}", f"Not carried: {each['en']}")
    if count := told["disarmed"]:
        _warn(
            session,
            f"{count} celdas empiezan como una fórmula: llevan un apóstrofo delante.",
            f"{count} cells begin like a formula: an apostrophe stands before them.",
        )


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option(
    "--from",
    "source",
    required=True,
    type=click.Choice(gateway.SOURCES),
    help="The format of FILE.",
)
@click.option(
    "--type",
    "type_",
    required=True,
    type=click.Choice(gateway.IMPORTED),
    help="The type of bulletin to draft.",
)
@_OUT
@verb
def import_(session: Session, file: Path, source: Source, type_: str, out: Path | None) -> None:
    """Write a commented draft of what another system's FILE says. Posts nothing.

    What the file does not say is marked MISSING in the draft: write it, then `check` it.
    """
    if out is not None:
        output.must_be_new(out)
    data = _bytes(file, stix_reading.MOST_BYTES)
    made = gateway.imported(data, source, type_, session.lang, world.codes())
    if made.missing:
        count = len(made.missing)
        _warn(
            session,
            f"Faltan {count} miembros: {', '.join(made.missing)}",
            f"{count} members are missing: {', '.join(made.missing)}",
        )
    for about, (spanish, english) in _LEFT.items():
        values = [render.visible(each.value) for each in made.noted if each.about == about]
        if values:
            _warn(session, f"{spanish}: {', '.join(values)}", f"{english}: {', '.join(values)}")
    told = {
        "type": type_,
        "from": source,
        "missing": made.missing,
        "noted": msgspec.to_builtins(made.noted),
        "template": made.draft,
    }
    _put(session, made.draft.encode(), out, told)


def _drafted(file: Path, sharing: Sharing) -> _Opened:
    """Return what a draft would say, were it posted now."""
    data = _bytes(file, bulletins.MAX_BYTES)
    is_json = file.suffix == ".json" or data.lstrip()[:1] == b"{"
    read = drafts.read_draft(data, toml=not is_json)
    identity = uuid7(world.clock_ms(), world.randomness(10))
    made = drafts.complete(read, id=identity, origin="pa.check", codes=world.codes())
    bulletins.check_audience(made, read.post.marking, world.now(), "/bulletin")
    return _Opened(made, gateway.of_draft(read, made, world.now(), sharing))


def _of_inbox(session: Session, identity: str, sharing: Sharing) -> _Opened:
    item, items = asyncio.run(_found(session, identity))
    # That it was cancelled or corrected since must not get lost on the way out.
    marks = bearing.marks(items).get(item.index, [])
    shown.warn(marks, session, err=True)
    bulletin = whole(item)
    bears: list[Bearing] = [shown.done(each) for each in marks]
    if bulletins.overdue(bulletin, world.now()):
        bears.append("review-overdue")
    if shown.warned(item, items):
        bears.append("doubted")
    return _Opened(
        bulletin, gateway.of_header(item.header, sharing, list(dict.fromkeys(bears)))
    )


def whole(item: Delivered) -> Bulletin:
    """Return a bulletin that was opened and understood whole.

    Raises:
        Refusal: it is locked, or ``schema-not-known`` at the first member that is not known
            here: left out of a file, it would look as if nobody had said it.
    """
    if item.bulletin is None:
        raise item.locked or Refusal(Code.CANNOT_DECRYPT, id=item.header.id)
    unknown = [each.at for each in item.not_understood]
    if unknown or isinstance(item.bulletin, OfNewerType):
        raise Refusal(
            Code.SCHEMA_NOT_KNOWN, next(iter(unknown), "/type"), found=item.header.schema
        )
    return item.bulletin


async def _found(session: Session, identity: str) -> tuple[Delivered, list[Item]]:
    async with session.context().agency() as agency:
        item, known = await reading.find(agency, identity)
        return item, known.items


def _bytes(file: Path, most: int) -> bytes:
    """Return a file's bytes, and one more than allowed where it is longer."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(most + 1)
        with file.open("rb") as opened:
            return opened.read(most + 1)
    except OSError as error:
        raise unreadable(file, error, "FILE") from error


def _put(session: Session, data: bytes, out: Path | None, told: dict[str, Any]) -> None:
    """Write a file, or show it: in JSON, as it is in a pipe, harmless on a screen."""
    if out is not None:
        output.write_new(out, data)
        told = {name: value for name, value in told.items() if name not in _INSIDE}
    if session.as_json:
        output.show_json({**told, "out": None if out is None else str(out)})
    elif out is not None:
        where = render.visible(str(out))
        session.say(f"Escrito: {where}", f"Written: {where}")
    elif sys.stdout.isatty():
        click.echo("\n".join(render.lines(data.decode().rstrip("\n").replace("\r\n", "\n"))))
    else:
        click.echo(data, nl=False)


# What a file says and its draft does not.
_LEFT = {
    "bears": ("OJO, a este boletín se le hizo", "MIND, this bulletin was"),
    "origin": (
        "El borrador sería suyo, pero el texto es de",
        "The draft would be your own, but the text is of",
    ),
    "refs": ("No se lleva a qué se refiere", "Not taken: what it refers to"),
    "column": (
        "No se entienden, y se dejan, las celdas",
        "Not understood, and left out: cells",
    ),
    "banner": (
        "Las columnas dicen otra marca que esta: decida usted",
        "The columns say another marking than this one: decide yourself",
    ),
    "marking": (
        "No se entiende esta marca: decida usted el TLP",
        "This marking is not understood: decide the TLP yourself",
    ),
    "tlp": (
        "No todo lo tomado tiene un TLP que se entienda: decida usted. El más estricto hallado",
        "Not all that was taken has a TLP that is understood: decide yourself. Narrowest found",
    ),
}

# What need not be said twice where it is in a file.
_INSIDE = ("document", "template")


def _warn(session: Session, spanish: str, english: str) -> None:
    """Say something on stderr; programs have it in the answer."""
    if not session.as_json:
        click.echo(spanish if session.lang == "es" else english, err=True)
