"""``arrangement show``, ``diff`` and ``verify``: what is in force, since when, and by whom."""

from __future__ import annotations

import asyncio
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from exchange.cli import expiring, fingerprint, output, world
from exchange.cli.arranging import folder as folders
from exchange.cli.arranging import telling
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable, unreadable
from exchange.custody import proposal
from exchange.errors import Refusal
from exchange.model.identity import ALPHA3

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.model.view import InForce, View

_ENTRY = re.compile(r"-?[0-9]+")
_HEADS = {
    "en": {"name": "what", "version": "version", "entry": "since entry", "until": "until",
           "state": "state", "signed_by": "signed by"},
    "es": {"name": "qué", "version": "versión", "entry": "desde el asiento", "until": "hasta",
           "state": "estado", "signed_by": "firmado por"},
}  # fmt: skip
_STATES = {
    "en": {"in-force": "in force", "expired": "expired"},
    "es": {"in-force": "vigente", "expired": "vencido"},
}
_FOLDER = click.option(
    "--trust",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The trust documents as files, *.trust in their order; else the node is asked.",
)
_ANCHOR = click.option(
    "--anchor",
    type=fingerprint.Digest(),
    help="Digest of the first root, or its 24 words; needed with --trust.",
)


class _Views(NamedTuple):
    """Every view there has been, oldest first; and the node whose timestamps count, if any."""

    views: Sequence[View]
    node: str | None

    def after(self, entry: int | None) -> View:
        """Return what was in force once an entry was there; the newest unless told."""
        if entry is None:
            return self.views[-1]
        return next(view for view in reversed(self.views) if view.index <= entry)


def _views(session: Session, folder: Path | None, anchor: str | None) -> _Views:
    if (folder is None) != (anchor is None):
        raise Unusable("--trust y --anchor van juntos.", "--trust and --anchor go together.")
    if folder is None or anchor is None:
        return asyncio.run(_of_node(session))
    return _Views(folders.read(folder, anchor, world.now()).views, None)


async def _of_node(session: Session) -> _Views:
    async with session.context().agency() as agency:
        await agency.view()
        return _Views(agency.trust.views, agency.profile.node)


def _row(file: InForce, now: int) -> dict[str, Any]:
    return {
        "name": file.name,
        "version": file.version,
        "entry": file.entry,
        "until": zulu(file.expires),
        "state": "in-force" if now < file.expires else "expired",
        "signed_by": list(file.signed_by),
        "sha256": file.digest,
        "size": file.size,
    }


@click.command()
@click.option(
    "--entry",
    type=click.IntRange(0),
    metavar="N",
    help="As it was when this entry was decided: which agreement let it in.",
)
@_FOLDER
@_ANCHOR
@verb
def show(session: Session, entry: int | None, folder: Path | None, anchor: str | None) -> None:
    """Show what is in force: which version of each file, since when, until when, by whom."""
    found, now = _views(session, folder, anchor), world.now()
    # An entry is decided under what was there before it.
    view = found.after(None if entry is None else entry - 1)
    rows = [_row(file, now) for file in view.files.values()]
    if session.as_json:
        told = {"anchor": view.anchor, "index": view.index, "files": rows}
        told |= {"members": len(view.endpoints.documents), "endpoints": len(view.endpoints)}
        output.show_json({**told, "words": fingerprint.spoken(view.anchor)})
        return
    if entry is not None:
        session.say(
            f"El asiento {entry} se decidió según los documentos del asiento {view.index}.",
            f"Entry {entry} was decided under the documents of entry {view.index}.",
        )
    if view.arrangement is not None:
        session.say(view.arrangement.name["es"], view.arrangement.name["en"])
    words = _STATES[session.lang]
    shown = [
        {**row, "state": words[row["state"]], "signed_by": ", ".join(row["signed_by"])}
        for row in rows
    ]
    output.table(shown, _HEADS[session.lang])
    fingerprint.show(session, "Ancla:", "Anchor:", view.anchor)
    _warn(session, view, now)


def _warn(session: Session, view: View, now: int) -> None:
    """Say what custodians must renew soon: nothing new flows under what has ended."""
    for row in expiring.files(view, now):
        session.say(expiring.file_line(row, "es"), expiring.file_line(row, "en"))


@click.command()
@click.argument("before", metavar="BEFORE|PROPOSAL")
@click.argument("after", type=click.IntRange(0), required=False)
@_FOLDER
@_ANCHOR
@verb
def diff(
    session: Session, before: str, after: int | None, folder: Path | None, anchor: str | None
) -> None:
    """Say in words what changed since entry BEFORE, until entry AFTER or now.

    Or what a PROPOSAL, a file, would change: in both languages, before anybody signs it.
    """
    if not _ENTRY.fullmatch(before):
        _review(session, Path(before), folder, anchor)
        return
    found = _views(session, folder, anchor)
    first, last = found.after(int(before)), found.after(after)
    told = telling.differences(first, last)
    if session.as_json:
        output.show_json({"before": first.index, "after": last.index, "changes": told})
        return
    for line in told[session.lang]:
        click.echo(line)
    if not told[session.lang]:
        session.say("Nada cambió.", "Nothing changed.")


def _review(session: Session, path: Path, folder: Path | None, anchor: str | None) -> None:
    """Show what a proposal would change, and its fingerprint."""
    try:
        made = proposal.read(path.read_bytes())
    except OSError as error:
        raise unreadable(path, error, "PROPOSAL") from error
    now = world.now()
    if folder is None:
        view = _views(session, None, anchor).views[-1]
    else:
        view = folders.read(folder, anchor, now, founded_by=made).view
    telling.show(session, made, proposal.steps(made, view, now), {})


@click.command()
@_FOLDER
@_ANCHOR
@verb
def verify(session: Session, folder: Path | None, anchor: str | None) -> None:
    """Verify every trust document from the anchor on, and that what is in force still holds."""
    found, now = _views(session, folder, anchor), world.now()
    view, problems = found.views[-1], []
    for nation in ALPHA3:
        problems += _refusal(partial(view.must_hold, nation, now, "/trust"))
    if found.node is not None:
        problems += _refusal(partial(view.must_be_timely, found.node, now))
    once = list({(each.code, str(each.facts)): each for each in problems}.values())
    if session.as_json:
        told = {"ok": not once, "anchor": view.anchor, "documents": view.position}
        told |= {"ending": expiring.files(view, now)}
        output.show_json({**told, "problems": [output.problem(each) for each in once]})
    elif once:
        for each in once:
            session.say(*_said(each))
    else:
        session.say(
            f"{view.position} documentos verificados desde el ancla; todo lo vigente vale.",
            f"{view.position} documents verified from the anchor; all that is in force holds.",
        )
    if not session.as_json:
        _warn(session, view, now)
    if once:
        sys.exit(output.EXIT_REFUSED)


def _refusal(check: Callable[[], None]) -> list[Refusal]:
    try:
        check()
    except Refusal as refusal:
        return [refusal]
    return []


def _said(refusal: Refusal) -> tuple[str, str]:
    told = output.problem(refusal)
    return str(told["es"]["what"]), str(told["en"]["what"])
