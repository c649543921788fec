"""Strict reading against a plain, slow reference: the standard library's decoders, held tight.

What is read fast (sizes told without decoding, punctuation compared at once) must accept
exactly what the reference accepts, and read the same from it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import Refusal
from exchange.model import codec
from exchange.model.header import MAX_RECIPIENTS
from exchange.seal import body as bodies
from exchange.seal import jws
from exchange.seal.suites import SUITES
from tests import builders
from tests.builders import COAST, WATCH
from tests.vectors import forging

WORLD = builders.world()
SUITE = SUITES["xb1-h"]
ENVELOPES = [WORLD.envelope(), WORLD.envelope(to=[WATCH])]
SIGNED = [*(each.header for each in ENVELOPES), WORLD.ack(ENVELOPES[0])]
LIMIT = 32 * 1024
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


# -- the reference -----------------------------------------------------------------------------


class No(Exception):  # noqa: N818  (an answer, as a refusal is)
    """The reference refuses."""


def decoded(text: Any) -> bytes:
    """Decode, encode again, compare: the plainest strict base64url."""
    if not isinstance(text, str) or not set(text) <= set(_ALPHABET) or len(text) % 4 == 1:
        raise No
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise No
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise No
    return dict(pairs)


def loaded(raw: bytes) -> Any:
    if b"\\" in raw or b"\n" in raw or not raw.startswith(b"{") or not raw.endswith(b"}"):
        raise No
    try:
        return json.loads(raw.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise No from None


def members(value: Any, *names: str) -> list[Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise No
    return [value[name] for name in names]


def read(raw: bytes) -> tuple[bytes, list[tuple[str, str, str, bytes]]]:
    """A signed object, as its payload and what each signature claims."""
    payload, signatures = members(loaded(raw), "payload", "signatures")
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= jws.MAX_SIGNATURES:
        raise No
    found = []
    for each in signatures:
        protected, signature = members(each, "protected", "signature")
        alg, kid, typ = members(loaded(decoded(protected)), "alg", "kid", "typ")
        if not all(isinstance(text, str) for text in (alg, kid, typ)):
            raise No
        found.append((alg, kid, typ, decoded(signature)))
    one_spelling = forging.compact(
        {
            "payload": payload,
            "signatures": [
                {"protected": each["protected"], "signature": each["signature"]}
                for each in signatures
            ],
        }
    )
    if raw != one_spelling or len({typ for _, _, typ, _ in found}) != 1:
        raise No
    return decoded(payload), found


def parsed(raw: bytes) -> list[str]:
    """A sealed body, as the kids it is wrapped to."""
    names = ("protected", "aad", "iv", "ciphertext", "tag", "recipients")
    protected, aad, iv, ciphertext, tag, recipients = members(loaded(raw), *names)
    sizes = [len(decoded(each)) for each in (aad, iv, tag)]
    if protected != bodies.PROTECTED or sizes[1:] != [12, 16]:
        raise No
    if len(decoded(ciphertext)) > bodies.MAX_PLAINTEXT_BYTES + bodies.SALT_BYTES:
        raise No
    if not isinstance(recipients, list) or not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise No
    kids = []
    for each in recipients:
        header, key = members(each, "header", "encrypted_key")
        alg, kid, ek = members(header, "alg", "kid", "ek")
        sizes = [len(decoded(text)) for text in (kid, ek, key)]
        if alg != SUITE.wrap or sizes != [32, SUITE.kem.enc_length(), 48]:
            raise No
        kids.append(kid)
    return kids


# -- what is changed ---------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *'+/=\\\n \t:"{}[],`\0é',
        *("AA", "A", "_", '"":"",', '"iv":"",', "\\u0041", "\ufeff", "12"),
    ]
).map(str.encode) | st.binary(max_size=3)


@st.composite
def changed(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """One of these objects after a few edits, most of them beside its punctuation."""
    raw = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(0, 3))):
        marks = [place for place, byte in enumerate(raw) if byte in b'":,{}[]'] or [0]
        place = max(0, draw(st.sampled_from(marks)) + draw(st.integers(-2, 2)))
        if draw(st.integers(0, 3)) == 0:
            place = draw(st.integers(0, len(raw)))
        cut, put = draw(st.integers(0, 3)), draw(PIECES | st.just(b""))
        if draw(st.integers(0, 7)) == 0:  # a stretch of it once more, as a duplicate would be
            put = raw[place : place + draw(st.integers(1, 60))]
            cut = 0
        raw = raw[:place] + put + raw[place + cut :]
    return raw


@st.composite
def respelled(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """One of these objects, its members shuffled, repeated, or with space between them."""
    value = json.loads(draw(st.sampled_from(originals)))
    items = draw(st.permutations(list(value.items())))
    if draw(st.booleans()):
        items = [*items, draw(st.sampled_from(items))]
    comma, colon = draw(st.sampled_from([(",", ":"), (", ", ":"), (",", ": "), ("\t,", ":")]))
    told = (f"{json.dumps(k)}{colon}{json.dumps(v, separators=(',', ':'))}" for k, v in items)
    return ("{" + comma.join(told) + "}").encode()


# -- the claims --------------------------------------------------------------------------------

TEXTS = st.text(_ALPHABET + "+/=\n\\ é\udc80Ā", max_size=24) | st.text(_ALPHABET, max_size=90)


def told(read_it: Callable[..., Any], *args: Any, **more: Any) -> Any:
    """What it returns, or None where it refuses."""
    try:
        return read_it(*args, **more)
    except (No, Refusal):
        return None


@settings(max_examples=1000)
@given(TEXTS)
def test_base64url_is_read_as_the_reference_reads_it(text: str) -> None:
    expected = told(decoded, text)
    size = None if expected is None else len(expected)
    assert told(codec.unb64, text) == expected
    assert told(codec.b64_size, text) == size
    if set(text) <= set(_ALPHABET):
        assert told(codec.b64_size, text, is_of_alphabet=True) == size


@settings(max_examples=1000)
@given(changed(SIGNED) | respelled(SIGNED))
def test_signed_object_is_read_as_the_reference_reads_it(raw: bytes) -> None:
    signed = told(jws.read, raw, LIMIT)
    found = signed and [(e.alg, e.kid, signed.typ, e.signature) for e in signed.claims]
    assert (signed and (signed.payload, found)) == told(read, raw)


BODIES = [each.body for each in ENVELOPES]


@settings(max_examples=1000)
@given(changed(BODIES) | respelled(BODIES))
def test_sealed_body_is_read_as_the_reference_reads_it(raw: bytes) -> None:
    jwe = told(bodies.parse, raw, "xb1-h")
    assert (jwe and [each.header.kid for each in jwe.recipients]) == told(parsed, raw)


def test_honest_body_takes_the_short_way() -> None:
    """Else the reference would prove nothing of it."""
    for envelope in ENVELOPES:
        count = len(json.loads(envelope.body)["recipients"])
        assert codec.marks(envelope.body) == bodies._marks(count)
    assert WORLD.key(WATCH).kid != WORLD.key(COAST).kid
