"""What becomes of a request for a release once it is over: withdrawn, declined, or posted.

Its text goes at once. The node is told of what was withdrawn, if it ever had the draft: else
nobody was asked, and nobody needs to hear that it was taken back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client.transport import is_away
from exchange.errors import Code, ExchangeError, Refusal
from exchange.model import objects
from exchange.seal import jws
from exchange.seal.close import Envelope

if TYPE_CHECKING:
    from exchange.client.agency import Agency
    from exchange.client.asking import Asking
    from exchange.client.attaching import Tell
    from exchange.client.pending import Pending
    from exchange.client.posting import Poster
    from exchange.model.header import Blob


class Withdrawing:
    """Ends what an author asked for, for one endpoint."""

    def __init__(self, asking: Asking, agency: Agency, poster: Poster) -> None:
        """Work for who asks; what is sent goes by its poster."""
        self._asking = asking
        self._agency = agency
        self._poster = poster
        self._world = agency.world

    def uploads(self, pending: Pending) -> list[Blob]:
        """Return the sealed files of what waits, which the node may hold."""
        header = self._asking.header_of(pending.of)
        return [] if header is None else header.attachments

    def note(self, pending: Pending) -> None:
        """Forget the bulletin: nobody will get it, and nobody can be granted it."""
        self._asking.held.discard(pending.id)
        if not self._world.outbox.knows(pending.id):
            self._world.kept.drop(pending.id)
        self._asking.waiting.put(pending)

    def clear(self, pending: Pending) -> None:
        """Destroy what is left of it here, once that is durable."""
        box = self._world.outbox
        self._poster.abandon(pending.id)
        if box.waits(pending.draft) is None:
            box.drop_body(pending.draft)
        self._world.cabinet.sweep()

    async def withdraw(
        self, pending: Pending, tell: Tell, officer: str | None = None
    ) -> objects.Receipt | None:
        """Take back what waits: nobody is asked any more, and it is posted never.

        Returns:
            The receipt; None where the node knows of no draft: it had refused it, or never
            had it.

        Raises:
            Refusal: ``draft-over``: it is over already.
            Fault: it is taken back here; ``Agency.resume`` tells the node.
        """
        box = self._world.outbox
        was_refused = any(each.id == pending.draft for each in box.refused())
        identity, envelope = self._withdrawal(pending, officer)
        over = msgspec.structs.replace(
            pending,
            ended="withdrawn",
            withdrawal="" if was_refused else identity,
            uploads=self.uploads(pending),
        )
        with self._world.cabinet.change():
            # Asked here: somebody may have read a question for minutes.
            if ended := self._asking.ended(pending):
                raise Refusal(Code.DRAFT_OVER, "/of", name=ended)
            if not was_refused:
                box.keep(identity, envelope)
            self.note(over)
        receipt = None
        if was_refused:
            self.clear(over)
        elif await self._is_unsent(over):
            over = self._unsaid(over)
        else:
            if box.waits(pending.draft) is not None:
                await self._poster.resolve(box, pending.draft, tell)
            receipt = await self._poster.resolve(box, identity, tell)
        await self.let_go(over)
        return receipt

    async def forget_unsent(self) -> None:
        """Forget the withdrawals of drafts that the node never had, and these drafts.

        Raises:
            Fault: the node is away.
        """
        for each in self._asking.waiting.all():
            try:
                if each.withdrawal and await self._is_unsent(each):
                    self._unsaid(each)
            except ExchangeError as error:
                # Any other trouble is told of by who sends what waits: it meets it too.
                if is_away(error):
                    raise

    async def _is_unsent(self, over: Pending) -> bool:
        """Tell whether a draft is known to nobody; then it is sent no more.

        Sent now it would be refused, where its files are gone, or ask people for nothing.
        """
        waits = self._world.outbox.waits(over.draft)
        # What got no answer may still arrive: it is sent once more, and then taken back.
        if waits is not None and waits.may_arrive:
            return False
        # Where it waits no more, a kill may have kept us from forgetting its withdrawal.
        return await self._poster.is_unsent(self._world.outbox, over.draft)

    def _unsaid(self, over: Pending) -> Pending:
        """Forget a withdrawal that nobody is to be told of; return how what it is of stands."""
        left = msgspec.structs.replace(over, withdrawal="")
        with self._world.cabinet.change():
            self._world.outbox.discard(over.withdrawal)
            self._asking.waiting.put(left)
        self.clear(over)
        return left

    async def let_go(self, over: Pending) -> None:
        """Destroy what is left of what is over, here and at the node, once it knows.

        What ends while the node is away, or is killed, has its receipt later: see ``resume``.
        """
        left, box = over, self._world.outbox
        if over.ended and box.waits(over.draft) is None and box.drop_body(over.draft):
            self._world.cabinet.sweep()
        if over.withdrawal and box.receipt(over.withdrawal) is not None:
            self.clear(over)
            left = msgspec.structs.replace(left, withdrawal="")
        may_go = left.uploads and not left.withdrawal
        if may_go and await self._agency.attachments.give_up(left.uploads):
            left = msgspec.structs.replace(left, uploads=[])
        if left != over:
            self._asking.waiting.put(left)

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
