"""An agency asks leave to pass on what is under another's control; nothing goes on without it.

EXERCISE. The naval service tells the watch floor of a vessel, under originator control; the
coast guard should have it. All through the command line, and one node in a process of its own.
"""

from __future__ import annotations

import msgspec
import pytest

from exchange.cli import output
from exchange.client.kept import KeptKeys
from exchange.custody.founding import EndpointPlan, MemberPlan
from exchange.model.trust import Label
from tests.cli.exercise import AUDIT, OPS, WATCH, Exercise

GUARD, COLLEAGUE = "us.uscg-ops", "us.uscg-desk"
_LABEL: Label = {"es": "EJERCICIO", "en": "EXERCISE"}
_PLAN = MemberPlan(
    "us.uscg",
    _LABEL,
    (
        EndpointPlan("us.uscg/ops", _LABEL, ("poster", "reader")),
        EndpointPlan("us.uscg/desk", _LABEL, ("poster", "reader")),
    ),
)
_UNBOUND = {"originator_control = true": "originator_control = false"}
FREE = {'handling = ["h2"]': "handling = []", **_UNBOUND}


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    made = Exercise(tmp_path_factory.mktemp("consent") / "exercise", more=(_PLAN,))
    made.start()
    yield made
    made.stop()


def said(sea, context, *words):
    ran = sea.at(context, *words, "--json")
    assert ran.code == 0, (ran.out, ran.err)
    return ran.json


def no(sea, context, *words, code=output.EXIT_REFUSED):
    ran = sea.at(context, *words, "--json")
    assert ran.code == code, (ran.out, ran.err)
    return ran.json["error"]["code"]


def told(sea):
    """A bulletin under control to the watch alone; its id."""
    return said(sea, OPS, "post", sea.draft(), "--yes")["id"]


def forget(sea, of):
    """The key of a bulletin's content is destroyed where it was posted."""
    with sea.mail(OPS, purge=False) as cabinet:
        KeptKeys(cabinet).destroy(of)


def asked(sea, of):
    words = ("consent", "ask", of, "us.uscg", "--purpose", "EXERCISE: to meet it at sea")
    return said(sea, WATCH, *words, "--yes")


def stands(sea, context, of):
    rows = said(sea, context, "consent", "list")["consents"]
    (row,) = [each for each in rows if each["of"] == of]
    return row


def test_leave_is_asked_given_used_and_withdrawn(sea):
    of = told(sea)
    # Without leave nothing goes on.
    assert no(sea, WATCH, "grant", of, "us.uscg/ops", "--yes") == "originator-control"
    request = asked(sea, of)
    assert [each["endpoint"] for each in request["readers"]] == ["pa.senan/ops"]
    for context in (WATCH, OPS):
        row = stands(sea, context, of)
        assert (row["state"], row["by"], row["to"]) == ("asked", "us.jiatfs/watch", "us.uscg")
        assert (row["request"], row["reply_by"] is None) == (request["id"], False)
    yes = ("consent", "answer", request["id"], "--grant", "us.uscg/ops", "--until", "12h")
    answer = said(sea, OPS, *yes, "--reason", "EXERCISE: for this boarding alone", "--yes")
    (given,) = answer["consents"]
    assert (given["by"], given["to"]) == ("us.jiatfs/watch", "us.uscg/ops")
    assert answer["index"] > given["index"]
    row = stands(sea, WATCH, of)
    assert (row["state"], row["until"]) == ("granted", given["until"])
    assert row["reason"] == "EXERCISE: for this boarding alone"
    # To that one and to nobody else.
    assert no(sea, WATCH, "grant", of, "us.uscg/desk", "--yes") == "originator-control"
    grant = said(sea, WATCH, "grant", of, "us.uscg/ops", "--yes")
    assert said(sea, GUARD, "read", of)["header"]["id"] == of
    for context in (WATCH, OPS, GUARD):
        row = stands(sea, context, of)
        assert (row["state"], row["used"]) == ("used", grant["index"]), context
    # Taken back, it is shown no more, though it is held.
    back = said(sea, OPS, "consent", "withdraw", of, "--yes")["withdrawn"]
    assert [each["to"] for each in back] == ["us.uscg/ops"]
    # It may be given anew: so it is no refusal for good.
    assert no(sea, GUARD, "read", of, code=output.EXIT_FAULT) == "consent-withdrawn"
    assert no(sea, WATCH, "grant", of, "us.uscg/ops", "--yes") == "consent-withdrawn"
    for context in (WATCH, OPS, GUARD):
        assert stands(sea, context, of)["state"] == "withdrawn"
    assert no(sea, OPS, "consent", "withdraw", of, "--yes") == "consent-unknown"
    kinds = [each["kind"] for each in said(sea, WATCH, "inbox")["items"] if each["id"] == of]
    assert kinds == ["bulletin", "consent", "consent"]


def test_a_colleague_takes_back_what_one_consented_to_who_is_lost(sea, tmp_path):
    """It is owed none of that: the node's journal tells it, at an incident."""
    draft = sea.draft(**{"us.jiatfs/watch": "pa.senan/ops"})
    of = said(sea, GUARD, "post", draft, "--yes")["id"]
    words = ("consent", "ask", of, "us.jiatfs", "--purpose", "EXERCISE: to meet it at sea")
    request = said(sea, OPS, *words, "--yes")["id"]
    to = ("--grant", "us.jiatfs/watch", "--grant", "us.jiatfs/desk")
    said(sea, GUARD, "consent", "answer", request, *to, "--yes")
    assert no(sea, COLLEAGUE, "consent", "withdraw", of, "--yes") == "consent-unknown"
    journal = ("--journal", str(sea.place.node / "journal.db"))
    lost = said(sea, AUDIT, "incident", "us.uscg/ops", *journal)
    file = tmp_path / "lost.json"
    file.write_bytes(msgspec.json.encode(lost))
    listed = ("consent", "withdraw", of, "--to", "us.jiatfs/watch", "--listed", str(file))
    (back,) = said(sea, COLLEAGUE, *listed, "--yes")["withdrawn"]
    assert (back["of"], back["to"], back["until"]) == (of, "us.jiatfs/watch", None)
    # What is withdrawn by now holds up no other.
    all_ = ("consent", "withdraw", "--listed", str(file), "--yes")
    (done,) = said(sea, GUARD, "incident", "us.uscg/ops", "--withdraw", "--yes")["withdrawn"]
    assert (done["to"], done["index"] > back["index"]) == ("us.jiatfs/desk", True)
    assert no(sea, COLLEAGUE, *all_) == "consent-unknown"
    assert no(sea, OPS, *all_) == "consent-unknown"
    rows = said(sea, OPS, "consent", "list")["consents"]
    assert {each["state"] for each in rows if each["of"] == of} == {"withdrawn"}
    # Nothing else is taken for such a list.
    file.write_text("[]", encoding="utf-8")
    assert sea.at(COLLEAGUE, *all_).code == 2


def test_a_no_is_told_with_its_reason_and_nothing_goes_on(sea):
    of = told(sea)
    request = asked(sea, of)
    words = ("consent", "answer", request["id"], "--deny", "--reason", "EXERCISE: a source")
    said(sea, OPS, *words, "--yes")
    row = stands(sea, WATCH, of)
    assert (row["state"], row["reason"]) == ("refused", "EXERCISE: a source")
    assert row["consent"] is None
    assert no(sea, WATCH, "grant", of, "us.uscg/ops", "--yes") == "originator-control"
    shown = sea.at(WATCH, "--lang", "es", "consent", "list").out
    assert "rechazado: EXERCISE: a source" in shown
    shown = sea.at(WATCH, "--lang", "en", "consent", "list").out
    assert "refused: EXERCISE: a source" in shown


def test_a_sanitised_version_is_no_leave_to_pass_on_the_bulletin(sea):
    of = told(sea)
    request = asked(sea, of)
    said(sea, OPS, "consent", "answer", request["id"], "--sanitised", "--yes")
    assert stands(sea, WATCH, of)["state"] == "sanitised"
    assert no(sea, WATCH, "grant", of, "us.uscg/ops", "--yes") == "originator-control"


@pytest.mark.parametrize(
    ("lang", "words"),
    [("es", "BAJO CONTROL DEL ORIGINADOR"), ("en", "UNDER ORIGINATOR CONTROL")],
)
def test_a_reader_is_told_that_it_is_under_control_and_what_that_means(sea, lang, words):
    of = told(sea)
    shown = sea.at(WATCH, "--lang", lang, "read", of).out
    assert words in shown
    assert "exchange consent ask" in " ".join(shown.split())
    # Only where it is.
    free = said(sea, OPS, "post", sea.draft(**FREE), "--yes")["id"]
    assert words not in sea.at(WATCH, "--lang", lang, "read", free).out


def test_a_yes_for_one_leaves_the_other_asked(sea):
    of = told(sea)
    words = ("consent", "ask", of, "us.uscg", "us.ice", "--purpose", "EXERCISE", "--yes")
    request = said(sea, WATCH, *words)["id"]
    yes = ("consent", "answer", request, "--grant", "us.uscg/ops", "--yes")
    said(sea, OPS, *yes)
    rows = said(sea, WATCH, "consent", "list")["consents"]
    states = {each["to_member"]: each["state"] for each in rows if each["of"] == of}
    assert states == {"us.uscg": "granted", "us.ice": "asked"}


def test_nobody_answers_for_an_originator(sea):
    of = told(sea)
    request = asked(sea, of)
    changes = {
        'to = ["pa.senan/ops"]': 'to = ["us.jiatfs/watch"]',
        'origin = "pa.senan"': 'origin = "us.jiatfs"',
        'proposed_to = ["pa.mp"]': 'proposed_to = ["us.uscg"]',
        "0192f3a0-0000-7000-8000-000000000035": request["id"],
    }
    said(sea, GUARD, "post", sea.draft("con-2.en.toml", **changes), "--yes")
    assert stands(sea, WATCH, of)["state"] == "asked"


def test_no_leave_is_given_to_tell_of_an_asylum_seeker_where_they_fled_from(sea):
    of = said(sea, OPS, "post", sea.draft("smg-1.es.toml"), "--yes")["id"]
    words = ("consent", "ask", of, "ve.policia", "--purpose", "EXERCISE", "--yes")
    request = said(sea, WATCH, *words)["id"]
    changes = {
        'to = ["pa.senan/ops"]': 'to = ["us.jiatfs/watch"]',
        'proposed_to = ["pa.mp"]': 'proposed_to = ["ve.policia"]',
    }
    grant = sea.draft("con-2.en.toml", **{**changes, '"grant-sanitised"': '"grant"'})
    assert no(sea, OPS, "reply", request, grant, "--yes") == "asylum-to-origin"
    # Nor where nobody can tell any more whom it names.
    forget(sea, of)
    assert no(sea, OPS, "reply", request, grant, "--yes") == "text-not-here"
    # A version without them may be promised.
    said(sea, OPS, "consent", "answer", request, "--sanitised", "--yes")


def test_leave_is_given_without_its_text_where_its_header_says_that_nobody_is_protected(sea):
    of = told(sea)
    request = asked(sea, of)["id"]
    forget(sea, of)
    yes = ("consent", "answer", request, "--grant", "us.uscg/ops", "--yes")
    assert said(sea, OPS, *yes)["consents"]


def test_what_answers_it_before_others_is_refused_by_the_node(sea):
    of = told(sea)
    held = said(sea, WATCH, "read", of)
    ref = f'rel = "answers", id = "{of}", header_digest = "{held["header_digest"]}"'
    changes = {
        'to = ["us.jiatfs/watch"]': f'to = ["us.uscg/ops"]\nrefs = [{{ {ref} }}]',
    }
    assert no(sea, WATCH, "post", sea.draft(**changes), "--yes") == "originator-control"


def test_answers_are_one_and_say_what_they_must(sea):
    request = asked(sea, told(sea))["id"]
    for lang in ("es", "en"):
        for words in ((), ("--deny",), ("--deny", "--reason", "x", "--sanitised")):
            ran = sea.at(OPS, "--lang", lang, "consent", "answer", request, *words, "--yes")
            assert ran.code == 2, words
    for until in ("soon", "999999999w", "36601d"):
        words = ("answer", request, "--grant", "us.uscg/ops", "--until", until)
        ran = sea.at(OPS, "consent", *words)
        assert (ran.code, "--until" in ran.err) == (2, True), (until, ran.err)
    words = ("ask", request, "us.uscg", "--purpose", "EXERCISE", "--reply-by", "99999999h")
    ran = sea.at(WATCH, "consent", *words)
    assert (ran.code, "--reply-by" in ran.err) == (2, True), ran.err
    grant = ("consent", "answer", request, "--grant", "us.jiatfs/desk", "--yes")
    # Nobody asked for that one.
    assert no(sea, OPS, *grant) == "wrong-value"
    # It answers requests alone, of what was posted from here.
    plain = sea.post()["id"]
    assert no(sea, WATCH, "consent", "answer", plain, "--sanitised", "--yes") == "wrong-value"
    # Nothing of it was sent.
    rows = said(sea, WATCH, "consent", "list")["consents"]
    assert [each["state"] for each in rows if each["request"] == request] == ["asked"]
