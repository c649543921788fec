"""A file name that came from elsewhere, made one that cannot do any harm where it is saved."""

from __future__ import annotations

import re
import unicodedata

MAX_BYTES = 120
_NAMELESS = "attachment"
# Separators of paths, drives and streams, and what shells and other systems take for orders.
_ORDERS = re.compile(r'[/\\:*?"<>|]')
# Names that are devices on Windows, whatever follows their first dot.
_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE
)


def safe_name(told: str) -> str:
    """Return a name for a file that its sender called ``told``.

    No separators, controls, or marks that turn text around; no leading dot or dash, no trailing
    dot or blank, no device; at most 120 bytes of UTF-8, of which the ending stays.
    """
    text = unicodedata.normalize("NFC", told)
    # Categories C*: control, format (bidirectional marks, zero width), private, unassigned.
    kept = (c for c in text if unicodedata.category(c)[0] != "C")
    text = "".join(" " if unicodedata.category(c)[0] == "Z" else c for c in kept)
    text = _ORDERS.sub("_", text).lstrip(" .-~").rstrip(" .")
    text = _bounded(text)
    if _DEVICES.fullmatch(text.partition(".")[0].rstrip()):
        text = f"_{text}"
    return text or _NAMELESS


def _bounded(text: str) -> str:
    stem, dot, ending = text.rpartition(".")
    if not stem or len(ending.encode()) > 16:
        stem, dot, ending = text, "", ""
    room = MAX_BYTES - len(f"{dot}{ending}".encode())
    short = stem.encode()[:room].decode(errors="ignore").rstrip(" .")
    return f"{short}{dot}{ending}"
