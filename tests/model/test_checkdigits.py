"""Identifiers known to be good, and one character off: each by its own rule."""

from __future__ import annotations

import pytest

from exchange.model.bulletin import checkdigits

GOOD = {
    "imo": "9074729",
    "container": "CSQU3054383",
    "vin": "1M8GDM9AXKP042788",
    "imei": "490154203237518",
    "iban": "GB82WEST12345698765432",
    "lei": "5493001KJTIIGC8Y1R12",
    "aba": "021000021",
    "date": "2024-02-29",
}


@pytest.mark.parametrize(("form", "number"), GOOD.items())
def test_a_known_number_is_well_formed_and_with_another_last_digit_is_not(form, number):
    assert checkdigits.FORMS[form](number)
    others = [number[:-1] + digit for digit in "0123456789" if digit != number[-1]]
    if form == "date":
        others = ["2023-02-29", "2024-02-30", "2024-13", "2024-00", "2024-04-31"]
    assert not any(checkdigits.FORMS[form](other) for other in others)


@pytest.mark.parametrize(
    ("part", "digit"), [("L898902C3", "6"), ("740812", "2"), ("120415", "9"), ("<<<", "0")]
)
def test_check_digits_of_a_machine_readable_zone_are_those_of_icao(part, digit):
    assert checkdigits.mrz(part) == digit


def test_a_vin_is_held_to_its_digit_in_north_america_alone():
    # The same number with another ninth place, and the same made elsewhere.
    assert not checkdigits.vin("1M8GDM9A1KP042788")
    assert checkdigits.vin("WM8GDM9A1KP042788")
    assert not checkdigits.vin("WM8GDM9AIKP042788")


@pytest.mark.parametrize("part", ["1980", "1980-05", "1980-05-17"])
def test_a_date_is_as_precise_as_it_is_written(part):
    assert checkdigits.calendar(part)


@pytest.mark.parametrize(
    ("chain", "address", "holds"),
    [
        ("bitcoin", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", True),
        ("bitcoin", "1BoatSLRHtKNngkdXEeobR76b53LETtpyU", False),
        ("ethereum", "0x" + "0" * 39 + "a", True),
        ("ethereum", "0x" + "0" * 39 + "g", False),
        ("ethereum", "0y" + "0" * 40, False),
        ("ethereum", "0x" + "0" * 41, False),
        ("monero", "anything", True),
    ],
)
def test_an_address_is_held_to_its_ledger(chain, address, holds):
    assert checkdigits.ledger_address(chain, address) is holds
