"""An audit of a node's own folder looks at its attachments: each lost or altered is named."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exchange.model.header import Blob
from exchange.model.identity import digest
from exchange.store.blob_files import BlobFiles
from exchange.store.sqlite import SqliteStore
from tests.builders import NOW_MS, OPS, world
from tests.node.running import Clock, post, running, until

FILES = [b"first of them", b"second, longer", b"third"]
BLOBS = [Blob(digest(each), len(each)) for each in FILES]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A node's folder with two bulletins, of two attachments each; one of them is in both."""
    folder = tmp_path_factory.mktemp("node")

    async def write() -> list[int]:
        files = BlobFiles(folder / "blobs", Clock(NOW_MS))
        uploads = folder / "blobs" / "uploads" / OPS.replace("/", "+")
        store, indexes = SqliteStore.open(folder / "journal.db"), []
        async with running(store, blobs=files) as node:
            for first, second in ((0, 1), (1, 2)):
                for each in (first, second):
                    await files.append(OPS, BLOBS[each], 0, FILES[each])
                    await files.finish(OPS, BLOBS[each])
                named = [BLOBS[first], BLOBS[second]]
                await post(node, world().envelope(attachments=named))
                indexes.append(node.size - 1)
                # Let go of after the answer: then it may be uploaded again.
                await until(lambda: not list(uploads.glob("*.*")))
            await node.checkpoints.checkpoint()
        return indexes

    return folder, asyncio.run(write())


@pytest.fixture
def folder(written: tuple[Path, list[int]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(written[0], tmp_path / "node"))


def verified(folder: Path, *more: str, lang: str = "en") -> tuple[int, str]:
    words = ["--lang", lang, "audit", "verify", str(folder / "journal.db"), *more]
    ran = subprocess.run(
        [sys.executable, "-m", "exchange", *words, "--anchor", world().anchor],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "EXCHANGE_HOME": str(folder)},
        check=False,
    )
    return ran.returncode, ran.stdout


def report(folder: Path, *more: str) -> tuple[int, Any, Any]:
    """How it ended, what it reported, and its check of attachments, if there was one."""
    code, out = verified(folder, "--json", *more)
    told = json.loads(out)
    checks = [each for each in told["checks"] if each["name"] == "attachments"]
    return code, told, checks[0] if checks else None


def test_each_is_looked_at_once_and_counted(folder: Path) -> None:
    code, told, check = report(folder)
    assert (code, told["ok"], check["held"]) == (0, True, 3)
    assert (told["attached"], told["attachments"], told["purged"]) == (3, 3, 0)


@pytest.mark.parametrize(
    ("which", "damage", "code"),
    [
        (0, None, "missing-blob"),
        (2, None, "missing-blob"),
        (1, bytes(len(FILES[1])), "digest-mismatch"),
        (2, b"", "size-mismatch"),
    ],
)
def test_one_that_is_lost_or_altered_is_tampering_and_named_with_its_first_entry(
    folder: Path, written: tuple[Path, list[int]], which: int, damage: bytes | None, code: str
) -> None:
    file = folder / "blobs" / "kept" / BLOBS[which].digest
    file.unlink()
    if damage is not None:
        file.write_bytes(damage)
    ended, told, check = report(folder)
    assert (ended, told["ok"], told["attachments"]) == (5, False, 2)
    assert (check["first"], check["code"]) == (written[1][1 if which == 2 else 0], code)
    assert check["at"] == ("/blobs/1" if which == 0 else "/blobs/2")
    for lang, said in (("es", "un adjunto falta"), ("en", "an attachment is gone")):
        assert said in verified(folder, lang=lang)[1]


def test_one_that_is_marked_as_purged_and_was_not_ordered_to_be_is_an_alarm(
    folder: Path, written: tuple[Path, list[int]]
) -> None:
    name = BLOBS[0].digest
    (folder / "blobs" / "kept" / name).unlink()
    (folder / "blobs" / "purged" / name).touch()
    code, told, check = report(folder)
    assert (code, told["attachments"], told["purged"]) == (5, 2, 1)
    assert (check["first"], check["code"], check["at"]) == (
        written[1][0],
        "missing-blob",
        "/blobs",
    )
    assert "1 of 3 attachments are marked as purged" in verified(folder)[1]
    assert "1 de 3 adjuntos constan como purgados" in verified(folder, lang="es")[1]


def test_without_their_folder_it_says_that_they_were_not_looked_at(folder: Path) -> None:
    (folder / "blobs").rename(folder / "elsewhere")
    code, told, check = report(folder)
    assert (code, check, told["attached"], told["attachments"]) == (0, None, 3, None)
    assert "Not looked at here: attachments (3)." in verified(folder)[1]
    assert "No se examinan aquí: adjuntos (3)." in verified(folder, lang="es")[1]
    code, told, check = report(folder, "--blobs", str(folder / "elsewhere"))
    assert (code, told["attachments"], check["held"]) == (0, 3, 3)


def test_a_folder_that_is_not_there_is_a_slip_of_who_asks(folder: Path) -> None:
    assert verified(folder, "--blobs", str(folder / "nowhere"))[0] == 2


def test_a_mirror_has_none_whatever_lies_beside_it(folder: Path) -> None:
    _, told, check = report(folder, "--mirror")
    assert (check, told["attachments"]) == (None, None)
