"""An audit tells what was purged from what is lost: real files, altered, each one noticed."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from exchange.audit.checks import Report
from exchange.audit.purges import IN_TIME_MS, Purges
from exchange.audit.rebuild import Rebuilder, groups_of
from exchange.audit.verify import Verifier
from exchange.broker.replay import Replayer
from exchange.cli.journal_file import Blocking, opened
from exchange.cli.main import cli
from exchange.errors import Code, Refusal
from exchange.model import entry as entries
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.model.view import View
from exchange.store.blob_files import BlobFiles
from exchange.store.comparing import differences
from exchange.store.kept_files import KeptFiles
from exchange.store.sqlite import SqliteStore
from tests.broker.amending import cancelling
from tests.builders import DAY, MINSA, NOW, NOW_MS, OPS, world
from tests.confirmed import confirmation
from tests.node.running import Clock, post, running
from tests.node.test_retaining import ASKED, RULE

CONTENT = b"exercise attachment"
BLOB = Blob(digest(CONTENT), len(CONTENT))
SZR = msgspec.structs.replace(ASKED, types=["szr"])


class Written:
    """A node's folder in which three bulletins were purged, one by each cause; one stays."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "journal.db"
        self.kept: Any = None
        self.gone: Any = None
        self.withdrawn: Any = None
        asyncio.run(self._write())

    async def _write(self) -> None:
        clock, w = Clock(), world()
        blobs = BlobFiles(self.folder / "blobs", clock)
        async with running(SqliteStore.open(self.path), clock, blobs=blobs) as node:
            await post(node, w.rearranged(retention=[RULE, SZR]), MINSA)
            await blobs.append(OPS, BLOB, 0, CONTENT)
            await blobs.finish(OPS, BLOB)
            week: Any = {"issued": NOW, "retain_until": NOW + 7 * DAY}
            self.gone = w.closed(**week, attachments=[BLOB])
            self.kept = w.envelope(issued=NOW, type="szr", retain_until=NOW + 50 * DAY)
            self.withdrawn = w.envelope(**week)
            for what in (self.kept, self.gone.envelope, w.grant(self.gone), self.withdrawn):
                assert (await post(node, what)).refusal is None
            await post(node, cancelling(self.withdrawn, declares=["must-purge"], **week))
            await node.retainer.step()
            clock.ms = (NOW + 5 * DAY) * 1000
            await node.retainer.step()
            await post(node, confirmation(w, self.kept, at=NOW + 5 * DAY))
            clock.ms = (NOW + 7 * DAY) * 1000
            await node.retainer.step()
            await post(node, w.ack(self.gone.envelope, outcome="purged", at=NOW + 7 * DAY))
            await node.checkpoints.checkpoint()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return Written(tmp_path_factory.mktemp("purges"))


@pytest.fixture
def folder(written: Written, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written.folder, tmp_path / "node"))


def verified(folder: Path) -> Report:
    with opened(folder / "journal.db") as source:
        files = KeptFiles(folder / "blobs")
        return Verifier(source, world().anchor, lambda _: None, files=files).run()


def failed(report: Report) -> dict[str, tuple[str | None, str]]:
    return {each.name: (each.code, each.at) for each in report.checks if not each.ok}


def alter(folder: Path, *statements: str, values: Any = ()) -> None:
    with closing(sqlite3.connect(folder / "journal.db")) as connection:
        for statement in statements:
            assert connection.execute(statement, values).rowcount > 0
        connection.commit()


def put_back(folder: Path, body: bytes) -> None:
    alter(folder, "INSERT INTO blob (digest, bytes) VALUES (?, ?)", values=(digest(body), body))
    alter(
        folder,
        "INSERT INTO blob_fresh SELECT digest, id FROM blob ORDER BY id DESC LIMIT 1",
        "UPDATE meta SET blob_fresh = blob_fresh + 1",
    )


def told(path: Path) -> list[entries.Facts]:
    with opened(path) as source:
        return [entries.decode(each.entry).facts for each in source.read(0, 1000)]


def test_journal_with_purges_holds_and_kept_and_purged_are_counted_apart(folder: Path) -> None:
    report = verified(folder)
    assert failed(report) == {}
    # Gone: two bulletins' bodies, of a cancellation as well, and the grant's key.
    found = [f for f in told(folder / "journal.db") if isinstance(f, entries.PurgeOrdered)]
    assert [each.cause for each in found] == ["cancelled", "rule", "header"]
    assert (report.orders, report.erased, report.bodies) == (3, 4, 1)
    assert (report.attached, report.attachments, report.purged) == (1, 0, 1)


def test_body_that_is_gone_without_an_order_is_an_alarm(written: Written, folder: Path) -> None:
    named = digest(written.kept.body)
    alter(folder, "DELETE FROM blob WHERE digest = ?", values=(named,))
    found = failed(verified(folder))
    assert found.pop("file")[0] == "store-failed"
    assert found == {"bodies": ("missing-blob", "/blobs/0")}


def test_body_that_is_still_there_though_it_was_attested_is_an_alarm(
    written: Written, folder: Path
) -> None:
    put_back(folder, written.gone.envelope.body)
    assert failed(verified(folder)) == {"purges": ("not-purged", "/digests")}


def test_attachment_that_is_still_there_is_an_alarm(folder: Path) -> None:
    (folder / "blobs" / "kept" / BLOB.digest).write_bytes(CONTENT)
    assert failed(verified(folder)) == {"purges": ("not-purged", "/digests")}


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM due",
        "UPDATE due SET at = at + 1",
        "UPDATE due SET rule = 'other' WHERE what = 0",
        "INSERT INTO due VALUES (12, 0, 1, 'header', '', 1)",
    ],
)
def test_table_of_what_comes_due_is_held_to_the_entries(folder: Path, statement: str) -> None:
    alter(folder, statement)
    assert failed(verified(folder)) == {"due": ("bad-proof", "/due")}


def replay(facts: list[tuple[entries.Facts, bytes]], documents: Any) -> None:
    raw = [entries.encode(each, signed) for each, signed in facts]
    replayer = Replayer(View(anchor=world().anchor), raw.__getitem__, documents)
    for each in raw:
        replayer.step(each)


def altered(folder: Path, kind: type, **changes: Any) -> Refusal:
    """Replay a journal in which an entry says something else: of orders, the one by a rule."""
    with opened(folder / "journal.db") as source:
        stored = [entries.decode(each.entry) for each in source.read(0, 1000)]
        facts = [(each.facts, each.object) for each in stored]
        at = max(
            n
            for n, (each, _) in enumerate(facts)
            if isinstance(each, kind) and getattr(each, "cause", "rule") == "rule"
        )
        changed = msgspec.structs.replace(facts[at][0], **changes)
        facts[at] = (changed, facts[at][1])
        with pytest.raises(Refusal) as refusal:
            replay(facts, source.blob)
    assert refusal.value.code == Code.BAD_PROOF
    return refusal.value


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        # Of a bulletin that is not due, of no bulletin, of one that was purged before.
        ({"of": 10}, "/of"),
        ({"of": 0}, "/of"),
        ({"cause": "silence"}, "/of"),
        ({"cause": "header"}, "/cause"),
        ({"rule": "another"}, "/rule"),
        ({"agreed": 0}, "/agreed"),
        ({"grants": []}, "/grants"),
        ({"grants": [1]}, "/grants"),
        ({"owed": []}, "/owed"),
        ({"taken_ms": (NOW + 7 * DAY) * 1000 - 1}, "/of"),
    ],
)
def test_order_that_is_not_due_is_found(folder: Path, changes: Any, at: str) -> None:
    assert altered(folder, entries.PurgeOrdered, **changes).at == at


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"orders": [3]}, "/orders"),
        ({"digests": ["A" * 43]}, "/digests"),
        ({"orders": []}, "/digests"),
    ],
)
def test_purge_without_an_order_is_found(folder: Path, changes: Any, at: str) -> None:
    assert altered(folder, entries.Purged, **changes).at == at


def test_purge_of_one_order_twice_is_found(folder: Path) -> None:
    with opened(folder / "journal.db") as source:
        stored = [entries.decode(each.entry) for each in source.read(0, 1000)]
    last = [each.facts for each in stored if isinstance(each.facts, entries.Purged)][-1]
    assert altered(folder, entries.Purged, orders=last.orders * 2).at == "/orders"


def test_what_a_node_does_not_list_as_gone_is_held_to_its_order_all_the_same() -> None:
    common: Any = {"salt": "A" * 22, "taken_ms": NOW_MS, "view": 3}
    purges, kept = Purges(), "A" * 43
    order = entries.PurgeOrdered(
        of=1, grants=[], cause="header", rule=None, agreed=3, owed=[], **common
    )
    purges.add(7, order, frozenset({kept}))
    purges.check_gone(lambda _: True, lambda _: {})
    purges.add(8, entries.Purged(orders=[7], digests=[], **common))
    purges.check_gone(lambda _: False, lambda _: {})
    purges.check_gone(lambda _: True, lambda _: {kept: 5})
    with pytest.raises(Refusal) as refusal:
        purges.check_gone(lambda name: name == kept, lambda _: {})
    assert (refusal.value.code, refusal.value.facts["found"]) == (Code.NOT_PURGED, 8)


@pytest.mark.parametrize("changes", [{"of": None}, {"of": 3}, {"taken_ms": NOW_MS + 1000}])
def test_review_that_is_not_due_is_found(folder: Path, changes: Any) -> None:
    altered(folder, entries.Noticed, **changes)


def test_order_that_is_not_carried_out_in_time_is_an_alarm() -> None:
    common: Any = {"salt": "A" * 22, "taken_ms": NOW_MS, "view": 3}
    purges = Purges()
    order = entries.PurgeOrdered(
        of=1, grants=[], cause="header", rule=None, agreed=3, owed=[], **common
    )
    purges.add(7, order)
    purges.check_time(NOW_MS + IN_TIME_MS)
    with pytest.raises(Refusal) as refusal:
        purges.check_time(NOW_MS + IN_TIME_MS + 1)
    assert (refusal.value.code, refusal.value.facts) == (Code.PURGE_OVERDUE, {"found": 7})
    purges.add(8, entries.Purged(orders=[7], digests=[], **common))
    purges.check_time(NOW_MS + 9 * IN_TIME_MS)


def test_rebuilding_brings_nothing_back_and_counts_nothing_as_lost(
    folder: Path, tmp_path: Path
) -> None:
    made = tmp_path / "rebuilt.db"
    with (
        opened(folder / "journal.db") as source,
        Blocking(SqliteStore.open(made, has_threads=False)) as target,
    ):
        rebuilt = Rebuilder(target, world().anchor, lambda _: None).run(groups_of(source))
    assert (rebuilt.code, rebuilt.missing) == (None, 0)
    assert not any(differences(folder / "journal.db", made).values())


def test_bodies_that_an_older_copy_still_has_are_purged_again_by_the_orders(
    written: Written, folder: Path, tmp_path: Path
) -> None:
    body, made = written.gone.envelope.body, tmp_path / "rebuilt.db"
    put_back(folder, body)
    with (
        opened(folder / "journal.db") as source,
        Blocking(SqliteStore.open(made, has_threads=False)) as target,
    ):
        Rebuilder(target, world().anchor, lambda _: None).run(groups_of(source))
    assert body[-64:] not in made.read_bytes()


@pytest.mark.parametrize(
    ("lang", "said"), [("en", "3 purges ordered; 4 bodies"), ("es", "3 purgas ordenadas; 4 cu")]
)
def test_command_tells_how_much_was_purged_and_how_much_is_kept(
    folder: Path, lang: str, said: str
) -> None:
    words = ["audit", "verify", str(folder / "journal.db"), "--anchor", world().anchor]
    ran = CliRunner().invoke(cli, ["--lang", lang, *words])
    assert (ran.exit_code, said in ran.output) == (0, True)
    report = json.loads(CliRunner().invoke(cli, [*words, "--json"]).output)
    assert (report["orders"], report["erased"]) == (3, 4)
