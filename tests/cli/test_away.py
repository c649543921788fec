"""While the node is away: what is held is shown, marked; what is posted waits, then goes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from exchange.cli import output
from tests.cli.exercise import DESK, OPS, PASSPHRASE, ROOT, WATCH, Exercise


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Both have heard the node, which is stopped then; two bulletins were read by then."""
    exercise = Exercise(tmp_path_factory.mktemp("away") / "exercise")
    exercise.start()
    exercise.ids = [exercise.post()["id"] for _ in range(2)]
    assert exercise.at(WATCH, "ack", exercise.ids[0]).code == 0
    exercise.before = exercise.at(WATCH, "inbox", "--json").json["items"]
    assert exercise.at(OPS, "inbox").code == 0
    yield exercise
    exercise.stop()


@pytest.fixture
def away(made):
    made.stop()
    yield made
    made.start()


@pytest.fixture
def there(made):
    return made


def outbox(exercise, *words):
    return exercise.at(OPS, "outbox", *words, "--json").json["outbox"]


# -- reading -------------------------------------------------------------------------------


def test_inbox_is_shown_as_held_and_says_as_of_when(away):
    ran = away.at(WATCH, "inbox", "--json")
    assert (ran.code, ran.json["items"]) == (output.EXIT_AWAY, away.before)
    assert ran.json["as_of"]["why"]["code"] == "node-unreachable"
    assert ran.json["as_of"]["heard"].endswith("Z")
    for lang, said in (("es", "puede faltar algo"), ("en", "there may be more")):
        ran = away.at(WATCH, "--lang", lang, "inbox")
        assert (ran.code, said in ran.err, away.ids[0] in ran.out) == (7, True, True)


def test_held_bulletin_is_read_and_marked(away):
    ran = away.at(WATCH, "read", away.ids[0], "--json")
    assert (ran.code, ran.json["header"]["id"]) == (output.EXIT_AWAY, away.ids[0])
    assert ran.json["as_of"]
    ran = away.at(WATCH, "--lang", "en", "read", away.ids[0])
    assert (ran.code, "GAVIOTA" in ran.out, "as of" in ran.err) == (7, True, True)


def test_trace_tells_what_is_known_here_and_that_there_may_be_more(away):
    ran = away.at(OPS, "trace", away.ids[0], "--json")
    assert (ran.code, ran.json["as_of"]["why"]["code"]) == (
        output.EXIT_AWAY,
        "node-unreachable",
    )
    assert [each["step"] for each in ran.json["steps"]] == ["sealed", "recorded"]
    (to,) = ran.json["recipients"]
    # The acknowledgement that was heard before is told; and the whole as of when.
    assert to["endpoint"] == "us.jiatfs/watch"
    assert [each["outcome"] for each in to["acknowledgements"]] == ["opened"]
    for lang, said in (("es", "puede faltar algo"), ("en", "there may be more")):
        ran = away.at(OPS, "--lang", lang, "trace", away.ids[0])
        assert (ran.code, said in ran.err, away.ids[0] in ran.out) == (7, True, True)


def test_what_is_chased_is_told_as_far_as_it_is_known_here(away):
    ran = away.at(OPS, "trace", "--json")
    assert (ran.code, ran.json["chased"]) == (output.EXIT_AWAY, [])
    assert ran.json["as_of"]["heard"].endswith("Z")


def test_nothing_is_proved_by_what_is_held(away):
    ran = away.at(WATCH, "inbox", "--prove", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (output.EXIT_FAULT, "node-unreachable")


def test_watch_shows_what_is_held_and_says_so(away):
    ran = away.at(WATCH, "--lang", "en", "watch", "--count", "2", "--json")
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == away.ids
    assert (ran.code, "showing what is held, as of" in ran.err) == (0, True)


def test_watch_goes_on_with_what_comes_when_the_node_is_back(made):
    made.stop()
    words = ["--context", WATCH, "--lang", "en", "watch", "--count", "3", "--json"]
    watching = subprocess.Popen(
        [sys.executable, "-P", "-m", "exchange", *words],
        env=made.environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        held = [json.loads(watching.stdout.readline())["id"] for _ in range(2)]
        made.start()
        posted = made.post()["id"]
        out, err = watching.communicate(timeout=60)
    finally:
        watching.kill()
    assert [*held, json.loads(out)["id"]] == [*made.ids, posted]
    assert "showing what is held" in err
    made.ids.append(posted)
    made.before = made.at(WATCH, "inbox", "--json").json["items"]


# -- posting -------------------------------------------------------------------------------


def test_post_waits_and_is_sent_when_the_node_is_back(made):
    made.stop()
    draft = made.draft(GAVIOTA="GAVIOTA AWAY")
    ran = made.at(OPS, "post", draft, "--yes", "--json")
    assert (ran.code, ran.json["sent"], ran.json["queued"]) == (7, False, True)
    assert ran.json["why"]["code"] == "node-unreachable"
    assert (ran.json["next"], bool(ran.json["as_of"])) == ("exchange outbox send", True)
    assert [each["endpoint"] for each in ran.json["readers"]] == ["us.jiatfs/watch"]
    # Said again it is the same one, which is told.
    again = made.at(OPS, "post", draft, "--yes", "--json")
    assert (again.code, again.json["id"], again.json["again"]) == (7, ran.json["id"], True)
    (row,) = [row for row in outbox(made) if row["index"] is None]
    assert (row["id"], row["next"]["en"]) == (
        ran.json["id"],
        "Once the node answers: exchange outbox send",
    )
    assert row["since"].endswith("Z")
    made.start()
    assert all(row["index"] for row in outbox(made, "send"))
    assert made.at(WATCH, "inbox", "--json").json["items"][-1]["id"] == ran.json["id"]
    # It has gone, and its author knew: the same draft is a new bulletin from here on.
    new = made.at(OPS, "post", draft, "--yes", "--json").json
    assert (new["sent"], new["id"] != ran.json["id"]) == (True, True)


def test_grants_of_a_request_and_its_answer_wait_and_are_sent(made):
    ask = ("request", "ask", "maritime", "pa.senan/ops", "--json")
    said = made.at(DESK, *ask).json["id"]
    assert made.at(OPS, "inbox").code == 0
    made.stop()
    for lang, words in (("es", "espera en la bandeja"), ("en", "waits in the outbox")):
        ran = made.at(OPS, "--lang", lang, "request", "grant", said, made.ids[0], "--yes")
        assert (ran.code, words in ran.out) == (output.EXIT_AWAY, True)
    ran = made.at(OPS, "request", "grant", said, "--yes", "--json")
    assert (ran.code, ran.json["queued"], ran.json["index"]) == (7, True, None)
    assert (set(made.ids) <= set(ran.json["granted"]), ran.json["refused"]) == (True, {})
    made.start()
    assert all(row["index"] for row in outbox(made, "send"))
    (row,) = made.at(DESK, "request", "list", "--json").json["requests"]
    assert (row["state"], set(made.ids) <= set(row["granted"])) == ("granted", True)
    assert made.at(DESK, "read", made.ids[0]).code == 0


def test_words_for_people_say_what_waits_and_what_to_do(away):
    for lang, said, then in (
        ("es", "espera en la bandeja de salida", "aún no enviado"),
        ("en", "waits in the outbox", "not sent yet"),
    ):
        draft = away.draft(GAVIOTA=f"GAVIOTA {lang}")
        ran = away.at(OPS, "--lang", lang, "post", draft, "--yes")
        assert (ran.code, said in ran.out, "exchange outbox send" in ran.out) == (7, True, True)
        listed = away.at(OPS, "--lang", lang, "outbox")
        assert (listed.code, then in listed.out) == (0, True)
        assert "exchange outbox send" in listed.out
        sent = away.at(OPS, "--lang", lang, "outbox", "send")
        assert (sent.code, "node-unreachable" in sent.err) == (output.EXIT_FAULT, True)


def test_post_that_is_queued_on_purpose_is_not_sent_though_the_node_is_there(there):
    ran = there.at(
        OPS, "post", there.draft(GAVIOTA="GAVIOTA QUEUE"), "--yes", "--queue", "--json"
    )
    assert (ran.code, ran.json["queued"], ran.json["why"]) == (0, True, None)
    assert ran.json["id"] in [row["id"] for row in outbox(there) if row["index"] is None]
    assert all(row["index"] for row in outbox(there, "send"))


def test_attachment_waits_with_its_bulletin(made, tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(bytes(100_000))
    made.stop()
    draft = made.draft(GAVIOTA="GAVIOTA ATTACHED")
    ran = made.at(OPS, "post", draft, "--yes", "--attach", str(photo), "--json")
    assert ran.code == output.EXIT_AWAY
    photo.unlink()
    mail = made.place.home / "contexts" / OPS / "mail"
    (sealed,) = mail.glob("*.attached")
    assert ran.json["id"] not in sealed.name
    made.start()
    assert all(row["index"] for row in outbox(made, "send"))
    assert not list(mail.glob("*.attached"))
    read = made.at(WATCH, "read", ran.json["id"], "--save", str(tmp_path), "--json")
    assert (tmp_path / "photo.jpg").read_bytes() == bytes(100_000), read


def test_acknowledgement_waits_and_is_sent(made):
    made.stop()
    ran = made.at(WATCH, "ack", made.ids[0], "--officer", "guardia-1", "--json")
    assert (ran.code, ran.json["queued"], ran.json["outcome"]) == (7, True, "opened")
    again = made.at(WATCH, "ack", made.ids[0], "--officer", "guardia-1")
    assert again.code == output.EXIT_AWAY
    made.start()
    rows = made.at(WATCH, "outbox", "send", "--json").json["outbox"]
    _, row = [row for row in rows if row["kind"] == "acknowledgement"]
    _, acked = [
        each
        for each in made.at(OPS, "inbox", "--json").json["items"]
        if each["kind"] == "acknowledgement"
    ]
    assert (acked["index"], acked["id"]) == (row["index"], made.ids[0])


def test_nothing_that_is_kept_lies_open_on_disk(made):
    """Neither what was posted nor what came: not its text, its title, nor who wrote to whom."""
    made.post()
    assert made.at(WATCH, "inbox").code == 0
    for context in (OPS, WATCH):
        folder = made.place.home / "contexts" / context / "mail"
        found = b"".join(each.read_bytes() for each in folder.iterdir())
        for said in (*made.ids, "GAVIOTA", "jiatfs/watch", "senan", PASSPHRASE, "maritime"):
            assert said.encode() not in found, said
