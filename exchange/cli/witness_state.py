"""A witness's folder: its name, its sealed keys, its certificate, the logs, what it remembers.

witness.json       its name and address         logs.policy   the logs (C2SP tlog-policy)
witness.xk         its keys, sealed             memory/       what it cosigned; evidence
certificate.pem    its server certificate
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import mldsa

from exchange.cli import state, world
from exchange.cli.home import unsealed, write_private
from exchange.client.transport import certificate_digest
from exchange.custody import container
from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint, quorum
from exchange.journal.quorum import OF_NODE, PIN
from exchange.seal.software import SEED_BYTES, SecretKey
from exchange.store.witnessed import WitnessFiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from exchange.custody.container import Secrets
    from exchange.journal.checkpoint import Signer
    from exchange.journal.note import VerifierKey
    from exchange.journal.witness import Rings

SETTINGS, KEYS, CERTIFICATE = "witness.json", "witness.xk", "certificate.pem"
LOGS, MEMORY = "logs.policy", "memory"
# Of the key that cosigns, in a container.
PURPOSE = "witness"
_NO_LOGS = """\
# The logs that this witness serves, in the format of C2SP tlog-policy: for each key of a node,
# the line that `exchange journal keys` prints. All keys of a log must have signed. When a node
# hands over its keys, put the lines of the new ones below the old; take none out.
quorum none
"""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a witness is told once: the name it signs under, and where it answers."""

    name: str
    url: str


class WitnessState(NamedTuple):
    """One witness on this machine."""

    folder: Path

    @property
    def memory(self) -> Path:
        """The folder of what it remembers."""
        return self.folder / MEMORY

    def settings(self) -> Settings:
        """Return its name and address."""
        path = self.folder / SETTINGS
        try:
            return msgspec.json.decode(path.read_bytes(), type=Settings)
        except (OSError, msgspec.MsgspecError) as error:
            raise Fault(Code.FILE, name=str(path), found=type(error).__name__) from error

    def secrets(self) -> Secrets:
        """Return its keys: the one that cosigns, and its server's."""
        return unsealed(self.folder / KEYS, self.folder.name)

    def certificate(self) -> str:
        """Return the server certificate (PEM)."""
        return (self.folder / CERTIFICATE).read_text(encoding="ascii")

    def logs(self) -> Mapping[str, Rings]:
        """Return the rings of every log that is served.

        Raises:
            Fault: ``file``: the list cannot be read, or is empty.
        """
        return logs_in(self.folder / LOGS)


def logs_in(path: Path) -> Mapping[str, Rings]:
    """Return the logs that a file lists, by origin.

    Raises:
        Fault: ``file``: it cannot be read, is none, or lists nothing.
    """
    try:
        logs = quorum.parse(path.read_text(encoding="utf-8")).logs_by_origin()
    except (OSError, UnicodeDecodeError, Refusal) as error:
        found = str(error.facts.get("found", "")) if isinstance(error, Refusal) else ""
        raise Fault(Code.FILE, name=str(path), expected="tlog-policy", found=found) from error
    if not logs:
        raise Fault(Code.FILE, name=str(path), expected="log")
    return logs


def signer(name: str, secrets: Secrets) -> Signer:
    """Return what cosigns, under the witness's name."""
    (secret,) = secrets.of(PURPOSE)
    return _signer(name, secret)


def _signer(name: str, secret: SecretKey) -> Signer:
    return checkpoint.ml_dsa_44_signer(
        name, mldsa.MLDSA44PrivateKey.from_seed_bytes(secret.seed)
    )


def line(name: str, key: VerifierKey, url: str, certificate: str) -> str:
    """Return the line by which a policy names a witness."""
    return f"witness {name} {key} {url}{PIN}{certificate_digest(certificate)}"


def fresh() -> SecretKey:
    """Return a new key to cosign by."""
    return SecretKey("ML-DSA-44", world.randomness(SEED_BYTES))


def begin(memory: Path) -> None:
    """Begin an empty memory in a new folder."""
    memory.mkdir(mode=0o700)
    WitnessFiles.found(memory)


def begin_anew(memory: Path) -> None:
    """Begin an empty memory for a new key; what lies there is put aside, with its evidence.

    Raises:
        Fault: ``journal-in-use``: the node of the old one runs.
    """
    if memory.exists():
        WitnessFiles.must_be_free(memory)
        number = len(list(memory.parent.glob(f"{memory.name}.before-*"))) + 1
        memory.rename(memory.with_name(f"{memory.name}.before-{number}"))
    begin(memory)


def name_beside(node: str) -> str:
    """Return the name by which a node's own witness cosigns."""
    return f"{node}-witness"


def beside(node: str, secret: SecretKey, url: str) -> str:
    """Return the line by which a policy names a node's own witness, on its link's address.

    Its certificate is the node's, as the directory lists it, whichever that is at the time.
    """
    name = name_beside(node)
    return f"witness {name} {_signer(name, secret).key} {url}{OF_NODE}{node}"


def found(folder: Path, name: str, url: str, secret: str) -> str:
    """Make a witness's folder, with fresh keys; return its line for a policy."""
    seed = world.randomness(SEED_BYTES)
    certificate, _ = state.make_certificate(urlsplit(url).hostname or "", seed, world.now())
    keys = {
        PURPOSE: [fresh()],
        "tls": [SecretKey("ES256", seed)],
    }
    secrets = container.Secrets(name, keys)
    here = WitnessState(folder)
    begin(here.memory)
    (folder / SETTINGS).write_bytes(msgspec.json.encode(Settings(name, url)) + b"\n")
    (folder / CERTIFICATE).write_text(certificate, encoding="ascii")
    (folder / LOGS).write_text(_NO_LOGS, encoding="utf-8")
    write_private(folder / KEYS, container.seal(secrets, secret, world.randomness))
    return line(name, signer(name, secrets).key, url, certificate)
