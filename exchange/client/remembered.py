"""One small file that remembers one thing: read whole, replaced whole, never begun anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from exchange.client.files import write_durably
from exchange.errors import Code, Fault

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T", bound=msgspec.Struct)


class Remembered(Generic[T]):
    """What is remembered from one command to the next, open to whoever has no passphrase."""

    def __init__(self, path: Path, kind: type[T], damaged: Code) -> None:
        """Use this file; it is made when there is something to remember.

        Args:
            path: the file; its folder must be there.
            kind: what it holds.
            damaged: the fault that a damaged one is.
        """
        self._path = path
        self._kind = kind
        self._damaged = damaged

    def read(self) -> T | None:
        """Return what is remembered; None where nothing ever was.

        Raises:
            Fault: it is damaged; or ``file``: it cannot be read.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=self._kind)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            # Not begun anew: what it guards against would then go unnoticed.
            raise Fault(self._damaged, name=str(self._path)) from error
        except OSError as error:
            raise self._failed(error) from error

    def keep(self, value: T) -> None:
        """Remember this instead, durably.

        Raises:
            Fault: ``file``: it cannot be written.
        """
        try:
            write_durably(self._path, msgspec.json.encode(value) + b"\n")
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> Fault:
        return Fault(Code.FILE, name=str(self._path), found=type(error).__name__)
