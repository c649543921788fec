"""TLS between two buffers: what is said is heard whole, by who is pinned and nobody else."""

from __future__ import annotations

import datetime as dt
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from exchange.cli import state
from exchange.client import tls
from exchange.client.transport import certificate_digest
from exchange.model.codec import unb64
from tests.api.serving import certificate
from tests.builders import NOW, TLS_SEED

OTHER_SEED = bytes(32)


class Side:
    def __init__(self, context, *, is_server):
        self.came, self.goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.came, self.goes, server_side=is_server)

    def heard(self):
        """Read as uvloop does: no further than it is told that something is here."""
        said = b""
        while self.came.pending or self.tls.pending():
            try:
                said += self.tls.read(256 * 1024)
            except ssl.SSLWantReadError:
                break
        return said


def pair(client, seed=TLS_SEED, shown=None):
    server = state.server_context(shown or certificate(), seed)
    return Side(client, is_server=False), Side(server, is_server=True)


def carry(one, other):
    other.came.write(one.goes.read())


def greet(client, server):
    for each, to in ((client, server), (server, client), (client, server)):
        try:
            each.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        finally:
            carry(each, to)
    server.tls.do_handshake()
    carry(server, client)


@pytest.mark.parametrize("step", [1, 7, 16_405, 20_000, 1 << 20])
def test_what_is_said_is_heard_whole_however_it_is_cut(step):
    client, server = pair(tls.pinned(certificate()))
    greet(client, server)
    said = [bytes([n]) * size for n, size in enumerate((1, 16_384, 16_385, 50_000, 3))]
    if step == 1:
        said = [piece[:300] for piece in said]
    for piece in said:
        taken = 0
        while taken < len(piece):
            taken += client.tls.write(piece[taken:])
    wire, heard = client.goes.read(), b""
    for at in range(0, len(wire), step):
        server.came.write(wire[at : at + step])
        heard += server.heard()
    assert heard == b"".join(said)


def test_group_is_post_quantum_and_both_sides_say_so():
    client, server = pair(tls.pinned(certificate()))
    greet(client, server)
    assert {client.tls.group(), server.tls.group()} == {tls.GROUP}


def test_end_is_heard_as_an_end():
    client, server = pair(tls.pinned(certificate()))
    greet(client, server)
    client.tls.write(b"last")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    carry(client, server)
    assert (server.tls.read(9), server.tls.read(9)) == (b"last", b"")
    server.tls.unwrap()


PINS = {
    "certificate": lambda: tls.pinned(certificate()),
    "digest": lambda: tls.pinned_to(unb64(certificate_digest(certificate()))),
}


@pytest.mark.parametrize("pin", PINS)
def test_another_certificate_is_refused_before_anything_is_said(pin):
    greet(*pair(PINS[pin]()))
    other, _ = state.make_certificate("x", OTHER_SEED, NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(*pair(PINS[pin](), OTHER_SEED, other))


def test_bytes_that_are_no_tls_end_in_an_error_of_tls():
    _, server = pair(tls.pinned(certificate()))
    server.came.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ssl.SSLError):
        server.tls.do_handshake()


def test_certificate_of_another_key_or_none_is_not_served():
    for shown in (certificate(), "no certificate"):
        with pytest.raises(ssl.SSLError):
            state.server_context(shown, OTHER_SEED)
    with pytest.raises(ssl.SSLError):
        tls.pinned("no certificate")
    with pytest.raises(ssl.SSLError):
        tls.pinned_to(b"")


def test_flight_that_is_longer_than_a_record_goes_out_whole():
    """Else a node with a long certificate would wait for ever, and so would its callers."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "long")])
    key = state._tls_key(TLS_SEED)
    names = [x509.DNSName(f"{n:060}.example") for n in range(600)]
    made = x509.CertificateBuilder(name, name, key.public_key(), 1)
    made = made.not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC)).not_valid_after(
        dt.datetime(2040, 1, 1, tzinfo=dt.UTC)
    )
    made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    shown = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    client, server = pair(tls.pinned(shown), shown=shown)
    greet(client, server)
    assert client.tls.write(b"x") == 1
