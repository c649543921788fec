"""``grant`` and ``trace`` at the command line, and an item that cannot be opened."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from exchange.cli import output
from exchange.cli.home import Home
from exchange.client.kept import KeptKeys
from exchange.model.draft import read_draft
from tests.cli.exercise import DESK, OPS, PASSPHRASE, WATCH


@pytest.fixture(scope="module")
def granted(exercise):
    """A bulletin to the watch that was granted to the desk afterwards, and read there."""
    posted = exercise.post()
    said = exercise.at(OPS, "grant", posted["id"], "us.jiatfs/desk", "--yes", "--json").json
    assert exercise.at(DESK, "ack", posted["id"], "--officer", "d-1").code == 0
    return {**posted, "grant": said}


def test_grant_is_answered_with_its_entry_and_whom_it_let_in(granted):
    said = granted["grant"]
    assert said["granted"]
    assert (said["endpoint"], said["nation"]) == ("us.jiatfs/desk", "USA")
    assert said["index"] > granted["index"]
    assert said["amended_by"] == []


def test_grant_asks_where_somebody_can_answer_and_needs_a_yes_elsewhere(exercise):
    posted = exercise.post()
    for lang, word in (("es", "--yes lo hace"), ("en", "--yes does it")):
        ran = exercise.at(OPS, "--lang", lang, "grant", posted["id"], "us.jiatfs/desk")
        assert ran.code == 2
        assert word in ran.err
        assert "us.jiatfs/desk" in ran.out
    assert exercise.at(OPS, "trace", posted["id"], "--json").json["grants"] == []


def test_what_cannot_be_granted_is_refused_with_its_reason(exercise, granted):
    ran = exercise.at(OPS, "grant", granted["id"], "us.jiatfs/desk", "--yes", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (output.EXIT_REFUSED, "already-held")
    ran = exercise.at(OPS, "grant", granted["id"], "us.jiatfs/audit", "--yes", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (output.EXIT_REFUSED, "may-not-read")
    ran = exercise.at(OPS, "grant", "no-such-id", "us.jiatfs/desk", "--yes", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (output.EXIT_REFUSED, "not-found")


@pytest.mark.parametrize(
    ("lang", "words", "by"),
    [("es", "concedido", "Concedido por"), ("en", "granted", "Granted by")],
)
def test_granted_bulletin_is_listed_and_read_like_any_other(exercise, granted, lang, words, by):
    items = exercise.at(DESK, "inbox", "--json").json["items"]
    (item,) = [each for each in items if each["id"] == granted["id"]]
    assert (item["kind"], item["granted_by"]) == ("bulletin", "pa.senan/ops")
    assert (item["index"], item["locked"]) == (granted["grant"]["index"], None)
    assert words in exercise.at(DESK, "--lang", lang, "inbox").out
    ran = exercise.at(DESK, "--lang", lang, "read", granted["id"])
    assert ran.code == 0
    assert f"{by} pa.senan/ops" in ran.out


@pytest.mark.parametrize("lang", ["es", "en"])
def test_trace_tells_of_the_grant_and_of_what_its_recipient_said(exercise, granted, lang):
    story = exercise.at(OPS, "trace", granted["id"], "--json").json
    assert [each["endpoint"] for each in story["recipients"]] == ["us.jiatfs/watch"]
    (grant,) = story["grants"]
    assert (grant["endpoint"], grant["granted_by"]) == ("us.jiatfs/desk", "pa.senan/ops")
    assert grant["index"] == granted["grant"]["index"]
    assert [each["outcome"] for each in grant["acknowledgements"]] == ["opened"]
    shown = exercise.at(OPS, "--lang", lang, "trace", granted["id"]).out
    assert (
        "concedido por pa.senan/ops" if lang == "es" else "granted by pa.senan/ops"
    ) in shown


def sent(exercise, name, *more):
    ran = exercise.at(OPS, "post", exercise.draft(name), "--yes", "--json", *more)
    assert ran.code == 0, ran.out
    return ran.json


def test_late_recipient_of_what_was_corrected_before_is_told_so(exercise):
    """It holds no correction: it was owed to those who held the bulletin then."""
    seizure = sent(exercise, "szr-1.es.toml")
    correction = sent(exercise, "cor-1.es.toml", "--target", seizure["id"])
    exercise.at(OPS, "grant", seizure["id"], "us.jiatfs/desk", "--yes")
    for lang, banner, hint in (
        ("en", "CORRECTED BY ENTRY", "is not in this inbox: ask its originator to grant it"),
        ("es", "CORREGIDO POR EL ASIENTO", "no está en este buzón: pida a su originador"),
    ):
        shown = exercise.at(DESK, "--lang", lang, "read", seizure["id"]).out
        assert f"!!! {banner} {correction['index']} !!!" in shown
        assert f"{correction['index']} {hint}" in shown
        listed = exercise.at(DESK, "--lang", lang, "inbox").out
        assert f"{banner.lower()} {correction['index']}" in " ".join(listed.split())
    told = exercise.at(DESK, "read", seizure["id"], "--json").json
    assert told["corrected_by"] == told["not_here"] == [correction["index"]]
    # An officer who says to have read it is told before.
    assert "CORRECTED BY" in exercise.at(DESK, "--lang", "en", "ack", seizure["id"]).err
    exercise.at(OPS, "grant", correction["id"], "us.jiatfs/desk", "--yes")
    told = exercise.at(DESK, "read", seizure["id"], "--json").json
    assert (len(told["corrected_by"]), told["not_here"]) == (1, [])
    assert (
        "not in this inbox" not in exercise.at(DESK, "--lang", "en", "read", seizure["id"]).out
    )


def test_grant_stands_in_the_log_and_the_journal_verifies_with_it(exercise, granted):
    file = str(exercise.place.node / "journal.db")
    entries = exercise.run("audit", "log", file, "--json").json["entries"]
    (entry,) = [each for each in entries if each["index"] == granted["grant"]["index"]]
    assert (entry["kind"], entry["who"]) == ("granted", "pa.senan/ops")
    assert entry["told"] == f"{granted['id']} ({granted['index']}) > us.jiatfs/desk"
    assert exercise.run("audit", "verify", file).code == 6  # intact; no anchor was given


def test_content_key_that_is_gone_is_told_so(exercise):
    posted = exercise.post()
    with exercise.mail(OPS) as mail:
        KeptKeys(mail).destroy(posted["id"])
    ran = exercise.at(OPS, "grant", posted["id"], "us.jiatfs/desk", "--yes", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "content-key-gone")


def test_keys_whose_time_is_over_are_destroyed_by_the_next_command(exercise):
    identity = "01a229f1-2800-7768-b6ef-52555962d008"
    with exercise.mail(WATCH) as mail:
        KeptKeys(mail).put(identity, 1, b"{}")
    assert exercise.at(WATCH, "feeds").code == 0
    with exercise.mail(WATCH, purge=False) as mail:
        assert not KeptKeys(mail).has(identity)


# -- locked --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def locked(exercise):
    """A bulletin to the desk whose text says another thing than its header."""

    draft = exercise.draft(**{"us.jiatfs/watch": "us.jiatfs/desk"})
    read = read_draft(Path(draft).read_bytes(), toml=True)

    async def post() -> str:
        context = Home(exercise.place.home).current(OPS)
        async with context.agency_with(PASSPHRASE) as agency:
            prepared = await agency.prepare(read)
            header = msgspec.structs.replace(prepared.header, due=prepared.header.expires)
            await agency.post(msgspec.structs.replace(prepared, header=header))
            return prepared.header.id

    return asyncio.run(post())


def test_locked_item_is_listed_with_its_reason_in_both_languages(exercise, locked):
    items = exercise.at(DESK, "inbox", "--json").json["items"]
    (item,) = [each for each in items if each["id"] == locked]
    assert (item["locked"]["code"], item["locked"]["at"]) == ("header-body-mismatch", "/due")
    assert item["locked"]["en"]["what"]
    assert item["locked"]["es"]["what"]
    assert "cerrado" in exercise.at(DESK, "--lang", "es", "inbox").out
    assert "locked" in exercise.at(DESK, "--lang", "en", "inbox").out
    after = ["watch", "--after", str(item["index"] - 1), "--count", "1"]
    assert "locked" in exercise.at(DESK, "--lang", "en", *after).out


def test_locked_item_is_not_read_and_says_why(exercise, locked):
    ran = exercise.at(DESK, "read", locked)
    assert (ran.code, ran.out) == (output.EXIT_REFUSED, "")
    assert "header-body-mismatch" in ran.err


def test_locked_item_is_acknowledged_as_such(exercise, locked):
    ran = exercise.at(DESK, "ack", locked, "--outcome", "opened", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (output.EXIT_REFUSED, "wrong-value")
    assert exercise.at(DESK, "ack", locked, "--json").json["outcome"] == "schema-invalid"
    recipients = exercise.at(OPS, "trace", locked, "--json").json["recipients"]
    (desk,) = [each for each in recipients if each["endpoint"] == "us.jiatfs/desk"]
    assert [each["outcome"] for each in desk["acknowledgements"]] == ["schema-invalid"]
