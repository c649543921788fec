"""What is judged ahead, in other processes, comes to what one process comes to by itself."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from functools import partial

import msgspec
import pytest

from exchange.audit.ahead import Ahead
from exchange.audit.verify import Verifier
from exchange.broker.replay import Replayer
from exchange.cli.journal_file import opened
from exchange.model import entry as entries
from tests.audit.traded import everything, written
from tests.builders import border


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    return written(tmp_path_factory.mktemp("traded"), everything)


def verified(file, ahead=None):
    with opened(file) as source:
        return Verifier(
            source, border().anchor, lambda _: None, is_mirror=True, ahead=ahead
        ).run()


def ahead_of(file):
    return Ahead(partial(opened, file), border().anchor, 0, 1)


@pytest.mark.parametrize("which", ["pa", "us"])
def test_report_is_the_same_and_nothing_with_a_signature_is_judged_twice(
    traded, which, monkeypatch
):
    file = getattr(traded, which)
    alone = verified(file)
    assert alone.ok, [check for check in alone.checks if not check.ok]
    here, plain = [], Replayer.considered

    def counted(self, entry, served):
        here.append(entry.facts.__struct_config__.tag)
        return plain(self, entry, served)

    monkeypatch.setattr(Replayer, "considered", counted)
    with ahead_of(file) as ahead:
        assert verified(file, ahead) == alone
    assert here
    assert not {"accepted", "acknowledged", "granted"} & set(here)


def flip(file, index):
    """Flip a bit of a signature: of entry ``index``, near its end."""
    with closing(sqlite3.connect(file)) as db:
        (raw,) = db.execute("SELECT bytes FROM entry WHERE idx = ?", (index,)).fetchone()
        raw = bytearray(raw)
        raw[-40] = ord("A") if raw[-40] != ord("A") else ord("B")
        db.execute("UPDATE entry SET bytes = ? WHERE idx = ?", (bytes(raw), index))
        db.commit()


def test_what_does_not_hold_is_named_as_without_it(traded, tmp_path):
    file = shutil.copy(traded.pa, tmp_path / "pa.db")
    with opened(file) as source:
        kinds = source.kinds(0, 99)
    flip(file, kinds.index("accepted"))
    alone = verified(file)
    assert not alone.ok
    with ahead_of(file) as ahead:
        assert verified(file, ahead) == alone


def test_an_answer_about_other_bytes_is_not_taken(traded, tmp_path):
    """Who could swap the file between two readings would have the wrong one judged."""
    bad = shutil.copy(traded.pa, tmp_path / "pa.db")
    with opened(bad) as source:
        flip(bad, source.kinds(0, 99).index("accepted"))
    alone = verified(bad)
    with ahead_of(traded.pa) as of_the_good_one:
        assert verified(bad, of_the_good_one) == alone
    assert not alone.ok


def test_an_answer_under_other_trust_is_not_taken(traded, tmp_path, monkeypatch):
    """In the same places stand other trust entries: what was judged by them is nothing."""
    other = shutil.copy(traded.pa, tmp_path / "pa.db")
    with opened(other) as source:
        index = source.kinds(0, 99).index("trust")
        raw = source.read(index, 1)[0].entry
    salted = msgspec.structs.replace(entries.decode(raw).facts, salt="A" * 22)
    with closing(sqlite3.connect(other)) as db:
        db.execute("UPDATE entry SET bytes = ? WHERE idx = ?", (entries.encode(salted), index))
        db.commit()
    here, plain = [], Replayer.considered

    def counted(self, entry, served):
        here.append(entry.facts.__struct_config__.tag)
        return plain(self, entry, served)

    monkeypatch.setattr(Replayer, "considered", counted)
    with ahead_of(other) as ahead:
        assert verified(traded.pa, ahead).ok
    assert "accepted" in here


def test_where_a_process_is_killed_the_rest_is_judged_here(traded):
    """Memory may be short; what was in its hands is not taken for judged."""
    with ahead_of(traded.pa) as judged:
        asked = []

        def ahead(place):
            asked.append(place)
            if len(asked) == 3:
                for process in judged._pool._processes.values():
                    process.kill()
                judged._end = place.at
                judged._next = place.at
                judged._ahead.clear()
            return judged(place)

        report = verified(traded.pa, ahead)
    assert report == verified(traded.pa)
    assert len(asked) > 3
