"""The newest checkpoint that was verified, on disk, and what the inbox held under it.

A node cannot go back behind it later, nor go on from another past.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exchange.client.files import write_durably
from exchange.errors import Code, Fault
from exchange.model.identity import Count, Digest, Word

if TYPE_CHECKING:
    from pathlib import Path


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checkpoint of this node's journal, and the signed head of our own inbox under it."""

    anchor: Digest
    node: Word
    size: Count
    root: Digest
    count: Count
    chain: Digest


class SeenHead:
    """One small file with the newest of them."""

    def __init__(self, path: Path) -> None:
        """Use this file; it is made when the first checkpoint was verified."""
        self._path = path

    def read(self, anchor: str, node: str) -> Seen | None:
        """Return what was seen of this node under this anchor, if anything.

        Raises:
            Fault: ``head-memory``: it is damaged; ``file``: it cannot be read.
        """
        try:
            seen = msgspec.json.decode(self._path.read_bytes(), type=Seen)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            # Not begun anew: a node could then go back.
            raise Fault(Code.HEAD_MEMORY, name=str(self._path)) from error
        except OSError as error:
            raise self._failed(error) from error
        return seen if (seen.anchor, seen.node) == (anchor, node) else None

    def keep(self, seen: Seen) -> None:
        """Remember this one instead.

        Raises:
            Fault: ``file``: it cannot be written.
        """
        try:
            write_durably(self._path, msgspec.json.encode(seen) + b"\n")
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> Fault:
        return Fault(Code.FILE, name=str(self._path), found=type(error).__name__)
