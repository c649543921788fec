"""``keys backup`` and ``keys restore``: one encrypted file that brings an endpoint back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import msgspec

from exchange.cli import output, world
from exchange.cli.home import KEYS, PLACES, PROFILE, Context, read_sealed, write_private
from exchange.cli.main import Session, verb
from exchange.client.transport import Profile, certificate_digest
from exchange.custody import container, ring
from exchange.custody.container import Secrets
from exchange.custody.signers import Places
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from exchange.seal.software import SecretKey

_KIND: Literal["xk1-backup"] = "xk1-backup"


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

    The passphrase is asked for, or comes from EXCHANGE_BACKUP_PASSPHRASE or the file that
    EXCHANGE_BACKUP_PASSPHRASE_FILE names. Keys in a token are not in it: they never leave it.
    """
    if file.exists():
        raise click.BadParameter(f"{file} exists", param_hint="FILE")
    context = session.context()
    secrets = context.secrets()
    whole = Backup(_KIND, context.profile(), secrets, context.places())
    passphrase = world.backup_passphrase(secrets.holder)
    sealed = container.seal_bytes(
        _KIND, secrets.holder, msgspec.json.encode(whole), passphrase, world.randomness
    )
    write_private(file, sealed)
    # A backup that was never read is a hope.
    if _read(file, passphrase) != whole:
        raise Fault(Code.KEY_FILE, name=file.name, expected="key-container-undamaged")
    count = sum(map(len, secrets.keys.values()))
    if session.as_json:
        output.show_json({"endpoint": secrets.holder, "file": str(file), "keys": count})
    session.say(
        f"Respaldo de {count} claves en {file}, leído y verificado.",
        f"Backup of {count} keys in {file}, read back and checked.",
    )


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--name", help="Name of the context; the endpoint's own unless told.")
@click.option("--force", is_flag=True, help="Even where keys would be lost that are newer.")
@verb
def restore(session: Session, file: Path, name: str | None, force: bool) -> None:
    """Bring back an endpoint from a backup FILE; everything is checked before it is written.

    The new container is sealed under the passphrase of EXCHANGE_PASSPHRASE, as ever. What is
    replaced is put aside, not deleted. Keys destroyed here since the backup stay destroyed.
    """
    whole = _checked(file)
    endpoint = whole.profile.endpoint
    name = name or endpoint.replace("/", "-")
    context = Context(session.home.folder / "contexts" / name)
    passphrase = world.passphrase(name)
    secrets = _merged(context, whole, passphrase, force=force)
    aside = _put_aside(context)
    session.home.add(name, whole.profile, container.seal(secrets, passphrase, world.randomness))
    if whole.places is not None:
        write_private(context.folder / PLACES, msgspec.json.encode(whole.places) + b"\n")
    if context.unlocked_with(passphrase) != secrets:
        raise Fault(Code.KEY_FILE, name=name, expected="key-container-undamaged")
    if session.as_json:
        output.show_json({"endpoint": endpoint, "context": name, "aside": aside})
    session.say(
        f"{endpoint} está de vuelta, en el contexto {name}."
        + (f" Lo anterior quedó en {', '.join(aside)}." if aside else ""),
        f"{endpoint} is back, in the context {name}."
        + (f" What was there before lies in {', '.join(aside)}." if aside else ""),
    )


def _read(file: Path, passphrase: str) -> Backup:
    plain = container.unseal_bytes(_KIND, read_sealed(file), passphrase)
    try:
        return msgspec.json.decode(plain, type=Backup)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Fault(Code.KEY_FILE, name=file.name, expected=_KIND) from None


def _checked(file: Path) -> Backup:
    """Return a backup that makes a context: its parts belong together, and each key loads."""
    whole = _read(file, world.backup_passphrase(file.name))
    if whole.secrets.holder != whole.profile.endpoint:
        endpoint = whole.profile.endpoint
        raise Fault(Code.KEY_FILE, name=whole.secrets.holder, expected=endpoint)
    try:
        certificate_digest(whole.profile.certificate)
        ring.held(whole.secrets)
    except ValueError as error:
        raise Fault(Code.KEY_FILE, name=file.name, expected=_KIND) from error
    whole.secrets.of(ring.SIGN)
    whole.secrets.of(ring.OPEN)
    return whole


def _merged(context: Context, whole: Backup, passphrase: str, *, force: bool) -> Secrets:
    """Return the keys to write, once nothing is lost that is here and not in the backup."""
    if not (context.folder / PROFILE).exists():
        return whole.secrets
    there = context.profile().endpoint
    if there != whole.profile.endpoint:
        raise Fault(Code.KEY_FILE, name=there, expected=whole.profile.endpoint)
    try:
        present = context.unlocked_with(passphrase)
    except Fault:
        # It does not open, which is why there is a backup; it is put aside all the same.
        return whole.secrets
    kept = ring.buried(whole.secrets, present.destroyed)
    newer = [key for key in _keys(present) if key not in _keys(whole.secrets)]
    if newer and not force:
        kid = ring.public(newer[-1]).kid
        raise Refusal(Code.STALE_BACKUP, "", kid=kid, name=whole.profile.endpoint)
    return kept


def _keys(secrets: Secrets) -> list[SecretKey]:
    return [key for keys in secrets.keys.values() for key in keys]


def _put_aside(context: Context) -> list[str]:
    """Rename what is there, so that nothing is lost to a mistake; return the new names."""
    moved = []
    for name in (KEYS, PLACES):
        path = context.folder / name
        if path.exists():
            beside = path.with_name(f"{name}.before-{world.now()}")
            path.rename(beside)
            moved.append(beside.name)
    return moved
