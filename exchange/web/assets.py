"""Stylesheets and scripts, read once and served under their digest."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from exchange.errors import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TYPES: Final = {
    ".css": "text/css",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
}
_SHOWN: Final = 16


class Asset(NamedTuple):
    """One file: its bytes and its type."""

    content: bytes
    type: str


class Assets:
    """All files of an application's pages, by name."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Read every file of these folders.

        Raises:
            ValueError: two have one name, or one is of a type that no page needs.
        """
        self._files: dict[str, Asset] = {}
        for path in sorted(path for folder in folders for path in folder.iterdir()):
            if path.name in self._files or path.suffix not in _TYPES:
                message = f"{path.name}: twice, or of no type that pages need"
                raise ValueError(message)
            self._files[path.name] = Asset(path.read_bytes(), _TYPES[path.suffix])
        whole = sha256()
        for name, asset in sorted(self._files.items()):
            whole.update(name.encode() + b"\0" + sha256(asset.content).digest())
        # Changed files have another address: a browser may keep them, and never uses old ones.
        self.version = whole.hexdigest()[:_SHOWN]

    @property
    def path(self) -> str:
        """Return the address that all of them are below."""
        return f"/assets/{self.version}"

    def get(self, version: str, name: str) -> Asset:
        """Return one.

        Raises:
            Refusal: ``not-found``.
        """
        if version != self.version or name not in self._files:
            raise Refusal(Code.NOT_FOUND)
        return self._files[name]
