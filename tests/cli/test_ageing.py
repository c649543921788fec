"""What waits too long is said, to who holds it and to who sent it; FLASH loudly."""

from __future__ import annotations

import json

import pytest

from exchange.cli.ageing import span
from exchange.model import trust
from tests.cli.exercise import OPS, WATCH, Exercise


@pytest.fixture(scope="module")
def exercise(tmp_path_factory):
    made = Exercise(tmp_path_factory.mktemp("ageing"))
    made.start()
    yield made
    assert made.stop() == 0, made.log.read_text()


@pytest.fixture
def _at_once(monkeypatch):
    """Targets of no time at all: what was posted is overdue as it is looked at."""
    monkeypatch.setattr(trust, "DEFAULT_TARGETS", trust.Targets(0, 0, 0, 86_400))


def posted(exercise, precedence):
    draft = exercise.draft(**{'precedence = "immediate"': f'precedence = "{precedence}"'})
    return exercise.at(OPS, "post", draft, "--yes", "--json").json


def listed(exercise, identity, *words):
    rows = exercise.at(WATCH, *words, "inbox", "--json").json["items"]
    return next(row for row in rows if row["id"] == identity)


def test_nothing_is_overdue_before_its_target(exercise):
    sent = posted(exercise, "flash")
    assert listed(exercise, sent["id"])["overdue_s"] is None
    story = exercise.at(OPS, "trace", sent["id"], "--json").json
    (recipient,) = story["recipients"]
    assert (story["precedence"], story["target_s"]) == ("flash", 600)
    assert (recipient["seen_to"], recipient["overdue_s"], recipient["alarm"]) == (
        False,
        None,
        False,
    )
    assert "!!!" not in exercise.at(OPS, "trace", sent["id"]).out


@pytest.mark.usefixtures("_at_once")
def test_flash_that_is_not_acknowledged_is_an_alarm_until_somebody_sees_to_it(exercise):
    sent = posted(exercise, "flash")
    assert listed(exercise, sent["id"])["overdue_s"] >= 0
    assert "OVERDUE" in exercise.at(WATCH, "--lang", "en", "inbox").out
    assert "VENCIDO" in exercise.at(WATCH, "--lang", "es", "inbox").out
    (recipient,) = exercise.at(OPS, "trace", sent["id"], "--json").json["recipients"]
    assert recipient["alarm"]
    told = exercise.at(OPS, "--lang", "en", "trace", sent["id"]).out
    assert "!!! FLASH NOT ACKNOWLEDGED: us.jiatfs/watch" in told
    assert "!!! FLASH SIN ACUSE" in exercise.at(OPS, "--lang", "es", "trace", sent["id"]).out
    exercise.at(WATCH, "ack", sent["id"], "--outcome", "delivered")
    assert listed(exercise, sent["id"])["overdue_s"] is not None
    exercise.at(WATCH, "ack", sent["id"])
    assert listed(exercise, sent["id"])["overdue_s"] is None
    (recipient,) = exercise.at(OPS, "trace", sent["id"], "--json").json["recipients"]
    assert (recipient["seen_to"], recipient["overdue_s"], recipient["alarm"]) == (
        True,
        None,
        False,
    )


@pytest.mark.usefixtures("_at_once")
def test_what_is_less_urgent_is_overdue_without_an_alarm(exercise):
    sent = posted(exercise, "priority")
    (recipient,) = exercise.at(OPS, "trace", sent["id"], "--json").json["recipients"]
    assert recipient["overdue_s"] >= 0
    assert not recipient["alarm"]
    told = exercise.at(OPS, "--lang", "en", "trace", sent["id"]).out
    assert "overdue by" in told
    assert "!!!" not in told


@pytest.mark.usefixtures("_at_once")
def test_what_was_cancelled_is_not_overdue(exercise):
    sent = posted(exercise, "flash")
    draft = exercise.draft("can-1.es.toml")
    exercise.at(OPS, "post", draft, "--target", sent["id"], "--yes", "--json")
    assert listed(exercise, sent["id"])["overdue_s"] is None


@pytest.mark.parametrize(
    ("seconds", "spanish", "english"),
    [
        (0, "0 s", "0 s"),
        (59, "59 s", "59 s"),
        (60, "1 min", "1 min"),
        (3599, "59 min", "59 min"),
        (3660, "1 h 01 min", "1 h 01 min"),
        (86_400, "24 h 00 min", "24 h 00 min"),
        (172_800, "2 días", "2 days"),
    ],
)
def test_span_of_time_is_told_as_people_say_it(seconds, spanish, english):
    assert (span(seconds, "es"), span(seconds, "en")) == (spanish, english)


@pytest.mark.parametrize("options", [(), ("--prove",)])
def test_watch_says_what_came_ahead(exercise, options):
    ran = exercise.at(WATCH, "watch", "--count", "2", *options, "--json")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0
    assert all(row["ahead"] is False for row in rows)
