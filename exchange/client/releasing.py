"""A releaser looks at what a colleague wants to send, and lets it out, or says why not.

What is shown is what every recipient will be able to open, and what is released is the digest
of just its header: see ``opened``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from exchange.client import compose, unsealing
from exchange.client.outcomes import made_ms
from exchange.client.reading import Delivered, Drafted, Released
from exchange.errors import Code, Refusal
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.codec import unb64
from exchange.model.identity import digest
from exchange.policy import rules
from exchange.policy.attesting import is_same, must_name_officer
from exchange.seal import jws
from exchange.seal.close import Envelope, close_draft, pad
from exchange.seal.open import Opened, check_evidence, open_draft
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exchange.client.agency import Agency
    from exchange.client.outcomes import Why
    from exchange.client.pending import Pending
    from exchange.client.posting import Poster
    from exchange.client.reading import Item
    from exchange.model.header import Header
    from exchange.model.objects import Receipt
    from exchange.model.view import View

# Words of ``schemas/v1/codes/release-states.json``.
State = Literal[
    "asking",
    "waiting",
    "released",
    "posted",
    "refused",
    "declined",
    "withdrawn",
    "decided",
    "expired",
]
# How a draft stands that our node refused to have decided by us: another machine of ours did.
_DECIDED: Final[Mapping[str, State]] = {
    Code.ALREADY_RELEASED: "released",
    Code.RELEASE_LATE: "decided",
    Code.DRAFT_OVER: "decided",
}


class Queued(msgspec.Struct, frozen=True):
    """How a draft stands: one of ours, or one that we are asked to release.

    ``id`` is the draft's, ``bulletin`` that of ours, which no other can know; ``gives`` says
    to whom of a grant of it. ``by``, ``officer`` and ``reason`` are of who released or
    declined it; ``why`` of a node that refused it. ``decided``: it is over, by what the node
    says, and nobody told us how: another machine of ours decided it.
    """

    id: str
    of: str
    state: State
    is_ours: bool
    since_ms: int
    author: str
    to: list[str]
    bulletin: str | None = None
    index: int | None = None
    asked_by: str | None = None
    by: str = ""
    officer: str | None = None
    reason: str = ""
    why: Why | None = None
    gives: str | None = None


class Releasing:
    """The releaser's side of four eyes, for one endpoint; and the queue of both sides."""

    def __init__(self, agency: Agency, poster: Poster) -> None:
        """Work for an agency; what is sent goes by its poster."""
        self._agency = agency
        self._poster = poster
        self._world = agency.world

    def queue(self, items: Sequence[Item]) -> list[Queued]:
        """Return how everything stands that is ours, or that we were asked to release.

        Args:
            items: the whole inbox, verified.
        """
        pending = self._agency.asking.waiting.all()
        ours = [self._ours(each, items) for each in pending]
        return sorted([*ours, *self._theirs(items)], key=lambda each: each.since_ms)

    def _ours(self, pending: Pending, items: Sequence[Item]) -> Queued:
        box = self._world.outbox
        asked, waits = box.receipt(pending.draft), box.waits(pending.draft)
        refused = {each.id: each.why for each in box.refused()}
        why = refused.get(pending.id) or refused.get(pending.draft)
        release = next(_releases(items, pending.of), None)
        posted = box.receipt(pending.id) if pending.ended == "posted" else None
        state: State = "waiting" if asked is not None else "asking"
        if posted is not None:
            state = "posted"
        elif why is not None:
            state = "refused"
        elif pending.ended in ("declined", "withdrawn"):
            state = "declined" if pending.ended == "declined" else "withdrawn"
        elif release is not None:
            state = "released"
        elif self._agency.asking.is_over(pending, self._world.now()):
            state = "expired"
        said, gives = release.release if release else None, pending.gives
        return Queued(
            id=pending.draft,
            of=pending.of,
            state=state,
            is_ours=True,
            since_ms=made_ms(pending.draft),
            author=self._agency.profile.endpoint,
            to=pending.to,
            bulletin=gives.bulletin if gives else pending.id,
            index=receipt.index if (receipt := posted or asked) else None,
            by=pending.by or (said.endpoint if said else ""),
            officer=pending.officer or (said.officer if said else None),
            reason=pending.reason,
            why=why or (waits.why if waits else None),
            gives=gives.to if gives else None,
        )

    def _theirs(self, items: Sequence[Item]) -> Iterator[Queued]:
        us, now = self._agency.profile.endpoint, self._world.now()
        refused = {each.id: each.why.code for each in self._world.outbox.refused()}
        for item in items:
            if not isinstance(item, Drafted) or item.draft.step != "asked":
                continue
            draft = item.draft
            if us not in draft.to:
                continue
            state: State = "waiting" if now < draft.until else "expired"
            by, officer = "", None
            if told := _decided(items, draft):
                state, by, officer = told
            elif mine := self._own(draft.of):
                state, by, officer = mine
            elif state == "waiting" and (decided := self._elsewhere(draft, refused)):
                state, by = decided, us if decided == "released" else ""
            yield Queued(
                id=draft.id,
                of=draft.of,
                state=state,
                is_ours=False,
                since_ms=item.taken_ms,
                author=draft.endpoint,
                to=draft.to,
                index=item.index,
                asked_by=draft.officer,
                by=by,
                officer=officer,
            )

    def _own(self, header_digest: str) -> tuple[State, str, str | None] | None:
        """Return how we decided ourselves: nobody tells us what we said."""
        box, us = self._world.outbox, self._agency.profile.endpoint
        for state, mark in (
            ("released", _mark("release", header_digest)),
            ("declined", _mark("decline", header_digest)),
        ):
            identity = box.marked(mark)
            envelope = box.envelope(identity) if identity else None
            if envelope is not None:
                payload = jws.read(envelope.header, objects.MAX_OBJECT_BYTES).payload
                officer = msgspec.json.decode(payload, type=_ByOfficer).officer
                return ("released" if state == "released" else "declined", us, officer)
        return None

    def _elsewhere(
        self, draft: objects.SealedDraft, refused: Mapping[str, str]
    ) -> State | None:
        """Return how another machine of ours decided, as our node let us know; None: nothing.

        Args:
            draft: of which nothing is in the inbox: nobody else decided.
            refused: what our node refused of us, each with the code.
        """
        for what in ("release", "decline"):
            said = refused.get(self._world.outbox.led(_mark(what, draft.of)) or "")
            if said is not None and said in _DECIDED:
                return _DECIDED[said]
        return "decided" if self._agency.asking.waiting.is_over(draft.id) else None

    # -- looking ------------------------------------------------------------------------------

    async def opened(self, item: Drafted) -> Delivered:
        """Return the bulletin that a draft asks to have released, as its readers will have it.

        Its header is the very one whose digest is to be released, signed by its author; its
        text the one that this header commits to. So nobody can be sent another text. Of a
        grant, ``grant`` is what is to be released, and names that header by its digest.

        Raises:
            Refusal: it is not what it should be, or not to be had any more; ``draft-over``: it
                was decided, and is remembered so.
            Fault: the node does not answer.
        """
        draft = item.draft
        await self._agency.view()
        raw = await self._fetched(item)
        openers = [*self._agency.keys.openers, *self._agency.keys.destroyed]
        told, grant = open_draft(draft, raw, openers), None
        signed = self._signed(item, told.partition(b"\n")[0])
        if signed.typ == objects.GRANT_TYP:
            grant = objects.decode_grant(signed.payload)
            told = told.partition(b"\n")[2]
            signed = jws.read(told.partition(b"\n")[0], headers.MAX_HEADER_BYTES)
        parts = told.split(b"\n", 2)
        if len(parts) != 3 or signed.typ != headers.TYP:
            raise Refusal(Code.MALFORMED, "/body")
        header = headers.decode(signed.payload)
        _must_be_named(header, signed.digest, draft, grant)
        opened = Opened(unb64(parts[1].decode("ascii", "replace")), pad(parts[2]))
        check_evidence(header, opened)
        bulletin, unknown = unsealing.read_text(header, opened.text, self._world.codes, {})
        return Delivered(
            position=item.position,
            index=item.index,
            taken_ms=item.taken_ms,
            header=header,
            digest=signed.digest,
            late=False,
            target=None,
            accepted=item.index,
            accepted_ms=item.taken_ms,
            grant=grant,
            bulletin=bulletin,
            not_understood=unknown,
            opened=opened,
        )

    async def _fetched(self, item: Drafted) -> bytes:
        """Return what is sealed to us. Not kept here: the node shows it while we may look."""
        draft = item.draft
        named = draft.body.digest if draft.body else ""
        try:
            return await self._agency.transport.get(f"/v1/blobs/{named}", index=item.index)
        except Refusal as refusal:
            if refusal.code is not Code.PURGED or draft.until <= self._world.now():
                raise
            # Before its time a draft is destroyed by a decision alone.
            self._agency.asking.waiting.end(draft.id, draft.until)
            raise Refusal(Code.DRAFT_OVER, "/of") from refusal

    def _signed(self, item: Drafted, raw: bytes) -> jws.Signed:
        """Return what is to be released: signed by who asks, and just what the draft names."""
        signed, draft = jws.read(raw, headers.MAX_HEADER_BYTES), item.draft
        if signed.digest != draft.of:
            raise Refusal(Code.DIGEST_MISMATCH, "/of", expected=draft.of)
        view = self._agency.trust.before(item.index).view
        standing = view.signatory(draft.origin, draft.endpoint, draft.suite)
        jws.verify_by(signed, standing, item.taken_ms // 1000)
        return signed

    # -- deciding -----------------------------------------------------------------------------

    async def approve(self, item: Drafted, officer: str | None = None) -> Receipt:
        """Release what a draft asks for, after looking once more at all of it.

        Said once, it is said: it is signed and recorded once, however often it is asked for.

        Raises:
            Refusal: it would be refused all the same, or a part of it is not understood here;
                ``own-release``: by the person who asked; or as ``Agency.post``.
            Fault: it is kept, and ``Agency.resume`` sends it.
        """
        mark, box = _mark("release", item.draft.of), self._world.outbox
        if identity := box.marked(mark):
            return box.receipt(identity) or await self._agency.resolve(identity)
        if is_same(officer, item.draft.officer):
            raise Refusal(Code.OWN_RELEASE, "/officer", name=f"{officer}")
        found = await self.opened(item)
        if found.not_understood:
            raise Refusal(Code.NOT_UNDERSTOOD, "/body", id=item.draft.id)
        await self._agency.view()
        view, now = self._agency.trust.strictest, self._world.now()
        of = _permitted(found, view, now)
        must_name_officer("released", officer, view.agreed())
        release = objects.Release(
            v="xb1",
            suite=self._agency.keys.signer.suite,
            id=self._agency.new_id(),
            origin=self._agency.profile.member,
            endpoint=self._agency.profile.endpoint,
            of=msgspec.structs.replace(of, header_digest=item.draft.of),
            at=now,
            officer=officer,
        )
        signer = self._agency.keys.signer
        signed = jws.sign(msgspec.json.encode(release), objects.RELEASE_TYP, [signer])
        return await self._poster.send(box, release.id, Envelope(signed, b""), mark)

    async def decline(self, item: Drafted, reason: str, officer: str | None = None) -> Receipt:
        """Decline what a draft asks for; the reason is sealed to its author alone.

        Raises:
            Refusal, Fault: as ``approve``.
        """
        mark, box = _mark("decline", item.draft.of), self._world.outbox
        if identity := box.marked(mark):
            return box.receipt(identity) or await self._agency.resolve(identity)
        await self._agency.view()
        view, now = self._agency.trust.strictest, self._world.now()
        must_name_officer("released", officer, view.agreed())
        signer, asked = self._agency.keys.signer, item.draft
        author = compose.reader(asked.endpoint, view, "author", SUITES[signer.suite].wrap, now)
        draft = objects.SealedDraft(
            v="xb1",
            suite=signer.suite,
            id=self._agency.new_id(),
            origin=self._agency.profile.member,
            endpoint=self._agency.profile.endpoint,
            step="declined",
            of=asked.of,
            to=[asked.endpoint],
            body=None,
            attachments=[],
            until=asked.until,
            at=now,
            officer=officer,
        )
        randomness = self._world.randomness
        envelope = close_draft(reason.encode(), draft, [author.key], signer, randomness)
        return await self._poster.send(box, draft.id, envelope, mark)


def _must_be_named(
    header: Header, named: str, draft: objects.SealedDraft, grant: objects.Grant | None
) -> None:
    """Hold what is shown to what is to be released: its author's; or what a grant names.

    The header of what is granted was verified when it was taken in, and no other has its
    digest.
    """
    if grant is None:
        if (header.origin, header.endpoint) != (draft.origin, draft.endpoint):
            raise Refusal(Code.TARGET_MISMATCH, "/of", name=header.endpoint)
        return
    of = objects.Subject(header.endpoint, header.id, named)
    if grant.of != of or grant.endpoint != draft.endpoint or header.origin != draft.origin:
        raise Refusal(Code.TARGET_MISMATCH, "/of", name=header.endpoint)


def _permitted(found: Delivered, view: View, now: int) -> objects.Subject:
    """Return the id and author of what may be released; the node would refuse the same.

    Raises:
        Refusal: it would be refused all the same.
    """
    grant, header = found.grant, found.header
    if grant is None:
        rules.decide("accept", header, view, now, released=None)
        return objects.Subject(header.endpoint, header.id, found.digest)
    given = rules.Given(grant.endpoint, now)
    rules.decide("grant", header, view, now, recipient=grant.to, given=given, released=None)
    return objects.Subject(grant.endpoint, grant.id, found.digest)


class _ByOfficer(msgspec.Struct, frozen=True):
    officer: str | None = None


def _mark(what: str, header_digest: str) -> str:
    return digest(f"{what}\n{header_digest}".encode())


def _releases(items: Sequence[Item], header_digest: str) -> Iterator[Released]:
    for item in items:
        if isinstance(item, Released) and item.release.of.header_digest == header_digest:
            yield item


def _decided(
    items: Sequence[Item], asked: objects.SealedDraft
) -> tuple[State, str, str | None] | None:
    """Return how a draft was decided, as we are told: the state, by whom, and which officer."""
    for item in items:
        if isinstance(item, Drafted) and item.draft.of == asked.of:
            by, officer = item.draft.endpoint, item.draft.officer
            if item.draft.step == "declined":
                return "declined", by, officer
            if item.draft.step == "withdrawn" and by == asked.endpoint:
                return "withdrawn", by, officer
    for release in _releases(items, asked.of):
        return "released", release.release.endpoint, release.release.officer
    return None
