"""Write the catalogue that gettext reads: ``python -m tests.cli.catalog``.

Source: the GNU gettext manual, "The Format of GNU MO Files".
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from exchange.cli.speaking import DOMAIN, FOLDER

SOURCE = FOLDER / "es.json"
MADE = FOLDER / "es" / "LC_MESSAGES" / f"{DOMAIN}.mo"
HEADER = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"
MAGIC = 0x950412DE
START = 7 * 4


def words() -> dict[str, str]:
    """English to Spanish; plural forms are joined by a zero character."""
    found: dict[str, str] = json.loads(SOURCE.read_text("utf-8"))
    return found


def compiled() -> bytes:
    """The catalogue's bytes: sizes and places of the sorted originals, then of translations."""
    pairs = sorted((a.encode(), b.encode()) for a, b in {"": HEADER, **words()}.items())
    texts = [original for original, _ in pairs] + [said for _, said in pairs]
    head = struct.pack("<7I", MAGIC, 0, len(pairs), START, START + 8 * len(pairs), 0, 0)
    at, table = START + 16 * len(pairs), b""
    for text in texts:
        table += struct.pack("<2I", len(text), at)
        at += len(text) + 1
    return head + table + b"".join(text + b"\0" for text in texts)


if __name__ == "__main__":
    Path(MADE).parent.mkdir(parents=True, exist_ok=True)
    Path(MADE).write_bytes(compiled())
