"""Verbs of a reader: ``inbox``, ``watch``, ``read``, ``ack``."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import click

from exchange import render
from exchange.cli import (
    abroad,
    ageing,
    away,
    chasing,
    choosing,
    news,
    output,
    proving,
    saving,
    urging,
    view,
    world,
)
from exchange.cli import bearing as shown
from exchange.cli import officer as on_watch
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu, zulu_ms
from exchange.cli.usage import Unusable
from exchange.client import bearing, purging, views
from exchange.client.attesting import attestable
from exchange.client.reading import (
    Acked,
    Delivered,
    Item,
    Locked,
)
from exchange.client.transport import is_away
from exchange.client.views import NamedView
from exchange.errors import Code, Fault, Refusal
from exchange.model import objects
from exchange.model.bulletin import overdue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.agency import Agency
    from exchange.client.cases import Duty
    from exchange.client.chasing import Reminder
    from exchange.client.inbox import Shown
    from exchange.client.proving import Proven
    from exchange.model.objects import Outcome

# From here on a table has room for ids beside the subject.
_WIDE = 150
_HEADS = {
    "en": {"index": "entry", "taken": "time", "precedence": "precedence", "type": "type",
           "origin": "from", "title": "subject", "state": "state", "id": "id"},
    "es": {"index": "asiento", "taken": "hora", "precedence": "precedencia", "type": "tipo",
           "origin": "de", "title": "asunto", "state": "estado", "id": "id"},
}  # fmt: skip


@click.command()
@click.option("--after", default=-1, help="Only what came after this entry.")
@click.option(
    "--prove", is_flag=True, help="Prove that nothing is missing, up to the newest checkpoint."
)
@click.option("--view", "named", metavar="NAME", help="Show what a saved view shows.")
@verb
def inbox(session: Session, after: int, prove: bool, named: str | None) -> None:
    """List what is owed to this endpoint, verified and opened.

    With --prove it ends with 5 and an alarm where the node withholds, changes or takes back
    anything of it, or shows an old state.
    """
    wanted = views.named(view.of(session.context()), named) if named else NamedView()
    looked = asyncio.run(_everything(session, prove=prove))
    come, owing = [item for item in looked.items if item.index > after], looked.owing
    items, hidden = views.split(come, wanted)
    marks = bearing.marks(come)
    rows = [
        chasing.add(ageing.add(row, looked.late.get(item.index), session), owing, session)
        for item in items
        for row in (row_of(item, session, come, marks.get(item.index, [])),)
    ]
    rows = [urging.add(row, looked.duties, session) for row in rows]
    if session.as_json:
        endpoint = session.context().profile().endpoint
        told = {"items": rows, "to_acknowledge": [chasing.told(each) for each in owing]}
        told["boarding"] = [urging.told(each) for each in looked.duties]
        proven = proving.told(looked.outcome)
        part = {"view": named, "hidden": hidden} if named else {}
        output.show_json({"endpoint": endpoint, **told, **part, **looked.as_of, **proven})
    elif rows:
        heads = _HEADS[session.lang]
        if sys.stdout.isatty() and shutil.get_terminal_size().columns < _WIDE:
            # The entry number names an item as well, and there is room for the subject.
            heads = {name: head for name, head in heads.items() if name != "id"}
        output.table(rows, heads)
    elif not hidden:
        session.say("El buzón está vacío.", "The inbox is empty.")
    if named:
        view.hidden(session, named, hidden)
    if not session.as_json:
        chasing.show(owing, session)
        urging.show(looked.duties, session)
    away.conclude(looked.as_of, session)
    proving.conclude(looked.outcome, session)


class _Looked(NamedTuple):
    """The inbox; what is overdue, and to be acknowledged; how proving went, and as of when.

    ``duties`` are boarding requests that wait for an answer.
    """

    items: list[Item]
    late: dict[int, int]
    owing: list[Reminder]
    outcome: Proven | Refusal | None
    as_of: dict[str, Any]
    duties: Sequence[Duty] = ()


async def _everything(session: Session, *, prove: bool) -> _Looked:
    async with session.context().agency() as agency:
        if prove:
            # What is held proves nothing of what there is by now: the node must be there.
            items, outcome = await proving.held_to(agency)
            as_of: dict[str, Any] = {}
        else:
            known = await agency.known()
            items, outcome, as_of = known.items, None, away.told(agency, known)
        # Said in the row of the order; what is destroyed here is attested at once.
        await purging.attest(agency, items)
        late, owing = ageing.in_inbox(agency, items), chasing.open_here(agency, items)
        return _Looked(items, late, owing, outcome, as_of, urging.open_here(agency, items))


def row_of(
    item: Item,
    session: Session,
    items: Sequence[Item] = (),
    marks: Sequence[bearing.Mark] = (),
) -> dict[str, Any]:
    """Return what is shown of an item; programs get its state in a word, and as text."""
    row, came = _told(item, session), abroad.came_of(item)
    text = ", ".join(filter(None, [row["state"], *abroad.words(came, session)]))
    if isinstance(item, Delivered):
        does = shown.does(item, items, session)
        text = _state(item, session, [*does, *shown.done_to(marks, session)])
        row["state"] = shown.state(item, marks)
    if not session.as_json:
        return {**row, "state": text}
    return {
        **row,
        "came": abroad.values(came),
        "state": "locked" if isinstance(item, Locked) else row["state"],
        "state_text": text,
    }


def _told(item: Item, session: Session) -> dict[str, Any]:
    codes, lang = world.codes(), session.lang
    match item:
        case Delivered(header=header):
            word = codes.words("precedence", header.precedence, lang)
            return {
                "kind": "bulletin",
                "index": item.index,
                "position": item.position,
                "taken": _when(item.taken_ms, session),
                "precedence": word if not session.as_json else header.precedence,
                "type": header.type,
                "origin": header.origin,
                "status": header.status,
                "title": _title(item, session),
                "state": "",
                "late": item.late,
                "declined": abroad.declined(item),
                "review_overdue": is_review_overdue(item),
                "attachments": len(header.attachments),
                "id": header.id,
                "granted_by": item.grant.endpoint if item.grant else None,
                "locked": output.problem(item.locked) if item.locked else None,
            }
        case Acked(ack=ack):
            said = codes.words("ack-outcomes", ack.outcome, lang)
            return {
                "kind": "acknowledgement",
                "index": item.index,
                "position": item.position,
                "taken": _when(item.taken_ms, session),
                "precedence": "",
                "type": "ack",
                "origin": ack.endpoint,
                "title": f"{said} ({ack.officer})" if ack.officer else said,
                "outcome": ack.outcome,
                "state": "",
                "id": ack.of.id,
            }
        case Locked(locked=locked):
            return {
                "kind": "locked",
                "index": item.index,
                "position": item.position,
                "taken": "",
                "precedence": "",
                "type": "?",
                "origin": "?",
                "title": render.refusal(locked, lang, codes).what,
                "state": locked.code.value,
                "id": "",
                "locked": output.problem(locked),
            }
        case _:
            return news.row(item, session, _when(item.taken_ms, session))


def is_review_overdue(item: Delivered) -> bool:
    """Tell whether somebody is named beyond the day of their review."""
    return item.bulletin is not None and bool(overdue(item.bulletin, world.now()))


def _when(taken_ms: int, session: Session) -> str:
    """Return a time to the millisecond for programs, to the second for people."""
    return zulu_ms(taken_ms) if session.as_json else zulu(taken_ms // 1000)


def _title(item: Delivered, session: Session) -> str:
    if item.bulletin is None:
        locked = item.locked or Refusal(Code.CANNOT_DECRYPT)
        return render.refusal(locked, session.lang, world.codes()).what
    title = item.bulletin.title
    for translation in title.translations:
        if translation.lang == session.lang:
            return translation.text
    return title.text


def _state(item: Delivered, session: Session, standing: Sequence[str]) -> str:
    spanish = session.lang == "es"
    words = []
    if item.locked:
        words.append("cerrado" if spanish else "locked")
    if item.not_understood:
        words.append("comprendido en parte" if spanish else "understood in part")
    if item.grant:
        words.append("concedido" if spanish else "granted")
    words += standing
    if is_review_overdue(item):
        words.append("REVISIÓN VENCIDA" if spanish else "REVIEW OVERDUE")
    words += abroad.words(item.came, session)
    if item.late:
        words.append("tardío" if spanish else "late")
    words += abroad.left_out(item, session)
    if count := len(item.header.attachments):
        noun = "adjunto" if spanish else "attachment"
        words.append(f"{count} {noun}{'s' if count > 1 else ''}")
    if item.header.status != "actual":
        words.append(world.codes().words("status", item.header.status, session.lang))
    return ", ".join(words)


@click.command()
@click.argument("identity", metavar="ID|ENTRY")
@click.option(
    "--save",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Fetch its attachments and save them here, over no other file.",
)
@click.option("--show-text", is_flag=True, help="Show saved plain text, all of it visible.")
@verb
def read(session: Session, identity: str, folder: Path | None, show_text: bool) -> None:
    """Show a bulletin of the inbox, by its id or entry number. Does not acknowledge it.

    Attachments are saved and never opened: look at them with the care they need.
    """
    if show_text and folder is None:
        raise Unusable(
            "--show-text muestra lo que guarda --save DIR.",
            "--show-text shows what --save DIR saves.",
        )
    item, looked, saved = asyncio.run(_read(session, identity, folder))
    items, owing, as_of = looked.items, looked.owing, looked.as_of
    marks = bearing.marks(items).get(item.index, [])
    if item.bulletin is None:
        if not session.as_json:
            # Sealed to others, but owed to us: what it does to what we hold is in the clear.
            for words in shown.does(item, items, session):
                click.echo(f"!!! {words.upper()} !!!", err=True)
            shown.warn(marks, session, err=True)
            chasing.show(owing, session, err=True)
        raise item.locked or Refusal(Code.CANNOT_DECRYPT, id=identity)
    if session.as_json:
        output.show_json(
            {
                "index": item.index,
                "taken": zulu_ms(item.taken_ms),
                "came": abroad.values(item.taken_in),
                "late": item.late,
                "declined": abroad.declined(item),
                "header_digest": item.digest,
                "header": item.header,
                "bulletin": saving.without_keys(item.bulletin),
                "not_understood": item.not_understood,
                "review_overdue": overdue(item.bulletin, world.now()),
                "warnings": output.warnings(shown.warned(item, items)),
                **shown.told(item, items, marks),
                "to_acknowledge": [chasing.told(each) for each in owing],
                **({} if folder is None else {"saved": [str(path) for path in saved]}),
                **as_of,
            }
        )
        away.conclude(as_of, session)
        return
    codes = world.codes()
    shown.warn(marks, session)
    chasing.show(owing, session)
    click.echo(render.heading(item.header, session.lang, codes))
    click.echo()
    click.echo(
        render.page(
            item.bulletin, session.lang, codes, unknown=item.not_understood, now=world.now()
        )
    )
    shown.show(item, items, session)
    if item.grant:
        by, since = item.grant.endpoint, zulu(item.grant.at)
        session.say(f"\nConcedido por {by}, {since}.", f"\nGranted by {by}, {since}.")
    session.say(
        f"\nFirma verificada. Asiento {item.index}, {zulu_ms(item.taken_ms)}.",
        f"\nSignature verified. Entry {item.index}, {zulu_ms(item.taken_ms)}.",
    )
    abroad.show(item, session)
    saving.show(session, item.bulletin, saved, show_text=show_text)
    away.conclude(as_of, session)


async def _read(
    session: Session, identity: str, folder: Path | None
) -> tuple[Delivered, _Looked, list[Path]]:
    """Return a bulletin, what was looked at and concerns it, and where its files were saved."""
    async with session.context().agency() as agency:
        item, known = await find(agency, identity)
        saved = await saving.save_all(session, agency, item, folder)
        owing = chasing.about(item, chasing.open_here(agency, known.items))
        as_of = away.told(agency, known)
        return item, _Looked(known.items, {}, owing, None, as_of), saved


@click.command()
@click.argument("identity", metavar="ID|ENTRY")
@click.option(
    "--outcome",
    type=click.Choice(get_args(objects.Outcome)),
    help="What became of it; by default what is so: opened, schema-invalid or unreadable.",
)
@click.option("--officer", help="Who acted: a name or number of the watch, not a secret.")
@verb
def ack(session: Session, identity: str, outcome: Outcome | None, officer: str | None) -> None:
    """Acknowledge a bulletin to its originator, signed; it names who has the watch."""
    named = officer or on_watch.of(session.context())
    told, why = asyncio.run(_ack(session, identity, outcome, named))
    if why is not None:
        if session.as_json:
            output.show_json({**told, **away.queued(told["id"], why)})
        away.say_unacknowledged(session, told["of"], why)
        away.leave(session)
    if session.as_json:
        output.show_json(told)
    words = world.codes().words("ack-outcomes", told["outcome"], session.lang)
    session.say(
        f"Acuse registrado: {words}; asiento {told['index']}.",
        f"Acknowledged: {words}; entry {told['index']}.",
    )


async def _ack(
    session: Session, identity: str, outcome: Outcome | None, officer: str | None
) -> tuple[dict[str, Any], Fault | None]:
    """Return what was said, and in which entry; or why it waits."""
    async with session.context().agency() as agency:
        item, known = await find(agency, identity)
        shown.warn(bearing.marks(known.items).get(item.index, []), session, err=True)
        said = outcome or attestable(item)[0]
        index, why = None, None
        try:
            index = (await agency.acknowledge(item, said, officer)).index
        except Fault as fault:
            if not is_away(fault) or fault.code is Code.OUTCOME_UNKNOWN:
                raise
            why = fault
        own = agency.acknowledged(item, said, officer)
        return {"id": own, "of": item.header.id, "outcome": said, "index": index}, why


async def find(agency: Agency, identity: str) -> tuple[Delivered, Shown]:
    """Return a bulletin of the inbox, and the whole inbox as it is known."""
    known = await agency.known()
    return choosing.in_inbox(known.items, identity), known
