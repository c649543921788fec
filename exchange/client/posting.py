"""Post what is sealed: kept first, sent as it is, and its receipt held to its promise.

Whatever happens in between, something kept is asked for before it is sent again. Only where the
node proves that it refused it is anything sealed anew: see ``resealing``. One command at a
time does any of it to one id, see ``alone``; what another did before is found, not done again.
Under one mark it is kept once: who kept nothing yet takes up what another did meanwhile.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from exchange.client import attaching, compose, elsewhere, receipts, resealing, resuming
from exchange.client.alone import alone
from exchange.client.answers import decoded
from exchange.client.arriving import noted
from exchange.client.attaching import untold
from exchange.client.transport import is_away
from exchange.client.uploading import is_final
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model import entry as entries
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.lost import losses_in, must_not_be_lost
from exchange.seal import jws

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from exchange.client.agency import Agency
    from exchange.client.attaching import Tell
    from exchange.client.compose import Prepared
    from exchange.client.outbox import Outbox
    from exchange.client.outcomes import About
    from exchange.client.resuming import Trouble
    from exchange.model.entry import Facts
    from exchange.model.objects import Receipt
    from exchange.seal.close import Closed, Envelope


class Meanwhile(Exception):  # noqa: N818  (no error: it is taken up)
    """Another command kept the same meanwhile, under this id."""

    def __init__(self, identity: str) -> None:
        """Keep the id."""
        super().__init__(identity)
        self.identity = identity


class Made(NamedTuple):
    """Something sealed, what sealing it anew takes, and the digest of what was reviewed."""

    closed: Closed
    anew: bytes
    reviewed: str


class Poster:
    """Takes one endpoint's envelopes to its home node."""

    def __init__(self, agency: Agency) -> None:
        """Post for an agency, with its keys, over its transport."""
        self._agency = agency
        self._world = agency.world
        self._profile = agency.profile
        # To where each mark led when its poster began.
        self._begun: dict[str, str | None] = {}

    def begin(self, mark: str) -> None:
        """Note where a mark leads, before anything is prepared to be posted under it."""
        self._begun.setdefault(mark, self._world.outbox.led(mark))

    # -- sealing ------------------------------------------------------------------------------

    async def seal(self, prepared: Prepared, mark: str, tell: Tell) -> Envelope:
        """Seal what was reviewed, and keep it; nothing is sent.

        Raises:
            Meanwhile: the same was kept since ``begin``, or under this id before; this one is
                dropped. Sealed once more under its id it would be refused, and the key of what
                went destroyed.
            Refusal: ``id-reused``: what was kept under this id is something else.
        """
        identity = prepared.header.id
        if await self.is_known(prepared):
            raise Meanwhile(identity)
        made = await self.sealed(prepared, tell)
        try:
            self.keep(prepared, made, mark)
        except Meanwhile as found:
            if found.identity != identity:
                self.abandon(identity)
            raise
        return made.closed.envelope

    async def queue(self, prepared: Prepared, mark: str, tell: Tell) -> str:
        """Seal what was reviewed, and keep it; return the id under which it is kept.

        Raises:
            Refusal, Fault: see ``Agency.queue``.
        """
        identity = prepared.header.id
        try:
            if not await self.is_known(prepared):
                # Alone: another command would seal its files over those that are kept.
                async with self.alone(identity):
                    await self.seal(prepared, mark, tell)
        except Meanwhile as found:
            return found.identity
        return identity

    def abandon(self, identity: str) -> None:
        """Forget what was sealed under an id, unless it is kept: that goes its way."""
        with self._world.cabinet.change():
            if not self._is_kept(identity):
                self._world.outbox.discard(identity)

    async def is_known(self, prepared: Prepared) -> bool:
        """Tell whether this very thing was kept before, to be sent or released.

        Raises:
            Refusal: ``id-reused``: what was kept under its id is something else.
            Fault: ``store-failed``: it was, and what is in its files by now cannot be read.
        """
        if not self._is_kept(prepared.header.id):
            return False
        held = await asyncio.to_thread(attaching.digests, prepared.files)
        return self.is_same(prepared.header.id, resealing.reviewed(prepared, held))

    def is_same(self, identity: str, reviewed: str) -> bool:
        """Tell whether what was reviewed with this digest was kept under an id.

        Raises:
            Refusal: ``id-reused``: something else was.
        """
        if not self._is_kept(identity):
            return False
        if self._world.outbox.reviewed(identity) != reviewed:
            raise Refusal(Code.ID_REUSED, "/id", id=identity)
        return True

    def _is_kept(self, identity: str) -> bool:
        box = self._world.outbox
        return box.knows(identity) or box.held.knows(identity)

    async def sealed(self, prepared: Prepared, tell: Tell) -> Made:
        """Return what was reviewed, sealed; its files are kept.

        Raises:
            Refusal, Fault: as ``attaching.seal``.
        """
        identity = prepared.header.id
        try:
            attached = await self._agency.attachments.seal(prepared.files, identity, tell)
            signer = self._agency.keys.signer
            closed = compose.seal(prepared, signer, self._world.randomness, attached)
        except Refusal:
            self.abandon(identity)
            raise
        told = resealing.reviewed(prepared, [each.told.digest for each in attached])
        return Made(closed, resealing.remember(prepared, attached), told)

    def keep(self, prepared: Prepared, made: Made, mark: str = "") -> None:
        """Keep what ``sealed`` returned, to be sent.

        Raises:
            Meanwhile, Refusal: as ``seal``; nothing is kept.
        """
        with self._world.cabinet.change():
            other = self._world.outbox.led(mark) if mark in self._begun else None
            if other is not None and other != self._begun[mark]:
                raise Meanwhile(other)
            identity, envelope = prepared.header.id, made.closed.envelope
            if self.is_same(identity, made.reviewed):
                raise Meanwhile(identity)
            self.remember(made.closed, made.reviewed)
            self._world.outbox.keep(identity, envelope, mark, made.anew)

    def remember(self, closed: Closed, reviewed: str) -> None:
        """Keep the content key of something, to grant it later; and what was reviewed."""
        self.remember_key(closed)
        header = closed.header
        self._world.outbox.review(header.id, reviewed, header.retain_until)

    def remember_key(self, closed: Closed) -> None:
        """Keep the content key of something, to grant it later."""
        ours = self._agency.trust.newest.endpoints.get(self._profile.endpoint)
        self._world.kept.keep(closed, self._agency.keys.openers, ours)

    async def post(self, prepared: Prepared, mark: str, tell: Tell) -> Receipt:
        """Seal what was reviewed and keep it, upload what it names, and send it.

        What another command kept under the same mark since ``begin`` is sent instead.

        Raises:
            Refusal, Fault: see ``Agency.post``.
        """
        try:
            return await self._post(prepared, mark, tell)
        except Meanwhile as found:
            return await self.resolve(self._world.outbox, found.identity, tell)

    async def _post(self, prepared: Prepared, mark: str, tell: Tell) -> Receipt:
        identity, box = prepared.header.id, self._world.outbox
        # From before it is kept: nobody else ever sent it, when it is discarded.
        async with self.alone(identity):
            envelope = await self.seal(prepared, mark, tell)
            try:
                await self.upload(envelope, tell)
            except Refusal as refusal:
                if not is_final(refusal):
                    box.tried(identity, refusal, self._world.clock_ms())
                    raise Fault(refusal.code, refusal.at, **refusal.facts) from refusal
                # The header was not posted, so nothing of it can be recorded.
                self._world.kept.destroy(identity)
                box.discard(identity)
                await self._give_up(envelope)
                raise
            except Fault as fault:
                box.tried(identity, fault, self._world.clock_ms())
                raise
            return await self._send(box, identity, envelope)

    async def upload(self, envelope: Envelope, tell: Tell) -> None:
        """Upload what a bulletin or its draft names; nothing else names attachments."""
        signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES)
        header = None
        if signed.typ == headers.TYP:
            header = headers.decode(signed.payload)
        elif signed.typ == objects.DRAFT_TYP:
            header = self._agency.asking.header_of(objects.decode_draft(signed.payload).of)
        if header is not None:
            await self._agency.attachments.upload(header, tell)

    async def _give_up(self, envelope: Envelope) -> None:
        """Let go of the uploads of a bulletin that is refused; of a draft, it waits."""
        signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES)
        if signed.typ == headers.TYP:
            await self._agency.attachments.give_up(headers.decode(signed.payload).attachments)

    # -- sending ------------------------------------------------------------------------------

    def alone(self, identity: str) -> AbstractAsyncContextManager[None]:
        """Keep every other command from an id; see ``alone``."""
        return alone(self._world.cabinet, identity, self._world.pause)

    async def send(
        self, box: Outbox, identity: str, envelope: Envelope, mark: str = ""
    ) -> Receipt:
        """Keep an envelope that names no attachments, and send it; keep and return its receipt.

        Args:
            box: where it is kept.
            identity: its id.
            envelope: sealed and signed.
            mark: see ``Outbox.keep``.

        Raises:
            Refusal, Fault: see ``Agency.post``.
        """
        async with self.alone(identity):
            # At once: of two commands that say the same one is kept.
            with self._world.cabinet.change():
                other = box.marked(mark) if mark else None
                if other is None:
                    box.keep(identity, envelope, mark)
            if other is None:
                return await self._send(box, identity, envelope)
        return await self.resolve(box, other, untold)

    async def _send(
        self, box: Outbox, identity: str, envelope: Envelope, *, anew: bool = True
    ) -> Receipt:
        """Send an envelope that was kept, as it is; ``anew``: seal it once more, if need be."""
        answer = None
        try:
            with noted(box, identity, envelope):
                answer = await self._agency.transport.post("/v1/objects", envelope.framed())
            receipt, _ = await self.verified(answer, envelope.header)
        except Refusal as refusal:
            return await self._refused(box, identity, envelope, refusal, anew=anew)
        except Fault as fault:
            # Answered, it was taken in as it seems; what that is held to could not be had.
            is_sent = answer is not None and is_away(fault)
            told = Fault(Code.OUTCOME_UNKNOWN, name=self._profile.url) if is_sent else fault
            box.tried(identity, told, self._world.clock_ms())
            if told is fault:
                raise
            raise told from fault
        self._settle(box, identity, envelope, receipt)
        return receipt

    async def _refused(
        self, box: Outbox, identity: str, envelope: Envelope, refusal: Refusal, *, anew: bool
    ) -> Receipt:
        """Seal it once more where the node refused an old key; else forget it, with proof.

        Raises:
            Refusal: as it was refused.
            Refusal, Fault: whether the node has it by now could not be had.
        """
        proof = await self._proved(refusal.receipt, envelope.header)
        stored = box.envelope(identity)
        # Without proof that it is recorded as refused it may be accepted: it is kept. So is
        # what took its place meanwhile, as a command of an older version knows no lock.
        if proof is None or stored is None or stored.header != envelope.header:
            box.tried(identity, refusal, self._world.clock_ms())
            raise refusal
        anew = anew and refusal.code in resealing.CALLS_FOR_IT
        # Refused once, the same bytes may have been accepted since.
        if anew and (receipt := await self._asked(box, identity, envelope)):
            return receipt
        fresh = self._resealed(box, identity, envelope) if anew else None
        if fresh is None:
            self._world.kept.destroy(identity)
            box.refuse(identity, refusal, proof, _about(box, identity))
            await self._give_up(envelope)
            await self._learn(refusal)
            raise refusal
        closed, again = fresh
        with self._world.cabinet.change():
            self.remember_key(closed)
            box.keep(identity, closed.envelope, "", again)
        return await self._send(box, identity, closed.envelope, anew=False)

    async def _learn(self, refusal: Refusal) -> None:
        """Look for what cancelled a bulletin of ours, where something is refused for that."""
        of = refusal.facts.get("id")
        if refusal.code is Code.TARGET_CANCELLED and isinstance(of, str):
            # The refusal is told in any case.
            with suppress(ExchangeError):
                await elsewhere.learn(self._agency, of)

    async def resolve(self, box: Outbox, identity: str, tell: Tell) -> Receipt:
        """Return the receipt of what has none yet: asked for, else by posting it as it is."""
        async with self.alone(identity):
            # Whoever held it before us may be done with it.
            settled = None if box.waits(identity) else box.receipt(identity)
            if settled is not None:
                return settled
            envelope = _unsent(box, identity)
            # Asking costs a few hundred bytes, where posting again costs all of them.
            receipt = await self._asked(box, identity, envelope)
            return receipt or await self._again(box, identity, envelope, tell)

    async def is_unsent(self, box: Outbox, identity: str) -> bool:
        """Tell whether the node does not have what waits; then it is forgotten here.

        Raises:
            Refusal, Fault: that could not be had.
        """
        async with self.alone(identity):
            if box.waits(identity) is None:
                return box.receipt(identity) is None
            if await self._asked(box, identity, _unsent(box, identity)) is not None:
                return False
            box.discard(identity)
            return True

    async def _asked(self, box: Outbox, identity: str, envelope: Envelope) -> Receipt | None:
        """Ask for the receipt of something, and keep it; None: the node does not have it."""
        try:
            receipt, _ = await self.receipt(identity, envelope)
        except ExchangeError as error:
            if isinstance(error, Refusal) and error.code is Code.NOT_FOUND:
                return None
            box.tried(identity, error, self._world.clock_ms())
            raise
        self._settle(box, identity, envelope, receipt)
        return receipt

    async def _again(
        self, box: Outbox, identity: str, envelope: Envelope, tell: Tell
    ) -> Receipt:
        """Send what the node says it does not have, unless its text is destroyed by now."""
        _must_be_whole(envelope)
        try:
            await self.upload(envelope, tell)
        except ExchangeError as error:
            box.tried(identity, error, self._world.clock_ms())
            raise
        return await self._send(box, identity, envelope)

    async def resume(self, tell: Tell, trouble: Trouble) -> list[Receipt]:
        """Resolve all that waits; see ``resuming.resume``."""

        async def resolve(box: Outbox, identity: str) -> Receipt:
            return await self.resolve(box, identity, tell)

        box = self._world.outbox
        return await resuming.resume([box, box.acks], resolve, trouble)

    async def send_raw(self, signed: bytes) -> Receipt:
        """Post something that is not kept."""
        answer = await self._agency.transport.post("/v1/objects", signed + b"\n\n")
        return (await self.verified(answer, signed))[0]

    def _settle(self, box: Outbox, identity: str, envelope: Envelope, receipt: Receipt) -> None:
        # First: once there is a receipt, nobody comes back to what it ends.
        self._world.kept.destroy_cancelled(envelope.header, self._world.outbox)
        box.settle(identity, receipt)

    def _resealed(
        self, box: Outbox, identity: str, envelope: Envelope
    ) -> tuple[Closed, bytes] | None:
        """Return it sealed with other keys, where there are others."""
        remembered = box.anew(identity)
        if remembered is None:
            return None
        view, now = self._agency.trust.strictest, self._world.now()
        signer, randomness = self._agency.keys.signer, self._world.randomness
        try:
            view.must_be_timely(self._profile.node, now)
            return resealing.reseal(remembered, envelope, view, signer, now, randomness)
        except Refusal:
            # As it was refused, so it is told: its author has to look at it again.
            return None

    # -- receipts -----------------------------------------------------------------------------

    async def receipt(self, identity: str, envelope: Envelope) -> tuple[Receipt, Facts]:
        """Return the receipt of an envelope that was posted, asked for anew, and its facts."""
        answer = await self._agency.transport.get(f"/v1/receipts/{identity}")
        return await self.verified(answer, envelope.header)

    async def verified(self, answer: bytes, posted: bytes) -> tuple[Receipt, Facts]:
        """Return the receipt of something taken in, verified, and owed to whom it is for.

        Raises:
            Fault: it does not hold. What was posted may be recorded all the same.
        """
        try:
            receipt = decoded(answer, objects.Receipt, Code.BAD_PROOF)
            await self._agency.view()
            facts = receipts.verify_as_of(receipt, posted, self._agency.trust)
            receipts.must_be_from(receipt, self._profile.node)
            self._must_not_be_lost(receipt)
            receipts.must_be_taken_in(facts, posted)
        except Refusal as refusal:
            raise Fault(refusal.code, refusal.at, **refusal.facts) from refusal
        return receipt, facts

    def _must_not_be_lost(self, receipt: Receipt) -> None:
        """Hold a receipt that is given now to what is declared lost by now; see ``lost``."""
        losses = losses_in(self._agency.trust.newest, self._profile.node)
        must_not_be_lost(receipt.index, losses)

    async def _proved(self, receipt: object, posted: bytes) -> Receipt | None:
        """Return a receipt that proves that our node refused just this, from us."""
        if not isinstance(receipt, objects.Receipt) or receipt.node != self._profile.node:
            return None
        try:
            await self._agency.view()
            facts = receipts.verify_as_of(receipt, posted, self._agency.trust)
            self._must_not_be_lost(receipt)
        except ExchangeError:
            return None
        is_ours = isinstance(facts, entries.Refused) and facts.caller == self._profile.endpoint
        return receipt if is_ours else None


def _must_be_whole(envelope: Envelope) -> None:
    """Refuse to send a header alone: its time to be retained was over before it had a receipt.

    Raises:
        Refusal: ``retention-over``.
    """
    signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES)
    if signed.typ == headers.TYP and not envelope.body:
        raise Refusal(
            Code.RETENTION_OVER, "/retain_until", id=headers.decode(signed.payload).id
        )


def _unsent(box: Outbox, identity: str) -> Envelope:
    """Return an envelope as it was kept.

    Raises:
        Refusal: the node refused it, and why; or ``not-found``: it is not here.
    """
    envelope = box.envelope(identity)
    if envelope is not None:
        return envelope
    for each in box.refused():
        if each.id == identity:
            refusal = Refusal(Code(each.why.code), each.why.at, **each.why.facts)
            refusal.receipt = each.receipt
            raise refusal
    raise Refusal(Code.NOT_FOUND, "/outbox", id=identity)


def _about(box: Outbox, identity: str) -> About | None:
    # Where that is damaged it is refused without a name: that it was is to be kept.
    with suppress(Fault):
        return resealing.about(box.anew(identity))
    return None
