"""A bulletin withdrawn to be destroyed, on the command line: stub, attested, trace, audit."""

from __future__ import annotations

import json
import time

import pytest

from tests.cli.exercise import AUDIT, OPS, WATCH, Exercise


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A node in which a bulletin was read, withdrawn to be destroyed, and purged."""
    made = Exercise(tmp_path_factory.mktemp("purging"))
    made.start()
    sent = made.post()
    assert made.at(WATCH, "read", sent["id"]).code == 0
    draft = made.draft("can-1.es.toml", **{"must_purge = false": "must_purge = true"})
    ran = made.at(OPS, "post", draft, "--target", sent["id"], "--yes", "--json")
    assert ran.code == 0, ran.err
    for _ in range(200):
        log = made.at(AUDIT, "audit", "log", "--purged", "--json").json["purged"]
        if log and log[0]["done"]:
            break
        time.sleep(0.05)
    made.before = made.at(OPS, "trace", sent["id"], "--json").json
    made.sent = sent
    yield made
    assert made.stop() == 0, made.log.read_text()


def row(case, context=WATCH):
    items = case.at(context, "inbox", "--json").json["items"]
    return items, next(each for each in items if each["id"] == case.sent["id"])


def test_auditor_is_shown_what_was_erased_by_which_rule_and_who_attested(case):
    log = case.at(AUDIT, "audit", "log", "--purged", "--json").json["purged"]
    assert len(log) == 1
    told = log[0]
    assert (told["of"], told["cause"], told["rule"]) == (case.sent["index"], "cancelled", None)
    assert len(told["digests"]) == 1
    assert told["done_index"] > told["index"]
    # Who looks at its inbox destroys and attests.
    row(case)
    (told,) = case.at(AUDIT, "audit", "log", "--purged", "--json").json["purged"]
    assert [each["endpoint"] for each in told["attested"]] == ["us.jiatfs/watch"]
    assert told["open"] == []
    for lang, word in (("es", "lo retiró para que se destruyera"), ("en", "withdrew it")):
        said = case.at(AUDIT, "--lang", lang, "audit", "log", "--purged").out
        assert word in said
        assert "us.jiatfs/watch" in said


def test_holder_sees_a_stub_and_the_order_in_its_place(case):
    items, stub = row(case)
    assert stub["locked"]["code"] == "purged"
    (order,) = [each for each in items if each["kind"] == "purge"]
    assert (order["of"], order["cause"]) == (case.sent["index"], "cancelled")
    for lang, words in (("es", "Esto fue purgado"), ("en", "This was purged")):
        said = case.at(WATCH, "--lang", lang, "inbox").out
        assert words in said
        ran = case.at(WATCH, "--lang", lang, "read", case.sent["id"])
        assert (ran.code, words in ran.err) == (1, True)
    assert "ordered to be purged" in case.at(WATCH, "--lang", "en", "inbox").out
    assert "Se ordenó purgar" in case.at(WATCH, "--lang", "es", "inbox").out


def test_originator_is_told_who_has_not_attested_and_then_that_all_have(case):
    (holder,) = case.before["recipients"]
    (step,) = [each for each in holder["steps"] if each["step"] == "purge-ordered"]
    assert (step["cause"], step["chase"]["state"]) == ("cancelled", "open")
    row(case)
    told = case.at(OPS, "trace", case.sent["id"], "--json").json["recipients"][0]["steps"]
    (step,) = [each for each in told if each["step"] == "purge-ordered"]
    assert step["chase"]["state"] == "acknowledged"
    assert "purge" not in {
        each["verb"] for each in case.at(OPS, "trace", "--json").json["chased"]
    }
    said = case.at(OPS, "--lang", "es", "trace", case.sent["id"]).out
    assert "se ordenó purgarlo" in said


def test_nothing_of_it_is_left_in_the_mail_of_who_had_it_or_of_who_sent_it(case):
    row(case)
    case.at(OPS, "inbox", "--json")
    for context, drawers in ((WATCH, ["body"]), (OPS, ["content-key"])):
        with case.mail(context) as mail:
            found = [len(mail.rows(each)) for each in drawers]
        # Of the cancellation itself, something is kept.
        assert found == [1], (context, found)


def test_bulletin_that_holds_is_confirmed_by_who_posted_it_and_by_nobody_else(case):
    sent = case.post()
    ran = case.at(OPS, "confirm", str(sent["index"]), "--json").json
    assert (ran["of"], ran["index"] > sent["index"]) == (sent["id"], True)
    for lang, word in (("es", "sigue vigente"), ("en", "still holds")):
        assert word in case.at(OPS, "--lang", lang, "confirm", sent["id"]).out
    ran = case.at(WATCH, "confirm", sent["id"], "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "not-found")
    ran = case.at(OPS, "confirm", case.sent["id"], "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "target-cancelled")


def test_audit_of_the_node_s_own_file_holds_and_tells_how_much_was_purged(case):
    ran = case.run("audit", "verify", str(case.place.node / "journal.db"), "--json")
    # Without an anchor it ends so.
    assert (ran.code, ran.json["orders"], ran.json["erased"]) == (6, 1, 1)


def test_order_is_shown_as_it_arrives(case):
    count = len(row(case)[0])
    ran = case.at(WATCH, "watch", "--count", str(count), "--json")
    kinds = [json.loads(line)["kind"] for line in ran.out.splitlines()]
    assert kinds.count("purge") == 1
