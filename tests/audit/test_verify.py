"""A real node writes a journal into a real file; copies of it are altered, and caught."""

import asyncio
import json
import shutil
from collections import Counter

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange.audit.checks import Report
from exchange.audit.groups import Group
from exchange.audit.verify import Stored, Verifier
from exchange.broker.heads import Inboxes
from exchange.broker.records import Record
from exchange.broker.replay import Replayer
from exchange.cli import verdict
from exchange.cli.journal_file import Blocking
from exchange.errors import Code, Fault, Refusal
from exchange.journal.tiles import MemoryHashes
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.model.codec import b64
from exchange.model.header import Blob
from exchange.model.identity import Jwk
from exchange.model.view import View
from exchange.node.ports import Head, RowCounts
from exchange.store.sqlite import SqliteStore
from tests import builders
from tests.builders import WATCH, refers, world
from tests.node.running import Routine, post, running


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """A file with bulletins, an acknowledgement, a subscription, a refusal, a cancellation."""
    path = tmp_path_factory.mktemp("audit") / "journal.db"

    async def write() -> None:
        async with running(SqliteStore.open(path)) as node:
            first = world().envelope()
            await post(node, first)
            await post(node, world().ack(first))
            await post(node, world().subscription())
            await post(node, first, caller=WATCH)
            refs = refers("cancels", first)
            await post(node, world().envelope(type="can", verb="cancel", refs=refs))
            await node.checkpoints.checkpoint()
            await post(node, world().envelope())

    asyncio.run(write())
    return path


class Copy(Routine):
    """A journal's entries and documents, to be altered: a source like any other."""

    def __init__(self, path) -> None:
        with Blocking(SqliteStore.open(path, read_only=True)) as source:
            self.stored = list(source.read(0, 1000))
            self.blobs = {n: source.blob(n) for n in map(blob_of, self.stored) if n}
            self.chases = source.chased(0)
            self.groups = [source.group(each.index) for each in self.stored]

    def read(self, first: int, limit: int) -> list[Stored]:
        return self.stored[first : first + limit]

    def blob(self, digest: str) -> bytes | None:
        return self.blobs.get(digest)

    def group(self, index: int) -> Group | None:
        return self.groups[index] if index < len(self.groups) else None

    # Its tables are those of its entries as they are now, where these replay: who alters a
    # journal can alter them too. Tables that were altered have tests of their own below.

    def find(self, keys) -> dict[bytes, int]:
        known = {key: n for n, record in self.records() for key in record.keys}
        return {key: known[key] for key in keys if key in known}

    def inbox(self, endpoint: str, after: int, limit: int) -> list[tuple[int, int]]:
        return [
            (n, owed.position)
            for n, record in self.records()
            for owed in record.owed
            if owed.endpoint == endpoint and n > after
        ][:limit]

    def heads(self) -> dict[str, int]:
        counts = Counter(o.endpoint for _, record in self.records() for o in record.owed)
        return dict(counts)

    def head(self) -> Head:
        leaves = [leaf_hash(each.entry) for each in self.stored]
        taken_ms = facts_of(self.stored[-1]).taken_ms
        told = map(facts_of, self.stored)
        epochs = [each.epoch for each in told if isinstance(each, entries.EpochOpened)]
        frontier = MemoryHashes(leaves).frontier.encode()
        return Head(len(self.stored), epochs[-1] if epochs else 0, taken_ms, frontier)

    def counts(self) -> RowCounts:
        made = [record for _, record in self.records()]
        size = len(self.stored)
        return RowCounts(
            keys=sum(len(r.keys) for r in made),
            places=sum(len(r.owed) for r in made),
            groups=len({each.first for each in self.groups[:size] if each}),
            kinds=len(set(self.kinds(0, size))),
            hashes=size + size // 256,
        )

    def kinds(self, first: int, limit: int) -> list[str]:
        return [entries.kind_of(facts_of(each)) for each in self.read(first, limit)]

    def newest(self, kind: str) -> int | None:
        found = [n for n, each in enumerate(self.kinds(0, len(self.stored))) if each == kind]
        return found[-1] if found else None

    def hashes(self, level: int, first: int, count: int) -> bytes:
        leaves = [leaf_hash(each.entry) for each in self.stored]
        return MemoryHashes(leaves).read(level, first, count)

    def snapshot(self) -> bytes:
        return self.replayed()[0].heads

    def records(self) -> list[tuple[int, Record]]:
        return self.replayed()[1]

    def replayed(self) -> tuple[Replayer, list[tuple[int, Record]]]:
        replayer = Replayer(
            View(anchor=world().anchor), lambda n: self.stored[n].entry, self.blob
        )
        made = [(each.index, replayer.step(each.entry).record) for each in self.stored]
        return replayer, made

    def verify(self, anchor: str | None = None, *, is_mirror: bool = False) -> Report:
        named = anchor or world().anchor
        return Verifier(self, named, lambda _: None, is_mirror=is_mirror).run()

    def first(self, kind: type) -> int:
        return next(each.index for each in self.stored if isinstance(facts_of(each), kind))

    def rewrite(self, index: int, change) -> None:
        """Alter an entry's facts and its stored hash with them, as who holds the file could."""
        entry = entries.decode(self.stored[index].entry)
        raw = entries.encode(change(entry.facts), entry.object)
        self.stored[index] = Stored(index, raw, leaf_hash(raw))


def facts_of(stored: Stored) -> entries.Facts:
    return entries.decode(stored.entry).facts


def document_of(stored: Stored) -> str | None:
    facts = facts_of(stored)
    return facts.document.digest if isinstance(facts, entries.Trust) else None


def blob_of(stored: Stored) -> str | None:
    facts = facts_of(stored)
    return facts.blobs[0].digest if isinstance(facts, entries.Accepted) else document_of(stored)


@pytest.fixture
def copy(journal) -> Copy:
    return Copy(journal)


def failed(report: Report) -> dict[str, int | None]:
    assert not report.ok
    return {check.name: check.first for check in report.checks if not check.ok}


def test_a_journal_kept_by_the_rules_is_intact(copy) -> None:
    report = copy.verify()
    assert report.ok
    assert report.anchored
    # The fifth is a refusal's; the sixth, the inbox heads.
    assert report.replayed == len(world().documents) + 6
    assert report.size == report.replayed + report.attested
    assert report.covered == report.size - 2
    assert report.uncovered == 1
    assert report.grouped == report.size


def test_without_an_anchor_the_report_says_so(copy) -> None:
    report = Verifier(copy, None, lambda _: None).run()
    assert report.ok
    assert not report.anchored
    assert report.anchor == world().anchor


def test_under_another_anchor_nothing_follows(copy) -> None:
    assert "replay" in failed(copy.verify("A" * 43))


@pytest.mark.parametrize("kind", [entries.Accepted, entries.Acknowledged])
def test_any_bit_of_a_signed_object_flipped_is_named(copy, kind) -> None:
    index = copy.first(kind)
    stored = copy.stored[index]
    for at in range(stored.entry.index(b"\n") + 1, len(stored.entry), 397):
        raw = bytearray(stored.entry)
        raw[at] ^= 1
        copy.stored[index] = Stored(index, bytes(raw), stored.leaf)
        assert failed(copy.verify())["hashes"] == index
    # With the stored hash altered too, the signatures and the signed checkpoints still tell.
    copy.stored[index] = Stored(index, bytes(raw), leaf_hash(bytes(raw)))
    assert failed(copy.verify()).keys() >= {"replay", "checkpoints"}


@pytest.mark.parametrize(
    ("kind", "change", "at"),
    [
        (entries.Accepted, {"late": True}, "/late"),
        (entries.Accepted, {"owed": []}, "/owed"),
        (entries.Accepted, {"target": 0}, "/target"),
        (entries.Accepted, {"view": 0}, "/view"),
        (entries.Accepted, {"taken_ms": 0}, "/taken_ms"),
        (entries.Accepted, {"digest": "A" * 43}, "/digest"),
        (entries.Acknowledged, {"of": 0}, "/of"),
        (entries.Trust, {"version": 2}, "/version"),
        (entries.InboxHeads, {"root": "A" * 43}, "/root"),
        (entries.InboxHeads, {"seed": 1}, "/seed"),
        (entries.InboxHeads, {"size": 2**40}, "/size"),
        (entries.InboxHeads, {"size": 3}, "/root"),
        (entries.Refused, {"view": 0}, "/view"),
        (entries.Refused, {"code": "no-such-code"}, "/code"),
        (entries.Refused, {"caller": "us.jiatfs/nobody"}, "/caller"),
        (entries.Refused, {"at": "not a pointer"}, "/at"),
        (entries.Refused, {"at": "/a\u202eb"}, "/at"),
        (entries.Refused, {"at": "/a~2"}, "/at"),
        (entries.Refused, {"salt": "A" * 20}, "/salt"),
        (entries.Accepted, {"salt": "A" * 20}, "/salt"),
    ],
)
def test_a_fact_that_the_rules_do_not_give_is_named(copy, kind, change, at) -> None:
    index = copy.first(kind)
    copy.rewrite(index, lambda facts: msgspec.structs.replace(facts, **change))
    report = copy.verify()
    assert failed(report)["replay"] == index
    assert next(check.at for check in report.checks if check.name == "replay") == at


def test_heads_may_not_leave_out_what_came_before_the_checkpoint_before_them(journal) -> None:
    """Else a node could show old heads under new checkpoints for ever."""
    copy = Copy(journal)
    replayer = copy.replayed()[0]
    signed = copy.first(entries.Checkpointed)
    old = facts_of(copy.stored[copy.first(entries.InboxHeads)])
    assert isinstance(old, entries.InboxHeads)
    again = msgspec.structs.replace(
        old, taken_ms=2**50, view=replayer.view.index, salt=b64(bytes(16))
    )
    assert again.size <= signed
    with pytest.raises(Refusal) as caught:
        replayer.step(entries.encode(again))
    assert (caught.value.code, caught.value.at) == (Code.BAD_PROOF, "/size")


def test_node_that_signs_heads_short_of_what_it_owes_is_found(tmp_path) -> None:
    """Its reader could be told nothing of it: both the head and the inbox lack the item."""
    path = tmp_path / "journal.db"

    class Short(Inboxes):
        """Leaves out the first bulletin owed to this endpoint."""

        def fold(self, entry):
            owed = [each for each in entry.owed if each.endpoint != WATCH]
            super().fold(entry._replace(owed=owed))

    async def write() -> None:
        async with running(SqliteStore.open(path)) as node:
            node.checkpoints._inboxes = Short()
            await post(node, world().envelope(to=[WATCH]))
            await node.checkpoints.checkpoint()

    asyncio.run(write())
    copy = Copy(path)
    with Blocking(SqliteStore.open(path, read_only=True)) as source:
        report = Verifier(source, world().anchor, lambda _: None).run()
    told = next(check for check in report.checks if check.name == "replay")
    assert (told.first, told.at) == (copy.first(entries.InboxHeads), "/root")


def test_a_refusal_rewritten_shows_at_the_checkpoint(copy) -> None:
    """Nothing is left to judge a refusal by, but what was signed covers it all the same."""
    index = copy.first(entries.Refused)
    copy.rewrite(index, lambda facts: msgspec.structs.replace(facts, code="expired"))
    signed = copy.first(entries.Checkpointed)
    group = copy.groups[index].first
    assert failed(copy.verify()) == {"checkpoints": signed, "covered": 0, "groups": group}


def test_an_entry_left_out_is_noticed(copy) -> None:
    index = copy.first(entries.Acknowledged)
    del copy.stored[index]
    assert failed(copy.verify())["readable"] == index


def test_an_entry_left_out_and_the_rest_moved_up_is_noticed(copy) -> None:
    index = copy.first(entries.Accepted)
    rest = copy.stored[:index] + copy.stored[index + 1 :]
    copy.stored = [Stored(place, each.entry, each.leaf) for place, each in enumerate(rest)]
    assert failed(copy.verify()).keys() >= {"replay", "checkpoints"}


def test_two_entries_that_changed_places_are_noticed(copy) -> None:
    index = copy.first(entries.Refused)
    one, other = copy.stored[index - 1].entry, copy.stored[index].entry
    copy.stored[index - 1] = Stored(index - 1, other, leaf_hash(other))
    copy.stored[index] = Stored(index, one, leaf_hash(one))
    assert "checkpoints" in failed(copy.verify())


def test_a_journal_cut_behind_its_checkpoint_is_shorter_and_intact(copy) -> None:
    """What nobody signed yet can be missed by nobody but those who hold its receipts."""
    del copy.stored[-1]
    assert copy.verify().ok


def test_a_checkpoint_signed_by_others_is_noticed(copy) -> None:
    index = copy.first(entries.Checkpointed)
    facts = facts_of(copy.stored[index])
    assert isinstance(facts, entries.Checkpointed)
    lines = facts.note.splitlines(keepends=True)
    forged = "".join([*lines[:-2], lines[-1]])
    copy.rewrite(index, lambda facts: msgspec.structs.replace(facts, note=forged))
    assert failed(copy.verify())["checkpoints"] == index


def test_a_journal_that_nobody_signed_is_not_called_intact(copy) -> None:
    copy.stored = copy.stored[: copy.first(entries.Checkpointed)]
    assert failed(copy.verify()) == {"covered": 0}


def test_a_trust_document_replaced_is_noticed(copy) -> None:
    index = copy.first(entries.Trust) + 1
    named = document_of(copy.stored[index])
    copy.blobs[named] = copy.blobs[named].replace(b"EXERCISE", b"EXERCISF")
    assert failed(copy.verify())["replay"] == index


def test_a_bulletin_entered_twice_is_noticed(copy) -> None:
    index = copy.first(entries.Accepted)
    again = copy.stored[index].entry
    copy.stored.append(Stored(len(copy.stored), again, leaf_hash(again)))
    assert "replay" in failed(copy.verify())


def test_a_damaged_file_is_a_fault_and_no_traceback(journal, tmp_path) -> None:
    path = tmp_path / "torn.db"
    shutil.copy(journal, path)
    with path.open("r+b") as file:
        file.truncate(40_000)
    with (
        pytest.raises(Fault) as fault,
        Blocking(SqliteStore.open(path, read_only=True)) as source,
    ):
        raise_if_bad(Verifier(source, world().anchor, lambda _: None).run())
    assert fault.value.code is Code.STORE_FAILED


def test_an_entry_after_the_last_checkpoint_is_signed_for_by_its_group(copy) -> None:
    index = copy.first(entries.Refused)
    moved = copy.stored[index]
    last = len(copy.stored)
    facts = msgspec.structs.replace(
        facts_of(moved), taken_ms=facts_of(copy.stored[-1]).taken_ms, code="expired"
    )
    raw = entries.encode(facts)
    copy.stored.append(Stored(last, raw, leaf_hash(raw)))
    copy.groups.append(Group(last, 1, copy.groups[-1].statement))
    assert failed(copy.verify()) == {"groups": last}
    # Without any statement, as with one too few.
    copy.groups[last] = None
    assert failed(copy.verify()) == {"groups": last}


def test_a_group_s_root_and_its_signatures_are_looked_at(copy) -> None:
    last = len(copy.stored) - 1
    good = copy.groups[last]
    told = json.loads(good.statement)
    told["signatures"][1] = {**told["signatures"][1], "signature": "A" * 4412}
    copy.groups[last] = Group(last, 1, json.dumps(told, separators=(",", ":")).encode())
    assert failed(copy.verify()) == {"groups": last}
    copy.groups[last] = good
    copy.rewrite(last, lambda facts: msgspec.structs.replace(facts, salt="A" * 22))
    report = copy.verify()
    assert failed(report) == {"groups": last}
    assert next(check.at for check in report.checks if check.name == "groups") == "/root"


def test_a_group_cut_in_its_middle_is_noticed(copy) -> None:
    last = len(copy.stored) - 1
    copy.groups[last] = msgspec.structs.replace(copy.groups[last], count=2)
    assert failed(copy.verify()) == {"groups": last}


def test_without_any_statement_groups_are_not_looked_at_in_a_mirror_only(copy) -> None:
    copy.groups = [None for _ in copy.groups]
    report = copy.verify(is_mirror=True)
    assert report.ok
    assert report.grouped == 0
    assert failed(copy.verify()) == {"groups": 0}


def test_a_mirror_with_some_statements_must_have_them_all(copy) -> None:
    copy.groups[-1] = None
    assert failed(copy.verify(is_mirror=True)) == {"groups": len(copy.stored) - 1}


def test_one_journal_is_of_one_node(copy) -> None:
    index = copy.first(entries.EpochOpened)
    copy.groups = [None for _ in copy.groups]
    copy.rewrite(index, lambda facts: msgspec.structs.replace(facts, node="us"))
    report = copy.verify(is_mirror=True)
    # Every checkpoint is by another node than the one that opened the journal.
    assert failed(report)["checkpoints"] == copy.first(entries.Checkpointed)
    assert next(check.at for check in report.checks if check.name == "checkpoints") == "/note"
    last = facts_of(copy.stored[-1])
    opened = entries.EpochOpened(
        salt="A" * 22, taken_ms=last.taken_ms, view=last.view, node="us", epoch=9
    )
    fresh = len(copy.stored)
    copy.rewrite(index, lambda facts: msgspec.structs.replace(facts, node="pa"))
    raw = entries.encode(opened)
    copy.stored.append(Stored(fresh, raw, leaf_hash(raw)))
    copy.groups.append(None)
    assert failed(copy.verify(is_mirror=True)) == {"replay": fresh}


def test_a_checkpoint_is_held_to_the_keys_of_its_time(copy) -> None:
    """Keys that came later vouch for nothing that was signed before them, nor take it away."""
    copy.groups = [None for _ in copy.groups]
    node = world().view.nodes["pa"]
    other = jwk_of("another log")
    raw = world().signed(
        msgspec.structs.replace(node, version=2, log=[other, node.log[1]]), ["pa"]
    )
    last = facts_of(copy.stored[-1])
    positions = sum(isinstance(facts_of(each), entries.Trust) for each in copy.stored)
    facts = entries.Trust(
        salt="A" * 22,
        taken_ms=last.taken_ms,
        view=last.view,
        name="pa",
        version=2,
        position=positions,
        document=Blob(builders.digest(raw), len(raw)),
    )
    copy.blobs[builders.digest(raw)] = raw
    entry = entries.encode(facts)
    copy.stored.append(Stored(len(copy.stored), entry, leaf_hash(entry)))
    copy.groups.append(None)
    assert copy.verify(is_mirror=True).ok


def jwk_of(seed: str) -> Jwk:
    """A public Ed25519 key."""
    key = Ed25519PrivateKey.from_private_bytes(builders.Randomness(seed)(32))
    return Jwk("OKP", "Ed25519", crv="Ed25519", x=b64(key.public_key().public_bytes_raw()))


@pytest.mark.parametrize(
    ("uncovered", "grouped", "first"),
    [(0, 9, "Intact. "), (0, 0, "Intact. "), (2, 9, "Intact up to entry 5. ")],
)
def test_what_is_said_is_what_was_checked(uncovered, grouped, first) -> None:
    told = Report(
        ok=True, anchored=True, anchor="", size=9, replayed=9, attested=0, covered=6,
        mirror=not grouped, root="", checks=[], purged=0, erased=0, orders=0, attached=2,
        uncovered=uncovered, grouped=grouped, bodies=grouped, attachments=grouped or None,
    )  # fmt: skip
    line = verdict._checked_en(told)
    assert line.startswith(first)
    assert ("Not looked at here: commit groups, sealed bodies, attachments (2)." in line) == (
        not grouped
    )
    assert ("2 entries after" in line) == bool(uncovered)


def raise_if_bad(report: Report) -> None:
    if not report.ok:
        raise Fault(Code.STORE_FAILED)


def test_a_group_s_statement_is_of_this_epoch_and_place(copy) -> None:
    """Signed, and over the same leaves: but of an epoch that the journal never opened."""
    index = copy.first(entries.EpochOpened)
    last = len(copy.stored) - 1
    copy.rewrite(index, lambda facts: msgspec.structs.replace(facts, epoch=9))
    for each in range(index, last + 1):
        if copy.groups[each].first <= index:
            copy.groups[each] = None
    report = copy.verify()
    check = next(check for check in report.checks if check.name == "groups")
    assert (check.first, check.at) != (None, "")
    assert check.at == "/statement"
    assert report.grouped == 0
