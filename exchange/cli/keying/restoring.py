"""``keys restore``: an endpoint comes back from its backup, and nothing is lost to a slip."""

from __future__ import annotations

import itertools
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from exchange.cli import output, world
from exchange.cli.home import (
    KEYS,
    MAIL,
    PLACES,
    PROFILE,
    Context,
    sealed_surely,
    write_private,
)
from exchange.cli.keying import keeping
from exchange.cli.main import Session, verb
from exchange.client import cabinet
from exchange.client.files import make_private
from exchange.client.outbox import Outbox
from exchange.client.outcomes import made_ms
from exchange.client.transport import certificate_digest
from exchange.custody import container, ring
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from exchange.cli.keying.keeping import Backup
    from exchange.custody.container import Secrets
    from exchange.custody.signers import Places
    from exchange.seal.software import SecretKey

# Since when, in milliseconds UTC, an endpoint is here that came back without its mail.
_WITHOUT_MAIL = "without-mail"


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--name", help="Name of the context; the endpoint's own unless told.")
@click.option(
    "--force",
    is_flag=True,
    help="Even where newer keys would be lost, or what is here does not open.",
)
@verb
def restore(session: Session, file: Path, name: str | None, force: bool) -> None:
    """Bring back an endpoint from a backup FILE; everything is checked before it is written.

    The container is sealed under the passphrase of the one that is here; where none is, or it
    does not open any more, a new one is asked for (EXCHANGE_PASSPHRASE, as ever). Keys
    destroyed here since the backup stay destroyed. What would be lost is put aside: keys until
    some are destroyed the next time, a profile that differs for good.

    What was posted before is not here then: `outbox fetch ID` takes it back from the node.
    """
    whole = _checked(file)
    endpoint = whole.profile.endpoint
    name = name or endpoint.replace("/", "-")
    context = Context(session.home.place(name))
    _must_be(context, endpoint)
    here = _here(context, endpoint, force=force)
    secrets = _merged(here, whole, force=force)
    passphrase = here.passphrase or world.passphrase(name, is_new=True)
    sealed = sealed_surely(secrets, passphrase)
    make_private(context.folder)
    with context.unchanged(here.sealed):
        lost = [PROFILE] if _differs(context, whole) else []
        lost += [KEYS, PLACES] if _loses(here, secrets) else []
        aside = _put_aside(context, lost)
        _write_places(context, whole.places)
        _mark(context)
        session.home.add(name, whole.profile, sealed)
    _tell(session, context, here, aside, has_mail=_has_older_mail(context, secrets))


def _mark(context: Context) -> None:
    """Write down since when an endpoint is here without what it posted before."""
    mark = context.folder / _WITHOUT_MAIL
    if not (mark.exists() or cabinet.is_there(context.folder / MAIL)):
        write_private(mark, f"{world.clock_ms()}\n".encode())


def _has_older_mail(context: Context, secrets: Secrets) -> bool:
    """Tell whether mail is here that no command made since the endpoint came back without it.

    Where it came back without, what was posted before must be there: ids say when.
    """
    mark = context.folder / _WITHOUT_MAIL
    if not cabinet.is_there(context.folder / MAIL) or not mark.exists():
        return cabinet.is_there(context.folder / MAIL)
    try:
        since_ms = int(mark.read_text("ascii"))
        with closing(context.cabinet(secrets)) as kept:
            box = Outbox(kept)
            return any(made_ms(each) < since_ms for each in [*box.sent(), *box.waiting()])
    except (Fault, ValueError):
        # It does not open: as good as not there.
        return False


def _tell(
    session: Session, context: Context, here: _Here, aside: list[str], *, has_mail: bool
) -> None:
    endpoint = context.profile().endpoint
    is_blind = here.sealed is not None and here.secrets is None
    if session.as_json:
        told = {"endpoint": endpoint, "context": context.name, "aside": aside}
        output.show_json({**told, "compared": not is_blind, "mail": has_mail})
    session.say(
        f"{endpoint} está de vuelta, en el contexto {context.name}."
        + (f" Lo anterior quedó en {', '.join(aside)}." if aside else ""),
        f"{endpoint} is back, in the context {context.name}."
        + (f" What was there before lies in {', '.join(aside)}." if aside else ""),
    )
    if not has_mail:
        session.say(
            "No vuelve lo que se envió y se recibió: lo que se le debe se recoge otra vez del"
            " nodo; lo enviado no, y no se puede cancelar, confirmar ni seguir desde aquí sin"
            " la carpeta mail de antes. Póngala en el contexto antes de otra orden, si la"
            " tiene.",
            "What was posted and received does not come back: what is owed to you is fetched"
            " from the node again; what you posted is not, and cannot be cancelled, confirmed"
            " or traced from here without the folder mail of before. Put it into the context"
            " before any other command, if you have it.",
        )
    if is_blind:
        session.say(
            "Lo anterior no se abrió: si se destruyeron claves después del respaldo, han"
            " vuelto; destrúyalas de nuevo.",
            "What was there before did not open: if keys were destroyed after the backup, they"
            " are back; destroy them again.",
        )


def _checked(file: Path) -> Backup:
    """Return a backup that makes a context: its parts belong together, and each key loads."""
    whole = keeping.read(file, world.backup_passphrase(file.name))
    if whole.secrets.holder != whole.profile.endpoint:
        endpoint = whole.profile.endpoint
        raise Fault(Code.KEY_FILE, name=whole.secrets.holder, expected=endpoint)
    try:
        certificate_digest(whole.profile.certificate)
        ring.held(whole.secrets)
    except ValueError as error:
        raise Fault(Code.KEY_FILE, name=file.name, expected=keeping.KIND) from error
    whole.secrets.of(ring.SIGN)
    whole.secrets.of(ring.OPEN)
    return whole


def _must_be(context: Context, endpoint: str) -> None:
    """Hold a context that is here to its endpoint; a damaged profile is written anew."""
    if (context.folder / PROFILE).exists():
        try:
            there = context.profile().endpoint
        except Fault:
            return
        if there != endpoint:
            raise Fault(Code.KEY_FILE, name=there, expected=endpoint)


class _Here(NamedTuple):
    """The container that a backup replaces: its bytes, and what opens where it does."""

    sealed: bytes | None = None
    secrets: Secrets | None = None
    passphrase: str | None = None


def _here(context: Context, endpoint: str, *, force: bool) -> _Here:
    """Open what is here, to compare it with a backup.

    Only damage, or ``force``, lets a backup stand in for what does not open: after a slip in
    the passphrase, newer keys would be lost and destroyed ones be back, and nobody be told.
    """
    sealed = context.sealed()
    if sealed is None or container.is_damaged(sealed):
        return _Here(sealed)
    passphrase = world.passphrase(context.name)
    try:
        secrets = container.unseal(sealed, passphrase)
    except Fault as fault:
        if force:
            return _Here(sealed)
        if fault.facts.get("expected") == "its-passphrase":
            raise Refusal(Code.PASSPHRASE_DIFFERS, "", name=context.name) from fault
        raise
    if secrets.holder != endpoint:
        raise Fault(Code.KEY_FILE, name=secrets.holder, expected=endpoint)
    return _Here(sealed, secrets, passphrase)


def _merged(here: _Here, whole: Backup, *, force: bool) -> Secrets:
    """Return the keys to write, once nothing is lost that is here and not in the backup."""
    if here.secrets is None:
        return whole.secrets
    kept = ring.buried(whole.secrets, here.secrets.destroyed)
    kept = ring.with_storage_of(kept, here.secrets)
    newer = _missing(here.secrets, whole.secrets)
    if newer and not force:
        kid = ring.public(newer[-1]).kid
        raise Refusal(Code.STALE_BACKUP, "", kid=kid, name=whole.profile.endpoint)
    return kept


def _loses(here: _Here, after: Secrets) -> bool:
    """Tell whether something is here that will not be in the container any more."""
    if here.secrets is None:
        return here.sealed is not None
    return bool(_missing(here.secrets, after))


def _differs(context: Context, whole: Backup) -> bool:
    """Tell whether another profile is here: another node, say, or a newer certificate of it."""
    try:
        return (context.folder / PROFILE).exists() and context.profile() != whole.profile
    except Fault:
        # Damaged; what can still be read of it is nobody's to throw away.
        return True


def _missing(before: Secrets, after: Secrets) -> list[SecretKey]:
    """Return what ``after`` lacks and never had: not what was destroyed or replaced in it."""
    kept = [key for keys in after.keys.values() for key in keys]
    gone = {each.kid for each in after.destroyed}
    begun = [after.lives[kid].since for kid in _signing(after) if kid in after.lives]
    for kid in _signing(before):
        if begun and kid in before.lives and before.lives[kid].since < min(begun):
            gone.add(kid)
    return [
        key
        for keys in before.keys.values()
        for key in keys
        if key not in kept and ring.public(key).kid not in gone
    ]


def _signing(secrets: Secrets) -> list[str]:
    return [ring.public(key).kid for key in secrets.keys.get(ring.SIGN, [])]


def _write_places(context: Context, places: Places | None) -> None:
    path = context.folder / PLACES
    if places is None:
        path.unlink(missing_ok=True)
    else:
        write_private(path, msgspec.json.encode(places) + b"\n")


def _put_aside(context: Context, names: list[str]) -> list[str]:
    """Copy what is here, so that nothing is lost to a mistake; return the copies' names."""
    stamp = _free_stamp(context.folder)
    copies = []
    for name in names:
        path = context.folder / name
        if path.exists():
            beside = path.with_name(f"{name}.before-{stamp}")
            write_private(beside, path.read_bytes())
            copies.append(beside.name)
    return copies


def _free_stamp(folder: Path) -> str:
    """Return the time in seconds, with a count where another copy was made in that second."""
    now = world.now()
    stamps = itertools.chain([f"{now}"], (f"{now}-{count}" for count in itertools.count(2)))
    return next(each for each in stamps if not any(folder.glob(f"*.before-{each}")))
