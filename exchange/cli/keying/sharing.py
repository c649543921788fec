"""``keys share`` and ``keys unshare``: a key container that k of n sheets of paper open."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange import render
from exchange.cli import output, world
from exchange.cli.home import read_sealed, sealed_surely, unsealed, write_private
from exchange.cli.keying import sheets
from exchange.cli.main import Session, verb
from exchange.cli.usage import Unusable, in_the_way
from exchange.custody import ring, shares
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from exchange.custody.container import Secrets

_THERE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command()
@click.argument("file", required=False, type=_THERE)
@click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write the sheets and the file that they open: a folder without any.",
)
@click.option(
    "--shares",
    "count",
    type=click.IntRange(shares.MIN_THRESHOLD, shares.MAX_SHARES),
    default=3,
    show_default=True,
    metavar="COUNT",
    help="How many shares to make.",
)
@click.option(
    "--threshold",
    type=click.IntRange(shares.MIN_THRESHOLD, shares.MAX_SHARES),
    default=2,
    show_default=True,
    metavar="COUNT",
    help="How many of them open it.",
)
@click.option(
    "--replaces",
    type=_THERE,
    metavar="FILE",
    help="The shared file of the set before: its shares are told to be of an older set.",
)
@verb
def share(  # noqa: PLR0913  (the options of the verb)
    session: Session,
    file: Path | None,
    folder: Path,
    *,
    count: int,
    threshold: int,
    replaces: Path | None,
) -> None:
    """Make shares of the key container FILE, or of this endpoint's, for when it is lost.

    Any THRESHOLD of them, with the file that is written beside them, bring it back without its
    passphrase. Print the sheets, give each to another keeper, and delete them here.
    """
    if threshold > count:
        raise Unusable(
            "--threshold no puede ser más que --shares.",
            "--threshold cannot be more than --shares.",
        )
    secrets = _secrets(session, file)
    holder = secrets.holder
    names = [sheets.name_of_sheet(holder, n, count) for n in range(1, count + 1)]
    whole = folder / sheets.name_of_file(holder)
    for path in (whole, *folder.glob(f"{whole.name.removesuffix('.shared.xk')}.share-*")):
        if path.exists():
            in_the_way(path, "--out")
    before = _before(replaces, holder)
    plan = shares.Plan(threshold, count)
    made = shares.share(secrets, plan, world.now(), world.randomness, before)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(whole, made.file)
    for name, sheet in zip(names, sheets.sheets(made), strict=True):
        write_private(folder / name, sheet.encode())
    if session.as_json:
        told = {"holder": holder, "set": made.about.made.number, "file": str(whole)}
        output.show_json({**told, "sheets": names, "threshold": threshold})
    session.say(
        f"{count} hojas en {folder}; {threshold} abren {whole.name}. Imprímalas, entregue cada"
        " una a otra persona y bórrelas de aquí. El archivo no es secreto: una copia con cada"
        " hoja.",
        f"{count} sheets in {folder}; {threshold} of them open {whole.name}. Print them, give"
        " each to another person, and delete them here. The file is no secret: a copy with each"
        " sheet.",
    )


def _secrets(session: Session, file: Path | None) -> Secrets:
    return session.context().secrets() if file is None else unsealed(file, file.stem)


def _before(replaces: Path | None, holder: str) -> list[shares.Made]:
    """Return the sets that the new one replaces, newest last."""
    if replaces is None:
        return []
    about = shares.about(sheets.file_of(replaces.read_bytes()))
    if about.holder != holder:
        raise Fault(Code.KEY_FILE, name=about.holder, expected=holder)
    return [*about.before, about.made]


@click.command()
@click.argument("file", type=_THERE)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the key container, under a new passphrase.",
)
@click.option(
    "--sheet",
    "kept",
    multiple=True,
    type=_THERE,
    help="A sheet as a file, once for each; else the words are asked for, share by share.",
)
@verb
def unshare(session: Session, file: Path, out: Path, kept: tuple[Path, ...]) -> None:
    """Bring back the key container that the shared FILE keeps, from its shares.

    Each share is checked as it is entered. Words are read from the terminal or from sheets,
    never from the command line. Do this on a machine without a network.
    """
    if out.exists():
        in_the_way(out, "--out")
    gathering = shares.Gathering(sheets.file_of(read_sealed(file)))
    for sheet in kept:
        gathering.add(sheets.words_of(sheet.read_text("utf-8", errors="replace")))
    while gathering.missing:
        _ask(session, gathering)
    secrets = gathering.open()
    passphrase = world.passphrase(secrets.holder, is_new=True)
    write_private(out, sealed_surely(secrets, passphrase))
    kids = [each.kid for each in ring.held(secrets) if each.state != "destroyed"]
    if session.as_json:
        output.show_json({"holder": secrets.holder, "file": str(out), "keys": kids})
    session.say(
        f"{secrets.holder}: {len(kids)} claves de vuelta en {out}, con contraseña nueva. Borre"
        " la pantalla; si alguna hoja se perdió, haga un conjunto nuevo (keys share).",
        f"{secrets.holder}: {len(kids)} keys are back in {out}, under a new passphrase. Clear"
        " the screen; if a sheet was lost, make a new set (keys share).",
    )


def _ask(session: Session, gathering: shares.Gathering) -> None:
    """Take one share from the person; at a terminal, a slip is told and asked for again."""
    holder, missing = render.visible(gathering.about.holder), gathering.missing
    asked = (
        f"{holder}: faltan {missing}. Las {shares.SHARE_WORDS} palabras de una parte"
        if session.lang == "es"
        else f"{holder}: {missing} missing. The {shares.SHARE_WORDS} words of a share"
    )
    try:
        typed = click.prompt(asked, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise Unusable(
            f"Faltan {missing} partes: una por línea, o --sheet.",
            f"{missing} shares are missing: one in each line, or --sheet.",
        ) from None
    try:
        gathering.add(typed)
    except Refusal as refusal:
        if not sys.stdin.isatty():
            raise
        click.echo(render.refusal_text(refusal, session.lang, world.codes()), err=True)
