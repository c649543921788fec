"""Somebody new comes in: invited by one person, approved by another, listed by the custodians.

The new machine is a folder and processes of its own; it shares with the others a link, some
words that are read aloud, and the node. At the end it posts its first bulletin.
"""

from __future__ import annotations

import shutil

import pytest

from exchange.custody.founding import EndpointPlan, MemberPlan
from tests.cli.delegation import Person
from tests.cli.exercise import _LABEL, OPS, WATCH, Exercise
from tests.cli.test_keys import custodians

STEPS = ["invited", "enrolment-asked", "refused", "decided", "accepted"]
SECOND, NEW = "pa.minseg-second", "pa.senan/patrol"
# Some fifteen commands that stretch a passphrase each, half of them in processes of their own.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def made(tmp_path):
    endpoint = EndpointPlan("pa.minseg/second", _LABEL, ("operator",))
    more = (MemberPlan("pa.minseg", _LABEL, (endpoint,)),)
    made = Exercise(tmp_path / "exercise", more=more)
    made.start()
    yield made
    assert made.stop() == 0, made.log.read_text()


def operator(made, context, *words):
    ran = made.at(context, *words, "--json")
    assert ran.code == 0, ran.out
    return ran.json


def bulletin(made, machine):
    """A report of the new endpoint's own, on its machine."""
    shutil.copy(made.draft(), machine.folder / "voi.toml")
    return machine.does("post", "voi.toml", "--yes")


def test_from_an_invitation_to_the_first_bulletin(made, tmp_path):
    machine, thief = Person(tmp_path, "patrol"), Person(tmp_path, "thief")
    given = operator(made, OPS, "invite", NEW, "--officer", "ana")
    # The link comes by one way, the anchor by another: as words, from a custodian.
    anchor = given["words"]["en"]
    asked = machine.does("enrol", given["link"], "--anchor", anchor)
    assert asked["state"] == "waiting"
    # Whoever else has the link is late, and is heard of.
    assert thief.refused("enrol", given["link"], "--anchor", anchor) == "invitation-used"
    # Not yet let in: neither to a session nor by the custodians.
    assert machine.refused("inbox") == "bad-session"
    request = machine.folder / "home/contexts/pa.senan-patrol/enrolment.jws"
    file, document = made.folder / "patrol.request", made.folder / "member.trust"
    admit = ["keys", "admit", "--out", str(document), "--yes", "--role", "poster", "--role"]
    admit += ["reader", "--title-es", "EJERCICIO", "--title-en", "EXERCISE"]
    admit += map(str, custodians(made, "pa"))
    assert made.at(OPS, *admit, str(request), "--json").json["error"]["code"] == "not-approved"
    # A second person compares the fingerprint with who sits at the new machine.
    words = ["approve", NEW, "--officer", "luis", "--out", str(file), "--yes"]
    approved = operator(made, SECOND, *words)
    assert approved["words"] == asked["words"]
    assert machine.refused("inbox") == "bad-session"
    admitted = operator(made, OPS, *admit, str(file))
    assert admitted["words"] == asked["words"]
    operator(made, OPS, "keys", "publish", str(document))
    assert machine.does("enrol", given["link"])["state"] == "in-force"
    sent = bulletin(made, machine)
    (got,) = operator(made, WATCH, "inbox")["items"]
    assert (got["id"], got["locked"]) == (sent["id"], None)
    assert judged(made)["ok"]


def judged(made):
    """What an auditor says of the whole journal, who was told the anchor."""
    made.stop()
    file = str(made.place.node / "journal.db")
    ran = made.run("audit", "verify", file, "--anchor", made.place.founded.anchor, "--json")
    log = made.run("audit", "log", file, "--limit", "256", "--json").json["entries"]
    told = [row["kind"] for row in log if row["kind"] in set(STEPS)]
    assert told == STEPS
    made.start()
    return ran.json
