"""An older outbox of plain files is taken over once, whole, and whatever it is killed at."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from exchange.client.kept import KeptKeys
from exchange.client.outbox import Outbox
from exchange.client.taking_over import take_over
from exchange.errors import Code, Fault
from exchange.seal import close
from tests.api.serving import serving
from tests.builders import NOW, OPS, WATCH, world
from tests.client.dealing import agency, cabinet, draft

ROOT = Path(__file__).resolve().parents[2]
# What it does to files and to the database, at least: every one of them is a point to die at.
LEAST = 12


async def sent(door, folder):
    """A receipt as the node gives it, and the envelope it is of."""
    async with agency(door.url, folder) as line:
        prepared = await line.prepare(draft())
        receipt = await line.post(prepared)
        return prepared.header.id, line.world.outbox.envelope(prepared.header.id), receipt


class Older:
    """An outbox as version 0.1 kept it: what it holds, told by the test's own writing."""

    def __init__(self, folder, settled):
        self.folder = folder
        self.sent, envelope, self.receipt = settled
        (folder / "acks").mkdir(parents=True)
        self.sealed = {self.sent: envelope}
        self.write(f"{self.sent}.receipt", msgspec.json.encode(self.receipt))
        closed = world().closed(to=[WATCH])
        self.waits, self.ack = closed.header.id, "01a229f1-2800-7768-b6ef-52555962d008"
        self.sealed[self.waits] = closed.envelope
        for identity, each in self.sealed.items():
            self.write(f"{identity}.sealed", each.framed())
        self.write("m" * 43 + ".mark", self.waits.encode())
        self.write(f"{self.waits}.0.attached", b"attached")
        self.write(f"{self.sent}.0.attached", b"left over")
        self.write(f"{self.waits}.sealed.x1.new", b"torn")
        self.ack_bytes = world().ack(closed.envelope)
        self.write(f"acks/{self.ack}.sealed", self.ack_bytes + b"\n\n")
        self.write("acks/" + "a" * 43 + ".mark", self.ack.encode())
        self.key, self.until = closed.key, closed.header.retain_until
        wrapped = close.wrap(closed.key, closed.header, world().key(OPS))
        self.write(f"{self.waits}.{self.until}.key", msgspec.json.encode(wrapped))
        self.header = closed.header

    def write(self, name, data):
        (self.folder / name).write_bytes(data)

    def must_be_in(self, mail):
        box = Outbox(mail)
        assert (box.sent(), box.waiting(), box.acks.waiting()) == (
            [self.sent],
            [self.waits],
            [self.ack],
        )
        assert box.receipt(self.sent) == self.receipt
        assert {each: box.envelope(each) for each in self.sealed} == self.sealed
        assert box.acks.envelope(self.ack).header == self.ack_bytes
        assert (box.marked("m" * 43), box.acks.marked("a" * 43)) == (self.waits, self.ack)
        assert box.attached(self.waits, 0).read_bytes() == b"attached"
        assert len(list(mail.folder.glob("*.attached"))) == 1
        assert KeptKeys(mail).key(self.header, world().openers[OPS], NOW) == self.key


@pytest.fixture
async def older(tmp_path):
    async with serving() as door:
        return Older(tmp_path / "outbox", await sent(door, tmp_path / "made"))


def test_all_of_it_is_taken_over_and_the_files_are_gone(older, tmp_path):
    with closing(cabinet(tmp_path / "mail")) as mail:
        take_over(mail, older.folder)
        older.must_be_in(mail)
        assert not older.folder.exists()
        take_over(mail, older.folder)
        older.must_be_in(mail)


def test_copy_that_is_put_back_later_takes_nothing_from_what_is_newer(older, tmp_path):
    shutil.copytree(older.folder, tmp_path / "copy")
    with closing(cabinet(tmp_path / "mail")) as mail:
        take_over(mail, older.folder)
        box = Outbox(mail)
        box.settle(older.waits, older.receipt)
        # Sealed anew since, it has another key.
        KeptKeys(mail).put(older.waits, older.until, b"newer")
        take_over(mail, tmp_path / "copy")
        with pytest.raises(Fault):
            KeptKeys(mail).key(older.header, world().openers[OPS], NOW)
        assert box.waiting() == []
        assert box.sent() == sorted([older.sent, older.waits])
        assert not list(mail.folder.glob("*.attached"))


def test_damaged_receipt_is_asked_for_again(older, tmp_path):
    older.write(f"{older.sent}.receipt", b'{"node":')
    with closing(cabinet(tmp_path / "mail")) as mail:
        take_over(mail, older.folder)
        assert older.sent in Outbox(mail).waiting()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("d" * 43 + ".mark", b"\xff\xfe"),
        ("01a229f1-2800-7768-b6ef-52555962d008." + "9" * 30 + ".key", b"{}"),
    ],
    ids=["mark", "key"],
)
def test_damaged_mark_or_key_is_passed_over_and_all_else_taken_over(
    older, tmp_path, name, data
):
    older.write(name, data)
    with closing(cabinet(tmp_path / "mail")) as mail:
        take_over(mail, older.folder)
        older.must_be_in(mail)
        assert not KeptKeys(mail).has("01a229f1-2800-7768-b6ef-52555962d008")
    assert not older.folder.exists()


def test_folder_with_other_files_keeps_them(older, tmp_path):
    older.write("notes.txt", b"mine")
    with closing(cabinet(tmp_path / "mail")) as mail:
        take_over(mail, older.folder)
        older.must_be_in(mail)
    assert [each.name for each in older.folder.iterdir()] == ["notes.txt"]


def test_what_cannot_be_read_is_a_fault_and_nothing_is_taken_over(older, tmp_path):
    (older.folder / f"{older.sent}.sealed").unlink()
    (older.folder / f"{older.sent}.sealed").mkdir()
    with closing(cabinet(tmp_path / "mail")) as mail:
        with pytest.raises(Fault) as caught:
            take_over(mail, older.folder)
        assert caught.value.code is Code.MAIL_FAILED
        assert Outbox(mail).waiting() == []
    assert (older.folder / f"{older.waits}.sealed").exists()


_RUN = """
import itertools
import os
import shutil
import sys
from contextlib import closing
from pathlib import Path
from exchange.client.taking_over import take_over
from tests.crash import dying
from tests.client.dealing import cabinet

def run(at, here):
    dying.die_at(at)
    with closing(cabinet(here / "mail")) as mail:
        take_over(mail, here / "outbox")

# Imported once: each life is a fork of this one.
outbox, folder = map(Path, sys.argv[1:])
for at in itertools.count():
    here = folder / f"{at}"
    shutil.copytree(outbox, here / "outbox")
    if not (child := os.fork()):
        run(at, here)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -9:
        break
"""


def test_killed_at_any_point_and_begun_again_nothing_is_lost(older, tmp_path):
    lives = tmp_path / "lives"
    subprocess.run(
        [sys.executable, "-P", "-c", _RUN, str(older.folder), str(lives)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=100,
        check=True,
    )
    for here in lives.iterdir():
        with closing(cabinet(here / "mail")) as mail:
            take_over(mail, here / "outbox")
            older.must_be_in(mail)
        assert not (here / "outbox").exists()
    assert len(list(lives.iterdir())) > LEAST
