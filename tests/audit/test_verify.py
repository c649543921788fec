"""A real node writes a journal into a real file; copies of it are altered, and caught."""

import asyncio
import shutil

import msgspec
import pytest

from exchange.audit.verify import Report, Stored, Verifier
from exchange.cli.auditing import Blocking
from exchange.errors import Code, Fault
from exchange.journal.tree import leaf_hash
from exchange.model import entry as entries
from exchange.store.sqlite import SqliteStore
from tests.builders import WATCH, refers, world
from tests.node.running import post, running


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


class Copy:
    """A journal's entries and documents, to be altered: a source like any other."""

    def __init__(self, path) -> None:
        with Blocking(SqliteStore.open(path, read_only=True)) as source:
            self.stored = list(source.read(0, 1000))
            self.blobs = {
                named: source.blob(named) for named in map(document_of, self.stored) if named
            }

    def read(self, first: int, limit: int) -> list[Stored]:
        return self.stored[first : first + limit]

    def blob(self, digest: str) -> bytes | None:
        return self.blobs.get(digest)

    def verify(self, anchor: str | None = None) -> Report:
        return Verifier(self, anchor or world().anchor, lambda _: None).run()

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
    assert report.replayed == len(world().documents) + 5
    assert report.size == report.replayed + report.attested
    assert report.covered == report.size - 2


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
    for at in range(stored.entry.index(b"\n") + 1, len(stored.entry), 97):
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
        (entries.Refused, {"view": 0}, "/view"),
    ],
)
def test_a_fact_that_the_rules_do_not_give_is_named(copy, kind, change, at) -> None:
    index = copy.first(kind)
    copy.rewrite(index, lambda facts: msgspec.structs.replace(facts, **change))
    report = copy.verify()
    assert failed(report)["replay"] == index
    assert next(check.at for check in report.checks if check.name == "replay") == at


def test_a_refusal_rewritten_shows_at_the_checkpoint(copy) -> None:
    """Nothing is left to judge a refusal by, but what was signed covers it all the same."""
    index = copy.first(entries.Refused)
    copy.rewrite(index, lambda facts: msgspec.structs.replace(facts, code="expired"))
    signed = copy.first(entries.Checkpointed)
    assert failed(copy.verify()) == {"checkpoints": signed, "covered": 0}


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
    copy.blobs[named] = copy.blobs[named].replace(b'"payload":"ey', b'"payload":"fy')
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


def raise_if_bad(report: Report) -> None:
    if not report.ok:
        raise Fault(Code.STORE_FAILED)
