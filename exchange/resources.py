"""Find the documents of ``schemas/``, in a checkout or inside the installed package."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def schemas() -> Path:
    """Return the folder that holds ``v1/``.

    The wheel carries ``schemas/`` as ``exchange/schemas``; a checkout, beside ``exchange/``.

    Raises:
        FileNotFoundError: neither is there (a broken installation).
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "schemas", package.parent / "schemas"):
        if (folder / "v1").is_dir():
            return folder
    message = "schemas/v1 is missing: install exchange again, or run from a whole checkout"
    raise FileNotFoundError(message)


def read(name: str) -> bytes:
    """Return the bytes of one document, such as ``v1/codes/refusals.json``."""
    return (schemas() / name).read_bytes()
