"""Verbs of an author: ``check``, ``post``, ``reply``."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from exchange.cli import apart, away, held, output, reviewing, witnessed, world
from exchange.cli import officer as on_watch
from exchange.cli.asking import confirm, must_be_there
from exchange.cli.main import Session, verb
from exchange.cli.outboxing import warn
from exchange.cli.progress import teller
from exchange.cli.usage import Unusable, unreadable
from exchange.client.resuming import named
from exchange.client.transport import is_away
from exchange.errors import Code, ExchangeError, Fault, Refusal
from exchange.model import bulletin as bulletins
from exchange.model import draft as drafts
from exchange.model.identity import digest, uuid7

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exchange.client.agency import Agency
    from exchange.client.compose import Prepared
    from exchange.client.separating import By
    from exchange.model.bulletin.blocks import Target
    from exchange.model.draft import Draft
    from exchange.model.objects import Receipt

# A bulletin is at most 256 KiB; as TOML, with comments, it may be somewhat longer.
_MAX_DRAFT_BYTES = 1024 * 1024
_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
_TARGET = click.option(
    "--target",
    metavar="ID|ENTRY",
    help="The bulletin this one updates, corrects, cancels or answers.",
)
_DRY = click.option("--dry-run", is_flag=True, help="Show who could read it; send nothing.")
_ATTACH = click.option(
    "--attach",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    metavar="PATH",
    help="A file to travel with it, sealed. May be given up to 16 times.",
)
_QUEUE = click.option(
    "--queue", is_flag=True, help="Seal it and keep it; `outbox send` sends it later."
)
_YES = click.option("--yes", is_flag=True, help="Do not ask before sending.")


@click.command()
@_FILE
@_TARGET
@click.option("--offline", is_flag=True, help="Check the file alone; do not ask the node.")
@verb
def check(session: Session, file: Path, target: str | None, offline: bool) -> None:
    """Validate a draft, and say who would be able to read it. Sends nothing."""
    if offline and target is not None:
        raise Unusable(
            "--target pregunta al nodo: no va con --offline.",
            "--target asks the node: it does not go with --offline.",
        )
    read = _read(file)
    if offline or not session.home.names():
        _check_alone(session, read)
    else:
        run(session, Wanted(read, target))


@click.command()
@_FILE
@_TARGET
@_ATTACH
@_DRY
@_QUEUE
@_YES
@held.OFFICER
@apart.OPTION
@click.option(
    "--unchecked",
    is_flag=True,
    help="Post a correction whose target's text is not here: you compared them elsewhere.",
)
@click.option(
    "--witnessed",
    "vouched",
    is_flag=True,
    help="Wait, up to 30 seconds, until witnesses vouch for the receipt.",
)
@verb
def post(  # noqa: PLR0913  (one for each option)
    session: Session,
    *,
    file: Path,
    target: str | None,
    attach: tuple[Path, ...],
    dry_run: bool,
    queue: bool,
    yes: bool,
    vouched: bool,
    unchecked: bool,
    officer: str | None,
    separately: By | None,
) -> None:
    """Seal and post a draft, after showing exactly who will be able to read it.

    While the node is away it is sealed and waits (exit code 7): `outbox send` sends it. What
    needs a release waits for that (exit code 7 as well): see `release list`.
    """
    sending = None if dry_run else yes
    wanted = Wanted(
        _read(file), target, attach, sending, queue, vouched, {}, officer, unchecked
    )
    if separately is None:
        run(session, wanted)
    else:
        apart.run(session, wanted, separately)


@click.command()
@click.argument("target", metavar="ID|ENTRY")
@_FILE
@_ATTACH
@_DRY
@_QUEUE
@_YES
@held.OFFICER
@verb
def reply(  # noqa: PLR0913  (one for each option)
    session: Session,
    *,
    target: str,
    file: Path,
    attach: tuple[Path, ...],
    dry_run: bool,
    queue: bool,
    yes: bool,
    officer: str | None,
) -> None:
    """Answer a bulletin with a draft: as `post --target ID`."""
    sending = None if dry_run else yes
    run(session, Wanted(_read(file), target, attach, sending, queue, officer=officer))


class Wanted(NamedTuple):
    """What is to be sealed, and how far it goes.

    ``sending`` is None where nothing is sent, and True where no question is asked; ``queue``
    has it wait in the outbox. ``witnessed`` waits for whoever vouches for its receipt. ``more``
    is told in JSON beside the rest; ``officer`` is who asks for a release. ``unchecked`` lets a
    correction go that cannot be held to its target here.
    """

    draft: Draft
    target: str | None
    attach: Sequence[Path] = ()
    sending: bool | None = None
    queue: bool = False
    witnessed: bool = False
    more: Mapping[str, Any] = {}
    officer: str | None = None
    unchecked: bool = False

    async def prepare(self, agency: Agency, target: Target | None) -> Prepared:
        """Return what would be sealed; see ``Agency.prepare``."""
        return await agency.prepare(self.draft, target, self.attach, unchecked=self.unchecked)

    def mark(self) -> str:
        """Return what tells it from everything else that is posted."""
        files = [_file_mark(path) for path in self.attach]
        return digest(msgspec.json.encode((self.draft, self.target, files)))


def run(session: Session, wanted: Wanted) -> None:
    """Post, and end with a code of its own where that waits for a node that is away."""
    if not asyncio.run(_post(session, wanted)):
        away.leave(session)


def _teller(session: Session) -> Callable[[int, int], None]:
    return teller(session, "Adjunto", "Attachment")


def _read(file: Path) -> Draft:
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(_MAX_DRAFT_BYTES + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(_MAX_DRAFT_BYTES + 1)
    except OSError as error:
        raise unreadable(file, error, "FILE") from error
    is_json = file.suffix == ".json" or data.lstrip()[:1] == b"{"
    return drafts.read_draft(data, toml=not is_json)


def _check_alone(session: Session, read: Draft) -> None:
    identity, now = uuid7(world.clock_ms(), world.randomness(10)), world.now()
    bulletin = drafts.complete(read, id=identity, origin="pa.check", codes=world.codes())
    bulletins.check_audience(bulletin, read.post.marking, now, "/bulletin")
    expires = drafts.expires_at(read.post, now)
    if expires <= now:
        raise Refusal(Code.EXPIRED, "/post/expires", found=expires)
    warnings = output.warnings(bulletins.indicators(bulletin, world.codes(), now))
    if session.as_json:
        output.show_json({"valid": True, "type": bulletin.type, "warnings": warnings})
        return
    for warning in warnings:
        click.echo(warning[session.lang])
    session.say(
        "Válido. Quién podría leerlo, y cuánto tiempo vale como máximo, lo dice el nodo: con un"
        " contexto, y sin --offline.",
        "Valid. Who could read it, and how long it may hold at most, is for the node to say:"
        " with a context, without --offline.",
    )


async def _post(session: Session, wanted: Wanted) -> bool:
    """Prepare, review, and post.

    Returns:
        False where it waits for a node that is away, and nobody asked for it to wait.
    """
    from exchange.cli import choosing  # noqa: PLC0415

    if wanted.sending is False:
        must_be_there(
            session,
            "Nadie puede confirmar aquí: --yes envía sin preguntar, --dry-run no envía.",
            "Nobody is here to confirm: --yes sends unasked, --dry-run does not send.",
        )
    mark = wanted.mark()
    async with session.context().agency() as agency:
        if wanted.sending is not None:
            taken = await _taken_up(session, agency, mark, wanted)
            taken = held.taken_up(session, agency, mark) if taken is None else taken
            if taken is not None:
                return taken
        found = await choosing.target(agency, wanted.target) if wanted.target else None
        prepared = await wanted.prepare(agency, found)
        more = {**wanted.more, **apart.others(session, agency, prepared)}
        wanted = wanted._replace(more=more)
        told = {**reviewing.told(session, prepared), **wanted.more}
        if not session.as_json:
            reviewing.show(session, prepared, told)
        if wanted.sending is None:
            if session.as_json:
                output.show_json({"sent": False, **told})
            return True
        return await _reviewed(session, agency, prepared, wanted, mark)


async def _reviewed(
    session: Session, agency: Agency, prepared: Prepared, wanted: Wanted, mark: str
) -> bool:
    """Ask, and have it go its way; return as ``_post``."""
    told = {**reviewing.told(session, prepared), **wanted.more}
    if prepared.releasers:
        named = wanted.officer or on_watch.of(session.context())
        send = partial(agency.asking.ask, prepared, mark, _teller(session), named)
        asked = held.Asked(mark, bool(wanted.sending))
        return await held.ask(session, agency, send, told, asked)
    if not wanted.sending:
        confirm(session, "¿Enviar?", "Send?")
    if wanted.queue or prepared.as_of_ms is not None:
        identity = await agency.queue(prepared, mark, _teller(session))
        if receipt := agency.world.outbox.receipt(identity):
            return await _told_meanwhile(session, agency, mark, receipt, told)
        why = Fault(Code.NODE_UNREACHABLE, name=agency.profile.url)
        _tell_queued(session, agency, mark, None if wanted.queue else why, told)
        return wanted.queue
    return await _send(session, agency, prepared, mark, told, wait=wanted.witnessed)


async def _send(  # noqa: PLR0913  (what was reviewed, and how it is told)
    session: Session,
    agency: Agency,
    prepared: Prepared,
    mark: str,
    told: dict[str, Any],
    *,
    wait: bool,
) -> bool:
    """Seal and post what was reviewed; return as ``_post``."""
    try:
        with named(prepared.header.id):
            receipt = await agency.post(prepared, mark, _teller(session))
    except Fault as fault:
        if not _waits(agency, mark, fault):
            raise
        _tell_queued(session, agency, mark, fault, told)
        return False
    if agency.world.outbox.receipt(prepared.header.id) is None:
        return await _told_meanwhile(session, agency, mark, receipt, told)
    await _tell(session, agency, (prepared.header.id, receipt), told, wait=wait)
    agency.world.outbox.forget(mark)
    return True


async def _told_meanwhile(
    session: Session, agency: Agency, mark: str, receipt: Receipt, told: dict[str, Any]
) -> bool:
    """Tell of the same draft, posted by another command while this one was at it."""
    session.say(
        "Otro mandato envió entretanto este mismo borrador; no se sella otra vez.",
        "Another command posted this very draft meanwhile; it is not sealed again.",
    )
    box = agency.world.outbox
    posted, again = (box.led(mark) or "", receipt), {**told, "again": True}
    await _tell(session, agency, posted, again, wait=False)
    box.forget(mark)
    return True


def _waits(agency: Agency, mark: str, fault: Fault) -> bool:
    """Tell whether what is under a mark was not sent, as the node is away, and waits."""
    # Whoever answered otherwise may have it, whatever that answer was.
    is_unsent = fault.code in (Code.NODE_UNREACHABLE, Code.CLOCK)
    return is_unsent and agency.world.outbox.marked(mark) is not None


def _tell_queued(
    session: Session,
    agency: Agency,
    mark: str,
    why: ExchangeError | None,
    more: dict[str, Any],
) -> None:
    box = agency.world.outbox
    identity = box.marked(mark)
    if identity is None:
        raise Fault(Code.INTERNAL, found="outbox")
    if session.as_json:
        output.show_json({**more, **away.queued(identity, why)})
    away.say_queued(session, identity, why, fresh="again" not in more)
    box.tell(mark)


async def _tell(
    session: Session,
    agency: Agency,
    posted: tuple[str, Receipt],
    more: dict[str, Any],
    *,
    wait: bool,
) -> None:
    identity, receipt = posted
    session.say(
        f"Recibo: {identity} es el asiento {receipt.index} del nodo {receipt.node}.",
        f"Receipt: {identity} is entry {receipt.index} of node {receipt.node}.",
    )
    vouched = witnessed.unasked(agency, receipt)
    if wait and (envelope := agency.world.outbox.envelope(identity)):
        header = envelope.header
        vouched = await witnessed.of_receipt(agency, receipt, header, wait=True)
    if session.as_json:
        told = {"sent": True, "id": identity, "index": receipt.index, "node": receipt.node}
        output.show_json({**more, **told, **vouched})
    else:
        witnessed.say(session, vouched)


def _file_mark(path: Path) -> tuple[str, str]:
    """Return what tells a file to be attached from every other."""
    try:
        with path.open("rb") as file:
            return path.name, file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error, "--attach") from error


async def _taken_up(session: Session, agency: Agency, mark: str, wanted: Wanted) -> bool | None:
    """Resolve what was left without an answer.

    Returns:
        As ``_post``, where this very draft was among it; None where it is still to be sealed.
    """
    box, queue = agency.world.outbox, wanted.queue
    mine = agency.begin(mark)
    if queue and mine is not None and box.waits(mine):
        _tell_queued(session, agency, mark, None, {"again": True})
        return True
    for identity in [] if queue else box.waiting():
        session.say(
            f"{identity} quedó sin respuesta: se pregunta al nodo antes de sellar nada más ...",
            f"{identity} had no answer: asking the node before anything else is sealed ...",
        )
        try:
            with named(identity):
                receipt = await agency.resolve(identity, _teller(session))
        except ExchangeError as error:
            if is_away(error) and error.code is not Code.OUTCOME_UNKNOWN:
                if mine is None or box.waits(mine) is None:
                    break  # this one will wait as well, or has its receipt
                _tell_queued(session, agency, mark, error, {"again": True})
                return False
            # Of another, its trouble is no reason to keep this one from being sealed.
            if identity == mine or is_away(error):
                raise
            warn(session, identity, error)
            continue
        if identity != mine:
            session.say(f"  es el asiento {receipt.index}.", f"  it is entry {receipt.index}.")
    if mine is None or (posted := await agency.posted(mark)) is None:
        return None
    session.say(
        "Este mismo borrador ya se envió; no se sella otra vez.",
        "This very draft was posted already; it is not sealed again.",
    )
    await _tell(session, agency, posted, {"again": True}, wait=wanted.witnessed)
    box.forget(mark)
    return True
