"""What this endpoint posts, on disk before it is sent: sealed bytes, and then the receipt.

Two small files a bulletin, ``ID.sealed`` and ``ID.receipt``; and until there is a receipt, one
for each attachment, ``ID.PLACE.attached``. One that has no receipt yet may or may not be
recorded: it is asked for and posted again as it is, never sealed anew. Who was cut off and
begins again must come upon it: another file, ``MARK.mark``, leads to its id from what was to be
posted, and is written before ``ID.sealed``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client.files import write_durably
from exchange.errors import Code, Fault
from exchange.model.objects import Receipt
from exchange.seal.close import Envelope

if TYPE_CHECKING:
    from pathlib import Path


class Outbox:
    """A folder of sealed envelopes and their receipts."""

    def __init__(self, folder: Path) -> None:
        """Use this folder; it is made when the first envelope is kept."""
        self._folder = folder

    @property
    def acks(self) -> Outbox:
        """The acknowledgements that this endpoint posts, kept likewise: they have no body."""
        return Outbox(self._folder / "acks")

    def keep(self, identity: str, envelope: Envelope, mark: str = "") -> None:
        """Write an envelope durably, before it is posted.

        Args:
            identity: its id.
            envelope: sealed and signed.
            mark: a digest of what was to be posted; ``marked`` finds it again.
        """
        if mark:
            # First: of what is sealed and cannot be found again, a second one would be made.
            self._write(f"{mark}.mark", identity.encode())
        self._write(f"{identity}.sealed", envelope.framed())

    def marked(self, mark: str) -> str | None:
        """Return the id of what was kept under a mark, if anything was."""
        path = self._folder / f"{mark}.mark"
        identity = path.read_text("utf-8") if path.exists() else ""
        # One that leads to nothing is of what was never sent, or was refused.
        return identity if (self._folder / f"{identity}.sealed").exists() else None

    def forget(self, mark: str) -> None:
        """Forget a mark, once its poster has been told: posting the same is new again."""
        (self._folder / f"{mark}.mark").unlink(missing_ok=True)

    def settle(self, identity: str, receipt: Receipt) -> None:
        """Keep the receipt: this one is recorded."""
        self._write(f"{identity}.receipt", msgspec.json.encode(receipt))
        self._let_go(identity)

    def discard(self, identity: str) -> None:
        """Forget an envelope that was refused: as it is, it will never be recorded."""
        (self._folder / f"{identity}.sealed").unlink(missing_ok=True)
        self._let_go(identity)

    def attached(self, identity: str, place: int) -> Path:
        """Return where a sealed attachment lies, or shall lie."""
        self._made()
        return self._folder / f"{identity}.{place}.attached"

    def _let_go(self, identity: str) -> None:
        for path in self._folder.glob(f"{identity}.*.attached"):
            path.unlink(missing_ok=True)

    def _made(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Fault(Code.STORE_FAILED, found=type(error).__name__) from error

    def waiting(self) -> list[str]:
        """Return the ids that have no receipt yet, oldest first."""
        return [
            path.stem
            for path in sorted(self._folder.glob("*.sealed"))
            if not path.with_suffix(".receipt").exists()
        ]

    def sent(self) -> list[str]:
        """Return the ids that have a receipt, oldest first."""
        return [path.stem for path in sorted(self._folder.glob("*.receipt"))]

    def envelope(self, identity: str) -> Envelope | None:
        """Return an envelope as it was posted, if it is here.

        Raises:
            Fault: ``store-failed``: the file is damaged.
        """
        path = self._folder / f"{identity}.sealed"
        if not path.exists():
            return None
        parts = path.read_bytes().split(b"\n")
        if len(parts) != 3:
            raise Fault(Code.STORE_FAILED, name=path.name)
        return Envelope(parts[0], parts[1])

    def receipt(self, identity: str) -> Receipt | None:
        """Return a receipt, if it is here."""
        path = self._folder / f"{identity}.receipt"
        if not path.exists():
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=Receipt)
        except msgspec.MsgspecError as error:
            raise Fault(Code.FILE, name=path.name, found="damaged") from error

    def _write(self, name: str, data: bytes) -> None:
        self._made()
        try:
            write_durably(self._folder / name, data)
        except OSError as error:
            raise Fault(Code.STORE_FAILED, name=name, found=type(error).__name__) from error
