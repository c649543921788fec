"""A signing key inside a PKCS#11 token: smart card, HSM, or SoftHSM. It never leaves it.

Needs the package ``python-pkcs11`` (the extra ``pkcs11``), which is loaded only when a key's
URI names a token. Post-quantum keys have no place in today's tokens: they stay in a container.
"""

from __future__ import annotations

from hashlib import sha384
from typing import TYPE_CHECKING, Any, NamedTuple

from exchange.errors import Code, Fault, Refusal
from exchange.model.codec import b64
from exchange.model.identity import Jwk
from exchange.seal import es384
from exchange.seal.suites import check_signature_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from exchange.custody.uris import TokenPlace


class _Kind(NamedTuple):
    """How one JOSE algorithm is named and used in PKCS#11."""

    key_type: str
    mechanism: str
    prepare: Callable[[bytes], bytes]
    finish: Callable[[bytes], bytes]
    public: Callable[[bytes], Jwk]


def _ed25519(point: bytes) -> Jwk:
    return Jwk(kty="OKP", alg="Ed25519", crv="Ed25519", x=b64(point))


def _p384(point: bytes) -> Jwk:
    """Return the key of an uncompressed point: 4, then x and y of 48 bytes each."""
    x, y = point[1:49], point[49:]
    return Jwk(kty="EC", alg="ES384", crv="P-384", x=b64(x), y=b64(y))


# ECDSA's own hash is computed here: not every token knows the joined mechanism.
_KINDS = {
    "Ed25519": _Kind("EC_EDWARDS", "EDDSA", bytes, bytes, _ed25519),
    "ES384": _Kind("EC", "ECDSA", lambda data: sha384(data).digest(), es384.lowered, _p384),
}
ALGORITHMS = frozenset(_KINDS)

_open: dict[tuple[str, str], Any] = {}


class TokenKey:
    """One signing key in a token, found by its URI and held open for the process."""

    def __init__(self, place: TokenPlace, alg: str, pin: Callable[[TokenPlace], str]) -> None:
        """Find the key.

        Args:
            place: where it is.
            alg: the JOSE algorithm that it must be of.
            pin: returns the PIN; asked once for each token.

        Raises:
            Fault: ``key-token``, expecting ``pkcs11-library``, ``token``, ``pin`` or
                ``token-key``: the first of them that is not there.
        """
        self._pkcs11 = _library(place)
        self._kind, self._name = _KINDS[alg], place.token or place.serial or ""
        session = self._session(place, pin)
        self._private = self._find(session, "PRIVATE_KEY", place)
        public = self._find(session, "PUBLIC_KEY", place)
        point = bytes(public[self._pkcs11.Attribute.EC_POINT])
        # An OCTET STRING around the point (PKCS#11 3.1, section 6.3); all are under 128 bytes.
        if point[:1] != b"\x04" or len(point) < 2 or point[1] != len(point) - 2:
            raise Fault(Code.KEY_TOKEN, name=self._name, expected="token-key")
        self.jwk = self._kind.public(point[2:])
        # Of another curve, say: what custodians would refuse is not signed with.
        try:
            check_signature_key(self.jwk)
        except Refusal as refusal:
            raise self._fault("token-key", refusal) from None

    def sign(self, data: bytes) -> bytes:
        """Return the signature, in JOSE's form."""
        mechanism = self._pkcs11.Mechanism[self._kind.mechanism]
        try:
            made = bytes(self._private.sign(self._kind.prepare(data), mechanism=mechanism))
        except self._pkcs11.exceptions.PKCS11Error as error:
            raise self._fault("token-signature", error) from None
        return self._kind.finish(made)

    def _session(self, place: TokenPlace, pin: Callable[[TokenPlace], str]) -> Any:
        errors = self._pkcs11.exceptions
        try:
            token = self._pkcs11.lib(place.module).get_token(
                token_label=place.token, token_serial=_serial(place)
            )
        except (errors.NoSuchToken, errors.MultipleTokensReturned) as error:
            raise self._fault("token", error) from None
        except errors.PKCS11Error as error:
            raise self._fault("pkcs11-library", error) from None
        which = (place.module, bytes(token.serial).hex())
        if which not in _open:
            try:
                # A token logs a process in, not a session: one for all keys in it.
                _open[which] = token.open(user_pin=pin(place))
            except errors.PKCS11Error as error:
                raise self._fault("pin", error) from None
        return _open[which]

    def _find(self, session: Any, what: str, place: TokenPlace) -> Any:
        attribute = self._pkcs11.Attribute
        wanted = {
            attribute.CLASS: self._pkcs11.ObjectClass[what],
            attribute.KEY_TYPE: self._pkcs11.KeyType[self._kind.key_type],
        }
        if place.object is not None:
            wanted[attribute.LABEL] = place.object
        if place.id is not None:
            wanted[attribute.ID] = place.id
        try:
            # All of them: a search that stops half way stays open in the session.
            found = list(session.get_objects(wanted))
        except self._pkcs11.exceptions.PKCS11Error as error:
            raise self._fault("token-key", error) from None
        if len(found) != 1:
            raise Fault(Code.KEY_TOKEN, name=self._name, expected="token-key", found=len(found))
        return found[0]

    def _fault(self, expected: str, error: Exception) -> Fault:
        # The kind of error and no more: a library's message may quote what it was given.
        found = type(error).__name__
        return Fault(Code.KEY_TOKEN, name=self._name, expected=expected, found=found)


def _serial(place: TokenPlace) -> bytes | None:
    return place.serial.encode() if place.serial is not None else None


def _library(place: TokenPlace) -> ModuleType:
    try:
        import pkcs11  # noqa: PLC0415  (an extra: most machines have no token)
    except ImportError as error:
        name = place.token or place.serial or ""
        raise Fault(Code.KEY_TOKEN, name=name, expected="python-pkcs11") from error
    return pkcs11
