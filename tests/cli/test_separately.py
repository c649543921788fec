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


def test_what_is_no_report_of_its_own_is_refused(exercise):
    posted = exercise.post()
    words = ("post", both(exercise), "--target", posted["id"], "--separately", "nation")
    ran = exercise.at(OPS, *words, "--yes", "--json")
    assert ran.code == 1
    assert ran.json["error"]["code"] == "not-separable"
