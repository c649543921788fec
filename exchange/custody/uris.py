"""Where a signing key lies, as a URI: ``file:keys.xk``, or ``pkcs11:...`` (RFC 7512)."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from exchange.errors import Code, Fault

# What RFC 7512 has beyond these would narrow a search that must find one key in any case; what
# it has for the PIN's own text (pin-value) would lie in a file.
_IN_PATH = frozenset({"token", "serial", "object", "id"})
_IN_QUERY = frozenset({"module-path", "pin-source"})
_ATTRIBUTE = re.compile(r"([a-z-]+)=((?:[A-Za-z0-9._~:\[\]@!$'()*+,=/?&-]|%[0-9A-Fa-f]{2})+)")


class FilePlace(NamedTuple):
    """A key container: its path, relative to the context's own folder."""

    path: str


class TokenPlace(NamedTuple):
    """A key in a token: which library reaches it, which token it is, and the key in it."""

    module: str
    token: str | None
    serial: str | None
    object: str | None
    id: bytes | None
    pin_source: str | None


def parse(uri: str) -> FilePlace | TokenPlace:
    """Read a key's URI.

    Raises:
        Fault: ``key-file`` (``key-uri``): neither of the two forms, an attribute unknown or
            twice, or one missing without which no single key is meant.
    """
    scheme, _, rest = uri.partition(":")
    if scheme == "file" and rest and "\0" not in rest:
        return FilePlace(rest.removeprefix("//"))
    if scheme != "pkcs11":
        raise _unfit()
    path, _, query = rest.partition("?")
    found = _attributes(path.split(";"), _IN_PATH)
    asked = _attributes(query.split("&"), _IN_QUERY)
    module = _text(asked, "module-path") or ""
    # A library is code: from where it stands on this machine, never by a search.
    if not module.startswith("/") or not found.keys() & {"object", "id"}:
        raise _unfit()
    if not found.keys() & {"token", "serial"}:
        raise _unfit()
    source = _text(asked, "pin-source")
    if source is not None and not source.startswith(("file:/", "/")):
        raise _unfit()
    return TokenPlace(
        module=module,
        token=_text(found, "token"),
        serial=_text(found, "serial"),
        object=_text(found, "object"),
        id=found.get("id"),
        pin_source=source.removeprefix("file:").replace("///", "/", 1) if source else None,
    )


def _attributes(parts: list[str], known: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in parts:
        if not part:
            continue
        match = _ATTRIBUTE.fullmatch(part)
        if match is None or match.group(1) not in known or match.group(1) in found:
            raise _unfit()
        found[match.group(1)] = unquote_to_bytes(match.group(2))
    return found


def _text(found: dict[str, bytes], name: str) -> str | None:
    value = found.get(name)
    try:
        return value.decode() if value is not None else None
    except UnicodeDecodeError:
        raise _unfit() from None


def _unfit() -> Fault:
    # The text itself may hold what somebody took for the place of a PIN: it is not repeated.
    return Fault(Code.KEY_FILE, expected="key-uri")
