"""``audit search`` and ``audit story``: what mirrors hold, through an index beside them."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import click
import msgspec

from exchange.cli import output, progress
from exchange.cli.journal_file import at_one_moment
from exchange.cli.keeping import keep_evidence
from exchange.cli.main import Session, verb
from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exchange.audit.index import Index
    from exchange.audit.query import Query
    from exchange.audit.rows import Row
    from exchange.audit.search import Found
    from exchange.audit.story import Story

_MIRROR = click.Path(path_type=Path, exists=True, dir_okay=False)
# Each stands for one key of a query, and may be said again for an alternative.
_KEYS = {
    "journal": "In the journal of this node.",
    "kind": "Entries of this kind.",
    "outcome": "With this outcome: accepted, received, declined, refused, opened, purged ...",
    "code": "With this code: of a refusal, of a notice, the cause of a purge.",
    "type": "About a bulletin of this type.",
    "verb": "Bulletins with this verb.",
    "precedence": "About a bulletin of this precedence.",
    "marking": "About a bulletin with this TLP.",
    "status": "About a bulletin of this status: actual, exercise, test.",
    "feed": "On this feed.",
    "nation": "By an agency, or the node, of this nation.",
    "origin": "By this agency.",
    "endpoint": "By this endpoint, or any of this agency.",
    "recipient": "Addressed to this endpoint, or any of this agency.",
    "policy": "Decided under this version of the arrangement.",
    "id": "About the bulletin with this id.",
    "target": "That corrects, cancels, updates or answers the bulletin with this id.",
    "thread": "In the line of bulletins that this id began.",
    "digest": "Whose object has this digest.",
    "entry": "With this index.",
}


def _filters(function: Callable[..., None]) -> Callable[..., None]:
    for name, told in reversed(_KEYS.items()):
        option = click.option(f"--{name}", f"k_{name}", multiple=True, help=told)
        function = option(function)
    return function


def indexed(function: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the mirrors that it works on, and the place of their index."""
    function = click.option(
        "--index",
        "index_at",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The index. Without it: beside the first MIRROR, with `.index` at its end.",
    )(function)
    return click.argument("mirrors", metavar="MIRROR", nargs=-1, required=True, type=_MIRROR)(
        function
    )


@click.command("search")
@indexed
@_filters
@click.option("--from", "since", metavar="TIME", help="Taken in on this day or later, UTC.")
@click.option("--to", "until", metavar="TIME", help="Taken in on this day or earlier, UTC.")
@click.option("--query", default="", help="All of it as in a URL: type=voi&origin=pa.senan")
@click.option("--oldest", is_flag=True, help="Oldest first.")
@click.option("--limit", type=click.IntRange(0, 1000), help="At most so many rows.")
@click.option("--cursor", default="", help="Go on where a page ended.")
@click.option("--csv", "as_csv", is_flag=True, help="All rows as CSV, with their names above.")
@verb
def search(session: Session, mirrors: tuple[Path, ...], **options: Any) -> None:
    """Search the entries of one or both nodes' mirrors, with how many have each value.

    The first time an index is made beside the first mirror, then only what is new is read. What
    is found is as the mirror says: whether that holds, `audit verify` tells.
    """
    from exchange.audit.search import matching  # noqa: PLC0415
    from exchange.audit.search import search as searched  # noqa: PLC0415

    query = _query(options)
    with opened_index(session, mirrors, options["index_at"]) as (index, nodes):
        query = msgspec.structs.replace(query, journals=query.journals or nodes)
        if options["as_csv"]:
            _show_csv(matching(index, query))
            return
        found = searched(index, query)
    if session.as_json:
        output.show_json({"query": urlencode(query.pairs()), **_values(found)})
        return
    _show(session, found)


@click.command("story")
@click.argument("identity", metavar="ID")
@indexed
@verb
def story(
    session: Session, identity: str, mirrors: tuple[Path, ...], index_at: Path | None
) -> None:
    """Tell all that stands about one bulletin in the mirrors, entry by entry, in time."""
    from exchange.audit.story import tell  # noqa: PLC0415

    with opened_index(session, mirrors, index_at) as (index, _):
        told = tell(index, identity)
    if told is None:
        raise Refusal(Code.NOT_FOUND, "/id", id=identity[:48])
    if session.as_json:
        output.show_json(_story_values(told))
        return
    _show_story(session, told)


@contextmanager
def opened_index(
    session: Session, mirrors: tuple[Path, ...], at: Path | None
) -> Iterator[tuple[Index, tuple[str, ...]]]:
    """Give an index of these mirrors, with all that they hold, and whose they are.

    Of several mirrors of one node the longest is taken, which goes on from the others.

    Raises:
        Refusal: ``journal-forked`` or ``mirrors-differ``, as ``audit.forked`` says; or as
            ``Index.fold``.
    """
    from exchange.audit.index import Index  # noqa: PLC0415

    with Index.open(at or mirrors[0].with_name(f"{mirrors[0].name}.index")) as index:
        try:
            nodes = _fold(session, mirrors, index)
        except Refusal as refusal:
            if refusal.code is not Code.INDEX_LONGER:
                raise
            # Perhaps somebody else folded more of them since we looked: then look again.
            nodes = _fold(session, mirrors, index)
        yield index, nodes


def _fold(session: Session, mirrors: tuple[Path, ...], index: Index) -> tuple[str, ...]:
    from exchange.audit.forked import longest  # noqa: PLC0415

    with ExitStack() as stack:
        sources = [stack.enter_context(at_one_moment(each)) for each in mirrors]
        taken = longest(sources, partial(keep_evidence, mirrors[0]))
        for place in taken.values():
            index.fold(sources[place], progress.counted(session))
    return tuple(taken)


def row_values(row: Row) -> dict[str, Any]:
    """Return a row as values, with its time as people read it."""
    return {**msgspec.to_builtins(row), "taken": row.taken, "nation": row.nation}


def _query(options: dict[str, Any]) -> Query:
    from exchange.audit.query import parse  # noqa: PLC0415

    pairs = parse_qsl(options["query"], keep_blank_values=True)
    pairs += [(name, each) for name in _KEYS for each in options[f"k_{name}"]]
    given = {"from": options["since"], "to": options["until"], "cursor": options["cursor"]}
    given |= {"limit": options["limit"], "order": "oldest" if options["oldest"] else None}
    pairs += [(name, str(value)) for name, value in given.items() if value not in (None, "")]
    return parse(pairs)


def _values(found: Found) -> dict[str, Any]:
    rows = [row_values(row) for row in found.rows]
    return {**msgspec.to_builtins(found), "rows": rows}


_HEADS = {
    "en": {"journal": "node", "index": "entry", "taken": "time", "kind": "kind",
           "outcome": "outcome", "type": "type", "endpoint": "who", "told": "what"},
    "es": {"journal": "nodo", "index": "asiento", "taken": "hora", "kind": "clase",
           "outcome": "resultado", "type": "tipo", "endpoint": "quién", "told": "qué"},
}  # fmt: skip


def _line(row: Row) -> dict[str, object]:
    shown = " ".join(f"{what} {span}" for what, span in row.reads)
    said = (row.code, row.at, row.rule, row.id, " ".join(row.to), shown)
    return {
        "journal": row.journal,
        "index": row.index,
        "taken": row.taken,
        "kind": row.kind,
        "outcome": " ".join(row.outcome),
        "type": " ".join(filter(None, (row.type, row.verb))),
        "endpoint": row.endpoint,
        "told": " ".join(filter(None, said)),
    }


def _show(session: Session, found: Found) -> None:
    output.table([_line(row) for row in found.rows], _HEADS[session.lang])
    for facet, counts in found.facets.items():
        shown = list(counts.items())[:12]
        more = " ..." if len(counts) > len(shown) else ""
        if shown:
            told = "  ".join(f"{name} {count}" for name, count in shown)
            click.echo(f"{facet:<11} {told}{more}")
    size = sum(found.sizes.values())
    session.say(f"{found.total} de {size} asientos.", f"{found.total} of {size} entries.")
    if found.next:
        session.say(f"Sigue con: --cursor {found.next}", f"Go on with: --cursor {found.next}")


def _show_csv(rows: Iterator[Row]) -> None:
    """Print rows as RFC 4180, as the console gives them."""
    from exchange.audit import sheet  # noqa: PLC0415

    click.echo(",".join(sheet.NAMES) + "\r\n", nl=False)
    for row in rows:
        click.echo(sheet.lines([row]), nl=False)


def _story_values(told: Story) -> dict[str, Any]:
    steps = [
        {"step": each.step, "rule": each.rule, **row_values(each.row)} for each in told.steps
    ]
    return {"id": told.id, "thread": told.thread, "steps": steps, "others": told.others}


def _show_story(session: Session, told: Story) -> None:
    spanish = session.lang == "es"
    for each in told.steps:
        row = each.row
        where = f"{row.journal} {'asiento' if spanish else 'entry'} {row.index}"
        if row.home:
            where += f" < {row.home} {row.home_index}"
        who = " ".join(filter(None, (row.endpoint, row.officer)))
        other = row.id if row.id != told.id else ""
        said = "  ".join(filter(None, (each.step, who, each.rule, other)))
        click.echo(f"{row.taken}  {where:<26}  {said}")
    if told.others:
        session.say(
            f"En la misma línea: {' '.join(told.others)}",
            f"In the same line: {' '.join(told.others)}",
        )
