"""Open an envelope with a recipient's key. The node never imports this module.

Also the evidence check, which needs no key: header, salt and text alone prove what was said.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import shake_256
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exchange.errors import Code, Refusal
from exchange.model import codec
from exchange.model.identity import Jwk, digest
from exchange.seal import body, es384
from exchange.seal.suites import suite_of_wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exchange.model.header import Header
    from exchange.model.objects import Grant, SealedDraft
    from exchange.seal.software import SecretKey


class Unwrapper(Protocol):
    """Answers for one encryption key, by its name: the key is here, or was destroyed."""

    @property
    def kid(self) -> str:
        """The thumbprint of the public key that senders wrap to."""

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes:
        """Return the content key, or raise ``Refusal`` (``cannot-decrypt``, or why not)."""


class Opener(Unwrapper, Protocol):
    """Holds one private encryption key: a file, a token, or a device. May be slow."""

    @property
    def key(self) -> Jwk:
        """The public key that senders wrap to."""


class Opened(NamedTuple):
    """What was sealed: the salt and the padded text; together with the header, evidence."""

    salt: bytes
    padded: bytes

    @property
    def text(self) -> bytes:
        """The bulletin's JSON, without the padding."""
        return self.padded.rstrip(b" ")


_PrivateKey = (
    hpke.MLKEM768X25519PrivateKey | mlkem.MLKEM1024PrivateKey | hpke.MLKEM1024P384PrivateKey
)


class SoftwareOpener:
    """An Opener whose key is in this process's memory, expanded from its seed."""

    def __init__(self, secret: SecretKey) -> None:
        """Expand the seed as its KEM does.

        Raises:
            ValueError: no suite has such a key, or the seed is not of its length.
        """
        suite = suite_of_wrap(secret.alg)
        if suite is None or len(secret.seed) != suite.wrap_seed_bytes:
            message = f"no encryption key: {secret.alg}, seed of {len(secret.seed)} bytes"
            raise ValueError(message)
        self._suite = suite
        self._key, public = _EXPAND[secret.alg](secret.seed)
        self._public = Jwk(kty="AKP", alg=secret.alg, pub=codec.b64(public))

    @property
    def key(self) -> Jwk:
        """The public key that senders wrap to."""
        return self._public

    @property
    def kid(self) -> str:
        """The public key's thumbprint."""
        return self.key.kid

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes:
        """Return the content key."""
        try:
            return self._suite.hpke.decrypt(wrapped, self._key, info)
        except (InvalidTag, ValueError):
            raise Refusal(Code.CANNOT_DECRYPT, "/body/recipients") from None


def _x_wing(seed: bytes) -> tuple[_PrivateKey, bytes]:
    """Expand as X-Wing does: SHAKE256 to ML-KEM's 64 bytes, then X25519's 32."""
    expanded = shake_256(seed).digest(96)
    lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    curve = x25519.X25519PrivateKey.from_private_bytes(expanded[64:])
    public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    return hpke.MLKEM768X25519PrivateKey(lattice, curve), public


def _ml_kem_1024(seed: bytes) -> tuple[_PrivateKey, bytes]:
    """Take the seed as FIPS 203 has it: d and z."""
    lattice = mlkem.MLKEM1024PrivateKey.from_seed_bytes(seed)
    return lattice, lattice.public_key().public_bytes_raw()


def _ml_kem_1024_p384(seed: bytes) -> tuple[_PrivateKey, bytes]:
    """Expand as MLKEM1024-P384 does: SHAKE256 to ML-KEM's 64 bytes, then a scalar's 48.

    A scalar of 0, or not below the order, is refused: about one seed in 2**192.

    Source: draft-irtf-cfrg-concrete-hybrid-kems, as draft-ietf-hpke-pq names it (0x0051).
    """
    expanded = shake_256(seed).digest(64 + es384.COORDINATE_BYTES)
    lattice = mlkem.MLKEM1024PrivateKey.from_seed_bytes(expanded[:64])
    curve = ec.derive_private_key(int.from_bytes(expanded[64:]), ec.SECP384R1())
    point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    public = lattice.public_key().public_bytes_raw() + point
    return hpke.MLKEM1024P384PrivateKey(lattice, curve), public


_EXPAND: dict[str, Callable[[bytes], tuple[_PrivateKey, bytes]]] = {
    "HPKE-9-KE": _x_wing,
    "HPKE-13-KE": _ml_kem_1024,
    "HPKE-10-KE": _ml_kem_1024_p384,
}


def open_body(
    header: Header, raw: bytes, openers: Sequence[Unwrapper], granted: body.Wrap | None = None
) -> Opened:
    """Decrypt a body whose header was verified, and hold it to what the header commits to.

    Args:
        header: the verified header.
        raw: the body's bytes as received.
        openers: the recipient's keys, present and past.
        granted: the wrapped key of a grant, for a recipient that the body names none for.

    Raises:
        Refusal: in this order: ``digest-mismatch`` or ``size-mismatch``, what a strict parse
            finds, ``context-mismatch``, ``not-a-recipient``, ``cannot-decrypt``,
            ``commit-mismatch``.
    """
    if len(raw) != header.body.size:
        raise Refusal(Code.SIZE_MISMATCH, "/body/size")
    if digest(raw) != header.body.digest:
        raise Refusal(Code.DIGEST_MISMATCH, "/body/digest")
    jwe, ctx = body.parse(raw, header.suite), body.context(header)
    if codec.unb64(jwe.aad) != ctx:
        raise Refusal(Code.CONTEXT_MISMATCH, "/body/aad")
    wraps = jwe.recipients if granted is None else [granted]
    plaintext = _decrypt(jwe, content_key(wraps, body.wrap_info(ctx, header.suite), openers))
    opened = Opened(plaintext[: body.SALT_BYTES], plaintext[body.SALT_BYTES :])
    check_evidence(header, opened)
    return opened


def open_draft(draft: SealedDraft, raw: bytes, openers: Sequence[Unwrapper]) -> bytes:
    """Decrypt what a sealed draft is about, for one that it is sealed to.

    Args:
        draft: verified; with a body.
        raw: that body's bytes, as received.
        openers: the reader's keys, present and past.

    Raises:
        Refusal: as ``open_body``; what it is held to then is for the reader to check.
    """
    if draft.body is None or len(raw) != draft.body.size:
        raise Refusal(Code.SIZE_MISMATCH, "/body/size")
    if digest(raw) != draft.body.digest:
        raise Refusal(Code.DIGEST_MISMATCH, "/body/digest")
    jwe = body.parse(raw, draft.suite, body.MAX_DRAFT_BYTES)
    ctx = body.draft_context(draft)
    if codec.unb64(jwe.aad) != ctx:
        raise Refusal(Code.CONTEXT_MISMATCH, "/body/aad")
    key = content_key(jwe.recipients, body.wrap_info(ctx, draft.suite), openers)
    return _decrypt(jwe, key).rstrip(b" ")


def check_evidence(header: Header, opened: Opened) -> None:
    """Hold a text to the salted digest that its header signed. Needs no key.

    Raises:
        Refusal: ``commit-mismatch``: this is not what was sealed.
    """
    # AES-GCM does not commit to its key: one ciphertext can open to two texts. This does.
    found = body.commitment(opened.salt, opened.padded, header.suite)
    if len(opened.salt) != body.SALT_BYTES or not hmac.compare_digest(found, header.commit):
        raise Refusal(Code.COMMIT_MISMATCH, "/commit")


def check_grant(
    grant: Grant, header: Header, header_digest: str, *, is_passed_on: bool = False
) -> None:
    """Hold a grant to the bulletin it is of: whoever shows us a header may show another.

    By its originator's member, unless who asks holds it to the marking and to a consent itself.

    Raises:
        Refusal: ``digest-mismatch`` or ``target-mismatch``.
    """
    if grant.of.header_digest != header_digest:
        raise Refusal(
            Code.DIGEST_MISMATCH, "/of/header_digest", expected=grant.of.header_digest
        )
    origin = header.origin if is_passed_on else grant.origin
    named = (origin, grant.of.endpoint, grant.of.id)
    if (header.origin, header.endpoint, header.id) != named:
        raise Refusal(Code.TARGET_MISMATCH, "/of", id=grant.of.id)


def granted_wrap(grant: Grant, header: Header, raw: bytes) -> body.Wrap:
    """Return a grant's wrapped key, once it is the one that the grant names.

    Raises:
        Refusal: ``size-mismatch``, ``digest-mismatch``, or what a strict parse finds.
    """
    if len(raw) != grant.wrap.size:
        raise Refusal(Code.SIZE_MISMATCH, "/wrap/size", expected=grant.wrap.size)
    if digest(raw) != grant.wrap.digest:
        raise Refusal(Code.DIGEST_MISMATCH, "/wrap/digest", expected=grant.wrap.digest)
    return body.parse_wrap(raw, header.suite)


def content_key(wraps: Sequence[body.Wrap], info: bytes, openers: Sequence[Unwrapper]) -> bytes:
    """Return the content key that one of these wraps holds for one of our keys.

    Args:
        wraps: of one body, or the one of a grant.
        info: what they are bound to (``body.wrap_info``).
        openers: our keys, present and past.

    Raises:
        Refusal: ``not-a-recipient`` or ``cannot-decrypt``.
    """
    by_kid = {opener.kid: opener for opener in openers}
    for wrap in wraps:
        opener = by_kid.get(wrap.header.kid)
        if opener is not None:
            wrapped = codec.unb64(wrap.header.ek) + codec.unb64(wrap.encrypted_key)
            return opener.unwrap(wrapped, info)
    raise Refusal(Code.NOT_A_RECIPIENT, "/body/recipients")


def _decrypt(jwe: body.Jwe, key: bytes) -> bytes:
    sealed = codec.unb64(jwe.ciphertext) + codec.unb64(jwe.tag)
    try:
        associated = f"{jwe.protected}.{jwe.aad}".encode()
        return AESGCM(key).decrypt(codec.unb64(jwe.iv), sealed, associated)
    except (InvalidTag, ValueError):
        raise Refusal(Code.CANNOT_DECRYPT, "/body/ciphertext") from None
