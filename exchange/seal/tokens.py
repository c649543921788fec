"""Subjects of a deconfliction as tokens: HMAC-SHA-256 under the window's key.

Whoever holds the key can try every IMO number there is: tokens hide subjects from nodes and
outsiders, and from participants only what they could not guess (docs/threats.md).
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from hashlib import sha256
from typing import Literal, get_args

from exchange.errors import Code, Refusal
from exchange.model.codec import b64, unb64

Kind = Literal[
    "imo",
    "mmsi",
    "vessel",
    "person",
    "document",
    "vin",
    "plate",
    "phone",
    "imei",
    "account",
    "address",
    "operation",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
KEY_BYTES = 32
_MAX_SUBJECT = 200
_LABEL = b"xb1-dcf"
_APART = re.compile(r"[^A-Z0-9]+")


def normalised(value: str) -> str:
    """Return the one spelling under which a subject is compared.

    Without accents, in capital letters, with single spaces in place of everything else: so a
    name is the same however each side writes it. Numbers lose their separators wholly.

    Raises:
        Refusal: ``wrong-value``: nothing is left of it, or it is too long.
    """
    plain = unicodedata.normalize("NFKD", value).upper()
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    words = _APART.sub(" ", plain).strip()
    if not words or len(value) > _MAX_SUBJECT:
        raise Refusal(Code.WRONG_VALUE, "", expected="subject")
    return words.replace(" ", "") if any(each.isdigit() for each in words) else words


def token(key: str, kind: Kind, value: str) -> str:
    """Return the token of one subject.

    Args:
        key: the window's, base64url of 32 bytes.
        kind: what the value is: the same number of another kind is another subject.
        value: as a person writes it; ``normalised`` makes it comparable.

    Raises:
        Refusal: ``wrong-value``: no such key, kind or subject.
    """
    secret = unb64(key, "/window_key")
    if len(secret) != KEY_BYTES:
        raise Refusal(Code.WRONG_VALUE, "/window_key", expected="secret")
    if kind not in KINDS:
        raise Refusal(Code.WRONG_VALUE, "", expected="subject")
    text = b"\n".join((_LABEL, kind.encode(), normalised(value).encode()))
    return b64(hmac.digest(secret, text, sha256))


def tokens(key: str, subjects: list[tuple[Kind, str]]) -> dict[str, tuple[Kind, str]]:
    """Return each subject by its token, in the order in which a bulletin lists them."""
    found = {token(key, kind, value): (kind, value) for kind, value in subjects}
    return dict(sorted(found.items()))
