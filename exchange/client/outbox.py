"""What this endpoint posts, durable before it is sent: sealed bytes, and then the receipt.

One that has no receipt yet may or may not be recorded: it is asked for and posted again as it
is, never sealed anew, unless the node proves that it refused it. Who was cut off and begins
again must come upon it: a mark, a digest of what was to be posted, leads to its id.

Large attachments lie beside the file, each sealed under its own key, until there is a receipt.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import msgspec

from exchange.client import losses
from exchange.client.cabinet import FILE
from exchange.client.outcomes import Refused, Waiting, Why, made_ms
from exchange.errors import Code, ExchangeError, Fault
from exchange.model import header as headers
from exchange.model import objects
from exchange.model.codec import b64
from exchange.model.objects import Receipt
from exchange.seal import jws
from exchange.seal.close import Envelope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exchange.client.cabinet import Cabinet
    from exchange.client.outcomes import About

T = TypeVar("T")

# A command that seals files and died is over by then; its files go.
_SEALING_MS = 86_400_000
# So is one that began before the mark of what it posts was forgotten.
_FORGOTTEN_S = 2 * 86_400
_WITH_BODY = frozenset({headers.TYP, objects.GRANT_TYP, objects.DRAFT_TYP})


class _Mark(msgspec.Struct, frozen=True):
    """To what a mark leads; and whether its poster was told that it waits, and went home."""

    id: str
    told: bool = False


class _Named(msgspec.Struct, frozen=True):
    """What every object that is posted says: its id."""

    id: str


class Outbox:
    """Sealed envelopes and their receipts, in an endpoint's cabinet."""

    def __init__(self, cabinet: Cabinet, box: str = "posted") -> None:
        """Use these drawers: ``posted``, ``acks`` or ``held``."""
        self._cabinet = cabinet
        self._box = box

    @property
    def acks(self) -> Outbox:
        """The acknowledgements that this endpoint posts, kept likewise: they have no body."""
        return Outbox(self._cabinet, "acks")

    @property
    def held(self) -> Outbox:
        """What waits for its release: sealed as the rest, and sent by nobody."""
        return Outbox(self._cabinet, "held")

    # -- the way of an envelope ---------------------------------------------------------------

    def keep(
        self, identity: str, envelope: Envelope, mark: str = "", anew: bytes = b""
    ) -> None:
        """Write an envelope durably, before it is posted.

        Args:
            identity: its id.
            envelope: sealed and signed; it takes the place of one that was refused.
            mark: a digest of what was to be posted; ``marked`` finds it again.
            anew: what sealing it anew takes, should the node refuse these bytes.
        """
        cabinet = self._cabinet
        with cabinet.change():
            cabinet.put(self._of("sealed"), identity, envelope.framed())
            self._wait(Waiting(identity))
            # Posted again it is refused no more; and if it is, it is told of anew.
            cabinet.drop(self._of("refused"), identity)
            if mark:
                self.lead(mark, identity)
            if anew:
                cabinet.put(self._of("anew"), identity, anew, self._retain_until(identity))

    def tried(self, identity: str, error: ExchangeError, now_ms: int) -> None:
        """Note what an attempt to get a receipt came to."""
        # At once: what another command settles between the two would wait again.
        with self._cabinet.change():
            before = self.waits(identity)
            if before is not None:
                told, tries = Why.of(error), before.tries + 1
                self._wait(Waiting(identity, tries, now_ms, told, before.may_arrive))

    def sent_off(self, identity: str, *, may_arrive: bool) -> None:
        """Note whether what waits may arrive without our hearing of it: see ``arriving``."""
        with self._cabinet.change():
            before = self.waits(identity)
            if before is not None:
                self._wait(msgspec.structs.replace(before, unanswered=may_arrive))

    def settle(self, identity: str, receipt: Receipt) -> None:
        """Keep the receipt: this one is recorded."""
        cabinet = self._cabinet
        with cabinet.change():
            cabinet.put(self._of("receipt"), identity, msgspec.json.encode(receipt))
            cabinet.put(self._of("sent"), identity, identity.encode())
            # The refusal: an older version left it beside what took its place.
            for what in ("waits", "anew", "refused"):
                cabinet.drop(self._of(what), identity)
            if until := self._retain_until(identity):
                cabinet.put(self._of("due"), identity, identity.encode(), until)
        self._let_go(identity)

    def take_back(self, identity: str, envelope: Envelope, receipt: Receipt) -> None:
        """Keep what was posted from elsewhere as sent; where one is here, that one stays.

        Args:
            identity: its id.
            envelope: without its body: so there is nothing to be destroyed at its end.
            receipt: of it; both verified.
        """
        cabinet = self._cabinet
        with cabinet.change():
            if not self.is_here(identity):
                cabinet.put(self._of("sealed"), identity, envelope.framed())
                cabinet.put(self._of("receipt"), identity, msgspec.json.encode(receipt))
                cabinet.put(self._of("sent"), identity, identity.encode())
                cabinet.drop(self._of("refused"), identity)

    def post_anew(self, identity: str) -> None:
        """Have what has a receipt wait for another: the entry that it is of was lost.

        The receipt is put aside. What has no body any more cannot be posted, and is told of.
        """
        cabinet = self._cabinet
        envelope, receipt = self.envelope(identity), self.receipt(identity)
        if envelope is None or receipt is None:
            return
        with cabinet.change():
            cabinet.put(self._of("lost"), identity, msgspec.json.encode(receipt))
            cabinet.drop(self._of("receipt"), identity)
            cabinet.drop(self._of("sent"), identity)
            if envelope.body or not _has_body(envelope):
                self._wait(Waiting(identity))
                how: losses.How = "anew"
            else:
                how = "textless"
            cabinet.lose(losses.Loss(self._of("lost"), how, identity))

    def discard(self, identity: str) -> None:
        """Forget an envelope that was never posted; one that has a receipt stays."""
        with self._cabinet.change():
            if self._cabinet.has(self._of("receipt"), identity):
                return
            self._drop(identity)
        self._let_go(identity)

    def refuse(
        self,
        identity: str,
        error: ExchangeError,
        receipt: Receipt,
        about: About | None = None,
    ) -> None:
        """Forget an envelope that was refused, and remember why, with the node's proof."""
        with self._cabinet.change():
            until = self._retain_until(identity)
            # What has no end would keep its title for ever.
            known = about if until else None
            refused = Refused(identity, Why.of(error), receipt, known)
            name = self._of("refused")
            self._cabinet.put(name, identity, msgspec.json.encode(refused), until)
            self._drop(identity)
        # Not before it is durable: what waits needs its files.
        self._let_go(identity)

    def purge(self, now: int) -> int:
        """Destroy the bodies whose time to retain is over; headers and receipts stay.

        What has no receipt by then is not sent any more, and told of as expired. Its header
        stays: the node may have it all the same, and is asked by it.

        Returns:
            How many there were.
        """
        cabinet = self._cabinet
        count = sum(
            len(losses.take_overdue(cabinet, self._of(what), now, self.ids)[0])
            for what in ("refused", "anew", "mark", "reviewed")
        )
        with cabinet.change():
            drawer = self._of("due")
            values, named = losses.take_overdue(cabinet, drawer, now, self.sent)
            # A damaged one says until when no more than by the day that stands beside it.
            over = [*(value.decode() for value in values), *named]
            for identity in over:
                self._strip(identity)
        late = [each for each in self.waiting() if 0 < self._retain_until(each) <= now]
        for identity in late:
            self._expire(identity)
        return count + len(over) + len(late)

    def _strip(self, identity: str) -> None:
        """Destroy a body; of a damaged envelope, all of it."""
        drawer = self._of("sealed")
        try:
            envelope = self.envelope(identity)
        except Fault:
            self._cabinet.drop(drawer, identity)
            self._cabinet.lose(losses.Loss(drawer, "gone", identity))
            return
        if envelope is not None and envelope.body:
            self._cabinet.put(drawer, identity, envelope._replace(body=b"").framed())

    def _expire(self, identity: str) -> None:
        with self._cabinet.change():
            waiting, until = self.waits(identity), self._retain_until(identity)
            if waiting is None or not until:
                return  # another command had its receipt meanwhile
            self._strip(identity)
            self._cabinet.drop(self._of("waits"), identity)
            told = losses.Loss(self._of("waits"), "expired", identity, until, waiting.tries)
            self._cabinet.lose(told)
        self._let_go(identity)

    def drop_body(self, identity: str) -> int:
        """Destroy the body of one that was sent; return how many there were."""
        try:
            envelope = self.envelope(identity)
        except Fault:
            self._strip(identity)
            return 1
        if envelope is None or not envelope.body:
            return 0
        self._strip(identity)
        return 1

    # -- what is here -------------------------------------------------------------------------

    def is_here(self, identity: str) -> bool:
        """Tell whether a bulletin is here: sent, or waiting for a receipt or its release."""
        return any(
            self._cabinet.has(box, identity) for box in (self._of("sealed"), "held.sealed")
        )

    def waiting(self) -> list[str]:
        """Return the ids that have no receipt yet, oldest first."""
        values, named = losses.put_aside(self._cabinet, self._of("waits"), self.ids)
        # Its envelope is whole: it is asked for, as whatever has no receipt. What came of it so
        # far is lost.
        for identity in named:
            self._wait(Waiting(identity, unanswered=True))
        return sorted([*(_decoded(value, Waiting).id for value in values), *named])

    def waits(self, identity: str) -> Waiting | None:
        """Return how something waits, if it does."""
        found = self._cabinet.get(self._of("waits"), identity)
        return None if found is None else _decoded(found, Waiting)

    def sent(self) -> list[str]:
        """Return the ids that have a receipt, oldest first."""
        values, named = losses.put_aside(self._cabinet, self._of("sent"), self.ids)
        for identity in named:
            self._cabinet.put(self._of("sent"), identity, identity.encode())
        return sorted([*(value.decode() for value in values), *named])

    def ids(self) -> Iterator[str]:
        """Yield the ids that the envelopes here say: what is damaged may be of one of them."""
        for value in self._cabinet.sound(self._of("sealed"))[0]:
            with suppress(ExchangeError, msgspec.MsgspecError, UnicodeDecodeError):
                signed = jws.read(value.split(b"\n")[0], headers.MAX_HEADER_BYTES)
                yield msgspec.json.decode(signed.payload, type=_Named).id

    def refused(self) -> list[Refused]:
        """Return what was refused, oldest first."""
        values, _ = losses.put_aside(self._cabinet, self._of("refused"), self.ids)
        return sorted((_decoded(value, Refused) for value in values), key=lambda each: each.id)

    def envelope(self, identity: str) -> Envelope | None:
        """Return an envelope as it was posted, if it is here; without its body once purged.

        Raises:
            Fault: ``mail-damaged``.
        """
        found = self._cabinet.get(self._of("sealed"), identity)
        if found is None:
            return None
        parts = found.split(b"\n")
        if len(parts) != 3:
            raise Fault(Code.MAIL_DAMAGED, name=FILE, found=self._of("sealed"))
        return Envelope(parts[0], parts[1])

    def receipt(self, identity: str) -> Receipt | None:
        """Return a receipt, if it is here.

        Raises:
            Fault: ``mail-damaged``.
        """
        found = self._cabinet.get(self._of("receipt"), identity)
        return None if found is None else _decoded(found, Receipt)

    def anew(self, identity: str) -> bytes | None:
        """Return what sealing it anew takes, if that is known."""
        return self._cabinet.get(self._of("anew"), identity)

    def knows(self, identity: str) -> bool:
        """Tell whether something waits, or was recorded, under an id."""
        return any(self._cabinet.has(self._of(each), identity) for each in ("waits", "receipt"))

    def review(self, identity: str, reviewed: str, until: int) -> None:
        """Keep the digest of what its author reviewed, while it is to be retained."""
        self._cabinet.put(self._of("reviewed"), identity, reviewed.encode(), until)

    def unreview(self, identity: str) -> None:
        """Forget that digest: whatever comes under this id is then something else."""
        self._cabinet.drop(self._of("reviewed"), identity)

    def reviewed(self, identity: str) -> str | None:
        """Return the digest that ``review`` kept, if it did."""
        found = self._cabinet.get(self._of("reviewed"), identity)
        return None if found is None else found.decode("ascii", "replace")

    # -- marks --------------------------------------------------------------------------------

    def marked(self, mark: str) -> str | None:
        """Return the id of what was kept under a mark, if anything was.

        What its poster was told of is found for as long as it waits, and no longer.
        """
        found = self._cabinet.get(self._of("mark"), mark)
        if found is None:
            return None
        led = _decoded(found, _Mark)
        # One that leads to neither is of what was never sent, was refused, or expired.
        drawers = ("waits",) if led.told else ("waits", "receipt")
        is_there = any(self._cabinet.has(self._of(each), led.id) for each in drawers)
        return led.id if is_there else None

    def lead(self, mark: str, identity: str) -> None:
        """Have a mark lead to what is kept."""
        self._cabinet.put(self._of("mark"), mark, msgspec.json.encode(_Mark(identity)))

    def tell(self, mark: str) -> None:
        """Note that the poster knows that this waits: once it went, the same is new again."""
        # At once: what another command settles between the two would be found again.
        with self._cabinet.change():
            identity = self.marked(mark)
            if identity is not None:
                told = msgspec.json.encode(_Mark(identity, told=True))
                self._cabinet.put(self._of("mark"), mark, told)

    def forget(self, mark: str) -> None:
        """Have a mark lead nowhere, once its poster was told: posting the same is new again.

        Where it led is known for some days: see ``led``.
        """
        with self._cabinet.change():
            identity = self.led(mark)
            if identity is not None:
                told = msgspec.json.encode(_Mark(identity, told=True))
                until = made_ms(identity) // 1000 + _FORGOTTEN_S
                self._cabinet.put(self._of("mark"), mark, told, until)

    def led(self, mark: str) -> str | None:
        """Return the id that a mark led to last, also of what its poster was told of."""
        found = self._cabinet.get(self._of("mark"), mark)
        return None if found is None else _decoded(found, _Mark).id

    # -- attachments --------------------------------------------------------------------------

    def attach(self, identity: str) -> None:
        """Note that files are about to be sealed: else nobody would clear them away."""
        self._cabinet.put(self._of("files"), identity, identity.encode())

    def attached(self, identity: str, place: int) -> Path:
        """Return where a sealed attachment lies, or shall lie; its name tells nothing of it."""
        named = self._cabinet.seal.name("attached", f"{identity}.{place}")
        return self._cabinet.folder / f"{b64(named)}.attached"

    def clear(self, now_ms: int) -> None:
        """Clear away sealed files that nothing waits for, as a command that died left them."""
        values, named = losses.put_aside(self._cabinet, self._of("files"), self.ids)
        for identity in named:
            self.attach(identity)
        for identity in [*(value.decode() for value in values), *named]:
            if self._cabinet.has("held.sealed", identity):
                continue
            is_kept = self._cabinet.has(self._of("sealed"), identity)
            is_old = now_ms - made_ms(identity) > _SEALING_MS
            if not self._cabinet.has(self._of("waits"), identity) and (is_kept or is_old):
                self._let_go(identity)

    def _let_go(self, identity: str) -> None:
        if not self._cabinet.has(self._of("files"), identity):
            return
        for place in range(headers.MAX_ATTACHMENTS):
            self.attached(identity, place).unlink(missing_ok=True)
        self._cabinet.drop(self._of("files"), identity)

    # -- drawers ------------------------------------------------------------------------------

    def _of(self, what: str) -> str:
        return f"{self._box}.{what}"

    def _drop(self, identity: str) -> None:
        for what in ("sealed", "waits", "anew"):
            self._cabinet.drop(self._of(what), identity)

    def _wait(self, waiting: Waiting) -> None:
        self._cabinet.put(self._of("waits"), waiting.id, msgspec.json.encode(waiting))

    def _retain_until(self, identity: str) -> int:
        """Return until when a bulletin is retained, and so what grants it; 0 of all else.

        So too of what is damaged.
        """
        try:
            envelope = self.envelope(identity)
            if envelope is None:
                return 0
            signed = jws.read(envelope.header, headers.MAX_HEADER_BYTES)
            if signed.typ == objects.GRANT_TYP:
                # With it goes its wrapped key, which opens that bulletin.
                return self._retain_until(objects.decode_grant(signed.payload).of.id)
            if signed.typ != headers.TYP:
                return 0
            return headers.decode(signed.payload).retain_until
        except ExchangeError:
            return 0


def _has_body(envelope: Envelope) -> bool:
    """Tell whether what was posted came with a body: a bulletin, a grant or a draft does."""
    return jws.read(envelope.header, headers.MAX_HEADER_BYTES).typ in _WITH_BODY


def _decoded(value: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Fault(Code.MAIL_DAMAGED, name=FILE, found=kind.__name__.lower()) from error
