"""The strict codec: one spelling, and a place for everything that is wrong."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import Code, Refusal
from exchange.model import codec


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    n: int


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    a: str
    items: list[Inner]


DECODER = msgspec.json.Decoder(Outer)
GOOD = b'{"a":"x","items":[{"n":1},{"n":2}]}'


def decode(raw: bytes) -> Outer:
    return codec.decode_closed(raw, DECODER, lambda o: 2 + len(o.items), "/under")


def refused(raw: bytes) -> tuple[Code, str]:
    with pytest.raises(Refusal) as refusal:
        decode(raw)
    return refusal.value.code, refusal.value.at


@given(st.binary())
def test_base64_comes_back(data: bytes) -> None:
    text = codec.b64(data)
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert codec.unb64(text) == data


@given(st.text(alphabet="AQgw_-+/=\n é", max_size=9))
def test_base64_has_one_spelling(text: str) -> None:
    try:
        data = codec.unb64(text)
    except Refusal:
        return
    assert codec.b64(data) == text


@pytest.mark.parametrize(
    "text", ["QQ==", "QQ=", "QR", "Q", "Q Q", "QQ\n", "+/AA", "é", "=", "QQ==QQ", "AAAA="]
)
def test_lenient_base64_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        codec.unb64(text, "/here")
    assert (refusal.value.code, refusal.value.at) == (Code.BAD_BASE64, "/here")


def test_closed_object_is_decoded() -> None:
    assert decode(GOOD) == Outer("x", [Inner(1), Inner(2)])


@pytest.mark.parametrize(
    ("raw", "code", "at"),
    [
        (b"", Code.MALFORMED, ""),
        (b"[]", Code.MALFORMED, ""),
        (b"{", Code.MALFORMED, ""),
        (b"{,}", Code.MALFORMED, ""),
        (GOOD + b" ", Code.MALFORMED, ""),
        (b"\xef\xbb\xbf" + GOOD, Code.MALFORMED, ""),
        (GOOD.replace(b"x", b"\\u0078"), Code.MALFORMED, ""),
        (GOOD.replace(b",", b",\n", 1), Code.MALFORMED, ""),
        (GOOD.replace(b"x", b"\xed\xa0\x80"), Code.NOT_UTF8, ""),
        (GOOD.replace(b'"a"', b'"\xff"'), Code.NOT_UTF8, ""),
        (GOOD.replace(b'{"a"', b'{"a":"y","a"'), Code.DUPLICATE_MEMBER, ""),
        (GOOD.replace(b'{"n":1}', b'{"n":0,"n":1}'), Code.DUPLICATE_MEMBER, ""),
        (GOOD.replace(b"x", b"x:y"), Code.DUPLICATE_MEMBER, ""),
        (GOOD.replace(b"1", b"1.0"), Code.WRONG_TYPE, "/items/0/n"),
        (GOOD.replace(b"1", b"1e0"), Code.WRONG_TYPE, "/items/0/n"),
        (GOOD.replace(b"2", b"true"), Code.WRONG_TYPE, "/items/1/n"),
        (GOOD.replace(b"1", b"[" * 200_000), Code.WRONG_TYPE, "/items/0/n"),
        (GOOD.replace(b"n", b"m", 1), Code.UNKNOWN_MEMBER, "/items/0"),
        (GOOD.replace(b'"n":1', b""), Code.MISSING_MEMBER, "/items/0/n"),
    ],
)
def test_what_is_wrong_and_where(raw: bytes, code: Code, at: str) -> None:
    assert refused(raw) == (code, f"/under{at}")


@pytest.mark.parametrize(
    "name", ["` - at `$.canary", "x` - at `$.canary.a[0]", "x` - at `$.a` - at `$.canary"]
)
@pytest.mark.parametrize("inside", [b"{", b'{"items":[{'])
def test_name_cannot_spell_a_place(name: str, inside: bytes) -> None:
    """A place is journaled with a refusal, so nothing that was sent may pass into it."""
    raw = inside + b'"' + name.encode() + b'":1' + (b"}]}" if b"[" in inside else b"}")
    assert refused(raw) == (Code.UNKNOWN_MEMBER, "/under")


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda b: b"{" + b + b"}"))
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    try:
        decoded = decode(raw)
    except Refusal:
        return
    assert isinstance(decoded, Outer)


def test_name_is_told_to_the_sender_and_to_nobody_else() -> None:
    with pytest.raises(Refusal) as refusal:
        decode(GOOD.replace(b"n", b"canary", 1))
    assert refusal.value.facts == {"name": "canary"}
    assert refusal.value.at == "/under/items/0"


def test_types_are_told() -> None:
    with pytest.raises(Refusal) as refusal:
        decode(GOOD.replace(b"1", b'"x"'))
    assert refusal.value.facts == {"expected": "`int`", "found": "`str`"}


def test_pointer_escapes() -> None:
    assert codec.pointer("$.a~b/c[0][...]") == "/a~0b~1c/0/..."


@pytest.mark.parametrize("values", [["b", "a"], ["a", "a"]])
def test_set_has_one_spelling(values: list[str]) -> None:
    with pytest.raises(Refusal) as refusal:
        codec.must_be_set(values, "/to")
    assert (refusal.value.code, refusal.value.at) == (Code.WRONG_VALUE, "/to")
    codec.must_be_set(sorted(set(values)), "/to")


@pytest.mark.parametrize("before", ["A", "AA", "AAA", "AAAA"])
def test_every_last_character_is_one_value_or_refused(before: str) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    taken = []
    for last in alphabet:
        try:
            taken.append(codec.unb64(before + last))
        except Refusal:
            continue
        assert codec.b64(taken[-1]) == before + last
    assert len(taken) == {"A": 4, "AA": 16, "AAA": 64, "AAAA": 0}[before]
