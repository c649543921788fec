"""Published vectors, as the package ``cryptography-vectors`` carries them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cryptography_vectors

_FOLDER = Path(cryptography_vectors.__file__).parent


def hpke(name: str) -> list[dict[str, Any]]:
    """The base-mode rows of a file of HPKE vectors, in which something is encrypted."""
    rows = json.loads((_FOLDER / "HPKE" / name).read_text("utf-8"))
    return [row for row in rows if row["mode"] == 0 and row["encryptions"]]


def answers(name: str, most: int) -> list[dict[str, bytes]]:
    """The first rows of a file of known answers: NAME = HEX, and a count before each row."""
    with (_FOLDER / "asymmetric" / name).open(encoding="utf-8") as lines:
        return list(islice(_rows(lines), most))


def _rows(lines: Iterator[str]) -> Iterator[dict[str, bytes]]:
    row: dict[str, bytes] = {}
    for line in lines:
        name, _, value = line.strip().partition(" = ")
        if name == "count" and row:
            yield row
            row = {}
        elif name not in ("", "count", "mlen", "smlen"):
            row[name] = bytes.fromhex(value)
    yield row
