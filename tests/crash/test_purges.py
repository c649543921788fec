"""A node that is killed between any two steps of a purge goes on with it at its next start."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exchange.audit.verify import Verifier
from exchange.cli.journal_file import opened
from exchange.model import entry as entries
from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.store.blob_files import BlobFiles
from exchange.store.kept_files import KeptFiles
from exchange.store.shipped import ShippedFiles
from exchange.store.sqlite import SqliteStore
from tests.builders import DAY, NOW, OPS, world
from tests.crash.dying_purge import POINTS
from tests.node.running import Clock, post, running

CONTENT = b"exercise attachment " * 500
BLOB = Blob(digest(CONTENT), len(CONTENT))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A node's folder with a bulletin and its grant that are due in a day; one stays."""
    folder = tmp_path_factory.mktemp("purges")
    (folder / "second").mkdir()
    gone = world().closed(retain_until=NOW + DAY, attachments=[BLOB])

    async def write() -> None:
        clock = Clock()
        blobs = BlobFiles(folder / "blobs", clock, second=folder / "second")
        store = SqliteStore.open(folder / "journal.db")
        second = ShippedFiles(folder / "second")
        async with running(store, clock, blobs=blobs, second=second) as node:
            await blobs.append(OPS, BLOB, 0, CONTENT)
            await blobs.finish(OPS, BLOB)
            for what in (gone.envelope, world().envelope(), world().grant(gone)):
                assert (await post(node, what)).refusal is None
            await node.checkpoints.checkpoint()

    asyncio.run(write())
    return folder, gone.envelope


def run(folder: Path, point: str) -> int:
    words = [sys.executable, "-m", "tests.crash.dying_purge", str(folder), point]
    ran = subprocess.run(
        [*words, str(NOW + DAY), world().anchor], check=False, capture_output=True, timeout=120
    )
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr.decode()
    return ran.returncode


@pytest.mark.parametrize("point", POINTS)
def test_purge_is_taken_up_wherever_it_was_cut_off(
    written: tuple[Path, Any], tmp_path: Path, point: str
) -> None:
    folder = Path(shutil.copytree(written[0], tmp_path / "node"))
    body = written[1].body[-200:]
    assert body in (folder / "journal.db").read_bytes()
    assert run(folder, point) == -signal.SIGKILL
    assert run(folder, "nowhere") == 0
    every = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert body not in every
    assert CONTENT[:64] not in every
    with opened(folder / "journal.db") as source:
        files = KeptFiles(folder / "blobs")
        report = Verifier(source, world().anchor, lambda _: None, files=files).run()
        facts = [entries.decode(each.entry).facts for each in source.read(0, 1000)]
    assert [each.name for each in report.checks if not each.ok] == []
    assert (report.orders, report.erased, report.bodies, report.purged) == (1, 2, 1, 1)
    kinds = [entries.kind_of(each) for each in facts]
    assert (kinds.count("purge-ordered"), kinds.count("purged")) == (1, 1)
    second = ShippedFiles(folder / "second")
    assert sum(len(group.entries) for group in second.groups()) == second.size() == len(facts)
