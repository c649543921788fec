"""A key is lost: what it bears on, who must be told, and the proposal that ends it."""

from __future__ import annotations

import pytest

from exchange.custody import proposal
from tests.cli.exercise import AUDIT, DESK, OPS, WATCH, Exercise

ENDPOINT = "us.jiatfs/watch"


@pytest.fixture(scope="module")
def posted(exercise):
    """A bulletin of ours, sealed to the other nation's watch."""
    return exercise.post()


def keys(exercise, context, use):
    shown = exercise.at(context, "keys", "show", "--json").json
    return [row["kid"] for row in shown["keys"] if row["use"] == use]


def incident(exercise, context, *words):
    ran = exercise.at(context, "incident", *map(str, words), "--json")
    assert ran.code == 0, ran.out
    return ran.json


def about(told, identity):
    return [row for row in told["affected"] if row["id"] == identity]


def test_what_was_sealed_to_a_lost_opening_key_is_told_to_who_wrote_it(exercise, posted):
    """In its writer's outbox, and in its reader's inbox; the one key of several that it was."""
    opening = keys(exercise, WATCH, "enc")
    found = {kid: about(incident(exercise, OPS, kid), posted["id"]) for kid in opening}
    (row,) = [row for rows in found.values() for row in rows]
    assert (row["why"], row["tell"]) == (["sealed-to"], ["pa.senan/ops"])
    (kid,) = [kid for kid, rows in found.items() if rows]
    mine = incident(exercise, WATCH, kid)
    assert about(mine, posted["id"]) == [row]
    assert posted["id"] in mine["tell"]["pa.senan/ops"]


def test_what_was_signed_by_a_lost_key_is_told_to_everybody_it_went_to(exercise, posted):
    for kid in keys(exercise, OPS, "sig"):
        for context in (OPS, WATCH):
            (row,) = about(incident(exercise, context, kid), posted["id"])
            assert row["why"] == ["signed-by"]
            assert ENDPOINT in row["tell"]


def test_endpoint_is_looked_for_by_its_name_with_all_its_keys(exercise, posted):
    (row,) = about(incident(exercise, OPS, ENDPOINT), posted["id"])
    assert row["why"] == ["sealed-to"]
    (row,) = about(incident(exercise, OPS, "pa.senan/ops"), posted["id"])
    assert row["why"] == ["signed-by"]


def test_journal_shows_what_no_single_mail_does(exercise, posted):
    journal = exercise.place.node / "journal.db"
    assert about(incident(exercise, DESK, ENDPOINT), posted["id"]) == []
    told = incident(exercise, DESK, ENDPOINT, "--journal", journal)
    assert about(told, posted["id"])
    assert about(incident(exercise, AUDIT, ENDPOINT, "--journal", journal), posted["id"])


def test_what_it_said_of_a_bulletin_and_chose_is_listed_too(exercise, posted):
    assert exercise.at(WATCH, "subscribe", "maritime").code == 0
    assert exercise.at(WATCH, "ack", posted["id"], "--outcome", "opened").code == 0
    journal = exercise.place.node / "journal.db"
    for lost in (ENDPOINT, keys(exercise, WATCH, "sig")[0]):
        told = incident(exercise, OPS, lost, "--journal", journal)
        rows = [row for row in about(told, posted["id"]) if row["type"] == "acknowledgement"]
        assert [(row["why"], row["tell"]) for row in rows] == [
            (["signed-by"], ["pa.senan/ops"])
        ]
        chosen = [row for row in told["affected"] if row["type"] == "subscription"]
        assert chosen
        assert {(row["origin"], *row["why"], *row["tell"]) for row in chosen} == {
            (ENDPOINT, "signed-by")
        }
    opening = keys(exercise, WATCH, "enc")[0]
    types = {row["type"] for row in incident(exercise, OPS, opening)["affected"]}
    assert not types & {"subscription", "acknowledgement"}
    assert exercise.at(WATCH, "subscribe").code == 0


def test_unaffected_bulletin_is_not_listed(exercise, posted):
    assert about(incident(exercise, OPS, "us.jiatfs/audit"), posted["id"]) == []


@pytest.mark.parametrize(("what", "change"), [(ENDPOINT, "suspended"), (None, "until")])
def test_proposal_ends_the_key_or_suspends_the_endpoint(exercise, tmp_path, what, change):
    lost = what or keys(exercise, WATCH, "enc")[0]
    out = tmp_path / "incident.proposal"
    told = incident(exercise, OPS, lost, "--out", out)
    assert proposal.read(out.read_bytes()).digest == told["proposal"]
    assert [*told["signers"]] == ["us"]
    (changed,) = [line for line in told["changes"]["en"] if "endpoints" in line]
    assert change in changed
    assert lost in changed
    before = out.read_bytes()
    again = exercise.at(OPS, "incident", lost, "--out", str(out), "--json")
    assert (again.code, out.read_bytes()) == (2, before)


def test_what_nobody_has_is_refused(exercise):
    for lost, code in (("us.jiatfs/none", "unknown-endpoint"), ("A" * 43, "unknown-key")):
        ran = exercise.at(OPS, "incident", lost, "--json")
        assert (ran.code, ran.json["error"]["code"]) == (1, code)


def test_people_are_told_in_either_language(exercise, posted):
    for lang, word in (("es", "hay que avisar a"), ("en", "to be told")):
        shown = exercise.at(OPS, "--lang", lang, "incident", ENDPOINT).out
        assert word in shown
        assert posted["id"] in shown


def test_what_an_endpoint_lost_is_granted_again_once_custodians_listed_new_keys(tmp_path):
    """Its keys are gone: it asks anew, its old keys end at once, and it reads again."""
    made = Exercise(tmp_path)
    made.start()
    try:
        identity = made.post()["id"]
        to_desk = made.draft(**{"us.jiatfs/watch": "us.jiatfs/desk"})
        late = made.at(OPS, "post", to_desk, "--yes", "--json").json["id"]
        assert made.at(OPS, "grant", late, ENDPOINT, "--yes").code == 0
        regrant = ("incident", ENDPOINT, "--regrant", "--yes", "--json")
        # As long as the old key is good, it holds it.
        ran = made.at(OPS, *regrant)
        assert ran.code == 0, ran.out
        before = ran.json
        assert (before["granted"], before["left"][0]["code"]) == ([], "already-held")
        _lose_and_enrol_anew(made)
        assert _locked(made, identity)
        again = made.at(OPS, *regrant)
        assert again.json.get("granted") == [identity, late], again.out
        assert not _locked(made, identity)
        assert not _locked(made, late)
        once_more = made.at(OPS, *regrant).json
        assert (once_more["granted"], once_more["left"][0]["code"]) == ([], "already-held")
    finally:
        assert made.stop() == 0, made.log.read_text()


def _lose_and_enrol_anew(made):
    """The context's keys go, others are made, and custodians list them and end the old ones."""
    folder = made.place.home / "contexts" / WATCH
    (folder / "keys.xk").unlink()
    asked = ("--node", "pa", "--request", str(made.folder / "anew.jws"))
    ran = made.run("keys", "new", ENDPOINT, str(folder / "keys.xk"), *asked, "--json")
    assert ran.code == 0, ran.out
    custodians = sorted((made.folder / "custodians").glob("us-*"))
    words = [word for path in custodians for word in ("--custodian", str(path))]
    out = str(made.folder / "anew.trust")
    admit = ("admit", str(made.folder / "anew.jws"), *words, "--anew", "--overlap-days", "0")
    ran = made.at(OPS, "keys", *admit, "--out", out, "--yes", "--json")
    assert ran.code == 0, ran.out
    assert made.at(OPS, "keys", "publish", out, "--json").code == 0


def _locked(made, identity):
    shown = made.at(WATCH, "inbox", "--json").json["items"]
    rows = [item for item in shown if item.get("id") == identity and "locked" in item]
    assert rows, shown
    return all(row["locked"] for row in rows)
