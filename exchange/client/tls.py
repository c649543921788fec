"""TLS 1.3 with a post-quantum key exchange (X25519MLKEM768), whatever OpenSSL Python came with.

Python's own ``ssl`` has the group only where the machine has OpenSSL 3.5. ``cryptography``
carries a newer one, and pyOpenSSL speaks to it; asyncio and uvloop ask of a context no more
than ``wrap_bio``, and of what that returns the few methods below. So a node and an agency
negotiate the same on every machine: docs/decisions/0036.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL, crypto

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric import ec

P = ParamSpec("P")
T = TypeVar("T")

GROUP = "X25519MLKEM768"
# One record's content at most: OpenSSL gives out no more at once (RFC 8446, section 5.1).
_RECORD = 16384
# A record with what is around it. Four times as much cost 5 KiB of memory a stream.
_PIECE = 17 * 1024


class Session:
    """One connection's TLS between two buffers in memory; as ``ssl.SSLObject`` has it."""

    __slots__ = ("_held", "_incoming", "_inner", "_outgoing", "_pin")

    def __init__(
        self,
        inner: SSL.Connection,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        pin: bytes = b"",
    ) -> None:
        """Speak for one side, whose bytes come and go by these two.

        Args:
            inner: TLS as OpenSSL has it.
            incoming: where the event loop puts what came.
            outgoing: where it takes what is to go.
            pin: SHA-256 of the one certificate (DER) to accept; empty: ``inner`` judges it.
        """
        self._inner = inner
        self._incoming = incoming
        self._outgoing = outgoing
        self._pin = pin
        self._held = 0

    def do_handshake(self) -> None:
        """Take the handshake as far as it goes."""
        self._said(self._inner.do_handshake)
        if self._pin:
            # Before anything is said: the loop gives the connection out after this.
            shown = self._inner.get_peer_certificate(as_cryptography=True)
            if shown is None or shown.fingerprint(hashes.SHA256()) != self._pin:
                raise ssl.SSLCertVerificationError(1, "another certificate is pinned")

    def read(self, limit: int, into: bytearray | memoryview[int] | None = None) -> bytes | int:
        """Return what was heard, or write it into a buffer and return how much; none: the end.

        Raises:
            ssl.SSLWantReadError: nothing is here, and more may come.
        """
        self._hand_in()
        try:
            # An answer to what was heard (a change of keys) goes out with what is said next.
            if into is None:
                return self._inner.recv(min(limit, _RECORD))
            return self._inner.recv_into(into, min(limit, _RECORD))
        except SSL.ZeroReturnError:
            return b"" if into is None else 0
        except SSL.Error as error:
            raise self._of_ssl(error) from None

    def write(self, said: bytes | memoryview[int]) -> int:
        """Say something, and return how many bytes of it were taken."""
        return self._said(self._inner.send, said)

    def unwrap(self) -> None:
        """Say that nothing more will be said, and hear the same."""
        if not self._said(self._inner.shutdown):
            raise ssl.SSLWantReadError

    def pending(self) -> int:
        """Return how much is here to be read, or more; 0: nothing is."""
        # What was handed to OpenSSL and not opened yet is in neither buffer. Never too little:
        # the loops read no further when told that nothing is here.
        return self._inner.pending() or self._held

    def getpeercert(self) -> None:
        """Name no certificate: the other side's was held to its pin, and nobody asks again."""

    def cipher(self) -> tuple[str | None, str | None, int | None]:
        """Return the cipher's name, the protocol's, and the key's length in bits."""
        inner = self._inner
        return inner.get_cipher_name(), inner.get_cipher_version(), inner.get_cipher_bits()

    def compression(self) -> None:
        """TLS 1.3 has none."""

    def group(self) -> str | None:
        """Return the group of the key exchange, once hands were shaken."""
        return self._inner.get_group_name()

    def _said(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what says something, and have it sent."""
        self._hand_in()
        try:
            done = work(*args, **kwargs)
        except SSL.Error as error:
            raise self._of_ssl(error) from None
        self._take_out()
        return done

    def _hand_in(self) -> None:
        if came := self._incoming.read():
            self._held += self._inner.bio_write(came)

    def _take_out(self) -> None:
        try:
            while self._outgoing.write(self._inner.bio_read(_PIECE)) == _PIECE:
                pass
        except SSL.WantReadError:
            return

    def _of_ssl(self, error: SSL.Error) -> ssl.SSLError:
        """Return an error as the standard library's, once what was said of it is to be sent."""
        self._take_out()
        match error:
            case SSL.WantReadError():
                self._held = 0
                return ssl.SSLWantReadError()
            case SSL.ZeroReturnError():
                return ssl.SSLZeroReturnError()
            case SSL.SysCallError():
                return ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the connection broke off")
            case _:
                return _of_ssl(error)


def _of_ssl(error: SSL.Error) -> ssl.SSLError:
    """Return an error of OpenSSL as the standard library's; it quotes OpenSSL's words alone."""
    reasons = [each[-1] for each in error.args[0]] if error.args else []
    told = ", ".join(reasons) or "TLS"
    if "certificate verify failed" in reasons:
        return ssl.SSLCertVerificationError(1, told)
    return ssl.SSLError(1, told)


class _Context(ssl.SSLContext):
    """What event loops take for a context of ``ssl``; nothing of that one is used."""

    inner: SSL.Context
    pin = b""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,  # noqa: ARG002  (a pin asks for no name)
        session: ssl.SSLSession | None = None,  # noqa: ARG002  (none is resumed)
    ) -> ssl.SSLObject:
        """Begin the TLS of one connection."""
        connection = SSL.Connection(self.inner)
        if server_side:
            connection.set_accept_state()
        else:
            connection.set_connect_state()
        return cast("ssl.SSLObject", Session(connection, incoming, outgoing, self.pin))


def _context(protocol: int, method: int) -> tuple[_Context, SSL.Context]:
    inner = SSL.Context(method)
    inner.set_min_proto_version(SSL.TLS1_3_VERSION)
    # Many streams stay open and are silent: each gives its buffers back meanwhile.
    inner.set_mode(SSL.MODE_RELEASE_BUFFERS)
    # No client of ours resumes a session: nothing is kept of one here.
    inner.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    inner.set_options(SSL.OP_NO_TICKET)
    made = _Context(protocol)
    made.inner = inner
    return made, inner


def serving(certificate: str, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
    """Return the context of a server; its private key touches no disk.

    Raises:
        ssl.SSLError: the certificate (PEM) is none, or is another key's.
    """
    made, inner = _context(ssl.PROTOCOL_TLS_SERVER, SSL.TLS_SERVER_METHOD)
    try:
        inner.use_certificate(x509.load_pem_x509_certificate(certificate.encode()))
        inner.use_privatekey(key)
    except ValueError:
        raise ssl.SSLError(1, "no certificate") from None
    except SSL.Error as error:
        raise _of_ssl(error) from None
    return made


def pinned(certificate: str) -> ssl.SSLContext:
    """Return the context of a client that accepts one certificate (PEM) only.

    Raises:
        ssl.SSLError: that is no certificate.
    """
    made, inner = _context(ssl.PROTOCOL_TLS_CLIENT, SSL.TLS_CLIENT_METHOD)
    try:
        only = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        raise ssl.SSLError(1, "no certificate") from None
    store = inner.get_cert_store()
    if store is None:
        raise ssl.SSLError(1, "no store")
    store.add_cert(crypto.X509.from_cryptography(only))
    # Nor does it vouch for others: it is the end of every chain, and the whole of it.
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    # The certificate itself is pinned, so the name in it decides nothing.
    inner.set_verify(SSL.VERIFY_PEER)
    return made


def pinned_to(pin: bytes) -> ssl.SSLContext:
    """Return the context of a client that accepts the certificate of this SHA-256 only."""
    made, inner = _context(ssl.PROTOCOL_TLS_CLIENT, SSL.TLS_CLIENT_METHOD)
    # Whoever vouches for it: the digest decides.
    inner.set_verify(SSL.VERIFY_NONE)
    if len(pin) != hashes.SHA256.digest_size:
        raise ssl.SSLError(1, "no digest")
    made.pin = pin
    return made
