"""``audit report``: the report for the dialogue, from both nations' mirrors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from exchange import render
from exchange.cli import options, output, world
from exchange.cli.main import Session, verb
from exchange.cli.usage import Unusable
from exchange.cli.verifying import held_mirrors
from exchange.errors import Refusal

if TYPE_CHECKING:
    from exchange.audit.report.figures import Report


@click.command("report")
@click.argument(
    "mirrors",
    metavar="MIRROR",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@options.anchor(required=True)
@click.option("--from", "since", required=True, metavar="TIME", help="The first day, UTC.")
@click.option("--to", "until", required=True, metavar="TIME", help="The last day, UTC.")
@options.STATUS
@click.option(
    "--sizes",
    metavar="NODE:SIZE,NODE:SIZE",
    help="Up to these cosigned checkpoints. Without it: the newest that the mirrors know.",
)
@click.option("--annex", metavar="NODE", help="What of this nation's journal did not cross.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "pdf", "csv", "json"]),
    default="html",
    show_default=True,
    help="How it is written; pdf needs the extra of that name.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Write to this new file.",
)
@verb
def report(  # noqa: PLR0913, PLR0917  (one for each option)
    session: Session,
    mirrors: tuple[Path, ...],
    anchor: str,
    since: str,
    until: str,
    status: str | None,
    sizes: str | None,
    annex: str | None,
    form: str,
    out: Path,
) -> None:
    """Write the report on a period, from the mirrors of both nations, offline.

    Both are verified first, and what crossed is held to each other: ends with 5 where something
    was tampered with, and writes nothing. The same period and sizes give the same report to
    whoever computes it; its SHA-256 is that of the JSON, and stands in every format.
    """
    from exchange.audit.report import document, making  # noqa: PLC0415
    from exchange.audit.report.forms import FORMS  # noqa: PLC0415

    output.must_be_new(out)
    _must_be_two(mirrors)
    named = _sizes(sizes)
    if form == "pdf":
        document.must_be_installed()
    with held_mirrors(session, mirrors, anchor) as sources:
        asked = making.Asked(since, until, anchor, status or "", annex or "", named)
        made = making.make(sources, asked)
    output.write_new(out, FORMS[form].write(made, session.lang, world.codes()))
    _tell(session, made, out)


# What of each journal had not crossed by then.
_LEFT: Final = ("waiting", "overtaken", "still_owed")


def _tell(session: Session, made: Report, out: Path) -> None:
    from exchange.audit.report.figures import digest  # noqa: PLC0415
    from exchange.audit.report.telling import catalogue, unfinished  # noqa: PLC0415

    verified = made.table("verified")
    at = [each.name for each in verified.columns]
    rows = [dict(zip(at, row, strict=True)) for row in verified.rows]
    sizes = ",".join(f"{row['nation']}:{row['size']}" for row in rows)
    if session.as_json:
        told = {"scope": made.scope, "status": made.status, "whole": made.whole}
        told |= {name: {row["nation"]: row[name] for row in rows} for name in _LEFT}
        output.show_json({"out": str(out), "sha256": digest(made), "sizes": sizes, **told})
        return
    where = render.visible(str(out))
    session.say(f"Escrito: {where}", f"Written: {where}")
    for row in rows:
        session.say(
            f"{row['nation']}: {row['size']} asientos, raíz {row['root']}",
            f"{row['nation']}: {row['size']} entries, root {row['root']}",
        )
    words = catalogue()
    for key in unfinished(made):
        session.say(words.text("es", key), words.text("en", key))
    session.say(f"El mismo informe: --sizes {sizes}", f"The same report: --sizes {sizes}")
    click.echo(f"sha256 {digest(made)}")


def _must_be_two(mirrors: tuple[Path, ...]) -> None:
    if not len(mirrors) == len({each.resolve() for each in mirrors}) == 2:
        raise Unusable(
            "De dos copias, una del diario de cada nación.",
            "Of two mirrors, one of each nation's journal.",
            "MIRROR",
        )


def _sizes(text: str | None) -> dict[str, int]:
    from exchange.audit.report.making import sizes  # noqa: PLC0415

    try:
        return sizes(text or "")
    except Refusal as refusal:
        found = refusal.facts["found"]
        raise Unusable(
            f"{found}: se espera NODO:TAMAÑO.", f"{found}: expected NODE:SIZE.", "--sizes"
        ) from refusal
