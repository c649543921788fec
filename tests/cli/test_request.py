"""Asking for what was sealed before one subscribed: asked, listed, granted or declined."""

from __future__ import annotations

import pytest

from exchange.cli import output
from exchange.client.kept import KeptKeys
from tests.cli.exercise import AUDIT, DESK, OPS, WATCH

FEED, TO = "maritime", "pa.senan/ops"


def asked(exercise, *more):
    ran = exercise.at(DESK, "request", "ask", FEED, TO, "--json", *more)
    assert ran.code == 0, ran.out
    return ran.json


def listed(exercise, context, identity, *more):
    rows = exercise.at(context, "request", "list", "--json", *more).json["requests"]
    return next((row for row in rows if row["id"] == identity), None)


def kinds(exercise, context, identity):
    items = exercise.at(context, "inbox", "--json").json["items"]
    return [item["kind"] for item in items if item["id"] == identity]


def test_what_was_sealed_before_is_asked_for_granted_and_read(exercise):
    before, other = exercise.post(), exercise.post()
    assert exercise.at(DESK, "read", before["id"]).code == output.EXIT_REFUSED
    said = asked(exercise)
    row = listed(exercise, DESK, said["id"])
    assert (row["is_ours"], row["state"], row["granted"]) == (True, "open", [])
    row = listed(exercise, OPS, said["id"], "--open")
    assert (row["is_ours"], row["who"], row["feed"]) == (False, "us.jiatfs/desk", FEED)
    assert kinds(exercise, OPS, said["id"]) == ["request"]
    # Nothing is granted by itself, nor where nobody can be asked.
    assert exercise.at(OPS, "request", "grant", said["id"]).code == 2
    assert listed(exercise, DESK, said["id"])["state"] == "open"
    ran = exercise.at(OPS, "request", "grant", said["id"], before["id"], "--yes", "--json")
    assert (ran.code, list(ran.json["granted"])) == (0, [before["id"]])
    row = listed(exercise, DESK, said["id"])
    assert (row["state"], row["granted"]) == ("granted", [before["id"]])
    assert row["answered_by"] == TO
    assert exercise.at(DESK, "read", before["id"]).code == 0
    assert exercise.at(DESK, "read", other["id"]).code == output.EXIT_REFUSED
    assert listed(exercise, OPS, said["id"], "--open") is None
    for lang, words in (("es", "concedido"), ("en", "granted")):
        shown = exercise.at(DESK, "--lang", lang, "request", "list").out
        assert words in shown
        assert words in exercise.at(DESK, "--lang", lang, "inbox").out


def test_what_is_declined_is_told_with_its_reason_in_both_languages(exercise):
    posted = exercise.post()
    said = asked(exercise, "--bulletin", posted["id"])
    ran = exercise.at(
        OPS, "request", "decline", str(said["index"]), "--reason", "no-need", "--json"
    )
    assert (ran.code, ran.json["of"]) == (0, said["id"])
    row = listed(exercise, DESK, said["id"])
    assert (row["state"], row["reason"], row["granted"]) == ("declined", "no-need", [])
    for lang, words in (("es", "no se ve necesidad"), ("en", "no need for it is seen")):
        shown = exercise.at(DESK, "--lang", lang, "request", "list").out
        assert words in " ".join(shown.split())
    # Who declined may grant after all: the newest answer counts.
    assert exercise.at(OPS, "request", "grant", said["id"], "--yes").code == 0
    row = listed(exercise, DESK, said["id"])
    assert (row["state"], row["reason"]) == ("granted", None)
    assert exercise.at(DESK, "read", posted["id"]).code == 0


def test_only_what_is_asked_for_is_granted(exercise):
    posted, other = exercise.post(), exercise.post()
    said = asked(exercise, "--bulletin", posted["id"])
    ran = exercise.at(OPS, "request", "grant", said["id"], other["id"], "--yes", "--json")
    error = ran.json["error"]
    assert (ran.code, error["code"], error["at"]) == (1, "not-found", "/bulletins/0")
    late = asked(exercise, "--since", "2099-01-01")
    ran = exercise.at(OPS, "request", "grant", late["id"], "--yes", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "not-found")
    # A cancelled one is not given to anybody any more.
    gone = exercise.draft("can-1.es.toml")
    assert exercise.at(OPS, "post", gone, "--target", posted["id"], "--yes").code == 0
    ran = exercise.at(OPS, "request", "grant", said["id"], "--yes", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "not-found")


def test_what_the_asker_has_already_is_not_told_of_unless_named(exercise):
    draft = exercise.draft(**{"us.jiatfs/watch": "us.jiatfs/desk"})
    held = exercise.at(OPS, "post", draft, "--yes", "--json").json["id"]
    exercise.post()
    said = asked(exercise)
    ran = exercise.at(OPS, "request", "grant", said["id"], held, "--yes", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "already-held")
    ran = exercise.at(OPS, "request", "grant", said["id"], "--yes", "--json")
    assert (ran.code, held in ran.json["granted"], held in ran.json["refused"]) == (
        0,
        False,
        False,
    )
    assert ran.json["granted"]


def test_what_cannot_be_granted_holds_up_no_other_and_is_told(exercise):
    gone, whole = exercise.post()["id"], exercise.post()["id"]
    with exercise.mail(OPS) as mail:
        KeptKeys(mail).destroy(gone)
    said = asked(exercise)
    for lang, words in (("es", "llave"), ("en", "key")):
        ran = exercise.at(OPS, "--lang", lang, "request", "grant", said["id"], gone, "--yes")
        assert (ran.code, words in ran.err) == (output.EXIT_REFUSED, True)
    assert listed(exercise, DESK, said["id"])["state"] == "open"
    ran = exercise.at(OPS, "request", "grant", said["id"], gone, whole, "--yes", "--json")
    assert (ran.code, list(ran.json["granted"])) == (0, [whole])
    assert ran.json["refused"][gone]["code"] == "content-key-gone"
    row = listed(exercise, DESK, said["id"])
    assert (row["state"], row["granted"]) == ("granted", [whole])


@pytest.mark.parametrize(
    ("context", "words", "code"),
    [
        (AUDIT, (FEED, TO), "missing-role"),
        (WATCH, ("air", TO), "unknown-feed"),
        (WATCH, (FEED, "us.jiatfs/desk"), "may-not-post"),
        (WATCH, (FEED, "pa.senan/nadie"), "unknown-recipient"),
    ],
)
def test_what_the_node_would_refuse_is_refused_before_it_is_signed(
    exercise, context, words, code
):
    size = len(exercise.at(context, "outbox", "--json").json["outbox"])
    ran = exercise.at(context, "request", "ask", *words, "--json")
    assert (ran.code, ran.json["error"]["code"]) == (output.EXIT_REFUSED, code)
    assert len(exercise.at(context, "outbox", "--json").json["outbox"]) == size


def test_nobody_answers_what_it_was_not_asked(exercise):
    said = asked(exercise)
    for context in (WATCH, DESK):
        ran = exercise.at(
            context, "request", "decline", said["id"], "--reason", "over", "--json"
        )
        assert (ran.code, ran.json["error"]["code"]) == (output.EXIT_REFUSED, "not-found")
