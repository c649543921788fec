"""Enrolment by invitation over HTTP: who is new asks, operators look at what waits.

Who asks has no session. To whom no proof fits there is one answer, whatever is or is not there,
and it is counted; a proof that fits makes its holder somebody, whose refusals are recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from exchange.api import framing, problems
from exchange.api.asked import number, required
from exchange.api.routes import CALLER, CODES, NODE, json, limit_of
from exchange.broker import enrolling, keys
from exchange.broker.lookups import Asking
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model import objects, wire
from exchange.model.identity import digest
from exchange.seal import invitation, jws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.broker.records import Found
    from exchange.model.objects import Enrolment, Invitation
    from exchange.node.served import Served

_PAGE = 64


async def ask(request: web.Request) -> web.Response:
    """Ask, by an invitation, that keys be listed; the answer says how it stands."""
    node = request.app[NODE]
    raw = await framing.read_limited(request, limit_of(request))
    asked, invited, named = await _unlocked(node, raw)
    (known,) = await _some(node, [keys.by_digest(digest(raw))])
    node.budgets.attempt(named, node.clock_ms(), is_known=known is not None)
    if known is not None:
        # Who waits may ask how it stands: the record says it, and nothing is judged anew.
        receipt = await node.receipt(known.index)
        return json(wire.Standing(receipt, await _state(node, asked, digest(raw))))
    answer = await node.submit(invited.invited, raw, b"")
    if answer.refusal is not None:
        problem = problems.problem(answer.refusal, request.app[CODES], answer.receipt)
        return problems.response(problem)
    told = wire.Standing(answer.receipt, await _state(node, asked, digest(raw)))
    return json(told, 201 if answer.is_new else 200)


async def _unlocked(node: Served, raw: bytes) -> tuple[Enrolment, Invitation, str]:
    """Return a request with the invitation that its proof fits, and the digest of that.

    Raises:
        Refusal: ``bad-invitation``, whatever it is that does not fit; or it cannot be read.
    """
    signed = jws.read(raw, objects.MAX_OBJECT_BYTES)
    jws.must_be(signed, objects.ENROLMENT_TYP, objects.MAX_OBJECT_BYTES)
    asked = objects.decode_enrolment(signed.payload)
    shown = asked.invitation
    if not isinstance(shown, objects.Shown):
        raise Refusal(Code.BAD_INVITATION, "/invitation")
    known = await node.store.find([keys.by_digest(shown.invitation)])
    _, invited = enrolling.named(shown.invitation, known.get)
    if not isinstance(invited, objects.Invitation):
        raise Refusal(Code.BAD_INVITATION, "/invitation")
    invitation.must_unlock(invited, shown)
    return asked, invited, shown.invitation


async def _state(node: Served, asked: Enrolment, named: str) -> wire.EnrolmentState:
    standing = node.view.endpoints.get(asked.endpoint)
    if standing is not None and {key.jwk.kid for key in asked.keys} <= standing.keys.keys():
        return "in-force"
    found = (await node.store.find([keys.verdict_on(named)])).get(keys.verdict_on(named))
    if found is None:
        return "waiting"
    signed = jws.read(entries.decode(found.entry).object, objects.MAX_OBJECT_BYTES)
    return objects.decode_verdict(signed.payload).verdict


async def listed(request: web.Request) -> web.Response:
    """Return the invitations of an operator's nation, newest first, and what became of each."""
    node, caller = request.app[NODE], request[CALLER]
    nation = caller.member.nation
    total = await _count(node, nation)
    end = min(total, number(request, "before", total, 0))
    places = range(max(0, end - _PAGE), end)
    invited = await _find(node, [keys.nth_invitation(nation, place) for place in places])
    items = [await _item(node, *each) for each in zip(places, invited, strict=True)]
    return json(wire.InvitationPage(items[::-1], total))


async def receipts(request: web.Request) -> web.Response:
    """Return the receipts of one invitation of an operator's nation, and of what came of it."""
    node, nation = request.app[NODE], request[CALLER].member.nation
    found = await _find(node, [keys.nth_invitation(nation, required(request, "number", 0))])
    if not found:
        raise Refusal(Code.NOT_FOUND, "/number")
    item = await _item(node, 0, found[0])
    others = [
        None if each is None else await node.receipt(each.index)
        for each in (item.requested, item.decided)
    ]
    return json(wire.InvitationReceipts(await node.receipt(found[0].index), *others))


async def _count(node: Served, nation: str) -> int:
    looked: dict[bytes, Found | None] = {}
    while True:
        asking = Asking(looked)
        total = enrolling.count(nation, asking)
        if not asking.missing:
            return total
        missing = list(asking.missing)
        looked.update(zip(missing, await _some(node, missing), strict=True))


async def _some(node: Served, names: Sequence[bytes]) -> list[Found | None]:
    known = await node.store.find(names)
    return [known.get(each) for each in names]


async def _find(node: Served, names: Sequence[bytes]) -> list[Found]:
    return [each for each in await _some(node, names) if each is not None]


async def _item(node: Served, place: int, invited: Found) -> wire.InvitationItem:
    raw = entries.decode(invited.entry).object
    named = digest(raw)
    used, decided = await _some(node, [keys.enrolled_by(named), keys.verdict_on(named)])
    if used is not None:
        asked = digest(entries.decode(used.entry).object)
        (decided,) = await _some(node, [keys.verdict_on(asked)])
    return wire.InvitationItem(place, _kept(invited), _told(used), _told(decided))


def _told(found: Found | None) -> wire.KeptObject | None:
    return None if found is None else _kept(found)


def _kept(found: Found) -> wire.KeptObject:
    return wire.KeptObject(found.index, entries.decode(found.entry).object.decode())
