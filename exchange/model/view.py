"""The view: everything the trust documents say at one journal index, ready to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from exchange.errors import Code, Refusal
from exchange.model.codec import b64, unb64
from exchange.model.identity import ALPHA3, member_of
from exchange.model.objects import Subscription
from exchange.model.trust import Arrangement, Document, Member, Node

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.model.identity import Nation, Signatory
    from exchange.model.trust import Endpoint, EndpointKey

T = TypeVar("T")

# How long what was heard of a node is good: a weekend without it is no alarm.
LIFETIME_S = 3 * 86_400

# Head of an empty trust inbox.
NO_HEAD = b64(bytes(32))


class Standing(NamedTuple):
    """An endpoint in its member, with its keys by thumbprint."""

    member: Member
    endpoint: Endpoint
    keys: dict[str, EndpointKey]

    @property
    def alpha3(self) -> str:
        """The nation as releasability spells it: PAN or USA."""
        return ALPHA3[self.member.nation]

    @property
    def is_active(self) -> bool:
        """Whether it may sign and receive at all."""
        return self.endpoint.status == "active"

    def known_key(self, kid: str, at: str) -> EndpointKey:
        """Return the key that a signature names, whether or not it is valid now.

        Raises:
            Refusal: ``unknown-key``.
        """
        key = self.keys.get(kid)
        if key is None:
            raise Refusal(Code.UNKNOWN_KEY, at, kid=kid[:64], name=self.endpoint.id)
        return key

    def signing_key(self, kid: str, now: int, at: str) -> EndpointKey:
        """Return a signing key by thumbprint, valid at this second.

        Raises:
            Refusal: ``unknown-key`` or ``key-not-valid``.
        """
        key = self.known_key(kid, at)
        if key.use != "sig" or not key.since <= now < key.until:
            raise Refusal(Code.KEY_NOT_VALID, at, kid=kid[:64], name=self.endpoint.id)
        return key


class Heads:
    """The chain over the trust inbox: ``heads[n]`` covers its first n documents.

    Each view has its own length of one list that they share, so that thousands of views, which
    an agency keeps, take the memory of one.
    """

    def __init__(self, heads: Sequence[str] = (NO_HEAD,)) -> None:
        """Begin with these."""
        self._shared, self._length = list(heads), len(heads)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> str:
        if not -self._length <= place < self._length:
            raise IndexError(place)
        return self._shared[place % self._length]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Heads) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shared[: self._length])

    def after(self, named: str) -> Heads:
        """Return the chain after one more document, by its digest."""
        longer = Heads(())
        # Where another branch has gone on from here, this one goes its own way.
        is_free = len(self._shared) == self._length
        longer._shared = self._shared if is_free else self._shared[: self._length]
        longer._shared.append(chain(self[-1], named))
        longer._length = self._length + 1
        return longer


class Directory(Mapping[str, "Standing"]):
    """Every endpoint by its name, kept by member: a change copies one level only."""

    def __init__(
        self,
        members: Mapping[str, dict[str, Standing]] | None = None,
        documents: Mapping[str, Member] | None = None,
    ) -> None:
        """Hold these members' endpoints and documents; a member may have no endpoint."""
        self.members = members or {}
        self.documents = documents or {}
        self._kids: Mapping[str, frozenset[str]] = {}

    def __getitem__(self, name: str) -> Standing:
        return self.members[member_of(name)][name]

    def __iter__(self) -> Iterator[str]:
        for endpoints in self.members.values():
            yield from endpoints

    def __len__(self) -> int:
        return sum(map(len, self.members.values()))

    def with_member(self, member: Member) -> Directory:
        """Return the directory with a member as this document has it."""
        endpoints = {
            each.id: Standing(member, each, {key.jwk.kid: key for key in each.keys})
            for each in member.endpoints
        }
        name = member.member
        after = Directory({**self.members, name: endpoints}, {**self.documents, name: member})
        kids = frozenset(kid for each in endpoints.values() for kid in each.keys)
        after._kids = {**self._kids, name: kids}
        return after

    def owners(self, kids: AbstractSet[str], but: str = "") -> Iterator[tuple[str, str]]:
        """Yield each of these keys that another member than ``but`` has enrolled, and whose."""
        for name, endpoints in self.members.items():
            if name == but or self._kids[name].isdisjoint(kids):
                continue
            for standing in endpoints.values():
                for kid in standing.keys.keys() & kids:
                    yield kid, standing.endpoint.id


class Choices(Mapping[str, Subscription]):
    """Every subscription by its endpoint, kept by member, as ``Directory`` is."""

    def __init__(self, members: Mapping[str, dict[str, Subscription]] | None = None) -> None:
        """Hold these."""
        self._members = members or {}

    def __getitem__(self, name: str) -> Subscription:
        return self._members[member_of(name)][name]

    def __iter__(self) -> Iterator[str]:
        for chosen in self._members.values():
            yield from chosen

    def __len__(self) -> int:
        return sum(map(len, self._members.values()))

    def after(self, chosen: Subscription) -> Choices:
        """Return the choices with one more in place of the one before."""
        member = member_of(chosen.endpoint)
        mine = {**self._members.get(member, {}), chosen.endpoint: chosen}
        return Choices({**self._members, member: mine})


class Custodians(NamedTuple):
    """A nation's people who sign a role, and how many of them it takes: never one."""

    threshold: int
    signatories: tuple[Signatory, ...]


class InForce(NamedTuple):
    """A metadata file in force: which version, since which entry, until when, and who signed.

    ``signed`` is what ``tuf.api.metadata`` made of it. ``expires`` is the first second in which
    it holds no more. ``signed_by`` are custodians, or the node.
    """

    name: str
    version: int
    expires: int
    digest: str
    size: int
    signed_by: tuple[str, ...]
    signed: Any
    entry: int = -1


class Change(NamedTuple):
    """What one trust entry changes: the documents that are new, and the metadata they are in.

    ``digest`` is that of the entry's blob. ``custodians`` and ``nodes`` are those that the
    metadata names, where it names any.
    """

    name: str
    version: int
    digest: str
    files: tuple[InForce, ...] = ()
    documents: tuple[Document | Subscription, ...] = ()
    custodians: Mapping[str, Mapping[Nation, Custodians]] = {}
    nodes: Mapping[str, Signatory] | None = None
    # Whose each key is, by its thumbprint: see ``View.owners``.
    owners: Mapping[str, str] = {}
    # What is in force no more: of nodes that the root has taken off, or given new keys.
    over: tuple[str, ...] = ()


class View(msgspec.Struct, frozen=True):
    """The trust documents in force after the journal entry at ``index`` (-1: none yet).

    ``heads`` is the chain over the trust inbox: ``heads[n]`` covers its first n documents.
    ``files`` are the metadata in force: ``root``, ``targets``, ``pa``, ``us``, and of each node
    ``snapshots/NODE`` and ``timestamps/NODE``. ``custodians`` are those of the first four, and
    ``online`` the nodes that the root lists, with the keys that they sign timestamps by.
    ``owners`` says whose each key of theirs is, by its thumbprint: of all there ever were, a
    custodian's name or ``nodes/NODE``.
    ``tenures`` are all documents that a node had, ``agreements`` all arrangements that there
    were, each with the entry since which.
    Immutable: a view that was handed out never changes under its holder.
    """

    anchor: str
    index: int = -1
    heads: Heads = msgspec.field(default_factory=Heads)
    files: Mapping[str, InForce] = {}
    custodians: Mapping[str, Mapping[Nation, Custodians]] = {}
    online: Mapping[str, Signatory] = {}
    owners: Mapping[str, str] = {}
    arrangement: Arrangement | None = None
    nodes: dict[str, Node] = {}
    tenures: dict[str, tuple[tuple[int, Node], ...]] = {}
    agreements: tuple[tuple[int, Arrangement], ...] = ()
    endpoints: Directory = msgspec.field(default_factory=Directory)
    subscriptions: Choices = msgspec.field(default_factory=Choices)

    @property
    def position(self) -> int:
        """How many documents the trust inbox holds."""
        return len(self.heads) - 1

    def standing(self, endpoint: str, at: str = "/endpoint") -> Standing:
        """Return an active endpoint.

        Raises:
            Refusal: ``unknown-endpoint`` or ``endpoint-suspended``.
        """
        standing = self.endpoints.get(endpoint)
        if standing is None:
            raise Refusal(Code.UNKNOWN_ENDPOINT, at, name=endpoint)
        if not standing.is_active:
            raise Refusal(Code.ENDPOINT_SUSPENDED, at, name=endpoint)
        return standing

    def signatory(self, origin: str, endpoint: str, suite: str) -> Standing:
        """Return the endpoint that an object says it is signed by, if it may sign like that.

        The suite is the one that the directory gives the endpoint: there is no negotiation.

        Raises:
            Refusal: unknown or suspended endpoint, another member's, or another suite.
        """
        standing = self.standing(endpoint)
        self.must_sign_as(standing, origin, suite)
        return standing

    def must_sign_as(self, standing: Standing, origin: str, suite: str) -> None:
        """Hold an object to the member and the suite of the endpoint that it names.

        Raises:
            Refusal: ``origin-mismatch`` or ``suite-not-allowed``.
        """
        if origin != standing.member.member:
            raise Refusal(Code.ORIGIN_MISMATCH, "/origin", expected=standing.member.member)
        allowed = standing.endpoint.suite
        if suite != allowed or allowed not in self.agreed().suites:
            raise Refusal(Code.SUITE_NOT_ALLOWED, "/suite", expected=allowed, found=suite)

    def agreed(self) -> Arrangement:
        """Return the arrangement; nothing flows before there is one."""
        if self.arrangement is None:
            raise Refusal(Code.TRUST_INVALID, "/trust", name="arrangement")
        return self.arrangement

    def sealing_key(self, endpoint: str, alg: str, now: int, at: str = "/to") -> EndpointKey:
        """Return the newest encryption key of an endpoint that is valid now.

        Args:
            endpoint: the recipient.
            alg: of the sender's suite: one bulletin is wrapped in one way.
            now: seconds UTC.
            at: JSON pointer of the recipient.

        Raises:
            Refusal: ``unknown-recipient``, ``recipient-lacks-suite``, or
                ``recipient-key-unfit``: naming the recipient and what is wrong with its keys.
        """
        standing = self.endpoints.get(endpoint)
        if standing is None:
            raise Refusal(Code.UNKNOWN_RECIPIENT, at, name=endpoint)
        if not standing.is_active:
            raise Refusal(
                Code.RECIPIENT_KEY_UNFIT, at, name=endpoint, expected="active-endpoint"
            )
        keys = [
            key for key in standing.endpoint.keys if key.use == "enc" and key.jwk.alg == alg
        ]
        if not keys:
            raise Refusal(Code.RECIPIENT_LACKS_SUITE, at, name=endpoint, expected=alg)
        fit = [key for key in keys if key.since <= now < key.until]
        if not fit:
            raise Refusal(Code.RECIPIENT_KEY_UNFIT, at, name=endpoint, **_unfit(keys, now))
        return max(fit, key=lambda key: key.since)

    def version_of(self, name: str) -> int:
        """Return the version in force of a metadata file, document or subscription; 0: none."""
        if name in self.files:
            return self.files[name].version
        kind, _, which = name.partition("/")
        match kind:
            case "arrangement":
                found: Document | Subscription | None = self.arrangement
            case "nodes":
                found = self.nodes.get(which)
            case "members":
                found = self.member(which)
            case _:
                found = self.subscriptions.get(which)
        return found.version if found else 0

    def member(self, name: str) -> Member | None:
        """Return a member's document in force, if there is one."""
        return self.endpoints.documents.get(name)

    def keepers(self, kids: AbstractSet[str]) -> Iterator[tuple[str, str]]:
        """Yield each of these keys that a custodian or a node has or ever had, and whose."""
        for kid in self.owners.keys() & kids:
            yield kid, self.owners[kid]
        for name, node in self.nodes.items():
            for each in (node, *(document for _, document in self.tenures.get(name, ()))):
                for kid in kids & {key.kid for key in (*each.receipts.keys, *each.log)}:
                    yield kid, f"nodes/{name}"

    def must_hold(self, nation: Nation, now: int, at: str) -> None:
        """Hold what vouches for a nation's endpoints to its time.

        Raises:
            Refusal: ``trust-expired``, naming the role that its custodians must renew.
        """
        for name in ("root", "targets", nation):
            file = self.files.get(name)
            if file is not None and now >= file.expires:
                raise Refusal(Code.TRUST_EXPIRED, at, name=name, until=_day(file.expires))

    def must_be_timely(self, node: str, now: int) -> None:
        """Hold what was heard of a node's trust documents to the time its timestamp gives it.

        Args:
            node: its name.
            now: seconds UTC, by the clock of who asks: the node's own word for when it signed
                a timestamp would let it date one ahead.

        Raises:
            Refusal: ``trust-stale``: who shows none, an old one, or one that is good for longer
                than any may be that is signed by now, may keep back a newer view.
        """
        file = self.files.get(f"timestamps/{node}")
        if file is None or not now < file.expires <= now + self.longest_s():
            until = "" if file is None else _day(file.expires)
            raise Refusal(Code.TRUST_STALE, "/trust", name=node, until=until)

    def longest_s(self) -> int:
        """Return for how long a timestamp may be good that is signed now (seconds)."""
        return LIFETIME_S + self.agreed().limits.skew_s

    def after(self, change: Change, index: int) -> View:
        """Return the view once a change, judged under this one, is the entry at ``index``."""
        files = {name: file for name, file in self.files.items() if name not in change.over}
        files.update((file.name, file._replace(entry=index)) for file in change.files)
        online = self.online if change.nodes is None else change.nodes
        view = msgspec.structs.replace(
            self,
            index=index,
            heads=self.heads.after(change.digest),
            files=files,
            custodians={**self.custodians, **change.custodians},
            online=online,
            owners=change.owners or self.owners,
        )
        for document in change.documents:
            view = _remembering(view.with_document(document), document, index)
        return view

    def node_before(self, name: str, size: int) -> Node | None:
        """Return what a node's document said before the entry at ``size``.

        By its keys a checkpoint of so many entries is signed, and by no others: a node's keys
        are handed over by the entry that lists new ones.
        """
        # Before the first one is in force, nothing is signed but by its keys.
        return _before(self.tenures.get(name, ()), size)

    def agreed_before(self, size: int) -> Arrangement | None:
        """Return the arrangement that was in force before the entry at ``size``.

        It says who must vouch for a checkpoint of so many entries, whoever is to vouch later.
        """
        return _before(self.agreements, size)

    def with_document(self, document: Document | Subscription) -> View:
        """Return the view with one more document, whose entry is still to come."""
        replace = msgspec.structs.replace
        match document:
            case Arrangement():
                return replace(self, arrangement=document)
            case Node():
                return replace(self, nodes={**self.nodes, document.node: document})
            case Member():
                return replace(self, endpoints=self.endpoints.with_member(document))
            case Subscription():
                return replace(self, subscriptions=self.subscriptions.after(document))


def _remembering(view: View, document: Document | Subscription, index: int) -> View:
    """Return a view that knows since when a document is in force, where that matters later."""
    replace = msgspec.structs.replace
    match document:
        case Arrangement():
            return replace(view, agreements=(*view.agreements, (index, document)))
        case Node():
            so_far = (*view.tenures.get(document.node, ()), (index, document))
            return replace(view, tenures={**view.tenures, document.node: so_far})
        case _:
            return view


def _before(tenures: Sequence[tuple[int, T]], size: int) -> T | None:
    """Return which of these was in force before an index; the first where none was yet."""
    found = None
    for index, document in tenures:
        if found is None or index < size:
            found = document
    return found


def _unfit(keys: Sequence[EndpointKey], now: int) -> dict[str, str]:
    """Return why none of these keys is valid now, as facts of the refusal."""
    if begins := [key.since for key in keys if key.since > now]:
        return {"expected": "begun-key", "since": _day(min(begins))}
    return {"expected": "unexpired-key", "until": _day(max(key.until for key in keys))}


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def chain(head: str, named: str) -> str:
    """Return the head of the trust inbox after a document with this digest."""
    return b64(sha256(unb64(head) + unb64(named)).digest())
