"""Verbs ``journal draft-loss`` and ``enter-loss``: what survives nowhere, declared and entered.

restore-tail > draft-loss > arrangement propose --loss > sign > approve > enter-loss > up
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from exchange.cli import options, output, world
from exchange.cli.main import Session, verb
from exchange.cli.usage import Unusable
from exchange.errors import Code, Fault, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from exchange.cli.state import State
    from exchange.journal.checkpoint import Signer
    from exchange.link.handed import Handed
    from exchange.model.trust import Label, Loss
    from exchange.node.losing import Entered
    from exchange.node.settings import Settings
    from exchange.store.sqlite import SqliteStore

# Indexes that are given to nobody behind what is known: receipts may be out for as many entries
# as a busy node records in the seconds before a checkpoint reaches the other one.
_ROOM = 4096

_LEAVES = click.option(
    "--leaves",
    "hashes",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What the other node keeps of this journal: `exchange link leaves` there.",
)


@click.command("draft-loss")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@options.STATE
@_LEAVES
@click.option("--why-es", required=True, help="Why they are lost, in Spanish.")
@click.option("--why-en", required=True, help="Why they are lost, in English.")
@click.option(
    "--room",
    type=click.IntRange(1, 50_000),
    default=_ROOM,
    show_default=True,
    help="Indexes behind what is known to be given to nobody: receipts may be out for them.",
)
@verb
def draft_loss(  # noqa: PLR0913  (the options of the verb)
    session: Session,
    out: Path,
    *,
    folder: Path,
    hashes: Path,
    why_es: str,
    why_en: str,
    room: int,
) -> None:
    """Write into OUT what of a node's journal survives nowhere, for custodians to declare.

    After `restore-tail`: lost is all from where the journal ends to where the hashes of the
    other node end, and some more that nobody can know of. The node must be stopped. Nothing is
    declared by this: `arrangement propose --loss OUT` puts it before the custodians of both
    nations.
    """
    from exchange.cli.state import State  # noqa: PLC0415

    output.must_be_new(out)
    here = State(folder)
    leaves = _handed(here, hashes)
    _must_be_restored(here)
    loss = asyncio.run(_drafted(here, leaves, {"es": why_es, "en": why_en}, room))
    output.write_new(out, msgspec.json.encode(loss) + b"\n")
    if session.as_json:
        output.show_json({"file": str(out), "loss": msgspec.to_builtins(loss)})
    session.say(
        f"{out}: {loss.node} perdió los asientos {loss.first} a {loss.end - 1}. Nada está"
        f" declarado: exchange arrangement propose --loss {out}",
        f"{out}: {loss.node} lost the entries {loss.first} to {loss.end - 1}. Nothing is"
        f" declared: exchange arrangement propose --loss {out}",
    )


@click.command("enter-loss")
@options.STATE
@_LEAVES
@click.option(
    "--document",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The signed arrangement that declares it: the file that `approve` wrote.",
)
@options.CLOCK
@verb
def enter_loss(
    session: Session, folder: Path, hashes: Path, document: Path, *, clock_is_right: bool
) -> None:
    """Enter what both nations declared lost into a node's journal; the node starts again then.

    Stubs with the hashes of what was lost, and behind them the arrangement that declares it:
    all or nothing, and only where it is just what this journal lacks. The node must be stopped.
    """
    from exchange.cli.state import State  # noqa: PLC0415

    here = State(folder, clock_is_right=clock_is_right)
    leaves = _handed(here, hashes)
    _must_be_restored(here)
    entered = asyncio.run(_entered(here, leaves, document.read_bytes()))
    loss = entered.loss
    if session.as_json:
        output.show_json({"loss": msgspec.to_builtins(loss), "size": entered.size})
    session.say(
        f"Diario: los asientos {loss.first} a {loss.end - 1} constan como perdidos; tiene"
        f" {entered.size}. Ponga el nodo en marcha.",
        f"Journal: the entries {loss.first} to {loss.end - 1} stand as lost; it has"
        f" {entered.size}. Start the node.",
    )


def _handed(here: State, hashes: Path) -> Handed:
    from exchange.link import handed  # noqa: PLC0415

    node, leaves = here.settings().node, handed.read(hashes)
    if leaves.node != node:
        raise Refusal(Code.EXPORT_OTHER, "/node", name=leaves.node, to=node)
    return leaves


def _must_be_restored(here: State) -> None:
    """Hold the second place to having nothing more: what it has is not lost.

    Raises:
        Unusable: it has.
    """
    from exchange.cli.journal_file import opened  # noqa: PLC0415

    second = here.second()
    if second is None:
        return
    with opened(here.journal) as source:
        size = source.size()
    try:
        shipped = second.size()
    except Fault:
        shipped = size + 1
    if shipped > size:
        raise Unusable(
            "El segundo lugar tiene más que el diario: primero exchange journal restore-tail."
            " Lo que aun así no se recupera de él se aparta como prueba, y se le da al nodo un"
            " segundo lugar vacío.",
            "The second place has more than the journal: exchange journal restore-tail first."
            " Where it cannot be had back even so, put that place aside as evidence, and give"
            " the node an empty one.",
            "--state",
        )


class _Opened(NamedTuple):
    """A journal that no node has open, and what is told of the world to who writes there."""

    store: SqliteStore
    settings: Settings
    identity: tuple[str, Sequence[Sequence[Signer]]]


@asynccontextmanager
async def _opened(here: State) -> AsyncIterator[_Opened]:
    from exchange.cli.serve import log_signers  # noqa: PLC0415
    from exchange.custody import node_rings, signers  # noqa: PLC0415
    from exchange.node.settings import Settings  # noqa: PLC0415
    from exchange.store.blob_memory import MemoryBlobs  # noqa: PLC0415
    from exchange.store.pledge import PledgeFile  # noqa: PLC0415
    from exchange.store.sqlite import SqliteStore  # noqa: PLC0415

    told, secrets = here.settings(), here.secrets()
    others = node_rings.others(secrets)
    logs = [
        log_signers(told.node, secrets),
        *(log_signers(told.node, secrets, each.log) for each in others),
    ]
    settings = Settings(
        node=told.node,
        signer=signers.software(secrets.of("sign")),
        next_signers=[signers.software(secrets.of(each.receipts)) for each in others],
        clock_ms=world.clock_ms,
        monotonic_ms=world.monotonic_ms,
        randomness=world.randomness,
        # Nothing is uploaded, and nothing of what lies there is looked at.
        blobs=MemoryBlobs(world.clock_ms),
        pledge=PledgeFile(here.pledge),
        cosigned=PledgeFile(here.cosigned),
        known_time=PledgeFile(here.known_time),
        clock_is_right=here.clock_is_right,
    )
    store = SqliteStore.open(here.journal, has_threads=False)
    try:
        yield _Opened(store, settings, (told.anchor, logs))
    finally:
        await store.close()


async def _entered(here: State, leaves: Handed, document: bytes) -> Entered:
    from exchange.node import losing  # noqa: PLC0415

    async with _opened(here) as opened:
        known = losing.Known(leaves.leaves, document)
        return await losing.enter(opened.store, opened.settings, opened.identity, known)


async def _drafted(here: State, leaves: Handed, why: Label, room: int) -> Loss:
    from exchange.node import losing  # noqa: PLC0415

    def read(first: int, count: int) -> list[bytes]:
        return leaves.leaves(first, count)

    async with _opened(here) as opened:
        lacks = losing.Lacks(leaves.size, read, leaves.notes, room)
        return await losing.draft(opened.store, opened.settings, opened.identity, lacks, why)
