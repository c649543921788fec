"""Check digits and calendars: whether an identifier is well-formed. That makes none true."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from stdnum import bic, bitcoin, iban, imei, imo, iso6346, lei
from stdnum.us import rtn

if TYPE_CHECKING:
    from collections.abc import Callable

# ISO 3779: what each letter counts in a VIN; I, O and Q are not used.
_VIN_VALUES = {
    **{digit: int(digit) for digit in "0123456789"},
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
# World manufacturer identifiers that begin so are North America's: there the digit binds.
_NORTH_AMERICA = frozenset("12345")
_ETHEREUM_LENGTH = 42


def vin(number: str) -> bool:
    """Tell whether a vehicle's number is well-formed; elsewhere its ninth place is free."""
    if any(each not in _VIN_VALUES for each in number):
        return False
    if number[0] not in _NORTH_AMERICA:
        return True
    total = sum(_VIN_VALUES[each] * by for each, by in zip(number, _VIN_WEIGHTS, strict=True))
    return number[8] == "0123456789X"[total % 11]


def mrz(text: str) -> str:
    """Return the check digit of ICAO 9303 for a part of a machine-readable zone."""
    values = (0 if each in "<-" else int(each, 36) for each in text)
    return str(sum(value * (7, 3, 1)[n % 3] for n, value in enumerate(values)) % 10)


def calendar(text: str) -> bool:
    """Tell whether a year, a month or a day exists; its pattern was checked before."""
    parts = [int(part) for part in text.split("-")]
    try:
        date(*[*parts, 1, 1][:3])
    except ValueError:
        return False
    return True


def ledger_address(chain: str, address: str) -> bool:
    """Tell whether an address is well-formed; where we know no check of its ledger, it is."""
    if chain == "bitcoin":
        return bool(bitcoin.is_valid(address))
    if chain == "ethereum":
        digits = address[2:].lower()
        return (
            len(address) == _ETHEREUM_LENGTH
            and address.startswith("0x")
            and all(each in "0123456789abcdef" for each in digits)
        )
    return True


# By the ``form`` of a scalar in ``words``.
FORMS: dict[str, Callable[[str], bool]] = {
    "aba": rtn.is_valid,
    "bic": bic.is_valid,
    "container": iso6346.is_valid,
    "date": calendar,
    "iban": iban.is_valid,
    "imei": imei.is_valid,
    "imo": imo.is_valid,
    "lei": lei.is_valid,
    "vin": vin,
}
