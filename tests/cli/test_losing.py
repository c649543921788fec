"""What was damaged at rest, or was never sent, is said at once and listed; nothing twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from exchange.cli import losing, world
from exchange.cli.home import MAIL
from exchange.client.cabinet import FILE
from exchange.client.losses import Loss
from tests.cli.exercise import OPS, WATCH
from tests.cli.terminal import Terminal

DAY_MS = 86_400_000


@pytest.fixture
def fresh(exercise):
    """A context of the poster's own, to be damaged."""
    return exercise.copy_context(OPS)


def spoil(exercise, context, drawer):
    file = exercise.place.home / "contexts" / context / MAIL / FILE
    with closing(sqlite3.connect(file, isolation_level=None)) as opened:
        changed = opened.execute("UPDATE row SET sealed = x'00' WHERE drawer = ?", (drawer,))
        assert changed.rowcount


def test_damaged_row_is_told_at_once_and_listed_in_both_languages(exercise, fresh):
    queued = exercise.at(fresh, "post", exercise.draft(GAVIOTA="DAÑADA"), "--yes", "--queue")
    assert queued.code == 0
    spoil(exercise, fresh, "posted.waits")
    ran = exercise.at(fresh, "outbox", "--json")
    (lost,) = ran.json["lost"]
    assert (lost["what"], lost["how"]) == ("posted.waits", "mended")
    assert "DAMAGED" in ran.err
    assert lost["id"] in ran.err
    (row,) = [row for row in ran.json["outbox"] if row["index"] is None]
    assert row["id"] == lost["id"]
    for lang, word in (("es", "DAÑADO"), ("en", "DAMAGED")):
        ran = exercise.at(fresh, "--lang", lang, "outbox")
        assert (word in ran.out, ran.err) == (True, "")


def test_damaged_row_of_the_inbox_locks_nobody_out(exercise):
    exercise.post()
    context = exercise.copy_context(WATCH)
    before = exercise.at(context, "inbox", "--json").json
    for drawer in ("item", "trust", "body"):
        spoil(exercise, context, drawer)
    ran = exercise.at(context, "inbox", "--json")
    assert (ran.code, ran.json) == (0, before)
    assert "an item of the inbox" in ran.err


def test_what_was_never_sent_is_destroyed_in_its_time_and_told_of(exercise, fresh, monkeypatch):
    draft = exercise.draft(GAVIOTA="NUNCA")
    assert exercise.at(fresh, "post", draft, "--yes", "--queue").code == 0
    rows = exercise.at(fresh, "outbox", "--json").json["outbox"]
    (row,) = [row for row in rows if "since" in row]
    now_ms = world.clock_ms()
    monkeypatch.setattr(world, "clock_ms", lambda: now_ms + 400 * DAY_MS)
    ran = exercise.at(fresh, "--lang", "en", "outbox")
    assert f"{row['id']} WAS NEVER SENT; expired on" in ran.err
    assert f"{row['id']} WAS NEVER SENT; expired on" in ran.out
    ran = exercise.at(fresh, "outbox", "--json")
    assert row["id"] not in [each["id"] for each in ran.json["outbox"]]
    (lost,) = [each for each in ran.json["lost"] if each["how"] == "expired"]
    assert (lost["id"], lost["tries"]) == (row["id"], 0)


def test_draft_that_nobody_touched_is_told_of_in_both_languages():
    loss = Loss("desk-drafts", "expired", until=1_774_000_000)
    assert "EXPIRED on 2026-03-20" in losing.line(loss, "en")
    assert "VENCIÓ el 2026-03-20" in losing.line(loss, "es")


def test_draft_that_another_command_posts_while_this_one_asks_is_posted_once(exercise):
    draft = exercise.draft(GAVIOTA="A LA VEZ")
    words = ["--context", OPS, "--lang", "en", "post", draft]
    env = {k: v for k, v in exercise.environment().items() if k.startswith("EXCHANGE_")}
    with Terminal(*words, **env) as terminal:
        terminal._until(b"Send? [y/N]")
        other = exercise.at(OPS, "post", draft, "--yes", "--json")
        assert (other.code, other.json["sent"]) == (0, True)
        terminal.answer("", b"y")
        assert terminal.end() == 0
        assert b"Another command posted this very draft meanwhile" in terminal.shown
        assert f"entry {other.json['index']} ".encode() in terminal.shown
