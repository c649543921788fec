"""Two nodes without any link: all goes by files, and nothing doubles afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from exchange.cli.serve import log_signers
from exchange.errors import Code, Refusal
from exchange.journal.tree import Frontier, leaf_hash
from exchange.link import gathering, parcels, unpacking
from exchange.link.leaves import Leaves
from exchange.link.packing import Journal, Packer, Plan
from exchange.link.parcels import Section
from exchange.link.unpacking import bring
from exchange.model import entry as entries
from exchange.model.header import Blob
from exchange.seal.software import SoftwareSigner, load
from exchange.store.leaf_files import LeafFile
from tests.builders import DESK, OPS, WATCH, border, digest, refers
from tests.link.bordered import bordered
from tests.link.test_foretelling import subscribed

MB = 1_000_000


class Stick:
    """Where exports are written to and brought from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[Path] = []

    @contextmanager
    def begin(self, _):
        path = self.folder / f"{len(self.written)}.export"
        with path.open("wb") as file:
            yield file
        self.written.append(path)

    async def export(  # noqa: PLR0913
        self, side, to, after=-1, *, attached=MB, most=MB, signer=None, trust_bytes=MB
    ):
        """Write what crosses; what is in each file."""
        node = side.node
        await side.sign()
        self.written.clear()
        there, here = node.view.nodes[to], node.view.nodes[node.name]
        plan = Plan(
            node.name,
            to,
            frozenset(there.serves) - frozenset(here.serves),
            signer or node.writer.rings.signer(node.view),
            node.newest,
            most,
            attached,
        )
        journal = Journal(node.store, node.blobs, node.now)
        return await Packer(journal, plan, self, lambda *_: None, trust_bytes).run(after)

    async def bring(self, side, *paths):
        for path in paths or self.written:
            await bring(side.puller, side.node.name, parcels.read(path), lambda *_: None)


@pytest.fixture
def stick(tmp_path):
    return Stick(tmp_path)


async def test_leaf_hashes_come_with_files_as_well_and_go_on_from_each_other(stick, tmp_path):
    async with bordered() as both:
        puller, kept = both.us.puller, LeafFile(tmp_path / "links", "pa")
        puller.leaves = Leaves(puller._far, puller, kept)
        await carry(stick, both.pa, both.us)
        first = kept.frontier.size
        assert first == puller.size
        await both.pa.post(border().envelope())
        # The second file begins where the first one ended; it comes twice.
        await carry(stick, both.pa, both.us)
        await stick.bring(both.us)
        rows = await both.pa.node.store.read(0, puller.size)
        assert kept.frontier.size == len(rows) == puller.size > first
        assert kept.frontier == Frontier().extend([leaf_hash(row.entry) for row in rows])
        # What was kept of another past is let go; a later file has not what came before it.
        wrong = [leaf_hash(b"another past")]
        kept.clear()
        kept.add(wrong[0], Frontier().extend(wrong), "")
        await carry(stick, both.pa, both.us)
        assert kept.frontier.size in {0, 1}
        await stick.export(both.pa, "us", -1)
        await stick.bring(both.us)
        assert kept.frontier.size == puller.size


async def carry(stick, one, other):
    """All that there is from one side to the other, by file."""
    parts = await stick.export(one, other.node.name, other_knows(other))
    await stick.bring(other)
    return parts


def other_knows(side):
    return side.puller.pulled.after


async def test_a_whole_case_goes_by_files_and_then_the_link_doubles_nothing(stick):
    land = border()
    async with bordered() as both:
        await carry(stick, both.pa, both.us)
        await carry(stick, both.us, both.pa)
        data = bytes(range(256)) * 2000
        blob = Blob(digest(data), len(data))
        await both.pa.node.blobs.append(OPS, blob, 0, data)
        await both.pa.node.blobs.finish(OPS, blob)
        sealed = land.envelope(attachments=[blob])
        posted = await both.pa.post(sealed)
        flash = land.envelope(precedence="flash")
        await both.pa.post(flash)
        # Late: its home took it in long before it came here.
        taken_ms = both.clock.ms
        both.clock.ms += 12 * 3_600_000
        (part,) = await carry(stick, both.pa, both.us)
        assert (part.kinds["accepted"], part.attachments) == (2, 1)
        item, urgent = sorted(
            await both.us.inbox(WATCH), key=lambda each: each.facts.home.index
        )
        assert (item.object, urgent.object) == (sealed.header, flash.header)
        assert item.facts.late
        assert entries.decode(item.at_home).facts.taken_ms < taken_ms + 1000
        assert item.facts.taken_ms >= taken_ms + 12 * 3_600_000
        assert await both.us.node.blobs.read(blob.digest, 0, len(data)) == data
        await both.us.post(land.ack(sealed, WATCH))
        header = land.header(type="can", verb="cancel", refs=refers("cancels", sealed))
        await both.pa.post(land.envelope(header))
        await carry(stick, both.us, both.pa)
        await carry(stick, both.pa, both.us)
        (told,) = await both.pa.inbox(OPS)
        assert (type(told.facts), told.facts.of) == (entries.Acknowledged, posted.receipt.index)
        assert len(await both.us.inbox(WATCH)) == 3
        # The link heals: all is here, and goes on.
        await both.settle()
        assert len(await both.us.inbox(WATCH)) == 3
        assert len(await both.pa.inbox(OPS)) == 1
        await both.pa.post(land.envelope())
        await both.settle()
        assert len(await both.us.inbox(WATCH)) == 4
        assert (both.us.puller.trouble, both.us.memory.evidence) == (None, [])


async def test_a_file_goes_on_from_what_came_over_the_link_whatever_that_was(stick):
    land = border()
    async with bordered() as both:
        await both.settle()
        for _ in range(2):
            await both.pa.post(land.envelope())
            await both.pa.sign()
            await both.us.puller.pull()
        # Its operator knows nothing of how far the link came.
        await both.pa.post(land.envelope())
        await carry(stick, both.pa, both.us)
        await stick.export(both.pa, "us", 3)
        await stick.bring(both.us)
        assert len(await both.us.inbox(WATCH)) == 3
        assert both.us.puller.pulled.file_to == both.us.puller.pulled.after


async def test_several_files_are_brought_in_order_and_twice_and_none_may_miss(
    stick, monkeypatch
):
    land = border()
    monkeypatch.setattr(gathering, "MAX_ITEMS", 4)
    async with bordered() as both:
        for _ in range(10):
            await both.pa.post(land.envelope())
        parts = await stick.export(both.pa, "us", most=60_000)
        assert len(parts) > 2
        first, *others = list(stick.written)
        with pytest.raises(Refusal) as caught:
            await stick.bring(both.us, others[0])
        assert (caught.value.code, caught.value.facts["expected"]) == (Code.EXPORT_MISSING, -1)
        assert await both.us.inbox(WATCH) == []
        await stick.bring(both.us, first, *others, first, *others)
        assert len(await both.us.inbox(WATCH)) == 10
        assert both.us.puller.trouble is None


async def test_an_older_file_accuses_nobody(stick, tmp_path):
    land = border()
    async with bordered() as both:
        await both.pa.post(land.envelope())
        await stick.export(both.pa, "us")
        old = stick.written[0].rename(tmp_path / "old")
        await both.pa.post(land.envelope())
        await carry(stick, both.pa, both.us)
        # All of it is here.
        await stick.bring(both.us, old)
        # Its journal was put back, and the newer checkpoint of the other one is known.
        pulled = both.us.puller.pulled
        both.us.puller.pulled = type(pulled)(note=pulled.note)
        with pytest.raises(Refusal) as caught:
            await stick.bring(both.us, old)
        assert caught.value.code is Code.EXPORT_OLDER
        await stick.bring(both.us)
        assert (both.us.puller.trouble, both.us.memory.evidence) == (None, [])
        assert len(await both.us.inbox(WATCH)) == 2


async def test_a_file_that_was_altered_or_cut_anywhere_brings_nothing(stick, tmp_path):
    land = border()
    async with bordered() as both:
        await both.pa.post(land.envelope())
        await stick.export(both.pa, "us")
        whole = stick.written[0].read_bytes()
        size, bad = both.us.node.size, tmp_path / "bad"
        contents = parcels.read(stick.written[0])
        places = [
            0,
            contents.pages[0].at + 9,
            contents.pages[0].at + contents.pages[0].size - 1,
        ]
        places += [whole.index(b'"kind":"leaves"') + 90, len(whole) - 40]
        spoilt = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in places]
        for data in (*spoilt, whole[:-1], whole[: len(whole) // 2], whole + b"x", b""):
            bad.write_bytes(data)
            with pytest.raises(Refusal) as caught:
                await stick.bring(both.us, bad)
            assert caught.value.code is Code.BAD_EXPORT
        assert both.us.node.size == size
        assert both.us.puller.trouble is None


async def test_whom_it_is_from_and_for_is_held_to_its_signature(stick):
    land = border()
    async with bordered() as both:
        await both.pa.post(land.envelope())
        await stick.export(both.pa, "us")
        with pytest.raises(Refusal) as caught:
            await stick.bring(both.pa)
        assert caught.value.code is Code.EXPORT_OTHER
        # Somebody else's keys, of a suite that is allowed.
        stranger = SoftwareSigner("xb1-h", land.nodes["us"].of("sign"))
        await stick.export(both.pa, "us", signer=stranger)
        with pytest.raises(Refusal) as caught:
            await stick.bring(both.us)
        assert (caught.value.code, caught.value.at) == (Code.BAD_EXPORT, "/signed")
        assert await both.us.inbox(WATCH) == []


async def test_what_its_node_signed_and_cannot_prove_stops_the_link_as_over_the_link(stick):
    land = border()
    async with bordered() as both, bordered() as forked:
        for side in (both.pa, forked.pa):
            await side.post(land.envelope())
            await side.sign()
        await carry(stick, both.pa, both.us)
        # The same node's keys signed another past.
        await forked.pa.post(land.envelope())
        await stick.export(forked.pa, "us")
        with pytest.raises(Refusal) as caught:
            await stick.bring(both.us)
        assert caught.value.code is Code.HEAD_WENT_BACK
        assert both.us.puller.trouble.code is Code.HEAD_WENT_BACK
        assert len(both.us.memory.evidence) == 1


async def test_an_export_ends_before_attachments_that_it_has_no_room_for(stick):
    land = border()
    async with bordered() as both:
        data = bytes(50_000)
        blob = Blob(digest(data), len(data))
        await both.pa.node.blobs.append(OPS, blob, 0, data)
        await both.pa.node.blobs.finish(OPS, blob)
        await both.pa.post(land.envelope())
        large = (await both.pa.post(land.envelope(attachments=[blob]))).receipt.index
        await both.pa.post(land.envelope())
        (part,) = await stick.export(both.pa, "us", attached=49_999)
        assert (part.stopped, part.cursor) == (large, large - 1)
        await stick.bring(both.us)
        assert len(await both.us.inbox(WATCH)) == 1
        await carry(stick, both.pa, both.us)
        assert len(await both.us.inbox(WATCH)) == 3


async def test_a_file_without_room_here_is_no_loss_and_is_brought_again(stick, monkeypatch):
    land = border()
    async with bordered() as both:
        data = bytes(50_000)
        blob = Blob(digest(data), len(data))
        await both.pa.node.blobs.append(OPS, blob, 0, data)
        await both.pa.node.blobs.finish(OPS, blob)
        await both.pa.post(land.envelope(attachments=[blob]))
        await stick.export(both.pa, "us")
        with monkeypatch.context() as full:

            async def append(*_):
                raise Refusal(Code.KEPT_QUOTA)

            full.setattr(both.us.node.blobs, "append", append)
            await stick.bring(both.us)
        (waits,) = both.us.puller.pulled.waiting.values()
        assert (waits.code, await both.us.inbox(WATCH)) == (Code.KEPT_QUOTA, [])
        # The same file again, and what comes after it.
        await stick.bring(both.us)
        await carry(stick, both.pa, both.us)
        assert len(await both.us.inbox(WATCH)) == 1
        assert (both.us.puller.pulled.waiting, both.us.puller.trouble) == ({}, None)


async def test_hashes_that_lead_to_no_signed_root_convict_nobody(stick, monkeypatch):
    land = border()

    async def spoiled(packer, writing, _):
        for _ in range(8):
            writing.add(Section("tiles", 0), [])
        writing.add(Section("leaves", 32 * packer._size), [bytes(32 * packer._size)])

    async with bordered() as both:
        await carry(stick, both.pa, both.us)
        await both.pa.post(land.envelope())
        monkeypatch.setattr(Packer, "_hashes", spoiled)
        await stick.export(both.pa, "us")
        with pytest.raises(Refusal) as caught:
            await stick.bring(both.us)
        assert (caught.value.code, caught.value.at) == (Code.BAD_EXPORT, "/leaves")
        assert (both.us.puller.trouble, both.us.memory.evidence) == (None, [])


async def test_keys_that_the_directory_here_knows_to_be_over_sign_no_file(stick):
    async with bordered() as both:
        await stick.export(both.pa, "us")
        contents, on = parcels.read(stick.written[0]), both.us.puller.ground()
        coming = await unpacking._coming(contents, on)
        unpacking._must_be_signed(contents, on, coming)
        # Handed over since; the file's own trust documents end before that.
        before, others = on.here.nodes["pa"], on.here.nodes["us"].receipts
        now = msgspec.structs.replace(before, receipts=others)
        tenures = {**on.here.tenures, "pa": ((0, before), (9, now))}
        here = msgspec.structs.replace(on.here, tenures=tenures)
        with pytest.raises(Refusal) as caught:
            unpacking._must_be_signed(contents, on._replace(here=here), coming)
        assert (caught.value.code, caught.value.at) == (Code.BAD_EXPORT, "/signed")


async def test_a_new_version_of_its_document_with_the_same_keys_refuses_no_file(stick):
    async with bordered() as both:
        await stick.export(both.pa, "us")
        contents, on = parcels.read(stick.written[0]), both.us.puller.ground()
        before = on.here.nodes["pa"]
        now = msgspec.structs.replace(before, tls="A" * 43)
        here = msgspec.structs.replace(
            on.here, tenures={**on.here.tenures, "pa": ((0, before), (9, now))}
        )
        coming = await unpacking._coming(contents, on)
        unpacking._must_be_signed(contents, on._replace(here=here), coming)


async def test_no_more_of_a_strangers_tiles_is_held_than_a_tree_has_rows(stick, tmp_path):
    async with bordered() as both:
        await stick.export(both.pa, "us")
    raw, row = stick.written[0].read_bytes(), b'{"kind":"tiles","size":1}\nx'
    assert raw.count(b'{"kind":"tiles"') == 8
    head, rest = raw.split(b"\n", 1)
    stuffed = tmp_path / "stuffed"
    stuffed.write_bytes(head + b"\n" + row + rest)
    with pytest.raises(Refusal) as caught:
        parcels.read(stuffed)
    # Before its end, where the digest would tell that it was altered.
    assert (caught.value.code, caught.value.at) == (Code.BAD_EXPORT, "/tiles")


async def test_heads_come_on_the_last_page_of_an_export(stick, monkeypatch):
    land = border()
    async with bordered() as both:
        for _ in range(3):
            await both.pa.post(land.envelope())
        await carry(stick, both.pa, both.us)
        contents = parcels.read(stick.written[-1])
        pages = [unpacking._page(contents, at) for at in range(len(contents.pages))]
        assert pages[-1].cursor + 1 == both.us.puller.size
        assert pages[-1].heads.own[WATCH].count == 3
        kept = both.us.node.crossed.newest("pa")
        assert (kept.heads.own[WATCH].count, kept.trouble) == (3, "")
        # Of several pages only those have them that lead as far as they cover.
        monkeypatch.setattr(gathering, "MAX_ITEMS", 1)
        await stick.export(both.pa, "us", -1)
        contents = parcels.read(stick.written[0])
        pages = [unpacking._page(contents, at) for at in range(len(contents.pages))]
        assert [each.heads is None for each in pages[:3]] == [True] * 3
        covered = entries.decode(pages[-1].heads.entry.encode()).facts.size
        assert all((each.heads is None) == (each.cursor + 1 < covered) for each in pages)


@pytest.mark.parametrize("trust_bytes", [1, 60_000])
async def test_much_trust_comes_first_in_pages_that_each_can_be_read(stick, trust_bytes):
    new = border().founder.new_node("pa")
    logs = log_signers("pa", new)
    async with bordered(next_logs=[logs]) as both:
        await subscribed(both.pa, 1, 8)
        before = both.pa.node.view.nodes["pa"]
        listed = msgspec.structs.replace(
            before, version=2, log=[load(key)[0] for key in new.of("log")]
        )
        # All is under a checkpoint that only these sign, listed by the last page of trust.
        assert (await both.pa.post(border().signed(listed, ["pa"]), "")).refusal is None
        sealed = border().envelope()
        await both.pa.post(sealed)
        (part,) = await stick.export(both.pa, "us", trust_bytes=trust_bytes)
        contents = parcels.read(stick.written[0])
        pages = [unpacking._page(contents, each) for each in range(len(contents.pages))]
        alone = [page.is_trust_alone(-1) for page in pages]
        assert alone == [True] * (len(pages) - 1) + [False]
        assert len(pages) > 4
        told = [item.index for page in pages for item in page.items]
        assert len(told) == len(set(told))
        assert part.kinds["trust"] == both.pa.node.view.position
        await stick.bring(both.us)
        assert [each.object for each in await both.us.inbox(WATCH)] == [sealed.header]
        there = both.us.node.writer.homes.newest("pa")
        assert (there.nodes["pa"].version, there.subscriptions[DESK].version) == (2, 8)
        assert both.us.puller.trouble is None
        # What was told in one file is in no later one.
        assert "trust" not in (await stick.export(both.pa, "us", part.cursor))[0].kinds
