"""An author asks for a release: sealed for good, kept here, shown to the releasers alone.

What they release is the digest of the header that every recipient will get, so that is made
first. It is posted, as it is, once a release of it is in the inbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import msgspec

from exchange.client import compose
from exchange.client.pending import Pending, Waiting
from exchange.client.reading import Drafted, Released
from exchange.client.resuming import untroubled
from exchange.client.transport import is_away
from exchange.errors import Code, ExchangeError, Refusal
from exchange.model import bulletin as bulletins
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.identity import digest
from exchange.seal import jws
from exchange.seal.close import Envelope, close_draft
from exchange.seal.open import open_draft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.client.agency import Agency
    from exchange.client.attaching import Tell
    from exchange.client.compose import Prepared
    from exchange.client.posting import Poster
    from exchange.client.reading import Item
    from exchange.client.resuming import Trouble
    from exchange.model.header import Header
    from exchange.seal.close import Closed


class Asking:
    """The author's side of four eyes, for one endpoint."""

    def __init__(self, agency: Agency, poster: Poster) -> None:
        """Work for an agency; what is sent goes by its poster."""
        self._agency = agency
        self._poster = poster
        self._world = agency.world
        self.held = agency.world.held
        self.waiting = Waiting(agency.world.cabinet)

    # -- asking -------------------------------------------------------------------------------

    def under(self, mark: str) -> Pending | None:
        """Return what waits for its release and was asked for under a mark, if anything."""
        identity = self.held.marked(mark)
        return next((each for each in self.waiting.open() if each.id == identity), None)

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
            Refusal: the node said no to the draft.
            Fault: the draft is kept, and ``Agency.resume`` sends it.
        """
        identity, box = prepared.header.id, self._world.outbox
        try:
            attached = await self._agency.attachments.seal(prepared.files, identity, tell)
            signer = self._agency.keys.signer
            closed = compose.seal(prepared, signer, self._world.randomness, attached)
            text = bulletins.encode(compose.with_attached(prepared, attached).bulletin)
            pending, draft = self._draft(prepared, closed, text, officer)
            pending = msgspec.structs.replace(pending, mark=mark)
        except Refusal:
            box.discard(identity)
            raise
        with self._world.cabinet.change():
            before = self.under(mark) if mark else None
            if before is None:
                self._poster.remember(closed)
                self.held.keep(identity, closed.envelope, mark)
                self.waiting.put(pending)
                box.keep(pending.draft, draft)
        if before is not None:
            # Another command asked for the same meanwhile.
            box.discard(identity)
            pending = before
        await self._poster.resolve(box, pending.draft, tell)
        return pending

    def _draft(
        self, prepared: Prepared, closed: Closed, text: bytes, officer: str | None
    ) -> tuple[Pending, Envelope]:
        header, envelope = closed.header, closed.envelope
        draft = objects.SealedDraft(
            v="xb1",
            suite=header.suite,
            id=self._agency.new_id(),
            origin=header.origin,
            endpoint=header.endpoint,
            step="asked",
            of=digest(envelope.header),
            to=[each.endpoint for each in prepared.releasers],
            body=None,
            attachments=header.attachments,
            until=header.expires,
            at=self._world.now(),
            officer=officer,
        )
        told = b"\n".join((envelope.header, b64(closed.salt).encode(), text))
        keys = [each.key for each in prepared.releasers]
        signer, randomness = self._agency.keys.signer, self._world.randomness
        sealed = close_draft(told, draft, keys, signer, randomness)
        pending = Pending(header.id, draft.id, draft.of, draft.to, header.retain_until)
        return pending, sealed

    def header_of(self, header_digest: str) -> Header | None:
        """Return the header of something that waits here, by its digest."""
        pending = self.waiting.of(header_digest)
        envelope = self.held.envelope(pending.id) if pending else None
        if envelope is None:
            return None
        return headers.decode(jws.read(envelope.header, headers.MAX_HEADER_BYTES).payload)

    def is_over(self, pending: Pending, now: int) -> bool:
        """Tell whether something waited in vain: it would be refused as expired."""
        header = self.header_of(pending.of)
        return header is not None and header.expires <= now

    # -- what becomes of it -------------------------------------------------------------------

    async def resume(self, tell: Tell, trouble: Trouble) -> list[objects.Receipt]:
        """Resolve what has no receipt yet, and take up what was decided meanwhile."""
        settled: list[objects.Receipt] = []
        first: ExchangeError | None = None
        try:
            settled = await self._poster.resume(tell, trouble)
        except ExchangeError as error:
            if is_away(error) or not self.waiting.open():
                raise
            first = error
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
                self._move(each)
                try:
                    receipt = await self._poster.resolve(self._world.outbox, each.id, tell)
                except ExchangeError as error:
                    if is_away(error):
                        raise
                    trouble(each.id, error)
                    continue
                posted.append((each, receipt))
        return posted

    def _move(self, pending: Pending) -> None:
        """Have what was released be sent from now on, in one change of what is kept."""
        with self._world.cabinet.change():
            envelope = self.held.envelope(pending.id)
            if envelope is not None:
                self._world.outbox.keep(pending.id, envelope, pending.mark)
                self.held.discard(pending.id)
            self.waiting.put(msgspec.structs.replace(pending, ended="posted"))
        self._world.outbox.drop_body(pending.draft)

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
        self._end(
            msgspec.structs.replace(
                pending,
                ended="declined",
                by=draft.endpoint,
                officer=draft.officer,
                reason=reason,
            )
        )

    def _end(self, pending: Pending) -> None:
        with self._world.cabinet.change():
            self._note(pending)
        self._clear(pending)

    def _note(self, pending: Pending) -> None:
        """Forget the bulletin: nobody will get it, and nobody can be granted it."""
        self.held.discard(pending.id)
        self._world.kept.drop(pending.id)
        self.waiting.put(pending)

    def _clear(self, pending: Pending) -> None:
        """Destroy what is left of it here, once that is durable."""
        box = self._world.outbox
        box.discard(pending.id)
        if box.waits(pending.draft) is None:
            box.drop_body(pending.draft)
        self._world.cabinet.sweep()

    async def withdraw(
        self, pending: Pending, tell: Tell, officer: str | None = None
    ) -> objects.Receipt | None:
        """Take back what waits: nobody is asked any more, and it is posted never.

        Returns:
            The receipt; None where the node had refused the draft, and knows of none.

        Raises:
            Refusal: ``draft-over``: it is over already.
            Fault: it is taken back here; ``Agency.resume`` tells the node.
        """
        if pending.ended is not None:
            raise Refusal(Code.DRAFT_OVER, "/of", name=pending.ended)
        box, over = (
            self._world.outbox,
            msgspec.structs.replace(pending, ended="withdrawn"),
        )
        was_refused = any(each.id == pending.draft for each in box.refused())
        identity, envelope = self._withdrawal(pending, officer)
        with self._world.cabinet.change():
            if not was_refused:
                box.keep(identity, envelope)
            self._note(over)
        receipt = None
        if not was_refused:
            if box.waits(pending.draft) is not None:
                await self._poster.resolve(box, pending.draft, tell)
            receipt = await self._poster.resolve(box, identity, tell)
        self._clear(over)
        return receipt

    def _withdrawal(self, pending: Pending, officer: str | None) -> tuple[str, Envelope]:
        signer, now = self._agency.keys.signer, self._world.now()
        profile = self._agency.profile
        draft = objects.SealedDraft(
            v="xb1",
            suite=signer.suite,
            id=self._agency.new_id(),
            origin=profile.member,
            endpoint=profile.endpoint,
            step="withdrawn",
            of=pending.of,
            to=pending.to,
            body=None,
            attachments=[],
            until=now,
            at=now,
            officer=officer,
        )
        signed = jws.sign(msgspec.json.encode(draft), objects.DRAFT_TYP, [signer])
        return draft.id, Envelope(signed, b"")


def _releases(item: Item, header_digest: str) -> bool:
    return isinstance(item, Released) and item.release.of.header_digest == header_digest


def _declines(item: Item, header_digest: str) -> TypeGuard[Drafted]:
    return (
        isinstance(item, Drafted)
        and item.draft.step == "declined"
        and item.draft.of == header_digest
    )
