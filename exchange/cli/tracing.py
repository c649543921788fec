"""The verb ``trace``: what became of a bulletin that was posted from here."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from exchange.cli import abroad, ageing, away, naming, output, timeline, witnessed
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu, zulu_ms
from exchange.client import elsewhere, story
from exchange.client.transport import is_away
from exchange.errors import Code, ExchangeError, Refusal
from exchange.model import entry as entries

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchange.client.agency import Agency
    from exchange.client.outcomes import Waiting
    from exchange.client.story import GrantTold, Past, Posted, Reason
    from exchange.model.header import Header
    from exchange.model.view import View


@click.command()
@click.argument("identity", metavar="[ID|ENTRY]", required=False)
@verb
def trace(session: Session, identity: str | None) -> None:
    """Tell what became of a bulletin posted from here, recipient by recipient.

    Without an id: whose acknowledgement of which cancellation or correction is chased.
    """
    if identity is None:
        told = asyncio.run(_chased(session))
        show: Callable[[], None] = partial(timeline.show_chased, session, told["chased"])
    else:
        told = asyncio.run(_trace(session, identity))
        show = partial(timeline.show, session, told)
    if session.as_json:
        output.show_json(told)
    else:
        show()
    away.conclude({"as_of": told["as_of"]} if "as_of" in told else {}, session)


async def _chased(session: Session) -> dict[str, Any]:
    async with session.context().agency() as agency:
        shown = await agency.known()
        found = story.chased(
            agency.world.outbox, shown.items, agency.trust.newest, agency.world.now()
        )
        as_of = away.told(agency, shown)
    rows = [
        {
            "holder": each.holder,
            "id": each.by.header.id,
            "index": each.by.index if each.order is None else each.order,
            "verb": each.by.header.verb if each.order is None else "purge",
            "precedence": each.by.header.precedence,
            "of": each.of.header.id if each.of else None,
            "of_index": each.of.index if each.of else None,
            **timeline.chase_values(each.chase),
        }
        for each in found
    ]
    return {"chased": rows, **as_of}


async def _trace(session: Session, identity: str) -> dict[str, Any]:
    async with session.context().agency() as agency:
        outbox = agency.world.outbox
        named = naming.posted(outbox, identity)
        of = story.posted(outbox, named)
        if of is None:
            for refused in outbox.refused():
                if refused.id == named:
                    # Nothing more became of it: why is all that there is to tell.
                    raise refused.why.error()
            raise Refusal(Code.NOT_FOUND, "/outbox", id=named)
        of, why, vouched = await _asked(agency, of)
        if of.facts is None:
            return {**_sealed(of.header), **_waiting(of.header, why, outbox.waits(named))}
        if why is None:
            await elsewhere.learn_if_there(agency, of.header.id)
        shown = await agency.known()
        items = shown.items
        past = story.past(story.every(outbox), of, items)
        grants = list(story.grants(outbox, of, items))
        told = _Told(past, of.facts, agency.trust.newest, agency.world.now())
        return {
            **_sealed(of.header),
            "index": of.index,
            "node": agency.profile.node,
            "accepted": zulu_ms(of.facts.taken_ms),
            "target_s": told.view.agreed().target_s(of.header.precedence),
            **vouched,
            "steps": [_sealed_step(of.header), _recorded(of, of.facts)],
            "recipients": [told.recipient(name) for name in of.header.to],
            "holders": [told.recipient(name) for name in told.others()],
            "grants": [told.grant(each) for each in grants],
            **away.told(agency, shown),
        }


async def _asked(agency: Agency, of: Posted) -> tuple[Posted, Reason | None, dict[str, Any]]:
    """Return a bulletin with the receipt that its node gives now, or why there is none.

    While the node is away the receipt that is kept here has to do: it was verified.
    And who vouches for it, beside the node.

    Raises:
        Refusal, Fault: the node does not give, or denies, what its receipt here says.
    """
    identity = of.header.id
    envelope = agency.world.outbox.envelope(identity)
    if envelope is None:
        raise Refusal(Code.NOT_FOUND, "/outbox", id=identity)
    try:
        receipt, facts = await agency.receipt(identity, envelope)
    except ExchangeError as error:
        if is_away(error):
            return of, "node-away", {}
        if of.facts is not None:
            raise
        if error.code is not Code.NOT_FOUND:
            raise
        return of, "not-recorded", {}
    taken = facts if isinstance(facts, entries.Accepted) else None
    vouched = await witnessed.of_receipt(agency, receipt, envelope.header)
    return story.Posted(of.header, of.digest, receipt.index, taken), None, vouched


def _sealed(header: Header) -> dict[str, Any]:
    return {
        "id": header.id,
        "type": header.type,
        "verb": header.verb,
        "issued": zulu(header.issued),
        "precedence": header.precedence,
    }


def _waiting(header: Header, why: Reason | None, tried: Waiting | None) -> dict[str, Any]:
    """Tell of what has no receipt: nobody is known to have it."""
    waits: dict[str, Any] = {"step": "waiting", "at": None, "reason": why}
    if tried is not None:
        waits["at"] = zulu_ms(tried.since_ms)
        waits["tries"] = tried.tries
        waits["tried"] = zulu_ms(tried.tried_ms) if tried.tries else None
        # What the last attempt came to.
        waits["why"] = output.problem(tried.why.error()) if tried.why else None
    return {
        "index": None,
        "node": None,
        "accepted": None,
        "target_s": None,
        "steps": [_sealed_step(header), waits],
        "recipients": [
            {"endpoint": name, "acknowledgements": [], "steps": []} for name in header.to
        ],
        "holders": [],
        "grants": [],
    }


def _sealed_step(header: Header) -> dict[str, Any]:
    return {"step": "sealed", "at": zulu(header.issued)}


def _recorded(of: Posted, facts: entries.Accepted) -> dict[str, Any]:
    return {"step": "recorded", "at": zulu_ms(facts.taken_ms), "index": of.index}


class _Told:
    """What is told of each holder, at one moment."""

    def __init__(self, past: Past, facts: entries.Accepted, view: View, now: int) -> None:
        self.view = view
        self._past, self._facts, self._now = past, facts, now

    def others(self) -> list[str]:
        """Return to whom it is owed besides its recipients: they hold what it bears on."""
        known = {*self._past.of.header.to, self._past.of.header.endpoint}
        return [each.endpoint for each in self._facts.owed if each.endpoint not in known]

    def recipient(self, name: str) -> dict[str, Any]:
        """Tell of whom it is addressed to, or owed as a holder."""
        acks = self._acks(name)
        steps = story.of_address(self._past, name, self.view, self._now)
        return {
            "endpoint": name,
            "acknowledgements": acks,
            **self._aged(acks, self._facts.taken_ms),
            "steps": [timeline.values(each) for each in steps],
        }

    def grant(self, told: GrantTold) -> dict[str, Any]:
        """Tell of whom it was granted to."""
        grant, acks = told.grant, self._acks(told.grant.to)
        steps = story.of_grant(self._past, told, self.view, self._now)
        return {
            "endpoint": grant.to,
            "granted_by": grant.endpoint,
            "at": zulu(grant.at),
            "index": told.index,
            "acknowledgements": acks,
            **self._aged(acks, told.taken_ms),
            "steps": [timeline.values(each) for each in steps],
        }

    def _aged(self, acks: list[dict[str, Any]], taken_ms: int | None) -> dict[str, Any]:
        if taken_ms is None:
            return {}
        precedence = self._past.of.header.precedence
        return ageing.of_recipient(acks, self.view.agreed(), precedence, taken_ms)

    def _acks(self, name: str) -> list[dict[str, Any]]:
        past = self._past
        return [
            {
                "outcome": each.ack.outcome,
                "officer": each.ack.officer,
                "at": zulu(each.ack.at),
                "taken": zulu_ms(each.taken_ms),
                "index": each.index,
                "came": abroad.values(each.came),
            }
            for each in story.acknowledgements(past.items, past.of.subject, name)
        ]
