"""A client in another language trades bulletins with ours, through a node, both ways."""

from __future__ import annotations

import json

import pytest

from exchange.custody import container
from tests import builders
from tests.cli.exercise import OPS, PASSPHRASE, WATCH, Exercise
from tests.peers import javascript
from tests.peers.javascript import Ran, needs_packages

pytestmark = needs_packages


@pytest.fixture(scope="module", params=[("xb1-h", "xb1-h"), ("xb1-ch", "xb1-c")], ids="-".join)
def exercise(tmp_path_factory, request):
    """One whose two endpoints, and so whose clients, are of these suites."""
    made = Exercise(tmp_path_factory.mktemp("peers") / "exercise", *request.param)
    made.start()
    yield made
    assert made.stop() == 0, made.log.read_text()


class Script:
    """An endpoint of the exercise whose client is the one in JavaScript."""

    def __init__(self, exercise, context, **changes):
        folder = exercise.place.home / "contexts" / context
        profile = json.loads((folder / "profile.json").read_bytes())
        self.folder = exercise.folder
        self.profile = self.write("profile", {**profile, **changes})
        secrets = container.unseal((folder / "keys.xk").read_bytes(), PASSPHRASE)
        self.keys = self.write("keys", javascript.keys(secrets))

    def write(self, name, told):
        path = self.folder / f"javascript-{name}.json"
        path.write_text(json.dumps(told), "utf-8")
        return path

    def run(self, *words):
        return javascript.run(self.profile, self.keys, *words)

    def post(self, bulletin, to=("us.jiatfs/watch",)):
        marking = {"tlp": "amber", "releasable_to": ["PAN", "USA"], "handling": ["h1", "h2"]}
        chosen = {"verb": "new", "status": "exercise", "feed": "maritime", "to": list(to)}
        chosen["marking"] = {**marking, "originator_control": False}
        header = {**chosen, "precedence": "immediate"}
        draft = {"header": header, "bulletin": bulletin}
        return self.run("post", self.write("draft", draft))


@pytest.fixture(scope="module")
def bulletin(exercise):
    """A whole bulletin but for id and origin, which its poster gives it."""
    posted = exercise.post()
    read = exercise.at(WATCH, "read", posted["id"], "--json").json["bulletin"]
    return {name: value for name, value in read.items() if name not in ("id", "origin")}


def test_javascript_posts_and_python_reads_and_acknowledges(exercise, bulletin):
    script = Script(exercise, OPS)
    posted = script.post(bulletin)
    assert posted["facts"]["kind"] == "accepted"
    read = exercise.at(WATCH, "read", posted["id"], "--json").json
    assert read["bulletin"] == {**bulletin, "id": posted["id"], "origin": "pa.senan"}
    assert read["header"]["to"] == ["us.jiatfs/watch"]
    words = ("ack", posted["id"], "--officer", "watch-1", "--json")
    acknowledged = exercise.at(WATCH, *words).json
    (item,) = [each for each in script.run("inbox") if each["index"] == acknowledged["index"]]
    assert item["ack"]["of"]["id"] == posted["id"]
    assert (item["ack"]["outcome"], item["ack"]["officer"]) == ("opened", "watch-1")


def test_python_posts_and_javascript_reads_and_acknowledges(exercise):
    script, posted = Script(exercise, WATCH), exercise.post()
    (item,) = [each for each in script.run("inbox") if each["index"] == posted["index"]]
    read = exercise.at(WATCH, "read", posted["id"], "--json").json
    assert (item["bulletin"], item["header"]) == (read["bulletin"], read["header"])
    acknowledged = script.run("ack", posted["id"], "actioned")
    (recipient,) = exercise.at(OPS, "trace", posted["id"], "--json").json["recipients"]
    (told,) = recipient["acknowledgements"]
    assert (told["outcome"], told["officer"]) == ("actioned", "watch-js")
    assert told["index"] == acknowledged["index"]


def test_javascript_seals_to_who_subscribed(exercise, bulletin):
    assert exercise.at(WATCH, "subscribe", "maritime", "--json").code == 0
    posted = Script(exercise, OPS).post(bulletin, to=())
    assert exercise.at(WATCH, "read", posted["id"], "--json").code == 0


def test_the_record_of_it_all_verifies(exercise, bulletin):
    """Replay makes each decision again, by Python, of what JavaScript signed and sealed."""
    posted = Script(exercise, OPS).post(bulletin)
    Script(exercise, WATCH).run("ack", posted["id"], "opened")
    journal = str(exercise.place.node / "journal.db")
    anchor = json.loads(Script(exercise, OPS).profile.read_bytes())["anchor"]
    verified = exercise.run("audit", "verify", journal, "--anchor", anchor, "--json")
    assert verified.code == 0, verified


def test_refusal_reaches_javascript_with_its_code(exercise, bulletin):
    posted = Script(exercise, OPS).post({**bulletin, "declares": ["protected-person"]})
    assert posted == {"code": "protected-persons"}


def test_javascript_trusts_no_other_anchor(exercise):
    assert Script(exercise, OPS, anchor="A" * 43).run("inbox") == {"code": "trust-invalid"}


def test_javascript_talks_to_no_other_certificate(exercise):
    script = Script(exercise, OPS, certificate=builders.certificate()[0])
    with pytest.raises(Ran, match="certificate"):
        script.run("inbox")
