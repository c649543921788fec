"""A node's folder: its name and anchor, its sealed keys, its certificate and its journal."""

from __future__ import annotations

import codecs
import datetime as dt
import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.client import tls
from exchange.client.files import write_durably
from exchange.errors import Code, Fault
from exchange.model.identity import Count, digest
from exchange.store.quota import KEPT_BYTES
from exchange.store.shipped import Known, ShippedFiles

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from exchange.custody.container import Secrets

SETTINGS, KEYS, CERTIFICATE = "node.json", "node.xk", "certificate.pem"
JOURNAL, TRUST = "journal.db", "trust"
LINKS, WITNESS = "links", "witness"
BLOBS, SIGNED, COSIGNED = "blobs", "signed.note", "cosigned.note"
KNOWN_TIME = "known-time"
# What SQLite and its lock have beside the journal's file; and what a journal that is made anew
# is called until it is put in place.
_ENDS, _REBUILT = ("", "-wal", "-shm", ".lock"), "rebuilt.db"
# Which second place was shipped to last.
SHIPPED_TO = "shipped-to"
_TEN_YEARS = dt.timedelta(days=3650)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node is told once: its name, and the anchor that its operator was given.

    ``kept_bytes`` is how much it keeps of the attachments of each organisation. ``second`` is
    a folder, best on another disk, to which every commit group is shipped; empty: none.
    ``link`` is the address (HOST:PORT) on which other nations' nodes are answered; empty: none
    are. ``peers`` are those that it pulls from, each with the address of its link; empty: what
    comes from there comes by files alone.
    ``restored`` is when the folder was made of a backup, in seconds: no earlier epoch is opened
    here, so this node's receipts are told from those of the one that it replaces.
    """

    node: str
    anchor: str
    kept_bytes: Count = KEPT_BYTES
    second: str = ""
    restored: Count = 0
    link: str = ""
    peers: dict[str, str] = {}


class State:
    """One node on this machine."""

    def __init__(
        self, folder: Path, *, second_is_new: bool = False, clock_is_right: bool = False
    ) -> None:
        """Use this folder, at the word of its operator.

        Args:
            folder: of the node.
            second_is_new: an empty second place is begun anew.
            clock_is_right: the machine's clock was held to another one.
        """
        self.folder = folder
        self.clock_is_right = clock_is_right
        self._second_is_new = second_is_new

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.folder / JOURNAL

    def aside(self) -> list[str]:
        """Return the names of what lies beside the journal and may hold bodies of it, sorted.

        Raises:
            Fault: ``file``: the folder cannot be read.
        """
        own = {f"{JOURNAL}{end}" for end in _ENDS}
        try:
            names = {path.name for path in self.folder.iterdir()}
        except OSError as error:
            kind = type(error).__name__
            raise Fault(Code.FILE, name=str(self.folder), found=kind) from error
        return sorted(name for name in names - own if name.startswith((JOURNAL, _REBUILT)))

    @property
    def blobs(self) -> Path:
        """The folder of attachments, beside the journal; it belongs to it as its blobs do."""
        return self.journal.with_name(BLOBS)

    @property
    def pledge(self) -> Path:
        """Where the newest checkpoint is kept apart from the journal."""
        return self.folder / SIGNED

    @property
    def cosigned(self) -> Path:
        """Where the newest checkpoint that a quorum of witnesses cosigned is kept."""
        return self.folder / COSIGNED

    @property
    def known_time(self) -> Path:
        """Where it is kept how late it is for certain (``node.known_time``)."""
        return self.folder / KNOWN_TIME

    @property
    def links(self) -> Path:
        """The folder of how far its links came, and of what convicts a journal."""
        return self.folder / LINKS

    @property
    def witness(self) -> Path:
        """The folder of what its witness remembers."""
        return self.folder / WITNESS

    def second(self) -> ShippedFiles | None:
        """Return the second place, if this node was given one; a relative path is from here."""
        folder = self.second_folder()
        if folder is None:
            return None
        name = self.settings().second
        known = Known(self.folder / SHIPPED_TO, name, is_new=self._second_is_new)
        return ShippedFiles(folder, known)

    def second_folder(self) -> Path | None:
        """Return the folder of the second place, if this node was given one."""
        name = self.settings().second
        return self.folder / name if name else None

    def settings(self) -> Settings:
        """Return the node's name and anchor."""
        path = self.folder / SETTINGS
        try:
            raw = path.read_bytes()
            if raw.startswith(codecs.BOM_UTF8):
                raise Fault(Code.FILE, name=str(path), expected="no-byte-order-mark")
            return msgspec.json.decode(raw, type=Settings)
        except FileNotFoundError as error:
            raise Fault(Code.NO_NODE, name=str(self.folder)) from error
        except (OSError, msgspec.MsgspecError) as error:
            raise Fault(Code.FILE, name=str(path), found=type(error).__name__) from error

    def secrets(self) -> Secrets:
        """Return the node's keys: receipts, log, TLS. None of them opens a bulletin."""
        # A front reads certificates here, and has no use for all that opens containers.
        from exchange.cli.home import unsealed  # noqa: PLC0415

        return unsealed(self.folder / KEYS, self.folder.name)

    def certificate(self, seed: bytes) -> str:
        """Return the server certificate (PEM) of a TLS key; one to come may lie beside it."""
        text = (self.folder / CERTIFICATE).read_text(encoding="ascii")
        mine = _tls_key(seed).public_key()
        # None, or of another key: whoever serves by it, or shows it, is told there.
        with suppress(ValueError):
            for each in x509.load_pem_x509_certificates(text.encode()):
                if each.public_key() == mine:
                    return each.public_bytes(serialization.Encoding.PEM).decode()
        return text

    def must_serve_by(self, certificate: str, seed: bytes) -> None:
        """Find out whether this node can serve by a certificate (PEM) and its TLS key.

        Raises:
            Fault: the file of its certificates holds none, or only another key's.
        """
        try:
            server_context(certificate, seed)
        except OSError as error:
            path = str(self.folder / CERTIFICATE)
            raise Fault(Code.FILE, name=path, found=type(error).__name__) from error

    def keep_certificates(self, *certificates: str) -> None:
        """Write the certificates (PEM) that there are from now on, and no other."""
        write_durably(self.folder / CERTIFICATE, "".join(certificates).encode())

    def documents(self) -> list[bytes]:
        """Return the trust documents that lie here to be taken in, in order of their names."""
        return [path.read_bytes() for path in self.document_files()]

    def document_files(self) -> list[Path]:
        """Return the files of these documents, in the same order."""
        return sorted((self.folder / TRUST).glob("*.trust"))


def make_certificate(host: str, seed: bytes, now: int) -> tuple[str, str]:
    """Return a self-signed server certificate (PEM) and its digest, for clients to pin.

    Args:
        host: name or address in the certificate; pinned clients do not look at it.
        seed: 32 bytes, the private key (P-256).
        now: seconds UTC.
    """
    key, begin = _tls_key(seed), dt.datetime.fromtimestamp(now, dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "exchange node")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(seed[:8]) >> 1 | 1)
        .not_valid_before(begin - dt.timedelta(days=1))
        .not_valid_after(begin + _TEN_YEARS)
        .add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return pem, digest(certificate.public_bytes(serialization.Encoding.DER))


def certificate_ends(certificate: str) -> int:
    """Return when a certificate (PEM) ends, seconds UTC."""
    found = x509.load_pem_x509_certificate(certificate.encode())
    return int(found.not_valid_after_utc.timestamp())


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _tls_key(seed: bytes) -> ec.EllipticCurvePrivateKey:
    # A scalar of P-256 is below the curve's order; reducing costs nothing that matters.
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    return ec.derive_private_key(int.from_bytes(seed) % (order - 1) + 1, ec.SECP256R1())


def server_context(certificate: str, seed: bytes) -> ssl.SSLContext:
    """Return a TLS 1.3 server context with a post-quantum key exchange, of a key's seed.

    Raises:
        ssl.SSLError: the certificate (PEM) is none, or is another key's.
    """
    return tls.serving(certificate, _tls_key(seed))
