"""The sealed body as a node sees it: whose keys are wrapped, and nothing more."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.header import MAX_RECIPIENTS, Blob
from exchange.model.identity import Digest, digest
from exchange.seal.suites import SUITES, suite_of_wrap

if TYPE_CHECKING:
    from exchange.model.header import Header
    from exchange.model.identity import SuiteId
    from exchange.model.objects import SealedDraft
    from exchange.seal.suites import Suite

MAX_BODY_BYTES = 512 * 1024
MAX_PLAINTEXT_BYTES = 256 * 1024
SALT_BYTES = 32
# Of a sealed draft: the longest text, and before it a grant, a header and a salt.
MAX_DRAFT_BYTES = MAX_PLAINTEXT_BYTES + 68 * 1024
KID_BYTES = 32
# A content key of 32 bytes and the tag of its AES-GCM.
WRAPPED_BYTES = 48
PROTECTED = codec.b64(b'{"enc":"A256GCM","typ":"xb-body+jwe"}')


class WrapHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For whom a key is wrapped, and the KEM's output."""

    alg: str
    kid: str
    ek: str


class Wrap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content key, wrapped to one recipient."""

    header: WrapHeader
    encrypted_key: str


class Jwe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A General JSON JWE with exactly the members we use; ``zip`` has no place in it."""

    protected: str
    aad: str
    iv: str
    ciphertext: str
    tag: str
    recipients: list[Wrap]


_JWE = msgspec.json.Decoder(Jwe)
_WRAP = msgspec.json.Decoder(Wrap)
# Of the largest suite a wrapped key has 2.3 KB.
MAX_WRAP_BYTES = 4 * 1024


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be told of a body without any key: its name, and the keys it is wrapped to."""

    blob: Blob
    wraps: list[Digest]


def context(header: Header) -> bytes:
    """Return what binds a ciphertext to its header: ``ctx`` of envelope.md."""
    lines = (
        "xb1",
        header.suite,
        header.id,
        header.origin,
        header.endpoint,
        header.commit,
    )
    return "".join(f"{line}\n" for line in lines).encode()


def draft_context(draft: SealedDraft) -> bytes:
    """Return what binds a sealed draft's ciphertext to it, and to the header that it is of."""
    lines = ("xb1-draft", draft.suite, draft.id, draft.origin, draft.endpoint, draft.of)
    return "".join(f"{line}\n" for line in lines).encode()


def wrap_info(ctx: bytes, suite: SuiteId) -> bytes:
    """Return HPKE's info for one recipient (draft-ietf-jose-hpke-encrypt, key encryption)."""
    return b"JOSE-HPKE rcpt\xffA256GCM\xff" + SUITES[suite].hash(ctx).digest()


def commitment(salt: bytes, padded: bytes, suite: SuiteId) -> str:
    """Return the salted digest of a plaintext: a node cannot confirm a guess with it."""
    return codec.b64(SUITES[suite].hash(b"xb1-commit\x00" + salt + padded).digest())


def parse(raw: bytes, suite: SuiteId, most: int = MAX_PLAINTEXT_BYTES + SALT_BYTES) -> Jwe:
    """Read a sealed body strictly, checking every length that the suite fixes.

    Args:
        raw: the bytes as received.
        suite: of who sealed it.
        most: how many bytes it may hold.

    Raises:
        Refusal: what is wrong and where, below ``/body``.
    """
    if len(raw) > MAX_BODY_BYTES:
        raise Refusal(Code.OVERSIZED, "/body", limit=MAX_BODY_BYTES, found=len(raw))
    jwe = codec.decode_any(raw, _JWE, "/body")
    count = len(jwe.recipients)
    is_plain = count <= MAX_RECIPIENTS and codec.marks(raw) == _marks(count)
    if not is_plain:
        # Honest bodies never come here: white space, another order of members, or a fault.
        codec.must_be_closed(raw, 6 + 5 * count, "/body")
    if jwe.protected != PROTECTED:
        raise Refusal(Code.WRONG_VALUE, "/body/protected")
    if not 1 <= count <= MAX_RECIPIENTS:
        raise Refusal(Code.WRAPS_MISMATCH, "/body/recipients", found=count)
    _sized(jwe.iv, 12, "/body/iv", is_plain)
    _sized(jwe.tag, 16, "/body/tag", is_plain)
    codec.b64_size(jwe.aad, "/body/aad", is_of_alphabet=is_plain)
    size = codec.b64_size(jwe.ciphertext, "/body/ciphertext", is_of_alphabet=is_plain)
    if size > most:
        raise Refusal(Code.OVERSIZED, "/body/ciphertext", limit=most)
    for place, wrap in enumerate(jwe.recipients):
        _wrap(wrap, SUITES[suite], f"/body/recipients/{place}", is_plain)
    return jwe


@lru_cache(maxsize=MAX_RECIPIENTS + 1)
def _marks(count: int) -> bytes:
    """Return what ``codec.marks`` finds in a compact body to that many recipients."""
    each = b'{"":{"":"","":"","":""},"":""}'
    return b'{"":"","":"","":"","":"","":"","":[%b]}' % b",".join([each] * count)


def _wrap(wrap: Wrap, suite: Suite, at: str, is_plain: bool) -> None:
    header = wrap.header
    if header.alg != suite.wrap:
        raise Refusal(Code.WRONG_VALUE, f"{at}/header/alg", expected=suite.wrap)
    _sized(header.kid, KID_BYTES, f"{at}/header/kid", is_plain)
    _sized(header.ek, suite.kem.enc_length(), f"{at}/header/ek", is_plain)
    _sized(wrap.encrypted_key, WRAPPED_BYTES, f"{at}/encrypted_key", is_plain)


def _sized(text: str, size: int, at: str, is_plain: bool) -> None:
    found = codec.b64_size(text, at, is_of_alphabet=is_plain)
    if found != size:
        raise Refusal(Code.WRONG_VALUE, at, expected=size, found=found)


def parse_wrap(raw: bytes, suite: SuiteId | None = None) -> Wrap:
    """Read a wrapped key that travels by itself, beside a grant, strictly.

    Args:
        raw: as received.
        suite: of the bulletin; None where that is not known yet, and any suite's will do.

    Raises:
        Refusal: what is wrong and where, below ``/body``.
    """
    if len(raw) > MAX_WRAP_BYTES:
        raise Refusal(Code.OVERSIZED, "/body", limit=MAX_WRAP_BYTES, found=len(raw))
    wrap = codec.decode_closed(raw, _WRAP, lambda _: 2 + 3, "/body")
    known = SUITES[suite] if suite else suite_of_wrap(wrap.header.alg)
    if known is None:
        raise Refusal(Code.WRONG_VALUE, "/body/header/alg")
    _wrap(wrap, known, "/body", is_plain=False)
    return wrap


class Wrapped(NamedTuple):
    """What can be told of a grant's wrapped key without opening it, and how it is wrapped."""

    seen: Seen
    alg: str


def look_at_wrap(raw: bytes) -> Wrapped:
    """Tell what can be told of a wrapped key without opening it.

    Raises:
        Refusal: it is not one of any suite.
    """
    header = parse_wrap(raw).header
    return Wrapped(Seen(Blob(digest(raw), len(raw)), [header.kid]), header.alg)


def look(raw: bytes, suite: SuiteId, most: int = MAX_PLAINTEXT_BYTES + SALT_BYTES) -> Seen:
    """Tell what can be told of a body without a key; see ``parse``.

    Raises:
        Refusal: the body is not one of this suite, or wraps to one key twice.
    """
    kids = [wrap.header.kid for wrap in parse(raw, suite, most).recipients]
    if len(set(kids)) != len(kids):
        raise Refusal(Code.WRAPS_MISMATCH, "/body/recipients")
    return Seen(Blob(digest(raw), len(raw)), sorted(kids))
