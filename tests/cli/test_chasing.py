"""Whoever holds what was withdrawn or corrected is told loudly until it acknowledges that."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from exchange.cli import chasing
from exchange.cli.home import Home
from exchange.cli.main import Session
from exchange.model import trust
from tests.api.serving import serving
from tests.broker.amending import correcting
from tests.builders import WATCH as WATCHER
from tests.builders import world
from tests.cli.exercise import OPS, WATCH, Exercise
from tests.client.dealing import agency
from tests.node.running import Clock, post


@pytest.fixture(scope="module")
def exercise(tmp_path_factory):
    made = Exercise(tmp_path_factory.mktemp("chasing"))
    made.start()
    yield made
    assert made.stop() == 0, made.log.read_text()


def posted(exercise, name, *more):
    return exercise.at(OPS, "post", exercise.draft(name), "--yes", "--json", *more).json


def owing(exercise, *words):
    told = exercise.at(WATCH, *words, "inbox", "--json").json
    return {each["acknowledge"]: each for each in told["to_acknowledge"]}, told["items"]


@pytest.fixture(scope="module")
def seizure(exercise):
    return posted(exercise, "szr-1.es.toml")


@pytest.fixture(scope="module")
def correction(exercise, seizure):
    return posted(exercise, "cor-1.es.toml", "--target", seizure["id"])


def test_correction_is_owed_an_acknowledgement_and_both_rows_say_so(
    exercise, seizure, correction
):
    told, rows = owing(exercise)
    entry, target = correction["index"], seizure["index"]
    reminder = told[entry]
    assert (reminder["relation"], reminder["by"], reminder["target"]) == (
        "corrects",
        entry,
        target,
    )
    assert (reminder["overdue_s"], reminder["alarms"]) == (None, 0)
    assert reminder["next_alarm"] > reminder["since"]
    marked = {row["index"]: row["unacknowledged"] for row in rows if row["unacknowledged"]}
    assert marked == {target: [entry], entry: [entry]}


@pytest.mark.parametrize(
    ("lang", "loud"),
    [
        ("en", "!!! CORRECTED AND NOT ACKNOWLEDGED: entry {by} corrects entry {of}"),
        ("es", "!!! CORREGIDO Y SIN ACUSE: el asiento {by} corrige el asiento {of}"),
    ],
)
@pytest.mark.parametrize("words", [("inbox",), ("read", "{of}"), ("read", "{by}")])
def test_inbox_and_read_say_so_loudly_with_the_command(  # noqa: PLR0913, PLR0917
    exercise, seizure, correction, lang, loud, words
):
    named = {"by": correction["index"], "of": seizure["index"]}
    words = [word.format(**named) for word in words]
    out = exercise.at(WATCH, "--lang", lang, *words).out
    assert loud.format(**named) in out
    assert f"exchange ack {correction['index']} !!!" in out


@pytest.mark.usefixtures("correction")
def test_watch_begins_with_it_on_stderr(exercise, correction):
    ran = exercise.at(WATCH, "--lang", "en", "watch", "--count", "1", "--json")
    assert f"exchange ack {correction['index']} !!!" in ran.err
    assert len(ran.out.splitlines()) == 1


def test_past_the_target_it_says_for_how_long(exercise, correction, monkeypatch):
    monkeypatch.setattr(trust, "DEFAULT_TARGETS", trust.Targets(0, 0, 0, 0))
    told, _ = owing(exercise)
    assert told[correction["index"]]["overdue_s"] >= 0
    assert told[correction["index"]]["alarms"] >= 1
    assert ", overdue by " in exercise.at(WATCH, "--lang", "en", "inbox").out
    assert ", vencido hace " in exercise.at(WATCH, "--lang", "es", "inbox").out


def test_acknowledged_or_cancelled_it_is_chased_no_more(exercise):
    first, second = (posted(exercise, "szr-1.es.toml") for _ in range(2))
    acknowledged = posted(exercise, "cor-1.es.toml", "--target", first["id"])
    moot = posted(exercise, "cor-1.es.toml", "--target", second["id"])
    assert {acknowledged["index"], moot["index"]} <= set(owing(exercise)[0])
    # Said where it belongs, and nowhere else.
    (row,) = [row for row in owing(exercise)[1] if row["id"] == first["id"]]
    assert row["unacknowledged"] == [acknowledged["index"]]
    told = exercise.at(WATCH, "read", first["id"], "--json").json["to_acknowledge"]
    assert [each["acknowledge"] for each in told] == [acknowledged["index"]]
    exercise.at(WATCH, "ack", acknowledged["id"], "--outcome", "delivered")
    assert acknowledged["index"] in owing(exercise)[0]
    exercise.at(WATCH, "ack", acknowledged["id"])
    ending = posted(exercise, "can-1.es.toml", "--target", second["id"])
    told, _ = owing(exercise)
    assert acknowledged["index"] not in told
    assert moot["index"] not in told
    assert told[ending["index"]]["relation"] == "cancels"


async def test_watch_reminds_again_once_a_target_passes_and_not_before(tmp_path, capsys):
    clock, session = Clock(), Session(Home(tmp_path), None, "en")
    looks, has_looked = iter([1799, 1, 0, 1799, 1]), asyncio.Event()

    async def pause(_seconds):
        """Let so much time pass between two looks, and then none."""
        for seconds in looks:
            clock.ms += seconds * 1000
            return
        has_looked.set()
        await asyncio.Event().wait()

    async with serving(clock=clock) as door:
        sent = world().envelope(to=[WATCHER])
        await post(door.node, sent)
        await post(door.node, correcting(sent, to=[WATCHER], precedence="immediate"))
        async with agency(door.url, tmp_path, WATCHER, clock) as line:
            line.world = replace(line.world, pause=pause)
            held = {item.index: item for item in await line.everything()}
            async with chasing.reminding(session, line, held):
                await asyncio.wait_for(has_looked.wait(), 10)
    # As it begins, and at the target of half an hour and the next.
    assert capsys.readouterr().err.count("CORRECTED AND NOT ACKNOWLEDGED") == 3
