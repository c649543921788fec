"""``post --separately``: one act, an envelope for each group, told as such."""

from __future__ import annotations

from tests.cli.exercise import DESK, OPS, WATCH

BOTH = 'to = ["us.jiatfs/desk", "us.jiatfs/watch"]'


def both(exercise):
    """The example, to two endpoints of one agency."""
    return exercise.draft(**{'to = ["us.jiatfs/watch"]': BOTH})


def test_each_group_reads_its_own_envelope_and_the_outbox_names_the_act(exercise):
    draft = both(exercise)
    words = ("post", draft, "--separately", "endpoint")
    dry = exercise.at(OPS, *words, "--dry-run", "--json").json
    assert [each["to"] for each in dry["envelopes"]] == [
        ["us.jiatfs/desk"],
        ["us.jiatfs/watch"],
    ]
    ran = exercise.at(OPS, *words, "--yes", "--json")
    assert ran.code == 0, ran.err
    told = ran.json
    assert told["sent"] is True
    ids = [each["id"] for each in told["envelopes"]]
    for context, mine, other in ((DESK, *ids), (WATCH, *reversed(ids))):
        rows = exercise.at(context, "inbox", "--json").json["items"]
        found = {each["id"] for each in rows}
        assert mine in found
        assert other not in found
    outbox = exercise.at(OPS, "outbox", "--json").json["outbox"]
    assert {
        each["id"]: each.get("act") for each in outbox if each["id"] in ids
    } == dict.fromkeys(ids, told["act"])


def test_who_cancels_one_envelope_is_told_of_the_others(exercise):
    drafts = exercise.draft(**{'to = ["us.jiatfs/watch"]': BOTH, "HERON": "EGRET"})
    told = exercise.at(OPS, "post", drafts, "--separately", "endpoint", "--yes", "--json").json
    one, two = (each["id"] for each in told["envelopes"])
    can = exercise.draft(
        "can-1.es.toml", **{'to = ["us.jiatfs/watch"]': 'to = ["us.jiatfs/desk"]'}
    )
    words = ("post", can, "--target", one)
    ran = exercise.at(OPS, *words, "--dry-run")
    assert f"MIND: its text went in envelope {two} too, to us.jiatfs/watch" in ran.out
    (other,) = exercise.at(OPS, *words, "--dry-run", "--json").json["other_envelopes"]
    assert (other["id"], other["done"]) == (two, "stands")
    assert exercise.at(OPS, *words, "--yes").code == 0
    can = exercise.draft("can-1.es.toml", EJERCICIO="EJERCICIO.")
    words = ("post", can, "--target", two)
    ran = exercise.at(OPS, *words, "--dry-run", "--json")
    assert [(e["id"], e["done"]) for e in ran.json["other_envelopes"]] == [(one, "cancelled")]
    assert "MIND: " not in exercise.at(OPS, *words, "--dry-run").out


def test_what_is_no_report_of_its_own_is_refused(exercise):
    posted = exercise.post()
    words = ("post", both(exercise), "--target", posted["id"], "--separately", "nation")
    ran = exercise.at(OPS, *words, "--yes", "--json")
    assert ran.code == 1
    assert ran.json["error"]["code"] == "not-separable"
