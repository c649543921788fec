"""Content keys of what this endpoint posted, kept so that it can be granted to others later.

Each is wrapped to the endpoint's own encryption key, as to any recipient: at rest nothing lies
open, and who opens it needs the private key of the endpoint's key container. One small file a
bulletin, ``ID.UNTIL.key``, destroyed at the bulletin's ``retain_until``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from exchange.client.bearing import reference_of
from exchange.client.files import write_durably
from exchange.errors import Code, Fault, Refusal
from exchange.model import header as headers
from exchange.seal import body, close, jws
from exchange.seal.open import content_key
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from exchange.client.outbox import Outbox
    from exchange.model.header import Header
    from exchange.model.identity import Jwk
    from exchange.model.view import Standing
    from exchange.seal.close import Closed
    from exchange.seal.open import Opener, Unwrapper


class KeptKeys:
    """A folder of wrapped content keys."""

    def __init__(self, folder: Path) -> None:
        """Use this folder; it is made when the first key is kept."""
        self._folder = folder

    def keep(
        self, closed: Closed, openers: Sequence[Opener], standing: Standing | None
    ) -> None:
        """Write a content key durably, wrapped to the newest of our own keys of its suite.

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
            self._write(header, closed.key, max(fit, key=since))

    def _write(self, header: Header, key: bytes, ours: Jwk) -> None:
        name = f"{header.id}.{header.retain_until}.key"
        wrapped = msgspec.json.encode(close.wrap(key, header, ours))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_durably(self._folder / name, wrapped)
        except OSError as error:
            raise Fault(Code.STORE_FAILED, name=name, found=type(error).__name__) from error

    def key(self, header: Header, openers: Sequence[Unwrapper], now: int) -> bytes:
        """Return the content key of a bulletin that we posted.

        Raises:
            Refusal: ``content-key-gone``: never kept here, or destroyed since; or
                ``key-destroyed``: our key that it is wrapped to was.
            Fault: ``key-file``: what was kept is damaged, or none of our keys opens it.
        """
        self.destroy_overdue(now)
        info = body.wrap_info(body.context(header), header.suite)
        for path, _ in self._kept(header.id):
            try:
                wrap = body.parse_wrap(path.read_bytes(), header.suite)
                return content_key([wrap], info, openers)
            except (OSError, Refusal) as error:
                if isinstance(error, Refusal) and error.code is Code.KEY_DESTROYED:
                    raise
                raise Fault(Code.KEY_FILE, name=path.name) from error
        raise Refusal(Code.CONTENT_KEY_GONE, "", id=header.id)

    def wrapped(self) -> Iterator[tuple[str, int, str]]:
        """Yield each bulletin's id, until when its key is kept, and the key that opens it.

        What is damaged opens with none, and is passed over.
        """
        for path, until in self._kept("*"):
            try:
                wrap = msgspec.json.decode(path.read_bytes(), type=body.Wrap)
            except (OSError, msgspec.MsgspecError):
                continue
            yield path.name.partition(".")[0], until, wrap.header.kid

    def destroy(self, identity: str) -> None:
        """Destroy the key of one bulletin."""
        for path, _ in self._kept(identity):
            path.unlink(missing_ok=True)

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
        """Destroy every key whose time to retain is over; return the ids of their bulletins."""
        overdue = [path for path, until in self._kept("*") if until <= now]
        for path in overdue:
            path.unlink(missing_ok=True)
        return sorted(path.name.partition(".")[0] for path in overdue)

    def _kept(self, identity: str) -> Iterator[tuple[Path, int]]:
        for path in sorted(self._folder.glob(f"{identity}.*.key")):
            until = path.name.split(".")[1]
            if until.isdecimal():
                yield path, int(until)
