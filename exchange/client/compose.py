"""From a draft to an envelope ready to seal: recipients, keys and header, for review first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.client.attaching import File
from exchange.errors import Code, Refusal
from exchange.model import bulletin as bulletins
from exchange.model import draft as drafts
from exchange.model.bulletin import Indicator
from exchange.model.header import Blob, Declaration, Header, TrustPoint
from exchange.policy import choices, releasing, retention, rules
from exchange.seal.close import UNSEALED, Closed, at_most, close_with_key
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from exchange.client.attaching import Attached
    from exchange.model.bulletin import Bulletin
    from exchange.model.bulletin.blocks import Attachment, Target
    from exchange.model.codes import Codes
    from exchange.model.draft import Draft, Post
    from exchange.model.identity import Jwk
    from exchange.model.trust import Label
    from exchange.model.view import Standing, View
    from exchange.seal.jws import Signer

    HeldBy = Callable[[str], "Held | None"]

# Stands in the header until the body is sealed; never leaves this machine.
NO_COMMIT = "A" * 43
# Of these the feed's subscribers get nothing: only who is named.
_NARROW = ("con", "dcf")
# That many are asked for a release: with them the draft of the longest text fits into a body.
_MAX_RELEASERS = 24


class Held(NamedTuple):
    """Who holds a bulletin, as far as is known here; and its header, where that is."""

    by: frozenset[str]
    header: Header | None


class Reader(msgspec.Struct, frozen=True):
    """One who will be able to read: the endpoint, why, and until when its key is valid."""

    endpoint: str
    title: Label
    member: str
    nation: str
    reason: str
    key: Jwk
    key_until: int


class LeftOut(msgspec.Struct, frozen=True):
    """A subscriber that will not be able to read, because no key of it may be sealed to now."""

    endpoint: str
    why: Refusal


class Prepared(msgspec.Struct, frozen=True):
    """A bulletin about to be sealed: exactly these readers, and nobody else, can open it.

    ``files`` travel with it; they are sealed when it is posted.

    ``releasers`` are who of its own member can release it, where the arrangement asks for that:
    then they are to be asked first.

    ``warnings`` is what looks odd in it, for its author to weigh before it is posted.

    ``as_of_ms`` is set where the node was away: readers and keys are those known at that time.

    ``objection`` is what our own review has against it, where it was told to go on in spite of
    that; the node will have the same.
    """

    header: Header
    bulletin: Bulletin
    readers: list[Reader]
    left_out: list[LeftOut]
    files: list[File] = []
    objection: Refusal | None = None
    warnings: list[Indicator] = []
    as_of_ms: int | None = None
    releasers: list[Reader] = []


def prepare(  # noqa: PLR0913  (the world arrives as arguments)
    draft: Draft,
    view: View,
    *,
    endpoint: str,
    identity: str,
    now: int,
    codes: Codes,
    target: Target | None = None,
    files: Sequence[File] = (),
    in_spite: bool = False,
    held_by: HeldBy = lambda _: None,
) -> Prepared:
    """Return what would be sealed and who could read it; nothing is sent.

    The feed's subscribers are added to the recipients that the draft names, but not of a
    deconfliction or a request for consent and its answer: these go to those alone who are
    named. A subscriber to whom it may not be released is left out, and so, by name, is one that
    has no valid key: else whoever lets a key expire would silence a whole feed. A recipient
    named outright is refused in either case.

    Args:
        draft: as its author wrote it.
        view: the trust documents in force, as far as this agency was shown them.
        endpoint: who posts.
        identity: the bulletin's UUIDv7.
        now: seconds UTC.
        codes: the code lists.
        target: the bulletin that this one updates, corrects, cancels or answers.
        files: to be attached, as they were looked at.
        in_spite: go on in spite of our own review: for exercises that show the node's refusal.
            What is sealed can then be opened by recipients who may not have it, should a node
            let it pass: never for a real bulletin.
        held_by: returns who holds a bulletin, by its header's digest; None: nothing is known.
            What cancels and bears a mark goes to these: it needs no release, if what it
            cancels is known here and bears a mark as well.

    Raises:
        Refusal: the draft, a file, a recipient or a key is unfit; it names which.
    """
    standing = view.standing(endpoint)
    member = standing.member.member
    if target is not None and drafts.is_report(draft):
        draft, target = drafts.updating(draft, _own(target, member)), None
    bulletin = drafts.complete(draft, id=identity, origin=member, codes=codes, target=target)
    review = Review(in_spite)
    header = _header(draft, bulletin, standing, view, now)
    held, instead = _instead(draft, header, view, held_by)
    readers, left_out = readers_of(draft, header, view, now, review, instead, [])
    with review:
        bulletins.check_audience(bulletin, draft.post.marking, now, "/bulletin")
    header = msgspec.structs.replace(header, to=[reader.endpoint for reader in readers])
    releasers = list[Reader]()
    with review:
        whole = as_sealed(header, bulletin, len(files))
        releasers = permitted(header, whole, view, now, _released_for(held, view))
    if files:
        told = _with_files(bulletin, [file.described() for file in files])
        bulletins.decode(bulletins.encode(told), codes)
    warnings = [*_odd(draft.post, header, view), *bulletins.indicators(bulletin, codes, now)]
    made = Prepared(
        header, bulletin, readers, left_out, list(files), review.objection, warnings
    )
    return msgspec.structs.replace(made, releasers=releasers)


def permitted(
    header: Header,
    whole: Header,
    view: View,
    now: int,
    released_for: Collection[str] | None = None,
) -> list[Reader]:
    """Hold what is about to be sealed to the node's rules; return who has to release it.

    The node would refuse the same; its author should hear it before anything is sealed.

    Args:
        header: with its recipients.
        whole: the same, with the sizes that it will have: see ``as_sealed``.
        view: the trust documents in force.
        now: seconds UTC.
        released_for: of a cancellation: see ``releasing.released_for``.

    Raises:
        Refusal: by the first rule that does not permit it.
    """
    rules.decide("accept", header, view, now, released=None)
    retention.admit(header, view.agreed(), now)
    if not releasing.needs_release(whole, view, released_for):
        return []
    return who_may_release(whole, whole.endpoint, view, now)


def as_sealed(header: Header, bulletin: Bulletin, files: int) -> Header:
    """Return a header with the sizes that it will have: it is sealed later.

    Whether a cancellation needs a release depends on what there will be.
    """
    size = at_most(len(bulletins.encode(bulletin)), len(header.to), header.suite)
    named = [Blob(NO_COMMIT, 1) for _ in range(files)]
    return msgspec.structs.replace(header, attachments=named, body=Blob(NO_COMMIT, size))


def must_need_no_release(prepared: Prepared) -> None:
    """Hold what is about to be posted to its release: it is asked for first.

    Raises:
        Refusal: ``release-required``.
    """
    if prepared.releasers:
        raise Refusal(Code.RELEASE_REQUIRED)


def _instead(
    draft: Draft, header: Header, view: View, held_by: HeldBy
) -> tuple[Held | None, Collection[str] | None]:
    """Return who holds what is cancelled, where that counts; and who reads, not subscribers."""
    if header.verb != "cancel" or not releasing.is_marked(header, view):
        return None, None
    reference = header.reference("cancels")
    held = held_by(reference.header_digest) if reference else None
    # Whom a colleague's bulletin went to may not be known here: then those who are named.
    return held, (draft.post.to or None) if held is None else held.by


def _released_for(held: Held | None, view: View) -> Collection[str] | None:
    if held is None or held.header is None:
        return None
    return releasing.released_for(held.header, held.by, view)


def who_may_release(header: Header, author: str, view: View, now: int) -> list[Reader]:
    """Return who can release a bulletin, or a grant of it: not its author, nobody suspended.

    Raises:
        Refusal: ``no-releaser``, naming one whose key is over, where there is one.
    """
    found, unfit = [], ""
    for name in sorted(view.endpoints):
        # ``must_be_released`` of each alone: the node will ask the same of who released it.
        try:
            releasing.must_be_released(header, author, view, [name])
        except Refusal:
            continue
        try:
            found.append(reader(name, view, "releaser", SUITES[header.suite].wrap, now))
        except Refusal:
            unfit = name
    if not found:
        told = {"name": unfit} if unfit else {}
        raise Refusal(Code.NO_RELEASER, "/post", **told)
    return found[:_MAX_RELEASERS]


def _odd(post: Post, header: Header, view: View) -> Iterator[Indicator]:
    """Say what is odd in how it is sent: its author is to weigh it."""
    # No refusal: what happens in earnest during an exercise must still get through.
    if header.status == "actual" and view.agreed().exercise:
        yield Indicator("actual-in-exercise", "/post/status", {})
    # Kept for less than its author wrote, by which rule; or longer.
    written = drafts.retain_until(post, header.issued)
    day = datetime.fromtimestamp(header.retain_until, UTC).date().isoformat()
    if header.retain_until > written:
        yield Indicator("retention-lengthened", "/post/retain", {"day": day})
    if header.retain_until < written:
        longest = retention.longest(header, view.agreed())
        if longest is not None:
            yield Indicator(
                "retention-shortened", "/post/retain", {"name": longest.name, "day": day}
            )


def _header(
    draft: Draft, bulletin: Bulletin, standing: Standing, view: View, now: int
) -> Header:
    """Return the header of a bulletin, still without recipients and what sealing fills in."""
    post, said = draft.post, bulletins.repeated(bulletin)
    header = Header(
        v="xb1",
        suite=standing.endpoint.suite,
        id=bulletin.id,
        origin=standing.member.member,
        endpoint=standing.endpoint.id,
        type=bulletin.type,
        schema=bulletin.schema,
        verb=drafts.verb_of(draft, bulletin),
        status=post.status,
        feed=post.feed,
        to=[],
        marking=msgspec.structs.replace(
            post.marking,
            releasable_to=sorted(post.marking.releasable_to),
            handling=sorted(post.marking.handling),
        ),
        declares=msgspec.convert(said["declares"], list[Declaration]),
        precedence=post.precedence,
        observed=msgspec.convert(said["observed"], int | None),
        issued=now,
        due=msgspec.convert(said["due"], int | None),
        expires=drafts.expires_at(post, now),
        retain_until=max(drafts.retain_until(post, now), drafts.expires_at(post, now)),
        regime=bulletin.regime,
        refs=drafts.references(draft, bulletin),
        commit=NO_COMMIT,
        body=UNSEALED,
        attachments=[],
        trust=TrustPoint(view.position, view.heads[-1]),
    )
    # No longer than a rule lets it be kept; but a bulletin that holds is kept.
    longest = retention.longest(header, view.agreed())
    until = header.retain_until if longest is None else now + longest.keep_s
    kept = max(min(header.retain_until, until), header.expires)
    return msgspec.structs.replace(header, retain_until=kept)


def _with_files(bulletin: Bulletin, told: list[Attachment]) -> Bulletin:
    return msgspec.structs.replace(bulletin, attachments=told)


class Review:
    """Our own review, rule by rule: a refusal ends it, or is noted where that was asked for."""

    def __init__(self, in_spite: bool) -> None:
        self.objection: Refusal | None = None
        self._in_spite = in_spite

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not (self._in_spite and isinstance(error, Refusal)):
            return False
        self.objection = self.objection or error
        return True


def _own(target: Target, member: str) -> Target:
    """Return the target of an update: only its originator has a newer version of it."""
    if target.origin != member:
        raise Refusal(Code.TARGET_MISMATCH, "/target", id=target.id)
    return target


def readers_of(  # noqa: PLR0913, PLR0917  (what was written, and what is known)
    draft: Draft,
    header: Header,
    view: View,
    now: int,
    review: Review,
    instead: Collection[str] | None,
    withheld: list[LeftOut],
) -> tuple[list[Reader], list[LeftOut]]:
    """Return who could read it, and which subscribers are left out; add who is withheld.

    ``instead`` takes the place of the feed's subscribers, where it is not None.
    """
    alg, feed = SUITES[header.suite].wrap, header.feed
    found: dict[str, Reader] = {}
    left_out: list[LeftOut] = []
    for place, name in enumerate(draft.post.to):
        with review:
            rules.may_receive(header, view, now, name, f"/post/to/{place}")
        found[name] = reader(name, view, "named", alg, now)
    # Whoever has a window's key can try every subject, and what asks for consent tells of what
    # is under control: these go to nobody by default.
    is_narrow = draft.bulletin.get("type") in _NARROW
    chosen = () if is_narrow else choices.subscribers(feed, view)
    for name in chosen if instead is None else sorted(instead):
        if name != header.endpoint and name not in found:
            try:
                rules.may_receive(header, view, now, name, "/post/feed")
            except Refusal as refusal:
                # As its author wished: told only where nobody is left.
                withheld.append(LeftOut(name, refusal))
                continue
            try:
                why = "subscribed" if name in chosen else "holds"
                found[name] = reader(name, view, why, alg, now)
            except Refusal as refusal:
                left_out.append(LeftOut(name, refusal))
    if not found and is_narrow:
        raise Refusal(Code.NO_READERS, "/post/to", name=feed, expected="participants")
    if not found:
        raise _nobody(feed, withheld, left_out)
    return [found[name] for name in sorted(found)], left_out


def _nobody(feed: str, withheld: list[LeftOut], left_out: list[LeftOut]) -> Refusal:
    """Return why there is no reader; it names each subscriber and what keeps it out."""
    if left_out and not withheld:
        return left_out[0].why
    kept_out = sorted(f"{each.endpoint} ({each.why.code})" for each in withheld + left_out)
    told = {"found": ", ".join(kept_out)} if kept_out else {}
    return Refusal(Code.NO_READERS, "/post/to", name=feed, **told)


def reader(name: str, view: View, reason: str, alg: str, now: int) -> Reader:
    """Return one who will be able to read, with the key to seal to.

    Raises:
        Refusal: it is unknown or suspended, or has no key of that algorithm that is valid now.
    """
    standing = view.standing(name, "/post/to")
    member, key = standing.member, view.sealing_key(name, alg, now, "/post/to")
    return Reader(
        name, member.title, member.member, standing.alpha3, reason, key.jwk, key.until
    )


def seal(
    prepared: Prepared,
    signer: Signer,
    randomness: Callable[[int], bytes],
    attached: Sequence[Attached] = (),
) -> Closed:
    """Seal and sign what was prepared, to exactly the readers that were shown.

    Args:
        prepared: what was reviewed.
        signer: the posting endpoint's.
        randomness: returns that many unpredictable bytes.
        attached: its files, sealed, in their order.
    """
    told = with_attached(prepared, attached)
    return close_with_key(
        bulletins.encode(told.bulletin),
        told.header,
        [reader.key for reader in prepared.readers],
        signer,
        randomness,
    )


def with_attached(prepared: Prepared, attached: Sequence[Attached]) -> Prepared:
    """Return it with its files, sealed, told of in bulletin and header."""
    blobs = [each.blob for each in attached]
    return msgspec.structs.replace(
        prepared,
        bulletin=_with_files(prepared.bulletin, [each.told for each in attached]),
        header=msgspec.structs.replace(prepared.header, attachments=blobs),
    )
