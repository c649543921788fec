"""The verb ``incident``: a key is lost, or an endpoint abused; what is to be done, and told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from exchange.cli import consenting, output, world
from exchange.cli.arranging import folder, telling
from exchange.cli.arranging.joining import fetched
from exchange.cli.asking import confirm
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable
from exchange.client import affected
from exchange.client.affected import Affected, Lost
from exchange.client.granting import Granting
from exchange.custody import listing, proposal, proposing, ring
from exchange.custody.listing import Asked
from exchange.custody.proposing import Wanted
from exchange.errors import Code, Refusal
from exchange.model import wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from exchange.client.agency import Agency
    from exchange.model.view import View

_PAGE = 256
_HEADS = {
    "en": {"index": "entry", "type": "type", "id": "id", "origin": "from", "why": "why",
           "tell": "to be told"},
    "es": {"index": "asiento", "type": "tipo", "id": "id", "origin": "de", "why": "por qué",
           "tell": "hay que avisar a"},
}  # fmt: skip
_WHY = {
    "en": {"sealed-to": "sealed to it", "signed-by": "signed by it"},
    "es": {"sealed-to": "sellado para ella", "signed-by": "firmado por ella"},
}


class _Found(NamedTuple):
    lost: Lost
    rows: list[Affected]
    bundles: list[bytes]


# One key's name in 64 begins with a hyphen, and is no option; so no -h either, only --help.
@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]}
)
@click.argument("what", metavar="KEY|ENDPOINT")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the proposal that shuts it out, for its nation's custodians to sign.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Look in this journal as well: a node's file, a copy, or a mirror.",
)
@click.option(
    "--regrant",
    is_flag=True,
    help="Grant what was posted from here again, to the endpoint's new key; nothing else.",
)
@click.option(
    "--withdraw",
    is_flag=True,
    help="Take back what it consented to in our agency's name; nothing else.",
)
@click.option("--yes", is_flag=True, help="Do not ask before granting or withdrawing.")
@verb
def incident(  # noqa: PLR0913  (the options of the verb)
    session: Session,
    what: str,
    *,
    out: Path | None,
    journal: Path | None,
    regrant: bool,
    withdraw: bool,
    yes: bool,
) -> None:
    """Say what the loss of a KEY or ENDPOINT bears on, and who must be told; prepare its end.

    Looks at what this endpoint posted and received, and at a journal if one is named. What was
    sealed to a lost key may be read by others; what was signed by it may not be genuine.
    """
    if regrant:
        if out is not None or journal is not None or withdraw:
            raise Unusable("--regrant va solo.", "--regrant goes by itself.")
        asyncio.run(_regrant(session, what, unasked=yes))
        return
    if withdraw and out is not None:
        raise Unusable("--withdraw va sin --out.", "--withdraw goes without --out.")
    if out is not None:
        output.must_be_new(out)
    found = asyncio.run(_find(session, what, wanted=out is not None))
    rows = {each.index: each for each in found.rows}
    if journal is not None:
        rows.update((each.index, each) for each in _of_journal(journal, found.lost))
    listed = [rows[index] for index in sorted(rows)]
    if withdraw:
        said = [(each.index, each.consent) for each in listed if each.consent is not None]
        consenting.take_back_listed(session, said, unasked=yes)
        return
    told: dict[str, Any] = {"endpoint": found.lost.endpoint, "key": found.lost.kid}
    if out is not None:
        told |= _propose(session, found, out)
    people = affected.by_person(listed)
    if session.as_json:
        output.show_json({**told, "affected": listed, "tell": people})
        return
    _show(session, found.lost, listed)


async def _find(session: Session, what: str, *, wanted: bool) -> _Found:
    async with session.context().agency() as agency:
        view = await agency.view()
        lost = _lost(view, what)
        rows = [each async for each in _of_inbox(agency, lost)]
        rows += [each async for each in _of_trust(agency, lost)]
        rows += affected.of_outbox(agency.world.outbox, lost)
        return _Found(lost, rows, await fetched(agency) if wanted else [])


async def _regrant(session: Session, what: str, *, unasked: bool) -> None:
    """Grant each bulletin posted from here again that the endpoint holds and cannot open."""
    granted: list[str] = []
    async with session.context().agency() as agency:
        lost = _lost(await agency.view(), what)
        ready, left = await _ready(agency, lost)
        session.say(
            f"{lost.endpoint}: {len(ready)} boletines por conceder de nuevo.",
            f"{lost.endpoint}: {len(ready)} bulletins to be granted again.",
        )
        if ready and not unasked:
            confirm(session, "¿Conceder?", "Grant?")
        for prepared in ready:
            try:
                await agency.grant(prepared)
            except Refusal as refusal:
                left[prepared.header.id] = refusal.code.value
            else:
                granted.append(prepared.header.id)
    if session.as_json:
        rows = [{"id": identity, "code": code} for identity, code in left.items()]
        output.show_json({"endpoint": lost.endpoint, "granted": granted, "left": rows})
        return
    for identity in granted:
        click.echo(f"+ {identity}")
    for identity, code in left.items():
        click.echo(f"- {identity} ({code})")


async def _ready(agency: Agency, lost: Lost) -> tuple[list[Granting], dict[str, str]]:
    """Return what may be granted again, and why the rest may not, by id."""
    ready, left = list[Granting](), dict[str, str]()
    for identity in _held(agency, lost):
        try:
            ready.append(await agency.prepare_grant(identity, lost.endpoint))
        except Refusal as refusal:
            # Of what is not kept any more, nobody needs to be told.
            if refusal.code is not Code.EXPIRED:
                left[identity] = refusal.code.value
    return ready, left


def _held(agency: Agency, lost: Lost) -> list[str]:
    """Return the ids of what was posted from here that it holds: sealed to it, or granted."""
    found = affected.of_outbox(agency.world.outbox, lost)
    named = (each for each in found if "sealed-to" in each.why and each.type != "draft")
    return list(dict.fromkeys(each.id for each in named))


def _lost(view: View, what: str) -> Lost:
    """Return what is meant: an endpoint by its name, or a key by its thumbprint."""
    if "/" in what:
        if what not in view.endpoints:
            raise Refusal(Code.UNKNOWN_ENDPOINT, "", name=what[:64])
        return Lost(what)
    for name, standing in view.endpoints.items():
        if what in standing.keys:
            return Lost(name, what)
    raise Refusal(Code.UNKNOWN_KEY, "", kid=what[:64])


async def _of_inbox(agency: Agency, lost: Lost) -> AsyncIterator[Affected]:
    """Yield what came to us and is affected, whether or not it opens here."""
    after = -1
    while True:
        page = await agency.transport.get_as(
            wire.InboxPage, "/v1/inbox", after=after, limit=wire.MAX_PAGE
        )
        for item in page.items:
            after = item.index
            found = affected.of_entry(item.index, item.entry.encode(), lost)
            if found is not None:
                yield found
        if not page.items:
            return


async def _of_trust(agency: Agency, lost: Lost) -> AsyncIterator[Affected]:
    """Yield the subscriptions that are affected: every endpoint is shown them all."""
    after = -1
    while True:
        page = await agency.transport.get_as(wire.TrustPage, "/v1/trust", after=after)
        for item in page.items:
            after = item.index
            found = affected.of_subscription(item.index, item.document.encode(), lost)
            if found is not None:
                yield found
        if not page.items:
            return


def _of_journal(journal: Path, lost: Lost) -> Iterator[Affected]:
    from exchange.cli.journal_file import at_one_moment  # noqa: PLC0415

    with at_one_moment(journal) as source:
        first = 0
        while page := source.read(first, _PAGE):
            for stored in page:
                found = affected.of_entry(stored.index, stored.entry, lost)
                if found is not None:
                    yield found
            first += len(page)


def _propose(session: Session, found: _Found, out: Path) -> dict[str, Any]:
    """Write the proposal by which its nation shuts it out, and show it."""
    now = world.now()
    known = folder.fold(found.bundles, session.context().profile().anchor, now)
    lost = found.lost
    asked = Asked(ended=[lost.kid]) if lost.kid else Asked(suspended=[lost.endpoint])
    wanted = Wanted(members=listing.members(known.view, asked, now))
    until = now + proposing.LIFETIME_DAYS * ring.DAY_S
    raw = proposing.propose(known.view, wanted, now, until)
    output.write_new(out, raw)
    made = proposal.read(raw)
    steps = proposal.steps(made, known.view, now)
    if not session.as_json:
        telling.show(session, made, steps, {})
    session.say(
        f"Propuesta en {out}: fírmenla los custodios de su nación (exchange arrangement sign).",
        f"Proposal in {out}: its nation's custodians sign it (exchange arrangement sign).",
    )
    return {"file": str(out), **telling.facts(made, steps)}


def _show(session: Session, lost: Lost, listed: list[Affected]) -> None:
    named = lost.kid or lost.endpoint
    session.say(
        f"{named}: afecta a {len(listed)} boletines y objetos, por lo que se ve aquí.",
        f"{named}: bears on {len(listed)} bulletins and objects, as far as is seen here.",
    )
    words = _WHY[session.lang]
    rows = [
        {
            "index": each.index,
            "type": each.type,
            "id": each.id,
            "origin": each.origin,
            "why": ", ".join(words[why] for why in each.why),
            "tell": ", ".join(each.tell),
        }
        for each in listed
    ]
    output.table(rows, _HEADS[session.lang])
    retained = [each.retain_until for each in listed if each.retain_until]
    if retained:
        session.say(
            f"El último por conservar, hasta {zulu(max(retained))}.",
            f"The last of them is retained until {zulu(max(retained))}.",
        )
