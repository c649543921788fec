"""``exchange request``: ask an originator for what was sealed before; see and answer that."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any, get_args

import click
import msgspec

from exchange.cli import away, output, world
from exchange.cli.asking import confirm
from exchange.cli.main import Session, group, verb
from exchange.cli.times import zulu
from exchange.client import answering, granting, requesting
from exchange.client.transport import is_away
from exchange.errors import Code, Fault, Refusal
from exchange.model.objects import DeclineReason

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from exchange.client.agency import Agency
    from exchange.client.answering import Done
    from exchange.client.granting import Granting
    from exchange.client.requesting import Known
    from exchange.errors import ExchangeError
    from exchange.seal.close import Envelope

_DAYS = 30
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]
_HEADS = {
    "es": {"id": "solicitud", "who": "quién", "to": "a quién", "feed": "canal",
           "since": "desde", "bulletin": "boletín", "told": "estado"},
    "en": {"id": "request", "who": "who", "to": "asked", "feed": "feed",
           "since": "since", "bulletin": "bulletin", "told": "state"},
}  # fmt: skip


@group
def request() -> None:
    """Ask for what was sealed before one could read it; list and answer such requests."""


@request.command("ask")
@click.argument("feed")
@click.argument("endpoint", metavar="ENDPOINT")
@click.option(
    "--since",
    type=click.DateTime(_TIMES),
    metavar="DATE",
    help="Posted since then, UTC (30 days ago).",
)
@click.option("--bulletin", metavar="ID", help="Only this bulletin.")
@verb
def ask(
    session: Session,
    feed: str,
    endpoint: str,
    since: dt.datetime | None,
    bulletin: str | None,
) -> None:
    """Ask ENDPOINT for a grant of what it posted on FEED, which this endpoint may read.

    It is told who asks, for which feed and since when; it grants or declines. Whether there is
    anything, nobody learns by asking. `request list` says what became of it.
    """
    begin = world.now() - _DAYS * 86_400
    if since is not None:
        begin = int(since.replace(tzinfo=dt.UTC).timestamp())
    wanted = requesting.Ask(endpoint, feed, begin, bulletin)
    identity, index, why = asyncio.run(_ask(session, wanted))
    if why is not None:
        if session.as_json:
            output.show_json({"index": None, **away.queued(identity, why)})
        away.say_queued(session, identity, why, fresh=True)
        away.leave(session)
    if session.as_json:
        output.show_json({"id": identity, "index": index, "state": "open"})
    session.say(
        f"Solicitado a {endpoint}: {feed}, desde {zulu(begin)}. Asiento {index}.",
        f"Asked of {endpoint}: {feed}, since {zulu(begin)}. Entry {index}.",
    )


async def _ask(
    session: Session, wanted: requesting.Ask
) -> tuple[str, int | None, Fault | None]:
    async with session.context().agency() as agency:
        view, _ = await agency.known_view()
        return await _send(agency, requesting.asked(agency, wanted, view))


async def _send(
    agency: Agency, made: tuple[str, Envelope]
) -> tuple[str, int | None, Fault | None]:
    """Post what was made; where the node is away it waits, and the fault is returned."""
    identity, envelope = made
    try:
        return identity, (await agency.send(identity, envelope)).index, None
    except Fault as fault:
        if not is_away(fault) or fault.code is Code.OUTCOME_UNKNOWN:
            raise
        return identity, None, fault


@request.command("list")
@click.option("--open", "is_open", is_flag=True, help="Only what still waits for an answer.")
@verb
def list_(session: Session, is_open: bool) -> None:
    """List the requests made here and those made of this endpoint, and what became of each."""
    known, as_of = asyncio.run(_list(session))
    rows = [
        _row(each, session)
        for each in known
        if not is_open or each.state in ("waiting", "open")
    ]
    if session.as_json:
        output.show_json({"requests": rows, **as_of})
    elif rows:
        output.table(rows, _HEADS[session.lang])
    else:
        session.say("No hay solicitudes.", "There are no requests.")
    away.conclude(as_of, session)


async def _list(session: Session) -> tuple[list[Known], dict[str, Any]]:
    async with session.context().agency() as agency:
        shown = await agency.known()
        return requesting.every(agency.world.outbox, shown.items), away.told(agency, shown)


def _row(known: Known, session: Session) -> dict[str, Any]:
    asked, since = known.request, known.request.since
    return {
        "id": asked.id,
        "index": known.index,
        "who": asked.endpoint,
        "to": asked.to,
        "is_ours": known.is_ours,
        "feed": asked.feed,
        "since": "" if since is None else zulu(since),
        "bulletin": asked.bulletin or "",
        "state": known.state,
        "reason": known.reason,
        "answered_by": known.answered_by,
        "granted": known.granted,
        "told": told(known, session),
    }


def told(known: Known, session: Session) -> str:
    """Return in words what became of a request."""
    codes, lang = world.codes(), session.lang
    said = codes.words("request-states", known.state, lang)
    if known.reason is not None:
        said += f": {codes.words('decline-reasons', known.reason, lang)}"
    if known.granted:
        said += f" ({', '.join(known.granted)})"
    return said


@request.command("grant")
@click.argument("identity", metavar="REQUEST")
@click.argument("bulletins", metavar="[ID]...", nargs=-1)
@click.option("--yes", is_flag=True, help="Do not ask before granting.")
@verb
def grant(session: Session, identity: str, bulletins: tuple[str, ...], yes: bool) -> None:
    """Grant what REQUEST asks for, posted from here: all that may be, or only the IDs named.

    Each is shown first, and what the arrangement does not permit, with the reason. Then the
    answer is signed. What one of them meets with holds up no other. Cut off, say it again.
    """
    known, done = asyncio.run(_grant(session, identity, bulletins, unasked=yes))
    told = {
        "granted": done.granted,
        "refused": {name: output.problem(why) for name, why in done.refused.items()},
        "index": done.index,
    }
    if done.why is not None:
        if session.as_json:
            output.show_json({**told, **away.queued(known.request.id, done.why)})
        fresh = done.why.code is not Code.OUTCOME_UNKNOWN
        away.say_queued(session, known.request.id, done.why, fresh=fresh)
        away.leave(session)
    if session.as_json:
        output.show_json(told)
    session.say(
        f"Concedido a {known.request.endpoint}: {len(done.granted)}; asiento {done.index}.",
        f"Granted to {known.request.endpoint}: {len(done.granted)}; entry {done.index}.",
    )


async def _grant(
    session: Session, identity: str, bulletins: tuple[str, ...], *, unasked: bool
) -> tuple[Known, Done]:
    async with session.context().agency() as agency:
        known = await _one(agency, identity)
        untold = answering.untold(known, agency.world.outbox)
        prepared, kept_back = await _prepared(agency, known, bulletins, untold)
        if not session.as_json:
            _show(session, known, prepared, untold)
            _say_refused(session, kept_back)
        if not prepared and not untold:
            raise next(
                iter(kept_back.values()), Refusal(Code.NOT_FOUND, "/request", id=identity)
            )
        if not unasked:
            confirm(session, "¿Conceder?", "Grant?")
        done = await answering.grant(agency, known, prepared)
    if not done.granted:
        raise next(iter(done.refused.values()))
    if not session.as_json:
        _say_refused(session, done.refused)
    return known, msgspec.structs.replace(done, refused={**kept_back, **done.refused})


async def _one(agency: Agency, identity: str) -> Known:
    # While the node is away, what is held will do: the answer waits in the outbox.
    items = (await agency.known()).items
    return requesting.one(requesting.every(agency.world.outbox, items), identity)


async def _prepared(
    agency: Agency, known: Known, chosen: tuple[str, ...], untold: Container[str]
) -> tuple[list[Granting], dict[str, ExchangeError]]:
    """Return what may be granted of what is asked for, and why the rest may not be."""
    asked_for = requesting.matching(known.request, agency.world.outbox)
    for place, name in enumerate(chosen):
        if name not in asked_for and name not in untold:
            raise Refusal(Code.NOT_FOUND, f"/bulletins/{place}", id=name)
    prepared: list[Granting] = []
    kept_back: dict[str, ExchangeError] = {}
    for name in chosen or asked_for:
        if name in untold:
            continue
        try:
            made = await agency.prepare_grant(name, known.request.endpoint)
            granting.must_need_no_release(made)
            prepared.append(made)
        except Refusal as refusal:
            # What it has already, nobody needs to be told of.
            if refusal.code is not Code.ALREADY_HELD or chosen:
                kept_back[name] = refusal
    return prepared, kept_back


def _show(
    session: Session, known: Known, prepared: list[Granting], untold: Iterable[str]
) -> None:
    from exchange import render  # noqa: PLC0415  (as everything that only people need)

    codes = world.codes()
    for name in untold:
        session.say(
            f"{name}: ya concedido a {known.request.endpoint}; se le dirá.",
            f"{name}: granted to {known.request.endpoint} before; it will be told.",
        )
    for each in prepared:
        click.echo(render.heading(each.header, session.lang, codes))
    if prepared:
        reader = prepared[0].reader
        session.say(
            f"\nPodrá leerlo además: {reader.endpoint}, {reader.title['es']}, {reader.nation}",
            f"\nWill be able to read it as well: {reader.endpoint}, {reader.title['en']},"
            f" {reader.nation}",
        )


def _say_refused(session: Session, refused: Mapping[str, ExchangeError]) -> None:
    from exchange import render  # noqa: PLC0415  (as everything that only people need)

    for name, why in refused.items():
        click.echo(f"{name}: {render.refusal(why, session.lang, world.codes()).what}")


@request.command("decline")
@click.argument("identity", metavar="REQUEST")
@click.option(
    "--reason", type=click.Choice(get_args(DeclineReason)), required=True, help="Why."
)
@verb
def decline(session: Session, identity: str, reason: DeclineReason) -> None:
    """Decline REQUEST, for a reason of a closed list: it travels in the clear."""
    known, index, why = asyncio.run(_decline(session, identity, reason))
    if why is not None:
        if session.as_json:
            output.show_json({"index": None, **away.queued(known.request.id, why)})
        away.say_queued(session, known.request.id, why, fresh=True)
        away.leave(session)
    if session.as_json:
        output.show_json({"of": known.request.id, "reason": reason, "index": index})
    said = world.codes().words("decline-reasons", reason, session.lang)
    session.say(
        f"Denegado a {known.request.endpoint}: {said}; asiento {index}.",
        f"Declined to {known.request.endpoint}: {said}; entry {index}.",
    )


async def _decline(
    session: Session, identity: str, reason: DeclineReason
) -> tuple[Known, int | None, Fault | None]:
    async with session.context().agency() as agency:
        known = await _one(agency, identity)
        _, index, why = await _send(agency, requesting.answered(agency, known, reason))
        return known, index, why
