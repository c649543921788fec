"""Entries that survive nowhere: declared by both nations, and nobody is given anything twice.

One walk with two nodes: Panama's loses its end, in it a bulletin that crossed, one that did
not, and one that came from the other nation. Then what may not be called lost.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest

from exchange.audit.verify import Verifier
from exchange.broker.replay import Replayer
from exchange.cli.journal_file import opened
from exchange.cli.serve import log_signers
from exchange.errors import Code, Fault, Refusal
from exchange.journal import checkpoint as c2sp
from exchange.journal.stored import leaf_of
from exchange.journal.tree import leaf_hash
from exchange.link.door import Door
from exchange.link.greeting import Greeter
from exchange.link.offering import DOOR, make_app
from exchange.link.proving import Pulled
from exchange.model import entry as entries
from exchange.model.view import View
from exchange.node import losing
from exchange.node.settings import Settings
from exchange.seal.software import SoftwareSigner
from exchange.store.blob_memory import MemoryBlobs
from exchange.store.memory import MemoryStore
from exchange.store.sqlite import SqliteStore
from tests.api.serving import serve
from tests.builders import DESK, OPS, WATCH, Randomness, border
from tests.client.abroad import closed, officer
from tests.client.dealing import Liar, fronted
from tests.link.bordered import Border, Clock, Kept, Side, _node, _offered, _side

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exchange.model.trust import Label

WHY: Label = {"es": "EJERCICIO: disco perdido", "en": "EXERCISE: disk lost"}


class Lost(NamedTuple):
    """Panama's journal without its end, and what the other node knows of that end."""

    folder: Path
    leaves: list[bytes]
    note: bytes
    clock: Clock

    @property
    def journal(self) -> Path:
        return self.folder / "journal.db"

    def settings(self) -> Settings:
        return Settings(
            node="pa",
            signer=SoftwareSigner("xb1-h", border().nodes["pa"].of("sign")),
            clock_ms=self.clock,
            monotonic_ms=self.clock,
            randomness=Randomness("enter"),
            blobs=MemoryBlobs(self.clock),
        )

    def read(self, first: int, count: int) -> list[bytes]:
        return self.leaves[first : first + count]

    async def drafted(self, room: int = 9) -> Any:
        identity = (border().anchor, [log_signers("pa", border().nodes["pa"])])
        lacks = losing.Lacks(len(self.leaves), self.read, [self.note], room)
        async with store(self.journal) as kept:
            return await losing.draft(kept, self.settings(), identity, lacks, WHY)

    async def entered(self, document: bytes, **changes: Any) -> losing.Entered:
        identity = (border().anchor, [log_signers("pa", border().nodes["pa"])])
        settings = msgspec.structs.replace(self.settings(), **changes)
        async with store(self.journal) as kept:
            known = losing.Known(self.read, document)
            return await losing.enter(kept, settings, identity, known)

    async def look(self, at: Callable[[Any], Any]) -> Any:
        """What a reader of the file finds."""

        def looked():
            with opened(self.journal) as source:
                return at(source)

        return await asyncio.to_thread(looked)

    async def size(self) -> int:
        return int(await self.look(lambda source: source.size()))

    async def verified(self, at: Callable[[Any], Any] = lambda source: source) -> Any:
        return await self.look(
            lambda source: Verifier(at(source), border().anchor, lambda _: None).run()
        )

    def twin(self, folder: Path) -> Lost:
        shutil.copytree(self.folder, folder)
        return self._replace(folder=folder)


@asynccontextmanager
async def store(path):
    made = SqliteStore.open(path, has_threads=False)
    try:
        yield made
    finally:
        await made.close()


def declared(loss: Any, *more: Any, **changes: Any) -> bytes:
    """The arrangement in which custodians of both nations declare it."""
    return border().rearranged(losses=[loss, *more], **changes)


class Us(NamedTuple):
    """The other node, and its link, which outlive Panama's."""

    node: Any
    memory: Kept
    folder: Path
    clock: Clock


@asynccontextmanager
async def us(folder):
    clock = Clock()
    async with _node("us", clock, MemoryStore(), MemoryBlobs(clock)) as node:
        yield Us(node, Kept(), folder, clock)


@asynccontextmanager
async def between(other: Us, journal: Path, memory: Kept) -> Any:
    """Panama's node on a journal, and both links."""

    def offers(node):
        app = make_app(node, Greeter(node.name, Randomness(f"greet {node.name}")))
        app[DOOR] = Door()
        return app

    clock, kept = other.clock, SqliteStore.open(journal, has_threads=False)
    async with (
        _node("pa", clock, kept, MemoryBlobs(clock)) as pa,
        _offered(offers(pa)) as at_pa,
        _offered(offers(other.node)) as at_us,
        _side(pa, "us", at_us, other.folder) as ours,
        _side(other.node, "pa", at_pa, other.folder) as theirs,
    ):
        yield Border(again(ours, memory), again(theirs, other.memory), clock)


def again(side: Side, memory: Kept) -> Side:
    """The same with how far it came before."""
    side.memory.kept = memory.kept
    side.puller.pulled = memory.recall(Pulled) or Pulled()
    side.puller._memory = memory
    return side._replace(memory=memory)


@asynccontextmanager
async def reading(node, folder, endpoint, clock):
    async with (
        serve(node) as door,
        fronted(Liar(door).handle) as url,
        officer(url, node.name, folder, endpoint, clock) as line,
    ):
        yield line


async def bulletins(line):
    return [each.digest for each in await line.inbox.everything() if hasattr(each, "header")]


async def sent(line, to):
    made = closed(to=to, view=line.trust.newest).envelope
    identity = msgspec.json.decode(_payload(made))["id"]
    return identity, await line.send(identity, made)


def _payload(envelope):
    from exchange.seal import jws  # noqa: PLC0415

    return jws.read(envelope.header, 1 << 16).payload


async def hashes(node, note):
    rows = await node.store.read(0, c2sp.parse(note).size)
    return [leaf_of(row.entry) for row in rows]


async def lose(folder: Path, other: Us, memory: Kept) -> tuple[Lost, dict[str, Any]]:
    """Panama's journal as it was before something was posted and crossed, both ways."""
    place = folder / "node"
    place.mkdir()
    said: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        both = await stack.enter_async_context(between(other, place / "journal.db", memory))
        async with reading(both.pa.node, folder, OPS, both.clock) as author:
            await author.view()
            await sent(author, WATCH)
            await both.settle()
            await _copy(both.pa.node, place / "older.db")
            older, pulled = both.pa.node.size, memory.kept
            said["abroad"] = await sent(author, WATCH)
            said["home"] = await sent(author, DESK)
            back = border().envelope(endpoint=WATCH, to=[DESK])
            assert (await both.us.post(back)).refusal is None
            await both.settle()
            async with reading(both.pa.node, folder, DESK, both.clock) as reader:
                said["desk"] = (await reader.prove()).count
                assert said["desk"] == len(await bulletins(reader)) == 2
            async with reading(both.us.node, folder, WATCH, both.clock) as reader:
                assert (await reader.prove()).homes[0].count == 2
            note = both.us.puller.pulled.note.encode()
            leaves = await hashes(both.pa.node, note)
    assert older < len(leaves)
    assert memory.kept != pulled
    (place / "journal.db").unlink()
    (place / "older.db").rename(place / "journal.db")
    return Lost(place, leaves, note, other.clock), said


async def _copy(node, path):
    import sqlite3  # noqa: PLC0415

    with sqlite3.connect(node.store.path) as source, sqlite3.connect(path) as target:
        source.backup(target)
    source.close()
    target.close()


async def test_what_both_nations_declare_lost_is_gone_on_behind_and_nothing_comes_twice(
    tmp_path,
):
    async with AsyncExitStack() as stack:
        other, memory = await stack.enter_async_context(us(tmp_path)), Kept()
        lost, said = await lose(tmp_path, other, memory)
        loss = await lost.drafted()
        assert (loss.first, loss.size) == (await lost.size(), len(lost.leaves))
        entered = await lost.entered(declared(loss))
        assert entered.size == loss.end + 1
        report = await lost.verified()
        assert report.ok, report
        assert (report.lost, report.checks[-1].name) == (loss.end - loss.first, "lost")
        async with between(other, lost.journal, memory) as both:
            await both.settle()
            assert both.us.puller.trouble is both.pa.puller.trouble is None
            # A receipt of a lost entry still leads to the checkpoint; its stub does not.
            await _goes_on(both, tmp_path, loss, said)
        assert (await lost.verified()).ok


async def _goes_on(both, folder, loss, said):
    clock = both.clock
    async with reading(both.us.node, folder, WATCH, clock) as reader:
        # What had crossed is there once, and the other nation's count is proved anew.
        assert len(await bulletins(reader)) == 2
        (home,) = (await reader.prove()).homes
        assert home.count == 1 + loss.end - loss.first
    async with reading(both.pa.node, folder, DESK, clock) as reader:
        told = []
        reader.world.cabinet.on_loss = told.append
        # One was lost at home, one came from abroad once more: each is shown once.
        assert len(await bulletins(reader)) == 2
        assert (await reader.prove()).count == 1 + loss.end - loss.first
        assert [(each.how, each.id) for each in told] == [
            ("declared", f"pa {loss.first}-{loss.end - 1}")
        ]
    async with reading(both.pa.node, folder, OPS, clock) as author:
        await author.prove()
        waiting = author.world.outbox.waiting()
        assert sorted(waiting) == sorted([said["abroad"][0], said["home"][0]])
        receipts = await author.resume()
        assert all(each.index >= loss.end for each in receipts)
    await both.settle()
    assert both.us.puller.trouble is None
    async with reading(both.us.node, folder, WATCH, clock) as reader:
        assert len(await bulletins(reader)) == 2
        (home,) = (await reader.prove()).homes
        assert home.elsewhere == {"recorded-before": 1}
    async with reading(both.pa.node, folder, DESK, clock) as reader:
        assert len(await bulletins(reader)) == 2
        assert (await reader.prove()).count == 2 + loss.end - loss.first


# -- what may not be called lost ---------------------------------------------------------------


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Made once: each test has a copy of the journal, and nobody has it open."""
    folder = tmp_path_factory.mktemp("lost")

    async def made():
        async with us(folder) as other:
            return (await lose(folder, other, Kept()))[0]

    return asyncio.run(made())


@pytest.fixture
def lost(scene, tmp_path):
    return scene.twin(tmp_path / "node")


async def refused(lost, document, at, **changes):
    before = await lost.size()
    with pytest.raises((Refusal, Fault)) as caught:
        await lost.entered(document, **changes)
    assert (caught.value.code, caught.value.at) == (Code.LOST_UNDECLARED, at)
    assert await lost.size() == before


async def test_nothing_is_lost_that_no_arrangement_declares(lost):
    await refused(lost, border().rearranged(), "/losses")


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"first": -1}, "/losses"),
        ({"size": -1}, "/root"),
        ({"root": None}, "/root"),
        ({"trust": -1}, "/trust"),
        ({"node": "us"}, "/losses"),
    ],
)
async def test_what_is_declared_must_be_just_what_this_journal_lacks(lost, changes, at):
    loss = await lost.drafted()
    made = {
        name: getattr(loss, name) + each if isinstance(each, int) else each or border().anchor
        for name, each in changes.items()
    }
    await refused(lost, declared(msgspec.structs.replace(loss, **made)), at)


async def test_below_the_threshold_of_both_nations_nothing_is_declared(lost):
    world, loss = border(), await lost.drafted()
    made, files = world.made(msgspec.structs.replace(_next(), losses=[loss]))
    raw = world.founder.signed(made, files, ["pa"])
    with pytest.raises(Refusal) as caught:
        await lost.entered(raw)
    assert caught.value.code is Code.TRUST_NOT_SIGNED


def _next(version=2):
    return msgspec.structs.replace(border().view.agreed(), version=version)


async def test_more_was_signed_than_is_declared_lost(lost):
    """Whoever holds that checkpoint would see another past."""

    class Signed:
        async def newest(self):
            signers = log_signers("pa", border().nodes["pa"])
            told = c2sp.Checkpoint(signers[0].key.name, len(lost.leaves) + 1, bytes(32))
            return c2sp.sign(told, signers, lost.clock.ms // 1000)

    loss = await lost.drafted()
    with pytest.raises(Fault) as caught:
        await lost.entered(declared(loss), cosigned=Signed())
    assert caught.value.code is Code.JOURNAL_BEHIND


async def test_what_was_entered_is_not_entered_again(lost):
    document = declared(await lost.drafted())
    size = (await lost.entered(document)).size
    with pytest.raises(Refusal) as caught:
        await lost.entered(document)
    assert (caught.value.code, await lost.size()) == (Code.STALE_VERSION, size)


async def test_a_node_that_runs_takes_in_no_loss_of_its_own_and_keeps_the_others(lost):
    loss = await lost.drafted()
    other, clock = msgspec.structs.replace(loss, node="us"), Clock()
    async with _node("pa", clock, MemoryStore(), MemoryBlobs(clock)) as node:
        answer = await node.submit("", declared(loss), b"")
        assert (answer.refusal.code, answer.refusal.at) == (Code.LOST_UNDECLARED, "/losses")
        assert (await node.submit("", declared(other), b"")).refusal is None
        # What is declared lost once is in every later arrangement.
        after = border().after(declared(other))
        answer = await node.submit("", after.signed(_next(3)), b"")
        assert (answer.refusal.code, answer.refusal.at) == (
            Code.TRUST_INVALID,
            "/files/0/losses",
        )


# -- a journal that calls something lost by itself ---------------------------------------------


async def replayed(lost, change):
    """What a replay says of the journal with its loss, once what a node wrote is changed."""
    loss = await lost.drafted()
    await lost.entered(declared(loss))

    def judged(source):
        kept = [each.entry for each in source.read(0, 10_000)]
        made = change(kept, loss)
        replayer = Replayer(View(anchor=border().anchor), made.__getitem__, source.blob)
        with pytest.raises(Refusal) as caught:
            judge(replayer, made)
        return caught.value

    return await lost.look(judged)


def judge(replayer, made):
    for raw in made:
        replayer.step(raw)
    replayer.finish()


def undeclared(kept, _loss):
    return kept[:-1]


def something_else(kept, _loss):
    opened = entries.decode(kept[0]).facts
    facts = entries.decode(kept[-1]).facts
    made = msgspec.structs.replace(opened, taken_ms=facts.taken_ms, view=facts.view)
    return [*kept[:-1], entries.encode(made)]


def stub(kept, place, **changes):
    facts = msgspec.structs.replace(entries.decode(kept[place]).facts, **changes)
    return [*kept[:place], entries.encode(facts), *kept[place + 1 :]]


def another_hash(kept, loss):
    return stub(kept, loss.first, leaf=border().anchor)


def no_places(kept, loss):
    return stub(kept, loss.size, skipped=msgspec.UNSET)


def one_less(kept, loss):
    return [*kept[: loss.end - 1], kept[-1]]


@pytest.mark.parametrize(
    ("change", "at"),
    [
        (undeclared, ""),
        (something_else, "/kind"),
        (another_hash, "/root"),
        (no_places, "/skipped"),
        (one_less, "/end"),
    ],
)
async def test_a_replay_refuses_what_is_called_lost_otherwise_than_declared(lost, change, at):
    refusal = await replayed(lost, change)
    facts = (Code.LOST_UNDECLARED.value, at)
    # Settled again, the declaration would be a refusal.
    told = (refusal.facts.get("expected", refusal.code.value), refusal.at)
    assert told in {facts, (Code.LOST_UNDECLARED.value, "/kind")}


async def test_a_journal_that_ends_with_stubs_is_not_told_to_be_whole(lost):
    loss = await lost.drafted()
    await lost.entered(declared(loss))
    report = await lost.verified(lambda source: Cut(source, loss.end))
    (check,) = [each for each in report.checks if each.name == "lost"]
    assert (report.ok, check.ok, check.code) == (False, False, "lost-undeclared")


class Cut:
    """A journal without what stands behind a place."""

    def __init__(self, source, size):
        self._source, self._size = source, size

    def read(self, first, limit):
        return self._source.read(first, min(limit, max(self._size - first, 0)))

    def __getattr__(self, name):
        return getattr(self._source, name)


async def test_a_stub_stands_for_what_was_lost_and_proves_nothing(lost):
    loss = await lost.drafted()
    await lost.entered(declared(loss))
    async with store(lost.journal) as kept:
        rows = await kept.read(loss.first, loss.end + 1 - loss.first)
    for row, leaf in zip(rows, lost.leaves[loss.first :], strict=False):
        assert leaf_of(row.entry) == row.leaf == leaf
        assert leaf_hash(row.entry) != leaf
    assert isinstance(entries.decode(rows[-1].entry).facts, entries.Trust)
