"""Prove that all that another nation's agencies addressed to this endpoint is accounted for.

Their node signs how much this endpoint's inbox there holds, and the chain over it. What crossed
stands here as it stands there, byte for byte, so that the chain is folded from what is held:
nothing was left out, replaced or moved, by neither node. What took a place there and is not in
the inbox here (refused, not owed to us here, an order to purge, waiting for bytes that lack) is
told by our node with the entry that says so, under its signature; silence is an alarm, and so
is what waits for longer than the nations agreed that something may be on its way.

Who withholds: where our node stopped the link, it says that theirs does; where it says to have
taken in all, and a place has no account, it is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from exchange.client import folding, receipts, witnessing
from exchange.client.folding import There
from exchange.client.seen import Seen
from exchange.client.witnessing import Vouched
from exchange.errors import Code, Refusal
from exchange.journal import bundle, forks, heads, terms
from exchange.journal.heads import InboxHead, Place
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model import wire
from exchange.model.codec import b64, unb64
from exchange.model.identity import Count, Word
from exchange.model.lost import losses_in
from exchange.seal import notices

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from exchange.client.held import Held
    from exchange.client.seen import SeenHead
    from exchange.client.transport import Profile, Transport
    from exchange.client.trust import TrustLog
    from exchange.journal.forks import Evidence
    from exchange.model.view import View
    from exchange.model.wire import Elsewhere, HomeHeads

# As long as an idle node waits to date its checkpoint anew, three times; and twice what a link
# takes to ask for it.
MAX_AGE_S = 240


# Why our node stopped a link, where that is what the other one kept back or took back.
_UNTRUE: Final = frozenset(
    {"item-withheld", "chain-differs", "head-went-back", "journal-forked"}
)


class Crossed(msgspec.Struct, frozen=True):
    """What holds of another node: all ``count`` places of ours there are accounted for.

    Attributes:
        node: whose journal it is.
        count: how many items its agencies addressed to us among its first ``covered`` entries.
        here: how many of them are in the inbox here.
        elsewhere: the others, by why: the code of a refusal, ``purge-ordered``, ``not-owed``;
            or ``waiting``, for bytes that lack, by our node's notice.
        later: how many items are here that are newer than that.
        size: of its checkpoint.
        as_of: when it signed that this is all, seconds UTC; and ``age_s``, how long ago.
        is_stale: longer ago than ``limit_s``: newer ones may exist that nobody sees here.
        trouble: the code by which our node takes nothing more from there; empty: it does.
        witnessed: who vouched for its journal, and as of when.
    """

    node: Word
    count: Count
    here: Count
    elsewhere: dict[str, int]
    later: Count
    covered: Count
    size: Count
    as_of: int
    age_s: int
    limit_s: int
    is_stale: bool
    trouble: str = ""
    witnessed: Vouched | None = None


class _Why(NamedTuple):
    """Why a place is not here: a code; and of what waits, since when (seconds UTC), else 0."""

    code: str
    since: int = 0


class Told(NamedTuple):
    """A head that the other node signed, and that holds; ``as_of`` is when that was all."""

    own: InboxHead
    covered: int
    size: int
    root: bytes
    note: bytes
    as_of: int
    vouched: Vouched | None


def dated(facts: entries.InboxHeads, entry: int, size: int, signed: int) -> int:
    """Return as of when heads are all there is, in seconds UTC.

    That is the checkpoint's date where nothing came between the two, as on a node that is idle.
    Heads with more between are not of its time: old ones under a new checkpoint are as old as
    they are. A node makes new ones as soon as something comes.

    Args:
        facts: of the inbox-heads entry.
        entry: its index.
        size: of the checkpoint.
        signed: when the checkpoint was.
    """
    return signed if size == entry + 1 else min(signed, facts.taken_ms // 1000)


def verified(
    answer: HomeHeads,
    node: str,
    endpoint: str,
    trust: TrustLog,
    accuse: Callable[[Evidence], str],
) -> Told:
    """Return what another node says of an inbox there, once signatures and place hold.

    Args:
        answer: of ``GET /v1/heads/NODE``.
        node: that node.
        endpoint: ours.
        trust: every view there has been, also there.
        accuse: keeps two checkpoints that cannot both be of one journal; returns where.

    Raises:
        Refusal: ``bad-checkpoint``, ``bad-proof``, ``journal-forked``.
    """
    log, at = trust.home(node), f"/homes/{node}"
    proof, entry = bundle.parse(answer.proof.encode()), answer.entry.encode()
    facts = entries.decode(entry).facts
    if not isinstance(facts, entries.InboxHeads) or facts.size > proof.index:
        raise Refusal(Code.BAD_PROOF, at, name=node)
    needed = terms.of(proof.note, node, log.newest)
    found = needed.prove(proof, leaf_hash(entry))
    view = log.around(facts.size)[0].view
    own = InboxHead(answer.own.count, unb64(answer.own.chain))
    place = Place(unb64(answer.own.salt), [unb64(step) for step in answer.own.path])
    known = heads.names(entries.TRUST_INBOX, view.endpoints, view.nodes)
    heads.verify(endpoint, own, place, known, unb64(facts.root))
    top, signed = found.checkpoint, found.at(needed.log[1]) or 0
    as_of = dated(facts, proof.index, top.size, signed)
    vouched = witnessing.beside(answer, (top, proof.note), (node, log.newest), accuse)
    return Told(own, facts.size, top.size, top.root, proof.note, as_of, vouched)


class HomeProver:
    """Asks our node of another one, and holds its answers to what is here."""

    def __init__(
        self, transport: Transport, held: Held, trust: TrustLog, profile: Profile
    ) -> None:
        """Prove of what is held; ``trust`` is every view there has been, also there."""
        self._transport = transport
        self._held = held
        self._trust = trust
        self._profile = profile

    async def ask(self, node: str) -> tuple[HomeHeads, list[Elsewhere]] | None:
        """Return what our node shows of another one; None where it shows nothing."""
        found: list[Elsewhere] = []
        first = 0
        while True:
            try:
                answer = await self._transport.get_as(
                    wire.HomeHeads, f"/v1/heads/{node}", first=first
                )
            except Refusal as refusal:
                if refusal.code is not Code.NOT_FOUND:
                    raise
                return None
            found += answer.elsewhere
            if answer.more <= first:
                return answer, found
            first = answer.more

    def judge(
        self,
        node: str,
        asked: tuple[HomeHeads, list[Elsewhere]] | None,
        memory: SeenHead | None,
        now: int,
    ) -> Crossed | None:
        """Return what is proved of another node; None where nothing ever came from there.

        Args:
            node: its name.
            asked: what ``ask`` returned; all that it names was fetched since.
            memory: the newest checkpoint of that node that was seen; it is replaced.
            now: seconds UTC.

        Raises:
            Refusal: an alarm: ``item-withheld``, ``chain-differs``, ``head-went-back``,
                ``head-missing``, or why our node takes nothing more from there; or it does
                not hold: ``bad-checkpoint``, ``bad-proof``.
            Fault: ``head-memory``, ``file``.
        """
        places, at = self.places(node), f"/homes/{node}"
        seen = memory.read(self._profile.anchor, node) if memory else None
        limit_s = _limit_s(self._trust.newest)
        if asked is None:
            self._may_lack_head(node, places, seen, now - limit_s)
            return None
        answer, elsewhere = asked
        accuse = memory.accuse if memory else _unkept
        told = verified(answer, node, self._profile.endpoint, self._trust, accuse)
        _must_go_on(told, seen, at, memory.accuse if memory else _unkept)
        known = self._to_remember(told, node, seen)
        if memory is not None:
            # Also where an alarm follows: it is signed, and must not be taken back.
            memory.keep(known)
        gone = {each.position: There(each.index, unb64(each.leaf)) for each in elsewhere}
        holes = self._holes({**gone, **places}, node, told)
        why = self._accounted(elsewhere, node)
        lost = {place for hole in holes for place in hole if place in why}
        waiting = _since(why, known.waiting, {*places, *lost}, now)
        if memory is not None and waiting != known.waiting:
            memory.keep(msgspec.structs.replace(known, waiting=waiting))
        blamed = (node, "there") if answer.trouble else (self._profile.node, "here")
        there = folding.Places({**gone, **places}, holes)
        folding.must_be_all(told.own, there, seen, (at, *blamed))
        self._must_come(waiting, at, now)
        if answer.trouble in _UNTRUE:
            # All that was signed for is here: what followed was kept back, or taken back.
            raise Refusal(Code(answer.trouble), f"{at}/there", name=node)
        here = sum(1 for place in places if place < told.own.count)
        kinds = [each.code for place, each in why.items() if place not in places]
        return Crossed(
            node=node,
            count=told.own.count,
            here=here,
            elsewhere={word: kinds.count(word) for word in sorted(set(kinds))},
            later=len(places) - here,
            covered=told.covered,
            size=told.size,
            as_of=told.as_of,
            age_s=max(now - told.as_of, 0),
            limit_s=limit_s,
            is_stale=not -limit_s <= now - told.as_of <= limit_s,
            trouble=answer.trouble,
            witnessed=told.vouched,
        )

    def places(self, node: str) -> dict[int, There]:
        """Return what is held that took a place of ours at a node, by that place."""
        found = {}
        for item in self._held.items():
            came = entries.came_in(item.entry.encode())
            if came is None or came[0].node != node:
                continue
            for owed in entries.owed_in(came[1]):
                if owed.endpoint == self._profile.endpoint:
                    found[owed.position] = There(came[0].index, leaf_hash(came[1]))
        return found

    def _holes(self, places: Mapping[int, There], node: str, told: Told) -> list[range]:
        """Return the places of ours there that are among what that journal declared lost."""
        log, endpoint = self._trust.home(node), self._profile.endpoint
        losses = [
            (loss, endpoint in log.around(loss.end)[0].view.endpoints)
            for loss in losses_in(log.newest, node)
            if loss.end <= told.covered
        ]
        return folding.holes(places, losses)

    def _may_lack_head(
        self, node: str, places: Mapping[int, There], seen: Seen | None, since: int
    ) -> None:
        """Let a node have no head while nothing came from there, or did just now.

        Raises:
            Refusal: ``head-missing``.
        """
        if seen is not None:
            # Ours shows it no more: nobody says that theirs went back.
            raise Refusal(Code.HEAD_MISSING, f"/homes/{node}", name=node, found=len(places))
        came = [each for each in self._held.items() if _is_from(each.entry, node)]
        if places and entries.decode(came[0].entry.encode()).facts.taken_ms // 1000 < since:
            raise Refusal(Code.HEAD_MISSING, f"/homes/{node}", name=node, found=len(places))

    def _must_come(self, waiting: Mapping[int, int], at: str, now: int) -> None:
        """Hold what waits to how late a bulletin may be, as the nations agreed.

        For whatever reason: that there is no room for it, say, is for somebody to see to.

        Raises:
            Refusal: ``item-withheld``.
        """
        limits = self._trust.newest.agreed().limits
        for place, since in sorted(waiting.items()):
            if now - since > limits.late_s + limits.skew_s:
                raise Refusal(
                    Code.ITEM_WITHHELD,
                    f"{at}/waiting",
                    name=self._profile.node,
                    position=place,
                )

    def _accounted(self, elsewhere: list[Elsewhere], node: str) -> dict[int, _Why]:
        """Return why each place that is not here is not, once our node's word for it holds.

        Raises:
            Refusal: ``item-withheld``: it does not, which is as if it said nothing.
        """
        why: dict[int, _Why] = {}
        used: set[int] = set()
        for each in elsewhere:
            at = f"/homes/{node}/elsewhere"
            withheld = Refusal(
                Code.ITEM_WITHHELD, at, name=self._profile.node, position=each.position
            )
            try:
                found = self._why(each, node)
            except Refusal as refusal:
                raise withheld from refusal
            if each.receipt is not None and found is not None and not found.since:
                # One notice is not the account of two places; what is about a bulletin that
                # waits waits with it.
                found = None if each.receipt.index in used else found
                used.add(each.receipt.index)
            if found is None:
                raise withheld
            why[each.position] = found
        return why

    def _why(self, each: Elsewhere, node: str) -> _Why | None:
        """Return why a place is not here; None where what is shown does not bear it out."""
        if not each.entry:
            return None
        entry = each.entry.encode()
        if each.receipt is None:
            place = entries.Owed(self._profile.endpoint, each.position)
            facts = entries.decode(entry).facts
            is_it = b64(leaf_hash(entry)) == each.leaf and place in entries.owed_by(facts)
            is_order = isinstance(facts, entries.PurgeOrdered) and is_it
            return _Why("purge-ordered") if is_order else None
        receipts.must_be_from(each.receipt, self._profile.node)
        facts = receipts.verify_entry(each.receipt, entry, self._trust)
        if isinstance(facts, entries.Noticed) and entries.came_in(entry) is None:
            return self._noticed(each.receipt.index, facts, entry)
        return self._recorded(each, facts, node)

    def _noticed(self, index: int, facts: entries.Noticed, entry: bytes) -> _Why | None:
        """Return what a notice of our node says to us; None where it is to another."""
        view = self._trust.before(index).view
        notice = notices.verify(entries.decode(entry).object, view)
        if (notice.node, notice.recipient) != (self._profile.node, self._profile.endpoint):
            return None
        if notice.about == "waiting":
            return _Why("waiting", max(facts.taken_ms // 1000, 1))
        # Of one recipient only this and a refusal are told.
        return _Why(str(notice.code))

    def _recorded(self, each: Elsewhere, facts: entries.Facts, node: str) -> _Why | None:
        """Return why what came from that place was not given to us here."""
        ours, came = self._profile.endpoint, entries.came_in(each.entry.encode())
        place, home = entries.Owed(ours, each.position), entries.Home(node, each.index)
        if came is None or came[0] != home or place not in entries.owed_in(came[1]):
            return None
        if isinstance(facts, entries.Refused):
            return _Why(facts.code)
        is_ours = ours in {owed.endpoint for owed in entries.owed_by(facts)}
        is_it = not is_ours and b64(leaf_hash(came[1])) == each.leaf
        return _Why("not-owed") if is_it else None

    def _to_remember(self, told: Told, node: str, seen: Seen | None) -> Seen:
        own, root = told.own, b64(told.root)
        anchor, note = self._profile.anchor, told.note.decode()
        waiting = seen.waiting if seen else {}
        return Seen(anchor, node, told.size, root, own.count, b64(own.chain), note, waiting)


def _is_from(entry: str, node: str) -> bool:
    came = entries.came_in(entry.encode())
    return came is not None and came[0].node == node


def _unkept(_: Evidence) -> str:
    """Keep nothing: who remembers nothing has nowhere to."""
    return ""


def _since(
    why: Mapping[int, _Why], known: Mapping[int, int], places: Collection[int], now: int
) -> dict[int, int]:
    """Return since when each place waits that still does.

    What was heard of it first stands: a node that tells anew starts no time anew, and one that
    dates ahead gains none.
    """
    return {
        place: min(each.since, known.get(place, now))
        for place, each in why.items()
        if each.since and place not in places
    }


def _limit_s(view: View) -> int:
    """Return how old another node's word may be before it is said to be old (seconds)."""
    agreed = view.agreed()
    witnessed = agreed.witnesses.limit_s if agreed.witnesses else 0
    return max(witnessed, MAX_AGE_S) + agreed.limits.skew_s


def _must_go_on(
    told: Told, seen: Seen | None, at: str, accuse: Callable[[Evidence], str]
) -> None:
    """Hold a head to the one that was seen last; that the journal is one, its chain says.

    Raises:
        Refusal: ``head-went-back``.
    """
    if seen is None:
        return
    if told.size < seen.size or told.own.count < seen.count:
        raise Refusal(
            Code.HEAD_WENT_BACK, at, name=seen.node, expected=seen.size, found=told.size
        )
    if told.size == seen.size and b64(told.root) != seen.root:
        kept = accuse(forks.of(seen.note.encode(), told.note, []))
        raise Refusal(Code.HEAD_WENT_BACK, f"{at}/root", name=seen.node, evidence=kept)
