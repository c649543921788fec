"""Take over what an older version kept as plain files: once, and whatever it is killed at.

First all of it goes into the cabinet in one change; then files are renamed or deleted. Begun
again after a kill it finds what is left and does the same: a row that is there stays.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.client.files import sync_folder
from exchange.client.kept import KeptKeys
from exchange.client.outbox import Outbox
from exchange.errors import Code, Fault
from exchange.model import header as headers
from exchange.model.objects import Receipt
from exchange.seal.close import Envelope

if TYPE_CHECKING:
    from pathlib import Path

    from exchange.client.cabinet import Cabinet

# No header says a later time than 2^53 - 1, which has as many digits.
_SECONDS: Final = re.compile("[0-9]{1,16}")


def take_over(cabinet: Cabinet, folder: Path) -> None:
    """Take over the files of an older outbox, if there are any; those put back later as well.

    Args:
        cabinet: of the same endpoint; held by nobody else meanwhile.
        folder: with ``ID.sealed``, ``ID.receipt``, ``MARK.mark``, ``ID.PLACE.attached`` and
            ``ID.UNTIL.key``; acknowledgements in ``acks``.

    Raises:
        Fault: ``mail-failed``: it could not be read or written; what was there is still there.
    """
    if not folder.is_dir():
        return
    boxes = [(folder, Outbox(cabinet)), (folder / "acks", Outbox(cabinet).acks)]
    try:
        with cabinet.change():
            for place, box in boxes:
                _read(place, box)
            _read_keys(folder, KeptKeys(cabinet))
        _move_attached(folder, Outbox(cabinet))
        for place, _ in boxes:
            for name in ("*.sealed", "*.receipt", "*.mark", "*.key", "*.new"):
                for path in place.glob(name):
                    path.unlink()
        _remove_empty(folder / "acks")
        _remove_empty(folder)
    except OSError as error:
        found = type(error).__name__
        raise Fault(Code.MAIL_FAILED, name=str(folder), found=found) from error


def _read(folder: Path, box: Outbox) -> None:
    """Read the envelopes, their receipts, and the marks that lead to them."""
    for path in sorted(folder.glob("*.sealed")):
        if box.envelope(path.stem) is None:
            box.keep(path.stem, _envelope(path.read_bytes()))
    for path in sorted(folder.glob("*.receipt")):
        _settle(box, path)
    for path in folder.glob("*.mark"):
        # A damaged one leads nowhere: what it led to is kept, and waits.
        with suppress(UnicodeDecodeError):
            box.lead(path.stem, path.read_text("utf-8"))


def _envelope(framed: bytes) -> Envelope:
    """Return an envelope; a damaged one as it is, to be told of when it is asked for."""
    header, _, rest = framed.partition(b"\n")
    return Envelope(header, rest.removesuffix(b"\n"))


def _settle(box: Outbox, path: Path) -> None:
    try:
        box.settle(path.stem, msgspec.json.decode(path.read_bytes(), type=Receipt))
    except msgspec.MsgspecError:
        # The node has it, and gives it again: whatever waits for one asks.
        return


def _read_keys(folder: Path, kept: KeptKeys) -> None:
    for path in folder.glob("*.key"):
        identity, _, until = path.stem.partition(".")
        # Without a time that a header can say, it is nobody's key.
        if _SECONDS.fullmatch(until) and not kept.has(identity):
            kept.put(identity, int(until), path.read_bytes())


def _move_attached(folder: Path, box: Outbox) -> None:
    """Give sealed attachments of what waits the names that they have now; delete the others."""
    for path in sorted(folder.glob("*.attached")):
        identity, _, place = path.stem.partition(".")
        is_ours = place.isdecimal() and int(place) < headers.MAX_ATTACHMENTS
        if is_ours and box.waits(identity) is not None:
            box.attach(identity)
            path.replace(box.attached(identity, int(place)))
        else:
            path.unlink()


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        sync_folder(folder.parent)
