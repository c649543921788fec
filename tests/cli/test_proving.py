"""``inbox --prove``: what it says when nothing is missing, and how it ends otherwise."""

from __future__ import annotations

import time

import msgspec
import pytest

from exchange.cli import output
from exchange.cli.home import HEAD
from exchange.cli.proving import line, of_home
from exchange.client.homes import Crossed
from exchange.client.proving import Proven
from exchange.client.seen import Seen
from exchange.errors import Code, Fault, Refusal
from tests.builders import NOW
from tests.cli.exercise import WATCH


def proved(exercise, context, count, *words):
    """Ask until a checkpoint covers so many items: the node makes one each second."""
    for _ in range(60):
        ran = exercise.at(context, *words, "inbox", "--prove", "--json")
        answer = ran.json
        if answer["proof"] is not None and answer["proof"]["count"] >= count:
            return ran
        time.sleep(0.25)
    raise AssertionError(answer)


def test_nothing_missing_is_said_in_both_languages_and_in_json(exercise):
    exercise.post()
    reading = exercise.copy_context(WATCH)
    count = len(exercise.at(reading, "inbox", "--json").json["items"])
    ran = proved(exercise, reading, count)
    assert (ran.code, "error" in ran.json) == (0, False)
    proof = ran.json["proof"]
    assert proof["endpoint"] == "us.jiatfs/watch"
    assert proof["count"] == len(ran.json["items"])
    assert proof["covered"] <= proof["entry"] < proof["size"]
    for lang, words in (("en", f"all {count} items"), ("es", f"los {count} elementos")):
        ran = exercise.at(reading, "--lang", lang, "inbox", "--prove")
        assert (ran.code, words in ran.out) == (0, True)


def test_unasked_nothing_is_proved(exercise):
    ran = exercise.at(WATCH, "inbox", "--json")
    assert ran.json.keys() == {"endpoint", "items", "to_acknowledge", "boarding"}


def test_alarm_shows_what_came_and_ends_with_five(exercise):
    exercise.post()
    reading = exercise.copy_context(WATCH)
    count = len(exercise.at(reading, "inbox", "--json").json["items"])
    proved(exercise, reading, count)
    path = exercise.place.home / "contexts" / reading / HEAD
    seen = msgspec.json.decode(path.read_bytes(), type=Seen)
    longer = msgspec.structs.replace(seen, size=seen.size + 10_000)
    path.write_bytes(msgspec.json.encode(longer))
    ran = exercise.at(reading, "inbox", "--prove", "--json")
    assert (ran.code, ran.json["proof"]) == (output.EXIT_TAMPERED, None)
    assert ran.json["error"]["code"] == Code.HEAD_WENT_BACK
    assert len(ran.json["items"]) == count
    for lang, words in (("en", "older journal"), ("es", "diario más viejo")):
        ran = exercise.at(reading, "--lang", lang, "inbox", "--prove")
        assert (ran.code, words in ran.err) == (output.EXIT_TAMPERED, True)
        assert "EXERCISE" in ran.out.upper() or "EJERCICIO" in ran.out.upper()


@pytest.mark.parametrize(
    "code",
    [
        "inbox-gap",
        "item-withheld",
        "chain-differs",
        "stale-head",
        "head-went-back",
        "head-missing",
        "entry-untrue",
    ],
)
def test_every_alarm_ends_with_five_wherever_it_is_raised(code):
    assert output.exit_code(Refusal(Code(code))) == output.EXIT_TAMPERED


def test_damaged_memory_of_heads_is_a_fault():
    assert output.exit_code(Fault(Code.HEAD_MEMORY)) == output.EXIT_FAULT


def test_line_holds_all_the_numbers_in_both_languages():
    proven = Proven("us.jiatfs/watch", "pa", 12, 9, 345, 346, 347, 1_796_000_000)
    for told in line(proven):
        for number in ("12", "9", "345", "347"):
            assert number in told


def test_what_another_node_owes_is_said_with_its_age_and_loudly_once_old():
    gone = {"endpoint-suspended": 1, "purge-ordered": 2}
    told = Crossed("pa", 12, 9, gone, 0, 30, 33, NOW, 120, 270, is_stale=False)
    spanish, english = of_home(told)
    for text, ago in ((spanish, "(hace 2 min)"), (english, "(2 min ago)")):
        for words in ("12", "9", "3", "endpoint-suspended 1, purge-ordered 2", "33", ago):
            assert words in text
        assert "!!!" not in text
    old = msgspec.structs.replace(told, is_stale=True, trouble="item-withheld")
    for text in of_home(old):
        assert text.count("!!!") == 4
        assert "270" in text
        assert "item-withheld" in text
