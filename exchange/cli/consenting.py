"""``exchange consent``: leave to pass on what is under another's control."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from exchange.cli import away, output, world, writing
from exchange.cli.asking import confirm, must_be_there
from exchange.cli.main import Session, group, verb
from exchange.cli.reading import find
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.client import consented, consenting
from exchange.errors import Code, Refusal
from exchange.model import draft as drafts
from exchange.model import objects
from exchange.model.identity import member_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.agency import Agency
    from exchange.client.consented import Row
    from exchange.client.reading import Delivered

_FEED = click.option("--feed", help="The feed to talk on; by default one that both can use.")
_YES = click.option("--yes", is_flag=True, help="Do not ask before sending.")
_DRY = click.option("--dry-run", is_flag=True, help="Show who could read it; send nothing.")
_LASTS = re.compile(r"[1-9][0-9]{0,8}[smhdw]")
# A century: what is longer is a slip, and would end after the last year that can be written.
_LONGEST_S = 100 * 366 * 86_400


@group
def consent() -> None:
    """Leave to pass on what is under originator control: ask, answer, list, withdraw."""


@consent.command()
@click.argument("identity", metavar="ID|ENTRY")
@click.argument("members", metavar="AGENCY...", nargs=-1, required=True)
@click.option("--purpose", required=True, help="What for, in the language of --lang.")
@click.option("--reply-by", default="48h", help="How long the originator has: 48h, 2d.")
@_FEED
@_DRY
@_YES
@verb
def ask(  # noqa: PLR0913  (one for each option)
    session: Session,
    *,
    identity: str,
    members: tuple[str, ...],
    purpose: str,
    reply_by: str,
    feed: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Ask the originator of the bulletin ID of the inbox whether AGENCY may have it.

    Sealed to the originator alone. Once it consents, `grant ID ENDPOINT` passes it on.
    """
    by = world.now() + _lasts(reply_by, "--reply-by")
    draft = asyncio.run(_asking(session, identity, members, (purpose, by, feed)))
    writing.run(session, writing.Wanted(draft, None, sending=None if dry_run else yes))


async def _asking(
    session: Session,
    identity: str,
    members: Sequence[str],
    said: tuple[str, int, str | None],
) -> drafts.Draft:
    purpose, by, feed = said
    async with session.context().agency() as agency:
        item, _ = await find(agency, identity)
        if item.bulletin is None:
            raise item.locked or Refusal(Code.CANNOT_DECRYPT, id=identity)
        feed = feed or _feed(agency, item)
        return consenting.request(item, members, (session.lang, purpose), by, feed)


def _feed(agency: Agency, item: Delivered) -> str:
    """Return the feed on which we and who sent an item can talk of consent."""
    ours, header = agency.profile.member, item.header
    return consenting.feed_for(agency.trust.newest, header, ours, header.origin)


@consent.command()
@click.argument("identity", metavar="ID|ENTRY")
@click.option("--grant", "to", metavar="ENDPOINT", multiple=True, help="Who may be given it.")
@click.option("--until", default="30d", help="How long it may be given: 12h, 30d.")
@click.option("--deny", is_flag=True, help="No.")
@click.option("--sanitised", is_flag=True, help="Only a version that hides the source.")
@click.option("--reason", help="Why, or on what conditions, in the language of --lang.")
@_FEED
@_YES
@verb
def answer(  # noqa: PLR0913  (one for each option)
    session: Session,
    *,
    identity: str,
    to: tuple[str, ...],
    until: str,
    deny: bool,
    sanitised: bool,
    reason: str | None,
    feed: str | None,
    yes: bool,
) -> None:
    """Answer the request ID of the inbox: yes to each ENDPOINT, no, or sanitised.

    A yes is signed in the clear as well: it is what the node holds the asker to. Whatever the
    answer is, it is sealed to who asked.
    """
    if (bool(to), deny, sanitised).count(True) != 1:
        raise Unusable(
            "Una respuesta: --grant PUNTO (o varios), --deny o --sanitised.",
            "One answer: --grant ENDPOINT (or several), --deny or --sanitised.",
        )
    if deny and not reason:
        raise Unusable("--deny dice por qué: --reason.", "--deny says why: --reason.")
    lasts = _lasts(until, "--until")
    if not yes:
        must_be_there(session)
    word = "grant" if to else "deny" if deny else "grant-sanitised"
    said = (session.lang, reason) if reason else None
    made = asyncio.run(_answering(session, _Wanted(identity, word, said, feed, to, lasts, yes)))
    draft, asked, given = made
    more = {"consents": given} if to else {}
    # What was just agreed to is not asked for again.
    sending = True if to else yes
    writing.run(session, writing.Wanted(draft, asked, sending=sending, more=more))


class _Wanted(NamedTuple):
    identity: str
    word: str
    said: Any
    feed: str | None
    to: tuple[str, ...]
    lasts: int
    yes: bool


async def _answering(
    session: Session, wanted: _Wanted
) -> tuple[drafts.Draft, str, list[dict[str, Any]]]:
    """Return the draft of the answer, which request it is to, and what was consented to."""
    async with session.context().agency() as agency:
        item, _ = await find(agency, wanted.identity)
        content = consenting.content_of(item)
        feed = wanted.feed or _feed(agency, item)
        to = list(dict.fromkeys(member_of(each) for each in wanted.to))
        draft = consenting.answer(item, wanted.word, to, wanted.said, feed, session.lang)
        if wanted.to:
            # The whole answer is held to the rules before any part of it is sent.
            await agency.prepare(draft)
        until = agency.world.now() + wanted.lasts
        made = [consenting.prepare(agency, item, each, until) for each in wanted.to]
        for each in made:
            session.say(
                f"{each.by} podrá entregar {content.target.id} a {each.to}, hasta"
                f" {zulu(until)}.",
                f"{each.by} may pass {content.target.id} on to {each.to}, until {zulu(until)}.",
            )
        if made and not wanted.yes:
            confirm(session, "¿Consentir?", "Consent?")
        given = [await _send(session, agency, each) for each in made]
        return draft, item.header.id, given


async def _send(session: Session, agency: Agency, said: objects.Consent) -> dict[str, Any]:
    """Send a consent; while the node is away it waits in the outbox."""
    return _sent(session, said, await consenting.send(agency, said))


def _sent(session: Session, said: objects.Consent, index: int | None) -> dict[str, Any]:
    if index is None:
        session.say(
            f"El nodo no responde: {said.id} espera en la bandeja de salida.",
            f"The node is away: {said.id} waits in the outbox.",
        )
    return {**_as_told(said), "index": index}


def _as_told(said: objects.Consent) -> dict[str, Any]:
    return {
        "id": said.id,
        "of": said.of.id,
        "by": said.by,
        "to": said.to,
        "until": None if said.until is None else zulu(said.until),
    }


@consent.command()
@click.argument("identity", metavar="[ID]", required=False)
@click.option("--to", metavar="ENDPOINT", help="Only what lets it be given to this one.")
@click.option(
    "--listed",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Those of our agency in this file too: what `incident --json` listed.",
)
@_YES
@verb
def withdraw(
    session: Session, *, identity: str | None, to: str | None, listed: Path | None, yes: bool
) -> None:
    """Take back the consents to pass on ID: a bulletin of ours, or one consent.

    From then on nothing is given by them, and what was given is not shown any more. What was
    read meanwhile cannot be taken back. What a colleague consented to is known here where this
    endpoint posted the bulletin; elsewhere an incident's list tells it.
    """
    if identity is None and listed is None:
        raise Unusable("Diga ID, o --listed.", "Say ID, or --listed.")
    if not yes:
        must_be_there(session)
    known = [] if listed is None else _listed(listed.read_bytes())
    _say_withdrawn(session, asyncio.run(_withdraw(session, identity, to, known, unasked=yes)))


def take_back_listed(
    session: Session, listed: list[tuple[int, objects.Consent]], *, unasked: bool
) -> None:
    """Take back those of our agency that are listed, as far as they are known to stand."""
    if not unasked:
        must_be_there(session)
    _say_withdrawn(
        session, asyncio.run(_withdraw(session, None, None, listed, unasked=unasked))
    )


def _listed(raw: bytes) -> list[tuple[int, objects.Consent]]:
    """Return the consents that `incident --json` listed, each with its entry."""
    try:
        rows = msgspec.json.decode(raw, type=_Listed).affected
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unusable(
            "--listed: no es lo que escribe `incident --json`.",
            "--listed: not what `incident --json` writes.",
        ) from error
    return [(row.index, row.consent) for row in rows if row.consent is not None]


class _Row(msgspec.Struct):
    index: int
    consent: objects.Consent | None = None


class _Listed(msgspec.Struct):
    affected: list[_Row]


def _say_withdrawn(session: Session, told: list[dict[str, Any]]) -> None:
    """Say what was taken back, what was not, and what waits."""
    if session.as_json:
        output.show_json({"withdrawn": told})
    for each in told:
        if "code" in each:
            session.say(
                f"No retirado: {each['of']}, {each['by']} > {each['to']} ({each['code']}).",
                f"Not withdrawn: {each['of']}, {each['by']} > {each['to']} ({each['code']}).",
            )
        elif each["index"] is not None:
            session.say(
                f"Retirado: {each['by']} ya no puede entregarlo a {each['to']}; asiento"
                f" {each['index']}.",
                f"Withdrawn: {each['by']} may not pass it on to {each['to']} any more; entry"
                f" {each['index']}.",
            )
    if any(each["index"] is None and "code" not in each for each in told):
        away.leave(session)


async def _withdraw(
    session: Session,
    identity: str | None,
    to: str | None,
    listed: list[tuple[int, objects.Consent]],
    *,
    unasked: bool,
) -> list[dict[str, Any]]:
    async with session.context().agency() as agency:
        items = (await agency.known()).items
        found = [
            each
            for each in consented.given(agency, items, identity, listed)
            if to in (None, each.to)
            and (identity is not None or each.id in {one.id for _, one in listed})
        ]
        if not found:
            named = {} if to is None else {"name": to}
            raise Refusal(Code.CONSENT_UNKNOWN, "", **named)
        return await _take_back(session, agency, found, unasked=unasked)


async def _take_back(
    session: Session, agency: Agency, found: list[objects.Consent], *, unasked: bool
) -> list[dict[str, Any]]:
    """Take each back, once that was agreed to; what one meets with holds up no other."""
    for each in found:
        session.say(
            f"{each.of.id}: {each.by} > {each.to}", f"{each.of.id}: {each.by} > {each.to}"
        )
    if not unasked:
        confirm(session, "¿Retirar?", "Withdraw?")
    told: list[dict[str, Any]] = []
    refused: list[Refusal] = []
    for each in found:
        try:
            made, index = await consenting.take_back(agency, each)
        except Refusal as refusal:
            refused.append(refusal)
            told.append({**_as_told(each), "index": None, "code": refusal.code.value})
        else:
            told.append(_sent(session, made, index))
    if len(refused) == len(found):
        raise refused[0]
    return told


@consent.command("list")
@verb
def list_(session: Session) -> None:
    """List what was asked, by us and of us, how it was answered, and what came of it."""
    rows = [_told(row, session) for row in asyncio.run(_standing(session))]
    if session.as_json:
        output.show_json({"consents": rows})
        return
    if not rows:
        session.say("Nada se pidió ni se consintió.", "Nothing was asked or consented to.")
        return
    heads = ("of", "by", "to", "state_text")
    spanish = dict(zip(heads, ("boletín", "de", "a", "estado"), strict=True))
    english = dict(zip(heads, ("bulletin", "by", "to", "state"), strict=True))
    output.table(rows, spanish if session.lang == "es" else english)


async def _standing(session: Session) -> list[Row]:
    async with session.context().agency() as agency:
        return consented.standing(agency, (await agency.known()).items)


def _told(row: Row, session: Session) -> dict[str, Any]:
    return {
        "of": row.of,
        "by": row.by,
        "to": row.to,
        "to_member": member_of(row.to),
        "state": row.state,
        "state_text": _state(row, session),
        "request": row.request,
        "answer": row.answer,
        "consent": row.consent,
        "reason": _reason(row, session),
        "reply_by": None if row.reply_by is None else zulu(row.reply_by),
        "until": None if row.until is None else zulu(row.until),
        "used": row.used,
    }


def _state(row: Row, session: Session) -> str:
    spanish = session.lang == "es"
    words = [world.codes().words("consent-states", row.state, session.lang)]
    if row.state == "asked" and row.reply_by is not None:
        words.append(f"hasta {zulu(row.reply_by)}" if spanish else f"by {zulu(row.reply_by)}")
    if row.state in ("granted", "ended") and row.until is not None:
        words.append(zulu(row.until))
    text = " ".join(words) if row.state == "granted" else ", ".join(words)
    if row.used is not None:
        text += f" (asiento {row.used})" if spanish else f" (entry {row.used})"
    reason = _reason(row, session)
    return f"{text}: {reason}" if reason else text


def _reason(row: Row, session: Session) -> str | None:
    if row.reason is None:
        return None
    for each in row.reason.translations:
        if each.lang == session.lang:
            return each.text
    return row.reason.text


def _lasts(said: str, option: str) -> int:
    lasts = drafts.seconds(said) if _LASTS.fullmatch(said) else None
    if lasts is None or lasts > _LONGEST_S:
        raise Unusable(
            f"{option}: una duración como 12h o 30d, de un siglo a lo sumo.",
            f"{option}: a duration such as 12h or 30d, of a century at most.",
        )
    return lasts
