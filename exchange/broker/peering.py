"""What comes from the other nation's node: judged under its home, then under what holds here.

An entry that crosses was decided on at its home. Its signatures, keys and expiry are judged
again, under the view that was in force there and at that time; whether it may be owed to each
endpoint of ours is judged by our own arrangement, now. Where a home's entry does not bear out
what it says, nothing of it is taken in: that is no refusal but an alarm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exchange.broker import again, clocking, holding, intake, keys, releasing
from exchange.errors import Code, Refusal
from exchange.model import about, objects
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model.header import Blob
from exchange.model.homes import Received
from exchange.model.identity import digest, member_of
from exchange.model.lost import must_stand
from exchange.policy import releasing as marks
from exchange.policy import rules
from exchange.seal import body as bodies
from exchange.seal import jws, notices, trust

if TYPE_CHECKING:
    from collections.abc import Collection

    from exchange.broker.again import Claimed, Judged
    from exchange.broker.holding import Find, Target
    from exchange.broker.intake import (
        Admitted,
        Came,
        Considered,
        Decision,
        Heard,
        Overheard,
    )
    from exchange.broker.records import Recorded
    from exchange.broker.settle import Ledger
    from exchange.model.entry import Entry, Facts
    from exchange.model.homes import Homes
    from exchange.model.view import View


class Crossing(NamedTuple):
    """An entry of the other node's journal, proved to stand in it, and the bytes it names.

    ``body`` is the sealed body of a bulletin, the wrapped key of a grant or the trust document;
    empty of what has none. None: who asks is not owed it, and looks at its digest alone.
    ``facts`` are the entry's, where it was read before.
    """

    home: entries.Home
    entry: bytes
    body: bytes | None
    facts: Facts | None = None


# A home's line leaves at least this much of an entry for our facts, were it refused; of honest
# ones the signatures of an object alone take more.
_OURS_BYTES = 2048

# The kinds that cross when an endpoint of the other side is owed them; trust crosses always.
CROSSES = (
    entries.Accepted
    | entries.Acknowledged
    | entries.Granted
    | entries.Released
    | entries.Noticed
    | entries.Confirmed
    | entries.Consented
    | entries.Requested
)


def is_here(endpoint: str, here: Collection[str]) -> bool:
    """Tell whether an endpoint is at home with a node that serves these nations."""
    return endpoint.partition(".")[0] in here


def subject(entry: Entry) -> objects.Subject | None:
    """Return the bulletin that an entry is, or is about; None where it is about none."""
    if not entry.object:
        return None
    if not isinstance(entry.facts, entries.Accepted):
        return about.subject_of(jws.read(entry.object, objects.MAX_OBJECT_BYTES).payload)
    header = headers.decode(jws.read(entry.object, headers.MAX_HEADER_BYTES).payload)
    return objects.Subject(header.endpoint, header.id, entry.facts.digest)


def is_for(facts: entries.Facts, nations: Collection[str]) -> bool:
    """Tell whether an entry of ours crosses to a node that serves these nations, and not us.

    Trust always does. What came from abroad goes nowhere on.
    """
    if isinstance(facts, entries.Trust):
        return True
    # An order to purge is shown, so that no place in an inbox is missing; ours are given here.
    kinds = CROSSES | entries.PurgeOrdered
    if entries.home_of(facts) is not None or not isinstance(facts, kinds):
        return False
    return any(is_here(owed.endpoint, nations) for owed in facts.owed)


def is_taken_in(facts: entries.Facts, nations: Collection[str]) -> bool:
    """Tell whether an entry of ours is to be found at that node: all that crosses, but orders.

    They are shown, and each node gives its own.
    """
    return not isinstance(facts, entries.PurgeOrdered) and is_for(facts, nations)


def beside(facts: entries.Facts) -> list[int]:
    """Return the earlier entries that are to cross before one, whomever they were owed to.

    The release by which it was let in; of a grant its bulletin and what stands of what bears
    on that: its new recipient holds none of it yet. Not those that came from abroad: a bulletin
    of theirs that is given on here is known there.
    """
    found: list[int] = []
    if isinstance(facts, entries.Accepted | entries.Granted) and facts.released:
        found.append(facts.released)
    if isinstance(facts, entries.Granted):
        amended = (facts.corrected_by, facts.superseded_by)
        found += [facts.of, *(index for each in amended if each for index in each)]
    return found


def names(facts: entries.Facts) -> list[Blob]:
    """Return the bytes that an entry names and that cross with it, its body first."""
    match facts:
        case entries.Accepted(blobs=blobs):
            return blobs
        case entries.Granted(wrap=blob) | entries.Trust(document=blob):
            return [blob]
        case _:
            return []


def object_of(crossing: Crossing) -> bytes:
    """Return what arrives by an entry: its object, or of trust the document itself.

    Raises:
        Refusal: it is no entry.
    """
    if isinstance(facts_of(crossing), entries.Trust):
        return crossing.body or b""
    # Its home posted it nowhere else: facts, and the object (``under``).
    return crossing.entry.partition(b"\n")[2]


def facts_of(crossing: Crossing) -> Facts:
    """Return what an entry says of itself.

    Raises:
        Refusal: it is no entry.
    """
    return crossing.facts or entries.decode(crossing.entry).facts


def consider(
    crossing: Crossing, homes: Homes, view: View, taken_ms: int, here: Collection[str]
) -> Considered:
    """Conclude on an entry of the other node: judged as at its home; the rest is settled.

    Args:
        crossing: its place and leaf hash are proved to be in that node's tree.
        homes: what is in force there.
        view: in force here.
        taken_ms: when it is taken in here.
        here: the nations that this node serves.

    Raises:
        Refusal: the entry does not bear out what it says. Nothing may be taken from it, nor
            from what comes after it.
    """
    facts, there = facts_of(crossing), under(crossing, homes)
    if isinstance(facts, entries.Trust):
        decision: Decision = overheard(facts, crossing.home, crossing.body or b"", homes)
    else:
        decision = borne_out(crossing, there, here)
    return concluded(crossing, decision, view, taken_ms)


def under(crossing: Crossing, homes: Homes) -> View:
    """Return what an entry is judged under: what is in force at its home, where it stands.

    Raises:
        Refusal: it is of no home's own; or it says other things of its place there.
    """
    facts, home = facts_of(crossing), crossing.home
    if entries.home_of(facts) is not None:
        raise Refusal(Code.BAD_PROOF, "/home", found=home.index)
    if crossing.entry.find(b"\n") > entries.MAX_ENTRY_BYTES - _OURS_BYTES:
        raise Refusal(Code.BAD_PROOF, "/entry", found=home.index)
    return (
        homes.after(home, facts) if isinstance(facts, entries.Trust) else homes.at(home, facts)
    )


def concluded(crossing: Crossing, decision: Decision, view: View, taken_ms: int) -> Considered:
    """Return a decision on an entry, with whence it came; ``view`` is in force here."""
    if isinstance(decision, intake.Admitted):
        # Whether a release of it is to be looked for here, our own arrangement says.
        decision = decision._replace(is_marked=marks.is_marked(decision.header, view))
    came = intake.Came(crossing.home, crossing.entry.partition(b"\n")[0])
    return intake.Considered(decision, view.index, taken_ms, came)


def nations_of(node: str, view: View) -> Collection[str]:
    """Return the nations that a node serves; none of one that is not listed yet."""
    found = view.nodes.get(node)
    return () if found is None else found.serves


def borne_out(crossing: Crossing, view: View, here: Collection[str]) -> Decision:
    """Judge an entry that is no trust entry again, as its home did: pure, and the costly part.

    Args:
        crossing: the entry, with what came with it.
        view: in force at its home then (``under``).
        here: the nations that our node serves.

    Raises:
        Refusal: the entry does not bear out what it says.
    """
    facts, index, body = facts_of(crossing), crossing.home.index, crossing.body
    now, raw = facts.taken_ms // 1000, crossing.entry.partition(b"\n")[2]
    match facts:
        case entries.Noticed():
            notice = notices.verify(raw, view)
            if notice.node != crossing.home.node or digest(raw) != facts.digest:
                raise Refusal(Code.BAD_PROOF, "/node", found=index)
            told = tuple(each.endpoint for each in facts.owed)
            return intake.Heard(notice, facts.digest, told)
        case (
            entries.Accepted()
            | entries.Acknowledged()
            | entries.Granted()
            | entries.Released()
            | entries.Confirmed()
            | entries.Consented()
            | entries.Requested()
        ):
            decision = again.of_bulletins(facts, raw, view, now, index)
            _must_be_its(crossing, facts, decision, view, here)
            if body is not None:
                _must_come_with(decision, body, index)
            return decision
        case _:
            raise Refusal(Code.BAD_PROOF, "/kind", found=index)


def claimed(crossing: Crossing, view: View, here: Collection[str]) -> Claimed:
    """Return what an entry comes to where another process may say that it is borne out.

    All that its own bytes tell is read from them here, and only the rest taken on trust: its
    signatures, what the rules of its home say of it, and the keys in what came with it.

    Args:
        crossing: the entry.
        view: in force at its home then (``under``).
        here: the nations that our node serves.

    Raises:
        Refusal: it is of no such kind, or does not bear out what it says.
    """
    facts, index = facts_of(crossing), crossing.home.index
    if not isinstance(facts, again.Told):
        raise Refusal(Code.BAD_PROOF, "/kind", found=index)
    decision = again.claimed(facts, object_of(crossing), index)
    _must_be_its(crossing, facts, decision, view, here)
    return decision


def overheard(
    facts: entries.Trust,
    home: entries.Home,
    raw: bytes,
    homes: Homes,
    *,
    is_known: bool = False,
) -> intake.Overheard:
    """Conclude on a trust entry of another journal: it follows from the last one there.

    ``is_known``: it stands in our journal already; whether its keys are weak was looked at.

    Raises:
        Refusal: it does not, or is of another document.
    """
    view = homes.after(home, facts)
    if Blob(digest(raw), len(raw)) != facts.document:
        raise Refusal(Code.BAD_PROOF, "/document", found=home.index)
    now = facts.taken_ms // 1000
    change = trust.judge(raw, view, now, is_known=is_known, is_recorded=True)
    if (change.name, change.version) != (facts.name, facts.version):
        raise Refusal(Code.BAD_PROOF, "/name", found=home.index)
    must_stand(view, view.after(change, home.index), home.node)
    return intake.Overheard(change, facts.document, facts.taken_ms)


def _must_be_its(
    crossing: Crossing,
    facts: Judged,
    decision: intake.OfBulletins,
    view: View,
    here: Collection[str],
) -> None:
    """Hold what an entry's object comes to to the entry's own facts, and to its home."""
    index = crossing.home.index
    if decision.digest != facts.digest:
        raise Refusal(Code.BAD_PROOF, "/digest", found=index)
    # What was signed stands first in each.
    _must_be_home(decision[0].endpoint, nations_of(crossing.home.node, view), here)
    if isinstance(decision, intake.Admitted):
        _must_name(facts, decision.header, index)


def _must_be_home(endpoint: str, there: Collection[str], here: Collection[str]) -> None:
    """Hold who signed to being of the other node's nations: ours post to our own door."""
    nation = member_of(endpoint).partition(".")[0]
    rules.must_be_home(nation, there, endpoint, "/endpoint")
    if nation in here:
        raise Refusal(Code.NOT_HOME, "/endpoint", name=endpoint)


def _must_name(facts: Facts, header: headers.Header, index: int) -> None:
    """Hold the attachments that an entry names to those of its header."""
    if entries.attached_in(facts) != header.attachments:
        raise Refusal(Code.BAD_PROOF, "/blobs", found=index)


def _must_come_with(decision: intake.OfBulletins, body: bytes, index: int) -> None:
    """Hold the bytes that came with an object to those that it names; its keys were counted."""
    match decision:
        case intake.Admitted(header=header, seen=seen):
            found = bodies.look(body, header.suite)
            if found != seen:
                raise Refusal(Code.BAD_PROOF, "/body", found=index)
        case intake.Conferred(seen=seen):
            if bodies.look_at_wrap(body).seen != seen:
                raise Refusal(Code.BAD_PROOF, "/wrap", found=index)
        case _:
            if body:
                raise Refusal(Code.BAD_PROOF, "/body", found=index)


def enclose(facts: Facts, raw: bytes, came: Came | None) -> bytes:
    """Return the bytes of an entry, with the line of the one that it came from, if any.

    Raises:
        Refusal: ``oversized``: with our facts around it, it does not fit.
    """
    if came is None:
        return entries.encode(facts, raw)
    try:
        return entries.encode(facts, raw, came.line)
    except ValueError:
        raise Refusal(Code.OVERSIZED, "", limit=entries.MAX_ENTRY_BYTES) from None


def outcomes(
    ledger: Ledger, decision: Admitted, find: Find
) -> tuple[list[str], list[entries.Unowed]]:
    """Return to which of our endpoints a bulletin from abroad may be owed, and to which not.

    Raises:
        Refusal: it is for some of ours, and may be owed to none: why the first may not be.
    """
    header, now = decision.header, ledger.taken_ms // 1000
    # What bears no mark needs no release: none is looked for.
    is_marked = marks.is_marked(header, ledger.in_force)
    released = releasing.released_by(releasing.subject(decision), find) if is_marked else {}
    holders = releasing.released_for(ledger, header, find)
    owed: list[str] = []
    declined: list[entries.Unowed] = []
    first: Refusal | None = None
    for name in (each for each in header.to if is_here(each, ledger.here)):
        try:
            rules.decide(
                "ingress",
                header,
                ledger.in_force,
                now,
                recipient=name,
                here=ledger.here,
                released=released,
                holders=holders,
            )
            owed.append(name)
        except Refusal as refusal:
            first = first or refusal
            declined.append(entries.Unowed(name, refusal.code.value))
    if first is not None and not owed:
        raise first
    return owed, declined


def overhear(ledger: Ledger, decision: Overheard, raw: bytes) -> Recorded:
    """Enter a trust document of the other node's journal."""
    common = ledger.common()
    (place,) = ledger.owe([entries.trust_inbox(common["home"].node)])
    facts = entries.TrustReceived(
        name=decision.change.name,
        version=decision.change.version,
        position=place.position,
        document=decision.blob,
        **common,
    )
    done = ledger.keep(facts, b"", (), blob=(decision.blob, raw))
    ledger.received.append(Received(common["home"], decision.change, decision.taken_ms))
    return done


def hear(ledger: Ledger, decision: Heard, raw: bytes, taken_ms: int, find: Find) -> Recorded:
    """Enter a notice that the other node signed, for those of ours whom it owes it to.

    ``taken_ms`` is when it entered it itself.

    Raises:
        Refusal: ``target-unknown`` or ``target-mismatch``: a notice of what nobody posted here;
            or ``not-owed``: it is for nobody who has to do with that; or ``wrong-value``: of a
            boarding request's time it says what was not agreed here.
    """
    of = decision.notice.of
    found = find(keys.by_digest(of.header_digest))
    target = holding.read(found) if found else None
    if target is None:
        raise Refusal(Code.TARGET_UNKNOWN, "/of", id=of.id)
    if (target.header.endpoint, target.header.id) != (of.endpoint, of.id):
        raise Refusal(Code.TARGET_MISMATCH, "/of", id=of.id)
    owed = ledger.owe(each for each in decision.told if _may_hear(each, target, find))
    if not owed:
        raise Refusal(Code.NOT_OWED, "/of", id=of.id)
    facts = entries.Noticed(
        digest=decision.digest,
        of=target.index,
        owed=owed,
        **ledger.common(),
    )
    changed, once = clocking.heard(ledger, decision.notice, taken_ms, target, find)
    return ledger.keep(facts, raw, (keys.by_digest(decision.digest), *once), changed)


def _may_hear(endpoint: str, target: Target, find: Find) -> bool:
    """Tell whether one has to do with a bulletin: its author's member, or who was given it."""
    return (
        member_of(endpoint) == target.header.origin
        or endpoint in target.owed
        or find(keys.granted_to(target.digest, endpoint)) is not None
    )
