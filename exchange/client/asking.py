"""An author asks for a release: sealed for good, kept here, shown to the releasers alone.

What they release is the digest of the header that every recipient will get, so that is made
first. It is posted, as it is, once a release of it is in the inbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeGuard

import msgspec

from exchange.client import compose, resealing
from exchange.client.pending import Gives, Pending, Waiting
from exchange.client.reading import Drafted, Released
from exchange.client.resuming import untroubled
from exchange.client.transport import is_away
from exchange.client.withdrawing import Withdrawing
from exchange.errors import Code, ExchangeError, Refusal
from exchange.model import bulletin as bulletins
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.identity import digest
from exchange.policy.attesting import must_name_officer
from exchange.seal import jws
from exchange.seal.close import Envelope, close_draft
from exchange.seal.open import open_draft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.agency import Agency
    from exchange.client.attaching import Tell
    from exchange.client.compose import Prepared, Reader
    from exchange.client.granting import Granting
    from exchange.client.posting import Poster
    from exchange.client.reading import Item
    from exchange.client.resuming import Trouble
    from exchange.model.header import Header
    from exchange.model.objects import SealedDraft
    from exchange.seal.close import Closed
    from exchange.seal.open import Opened

# A grant has no time of its own to expire: for a week its release is waited for.
_GRANT_WAITS_S: Final = 7 * 86_400
_MOST: Final = objects.MAX_OBJECT_BYTES


class Asked(NamedTuple):
    """A signed grant that needs a release, and what it gives, to be shown to who releases.

    ``posted`` is the bulletin's signed header, as it was posted.
    """

    granting: Granting
    envelope: Envelope
    posted: bytes
    opened: Opened


class Ready(NamedTuple):
    """A bulletin sealed for good, and the draft that asks for its release: nothing is kept.

    ``reviewed`` is the digest of what its author reviewed.
    """

    prepared: Prepared
    pending: Pending
    held: Envelope
    draft: Envelope
    closed: Closed
    reviewed: str


class Asking:
    """The author's side of four eyes, for one endpoint."""

    def __init__(self, agency: Agency, poster: Poster) -> None:
        """Work for an agency; what is sent goes by its poster."""
        self._agency = agency
        self._poster = poster
        self._world = agency.world
        self.held = agency.world.held
        self.waiting = Waiting(agency.world.cabinet)
        self._over = Withdrawing(self, agency, poster)

    # -- asking -------------------------------------------------------------------------------

    def under(self, mark: str) -> Pending | None:
        """Return what waits for its release and was asked for under a mark, if anything."""
        identity = self.held.marked(mark)
        return next((each for each in self.waiting.open() if each.id == identity), None)

    async def _asked_before(self, prepared: Prepared) -> Pending | None:
        """Return what was asked of this very thing, where it waits, or went once released.

        Raises:
            Refusal: ``id-reused``: what was kept under its id is something else.
        """
        is_known = await self._poster.is_known(prepared)
        return self._request(prepared.header.id) if is_known else None

    def _request(self, identity: str) -> Pending:
        """Return the request of what is kept under an id.

        Raises:
            Refusal: ``id-reused``: no request is of it.
        """
        envelope = self.held.envelope(identity) or self._world.outbox.envelope(identity)
        found = None if envelope is None else self.waiting.of(digest(envelope.header))
        if found is None or found.ended not in (None, "posted"):
            # It goes its way without a release, or is known no more.
            raise Refusal(Code.ID_REUSED, "/id", id=identity)
        return found

    async def ask(
        self, prepared: Prepared, mark: str, tell: Tell, officer: str | None = None
    ) -> Pending:
        """Seal what was reviewed for good, keep it, and send the releasers a sealed draft.

        Whoever is killed in between goes on with ``Agency.resume``: nothing is sealed twice.

        Args:
            prepared: what was reviewed; it names its releasers.
            mark: see ``Agency.post``.
            tell: likewise.
            officer: the person who asks; the node lets the same person release nothing.

        Raises:
            Refusal: the node said no to the draft; ``id-reused``: what was kept under this id
                is something else.
            Fault: the draft is kept, and ``Agency.resume`` sends it.
        """
        kept = await self._asked_before(prepared)
        if kept is None:
            kept = await self._asked_now(prepared, mark, tell, officer)
        await self._poster.resolve(self._world.outbox, kept.draft, tell)
        return kept

    async def _asked_now(
        self, prepared: Prepared, mark: str, tell: Tell, officer: str | None
    ) -> Pending:
        # Alone: another command would seal its files over those that are kept.
        async with self._poster.alone(prepared.header.id):
            before = await self._asked_before(prepared)
            if before is not None:
                return before
            ready = await self.sealed(prepared, mark, tell, officer)
            kept = self.keep(ready)
            if kept.id != ready.pending.id:
                # Another command asked for the same meanwhile, under an id of its own.
                self._poster.abandon(ready.pending.id)
            return kept

    async def sealed(
        self, prepared: Prepared, mark: str, tell: Tell, officer: str | None
    ) -> Ready:
        """Return what was reviewed and the draft that asks for its release, both sealed.

        Nothing of it is kept but its files.

        Raises:
            Refusal, Fault: as ``ask``, before anything is sent.
        """
        identity = prepared.header.id
        self._must_name(officer)
        try:
            attached = await self._agency.attachments.seal(prepared.files, identity, tell)
            signer = self._agency.keys.signer
            closed = compose.seal(prepared, signer, self._world.randomness, attached)
            text = bulletins.encode(compose.with_attached(prepared, attached).bulletin)
            header, envelope = closed.header, closed.envelope
            asked = self._asked(envelope, prepared.releasers, header.expires, officer)
            asked = msgspec.structs.replace(asked, attachments=header.attachments)
            told = (envelope.header, b64(closed.salt).encode(), text)
            draft = self._sealed(told, asked, prepared.releasers)
        except Refusal:
            self._poster.abandon(identity)
            raise
        until = header.retain_until
        pending = Pending(identity, asked.id, asked.of, asked.to, until, mark)
        reviewed = resealing.reviewed(prepared, [each.told.digest for each in attached])
        return Ready(prepared, pending, envelope, draft, closed, reviewed)

    def keep(self, ready: Ready) -> Pending:
        """Keep what ``sealed`` returned; or return what was asked before under its mark or id.

        Raises:
            Refusal: ``id-reused``: as ``ask``.
        """
        with self._world.cabinet.change():
            identity = ready.prepared.header.id
            if self._poster.is_same(identity, ready.reviewed):
                return self._request(identity)
            kept = self._keep(ready.pending, ready.held, ready.draft)
            if kept is ready.pending:
                self._poster.remember(ready.closed, ready.reviewed)
        return kept

    async def ask_grant(
        self, asked: Asked, mark: str, tell: Tell, officer: str | None = None
    ) -> Pending:
        """Keep a signed grant, and send the releasers a sealed draft of it and what it gives.

        As ``ask``; what they release is the digest of just this grant. Its attachments went by
        the release of the bulletin, and are not shown again.
        """
        granting, envelope, header = asked.granting, asked.envelope, asked.granting.header
        before = self.waiting.of(digest(envelope.header))
        if before is not None and before.ended in (None, "posted"):
            await self._poster.resolve(self._world.outbox, before.draft, tell)
            return before
        self._must_name(officer)
        now, limits = self._world.now(), self._agency.trust.newest.agreed().limits
        until = min(header.retain_until, now + min(_GRANT_WAITS_S, limits.lifetime_s))
        draft = self._asked(envelope, granting.releasers, until, officer)
        salt = b64(asked.opened.salt).encode()
        told = (envelope.header, asked.posted, salt, asked.opened.text)
        sealed = self._sealed(told, draft, granting.releasers)
        identity = objects.decode_grant(jws.read(envelope.header, _MOST).payload).id
        gives = Gives(header.id, granting.reader.endpoint, until)
        named = (identity, draft.id, draft.of, draft.to, header.retain_until)
        pending = self._keep(Pending(*named, mark, gives=gives), envelope, sealed)
        await self._poster.resolve(self._world.outbox, pending.draft, tell)
        return pending

    def _must_name(self, officer: str | None) -> None:
        must_name_officer("released", officer, self._agency.trust.newest.agreed())

    def _asked(
        self, of: Envelope, releasers: Sequence[Reader], until: int, officer: str | None
    ) -> SealedDraft:
        return objects.SealedDraft(
            v="xb1",
            suite=self._agency.keys.signer.suite,
            id=self._agency.new_id(),
            origin=self._agency.profile.member,
            endpoint=self._agency.profile.endpoint,
            step="asked",
            of=digest(of.header),
            to=[each.endpoint for each in releasers],
            body=None,
            attachments=[],
            until=until,
            at=self._world.now(),
            officer=officer,
        )

    def _sealed(
        self, told: Sequence[bytes], draft: SealedDraft, releasers: Sequence[Reader]
    ) -> Envelope:
        keys = [each.key for each in releasers]
        signer, randomness = self._agency.keys.signer, self._world.randomness
        return close_draft(b"\n".join(told), draft, keys, signer, randomness)

    def _keep(self, pending: Pending, held: Envelope, draft: Envelope) -> Pending:
        """Keep what waits and the draft that asks for it; or return what was asked before."""
        with self._world.cabinet.change():
            before = self.under(pending.mark) if pending.mark else None
            if before is not None:
                return before
            self.held.keep(pending.id, held, pending.mark)
            self.waiting.put(pending)
            self._world.outbox.keep(pending.draft, draft)
        return pending

    def header_of(self, header_digest: str) -> Header | None:
        """Return the header of a bulletin that waits here, by its digest."""
        pending = self.waiting.of(header_digest)
        is_grant = pending is None or pending.gives is not None
        envelope = None if pending is None or is_grant else self.held.envelope(pending.id)
        if envelope is None:
            return None
        return headers.decode(jws.read(envelope.header, headers.MAX_HEADER_BYTES).payload)

    def is_over(self, pending: Pending, now: int) -> bool:
        """Tell whether something waited in vain: it would be refused as expired."""
        if pending.gives is not None:
            return pending.gives.until <= now
        header = self.header_of(pending.of)
        return header is not None and header.expires <= now

    # -- what becomes of it -------------------------------------------------------------------

    async def resume(self, tell: Tell, trouble: Trouble) -> list[objects.Receipt]:
        """Resolve what has no receipt yet, and take up what was decided meanwhile."""
        settled: list[objects.Receipt] = []
        first: ExchangeError | None = None
        try:
            await self._over.forget_unsent()
            settled = await self._poster.resume(tell, trouble)
        except ExchangeError as error:
            if is_away(error):
                raise
            first = error
        for each in self.waiting.all():
            await self._over.let_go(each)
        if self.waiting.open():
            taken = await self.take_up(await self._agency.everything(), tell, trouble)
            settled += [receipt for _, receipt in taken]
        if first is not None:
            raise first
        return settled

    async def take_up(
        self, items: Sequence[Item], tell: Tell, trouble: Trouble = untroubled
    ) -> list[tuple[Pending, objects.Receipt]]:
        """Post what was released, and end what was declined, by what the inbox says.

        Args:
            items: the whole inbox, verified.
            tell: as for ``Agency.post``.
            trouble: called with the id of what was released and not posted, and why.

        Returns:
            What was posted, with its receipt.

        Raises:
            Fault: the node is away.
        """
        posted = []
        for each in self.waiting.open():
            # Declined after its release, it is declined: the node would not let it in.
            if declined := [item for item in items if _declines(item, each.of)]:
                await self._end_declined(each, declined[0])
            elif any(_releases(item, each.of) for item in items):
                await self._settle_draft(each, tell, trouble)
                if not self._move(each):
                    continue
                try:
                    receipt = await self._poster.resolve(self._world.outbox, each.id, tell)
                except ExchangeError as error:
                    if is_away(error):
                        raise
                    trouble(each.id, error)
                    continue
                posted.append((each, receipt))
        return posted

    async def _settle_draft(self, pending: Pending, tell: Tell, trouble: Trouble) -> None:
        """Get the receipt of a draft that was released before its own came: it is recorded."""
        box = self._world.outbox
        if box.waits(pending.draft) is None:
            return
        try:
            await self._poster.resolve(box, pending.draft, tell)
        except ExchangeError as error:
            if is_away(error):
                raise
            trouble(pending.draft, error)

    def _move(self, pending: Pending) -> bool:
        """Have what was released be sent from now on, in one change of what is kept.

        Returns:
            False where another command ended it since it was read: it was withdrawn, say.
        """
        box = self._world.outbox
        with self._world.cabinet.change():
            if self.ended(pending):
                return False
            envelope = self.held.envelope(pending.id)
            if envelope is not None:
                self._world.outbox.keep(pending.id, envelope, pending.mark)
                self.held.discard(pending.id)
            self.waiting.put(msgspec.structs.replace(pending, ended="posted"))
        if box.waits(pending.draft) is None:
            # Without a receipt it may have to be sent once more, whole.
            box.drop_body(pending.draft)
        return True

    def ended(self, pending: Pending) -> str | None:
        """Return how something ended by now, whoever ended it; None: it waits."""
        now = self.waiting.of(pending.of)
        return pending.ended if now is None else now.ended

    async def _end_declined(self, pending: Pending, item: Drafted) -> None:
        draft, reason = item.draft, ""
        named = draft.body.digest if draft.body else ""
        try:
            raw = await self._agency.transport.get(f"/v1/blobs/{named}", index=item.index)
            openers = [*self._agency.keys.openers, *self._agency.keys.destroyed]
            reason = open_draft(draft, raw, openers).decode()
        except (ExchangeError, UnicodeDecodeError) as error:
            # That it was declined is certain; why, may be gone by now.
            if isinstance(error, ExchangeError) and is_away(error):
                raise
        over = msgspec.structs.replace(
            pending,
            ended="declined",
            by=draft.endpoint,
            officer=draft.officer,
            reason=reason,
            uploads=self._over.uploads(pending),
        )
        with self._world.cabinet.change():
            self._over.note(over)
        self._over.clear(over)
        await self._over.let_go(over)

    async def withdraw(
        self, pending: Pending, tell: Tell, officer: str | None = None
    ) -> objects.Receipt | None:
        """Take back what waits: see ``Withdrawing.withdraw``."""
        return await self._over.withdraw(pending, tell, officer)


def _releases(item: Item, header_digest: str) -> bool:
    return isinstance(item, Released) and item.release.of.header_digest == header_digest


def _declines(item: Item, header_digest: str) -> TypeGuard[Drafted]:
    return (
        isinstance(item, Drafted)
        and item.draft.step == "declined"
        and item.draft.of == header_digest
    )
