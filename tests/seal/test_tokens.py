"""Tokens of subjects: the same for the same subject, whoever writes it, and telling nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from exchange.errors import Code, Refusal
from exchange.seal import tokens

KEY = base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode()
BITCOIN = "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"
BECH32 = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"
OTHER = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()


def test_a_token_is_an_hmac_that_anybody_can_compute():
    expected = hmac.new(bytes(range(32)), b"xb1-dcf\nimo\n9074729", hashlib.sha256).digest()
    found = tokens.token(KEY, "imo", "IMO 9074729")
    assert base64.urlsafe_b64decode(found + "=") == expected


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("vessel", "Exercise  Pelícan", "EXERCISE PELICAN"),
        ("vessel", "EXERCISE-PELICAN", "exercise pelican "),
        ("person", "de la Exercise, José", "DE LA EXERCISE JOSE"),
        ("plate", "EX 0001", "ex-0001"),
        ("phone", "+507 555-0100", "+5075550100"),
        ("person", "Pérez, José", "José Pérez"),
        ("person", "Søren Łukasz", "LUKASZ SOREN"),
        ("person", "O'Brien Ann", "OBRIEN ANN"),
        ("vessel", "SEA STAR", "Seastar"),
        ("imo", "IMO 9074729", "9074729"),
        ("vin", "VIN 1M8GDM9AXKP042788", "1m8gdm9axkp042788"),
        ("vin", "VIN1M8GDM9AXKP042788", "1M8GDM9AXKP042788"),
        ("chassis", "ex-12345", "EX 12345"),
        ("imo", "IMO9074729", "9074729"),
        ("mmsi", "MMSI351999901", "MMSI 351 999 901"),
        ("imei", "imei490154203237518", "49-015420-323751-8"),
        ("account", "IBAN GB82 WEST 1234 5698 7654 32", "gb82west12345698765432"),
        ("account", "EX-000123", "ex 000123"),
        ("address", f"bitcoin:{BITCOIN}", BITCOIN),
        ("address", f"0x{'aB' * 20}", f"0x{'ab' * 20}"),
        ("address", f"ethereum:0x{'aB' * 20}", f"0x{'ab' * 20}"),
        ("address", BECH32.upper(), BECH32),
    ],
)
def test_however_it_is_written_a_subject_has_one_token(kind, one, other):
    assert tokens.token(KEY, kind, one) == tokens.token(KEY, kind, other)


def test_another_key_kind_or_subject_is_another_token():
    first = tokens.token(KEY, "imo", "9074729")
    assert first != tokens.token(OTHER, "imo", "9074729")
    assert first != tokens.token(KEY, "plate", "9074729")
    assert first != tokens.token(KEY, "imo", "9074731")


def test_they_are_listed_sorted_and_once():
    found = tokens.tokens(KEY, [("imo", "9074729"), ("vessel", "B"), ("vessel", "b")])
    assert list(found) == sorted(found)
    assert len(found) == 2


@pytest.mark.parametrize("value", ["", "  ", "--", "ñ" * 201])
def test_what_names_nothing_is_refused(value):
    with pytest.raises(Refusal) as caught:
        tokens.token(KEY, "vessel", value)
    assert (caught.value.code, caught.value.facts["expected"]) == (Code.WRONG_VALUE, "subject")


@pytest.mark.parametrize("key", [KEY[:-2], KEY + "AAAA", KEY[:-1] + "9", ""])
def test_a_key_of_another_size_or_spelling_is_refused(key):
    with pytest.raises(Refusal):
        tokens.token(key, "vessel", "EXERCISE")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("imo", "9074728"),
        ("imei", "490154203237519"),
        ("vin", "1M8GDM9A1KP042788"),
        ("phone", "6555-0100"),
        ("phone", "00507 6555 0100"),
        ("imo", "IMO"),
        ("imo", "90747290"),
        ("mmsi", "35199990"),
        ("mmsi", "x"),
        ("mmsi", "151999901"),
        ("imei", "4901542032375"),
        ("imei", "4901542032375180"),
        ("vin", "1ABC"),
        ("vin", "VIN"),
        ("vin", "1M8GDM9AXKP0427881"),
        ("account", "GB82 WEST 1234 5698 7654 33"),
        ("address", "0x12"),
        ("address", "0xZZ" + "0" * 38),
        ("address", "bc1?amount=1"),
        ("person", "\u0418\u0432\u0430\u043d PEREZ"),
        ("vessel", "\u0391\u0392"),
        ("plate", "EX\uff1123\u0416"),
    ],
)
def test_a_slip_of_the_pen_is_refused_where_it_can_be_seen(kind, value):
    with pytest.raises(Refusal) as caught:
        tokens.token(KEY, kind, value)
    assert caught.value.facts["expected"] == "subject"


def test_of_an_address_capital_letters_are_other_letters():
    one, other = (tokens.token(KEY, "address", text) for text in (BITCOIN, BITCOIN.lower()))
    assert one != other


def test_the_check_of_a_key_tells_windows_apart():
    assert tokens.key_check(KEY) != tokens.key_check(OTHER)
    assert tokens.key_check(KEY) not in tokens.tokens(KEY, [("plate", "key")])
