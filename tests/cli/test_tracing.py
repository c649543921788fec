"""``trace`` tells the way of a bulletin hop by hop, and of what is not known it says why."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from msgspec.structs import replace

from exchange.cli import tracing
from exchange.client import story
from exchange.client.outbox import Outbox
from exchange.errors import Code, Refusal
from exchange.model import trust
from tests.api.serving import serving
from tests.builders import DAY, NOW_MS, decoded, new_id, world
from tests.cli.exercise import DESK, OPS, WATCH, Exercise
from tests.client.dealing import agency
from tests.model.bulletins import CODES


@pytest.fixture(scope="module")
def exercise(tmp_path_factory):
    made = Exercise(tmp_path_factory.mktemp("tracing"))
    made.start()
    yield made
    assert made.stop() == 0, made.log.read_text()


_COUNTED = 'qualifier = "exact", count = "field"'
_WEIGHED = 'qualifier = "exact", count = "official", value = %s, unit = "kg", basis = "bulk"'
# The same a second time, of what the first made of it: what it was before must match.
AGAIN = {
    'after = "cocaine-salts"': 'after = "cocaine-base"',
    'before = "cocaine-not-specified"': 'before = "cocaine-salts"',
    _WEIGHED % "811.4": _WEIGHED % "811.5",
    _COUNTED: _WEIGHED % "811.4",
    "after = 79.0": "before = 79.0\nafter = 79.1",
}


def posted(exercise, name="szr-1.es.toml", *more, **changes):
    ran = exercise.at(OPS, "post", exercise.draft(name, **changes), "--yes", "--json", *more)
    assert ran.code == 0, ran.out
    return ran.json


def traced(exercise, identity):
    return exercise.at(OPS, "trace", str(identity), "--json").json


def shown(exercise, identity, lang="en"):
    return exercise.at(OPS, "--lang", lang, "trace", str(identity)).out


def named(steps):
    return [each["step"] for each in steps]


def step(steps, name):
    (found,) = [each for each in steps if each["step"] == name]
    return found


def test_each_hop_has_its_time_and_what_nobody_can_know_says_so(exercise):
    sent = posted(exercise, "szr-1.es.toml", **{'"immediate"': '"priority"'})
    told = traced(exercise, sent["index"])
    assert named(told["steps"]) == ["sealed", "recorded"]
    assert told["steps"][1]["index"] == sent["index"]
    (recipient,) = told["recipients"]
    assert named(recipient["steps"]) == ["owed", "fetched"]
    owed, fetched = recipient["steps"]
    rows = exercise.at(WATCH, "inbox", "--json").json["items"]
    (row,) = [row for row in rows if row["id"] == sent["id"]]
    assert (owed["position"], owed["index"], owed["at"]) == (
        row["position"],
        sent["index"],
        told["accepted"],
    )
    assert (fetched["at"], fetched["reason"]) == (None, "fetching-not-recorded")
    exercise.at(WATCH, "ack", sent["id"], "--officer", "w-1")
    (recipient,) = traced(exercise, sent["id"])["recipients"]
    assert named(recipient["steps"]) == ["owed", "acknowledged"]
    said = recipient["steps"][1]
    assert (said["outcome"], said["officer"]) == ("opened", "w-1")
    assert said["at"] > owed["at"]


def test_flash_is_told_ahead_and_trace_says_so(exercise):
    sent = posted(exercise, "voi-1.es.toml", **{'"immediate"': '"flash"'})
    (recipient,) = traced(exercise, sent["id"])["recipients"]
    assert recipient["steps"][0]["step"] == "sent-ahead"


def test_correction_is_followed_to_each_holder_with_its_chase(exercise, monkeypatch):
    sent = posted(exercise)
    correction = posted(exercise, "cor-1.es.toml", "--target", sent["id"])
    told = traced(exercise, sent["id"])
    done = step(told["recipients"][0]["steps"], "corrected")
    assert (done["index"], done["id"]) == (correction["index"], correction["id"])
    assert (done["chase"]["state"], done["chase"]["alarms"]) == ("open", 0)
    own = traced(exercise, correction["id"])["recipients"][0]["steps"][0]
    assert own["chase"] == done["chase"]
    monkeypatch.setattr(trust, "DEFAULT_TARGETS", trust.Targets(0, 0, 0, 0))
    overdue = shown(exercise, sent["id"])
    assert "!!! NOT ACKNOWLEDGED, overdue by" in overdue
    assert "alarms: 1; next: " in overdue
    assert "!!! SIN ACUSE, vencido hace" in shown(exercise, sent["id"], "es")
    exercise.at(WATCH, "ack", correction["id"], "--outcome", "delivered")
    done = step(traced(exercise, sent["id"])["recipients"][0]["steps"], "corrected")
    assert done["chase"]["state"] == "open"
    exercise.at(WATCH, "ack", correction["id"])
    done = step(traced(exercise, sent["id"])["recipients"][0]["steps"], "corrected")
    assert done["chase"]["state"] == "acknowledged"
    assert "!!!" not in "\n".join(
        line for line in shown(exercise, correction["id"]).splitlines()
    )


def test_cancelled_ends_the_chase_of_its_correction_by_name(exercise):
    sent = posted(exercise)
    correction = posted(exercise, "cor-1.es.toml", "--target", sent["id"])
    posted(exercise, "can-1.es.toml", "--target", sent["id"])
    steps = traced(exercise, sent["id"])["recipients"][0]["steps"]
    assert step(steps, "corrected")["chase"]["state"] == "target-cancelled"
    assert step(steps, "cancelled")["chase"]["state"] == "open"
    own = traced(exercise, correction["id"])["recipients"][0]["steps"][0]
    assert own["chase"]["state"] == "target-cancelled"
    assert "given up: what it is about was cancelled" in shown(exercise, sent["id"])
    withdrawn = posted(exercise, "can-1.es.toml", "--target", correction["id"])
    steps = traced(exercise, sent["id"])["recipients"][0]["steps"]
    assert step(steps, "corrected")["chase"]["state"] == "withdrawn"
    steps = traced(exercise, correction["id"])["recipients"][0]["steps"]
    assert step(steps, "cancelled")["index"] == withdrawn["index"]


def test_holder_by_grant_is_told_by_header_or_by_its_grant(exercise):
    sent = posted(exercise)
    before = posted(exercise, "cor-1.es.toml", "--target", sent["id"])
    exercise.at(OPS, "grant", sent["id"], "us.jiatfs/desk", "--yes")
    after = posted(exercise, "cor-1.es.toml", "--target", sent["id"], **AGAIN)
    (grant,) = traced(exercise, sent["id"])["grants"]
    rows = exercise.at(DESK, "inbox", "--json").json["items"]
    given = step(grant["steps"], "granted")
    assert [given["position"]] == [
        row["position"] for row in rows if row["index"] == given["index"]
    ]
    done = [each for each in grant["steps"] if each["step"] == "corrected"]
    assert [each["index"] for each in done] == [before["index"], after["index"]]
    assert done[0]["reason"] == "told-by-its-entry"
    assert "reason" not in done[1]
    assert [each["chase"]["state"] for each in done] == ["open", "open"]
    (holder,) = traced(exercise, after["id"])["holders"]
    assert (holder["endpoint"], holder["steps"][0]["reason"]) == (
        "us.jiatfs/desk",
        "header-only",
    )
    # With the bulletin it acknowledges what its grant named, and with each later one that.
    exercise.at(DESK, "ack", sent["id"])
    exercise.at(DESK, "ack", str(after["index"]))
    (grant,) = traced(exercise, sent["id"])["grants"]
    done = [each for each in grant["steps"] if each["step"] == "corrected"]
    assert [each["chase"]["state"] for each in done] == ["acknowledged", "acknowledged"]


@pytest.mark.parametrize("lang", ["es", "en"])
def test_without_an_id_it_lists_what_is_chased_of_whom(exercise, lang, monkeypatch):
    sent = posted(exercise)
    before = posted(exercise, "cor-1.es.toml", "--target", sent["id"])
    exercise.at(OPS, "grant", sent["id"], "us.jiatfs/desk", "--yes")
    after = posted(exercise, "cor-1.es.toml", "--target", sent["id"], **AGAIN)

    def listed():
        rows = exercise.at(OPS, "trace", "--json").json["chased"]
        assert all(row["state"] == "open" for row in rows)
        return {
            (row["index"], row["holder"])
            for row in rows
            if row["index"] in (before["index"], after["index"])
        }

    holders = ("us.jiatfs/desk", "us.jiatfs/watch")
    both = {(each["index"], holder) for each in (before, after) for holder in holders}
    assert listed() == both
    exercise.at(WATCH, "ack", str(before["index"]))
    assert listed() == both - {(before["index"], "us.jiatfs/watch")}
    out = exercise.at(OPS, "--lang", lang, "trace").out
    word = {"es": "asiento", "en": "entry"}[lang]
    assert f"{word} {after['index']} > {sent['index']}" in out
    assert "!!!" not in out
    monkeypatch.setattr(trust, "DEFAULT_TARGETS", trust.Targets(0, 0, 0, 0))
    loud = {"es": "!!! SIN ACUSE", "en": "!!! NOT ACKNOWLEDGED"}[lang]
    assert loud in exercise.at(OPS, "--lang", lang, "trace").out


def test_nothing_chased_is_said_to_be_so(exercise):
    out = exercise.at(WATCH, "--lang", "en", "trace").out
    assert out == "No acknowledgement is being chased.\n"


def test_update_is_told_and_not_chased(exercise):
    sent = posted(exercise, "voi-1.es.toml")
    update = posted(exercise, "voi-1.es.toml", "--target", sent["id"])
    done = step(traced(exercise, sent["id"])["recipients"][0]["steps"], "superseded")
    assert done["index"] == update["index"]
    assert "chase" not in done


@pytest.mark.parametrize("lang", ["es", "en"])
def test_what_is_shown_are_plain_characters_in_the_chosen_language(exercise, lang):
    sent = posted(exercise)
    out = shown(exercise, sent["id"], lang)
    assert "\x1b" not in out
    words = CODES.lists["trace-steps"]
    for name in ("sealed", "recorded", "owed", "fetched"):
        assert getattr(words[name], lang) in out
    assert getattr(CODES.lists["trace-reasons"]["fetching-not-recorded"], lang) in out
    assert all(char.isprintable() or char == "\n" for char in out)


def test_what_waits_in_the_outbox_is_traced_with_the_reason_it_waits(exercise):
    exercise.at(OPS, "inbox")
    exercise.stop()
    try:
        ran = exercise.at(OPS, "post", exercise.draft("szr-1.es.toml"), "--yes", "--json")
        assert ran.json["queued"]
        told = traced(exercise, ran.json["id"])
        assert (told["index"], named(told["steps"])) == (None, ["sealed", "waiting"])
        waits = told["steps"][1]
        assert (waits["reason"], waits["tries"], waits["tried"]) == ("node-away", 0, None)
        exercise.at(OPS, "outbox", "send")
        waits = traced(exercise, ran.json["id"])["steps"][1]
        assert (waits["reason"], waits["tries"]) == ("node-away", 1)
        assert waits["why"]["code"] == "node-unreachable"
        assert waits["tried"] >= waits["at"]
        (recipient,) = told["recipients"]
        assert (recipient["endpoint"], recipient["steps"]) == ("us.jiatfs/watch", [])
        out = shown(exercise, ran.json["id"])
        assert "the node does not answer" in out
        assert "[node-unreachable]" in out
    finally:
        exercise.start()
    (waits,) = traced(exercise, ran.json["id"])["steps"][1:]
    assert waits["reason"] == "not-recorded"
    exercise.at(OPS, "outbox", "send")
    assert named(traced(exercise, ran.json["id"])["steps"]) == ["sealed", "recorded"]


def test_of_what_the_node_refused_it_tells_why(exercise):
    sent, identity = posted(exercise), new_id(NOW_MS + 7 * DAY * 1000)
    with exercise.mail(OPS) as cabinet:
        box = Outbox(cabinet)
        receipt = box.receipt(sent["id"])
        assert receipt is not None
        box.refuse(
            identity, Refusal(Code.ENDPOINT_SUSPENDED, "/to/0", name="exercise"), receipt
        )
    ran = exercise.at(OPS, "trace", identity, "--json")
    error = ran.json["error"]
    assert (ran.code, error["code"], error["at"]) == (1, "endpoint-suspended", "/to/0")


async def test_what_the_node_has_no_record_of_is_said_to_be_so(tmp_path):
    async with serving() as door, agency(door.url, tmp_path) as sender:
        envelope = world().envelope()
        identity = decoded(envelope.header).id
        sender.world.outbox.keep(identity, envelope)
        of = story.posted(sender.world.outbox, identity)
        assert await tracing._asked(sender, of) == (of, "not-recorded", {})
        # Where a receipt is held, a node that denies it is not one that never had it.
        facts: Any = object()
        with pytest.raises(Refusal, match="not-found"):
            await tracing._asked(sender, replace(of, facts=facts))


def test_each_step_and_reason_has_words_and_no_other_has():
    assert set(CODES.lists["trace-steps"]) == set(get_args(story.Name))
    assert set(CODES.lists["trace-reasons"]) == set(get_args(story.Reason))
