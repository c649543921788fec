"""Content keys of what this endpoint posted, kept so that it can be granted to others later.

Each is wrapped to the endpoint's own encryption key, as to any recipient, and lies in the
endpoint's cabinet: once that key is destroyed, the storage key alone opens none of them. One
row a bulletin, destroyed at the bulletin's ``retain_until``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from exchange.client import losses
from exchange.client.bearing import reference_of
from exchange.client.cabinet import FILE
from exchange.client.outbox import Outbox
from exchange.errors import Code, Fault, Refusal
from exchange.model import header as headers
from exchange.seal import body, close, jws
from exchange.seal.open import content_key, open_body
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exchange.client.cabinet import Cabinet
    from exchange.model.header import Header
    from exchange.model.identity import Jwk
    from exchange.model.view import Standing
    from exchange.seal.close import Closed, Envelope
    from exchange.seal.open import Opened, Opener, Unwrapper

_DRAWER = "content-key"


class _Row(msgspec.Struct, frozen=True):
    id: str
    wrapped: bytes


class KeptKeys:
    """Wrapped content keys, in an endpoint's cabinet."""

    def __init__(self, cabinet: Cabinet) -> None:
        """Use its drawer."""
        self._cabinet = cabinet

    def keep(
        self, closed: Closed, openers: Sequence[Opener], standing: Standing | None
    ) -> None:
        """Keep a content key, wrapped to the newest of our own keys of its suite.

        Without such a key nothing is kept, and nothing can be granted later.

        Args:
            closed: as it was sealed, with its content key.
            openers: our keys.
            standing: what the directory says of us; None where it was not fetched.

        Raises:
            Fault: it cannot be written.
        """
        known, header = standing.keys if standing else {}, closed.header

        def since(jwk: Jwk) -> int:
            found = known.get(jwk.kid)
            return found.since if found else -1

        fit = [each.key for each in openers if each.key.alg == SUITES[header.suite].wrap]
        if fit:
            wrapped = msgspec.json.encode(close.wrap(closed.key, header, max(fit, key=since)))
            self.put(header.id, header.retain_until, wrapped)

    def put(self, identity: str, until: int, wrapped: bytes) -> None:
        """Keep a wrapped content key until its time, in the place of one before it."""
        row = msgspec.json.encode(_Row(identity, wrapped))
        self._cabinet.put(_DRAWER, identity, row, until)

    def has(self, identity: str) -> bool:
        """Tell whether the key of a bulletin is kept."""
        return self._cabinet.has(_DRAWER, identity)

    def key(self, header: Header, openers: Sequence[Unwrapper], now: int) -> bytes:
        """Return the content key of a bulletin that we posted.

        Raises:
            Refusal: ``content-key-gone``: never kept here, or destroyed since; or
                ``key-destroyed``: our key that it is wrapped to was.
            Fault: ``key-file``: what was kept is damaged, or none of our keys opens it.
        """
        self.destroy_overdue(now)
        info = body.wrap_info(body.context(header), header.suite)
        try:
            return content_key([self._wrap(header)], info, openers)
        except Refusal as refusal:
            if refusal.code in (Code.KEY_DESTROYED, Code.CONTENT_KEY_GONE):
                raise
            raise Fault(Code.KEY_FILE, name=header.id) from refusal

    def text(
        self, sealed: Envelope, header: Header, openers: Sequence[Unwrapper], now: int
    ) -> bytes:
        """Return the text of a bulletin that we posted; see ``opened``."""
        return self.opened(sealed, header, openers, now).text

    def opened(
        self, sealed: Envelope, header: Header, openers: Sequence[Unwrapper], now: int
    ) -> Opened:
        """Return what was sealed of a bulletin that we posted.

        Args:
            sealed: as it was posted.
            header: its own, decoded.
            openers: our keys, present and past.
            now: seconds UTC: what is overdue is destroyed first.

        Raises:
            Refusal: its key or its body is gone, or what was kept does not open it.
            Fault: ``mail-damaged``.
        """
        self.destroy_overdue(now)
        return open_body(header, sealed.body, openers, self._wrap(header))

    def _wrap(self, header: Header) -> body.Wrap:
        found = self._cabinet.get(_DRAWER, header.id)
        if found is None:
            raise Refusal(Code.CONTENT_KEY_GONE, "", id=header.id)
        return body.parse_wrap(_row(found).wrapped, header.suite)

    def wrapped(self) -> Iterator[tuple[str, int, str]]:
        """Yield each bulletin's id, until when its key is kept, and the key that opens it.

        What is damaged opens with none, and is passed over.
        """
        for until, value in self._cabinet.rows(_DRAWER):
            row = _row(value)
            try:
                wrap = msgspec.json.decode(row.wrapped, type=body.Wrap)
            except msgspec.MsgspecError:
                continue
            yield row.id, until, wrap.header.kid

    def destroy(self, identity: str) -> None:
        """Destroy the key of one bulletin."""
        if self.drop(identity):
            self._cabinet.sweep()

    def drop(self, identity: str) -> bool:
        """Delete the key of one bulletin, if it is here; the log is to be swept then."""
        is_here = self.has(identity)
        if is_here:
            self._cabinet.drop(_DRAWER, identity)
        # Of a text that is destroyed, its digest would tell whoever guesses it.
        Outbox(self._cabinet).unreview(identity)
        return is_here

    def destroy_cancelled(self, posted: bytes, outbox: Outbox) -> None:
        """Destroy the key of what a bulletin of ours cancels: nothing of it is granted.

        Args:
            posted: what the node has taken in, with proof.
            outbox: what we posted. A bulletin that is not the very one named, or not of its
                member, keeps its key.
        """
        signed = jws.read(posted, headers.MAX_HEADER_BYTES)
        if signed.typ != headers.TYP:
            return
        header = headers.decode(signed.payload)
        # By its verb, as the node does: what else it refers to, it does nothing to.
        reference = reference_of(header)
        if reference is None or reference.rel != "cancels":
            return
        # Damaged, it cannot be granted either; and the cancellation keeps its receipt.
        with suppress(Fault, Refusal):
            if (target := outbox.envelope(reference.id)) is None:
                return
            named = jws.read(target.header, headers.MAX_HEADER_BYTES)
            before = headers.decode(named.payload)
            if (named.digest, before.origin) == (reference.header_digest, header.origin):
                self.destroy(reference.id)

    def destroy_overdue(self, now: int) -> list[str]:
        """Destroy every key whose time to retain is over; return the ids of their bulletins.

        A damaged one is destroyed as well, and told of.
        """
        ids = Outbox(self._cabinet).ids
        overdue, named = losses.take_overdue(self._cabinet, _DRAWER, now, ids)
        if overdue or named:
            self._cabinet.sweep()
        return sorted([*(_row(value).id for value in overdue), *named])


def _row(value: bytes) -> _Row:
    try:
        return msgspec.json.decode(value, type=_Row)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Fault(Code.MAIL_DAMAGED, name=FILE, found=_DRAWER) from error
