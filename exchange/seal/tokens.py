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
from exchange.model.bulletin.checkdigits import FORMS as CHECKED
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
_CHECKED = ("imo", "vin", "imei")
_APART = re.compile(r"[^A-Z0-9]+")
_PHONE = re.compile(r"[1-9][0-9]{6,14}")
# What no accent can be taken from, and an apostrophe inside a name.
_LETTERS = str.maketrans(
    {
        **dict(zip("øØłŁđĐðÐıİ", "oOlLdDdDiI", strict=True)),
        "ß": "ss",
        "æ": "ae",
        "Æ": "AE",
        "œ": "oe",
        "Œ": "OE",
        "þ": "th",
        "Þ": "TH",
        **dict.fromkeys("'\u2019\u2018`\u00b4", ""),
    }
)
# Written before a number, and no part of it.
_PREFIXES: dict[Kind, str] = {"imo": "IMO", "mmsi": "MMSI", "vin": "VIN", "imei": "IMEI"}


def normalised(kind: Kind, value: str) -> str:
    """Return the one spelling under which a subject of a kind is compared.

    Without accents, in capital letters, without what separates; a person's names in the order
    of the alphabet, since each side puts another first. Numbers with a check digit are held to
    it, and a telephone to its country's code: a slip of the pen would never be found.

    Raises:
        Refusal: ``wrong-value``: nothing is left of it, too long, or not well-formed.
    """
    plain = unicodedata.normalize("NFKD", value.translate(_LETTERS)).upper()
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    words = [word for word in _APART.split(plain) if word]
    if kind == "address":
        # The one kind in which capital letters are other letters.
        words = value.split()
    elif kind == "person":
        words = [" ".join(sorted(words))]
    elif kind in _PREFIXES and words and words[0] == _PREFIXES[kind]:
        words = words[1:]
    told = "".join(words)
    if kind == "phone":
        is_whole = value.strip().startswith("+") and bool(_PHONE.fullmatch(told))
    else:
        is_whole = kind not in _CHECKED or CHECKED[kind](told)
    if not told or len(value) > _MAX_SUBJECT or not is_whole:
        raise Refusal(Code.WRONG_VALUE, "", expected="subject")
    return told


def key_check(key: str) -> str:
    """Return what tells two windows' keys apart, and nothing of either.

    Raises:
        Refusal: ``wrong-value``: no such key.
    """
    return b64(hmac.digest(_secret(key), _LABEL + b"\nkey\n", sha256))


def _secret(key: str) -> bytes:
    secret = unb64(key, "/window_key")
    if len(secret) != KEY_BYTES:
        raise Refusal(Code.WRONG_VALUE, "/window_key", expected="secret")
    return secret


def token(key: str, kind: Kind, value: str) -> str:
    """Return the token of one subject.

    Args:
        key: the window's, base64url of 32 bytes.
        kind: what the value is: the same number of another kind is another subject.
        value: as a person writes it; ``normalised`` makes it comparable.

    Raises:
        Refusal: ``wrong-value``: no such key, kind or subject.
    """
    secret = _secret(key)
    if kind not in KINDS:
        raise Refusal(Code.WRONG_VALUE, "", expected="subject")
    text = b"\n".join((_LABEL, kind.encode(), normalised(kind, value).encode()))
    return b64(hmac.digest(secret, text, sha256))


def tokens(key: str, subjects: list[tuple[Kind, str]]) -> dict[str, tuple[Kind, str]]:
    """Return each subject by its token, in the order in which a bulletin lists them."""
    found = {token(key, kind, value): (kind, value) for kind, value in subjects}
    return dict(sorted(found.items()))
