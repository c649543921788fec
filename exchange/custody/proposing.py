"""Write a proposal: from what is in force and what shall change, the documents to sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.custody import proposal
from exchange.custody.proposal import Part
from exchange.errors import Code, Refusal
from exchange.model import metadata, trust
from exchange.model.identity import ALPHA3, Signatory
from exchange.model.trust import Arrangement, Member, Node
from exchange.model.view import Custodians
from exchange.seal import trust as judging
from exchange.seal import trust_making

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.custody.cards import CustodianCard
    from exchange.model.identity import Nation
    from exchange.model.metadata import Root, Targets
    from exchange.model.trust import Document, Loss
    from exchange.model.view import View

NATIONS: tuple[Nation, Nation] = ("pa", "us")
# Renewed every half year; the other half is for those who are late.
LIFETIME_DAYS = 366


class Wanted(NamedTuple):
    """What shall change. Nothing at all: then nothing is proposed.

    ``custodians`` join, those of ``retire`` leave; ``thresholds`` are by nation. ``members``
    and ``nodes`` stand as they shall be, versions apart. ``renew`` are roles whose file is made
    anew with a later end, whether or not anything else in it changes. ``shown`` are the cards
    and requests as they came, by which the keys that are new were shown. ``losses`` are
    declared beside those that were: a draft of an arrangement need not repeat these.
    """

    custodians: Sequence[CustodianCard] = ()
    retire: Sequence[str] = ()
    thresholds: Mapping[Nation, int] = {}
    arrangement: Arrangement | None = None
    nodes: Sequence[Node] = ()
    members: Sequence[Member] = ()
    renew: Sequence[str] = ()
    shown: Sequence[bytes] = ()
    losses: Sequence[Loss] = ()


class _Draft:
    """Parts as they come to be, and the view once those before are in force."""

    def __init__(self, view: View, now: int) -> None:
        self.view = view
        self.parts: list[Part] = []
        self._now = now

    def add(self, made: Root | Targets, files: Sequence[bytes]) -> None:
        part = Part(metadata.encode(made), list(files))
        change = judging.foresee(part.unsigned(), self.view, self._now)
        self.view = self.view.after(change, self.view.index + 1)
        self.parts.append(part)


def propose(view: View, wanted: Wanted, now: int, expires: int) -> bytes:
    """Return the file of a proposal.

    Args:
        view: the trust documents in force.
        wanted: what shall change.
        now: seconds UTC.
        expires: until when what is made shall be good, seconds UTC.

    Raises:
        Refusal: ``nothing-proposed``; or what the documents would be refused with.
    """
    draft = _Draft(view, now)
    circles = _circles(view, wanted)
    is_moved = circles != _in_force(view)
    online = _online(view, wanted)
    if is_moved or online != view.online or "root" in wanted.renew:
        version = view.version_of("root") + 1
        draft.add(trust_making.root(version, expires, circles, online), [])
    if is_moved or wanted.arrangement or wanted.losses or "targets" in wanted.renew:
        _add_top(draft, wanted, circles, expires, now)
    for nation in NATIONS:
        documents = _documents(view, wanted, nation, now)
        # The keys that signed a nation's file are those of the file above it.
        if documents or is_moved or nation in wanted.renew:
            draft.add(*trust_making.of_nation(draft.view, nation, documents, expires))
    if not draft.parts:
        raise Refusal(Code.NOTHING_PROPOSED)
    return proposal.encode(proposal.base_of(view), now, draft.parts, wanted.shown)


def _in_force(view: View) -> Mapping[Nation, Custodians]:
    return view.custodians.get("root", {})


def _circles(view: View, wanted: Wanted) -> dict[Nation, Custodians]:
    """Return the custodians of each nation as they shall be."""
    listed = {each.name for circle in _in_force(view).values() for each in circle.signatories}
    # A name is never given again: it says who signed what, also of who has left.
    known = set(view.owners.values())
    for place, card in enumerate(wanted.custodians):
        if card.signatory.name in known:
            raise Refusal(Code.TRUST_INVALID, f"/custodians/{place}", name=card.signatory.name)
        known.add(card.signatory.name)
    if strange := set(wanted.retire) - listed:
        raise Refusal(Code.NOT_A_CUSTODIAN, "/retire", name=min(strange))
    return {nation: _circle(view, wanted, nation) for nation in NATIONS}


def _circle(view: View, wanted: Wanted, nation: Nation) -> Custodians:
    before = _in_force(view).get(nation)
    kept = [
        each
        for each in (before.signatories if before else ())
        if each.name not in wanted.retire
    ]
    fresh = [card.signatory for card in wanted.custodians if card.nation == nation]
    threshold = wanted.thresholds.get(nation, before.threshold if before else 2)
    people = sorted([*kept, *fresh], key=lambda each: each.name)
    if len(people) < threshold:
        raise Refusal(
            Code.TRUST_INVALID, f"/{nation}/threshold", expected=threshold, found=len(people)
        )
    return Custodians(threshold, tuple(people))


def _online(view: View, wanted: Wanted) -> dict[str, Signatory]:
    """Return who signs timestamps: each node, by the keys that it signs receipts by."""
    fresh = {node.node: Signatory(node.node, list(node.receipts.keys)) for node in wanted.nodes}
    return {**view.online, **fresh}


def _add_top(
    draft: _Draft, wanted: Wanted, circles: Mapping[Nation, Custodians], expires: int, now: int
) -> None:
    view = draft.view
    files, after = [], _agreed(view, wanted)
    if after is not None:
        version = view.version_of("arrangement") + 1
        raw = trust.encode(msgspec.structs.replace(after, version=version, issued=now))
        files, listed = [raw], metadata.info(raw)
    elif (before := view.files.get("targets")) is None:
        raise Refusal(Code.TRUST_INVALID, "", name="arrangement")
    else:
        told = before.signed.targets[metadata.ARRANGEMENT]
        listed = metadata.TargetInfo(metadata.Hashes(told.hashes["sha256"]), told.length)
    each: dict[str, Mapping[Nation, Custodians]] = {
        nation: {nation: circles[nation]} for nation in NATIONS
    }
    version = view.version_of("targets") + 1
    draft.add(trust_making.top(version, expires, listed, each), files)


def _agreed(view: View, wanted: Wanted) -> Arrangement | None:
    """Return the arrangement as it shall be, with all losses that there are; None: as it is."""
    agreed = wanted.arrangement
    if agreed is None and wanted.losses:
        agreed = view.agreed()
    if agreed is None:
        return None
    known = agreed.losses or ([] if view.arrangement is None else view.arrangement.losses)
    return msgspec.structs.replace(agreed, losses=[*known, *wanted.losses])


def _documents(view: View, wanted: Wanted, nation: Nation, now: int) -> list[Document]:
    """Return a nation's members and nodes that change, each as the next of its name."""
    standing: list[Node | Member] = [*wanted.nodes, *wanted.members]
    return [
        msgspec.structs.replace(
            each, version=view.version_of(trust.name_of(each)) + 1, issued=now
        )
        for each in standing
        if each.nation == nation
    ]


def renewal(roles: Sequence[str]) -> Wanted:
    """Return what a refresh wants: the same content, good for longer."""
    return Wanted(renew=tuple(roles or ("root", "targets", *ALPHA3)))
