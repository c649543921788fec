"""A real node's life with its backups, to restore from: see ``kept`` in ``conftest``."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

from exchange.cli import world
from exchange.cli.journal_file import opened
from exchange.journal import checkpoint
from exchange.model import entry as entries
from exchange.store.blob_files import BlobFiles
from exchange.store.shipped import ShippedFiles
from tests.cli.exercise import ROOT, Exercise

SECRET = {"EXCHANGE_BACKUP_PASSPHRASE": "backup passphrase"}


def until(holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Kept:
    """A node's life: an older backup, a purge, a newer backup under load, then its end."""

    def __init__(self, folder):
        self.folder = folder
        self.older, self.newer = folder / "older.xbk", folder / "newer.xbk"
        self.made = Exercise(folder / "exercise")
        self.node, self.second = self.made.place.node, folder / "second"
        self.second.mkdir()
        settings = json.loads((self.node / "node.json").read_bytes())
        settings["second"] = str(self.second)
        (self.node / "node.json").write_text(json.dumps(settings))
        self.made.start()
        self.attached = [self.attach(f"exercise {each}") for each in ("kept", "purged")]
        # Of a backup that was ended in its middle.
        self.left = folder / ".oldest.xbk.backing-12345678"
        self.left.write_bytes(b"EXERCISE")
        made = self.run("backup", self.older, "--state", self.node, "--json")
        assert made.code == 0
        self.cleared = made.json["cleared"]
        asyncio.run(self.purge(self.attached[1]))
        self.attached.append(self.attach("exercise later"))
        self.before, self.during = self.back_up_under_load()
        until(lambda: self.signed() > max(self.before))
        assert self.made.stop() == 0
        # Out of the way: tests restore from copies of it, and it is not lost sight of.
        self.second = self.second.rename(folder / "shipped")

    def run(self, *words, **env):
        return self.made.run(*map(str, words), **{**SECRET, **env})

    def attach(self, text):
        path = self.folder / f"{text}.txt"
        path.write_text(text)
        index = self.made.post("--attach", str(path))["index"]
        return self.facts(index).blobs[1].digest

    def facts(self, index, journal=None):
        with opened(journal or self.node / "journal.db") as source:
            return entries.decode(source.read(index, 1)[0].entry).facts

    def signed(self):
        return checkpoint.parse((self.node / "signed.note").read_bytes()).size

    async def purge(self, digest):
        blobs = BlobFiles(self.node / "blobs", world.clock_ms, second=self.second)
        await blobs.purge(digest)
        await blobs.close()

    def back_up_under_load(self):
        """Post before and while the backup is made; the indexes in the receipts."""
        before = [self.made.post()["index"] for _ in range(2)]
        words = ["backup", str(self.newer), "--state", str(self.node)]
        backup = subprocess.Popen(
            [sys.executable, "-P", "-m", "exchange", *words],
            env=self.made.environment(PYTHONPATH=str(ROOT), **SECRET),
        )
        during = []
        while backup.poll() is None:
            during.append(self.made.post()["index"])
        assert backup.returncode == 0
        assert during
        return before, during


def entries_of(folder):
    with opened(folder / "journal.db") as source:
        return [each.entry for each in source.read(0, source.size())]


def restored(kept, file, into, *words):
    ran = kept.run("restore", file, "--into", into, *words, "--json")
    assert ran.code == 0, ran.out
    return ran.json["restored"]


def refused(kept, file, into, *words, **env):
    """The code that it is refused with; nothing is left of the attempt."""
    ran = kept.run("restore", file, "--into", into, *words, "--json", **env)
    assert ran.code != 0
    assert not into.exists()
    assert [each.name for each in into.parent.iterdir() if "restoring" in each.name] == []
    return ran.json["error"]


def kept_in(folder):
    return {path.name for path in (folder / "blobs" / "kept").iterdir()}


def kept_size(kept, file):
    return kept.run("backup", file, "--verify", "--json").json["backup"]["size"]


def shipped_anew(folder, groups):
    """Write a second place as its node would."""
    for path in folder.glob("*.groups"):
        path.unlink()
    place = ShippedFiles(folder)
    place.claim(1)
    place.append(groups)


def cut(second, size):
    """Leave so many entries, or a few more."""
    shipped_anew(second, [each for each in ShippedFiles(second).groups() if each.first < size])
