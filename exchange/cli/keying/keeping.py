"""``keys backup``: one encrypted file that brings an endpoint back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click
import msgspec

from exchange.cli import output, world
from exchange.cli.home import read_sealed, write_private
from exchange.cli.main import Session, verb
from exchange.cli.usage import in_the_way
from exchange.client.transport import Profile
from exchange.custody import container
from exchange.custody.container import Secrets
from exchange.custody.signers import Places
from exchange.errors import Code, Fault

KIND: Literal["xk1-backup"] = "xk1-backup"


class Backup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that makes a context: who, where, every key; not what was posted or received."""

    v: Literal["xk1-backup"]
    profile: Profile
    secrets: Secrets
    places: Places | None


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@verb
def backup(session: Session, file: Path) -> None:
    """Write this endpoint's keys and profile into one encrypted FILE, under its own passphrase.

    Not in it: what was posted and received. `outbox fetch ID` takes back from the node what was
    posted, to cancel, correct or confirm it; not its text, nor the key to grant it. For those
    copy the context's folder `mail` too, while nothing uses it.

    The passphrase is asked for, or comes from EXCHANGE_BACKUP_PASSPHRASE or the file that
    EXCHANGE_BACKUP_PASSPHRASE_FILE names. Keys in a token are not in it: they never leave it.
    """
    if file.exists():
        in_the_way(file)
    context = session.context()
    secrets = context.secrets()
    whole = Backup(KIND, context.profile(), secrets, context.places(secrets))
    passphrase = world.backup_passphrase(secrets.holder, is_new=True)
    sealed = container.seal_bytes(
        KIND, secrets.holder, msgspec.json.encode(whole), passphrase, world.randomness
    )
    write_private(file, sealed)
    # A backup that was never read is a hope.
    if read(file, passphrase) != whole:
        raise Fault(Code.KEY_FILE, name=file.name, expected="key-container-undamaged")
    count = sum(map(len, secrets.keys.values()))
    if session.as_json:
        output.show_json({"endpoint": secrets.holder, "file": str(file), "keys": count})
    session.say(
        f"Respaldo de {count} claves en {file}, leído y verificado.",
        f"Backup of {count} keys in {file}, read back and checked.",
    )


def read(file: Path, passphrase: str) -> Backup:
    """Return a backup.

    Raises:
        Fault: ``key-file``: it does not open, or is none.
    """
    plain = container.unseal_bytes(KIND, read_sealed(file), passphrase)
    try:
        return msgspec.json.decode(plain, type=Backup)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Fault(Code.KEY_FILE, name=file.name, expected=KIND) from None
