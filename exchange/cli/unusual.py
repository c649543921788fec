"""``audit anomalies``, ``export`` and ``watch``: what is unusual, and what others are told."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click
import msgspec

from exchange.cli import output, progress
from exchange.cli.journal_file import at_one_moment
from exchange.cli.main import Session, verb
from exchange.cli.searching import indexed, opened_index
from exchange.cli.times import zulu_ms

if TYPE_CHECKING:
    from exchange.audit.anomalies import Told
    from exchange.audit.siem import Format
    from exchange.audit.suspicions import Anomaly, Settings
    from exchange.cli.journal_file import Blocking


@click.command("anomalies")
@indexed
@click.option("--rule", "rules", multiple=True, help="By this rule alone.")
@verb
def anomalies(
    session: Session, mirrors: tuple[Path, ...], index_at: Path | None, rules: tuple[str, ...]
) -> None:
    """Say what is unusual in the mirrors, rule by rule, each with the entries it was found in.

    An anomaly is no verdict: something to look at. What was tampered with, `audit verify` says.
    """
    told = _found(session, mirrors, index_at, rules)
    if session.as_json:
        output.show_json({"rules": [_values(each) for each in told]})
        return
    for each in told:
        _show(session, each)
    if not told:
        session.say("Nada inusual.", "Nothing unusual.")


def _found(
    session: Session, mirrors: tuple[Path, ...], index_at: Path | None, rules: tuple[str, ...]
) -> list[Told]:
    from exchange.audit.anomalies import RULES, find  # noqa: PLC0415
    from exchange.cli.usage import Unusable  # noqa: PLC0415

    if unknown := sorted(set(rules) - RULES.keys()):
        known = ", ".join(RULES)
        raise Unusable(
            f"{unknown[0]}: no hay tal regla; hay {known}.",
            f"{unknown[0]}: there is no such rule; there are {known}.",
            "--rule",
        )
    with at_one_moment(mirrors[0]) as source:
        settings = settings_at(source)
    with opened_index(session, mirrors, index_at) as (index, nodes):
        return find(index, settings, rules, nodes)


def settings_at(source: Blocking) -> Settings:
    """Return from when on something is unusual, by the arrangement in force in a mirror."""
    from exchange.audit.agreed import view_of  # noqa: PLC0415
    from exchange.audit.suspicions import settings_of  # noqa: PLC0415

    return settings_of(view_of(source))


def _values(told: Told) -> dict[str, Any]:
    return {
        "rule": told.rule,
        "count": told.count,
        "found": [anomaly_values(each) for each in told.found],
    }


def anomaly_values(each: Anomaly) -> dict[str, Any]:
    """Return an anomaly as values, with its sentence in both languages."""
    from exchange.audit.anomalies import sentence  # noqa: PLC0415

    return {
        **msgspec.to_builtins(each),
        "at": zulu_ms(each.at_ms),
        "query": urlencode(each.query),
        "en": sentence(each, "en"),
        "es": sentence(each, "es"),
    }


def _show(session: Session, told: Told) -> None:
    from exchange.audit.anomalies import sentence  # noqa: PLC0415

    click.echo(f"{told.rule}  {told.count}")
    for each in told.found:
        click.echo(f"  {zulu_ms(each.at_ms)}  {sentence(each, session.lang)}")
        click.echo(f"      --query '{urlencode(each.query)}'")


@click.command("export")
@indexed
@click.option(
    "--siem",
    "form",
    required=True,
    type=click.Choice(["jsonl", "cef"]),
    help="As JSON lines, or in the Common Event Format.",
)
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder for the files. What is there already is gone on with.",
)
@click.option(
    "--max-mib",
    type=click.IntRange(1, 4096),
    default=64,
    show_default=True,
    help="A file that has reached this is followed by the next.",
)
@verb
def export(  # noqa: PLR0913, PLR0917  (one for each option)
    session: Session,
    mirrors: tuple[Path, ...],
    index_at: Path | None,
    form: Format,
    folder: Path,
    max_mib: int,
) -> None:
    """Write a line for each entry of the mirrors, for a SIEM: facts of the record, no content.

    Goes on where it ended, also when it was killed: no entry is left out, and none twice.
    """
    from exchange.audit.siem import export as written  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    new: dict[str, int] = {}
    with opened_index(session, mirrors, index_at) as (index, nodes):
        for journal in index.journals():
            if journal.node in nodes:
                told = progress.counted(session)
                new[journal.node] = written(index, journal, folder, form, told, max_mib << 20)
    if session.as_json:
        output.show_json({"folder": str(folder), "written": new})
    count = sum(new.values())
    session.say(f"{count} asientos nuevos en {folder}.", f"{count} new entries in {folder}.")


@click.command("watch")
@click.argument("pairs", metavar="CONTEXT=MIRROR", nargs=-1, required=True)
@click.option(
    "--every",
    type=click.IntRange(1, 86_400),
    default=60,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--times", type=click.IntRange(min=1), help="Look so many times, and end.")
@click.option(
    "--index",
    "index_at",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The index. Without it: beside the first MIRROR, with `.index` at its end.",
)
@verb
def watch(
    session: Session,
    pairs: tuple[str, ...],
    every: int,
    times: int | None,
    index_at: Path | None,
) -> None:
    """Follow nodes: mirror what is new, judge it, and say what is unusual as it comes.

    Each CONTEXT is an auditor's at one node, its MIRROR the file that is gone on with. What was
    said before is not said again, also after a new start. Ends with 5 where a node says
    otherwise than it did; with --times, otherwise than with 0 where one could not be followed
    at the last look.
    """
    from exchange.cli.following import Watcher  # noqa: PLC0415

    watcher = Watcher(session, _pairs(pairs), index_at)
    try:
        asyncio.run(watcher.run(every, times))
    except KeyboardInterrupt:
        sys.exit(output.EXIT_TAMPERED if watcher.is_tampered else 130)
    if watcher.is_tampered:
        sys.exit(output.EXIT_TAMPERED)
    if watcher.missed:
        sys.exit(max(map(output.exit_code, watcher.missed.values())))


def _pairs(given: tuple[str, ...]) -> list[tuple[str, Path]]:
    from exchange.cli.usage import Unusable  # noqa: PLC0415

    found = []
    for each in given:
        context, separator, file = each.partition("=")
        if not (context and separator and file):
            raise Unusable(
                f"{each}: se espera CONTEXTO=COPIA.",
                f"{each}: expected CONTEXT=MIRROR.",
                "pairs",
            )
        found.append((context, Path(file)))
    return found
