"""The verbs ``release ...``: what waits for a second person, seen from both sides."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange import render
from exchange.cli import away, output, saving, world
from exchange.cli import officer as on_watch
from exchange.cli.asking import confirm
from exchange.cli.main import Session, group, verb
from exchange.cli.outboxing import warn
from exchange.cli.progress import teller
from exchange.cli.times import zulu
from exchange.client import asked
from exchange.client.reading import Delivered, Drafted
from exchange.client.transport import is_away
from exchange.errors import Code, ExchangeError, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from exchange.client.agency import Agency
    from exchange.client.reading import Item
    from exchange.client.releasing import Queued
    from exchange.model.bulletin import AnyBulletin
    from exchange.model.header import Header
    from exchange.model.objects import Receipt

_HEADS = {
    "en": {"index": "entry", "state": "state", "since": "since", "author": "author",
           "what": "what", "title": "title", "told": "said", "id": "draft"},
    "es": {"index": "asiento", "state": "estado", "since": "desde", "author": "autor",
           "what": "qué", "title": "título", "told": "dicho", "id": "borrador"},
}  # fmt: skip
_NAME = click.argument("name", metavar="DRAFT|ENTRY")
_YES = click.option("--yes", is_flag=True, help="Do not ask before.")
_OFFICER = click.option("--officer", help="Who decides: a name or number, not a secret.")


@group
def release() -> None:
    """What goes out only once a second person released it: look, release, decline, withdraw."""


@release.command("list")
@verb
def list_(session: Session) -> None:
    """List what waits for a release: of ours, and what we are asked to release.

    What was released meanwhile is posted now.
    """
    rows, as_of = asyncio.run(_list(session))
    if session.as_json:
        output.show_json({"queue": rows, **as_of})
    elif rows:
        output.table([_shown(row, session) for row in rows], _HEADS[session.lang])
    else:
        session.say("Nada espera autorización.", "Nothing waits for a release.")
    away.conclude(as_of, session)


async def _list(session: Session) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    async with session.context().agency() as agency:
        known = await agency.known()
        if known.away is None:
            await take_up(session, agency, known.items)
        rows = []
        for each in agency.releasing.queue(known.items):
            row = _row(each)
            if each.state in ("asking", "waiting", "released"):
                row |= await _about(session, agency, each, known.items)
            rows.append(row)
        return rows, away.told(agency, known)


async def take_up(session: Session, agency: Agency, items: Sequence[Item]) -> None:
    """Post what was released meanwhile, and say so."""
    tell = teller(session, "Adjunto", "Attachment")
    posted = await agency.asking.take_up(items, tell, partial(warn, session))
    for each, receipt in posted:
        agency.world.outbox.forget(each.mark)
        if (gives := each.gives) is not None:
            session.say(
                f"Autorizado: {gives.to} puede leer {gives.bulletin}; asiento {receipt.index}.",
                f"Released: {gives.to} can read {gives.bulletin}; entry {receipt.index}.",
            )
            continue
        session.say(
            f"Autorizado y enviado: {each.id} es el asiento {receipt.index}.",
            f"Released and posted: {each.id} is entry {receipt.index}.",
        )


async def arrived(session: Session, agency: Agency, item: Item) -> None:
    """Take up what came while somebody watches: what is released goes out at once.

    Where the node is away just then, it waits in the outbox.
    """
    try:
        await take_up(session, agency, [item])
    except Fault as fault:
        if not is_away(fault):
            raise


def _row(each: Queued) -> dict[str, Any]:
    return {
        "id": each.id,
        "state": each.state,
        "ours": each.is_ours,
        "since": zulu(each.since_ms // 1000),
        "author": each.author,
        "asked": each.to,
        "asked_by": each.asked_by,
        "bulletin": each.bulletin,
        "gives": each.gives,
        "index": each.index,
        "by": each.by or None,
        "officer": each.officer,
        "reason": each.reason or None,
        "why": output.problem(each.why.error()) if each.why else None,
    }


async def _about(
    session: Session, agency: Agency, each: Queued, items: Sequence[Item]
) -> dict[str, Any]:
    """Return what a draft that waits is about, as far as it can be shown."""
    try:
        header, bulletin, gives = await asked.content(agency, each, items)
    except ExchangeError as error:
        return {"locked": output.problem(error)}
    return {
        "gives": gives,
        "type": header.type,
        "precedence": header.precedence,
        "tlp": header.marking.tlp,
        "title": _title(bulletin, session),
    }


def _title(bulletin: AnyBulletin, session: Session) -> str:
    told = {each.lang: each.text for each in bulletin.title.translations}
    return told.get(session.lang, bulletin.title.text)


def _shown(row: dict[str, Any], session: Session) -> dict[str, Any]:
    """Return a row as a person reads it."""
    codes, lang = world.codes(), session.lang
    what = [row.get("type", "").upper()]
    if "precedence" in row:
        what.append(codes.words("precedence", row["precedence"], lang))
    if row["gives"]:
        what.append(("para" if lang == "es" else "to") + f" {row['gives']}")
    who = " ".join(filter(None, (row["by"], f"({row['officer']})" if row["officer"] else "")))
    # Once released it is the author's to post, and its draft goes then: nothing to wonder at.
    locked = row.get("locked") if row["state"] == "waiting" else None
    why = (row["why"] or locked or {}).get(lang, {}).get("what", "")
    said = ": ".join(filter(None, (who, row["reason"] or why)))
    return {
        **row,
        "index": "" if row["index"] is None else row["index"],
        "state": codes.words("release-states", row["state"], lang),
        "what": " ".join(filter(None, what)),
        "title": render.visible(row.get("title", "")),
        "told": render.visible(said),
    }


# -- one of them -----------------------------------------------------------------------------


class _Found:
    """A draft that was named: how it stands, its bulletin, and of others' the item."""

    def __init__(self, each: Queued, item: Drafted | None, found: Delivered | None) -> None:
        self.each, self.item, self.found = each, item, found
        self.header: Header | None = found.header if found else None
        self.bulletin: AnyBulletin | None = found.bulletin if found else None
        self.gives = found.grant.to if found and found.grant else each.gives


async def _named(agency: Agency, name: str) -> _Found:
    """Return the draft of that id or entry; of ours, also by the id of its bulletin.

    Raises:
        Refusal: ``not-found``; or what locks it.
    """
    items = await agency.everything()
    for each in agency.releasing.queue(items):
        if name not in (each.id, str(each.index), each.bulletin):
            continue
        if each.is_ours:
            made = _Found(each, None, None)
            if each.state in ("asking", "waiting", "released", "expired"):
                made.header, made.bulletin, _ = await asked.content(agency, each, items)
            return made
        item = asked.item_of(each, items)
        opened = await agency.releasing.opened(item) if each.state == "waiting" else None
        return _Found(each, item, opened)
    raise Refusal(Code.NOT_FOUND, "", id=name)


@release.command()
@_NAME
@click.option(
    "--save",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Fetch its attachments and save them here, over no other file.",
)
@verb
def show(session: Session, name: str, folder: Path | None) -> None:
    """Show a draft as its readers would have it, and who they would be. Decides nothing."""
    asyncio.run(_show(session, name, folder))


async def _show(session: Session, name: str, folder: Path | None) -> None:
    async with session.context().agency() as agency:
        made = await _named(agency, name)
        saved: list[Path] = []
        # What a grant gives went out with its attachments, and they are not shown again.
        if made.found is not None and made.gives is None:
            saved = await saving.save_all(session, agency, made.found, folder)
        if session.as_json:
            output.show_json(_told(agency, made, saved))
            return
        _review(session, agency, made)
        if made.bulletin is not None:
            saving.show(session, made.bulletin, saved, show_text=False)


def _told(agency: Agency, made: _Found, saved: Sequence[Path] = ()) -> dict[str, Any]:
    bulletin = None if made.bulletin is None else saving.without_keys(made.bulletin)
    return {
        **_row(made.each),
        "gives": made.gives,
        "header_digest": made.each.of,
        "header": made.header,
        "bulletin": bulletin,
        "not_understood": made.found.not_understood if made.found else [],
        "readers": _readers(agency, made, "en"),
        **({"saved": [str(path) for path in saved]} if saved else {}),
    }


def _readers(agency: Agency, made: _Found, lang: str) -> list[dict[str, Any]]:
    """Return who would be able to read it: those that the header, or the grant, names."""
    rows = []
    for name in [made.gives] if made.gives else made.header.to if made.header else []:
        standing = agency.trust.newest.standing(name)
        title = standing.member.title["es" if lang == "es" else "en"]
        rows.append({"endpoint": name, "title": title, "nation": standing.alpha3})
    return rows


def _review(session: Session, agency: Agency, made: _Found) -> None:
    """Show a draft as a person reads it: how it stands, the bulletin, and its readers."""
    codes, lang, each = world.codes(), session.lang, made.each
    state = codes.words("release-states", each.state, lang)
    who = f"{each.author} ({each.asked_by})" if each.asked_by else each.author
    since = zulu(each.since_ms // 1000)
    session.say(
        f"Borrador {each.id}, de {who}, desde {since}: {state}",
        f"Draft {each.id}, by {who}, since {since}: {state}",
    )
    if said := _shown(_row(each), session)["told"]:
        click.echo(said)
    if made.header is None or made.bulletin is None:
        return
    click.echo()
    click.echo(render.heading(made.header, lang, codes))
    click.echo()
    unknown = made.found.not_understood if made.found else []
    click.echo(render.page(made.bulletin, lang, codes, unknown=unknown, now=world.now()))
    count, before = len(made.header.to), ", ".join(made.header.to)
    if made.gives is None:
        session.say(
            f"\nPodrán leerlo exactamente {count} cuando salga:",
            f"\nExactly {count} will be able to read it when it goes out:",
        )
    else:
        session.say(
            f"\nSalió ya, para: {before}. Se pide darlo, con todos sus anexos, a uno más:",
            f"\nIt is out already, for: {before}. It is asked to give it, with all of its"
            " attachments, to one more:",
        )
    spanish = {"endpoint": "destinatario", "title": "agencia", "nation": "nación"}
    english = {"endpoint": "recipient", "title": "agency", "nation": "nation"}
    rows = _readers(agency, made, lang)
    output.table(rows, spanish if lang == "es" else english)
    # See rule 28 of docs/policy.md: what others pass on, their marking and a consent bind.
    session.say(
        "Para que su agencia lo dé después a otro se pide otra autorización. Quien lo tiene"
        " puede pasarlo como permita su marca, o como consienta su autor: para eso no se pide"
        " ninguna. Cada entrega queda en el diario.",
        "For your agency to give it to another later, another release is asked. Who holds it"
        " may pass it on as its marking allows, or as its author consents: for that none is"
        " asked. Each time is in the journal.",
    )


# -- deciding --------------------------------------------------------------------------------


@release.command()
@_NAME
@_OFFICER
@_YES
@verb
def approve(session: Session, name: str, officer: str | None, yes: bool) -> None:
    """Release a draft, after showing it and who will be able to read it: signed, for good.

    What is released is just this bulletin, byte for byte; its author posts it then.
    """
    named = officer or on_watch.of(session.context())
    asyncio.run(_decide(session, name, None, named, unasked=yes))


@release.command()
@_NAME
@click.option("--reason", required=True, help="Why, for its author alone; it is sealed.")
@_OFFICER
@_YES
@verb
def decline(session: Session, name: str, reason: str, officer: str | None, yes: bool) -> None:
    """Decline to release a draft, and tell its author why."""
    named = officer or on_watch.of(session.context())
    asyncio.run(_decide(session, name, reason, named, unasked=yes))


async def _decide(
    session: Session, name: str, reason: str | None, officer: str | None, *, unasked: bool
) -> None:
    async with session.context().agency() as agency:
        made = await _named(agency, name)
        item = _to_decide(made)
        if not session.as_json:
            _review(session, agency, made)
        if reason is None:
            if not unasked:
                confirm(session, "¿Autorizar su salida?", "Release it?")
            await _sent(
                session, made, "released", lambda: agency.releasing.approve(item, officer)
            )
            return
        if not unasked:
            confirm(session, "¿Negar la autorización?", "Decline it?")
        await _sent(
            session, made, "declined", lambda: agency.releasing.decline(item, reason, officer)
        )


def _to_decide(made: _Found) -> Drafted:
    """Return what is to be decided.

    Raises:
        Refusal: ``own-release``: it is ours; ``draft-over``: somebody decided before.
    """
    if made.item is None:
        raise Refusal(Code.OWN_RELEASE, "/of/endpoint", name=made.each.author)
    if made.each.state != "waiting":
        raise Refusal(Code.DRAFT_OVER, "/of", name=made.each.state)
    return made.item


async def _sent(
    session: Session, made: _Found, state: str, send: Callable[[], Awaitable[Receipt]]
) -> None:
    """Send a decision, and say in which entry it is; or that it waits for the node."""
    named = {"draft": made.each.id, "state": state}
    try:
        receipt = await send()
    except Fault as fault:
        if not is_away(fault) or fault.code is Code.OUTCOME_UNKNOWN:
            raise
        if session.as_json:
            output.show_json({**named, **away.queued(made.each.id, fault)})
        away.say_queued(session, made.each.id, fault, fresh=True)
        away.leave(session)
    words = world.codes().words("release-states", state, session.lang)
    if session.as_json:
        output.show_json({**named, "index": receipt.index})
    session.say(
        f"Borrador {made.each.id}: {words}; asiento {receipt.index}.",
        f"Draft {made.each.id}: {words}; entry {receipt.index}.",
    )


@release.command()
@_NAME
@_OFFICER
@_YES
@verb
def withdraw(session: Session, name: str, officer: str | None, yes: bool) -> None:
    """Take back what waits for a release: nobody releases it any more, and nobody gets it."""
    named = officer or on_watch.of(session.context())
    asyncio.run(_withdraw(session, name, named, unasked=yes))


async def _withdraw(session: Session, name: str, officer: str | None, *, unasked: bool) -> None:
    async with session.context().agency() as agency:
        # Without asking the node: what is taken back is taken back at once, here.
        pending = next(
            (each for each in agency.asking.waiting.all() if name in (each.id, each.draft)),
            None,
        )
        if pending is None:
            made = await _named(agency, name)
            if not made.each.is_ours:
                raise Refusal(Code.NOT_YOURS, "/endpoint", name=made.each.author)
            pending = agency.asking.waiting.of(made.each.of)
        if pending is None:
            raise Refusal(Code.NOT_FOUND, "", id=name)
        if not unasked:
            confirm(session, f"¿Retirar {pending.draft}?", f"Withdraw {pending.draft}?")
        tell = teller(session, "Adjunto", "Attachment")
        try:
            receipt = await agency.asking.withdraw(pending, tell, officer)
        except Fault as fault:
            if not is_away(fault):
                raise
            if session.as_json:
                output.show_json({"state": "withdrawn", **away.queued(pending.draft, fault)})
            away.say_queued(session, pending.draft, fault, fresh=False)
            away.leave(session)
    index = None if receipt is None else receipt.index
    if session.as_json:
        output.show_json({"draft": pending.draft, "state": "withdrawn", "index": index})
    if (gives := pending.gives) is not None:
        session.say(
            f"Retirado: {gives.to} no recibirá {gives.bulletin}.",
            f"Withdrawn: {gives.to} will not get {gives.bulletin}.",
        )
        return
    session.say(
        f"Retirado: nadie recibirá {pending.id}.", f"Withdrawn: nobody will get {pending.id}."
    )
