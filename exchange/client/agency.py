"""The agency's kit: post a bulletin in ten lines, follow an inbox in ten more.

async with Agency(profile, keys, world) as agency:
    prepared = await agency.prepare(read_draft(data, toml=True))
    for reader in prepared.readers:
        print(reader.endpoint, reader.nation)
    receipt = await agency.post(prepared)
    print(receipt.index)

async with Agency(profile, keys, world) as agency:
    async for item in agency.follow(after=-1):
        if isinstance(item, Delivered) and item.bulletin:
            print(render.page(item.bulletin, "es", world.codes, unknown=item.not_understood))
            await agency.acknowledge(item, "opened", officer="watch-1")
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Self

import msgspec

from exchange.client import (
    attaching,
    attesting,
    compose,
    elsewhere,
    following,
    granting,
    holders,
    opening,
    recorded,
    resuming,
    reviewing,
    witnessing,
)
from exchange.client.asking import Asking
from exchange.client.attaching import untold
from exchange.client.attachments import Attachments
from exchange.client.bodies import Bodies
from exchange.client.colleagues import Colleagues
from exchange.client.heard import Heard
from exchange.client.held import Held
from exchange.client.inbox import Inbox, Shown
from exchange.client.posting import Poster
from exchange.client.proving import Prover
from exchange.client.releasing import Releasing
from exchange.client.separating import Separating
from exchange.client.transport import Profile, Transport, certificate_digest, is_away
from exchange.client.trust import TrustLog
from exchange.errors import Code, Fault, Refusal
from exchange.journal.tree import leaf_hash
from exchange.model import objects
from exchange.model.bulletin import Con
from exchange.model.identity import uuid7
from exchange.policy.attesting import must_name_officer
from exchange.policy.expiry import lapses
from exchange.seal import jws
from exchange.seal.close import Envelope

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from exchange.client.attaching import File, Tell
    from exchange.client.compose import Prepared
    from exchange.client.following import Trouble
    from exchange.client.granting import Granting
    from exchange.client.proving import Proven
    from exchange.client.reading import Delivered, Item
    from exchange.client.witnessing import Vouched
    from exchange.client.world import Keys, World
    from exchange.model.bulletin.blocks import Target
    from exchange.model.draft import Draft
    from exchange.model.entry import Facts
    from exchange.model.objects import Outcome, Receipt
    from exchange.model.view import View
    from exchange.policy.expiry import Lapse


class Agency:
    """One endpoint's dealings with its home node. Use it as an async context manager."""

    def __init__(self, profile: Profile, keys: Keys, world: World) -> None:
        """Prepare; nothing is sent before the first call."""
        realm = f"{profile.anchor}\n{profile.node}"
        self.profile = profile
        self.world = world
        self.keys = keys
        self.trust = TrustLog(profile.anchor, world.cabinet, realm, profile.node)
        self.transport = Transport(profile, keys.signer, world.now)
        self.attachments = Attachments(
            self.transport, world.outbox, world.randomness, world.pause
        )
        self.bodies = Bodies(world.cabinet, self.transport, realm, world.pause)
        # What is owed to this endpoint.
        self.inbox = Inbox(self, Held(world.cabinet, realm), self.bodies, self._ours)
        self._poster = Poster(self)
        self.asking = Asking(self, self._poster)
        self.releasing = Releasing(self, self._poster)
        self.separating = Separating(self, self._poster)
        self._heard = Heard(world.cabinet, realm)
        self.colleagues = Colleagues(world.cabinet, realm)

    async def __aenter__(self) -> Self:
        """Open the connection."""
        await self.transport.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close it, and the cabinet."""
        try:
            await self.transport.__aexit__(*error)
            self.bodies.flush()
        finally:
            self.world.cabinet.close()

    async def view(self) -> View:
        """Return the trust documents in force, fetched and verified from the anchor.

        Raises:
            Refusal: they do not hold; or they are fewer or others than were seen before; or
                they name another certificate for our node than the one that is pinned here.
        """
        view = await self.trust.refresh(self.transport)
        if self.world.memory is not None:
            self.world.memory.check(view, self.lapses(view))
        node = view.nodes.get(self.profile.node)
        if node is None or node.tls != certificate_digest(self.profile.certificate):
            raise Refusal(Code.TRUST_INVALID, "/nodes", name=self.profile.node)
        self._heard.now(self.world.clock_ms())
        return view

    async def known_view(self) -> tuple[View, int | None]:
        """Return the view to seal under, as far as it is known here: ``TrustLog.strictest``.

        Also returned is when the node was heard last (ms UTC), where it is away now; else None.

        Raises:
            Refusal: as ``view``.
            Fault: the node is away, and was never heard.
        """
        try:
            await self.view()
        except Fault as fault:
            as_of_ms = self.heard_ms()
            if not is_away(fault) or as_of_ms is None:
                raise
            return self.trust.strictest, as_of_ms
        return self.trust.strictest, None

    def heard_ms(self) -> int | None:
        """Return when our node last told what it has, to the minute (ms UTC), if ever."""
        return self._heard.last_ms()

    def lapses(self, view: View) -> list[Lapse]:
        """Return when our keys end: those in use to sign, and all that others may seal to."""
        standing = view.endpoints.get(self.profile.endpoint)
        if standing is None:
            return []
        return lapses(standing.endpoint, {key.kid for key in self.keys.signer.keys})

    # -- posting ------------------------------------------------------------------------

    async def prepare(
        self,
        draft: Draft,
        target: Target | None = None,
        attach: Sequence[Path | File] = (),
        *,
        in_spite: bool = False,
        unchecked: bool = False,
    ) -> Prepared:
        """Return what would be sealed and who could read it. See ``compose.prepare``.

        A correction is applied first to what it corrects, and refused as its readers would, or
        for what no author writes; where that text is not here, so that it cannot be held to
        it, it is refused as well (``correction-unchecked``), unless ``unchecked`` says that
        its author compared them elsewhere. Beside an update its earlier text is looked at.
        The files in ``attach`` are looked at, and sealed when it is posted. Where the node is
        away it is prepared by the trust documents that are held, and says as of when.
        """
        view, as_of_ms = await self.known_view()
        is_cancelling = draft.bulletin.get("type") == "can"
        # A cancellation is not kept back: it goes to who read more than it says.
        if not is_cancelling:
            view.must_be_timely(self.profile.node, self.world.now())
        items = await self.inbox.as_held() if is_cancelling else []
        prepared = compose.prepare(
            draft,
            view,
            endpoint=self.profile.endpoint,
            identity=self.new_id(),
            now=self.world.now(),
            codes=self.world.codes,
            target=target,
            files=attaching.look(attach),
            in_spite=in_spite,
            held_by=lambda named: holders.of(named, self.world.outbox, items),
        )
        prepared = msgspec.structs.replace(prepared, as_of_ms=as_of_ms)
        if prepared.header.verb in ("correct", "update"):
            return await reviewing.held_to_target(
                self, prepared, in_spite=in_spite, unchecked=unchecked
            )
        if isinstance(prepared.bulletin, Con):
            await reviewing.held_to_people(self, prepared.bulletin, in_spite=in_spite)
        return prepared

    async def post(self, prepared: Prepared, mark: str = "", tell: Tell = untold) -> Receipt:
        """Seal, keep, upload what is attached, post; return the receipt, verified.

        Args:
            prepared: what was reviewed.
            mark: a digest of what is posted, for a poster that may be cut off at any point and
                begin again: see ``posted``.
            tell: called with how many bytes of an attachment are done, and of how many.

        Raises:
            Refusal: the node said no; nothing is kept, and it may be mended and tried again.
            Fault: ``outcome-unknown``, ``node-unreachable`` or any other that says nothing
                final of these bytes (``too-many``, say): the envelope is kept, and ``resume``
                posts the same bytes again. So too where the receipt does not hold. Or
                ``mail-failed``: another command has been at the same one for long.
        """
        compose.must_need_no_release(prepared)
        return await self._poster.post(prepared, mark, tell)

    async def queue(self, prepared: Prepared, mark: str = "", tell: Tell = untold) -> str:
        """Seal and keep, as ``post``, and send nothing: ``resume`` does; return the id.

        It is that of what another command kept under the same mark since ``begin``, if any.
        """
        compose.must_need_no_release(prepared)
        return await self._poster.queue(prepared, mark, tell)

    def begin(self, mark: str) -> str | None:
        """Return the id of what was kept under a mark and may not have reached its poster.

        Ask first: where another command of this endpoint keeps the same from here on, ``post``
        takes that one up, and ``queue`` returns its id. Nothing is posted twice.
        """
        self._poster.begin(mark)
        return self.world.outbox.marked(mark)

    def new_id(self) -> str:
        """Return a fresh id for an object of ours."""
        return uuid7(self.world.clock_ms(), self.world.randomness(10))

    async def prepare_grant(self, identity: str, endpoint: str) -> Granting:
        """Return what would be granted and to whom. See ``granting.prepare``.

        What corrected or cancelled it from another machine is learned first, if the node is
        there.
        """
        view, as_of_ms = await self.known_view()
        now = self.world.now()
        view.must_be_timely(self.profile.node, now)
        known = self.inbox.is_given_by_colleague
        box = self.world.outbox
        if as_of_ms is None and box.receipt(identity) is not None:
            await elsewhere.learn_if_there(self, identity)
        return granting.prepare(box, identity, endpoint, view, now, given_by_colleague=known)

    async def grant(self, prepared: Granting) -> Receipt:
        """Give a bulletin to one more recipient: see ``granting.sign``; then as ``post``."""
        granting.must_need_no_release(prepared)
        identity, now = self.new_id(), self.world.now()
        envelope = granting.sign(prepared, self.world.kept, self.keys, identity, now)
        return await self.send(identity, envelope)

    async def posted(self, mark: str) -> tuple[str, Receipt] | None:
        """Return the id and receipt of what was posted under a mark, if anything was.

        Ask before posting under the same mark, and have the outbox ``forget`` the mark once the
        receipt has reached whoever waits for it: then nothing is sealed twice.

        Raises:
            Refusal, Fault: as ``post``.
        """
        box, identity = self.world.outbox, self.begin(mark)
        if identity is None:
            return None
        return identity, box.receipt(identity) or await self.resolve(identity)

    async def resolve(self, identity: str, tell: Tell = untold) -> Receipt:
        """Return the receipt of what has none yet: asked for, else by posting it as it is.

        Uploads go on from where they stand; ``tell`` is as for ``post``.

        Raises:
            Refusal, Fault: as ``post``.
        """
        return await self._poster.resolve(self.world.outbox, identity, tell)

    async def send(self, identity: str, envelope: Envelope) -> Receipt:
        """Keep an envelope, and post it as it is; keep and return its receipt."""
        return await self._poster.send(self.world.outbox, identity, envelope)

    async def receipt(self, identity: str, envelope: Envelope) -> tuple[Receipt, Facts]:
        """Return the receipt of an envelope that was posted, asked for anew, and its facts.

        Raises:
            Refusal: ``not-found``: the node has none.
            Fault: it does not hold.
        """
        return await self._poster.receipt(identity, envelope)

    async def witnessed(self, receipt: Receipt, posted: bytes) -> Vouched | None:
        """Return which quorum of witnesses vouches for a receipt's entry, if one does yet.

        Args:
            receipt: verified, of our home node.
            posted: the object that was posted, byte for byte.

        Raises:
            Refusal: what the node shows for it does not hold.
            Fault: it does not answer.
        """
        view = self.trust.newest
        entry = recorded.entry_of(receipt, posted)
        node, leaf = self.profile.node, leaf_hash(entry)
        return await witnessing.of_entry(self.transport, receipt.index, leaf, node, view)

    async def resume(
        self, tell: Tell = untold, trouble: resuming.Trouble = resuming.untroubled
    ) -> list[Receipt]:
        """Ask for, or post again, whatever has no receipt yet: the same bytes, nothing twice.

        Uploads go on from where they stand; ``tell`` is as for ``post``. ``trouble`` is called
        with the id of each that has no receipt after all, and why.

        Raises:
            Refusal, Fault: see ``resuming.resume``.
        """
        return await self.asking.resume(tell, trouble)

    async def subscribe(self, feeds: Sequence[str]) -> Receipt:
        """Sign and post this endpoint's choice of feeds, in place of the one before."""
        view = await self.view()
        before = view.version_of(f"subscriptions/{self.profile.endpoint}")
        subscription = objects.Subscription(
            v="xb1",
            suite=self.keys.signer.suite,
            origin=self.profile.member,
            endpoint=self.profile.endpoint,
            version=before + 1,
            feeds=sorted(set(feeds)),
            issued=self.world.now(),
        )
        # Not kept: posted again after a lost answer it is refused as an old version, and said
        # once more it says the same.
        return await self.submit(self.sign(subscription, objects.SUBSCRIPTION_TYP))

    async def establish(self, document: bytes) -> Receipt:
        """Post a signed trust document, as an operator of the node."""
        return await self.submit(document)

    async def submit(self, signed: bytes) -> Receipt:
        """Post something signed that is not kept here; return its receipt, verified."""
        return await self._poster.send_raw(signed)

    async def acknowledge(
        self, item: Delivered, outcome: Outcome, officer: str | None = None
    ) -> Receipt:
        """Tell the originator what became of a bulletin, signed.

        Said once, it is said: the same outcome of the same officer is signed and recorded once,
        however often it is asked for, and its receipt returned.

        Raises:
            Refusal: ``wrong-value``: nobody opened or acted on what is locked; or as ``post``.
            Fault: what locks it may pass: nothing can be attested yet; or as ``post``.
        """
        if outcome not in (honest := attesting.attestable(item)):
            raise Refusal(Code.WRONG_VALUE, "/outcome", found=outcome, name=honest[0])
        box = self.world.outbox.acks
        mark = attesting.ack_mark(item, outcome, officer)
        if identity := box.marked(mark):
            return box.receipt(identity) or await self._poster.resolve(box, identity, untold)
        # The node would refuse the same; as far as it is known here what was agreed.
        if (agreed := self.trust.newest.arrangement) is not None:
            must_name_officer(outcome, officer, agreed)
        acknowledgement = objects.Acknowledgement(
            v="xb1",
            suite=self.keys.signer.suite,
            id=self.new_id(),
            origin=self.profile.member,
            endpoint=self.profile.endpoint,
            of=objects.Subject(item.header.endpoint, item.header.id, item.digest),
            outcome=outcome,
            at=self.world.now(),
            officer=officer,
        )
        envelope = Envelope(self.sign(acknowledgement, objects.ACK_TYP), b"")
        return await self._poster.send(box, acknowledgement.id, envelope, mark)

    def acknowledged(
        self, item: Delivered, outcome: Outcome, officer: str | None = None
    ) -> str | None:
        """Return the id of the acknowledgement that says just this, if one was made here."""
        return self.world.outbox.acks.marked(attesting.ack_mark(item, outcome, officer))

    def sign(self, payload: msgspec.Struct, typ: str) -> bytes:
        """Return an object of ours, signed."""
        return jws.sign(msgspec.json.encode(payload), typ, [self.keys.signer])

    # -- reading ------------------------------------------------------------------------

    async def prove(self) -> Proven:
        """Prove that nothing owed to us is missing, up to the node's newest checkpoint.

        Raises:
            Refusal, Fault: see ``proving.Prover``.
        """
        prover = Prover(self.transport, self.inbox, self.trust, self.profile)
        return await prover.prove(self.world.seen, self.view, self.world.now)

    def _ours(self) -> opening.Ours:
        opens = [*self.keys.openers, *self.keys.destroyed]
        endpoint, codes = self.profile.endpoint, self.world.codes
        box = self.inbox
        known = (box.orders, box.consents, box.headers)
        return opening.Ours(endpoint, opens, self.trust, codes, *known)

    async def follow(
        self, after: int = -1, trouble: Trouble = following.untroubled
    ) -> AsyncGenerator[Item, None]:
        """Yield inbox items for ever, each once, in order; wait for what is still to come.

        One that is locked by a fault (``locked``), which may pass, comes again when it opens.

        A link that breaks is taken up again, where it was; ``trouble`` is called with what
        broke, and in how many seconds that will be.

        Raises:
            Refusal, Fault: see ``following.Follower.items``.
        """
        place = await following.begin(self, after)
        async with aclosing(following.Follower(self, place, trouble).items()) as items:
            async for item in items:
                yield item

    async def everything(self) -> list[Item]:
        """Return the whole inbox as it is now; only what is new is fetched."""
        return await self.inbox.everything()

    async def known(self) -> Shown:
        """Return the whole inbox; where the node is away, as far as it is held, marked so.

        Raises:
            Refusal: as ``everything``.
            Fault: the node is away, and was never heard.
        """
        try:
            return Shown(await self.everything())
        except Fault as fault:
            as_of_ms = self.heard_ms()
            if not is_away(fault) or as_of_ms is None:
                raise
            return Shown(await self.inbox.as_held(), as_of_ms, fault)

    async def save(
        self, item: Delivered, place: int, folder: Path, tell: Tell = untold
    ) -> Path:
        """Fetch an attachment of an opened bulletin, and save it; return where it is.

        Args:
            item: opened.
            place: of the attachment in the bulletin, from 0.
            folder: where it is saved, under its own name made harmless, over no other file.
                What came before the link broke stays there, hidden, to be gone on with.
            tell: called with how many bytes are here, and of how many.

        Raises:
            Refusal: it is not to be had, or is not what the header and the bulletin say.
            Fault: the node does not answer for long; the folder cannot be written to.
        """
        return await self.attachments.save(item, place, folder, tell)

    async def opened(self, item: Item) -> Item:
        """Return an inbox item, opened where it is sealed to us; see ``opening.opened``."""
        return await opening.opened(item, self._ours(), self.bodies, self.world.now())
