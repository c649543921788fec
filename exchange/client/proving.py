"""Prove that nothing owed to this endpoint is missing: all n of it, up to a checkpoint.

What is proved, and from what. The checkpoint is signed by the node's log keys, and recent. The
inbox-heads entry is under it. This endpoint's head has its one place in that entry's map. Count
and chain are those of the items that are here, by our own folding. The journal goes on from the
one that was seen last, and, where the arrangement asks for witnesses, from the newest that a
quorum of them cosigned. What a head covers ends at its entry; what came since is not judged.

A node that leaves an item out of head and inbox alike is not found out here, by its victim
alone: it is by auditors, who fold the same heads from all entries, and by the item's receipt.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.client import witnessing
from exchange.client.homes import Crossed, HomeProver, dated
from exchange.client.seen import Seen
from exchange.client.witnessing import Vouched
from exchange.errors import Code, Refusal
from exchange.journal import bundle, forks, heads, terms
from exchange.journal.heads import InboxHead, Place
from exchange.journal.proofs import verify_consistency
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model import wire
from exchange.model.codec import b64, unb64
from exchange.model.entry import TRUST_INBOX, trust_inbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from exchange.client.held import Held
    from exchange.client.inbox import Inbox
    from exchange.client.seen import SeenHead
    from exchange.client.transport import Profile, Transport
    from exchange.client.trust import TrustLog
    from exchange.errors import Fact
    from exchange.journal import checkpoint as c2sp
    from exchange.journal.forks import Evidence
    from exchange.model.view import View
    from exchange.model.wire import Heads, OwnHead

# An idle node dates its newest checkpoint anew each minute, and its fronts hear of it within
# seconds: three times that is no hurry, and short enough for FLASH. Clocks may differ besides,
# by what the arrangement allows (``skew_s``).
MAX_AGE_S = 180
# What is here is not what is owed.
WITHHOLDING = frozenset({Code.INBOX_GAP, Code.ITEM_WITHHELD, Code.CHAIN_DIFFERS})
# More than any inbox holds.
_ALL = 2**53


class Proven(msgspec.Struct, frozen=True):
    """What holds: every item owed to ``endpoint`` in the first ``covered`` entries is here.

    Attributes:
        count: how many items that is.
        trust: how many trust documents, of which the same holds.
        abroad: how many of each other node's, by its name; the same holds of these.
        entry: index of the inbox-heads entry.
        size: of the checkpoint that it is under.
        signed: when the node signed that last, in seconds UTC.
        quorum: whether witnesses must vouch for the journal, by the arrangement.
        witnessed: who did, and as of when; None where none must, or none has yet.
        homes: what is proved of what each other nation's agencies addressed to us.
    """

    endpoint: str
    node: str
    count: int
    trust: int
    covered: int
    entry: int
    size: int
    signed: int
    quorum: str = "none"
    witnessed: Vouched | None = None
    abroad: dict[str, int] = {}
    homes: list[Crossed] = []


class Prover:
    """Asks the node, and holds its answers to what is here."""

    def __init__(
        self, transport: Transport, inbox: Inbox, trust: TrustLog, profile: Profile
    ) -> None:
        """Prove of this inbox; ``trust`` is every view there has been."""
        self._transport = transport
        self._inbox = inbox
        self._trust = trust
        self._profile = profile

    async def prove(
        self,
        memory: SeenHead | None,
        refresh: Callable[[], Awaitable[View]],
        now: Callable[[], int],
    ) -> Proven:
        """Return what is proved of the inbox; what of it was not fetched yet is fetched.

        Args:
            memory: the newest checkpoint that was seen; it is replaced by this one.
            refresh: fetches and verifies new trust documents.
            now: the time in seconds UTC.

        Raises:
            Refusal: an alarm: ``inbox-gap``, ``item-withheld``, ``chain-differs``,
                ``stale-head``, ``head-went-back``, ``journal-forked`` or ``stale-witness``; of
                another node (``/homes/NODE``) also ``head-missing``; or
                what the node told does not hold: ``bad-checkpoint``, ``bad-proof``; or
                ``not-found``: there is no checkpoint yet.
            Fault: the node does not answer; or ``head-memory``, ``file``: see ``SeenHead``.
        """
        profile, held = self._profile, self._inbox.held
        seen = memory.read(profile.anchor, profile.node) if memory else None
        since = seen.size if seen else 0
        answer = await self._transport.get_as(wire.Heads, "/v1/heads", since=since)
        # Asked for after the heads: a document that came in between would seem withheld.
        view = await refresh()
        told = verify(answer, profile.endpoint, profile.node, self._trust)
        accuse = memory.accuse if memory else _unkept
        _must_go_on(told, answer.consistency, seen, accuse)
        shown, of = (told.checkpoint, told.note), (profile.node, view)
        vouched = witnessing.beside(answer, shown, of, accuse)
        with _kept_if_withheld(answer, told, held, memory):
            await self._inbox.fill(told.own.count)
            _must_hold_on(held, seen)
            if memory is not None:
                # Also where an alarm follows: it is signed, and must not be taken back.
                memory.keep(_to_remember(told, profile))
            _must_be_fresh(told, view, now())
            _must_be("/own", told.own, held.before(told.facts.size))
        witnessing.must_be_recent(vouched, view, now())
        homes = await self._homes(memory, refresh, now)
        return msgspec.structs.replace(_proven(told, profile, view, vouched), homes=homes)

    async def _homes(
        self,
        memory: SeenHead | None,
        refresh: Callable[[], Awaitable[View]],
        now: Callable[[], int],
    ) -> list[Crossed]:
        """Return what is proved of each other node; what it names is fetched first."""
        others = sorted(self._trust.newest.nodes.keys() - {self._profile.node})
        prover = HomeProver(self._transport, self._inbox.held, self._trust, self._profile)
        asked = [await prover.ask(node) for node in others]
        if any(asked):
            await refresh()
            await self._inbox.fill(_ALL)
        found = [
            prover.judge(node, each, memory.of(node) if memory else None, now())
            for node, each in zip(others, asked, strict=True)
        ]
        return [each for each in found if each is not None]


class Told(NamedTuple):
    """Heads that a node told and signed: they hold among themselves."""

    facts: entries.InboxHeads
    entry: int
    checkpoint: c2sp.Checkpoint
    signed: int
    # When that was all, in seconds UTC.
    as_of: int
    own: InboxHead
    trust: InboxHead
    # Of other nodes' trust documents, by their names.
    abroad: Mapping[str, InboxHead]
    note: bytes


def verify(answer: Heads, endpoint: str, node: str, trust: TrustLog) -> Told:
    """Return what a node says of an inbox, once signatures and places hold.

    Args:
        answer: of ``GET /v1/heads``.
        endpoint: ours.
        node: our home node.
        trust: every view there has been, up to the newest.

    Raises:
        Refusal: ``bad-checkpoint`` or ``bad-proof``; or of trust documents, our node's or
            another's, ``item-withheld`` or ``chain-differs``.
    """
    proof, entry = bundle.parse(answer.proof.encode()), answer.entry.encode()
    facts = entries.decode(entry).facts
    if not isinstance(facts, entries.InboxHeads):
        raise Refusal(Code.BAD_PROOF, "/entry", found=entries.kind_of(facts))
    needed = terms.of(proof.note, node, trust.newest)
    found = needed.prove(proof, leaf_hash(entry))
    checkpoint, signed = found.checkpoint, found.at(needed.log[1]) or 0
    if facts.size > proof.index:
        raise Refusal(Code.BAD_PROOF, "/entry/size", found=facts.size)
    here = trust.head_before(facts.size)
    if here.count < answer.trust.count:
        # Without them not even the directory is known that the map is made of.
        expected = answer.trust.count
        raise Refusal(Code.ITEM_WITHHELD, "/trust", expected=expected, found=here.count)
    # The directory in force there says who is in the map, and in which order.
    view = trust.before(facts.size).view
    known = heads.names(TRUST_INBOX, view.endpoints, view.nodes)
    root = unb64(facts.root)
    own = _placed(answer.own, endpoint, known, root)
    documents = _placed(answer.trust, TRUST_INBOX, known, root)
    _must_be("/trust", documents, here)
    abroad: dict[str, InboxHead] = {}
    for name in sorted(view.nodes.keys() - {node}):
        if name not in answer.abroad:
            raise Refusal(Code.BAD_PROOF, "/abroad", name=name)
        abroad[name] = _placed(answer.abroad[name], trust_inbox(name), known, root)
        _must_be(f"/abroad/{name}", abroad[name], trust.home(name).head_before(facts.size))
    as_of = dated(facts, proof.index, checkpoint.size, signed)
    told = (checkpoint, signed, as_of, own, documents, abroad, proof.note)
    return Told(facts, proof.index, *told)


def _placed(told: OwnHead, name: str, known: list[str], root: bytes) -> InboxHead:
    head = InboxHead(told.count, unb64(told.chain))
    place = Place(unb64(told.salt), [unb64(step) for step in told.path])
    heads.verify(name, head, place, known, root)
    return head


def _must_go_on(
    told: Told, consistency: list[str], seen: Seen | None, accuse: Callable[[Evidence], str]
) -> None:
    """Hold a checkpoint to the one that was seen last: as long at least, and of the same past.

    Raises:
        Refusal: ``head-went-back``.
    """
    if seen is None:
        return
    size, root = told.checkpoint.size, told.checkpoint.root
    path = [unb64(step) for step in consistency]

    def went_back(at: str) -> Refusal:
        facts: dict[str, Fact] = {"expected": seen.size, "found": size}
        if seen.note:
            facts["evidence"] = accuse(forks.of(seen.note.encode(), told.note, path))
        return Refusal(Code.HEAD_WENT_BACK, at, **facts)

    if size < seen.size:
        raise went_back("/size")
    if told.own.count < seen.count:
        raise Refusal(Code.HEAD_WENT_BACK, "/own")
    try:
        verify_consistency(seen.size, size, path, unb64(seen.root), root)
    except Refusal as refusal:
        raise went_back("/root") from refusal


@contextmanager
def _kept_if_withheld(
    answer: Heads, told: Told, held: Held, memory: SeenHead | None
) -> Iterator[None]:
    """Keep what the node signed that it owes, where what it gave is not that."""
    try:
        yield
    except Refusal as refusal:
        is_owed = told.own != held.before(told.facts.size)
        if memory is None or refusal.code not in WITHHOLDING or not is_owed:
            raise
        kept = memory.testify(msgspec.json.encode(answer))
        raise Refusal(refusal.code, refusal.at, **refusal.facts, evidence=kept) from refusal


def _unkept(_: Evidence) -> str:
    """Keep nothing: who remembers nothing has nowhere to."""
    return ""


def _must_be_fresh(told: Told, view: View, now: int) -> None:
    """Hold a checkpoint to the time it says it was signed at, and the heads to theirs.

    Raises:
        Refusal: ``stale-head``: too long ago, or too far ahead to mean anything; at ``/entry``:
            a checkpoint of now, over heads that stand still.
    """
    skew_s = view.agreed().limits.skew_s
    if told.signed < now - MAX_AGE_S - skew_s:
        limit = MAX_AGE_S + skew_s
        raise Refusal(Code.STALE_HEAD, "/signed", found=now - told.signed, limit=limit)
    if told.signed > now + skew_s:
        raise Refusal(Code.STALE_HEAD, "/signed", found=now - told.signed, limit=skew_s)
    if told.as_of < now - MAX_AGE_S - skew_s:
        limit = MAX_AGE_S + skew_s
        raise Refusal(Code.STALE_HEAD, "/entry", found=now - told.as_of, limit=limit)


def _must_hold_on(held: Held, seen: Seen | None) -> None:
    """Hold what is here to what was seen: all of it, unchanged, and whatever came since."""
    if held.changed is not None:
        raise Refusal(Code.CHAIN_DIFFERS, "/items", found=held.changed)
    if seen is None:
        return
    before = held.after(seen.count)
    if before is None:
        raise Refusal(Code.ITEM_WITHHELD, "/items", expected=seen.count, found=held.count)
    if b64(before.chain) != seen.chain:
        raise Refusal(Code.CHAIN_DIFFERS, "/items", expected=seen.count)


def _to_remember(told: Told, profile: Profile) -> Seen:
    """Return what the next checkpoint must go on from."""
    size, root = told.checkpoint.size, b64(told.checkpoint.root)
    own = told.own
    note = told.note.decode()
    return Seen(profile.anchor, profile.node, size, root, own.count, b64(own.chain), note)


def _proven(told: Told, profile: Profile, view: View, vouched: Vouched | None) -> Proven:
    return Proven(
        endpoint=profile.endpoint,
        node=profile.node,
        count=told.own.count,
        trust=told.trust.count,
        covered=told.facts.size,
        entry=told.entry,
        size=told.checkpoint.size,
        signed=told.signed,
        quorum=view.agreed().quorum,
        witnessed=vouched,
        abroad={name: head.count for name, head in told.abroad.items()},
    )


def _must_be(at: str, owed: InboxHead, here: InboxHead) -> None:
    if here.count < owed.count:
        raise Refusal(Code.ITEM_WITHHELD, at, expected=owed.count, found=here.count)
    if here != owed:
        raise Refusal(Code.CHAIN_DIFFERS, at, expected=owed.count, found=here.count)
