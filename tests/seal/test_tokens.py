"""Tokens of subjects: the same for the same subject, whoever writes it, and telling nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from exchange.errors import Code, Refusal
from exchange.seal import tokens

KEY = base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode()
OTHER = base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()


def test_a_token_is_an_hmac_that_anybody_can_compute():
    expected = hmac.new(bytes(range(32)), b"xb1-dcf\nimo\n9074729", hashlib.sha256).digest()
    found = tokens.token(KEY, "imo", "IMO 9074729".removeprefix("IMO "))
    assert base64.urlsafe_b64decode(found + "=") == expected


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("vessel", "Exercise  Pelícan", "EXERCISE PELICAN"),
        ("vessel", "EXERCISE-PELICAN", "exercise pelican "),
        ("person", "de la Exercise, José", "DE LA EXERCISE JOSE"),
        ("plate", "EX 0001", "ex-0001"),
        ("phone", "+507 555-0100", "5075550100"),
    ],
)
def test_however_it_is_written_a_subject_has_one_token(kind, one, other):
    assert tokens.token(KEY, kind, one) == tokens.token(KEY, kind, other)


def test_another_key_kind_or_subject_is_another_token():
    first = tokens.token(KEY, "imo", "9074729")
    assert first != tokens.token(OTHER, "imo", "9074729")
    assert first != tokens.token(KEY, "mmsi", "9074729")
    assert first != tokens.token(KEY, "imo", "9074730")


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
