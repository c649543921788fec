"""Where an endpoint's things lie: ``HOME/contexts/NAME/`` with its profile, keys and mail."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from exchange.cli import world
from exchange.cli.usage import Unusable
from exchange.client import cabinet
from exchange.client.cabinet import Cabinet
from exchange.client.files import make_private, write_durably
from exchange.client.memory import Memory
from exchange.client.seen import SeenHead
from exchange.client.transport import Profile
from exchange.client.world import Keys, World
from exchange.custody import container, ring, signers
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exchange.client.agency import Agency
    from exchange.client.losses import Loss
    from exchange.custody.container import Secrets
    from exchange.custody.signers import Places
    from exchange.policy.expiry import Lapse
    from exchange.seal.jws import Signer

PROFILE, KEYS, SEEN, HEAD = "profile.json", "keys.xk", "trust.json", "head.json"
# What was posted and received; and what an older version kept of that as plain files.
MAIL, OLD_OUTBOX = "mail", "outbox"
_LOCK = "keys.lock"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
# Where signing keys lie, when not all of them lie in the container.
PLACES = "signers.json"


def default() -> Path:
    """Return the home: ``EXCHANGE_HOME``, or the usual place for settings."""
    if named := os.environ.get("EXCHANGE_HOME"):
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "exchange"


class Home:
    """A folder of contexts; one of them is current."""

    def __init__(self, folder: Path) -> None:
        """Use this folder, whether or not it exists yet."""
        self.folder = folder

    def names(self) -> list[str]:
        """Return the contexts there are, sorted."""
        found = (self.folder / "contexts").glob(f"*/{PROFILE}")
        return sorted(path.parent.name for path in found)

    def current(self, chosen: str | None) -> Context:
        """Return the context asked for, else the current one, else the only one.

        Raises:
            Fault: ``no-context``: there is none of that name; ``context-unchosen``: there are
                several, and nothing says which.
        """
        names, marker = self.names(), self.folder / "current"
        name = chosen or os.environ.get("EXCHANGE_CONTEXT")
        if name is None and marker.exists():
            name = marker.read_text(encoding="utf-8").strip()
        if name is None and len(names) == 1:
            name = names[0]
        if name is None and names:
            raise Fault(Code.CONTEXT_UNCHOSEN, found=", ".join(names))
        # An endpoint's own name does as well: pa.senan/ops lies under pa.senan-ops.
        name = name.replace("/", "-") if name else name
        if name not in names:
            found = {"found": ", ".join(names)} if names else {}
            raise Fault(Code.NO_CONTEXT, name=name or str(self.folder), **found)
        return Context(self.folder / "contexts" / name)

    def use(self, name: str) -> None:
        """Make a context the current one."""
        self.current(name)
        (self.folder / "current").write_text(f"{name}\n", encoding="utf-8")

    def place(self, name: str) -> Path:
        """Return where a context of that name lies, or would.

        Raises:
            Unusable: no context is called so: it would lie elsewhere, or be found by nobody.
        """
        if not _NAME.fullmatch(name):
            raise Unusable(
                f"{name}: un contexto se nombra con letras, dígitos, puntos, guiones y _.",
                f"{name}: a context is named with letters, digits, dots, hyphens and _.",
                "--name",
            )
        return self.folder / "contexts" / name

    def add(self, name: str, profile: Profile, keys: bytes) -> Context:
        """Write a new context: who, where, and the sealed keys."""
        folder = self.place(name)
        make_private(folder)
        write_durably(folder / PROFILE, msgspec.json.encode(profile) + b"\n")
        write_private(folder / KEYS, keys)
        return Context(folder)


class Context:
    """One endpoint on this machine."""

    def __init__(self, folder: Path) -> None:
        """Use this folder."""
        self.folder = folder
        self.name = folder.name
        # As first unlocked: what ``keep`` writes is made of that, whatever is read later.
        self._unlocked: bytes | None = None
        # Called at once with what was found damaged in the mail, or expired unsent.
        self.on_loss: Callable[[Loss], None] = lambda _: None

    def profile(self) -> Profile:
        """Return who this is, and the node it trusts."""
        try:
            return msgspec.json.decode((self.folder / PROFILE).read_bytes(), type=Profile)
        except (OSError, msgspec.MsgspecError) as error:
            raise Fault(Code.KEY_FILE, name=self.name, expected=PROFILE) from error

    def move(self, url: str, certificate: str) -> None:
        """Go on with the same node at another address, or by another certificate."""
        after = msgspec.structs.replace(self.profile(), url=url, certificate=certificate)
        write_durably(self.folder / PROFILE, msgspec.json.encode(after) + b"\n")

    def secrets(self) -> Secrets:
        """Return the keys, opened with the passphrase.

        Raises:
            Fault: ``key-file``: they cannot be opened, or are another endpoint's.
        """
        return self.unlocked()[0]

    def unlocked(self) -> tuple[Secrets, str]:
        """Return the keys, and the passphrase, for whoever will ``keep`` them changed."""
        # First: who has no container is not asked for its passphrase.
        read_sealed(self.folder / KEYS)
        passphrase = world.passphrase(self.name)
        secrets, sealed = self._unlock(passphrase)
        self._unlocked = self._unlocked or sealed
        return secrets, passphrase

    def unlocked_with(self, passphrase: str) -> Secrets:
        """Return the keys for a caller that has the passphrase at hand."""
        return self._unlock(passphrase)[0]

    def _unlock(self, passphrase: str) -> tuple[Secrets, bytes]:
        """Return the keys, and the container that they are in: with one that seals the mail."""
        sealed = read_sealed(self.folder / KEYS)
        secrets = self._own(container.unseal(sealed, passphrase))
        # Mail that is here is under another key than a new one: that has to be found first.
        if secrets.storage or cabinet.is_there(self.folder / MAIL):
            return secrets, sealed
        secrets = ring.with_storage(secrets, world.randomness)
        after = sealed_surely(secrets, passphrase)
        try:
            with self.unchanged(sealed):
                write_private(self.folder / KEYS, after)
        except Refusal:
            return self._unlock(passphrase)  # another command made one meanwhile
        return secrets, after

    def keep(self, secrets: Secrets, passphrase: str, places: Places | None = None) -> None:
        """Write the container anew, at one stroke, once it is sure to open.

        Args:
            secrets: what will be in it.
            passphrase: under which it is sealed.
            places: where signing keys lie, if that changes. Written first, and under the same
                lock: stopped in between, it names keys that the container does not ask for,
                and says of those in use what it said before.

        Raises:
            Refusal: ``changed-meanwhile``: another command wrote it since it was unlocked; what
                that one added is not written over.
        """
        sealed = sealed_surely(self._own(secrets), passphrase)
        with self.unchanged(self._unlocked):
            if places is not None:
                self._note(places)
            write_private(self.folder / KEYS, sealed)
            # What is in use now is not asked for any more; until this is written, that follows.
            noted = self.places(secrets)
            if noted is not None and noted != self._noted():
                self._note(noted)
        self._unlocked = sealed

    def sealed(self) -> bytes | None:
        """Return the container as it lies here, still sealed; None where there is none."""
        path = self.folder / KEYS
        return read_sealed(path) if path.exists() else None

    @contextmanager
    def unchanged(self, sealed: bytes | None) -> Iterator[None]:
        """Keep other commands from writing the container, for as long as this one does.

        Args:
            sealed: as this command read it; None where there was none.

        Raises:
            Refusal: ``changed-meanwhile``: it is not so any more.
        """
        with (self.folder / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.sealed() != sealed:
                raise Refusal(Code.CHANGED_MEANWHILE, name=KEYS)
            yield

    def copies(self) -> list[Path]:
        """Return older copies of the container: put aside, or left by a command that died."""
        found = [self.folder.glob(f"{KEYS}.{rest}") for rest in ("before-*", "*.new")]
        return sorted(itertools.chain(*found, self.folder.glob(f"{PLACES}.before-*")))

    def drop_copies(self) -> None:
        """Remove every older copy: a key that is destroyed must not live on in one."""
        with self.unchanged(self._unlocked):
            for path in self.copies():
                path.unlink()

    def places(self, secrets: Secrets) -> Places | None:
        """Return where the signing keys lie; None where all are in the container."""
        noted = self._noted()
        return None if noted is None else noted.of(secrets)

    def _noted(self) -> Places | None:
        path = self.folder / PLACES
        if not path.exists():
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=signers.Places)
        except (OSError, msgspec.MsgspecError) as error:
            raise Fault(Code.KEY_FILE, name=self.name, expected=PLACES) from error

    def _note(self, places: Places) -> None:
        write_private(self.folder / PLACES, msgspec.json.encode(places) + b"\n")

    def signer(self, secrets: Secrets, purpose: str = ring.SIGN) -> Signer:
        """Return who signs: with the keys in use, or with those that were asked for."""
        places = self.places(secrets)
        found = places and (places.sign if purpose == ring.SIGN else places.next)
        if places is None or not found:
            return signers.software(secrets.of(purpose))
        return signers.gather(places.suite, found, purpose, self._sources(secrets))

    def _sources(self, secrets: Secrets) -> signers.Sources:
        own = (self.folder / KEYS).resolve()

        def at(name: str) -> Secrets:
            path = (self.folder / name).resolve()
            return secrets if path == own else self._own(unsealed(path, self.name))

        return signers.Sources(at, world.pin)

    def lapses(self) -> list[Lapse]:
        """Return when the keys end, as far as was seen; asks nobody."""
        return Memory(self.folder / SEEN).lapses()

    def _own(self, secrets: Secrets) -> Secrets:
        endpoint = self.profile().endpoint
        if secrets.holder != endpoint:
            raise Fault(Code.KEY_FILE, name=secrets.holder, expected=endpoint)
        return secrets

    def cabinet(self, secrets: Secrets) -> Cabinet:
        """Return what is kept of the mail; close it. What its time is over for goes first."""
        from exchange.client import losses, purging, taking_over  # noqa: PLC0415  (no node's)

        made = Cabinet(self.folder / MAIL, ring.storage(secrets), world.randomness)
        made.on_loss = self.on_loss
        made.on_open = lambda: taking_over.take_over(made, self.folder / OLD_OUTBOX)
        purging.purge(made, world.clock_ms())
        for loss in losses.listed(made):
            # Again each time, for the month that it is listed: nobody may overlook it.
            if loss.how == "declared":
                self.on_loss(loss)
        return made

    def agency(self) -> Agency:
        """Return the endpoint's dealings with its node; use as an async context manager."""
        return self._agency(self.secrets())

    def agency_with(self, passphrase: str) -> Agency:
        """Return the same for a caller that has the passphrase at hand."""
        return self._agency(self.unlocked_with(passphrase))

    def _agency(self, secrets: Secrets) -> Agency:
        return self.agency_as(secrets, self.signer(secrets))

    def agency_as(self, secrets: Secrets, signer: Signer) -> Agency:
        """Return the same with a signer of the caller's choice."""
        from exchange.client.agency import Agency  # noqa: PLC0415  (slow; a node needs none)

        keys = Keys(signer, ring.openers(secrets), ring.gone(secrets))
        memory = Memory(self.folder / SEEN)
        here = World(
            clock_ms=world.clock_ms,
            randomness=world.randomness,
            codes=world.codes(),
            cabinet=self.cabinet(secrets),
            memory=memory,
            seen=SeenHead(self.folder / HEAD),
        )
        return Agency(self.profile(), keys, here)


def unsealed(path: Path, holder: str) -> Secrets:
    """Return the secrets in a container file; ``holder`` is whose passphrase is asked for.

    Raises:
        Fault: ``key-file``.
    """
    sealed = read_sealed(path)
    return container.unseal(sealed, world.passphrase(holder))


def signer_in(path: Path) -> Signer:
    """Return who signs by the keys in a container file, such as a custodian's.

    Raises:
        Fault: ``key-file``.
    """
    return signers.software(unsealed(path, path.stem).of(ring.SIGN))


def read_sealed(path: Path) -> bytes:
    """Return a container's bytes, still sealed.

    Raises:
        Fault: ``key-file``: there is no such file, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(container.MAX_CONTAINER_BYTES + 1)
    except OSError as error:
        raise Fault(Code.KEY_FILE, name=path.name, found=type(error).__name__) from error


def sealed_surely(secrets: Secrets, passphrase: str) -> bytes:
    """Return a container's bytes that were opened again, so that they replace what opens."""
    sealed = container.seal(secrets, passphrase, world.randomness)
    if container.unseal(sealed, passphrase) != secrets:
        raise Fault(Code.KEY_FILE, name=secrets.holder, expected="key-container-undamaged")
    return sealed


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read; it is whole, or as it was before."""
    write_durably(path, data)
