"""Heads of our endpoints at other nodes, in files: one for a node, and one that only grows.

The second kind is of one endpoint at one node: a line for each place that is not in its inbox
here, some 200 bytes, 600 for an order to purge.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import msgspec

from exchange.client.files import sync_folder, write_durably
from exchange.errors import Code, Fault
from exchange.node.crossed import HomeHead, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

T = TypeVar("T")


class HomeHeadFiles:
    """Meets ``node.crossed.HomeHeads``."""

    def __init__(self, folder: Path) -> None:
        """Use files of this folder, which is made."""
        self._folder = folder

    def newest(self, node: str) -> HomeHead | None:
        """Return what was kept last of a node; None before anything was."""
        raw = _tried(self._head(node), self._head(node).read_bytes)
        if raw is None:
            return None
        try:
            return msgspec.json.decode(raw, type=HomeHead)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            kind = type(error).__name__
            raise Fault(Code.FILE, name=str(self._head(node)), found=kind) from error

    def keep(self, node: str, head: HomeHead) -> None:
        """Keep it in place of the one before, durably."""
        path = self._head(node)

        def write() -> None:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_durably(path, msgspec.json.encode(head))

        _tried(path, write)

    def places(self, node: str, endpoint: str) -> list[Place]:
        """Return what is not here of an endpoint's inbox there, in order; each place once."""
        path = self._places(node, endpoint)
        found: dict[int, Place] = {}
        for line in (_tried(path, path.read_bytes) or b"").split(b"\n"):
            # The last one may have been cut; it was told again, and is added again.
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                place = msgspec.json.decode(line, type=Place)
                found[place.position] = place
        return [found[position] for position in sorted(found)]

    def add(self, node: str, endpoint: str, places: Sequence[Place]) -> None:
        """Add such places, durably; again is harmless."""
        path = self._places(node, endpoint)
        # Each begins a line: what was cut before stays one of its own.
        lines = b"".join(b"\n" + msgspec.json.encode(place) for place in places)

        def write() -> None:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            is_new = not path.exists()
            with os.fdopen(
                os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            ) as file:
                os.write(file.fileno(), lines)
                os.fsync(file.fileno())
            if is_new:
                sync_folder(self._folder)

        _tried(path, write)

    def _head(self, node: str) -> Path:
        return self._folder / f"{node}.heads"

    def _places(self, node: str, endpoint: str) -> Path:
        return self._folder / f"{node}-{endpoint.replace('/', '~')}.places"


def _tried(path: Path, act: Callable[[], T]) -> T | None:
    try:
        return act()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Fault(Code.FILE, name=str(path), found=type(error).__name__) from error
