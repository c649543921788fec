"""``outbox``: what was posted from here, what waits and why, and sending it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange import render
from exchange.cli import losing, output, world
from exchange.cli.main import Session, verb
from exchange.cli.progress import teller
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.client import fetching, losses, separating
from exchange.client.outbox import Outbox
from exchange.client.transport import AWAY
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.client.fetching import Fetched
    from exchange.client.outcomes import Refused, Waiting
    from exchange.errors import ExchangeError

_HEADS = {
    "en": {
        "index": "entry",
        "kind": "what",
        "id": "id",
        "act": "act",
        "since": "since",
        "told": "why",
    },
    "es": {
        "index": "asiento",
        "kind": "qué",
        "id": "id",
        "act": "acto",
        "since": "desde",
        "told": "por qué",
    },
}
_KINDS = {
    "en": {"bulletin": "bulletin", "acknowledgement": "acknowledgement"},
    "es": {"bulletin": "boletín", "acknowledgement": "acuse"},
}
_WORDS = {
    "en": {"waiting": "waiting", "refused": "refused", "damaged": "damaged receipt",
           "not-sent": "not sent yet"},
    "es": {"waiting": "en espera", "refused": "rechazado", "damaged": "recibo dañado",
           "not-sent": "aún no enviado"},
}  # fmt: skip
_SEND = {
    "en": "Once the node answers: exchange outbox send",
    "es": "Cuando el nodo responda: exchange outbox send",
}


@click.command()
@click.argument(
    "action", metavar="[send|fetch]", required=False, type=click.Choice(["send", "fetch"])
)
@click.argument("identity", metavar="ID", required=False)
@click.option("--resume", is_flag=True, help="The same as `send`.")
@click.option(
    "--save",
    type=(str, click.Path(path_type=Path, dir_okay=False)),
    metavar="ID FILE",
    help="Write what was sealed into a new FILE, for `inspect` or as evidence.",
)
@verb
def outbox(
    session: Session,
    action: str | None,
    identity: str | None,
    resume: bool,
    save: tuple[str, Path] | None,
) -> None:
    """List what was posted from here, and what waits: since when, why, and the next step.

    `outbox send` asks the node for the receipt of whatever waits, and sends what it does not
    have: the same bytes, nothing twice. Only what it proves to have refused for a changed key
    is sealed anew, to the same readers.

    `outbox fetch ID` takes back what this endpoint posted from another machine, or before its
    keys were restored: header and receipt, verified. Then it is cancelled, corrected,
    confirmed and traced from here. Its text was sealed to others, and does not come back.
    """
    if action == "fetch" or identity is not None:
        _fetched(session, action, identity)
        return
    if action or resume:
        asyncio.run(_send(session))
    context = session.context()
    with closing(context.cabinet(context.secrets())) as cabinet:
        box = Outbox(cabinet)
        if save is not None:
            _save(session, box, *save)
            return
        rows = [*_kept_in(box, "bulletin"), *_kept_in(box.acks, "acknowledgement")]
        acts = {part.id: act.id for act in separating.all_of(cabinet) for part in act.parts}
        refused = [*_refused_in(box, "bulletin"), *_refused_in(box.acks, "acknowledgement")]
        lost = losses.listed(cabinet)
    for row in [*rows, *refused]:
        # Of several envelopes that were posted as one: which act that was.
        row.update({"act": acts[row["id"]]} if row["id"] in acts else {})
    if session.as_json:
        told = {"lost": [losing.told(each) for each in lost]} if lost else {}
        output.show_json({"outbox": rows, "refused": refused, **told})
        return
    shown = [_shown(row, session) for row in [*rows, *refused]]
    heads = _HEADS[session.lang]
    if not acts:
        heads = {name: head for name, head in heads.items() if name != "act"}
    if not any(row["told"] for row in shown):
        heads = {name: head for name, head in heads.items() if name not in ("since", "told")}
    output.table(shown, heads)
    if any("next" in row for row in rows):
        click.echo(_SEND[session.lang])
    for each in lost:
        click.echo(losing.line(each, session.lang))


async def _fetch(session: Session, identity: str) -> Fetched:
    async with session.context().agency() as agency:
        return await fetching.fetch(agency, identity)


def _fetched(session: Session, action: str | None, identity: str | None) -> None:
    if action != "fetch" or identity is None:
        raise Unusable(
            "Se dice `outbox fetch ID`, y en ningún otro caso un ID.",
            "Say `outbox fetch ID`, and an ID nowhere else.",
        )
    found = asyncio.run(_fetch(session, identity))
    index = found.receipt.index if found.receipt else None
    if session.as_json:
        output.show_json({"id": found.id, "index": index, "fetched": found.is_new})
    elif not found.is_new:
        session.say(
            f"{found.id} ya está aquí y queda como está: vea `exchange outbox`.",
            f"{found.id} is here already and stays as it is: see `exchange outbox`.",
        )
    else:
        session.say(
            f"{found.id}, asiento {index}, está ahora en la bandeja de salida, verificado."
            " Su texto no vuelve, ni la clave para concederlo: queda en quien lo recibió.",
            f"{found.id}, entry {index}, is in the outbox now, verified. Its text does not come"
            " back, nor the key to grant it: they are with its recipients.",
        )


def _save(session: Session, box: Outbox, identity: str, file: Path) -> None:
    envelope = box.envelope(identity) or box.acks.envelope(identity)
    if envelope is None:
        raise Refusal(Code.NOT_FOUND, "/outbox", id=identity)
    output.write_new(file, envelope.framed())
    if session.as_json:
        output.show_json({"id": identity, "file": str(file)})
    session.say(f"Sobre en {file}", f"Envelope in {file}")


def _shown(row: dict[str, Any], session: Session) -> dict[str, Any]:
    """Return a row as a person reads it."""
    words, index, why = _WORDS[session.lang], row["index"], row.get("why")
    told = why[session.lang]["what"] if why else ""
    if "fault" in row:
        index = words["damaged"]
    elif "refused" in row:
        index = words["refused"]
    elif index is None:
        index, told = words["waiting"], told or words["not-sent"]
    kind = _KINDS[session.lang][row["kind"]]
    return {
        "act": "",
        **row,
        "index": index,
        "kind": kind,
        "since": row.get("since", ""),
        "told": told,
    }


def _kept_in(box: Outbox, kind: str) -> list[dict[str, Any]]:
    """Return what an outbox holds: first what has its receipt, then what waits for it."""
    sent = [{"id": each, "kind": kind, **_receipted(box, each)} for each in box.sent()]
    waiting = [found for each in box.waiting() if (found := box.waits(each))]
    return [*sent, *(_waits(each, kind) for each in waiting)]


def _waits(waiting: Waiting, kind: str) -> dict[str, Any]:
    why = waiting.why.error() if waiting.why else None
    is_away = why is None or why.code in AWAY
    texts = None if why is None or is_away else output.problem(why)
    return {
        "id": waiting.id,
        "kind": kind,
        "index": None,
        "since": zulu(waiting.since_ms // 1000),
        "tries": waiting.tries,
        "tried": zulu(waiting.tried_ms // 1000) if waiting.tries else None,
        "why": None if why is None else output.problem(why),
        "next": {lang: texts[lang]["next"] if texts else said for lang, said in _SEND.items()},
    }


def _refused_in(box: Outbox, kind: str) -> Iterator[dict[str, Any]]:
    for each in box.refused():
        yield _refused(each, kind)


def _refused(each: Refused, kind: str) -> dict[str, Any]:
    """Return what was refused: the entry is the node's own record of that."""
    why = output.problem(each.why.error())
    index = each.receipt.index
    return {"id": each.id, "kind": kind, "index": index, "refused": True, "why": why}


def _receipted(box: Outbox, identity: str) -> dict[str, Any]:
    """Return the entry that a receipt is of; a damaged one is named and hides no other."""
    try:
        receipt = box.receipt(identity)
    except Fault as fault:
        return {"index": None, "fault": output.problem(fault)}
    return {"index": receipt.index if receipt else None}


async def _send(session: Session) -> None:
    async with session.context().agency() as agency:
        tell = teller(session, "Adjunto", "Attachment")
        await agency.resume(tell, partial(warn, session))


def warn(session: Session, identity: str, error: ExchangeError) -> None:
    """Say on stderr, in JSON too, that something sealed has no receipt, and why."""
    click.echo(
        f"!!! {identity} SIGUE SIN RECIBO:"
        if session.lang == "es"
        else f"!!! {identity} STILL HAS NO RECEIPT:",
        err=True,
    )
    click.echo(render.refusal_text(error, session.lang, world.codes()), err=True)
