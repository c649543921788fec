"""Who holds the keys that a proposal newly lists: cards and requests, which travel with it.

Who proposes has looked at them, and could list other keys all the same. So whoever signs looks
again, on a machine of their own: at each key that is not listed now, also one that was before,
and at what its holder signed with it. What no signature can say, that a key is the right
person's, is told as it is.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from exchange.client import vouching
from exchange.custody import cards
from exchange.custody.cards import CustodianCard, NodeCard
from exchange.errors import Code, Refusal
from exchange.model.identity import digest
from exchange.model.objects import Enrolment
from exchange.seal import jws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exchange.client.vouching import Vouchers
    from exchange.model.trust import Document, EndpointKey, Node
    from exchange.model.view import View

Kind = Literal["custodian", "node", "endpoint"]
# By its own new keys alone; by those in force too; by two persons' invitation and approval; or
# by new keys alone where others are listed, so that people vouch for who it is; or by the keys
# of a custodian who had left.
How = Literal["first", "in-force", "invited", "anew", "again"]

_NODES = "nodes/"


class Shown(NamedTuple):
    """A card or request that shows who holds new keys; its digest is what is read aloud.

    ``kids`` are the keys that it shows, as the documents list them.
    """

    kind: Kind
    name: str
    digest: str
    how: How
    kids: tuple[str, ...]
    vouchers: Vouchers | None = None


class _Proof(NamedTuple):
    shown: Shown
    of: CustodianCard | NodeCard | Enrolment


class _Claim(NamedTuple):
    """Keys that are newly listed as somebody's, and which of what was brought shows them.

    ``is_whole`` tells whether those that do show all of them.
    """

    kind: Kind
    name: str
    is_shown_by: Callable[[_Proof], bool]
    is_whole: Callable[[Sequence[_Proof]], bool] = bool


def check(
    brought: Sequence[bytes], views: Sequence[tuple[View, View]], now: int
) -> list[list[Shown]]:
    """Return what shows, of each part, that the keys it newly lists are held by whose they are.

    Args:
        brought: the cards and requests that travel with a proposal.
        views: what is in force before each of its parts, and after it.
        now: seconds UTC.

    Raises:
        Refusal: ``key-unproved``: nobody has shown to hold a key that would be listed;
            ``trust-invalid``: what was brought shows nothing of this; or what is wrong with it.
    """
    proofs = _read_all(brought, views, now)
    of: dict[tuple[Kind, str], list[int]] = {}
    for number, proof in enumerate(proofs):
        of.setdefault((proof.shown.kind, proof.shown.name), []).append(number)
    told: list[list[Shown]] = []
    used, idle = set[int](), set[int]()
    for place, (before, after) in enumerate(views):
        mine: dict[int, Shown] = {}
        for claim in _claims(before, after):
            theirs = of.get((claim.kind, claim.name), [])
            showing = [number for number in theirs if claim.is_shown_by(proofs[number])]
            if not claim.is_whole([proofs[number] for number in showing]):
                raise Refusal(Code.KEY_UNPROVED, f"/parts/{place}", name=claim.name)
            mine |= {number: proofs[number].shown for number in showing if number not in used}
            # Beside the one that shows it, another of that name would be read aloud for it.
            idle |= set(theirs).difference(showing)
        used |= mine.keys()
        told.append(list(mine.values()))
    for number, proof in enumerate(proofs):
        if number not in used or number in idle:
            raise Refusal(Code.TRUST_INVALID, f"/shown/{number}", name=proof.shown.name)
    return told


# -- what was brought -------------------------------------------------------------------------


def _read_all(
    brought: Sequence[bytes], views: Sequence[tuple[View, View]], now: int
) -> list[_Proof]:
    (before, _), (_, after) = views[0], views[-1]
    # As when it was proposed: with the arrangement and the nodes that are proposed beside.
    beside: list[Document] = [
        *([after.arrangement] if after.arrangement else []),
        *after.nodes.values(),
    ]
    judged = before
    for document in beside:
        judged = judged.with_document(document)
    found = []
    for place, raw in enumerate(brought):
        try:
            signed = jws.read(vouching.request_in(raw), cards.MAX_CARD_BYTES)
            is_card = signed.typ == cards.TYP
            found.append(_card(raw, before) if is_card else _request(raw, judged, now))
        except Refusal as refusal:
            raise Refusal(
                refusal.code, f"/shown/{place}{refusal.at}", **refusal.facts
            ) from None
    return found


def _card(raw: bytes, view: View) -> _Proof:
    card, named = cards.read(raw), digest(raw)
    if isinstance(card, CustodianCard):
        name = card.signatory.name
        how: How = "again" if name in view.owners.values() else "first"
        kids = tuple(key.kid for key in card.signatory.keys)
        return _Proof(Shown("custodian", name, named, how, kids), card)
    how = "first" if card.node.node not in view.nodes else "in-force"
    try:
        cards.read(raw, view)
    except Refusal:
        # It is by other keys than those listed, which did not hand over.
        how = "anew"
    kids = tuple(key.kid for key in (*card.node.receipts.keys, *card.node.log))
    return _Proof(Shown("node", card.node.node, named, how, kids), card)


def _request(raw: bytes, view: View, now: int) -> _Proof:
    try:
        asked, vouchers = vouching.check(raw, view, now)
        how: How = "first" if asked.endpoint not in view.endpoints else "in-force"
    except Refusal as refusal:
        try:
            asked, vouchers = vouching.check(raw, view, now, anew=True)
        except Refusal:
            raise refusal from None
        how = "anew"
    named = digest(vouching.request_in(raw))
    how = "invited" if vouchers else how
    kids = tuple(key.jwk.kid for key in asked.keys)
    return _Proof(Shown("endpoint", asked.endpoint, named, how, kids, vouchers), asked)


# -- what is claimed --------------------------------------------------------------------------


def _claims(before: View, after: View) -> Iterator[_Claim]:
    yield from _of_roles(before, after)
    for name, node in after.nodes.items():
        known = before.nodes.get(name)
        if known != node:
            yield _Claim("node", name, _is_card_of(node))
    for name, standing in after.endpoints.items():
        there = before.endpoints.get(name)
        old = there.keys if there else {}
        fresh = [key for kid, key in standing.keys.items() if not _is_known(key, old.get(kid))]
        if fresh:
            yield _Claim("endpoint", name, partial(_is_of, fresh), partial(_is_asked, fresh))


def _of_roles(before: View, after: View) -> Iterator[_Claim]:
    """Yield the custodians and nodes that come to the root, or to the file below it.

    Whoever left and comes back too: their keys are known, and may by now be somebody else's.
    """
    known, fresh = _signing(before), dict[str, set[str]]()
    for kid in _signing(after) - known:
        fresh.setdefault(after.owners[kid], set()).add(kid)
    for owner, kids in sorted(fresh.items()):
        is_node = owner.startswith(_NODES)
        yield _Claim(
            "node" if is_node else "custodian", owner.removeprefix(_NODES), _is_shown(kids)
        )


def _signing(view: View) -> set[str]:
    """Return the keys of all who sign now: of every circle of custodians, and of the nodes."""
    circles = (each for role in view.custodians.values() for each in role.values())
    people = chain.from_iterable(circle.signatories for circle in circles)
    return {key.kid for one in (*people, *view.online.values()) for key in one.keys}


def _is_shown(kids: set[str]) -> Callable[[_Proof], bool]:
    def signing(proof: _Proof) -> set[str]:
        match proof.of:
            case CustodianCard(signatory=signatory):
                return {key.kid for key in signatory.keys}
            case NodeCard(node=node):
                return {key.kid for key in node.receipts.keys}
            case Enrolment():
                return set()

    return lambda proof: kids <= signing(proof)


def _is_card_of(node: Node) -> Callable[[_Proof], bool]:
    def plain(each: Node) -> Node:
        # Which are given when it is proposed.
        return msgspec.structs.replace(each, version=1, issued=0)

    return lambda proof: isinstance(proof.of, NodeCard) and plain(proof.of.node) == plain(node)


def _is_of(fresh: Sequence[EndpointKey], proof: _Proof) -> bool:
    """Tell whether a request is for keys that are listed, every one just as it asked."""
    return isinstance(proof.of, Enrolment) and all(key in fresh for key in proof.of.keys)


def _is_asked(fresh: Sequence[EndpointKey], proofs: Sequence[_Proof]) -> bool:
    of = (proof.of.keys for proof in proofs if isinstance(proof.of, Enrolment))
    asked = list(chain.from_iterable(of))
    return all(key in asked for key in fresh)


def _is_known(key: EndpointKey, before: EndpointKey | None) -> bool:
    """Tell whether a key was listed before, and does not get any longer life by this."""
    if before is None or key.until > before.until:
        return False
    return msgspec.structs.replace(key, until=before.until) == before
