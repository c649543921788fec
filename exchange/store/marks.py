"""Marks of what was purged: an empty file for each, named by its digest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from exchange.store.pledge import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PURGED: Final = "purged"
_DIGEST: Final = re.compile("[A-Za-z0-9_-]{43}")


def mark(folder: Path, digests: Iterable[str]) -> None:
    """Mark in a folder, made where it is not there, what is not marked in it; then durable.

    Raises:
        OSError: it cannot be written.
    """
    wanted = set(digests)
    if not wanted:
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    for digest in wanted - set(digests_in(folder)):
        (folder / digest).touch(mode=0o600)
    sync_folder(folder)
    sync_folder(folder.parent)


def digests_in(folder: Path) -> list[str]:
    """Return the names that are digests, in order: what else lies there is somebody else's.

    Raises:
        OSError: it cannot be read; none are where there is no folder.
    """
    try:
        return sorted(path.name for path in folder.iterdir() if _DIGEST.fullmatch(path.name))
    except FileNotFoundError:
        return []
