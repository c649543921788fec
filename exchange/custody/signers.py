"""A Signer whose keys lie in different places: one half in a token, the other in a container.

A client asks for a ``Signer`` and never learns which it got.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from exchange.custody import tokens, uris
from exchange.errors import Code, Fault
from exchange.model.identity import SuiteId
from exchange.seal import suites
from exchange.seal.software import SoftwareSigner, load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.custody.container import Secrets
    from exchange.custody.uris import FilePlace, TokenPlace
    from exchange.model.identity import Jwk
    from exchange.seal.jws import Signer
    from exchange.seal.software import SecretKey


class Places(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an endpoint's signing keys lie, in its suite's order, each as a URI.

    ``next`` is the same for a set that was asked for, whose thumbprints are ``asked``.
    """

    suite: SuiteId
    sign: list[str]
    next: list[str] = []
    asked: list[str] = []

    def of(self, secrets: Secrets) -> Places:
        """Return the places by which set the container has in use.

        The container is written first, at one stroke: whoever is stopped before this file
        follows it is not locked out. Each set has a key in the container: no token holds all.
        """
        in_use = {load(key)[0].kid for key in secrets.keys.get("sign", [])}
        return Places(self.suite, self.next) if in_use & set(self.asked) else self


class Key(Protocol):
    """One signing key. May be slow. Must sign with that key, or raise ``Fault``."""

    @property
    def jwk(self) -> Jwk:
        """The public key."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``, in JOSE's form."""


class Composite:
    """A Signer put together from keys that lie anywhere."""

    def __init__(self, keys: Sequence[Key]) -> None:
        """Take the keys; in this order they must be exactly those of a suite."""
        self._keys = keys
        self._suite = suite_of([key.jwk.alg for key in keys])

    @property
    def suite(self) -> SuiteId:
        """The suite whose algorithms the keys follow."""
        return self._suite

    @property
    def keys(self) -> Sequence[Jwk]:
        """The public keys, in the suite's order."""
        return [key.jwk for key in self._keys]

    def sign(self, place: int, data: bytes) -> bytes:
        """Return the signature over ``data`` by the key at ``place``."""
        return self._keys[place].sign(data)


class _SoftwareKey:
    def __init__(self, secret: SecretKey) -> None:
        self.jwk, self._private = load(secret)

    def sign(self, data: bytes) -> bytes:
        return self._private.sign(data)


class Sources(msgspec.Struct, frozen=True):
    """How the places are reached: containers by path, and PINs from whoever has them."""

    secrets: Callable[[str], Secrets]
    pin: Callable[[TokenPlace], str]


def suite_of(algorithms: Sequence[str]) -> SuiteId:
    """Return the suite that signs with exactly these algorithms, in this order.

    Raises:
        Fault: ``key-file``: none does.
    """
    suite = suites.suite_of(algorithms)
    if suite is not None:
        return suite.id
    raise Fault(Code.KEY_FILE, expected="suite-keys", found=", ".join(algorithms))


def software(keys: Sequence[SecretKey]) -> SoftwareSigner:
    """Return the signer of keys that all lie in a container, whichever suite they are of."""
    return SoftwareSigner(suite_of([key.alg for key in keys]), keys)


def gather(suite: SuiteId, places: Sequence[str], purpose: str, sources: Sources) -> Signer:
    """Return the signer whose keys lie at these places.

    Args:
        suite: whose algorithms they are of.
        places: a URI for each algorithm of the suite, in order.
        purpose: under which name containers hold them.
        sources: how containers and PINs are had.

    Raises:
        Fault: ``key-file`` or ``key-token``: a place cannot be read, or holds no such key.
    """
    algorithms = [each.name for each in suites.SUITES[suite].signatures]
    if len(places) != len(algorithms):
        raise Fault(Code.KEY_FILE, expected="key-uri", found=len(places))
    return Composite(
        [
            _key(uris.parse(uri), alg, purpose, sources)
            for uri, alg in zip(places, algorithms, strict=True)
        ]
    )


def _key(place: FilePlace | TokenPlace, alg: str, purpose: str, sources: Sources) -> Key:
    match place:
        case uris.FilePlace():
            secrets = sources.secrets(place.path)
            found = [key for key in secrets.keys.get(purpose, []) if key.alg == alg]
            if len(found) != 1:
                raise Fault(Code.KEY_FILE, name=secrets.holder, expected=alg)
            return _SoftwareKey(found[0])
        case uris.TokenPlace():
            if alg not in tokens.ALGORITHMS:
                raise Fault(Code.KEY_TOKEN, name=place.token or "", expected="file-place")
            return tokens.TokenKey(place, alg, sources.pin)
