"""Enter what custodians declared lost, into a journal that no node has open: all or nothing.

    [stub, ... stub, the arrangement that declares them lost]: one commit group

The journal ends where the loss begins, and the hashes lead from there to the root that was
declared, through whatever this node is known to have signed. So the tree goes on as everybody
saw it, and not one byte of what follows was judged by what is lost.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.broker import establishing, keys, losing
from exchange.broker.intake import Considered
from exchange.broker.settle import Ledger
from exchange.errors import Code, Fault, Refusal
from exchange.journal.checkpoint import parse
from exchange.journal.proofs import root_at
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.model.identity import digest
from exchange.model.lost import MAX_LOST
from exchange.model.trust import Loss
from exchange.node import groups, ports
from exchange.node.known_time import KnownTime
from exchange.node.opening import Log, keys_of, open_writer
from exchange.node.stored import with_hashes
from exchange.seal import trust

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exchange.journal.checkpoint import Signer
    from exchange.model.trust import Label
    from exchange.node.ports import Store
    from exchange.node.settings import Settings
    from exchange.node.writer import Writer


class Known(NamedTuple):
    """What is brought: leaf hashes, of so many entries from one on; and what declares them."""

    leaves: Callable[[int, int], list[bytes]]
    document: bytes


class Lacks(NamedTuple):
    """What a journal lacks, by the word of who has its hashes: of so many entries.

    ``notes`` are checkpoints that they lead to; ``room`` is how many indexes behind them are to
    be given to nobody.
    """

    size: int
    leaves: Callable[[int, int], list[bytes]]
    notes: Sequence[bytes]
    room: int


class Entered(NamedTuple):
    """What was declared lost, and how many entries the journal has now."""

    loss: Loss
    size: int


async def enter(
    store: Store,
    settings: Settings,
    identity: tuple[str, Sequence[Sequence[Signer]]],
    known: Known,
) -> Entered:
    """Enter a loss, and behind it its declaration; nothing is written unless all of it holds.

    Args:
        store: holds the journal; nobody else has it open.
        settings: the node's; with what it signed last, and what was cosigned.
        identity: digest of the first root, and who signs its checkpoints.
        known: what is lost, and by whose word.

    Raises:
        Refusal: ``lost-undeclared``: just this is not declared; or the document does not hold.
        Fault: the journal cannot be read or written; or it signed more than is declared lost
            (``journal-behind``), or another past (``tail-differs``); ``clock-ahead``.
    """
    anchor, logs = identity
    # All that a start holds the journal to but the one thing that is known to be amiss.
    apart = msgspec.structs.replace(settings, pledge=None)
    writer, head = await open_writer(store, apart, anchor, logs), await store.head()
    await _hold_clock(writer, settings, head.taken_ms, known.document)
    now_ms = max(settings.clock_ms(), head.taken_ms)
    decision = establishing.trust_document(known.document, writer.view, now_ms // 1000)
    loss = _only(losing.declared(decision.change, writer.view, settings.node), head.size)
    leaves = known.leaves(loss.first, loss.size - loss.first)
    await _must_cover(store, settings, writer, logs, leaves)
    ledger = _ledger(settings, writer, now_ms)
    _stub(ledger, loss, leaves, writer)
    ledger.settle(
        Considered(decision, writer.view.index, now_ms),
        ("", known.document, b""),
        await _known(store, known.document),
    )
    _must_declare(ledger)
    by = (settings.node, writer.rings.signer(writer.view))
    ready = await groups.prepare(store, ledger, writer.frontier, head.epoch, by)
    outcome = await store.append(ready.batch, head.size)
    if not isinstance(outcome, ports.Done):
        raise Fault(Code.STORE_FAILED, found=head.size, reason=type(outcome).__name__)
    return Entered(loss, outcome.size)


async def draft(
    store: Store,
    settings: Settings,
    identity: tuple[str, Sequence[Sequence[Signer]]],
    lacks: Lacks,
    why: Label,
) -> Loss:
    """Return what of a journal is lost, as custodians may declare it; nothing is written.

    Args:
        store: holds the journal, from which nothing more can be brought back.
        settings: as of ``enter``.
        identity: as of ``enter``.
        lacks: what it lacks.
        why: it is lost, in both languages.

    Raises:
        Refusal: ``bad-checkpoint``: one that the hashes lead to is not signed by its keys;
            ``lost-undeclared``: that is more than can be declared.
        Fault: ``tail-differs``: the hashes are of another past than what is here; or nothing
            is known to be lost; or as ``enter``.
    """
    anchor, logs = identity
    apart = msgspec.structs.replace(settings, pledge=None)
    writer, first = await open_writer(store, apart, anchor, logs), (await store.head()).size
    log = Log(settings.node, lambda: writer.view, keys_of(logs))
    for note in lacks.notes:
        log.read(note)
    leaves = lacks.leaves(first, lacks.size - first)
    if len(leaves) != lacks.size - first or not leaves:
        raise Fault(Code.TAIL_DIFFERS, found=lacks.size)
    await _must_cover(store, settings, writer, logs, leaves)
    frontier = writer.frontier.extend(leaves)
    led_to = [parse(note) for note in lacks.notes]
    if (lacks.size, frontier.root()) not in [(each.size, each.root) for each in led_to]:
        # What is here is not what the first of these hashes are of.
        raise Fault(Code.TAIL_DIFFERS, found=first)
    end = max(lacks.size + lacks.room, losing.least_end(lacks.size, writer.view))
    loss = Loss(
        node=settings.node,
        first=first,
        size=lacks.size,
        end=end,
        root=b64(frontier.root()),
        trust=writer.view.index,
        why=why,
    )
    _must_fit(loss)
    return loss


async def _hold_clock(
    writer: Writer, settings: Settings, written_ms: int, document: bytes
) -> None:
    """Write nothing at a time that only a wrong clock may have told, as at a node's start.

    What custodians of both nations dated has come for certain. Whether it ran out is not asked
    yet: a clock that is ahead would say so of what is good.

    Raises:
        Refusal: the document does not hold.
        Fault: ``clock-ahead``.
    """
    now = trust.in_time(document, settings.clock_ms() // 1000)
    change = establishing.trust_document(document, writer.view, now).change
    issued_s = max((each.issued for each in change.documents), default=0)
    known = KnownTime(writer.clock, settings.known_time)
    await known.begin(written_ms)
    await known.hold(1000 * issued_s, is_right=settings.clock_is_right)


def _only(declared: Sequence[Loss], size: int) -> Loss:
    """Return the one loss that is declared, of what this journal lacks."""
    if len(declared) != 1 or declared[0].first != size:
        raise Refusal(Code.LOST_UNDECLARED, "/losses", found=size)
    (loss,) = declared
    _must_fit(loss)
    return loss


def _must_fit(loss: Loss) -> None:
    if loss.end - loss.first > MAX_LOST:
        raise Refusal(Code.LOST_UNDECLARED, "/end", limit=MAX_LOST)


async def _must_cover(
    store: Store,
    settings: Settings,
    writer: Writer,
    logs: Sequence[Sequence[Signer]],
    leaves: Sequence[bytes],
) -> None:
    """Hold the hashes to every checkpoint that is kept here: the tree goes on from each."""
    log = Log(settings.node, lambda: writer.view, keys_of(logs))
    for pledge in (settings.pledge, settings.cosigned):
        note = None if pledge is None else await pledge.newest()
        if note is None:
            continue
        kept, before = log.read(note), writer.frontier
        if kept.size > before.size + len(leaves):
            found = before.size + len(leaves)
            raise Fault(Code.JOURNAL_BEHIND, expected=kept.size, found=found)
        if kept.size < before.size:
            root = await with_hashes(store, partial(root_at, kept.size))
        else:
            root = before.extend(leaves[: kept.size - before.size]).root()
        if root != kept.root:
            raise Fault(Code.TAIL_DIFFERS, found=kept.size)


def _ledger(settings: Settings, writer: Writer, now_ms: int) -> Ledger:
    return Ledger(
        writer.size,
        now_ms,
        writer.view,
        writer.totals(),
        lambda: settings.randomness(entries.SALT_BYTES),
        settings.node,
    )


def _stub(ledger: Ledger, loss: Loss, leaves: Sequence[bytes], writer: Writer) -> None:
    """Add a stub for each, held to the declaration as whoever replays the journal will."""
    ledger.lost = losing.Run(loss.first, writer.frontier, writer.totals())
    for stub in losing.stubs(loss, leaves, writer.view, writer.totals(), ledger.common):
        ledger.append(stub)
        ledger.lost.take(stub)
    if b64(writer.frontier.extend(leaves).root()) != loss.root:
        raise Refusal(Code.LOST_UNDECLARED, "/root", found=loss.first)


async def _known(store: Store, document: bytes) -> dict[bytes, None]:
    key = keys.by_digest(digest(document))
    if await store.find([key]):
        raise Refusal(Code.LOST_UNDECLARED, "/losses")
    return {key: None}


def _must_declare(ledger: Ledger) -> None:
    """Hold the last entry to being the declaration: settled, a refusal would stand there."""
    last = ledger.records[-1].facts
    if not isinstance(last, entries.Trust):
        code = last.code if isinstance(last, entries.Refused) else Code.LOST_UNDECLARED.value
        at = last.at if isinstance(last, entries.Refused) else ""
        raise Refusal(Code(code), at, found=ledger.first)
