"""What an index keeps of one entry: one flat row, the same for every kind of entry.

Read leniently, and believed of nothing: a row names the entry that it was read from, and what
that entry says is for ``verify`` to hold to its signatures. What belongs to a bulletin (its
type, marking, precedence and feed) stands in every row that is about it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from exchange.errors import Refusal
from exchange.journal.note import parse_note
from exchange.model import codec
from exchange.model import entry as entries
from exchange.model.identity import member_of
from exchange.render.times import zulu_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exchange.model.entry import Facts

# What rows are found and counted by, in the order in which a reader is shown them.
FACETS: Final = (
    "kind",
    "outcome",
    "code",
    "type",
    "verb",
    "precedence",
    "marking",
    "status",
    "feed",
    "nation",
    "origin",
    "endpoint",
    "recipient",
    "policy",
)


# When a witness signed stands before its signature (C2SP tlog-cosignature).
_TIME: Final = struct.Struct(">Q")


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry. What does not belong to its kind is left empty.

    Attributes:
        journal: the node whose journal it stands in; ``index``: where, from 0.
        taken_ms: when it was taken in there, in milliseconds UTC; 0 where it cannot be read.
        kind: of the entry, as its facts name it.
        outcome: what became of it, of each in ``OUTCOMES``; a bulletin may have several.
        code: of a refusal; ``at``: what that points to.
        type: and ``verb`` to ``feed``: of the bulletin that it is about.
        origin: the member that signed it, or whose caller was refused; the node's own: empty.
        endpoint: of that member; of what a node entered by itself, ``node:NAME``.
        to: whom it is addressed to.
        id: of the bulletin that it is about.
        refs: other bulletins that it bears on, each as its relation and its id; ``named``: of
            each of them the digest that it gives.
        thread: the first bulletin of the line that it belongs to.
        of: the entry here that it is of.
        policy: version of the arrangement in force when it was decided; 0 before there is one.
        officer: the person who is named.
        rule: by which it was purged, or is to be reviewed; of trust, the document's name.
        version: of a trust document, an epoch, or the size of a checkpoint.
        home: the node that it came from; ``home_index``: its entry there, -1 for none;
            ``home_ms``: when it was taken in there, 0 where that cannot be read.
        cosigned: of a checkpoint, the size of the newest one that it says a quorum vouched for.
        agreed: of a trust entry that brought an arrangement, the digest of what that says,
            whatever its version and dates.
        digest: of the object; of an order or an attestation none.
        size: bytes of ciphertext that it names, or that were refused.
        observed: and ``issued`` to ``retain_until``: of the header, in seconds UTC.
        at_s: when its author says that it happened, in seconds UTC; of a checkpoint, when the
            quorum that it tells of was first complete, as its witnesses say.
        orders: of an attestation, the orders that it says were carried out.
        reads: of what an auditor was shown, each kind with the entries that it was of;
            ``shown``: how many entries, or proofs of some; ``since_ms`` and ``until_ms``: when,
            in milliseconds UTC.
        declined: recipients that it may not be owed to here, each with the refusal's code.
    """

    journal: str
    index: int
    taken_ms: int
    kind: str
    outcome: tuple[str, ...] = ()
    code: str = ""
    at: str = ""
    type: str = ""
    verb: str = ""
    precedence: str = ""
    marking: str = ""
    status: str = ""
    feed: str = ""
    origin: str = ""
    endpoint: str = ""
    to: tuple[str, ...] = ()
    id: str = ""
    refs: tuple[tuple[str, str], ...] = ()
    named: tuple[str, ...] = ()
    thread: str = ""
    of: int = -1
    policy: int = 0
    officer: str = ""
    rule: str = ""
    version: int = 0
    home: str = ""
    home_index: int = -1
    home_ms: int = 0
    cosigned: int = 0
    agreed: str = ""
    digest: str = ""
    size: int = 0
    observed: int | None = None
    issued: int | None = None
    due: int | None = None
    expires: int | None = None
    retain_until: int | None = None
    at_s: int | None = None
    orders: tuple[int, ...] = ()
    reads: tuple[tuple[str, str], ...] = ()
    shown: int = 0
    since_ms: int = 0
    until_ms: int = 0
    declined: tuple[tuple[str, str], ...] = ()

    @property
    def taken(self) -> str:
        """When it was taken in, as text; a dash where that is not known."""
        return zulu_ms(self.taken_ms) if self.taken_ms else "-"

    @property
    def nation(self) -> str:
        """Whose it is: of its member, or of the node that entered it."""
        if self.origin:
            return self.origin.partition(".")[0]
        return self.home or self.journal

    def facets(self) -> Iterator[tuple[str, str]]:
        """Yield each facet that it has a value of, once for each value."""
        for name in self.outcome:
            yield "outcome", name
        for name in dict.fromkeys(self.to):
            yield "recipient", name
        yield "policy", str(self.policy)
        for facet in _PLAIN:
            if value := getattr(self, facet):
                yield facet, value

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield what it can be looked up by: its bulletin, what it bears on, its thread."""
        for name in ("id", "thread", "digest"):
            if value := getattr(self, name):
                yield name, value
        for _, identity in self.refs:
            yield "target", identity


_PLAIN: Final = tuple(each for each in FACETS if each not in {"outcome", "recipient", "policy"})


class Context(NamedTuple):
    """What a row depends on beside its entry.

    ``row_at`` returns an earlier row of the same journal, ``row_of`` the first one of either
    journal that is about a bulletin; None where there is none.
    """

    journal: str
    policy: int
    row_at: Callable[[int], Row | None]
    row_of: Callable[[str], Row | None]


class _Subject(msgspec.Struct):
    id: str = ""
    header_digest: str = ""


class _Ref(msgspec.Struct):
    rel: str = ""
    id: str = ""
    header_digest: str = ""


class _Marking(msgspec.Struct):
    tlp: str = ""


class _Said(msgspec.Struct):
    """Whatever any signed object may say, as far as it is of interest here."""

    id: str = ""
    origin: str = ""
    endpoint: str = ""
    node: str = ""
    type: str = ""
    verb: str = ""
    precedence: str = ""
    status: str = ""
    feed: str | None = None
    marking: _Marking | None = None
    to: list[str] | str = []
    of: _Subject | str | None = None
    refs: list[_Ref] = []
    outcome: str = ""
    step: str = ""
    about: str = ""
    code: str | None = None
    reason: str | None = None
    recipient: str | None = None
    officer: str | None = None
    bulletin: str | None = None
    invited: str = ""
    verdict: str = ""
    observed: int | None = None
    issued: int | None = None
    due: int | None = None
    expires: int | None = None
    retain_until: int | None = None
    until: int | None = None
    at: int | None = None


class _Outer(msgspec.Struct):
    payload: str


class _Taken(msgspec.Struct):
    taken_ms: int = 0


# The end of the year 9999: what is later is no time that can be written.
_END_MS: Final = 253_402_300_800_000
_TAKEN: Final = msgspec.json.Decoder(_Taken)
_SAID: Final = msgspec.json.Decoder(_Said)
_OUTER: Final = msgspec.json.Decoder(_Outer)
_NOTHING: Final = _Said()


def read(index: int, raw: bytes, context: Context) -> Row:
    """Return the row of an entry; of one that cannot be read, a row that says so."""
    try:
        entry = entries.decode(raw)
    except Refusal as refusal:
        code = refusal.code.value
        # Of a kind that only a newer program knows, the time can be read all the same.
        return Row(context.journal, index, _taken(raw), "unreadable", ("unreadable",), code)
    facts, said = entry.facts, _said(entry.object)
    made = {**_of_facts(facts, entry.at_home, context), **_of_object(facts, said)}
    about = context.row_at(made.get("of", -1)) if made.get("of", -1) >= 0 else None
    if not made.get("id"):
        # An order names an entry; what that is about, it says.
        made["id"] = about.id if about else ""
    is_bulletin = isinstance(facts, entries.Accepted)
    if not is_bulletin:
        made = {**_inherited(about, made, context), **made}
    made["thread"] = _thread(made, about, context, is_bulletin=is_bulletin)
    return Row(
        journal=context.journal,
        index=index,
        taken_ms=_in_time(facts.taken_ms),
        kind=entries.kind_of(facts),
        policy=context.policy,
        **made,
    )


def _taken(raw: bytes) -> int:
    """Return when an entry says that it was taken in, 0 where it does not."""
    try:
        return _in_time(_TAKEN.decode(raw.partition(b"\n")[0]).taken_ms)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0


def _in_time(ms: int) -> int:
    return ms if 0 <= ms < _END_MS else 0


def _said(signed: bytes) -> _Said:
    if not signed:
        return _NOTHING
    try:
        return _SAID.decode(codec.unb64(_OUTER.decode(signed).payload))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Refusal):
        return _NOTHING


def _of_facts(facts: Facts, at_home: bytes, context: Context) -> dict[str, Any]:
    """Return what the node says of an entry."""
    made: dict[str, Any] = {"digest": getattr(facts, "digest", "")}
    if home := entries.home_of(facts):
        made |= {"home": home.node, "home_index": home.index}
        made["home_ms"] = _taken(at_home)
    of = getattr(facts, "of", None)
    if isinstance(of, int):
        made["of"] = of
    match facts:
        case entries.Accepted():
            made["size"] = sum(blob.size for blob in facts.blobs)
            if isinstance(facts.declined, list):
                made["declined"] = tuple((one.endpoint, one.code) for one in facts.declined)
        case entries.Granted():
            made["size"] = facts.wrap.size
        case entries.Refused():
            made |= {"code": facts.code, "at": facts.at, "size": facts.size}
            made |= {"endpoint": facts.caller, "origin": member_of(facts.caller)}
        case entries.PurgeOrdered() | entries.Purged():
            made |= _of_purge(facts, context)
        case _:
            made |= _of_the_node(facts)
    return {**made, "outcome": _outcomes(facts)}


def _of_purge(facts: entries.PurgeOrdered | entries.Purged, context: Context) -> dict[str, Any]:
    if isinstance(facts, entries.PurgeOrdered):
        to = tuple(each.endpoint for each in facts.owed)
        return {"rule": facts.rule or "", "code": facts.cause, "to": to}
    orders = tuple(facts.orders)
    found = (context.row_at(each) for each in orders)
    about = [row.id for row in found if row is not None and row.id]
    refs = tuple(("purges", each) for each in about[1:])
    return {"orders": orders, "refs": refs, "id": about[0] if about else ""}


def _of_the_node(facts: Facts) -> dict[str, Any]:
    """Return what is of trust and bookkeeping alone."""
    match facts:
        case entries.Trust() | entries.TrustReceived():
            named = facts.document.digest
            return {"rule": facts.name, "version": facts.version, "digest": named}
        case entries.EpochOpened():
            return {"version": facts.epoch}
        case entries.Checkpointed():
            return {"version": facts.size, **_of_quorum(facts.cosigned)}
        case entries.InboxHeads():
            return {"version": facts.size}
        case entries.AuditRead():
            return _of_reads(facts)
        case _:
            return {}


def _of_quorum(told: entries.Cosigned | msgspec.UnsetType) -> dict[str, Any]:
    if isinstance(told, msgspec.UnsetType):
        return {}
    at_s = _signed_at(told.lines) if told.first else None
    return {"cosigned": told.size, "at_s": at_s}


def _signed_at(lines: Sequence[str]) -> int | None:
    """Return when the last of these witnesses signed, in seconds UTC."""
    try:
        found = parse_note(b"-\n\n" + "".join(f"{line}\n" for line in lines).encode()).lines
        return max((_TIME.unpack_from(line.signature)[0] for line in found), default=None)
    except (Refusal, struct.error):
        return None


def _of_reads(facts: entries.AuditRead) -> dict[str, Any]:
    # Hashes of the tree tell nothing of what is under them: they are no bulk.
    count = sum(each.count for each in facts.reads if each.what != "tiles")
    return {
        "endpoint": facts.auditor,
        "origin": member_of(facts.auditor),
        "reads": tuple((each.what, each.span) for each in facts.reads),
        "shown": count,
        "since_ms": facts.since_ms,
        "until_ms": facts.until_ms,
    }


# What became of an entry, where its kind and facts alone say so.
_OUTCOMES: Final[dict[type, str]] = {
    entries.Released: "released",
    entries.Granted: "granted",
    entries.Confirmed: "confirmed",
    entries.Refused: "refused",
    entries.PurgeOrdered: "purge-ordered",
    entries.Purged: "purged",
    entries.Invited: "invited",
    entries.EnrolmentAsked: "enrolment-asked",
    entries.Trust: "in-force",
    entries.TrustReceived: "in-force-abroad",
    entries.EpochOpened: "bookkeeping",
    entries.Checkpointed: "bookkeeping",
    entries.InboxHeads: "bookkeeping",
    entries.AuditRead: "read",
    entries.Lost: "lost",
}


def _outcomes(facts: Facts) -> tuple[str, ...]:
    if not isinstance(facts, entries.Accepted):
        return (_OUTCOMES[type(facts)],) if type(facts) in _OUTCOMES else ()
    found = ["accepted" if entries.home_of(facts) is None else "received"]
    found += ["late"] if facts.late else []
    found += ["unwitnessed"] if facts.unwitnessed is True else []
    found += ["declined"] if isinstance(facts.declined, list) and facts.declined else []
    found += ["released"] if isinstance(facts.released, int) else []
    return tuple(found)


def _of_object(facts: Facts, said: _Said) -> dict[str, Any]:
    """Return what the signed object of an entry says; what it does not, is left out."""
    if said is _NOTHING:
        return {}
    of = said.of.id if isinstance(said.of, _Subject) else ""
    found: dict[str, Any] = {
        "endpoint": said.endpoint or (f"node:{said.node}" if said.node else ""),
        "origin": said.origin,
        "to": (said.to,) if isinstance(said.to, str) else tuple(said.to),
        "id": of or said.bulletin or "",
        "officer": said.officer or "",
        "feed": said.feed or "",
        "at_s": said.at,
    }
    match facts:
        case entries.Accepted():
            found |= {name: getattr(said, name) for name in _OF_HEADER}
            found["id"] = said.id
            found["marking"] = said.marking.tlp if said.marking else ""
            found["refs"] = tuple((each.rel, each.id) for each in said.refs)
            found["named"] = tuple(each.header_digest for each in said.refs)
        case entries.Acknowledged():
            found["outcome"] = (said.outcome,)
        case entries.Noticed():
            found |= {"outcome": (said.about,), "code": said.code or ""}
            found["to"] = (said.recipient,) if said.recipient else ()
        case entries.Drafted():
            found |= {"outcome": (f"release-{said.step}",)}
        case entries.Requested():
            found |= {"outcome": (f"grant-{said.step}",), "code": said.reason or ""}
        case entries.Consented():
            found["outcome"] = ("consented" if said.until is not None else "consent-withdrawn",)
        case entries.Invited():
            found["to"] = (said.invited,)
        case entries.Decided():
            found["outcome"] = (f"enrolment-{said.verdict}",)
        case _:
            pass
    return {name: value for name, value in found.items() if value not in (None, "", ())}


_OF_HEADER: Final = (
    *("type", "verb", "precedence", "status"),
    *("observed", "issued", "due", "expires", "retain_until"),
)
_INHERITED: Final = ("type", "precedence", "marking", "status", "feed")


def _inherited(about: Row | None, made: dict[str, Any], context: Context) -> dict[str, Any]:
    """Return what a row has of the bulletin that it is about, where that is known."""
    found = about
    if found is None or not found.type:
        found = context.row_of(made["id"]) if made["id"] else None
    return {} if found is None else {name: getattr(found, name) for name in _INHERITED}


def _thread(
    made: dict[str, Any], about: Row | None, context: Context, *, is_bulletin: bool
) -> str:
    """Return the first bulletin of a line: that of what this one bears on, or itself."""
    if about is not None and about.thread:
        return about.thread
    refs = made.get("refs", ())
    bears = refs[0][1] if refs and refs[0][0] != "purges" else ""
    named = bears or made["id"]
    if not named or (is_bulletin and not bears):
        return str(named)
    found = context.row_of(named)
    return found.thread if found is not None and found.thread else str(named)
