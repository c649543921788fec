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
    "chassis",
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
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_CASELESS = re.compile(r"0x[0-9a-fA-F]{40}\Z|(bc|BC|ltc|LTC)1[0-9a-zA-Z]{11,87}\Z")
# As in bulletins, where the same numbers stand.
_FORMS: dict[Kind, re.Pattern[str]] = {
    "imo": re.compile(r"[0-9]{7}"),
    "mmsi": re.compile(r"[2-7][0-9]{8}"),
    "vin": re.compile(r"[A-HJ-NPR-Z0-9]{17}"),
    "phone": re.compile(r"[1-9][0-9]{6,14}"),
    "imei": re.compile(r"[0-9]{15}"),
    "address": re.compile(r"(?!0[xX])[A-Za-z0-9]{20,110}|0x[0-9a-f]{40}"),
}
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
_PREFIXES: dict[Kind, str] = {
    "imo": "IMO",
    "mmsi": "MMSI",
    "vin": "VIN",
    "imei": "IMEI",
    "account": "IBAN",
}


def normalised(kind: Kind, value: str) -> str:
    """Return the one spelling under which a subject of a kind is compared.

    Without accents, in capital letters, without what separates; a person's names in the order
    of the alphabet, since each side puts another first. Whatever has a form of its own is held
    to it: a slip of the pen would never be found, and be answered as "clear".

    Raises:
        Refusal: ``wrong-value``: nothing is left of it, too long, or not well-formed; or it has
            letters of another script than ours, which would be left out of it.
    """
    told = _address(value) if kind == "address" else _folded(kind, value)
    if not told or len(value) > _MAX_SUBJECT or not _is_whole(kind, told, value):
        raise Refusal(Code.WRONG_VALUE, "", expected="subject")
    return told


def _folded(kind: Kind, value: str) -> str:
    plain = unicodedata.normalize("NFKD", value.translate(_LETTERS)).upper()
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    if any(each.isalnum() and not each.isascii() for each in plain):
        return ""
    words = [word for word in _APART.split(plain) if word]
    if kind == "person":
        return " ".join(sorted(words))
    told = "".join(words)
    rest = told.removeprefix(_PREFIXES.get(kind, ""))
    # A number that happens to begin so is whole with it.
    is_labelled = _IBAN.fullmatch(rest) if kind == "account" else not _is_whole(kind, told, "")
    return rest if is_labelled else told


def _address(value: str) -> str:
    """Return an address on a ledger: the one kind in which capital letters are other letters.

    But where its form says that they are not: after ``0x``, and in Bech32.
    """
    told = "".join(value.split())
    scheme, colon, rest = told.partition(":")
    told = rest if colon and scheme.isalpha() else told
    return told.lower() if _CASELESS.match(told) else told


def _is_whole(kind: Kind, told: str, value: str) -> bool:
    if kind == "phone":
        return value.strip().startswith("+") and bool(_FORMS[kind].fullmatch(told))
    if kind == "account" and _IBAN.fullmatch(told):
        return CHECKED["iban"](told)
    fits = kind not in _FORMS or bool(_FORMS[kind].fullmatch(told))
    return fits and (kind not in _CHECKED or CHECKED[kind](told))


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
