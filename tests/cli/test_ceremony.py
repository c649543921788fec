"""The whole ceremony, by processes that share nothing but files: from nothing to a revocation.

Each person has a machine (a folder, a home, a passphrase) of their own; files are carried.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from exchange import resources
from exchange.custody import container, words
from tests.cli.delegation import TEMPLATES, Person
from tests.cli.exercise import free_port

# Some sixty processes, each of which stretches a passphrase.
pytestmark = pytest.mark.timeout(600)

PA = ("pa-custodian-1", "pa-custodian-2")
US = ("us-custodian-1", "us-custodian-2")
EVERYBODY = (*PA, *US)
OPS, DESK, WATCH = "pa.senan/ops", "pa.senan/desk", "us.jiatfs/watch"


class Ceremony:
    """Four custodians, a node's operator, and an agency of each nation, one with two desks."""

    def __init__(self, root):
        self.people = {name: Person(root, name) for name in EVERYBODY}
        self.secretary = self.people[PA[0]]
        named = ("node", "ops", "desk", "watch")
        self.node, self.ops, self.desk, self.watch = (Person(root, name) for name in named)
        self.port = free_port()
        self.process = None
        self.anchor = None
        self.count = 0

    # -- what is carried where ------------------------------------------------------------

    def cards(self):
        def card(name):
            where = ("--keys", "keys.xk", "--card", f"{name}.card")
            person = self.people[name]
            person.does("arrangement", "init", "custodian", name, *where)
            self.bring(person, self.secretary, f"{name}.card")

        at_once(card, self.people)
        url = f"https://127.0.0.1:{self.port}"
        where = ("--state", "state", "--card", "pa.card")
        self.node.does("arrangement", "init", "node", "pa", "--url", url, *where)
        self.bring(self.node, self.secretary, "pa.card")

    @staticmethod
    def bring(one, other, *names):
        if one is not other:
            one.give(other, *names)

    def propose(self, *what, by=None):
        """A proposal, and its name; whoever proposes has the documents in force."""
        self.count += 1
        name = f"{self.count}.proposal"
        by = by or self.secretary
        return name, by.does("arrangement", "propose", name, *self.trusting(), *what)

    def trusting(self):
        """The folder that goes round, and the anchor from one's own paper, if there is one."""
        return ("--trust", "trust", *(("--anchor", self.anchor) if self.anchor else ()))

    def sign(self, name, who, by=None):
        """A custodian looks at a proposal on a machine of their own, and signs."""
        by, person = by or self.secretary, self.people[who]
        self.bring(by, person, name)
        if by is not person and (by.folder / "trust").exists():
            by.give(person, "trust")
        out = f"{name}.{who}"
        where = ("--keys", "keys.xk", *self.trusting(), "--out", out, "--yes")
        told = person.does("arrangement", "sign", name, *where)
        self.bring(person, by, out)
        return told

    def approve(self, name, who, by=None):
        by = by or self.secretary
        signed = [f"{name}.{each}" for each in who]
        return by.does("arrangement", "approve", name, *signed, *self.trusting())

    def agree(self, *what, who, by=None):
        name, _ = self.propose(*what, by=by)
        at_once(lambda each: self.sign(name, each, by), who)
        return name, self.approve(name, who, by)

    # -- the node and its callers ---------------------------------------------------------

    def start(self):
        log = self.node.folder / "node.log"
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "exchange", "up", "--state", "state",
                 "--listen", f"127.0.0.1:{self.port}"],
                env=self.node.environment(), cwd=self.node.folder, stdout=file, stderr=file,
            )  # fmt: skip
        for _ in range(600):
            if b'"event": "ready"' in log.read_bytes():
                return
            assert self.process.poll() is None, log.read_text()
            time.sleep(0.05)
        raise AssertionError(log.read_text())

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(30) == 0

    def enrol(self, people, nation, directory):
        """Endpoints' own keys and requests; their nation's custodians list them."""

        def ask(person):
            made = ("--node", "pa", "--request", f"{person.name}.jws")
            person.does("keys", "new", people[person], "keys.xk", *made)
            self.bring(person, self.secretary, f"{person.name}.jws")
            return "--request", f"{person.name}.jws"

        asked = [word for words_of in at_once(ask, people) for word in words_of]
        (self.secretary.folder / f"{nation}.toml").write_text(directory)
        what = ("--members", f"{nation}.toml", *asked)
        self.agree(*what, who=PA if nation == "pa" else US)

    def join(self, person):
        self.secretary.give(person, "trust", "pa.card")
        where = ("--trust", "trust", "--anchor", self.anchor, "--node", "pa.card")
        return person.does("arrangement", "join", "keys.xk", *where)


def at_once(step, people):
    """Each on their own machine, so all at the same time; what they say, in their order."""
    with ThreadPoolExecutor() as executor:
        return list(executor.map(step, people))


def directory(nation):
    text = (TEMPLATES / "members.toml").read_text()
    if nation == "us":
        text = text.replace("pa.senan/ops", WATCH).replace("pa.senan", "us.jiatfs")
        # Its one endpoint writes nothing that waits: it has nobody who releases.
        text = text.replace('"operator", ', "").partition("# Cuatro ojos")[0]
    return text


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The ceremony up to a bulletin that was read; each test looks at one thing of it."""
    made = Ceremony(tmp_path_factory.mktemp("ceremony"))
    made.cards()
    shutil.copy(TEMPLATES / "arrangement.toml", made.secretary.folder)
    shown = [word for name in EVERYBODY for word in ("--custodian", f"{name}.card")]
    what = ("--arrangement", "arrangement.toml", "--node", "pa.card", *shown)
    name, made.proposed = made.propose(*what)
    # In any order: here the last are the first.
    told = at_once(lambda each: made.sign(name, each), EVERYBODY[::-1])
    made.signed = dict(zip(EVERYBODY[::-1], told, strict=True))
    made.founded = made.approve(name, US + PA)
    # Heard, not copied: whoever sets up the node types the words.
    made.anchor = made.founded["words"]["es"]
    made.founding = name
    made.enrol({made.ops: OPS, made.desk: DESK}, "pa", directory("pa"))
    made.enrol({made.watch: WATCH}, "us", directory("us"))
    made.secretary.give(made.node, "trust")
    where = ("--trust", "trust", "--anchor", made.anchor)
    made.node.does("arrangement", "install", "state", *where)
    made.start()
    try:
        at_once(made.join, (made.ops, made.desk, made.watch))
        made.watch.does("subscribe", "maritime", "--yes")
        made.posted = made.ops.does("post", draft(made.ops), "--yes")
        made.read = made.watch.does("read", made.posted["id"])
        yield made
    finally:
        made.stop()


def draft(person, tlp="amber"):
    text = resources.read("v1/examples/voi-1.es.toml").decode()
    text = text.replace('tlp = "amber"', f'tlp = "{tlp}"')
    (person.folder / "voi.toml").write_text(text)
    return "voi.toml"


def test_everybody_saw_and_signed_the_same_fingerprint(played):
    for told in played.signed.values():
        assert told["proposal"] == played.proposed["proposal"]
        for lang, said in told["words"].items():
            assert said == " ".join(words.said(played.proposed["proposal"], lang))


def test_what_was_signed_after_the_founding_goes_on_from_the_anchor_on_each_ones_paper(played):
    assert {told["anchor"] for told in played.signed.values()} == {None}
    name, told = played.propose("--refresh", "us")
    assert told["anchor"] == played.founded["anchor"]
    assert told["anchor_words"]["es"] == played.anchor
    assert played.sign(name, US[0])["anchor"] == played.founded["anchor"]


def test_each_custodian_signed_what_is_theirs(played):
    for name, told in played.signed.items():
        assert (told["custodian"], told["signed"]) == (name, ["root", "targets", name[:2]])


def test_bulletin_of_one_nation_is_read_in_the_other(played):
    assert played.read["bulletin"]["id"] == played.posted["id"], played.read.keys()


def test_minutes_are_the_same_bytes_on_every_machine_and_say_who_signed(played):
    name = played.founding
    signed = [f"{name}.{each}" for each in EVERYBODY]
    made = []
    for person, order in ((played.secretary, signed), (played.people[US[1]], signed[::-1])):
        played.secretary.give(person, *signed) if person is not played.secretary else None
        when = ("--place", "Ciudad de Panamá", "--date", "2026-11-26")
        out = f"minutes-{len(made)}.md"
        words_of = (*played.trusting(), *when, "--out", out)
        person.does("arrangement", "minutes", name, *order, *words_of)
        made.append(person.read(out))
    assert made[0] == made[1]
    text = made[0].decode()
    for each in (*EVERYBODY, "Ciudad de Panamá", "# Acta", "# Minutes", "EJERCICIO"):
        assert each in text
    for named in (played.proposed["proposal"], played.founded["anchor"]):
        assert named in text
        assert f"24 {words.said(named, 'es')[-1]}" in text


def test_folder_of_trust_documents_verifies_from_the_words_and_from_no_others(played):
    verify = ("arrangement", "verify", "--trust", "trust")
    assert played.watch.does(*verify, "--anchor", played.anchor)["ok"]
    other = " ".join(words.said(played.proposed["proposal"], "en"))
    ran = played.watch.run(*verify, "--anchor", other, "--json")
    assert (ran.code, json.loads(ran.out)["error"]["code"]) == (3, "other-anchor")
    assert played.watch.run(*verify).code == 2


def test_nothing_is_written_over(played):
    name = played.founding
    for command in (
        ("propose", name, "--refresh", "all"),
        ("sign", name, "--keys", "keys.xk", "--out", f"{name}.{PA[0]}", "--yes"),
    ):
        ran = played.secretary.run("arrangement", *command, *played.trusting())
        assert ran.code == 2, ran.out
    before = sorted((played.secretary.folder / "trust").iterdir())
    again = played.approve(name, EVERYBODY)
    assert (again["files"], again["anchor"]) == ([], played.founded["anchor"])
    assert sorted((played.secretary.folder / "trust").iterdir()) == before


def test_half_yearly_refresh_is_one_command_and_the_same_content(played):
    name, told = played.propose("--refresh", "all", "--days", "500")
    for lang in ("es", "en"):
        assert len(told["changes"][lang]) == 4
    at_once(lambda each: played.sign(name, each), EVERYBODY)
    # Not approved here: other tests go on from what is in force.
    signed = [f"{name}.{each}" for each in EVERYBODY]
    partial = ("arrangement", "approve", name, *signed[1:], *played.trusting())
    assert played.secretary.refused(*partial) == "consent-missing"


def test_custodian_whose_machine_is_lost_signs_after_shares_brought_the_key_back(played):
    """In the middle of a ceremony: the proposal is out, and a container is gone."""
    who = played.people[US[1]]
    who.does("keys", "share", "keys.xk", "--out", "safe")
    name, _ = played.propose("--refresh", "us")
    (who.folder / "keys.xk").unlink()
    sheets = sorted((who.folder / "safe").glob("*.txt"))
    kept = [word for sheet in sheets[1:] for word in ("--sheet", str(sheet))]
    # The container is made again under a passphrase of today.
    (file,) = (who.folder / "safe").glob("*.xk")
    who.does("keys", "unshare", str(file), *kept, "--out", "keys.xk")
    at_once(lambda each: played.sign(name, each), US)
    trust = played.secretary.folder / "trust"
    before = {each.name for each in trust.iterdir()}
    played.approve(name, US)
    assert len({each.name for each in trust.iterdir()} - before) == 1


def test_custodian_of_the_other_nation_and_a_stale_proposal_are_refused(played):
    name, _ = played.propose("--refresh", "us")
    played.people[PA[1]].folder.joinpath(name).write_bytes(played.secretary.read(name))
    played.secretary.give(played.people[PA[1]], "trust")
    where = ("--keys", "keys.xk", *played.trusting(), "--out", "x.signature", "--yes")
    sign = ("arrangement", "sign", name, *where)
    assert played.people[PA[1]].refused(*sign) == "not-a-custodian"
    old = ("arrangement", "sign", played.founding, *where)
    assert played.people[PA[1]].refused(*old) == "proposal-stale"
    assert not (played.people[PA[1]].folder / "x.signature").exists()


def test_signature_file_that_was_altered_is_refused(played):
    name, _ = played.propose("--refresh", "us")
    at_once(lambda each: played.sign(name, each), US)
    first = f"{name}.{US[0]}"
    raw = played.secretary.read(first)
    place = raw.index(b'"sig":"') + 20
    altered = (
        raw[:place] + (b"0" if raw[place : place + 1] != b"0" else b"1") + raw[place + 1 :]
    )
    (played.secretary.folder / "altered").write_bytes(altered)
    approve = ("arrangement", "approve", name, "altered", f"{name}.{US[1]}")
    assert played.secretary.refused(*approve, *played.trusting()) == "bad-signature"


def test_marked_bulletin_waits_for_another_desk_s_release_and_is_read_after_it(played):
    """Four eyes as the template founds them; then the same endpoint is revoked, below."""
    ran = played.ops.run("post", draft(played.ops, "red"), "--yes", "--json", *by("guardia-1"))
    # Sealed, and it waits.
    assert ran.code == 7, (ran.out, ran.err)
    asked = json.loads(ran.out)
    assert (asked["awaits_release"], asked["asked"]) == (True, [DESK])
    assert state_of(played.ops, asked["draft"]) == "waiting"
    assert asked["id"] not in seen(played.watch)
    approve = ("release", "approve", asked["draft"], "--yes")
    assert played.ops.refused(*approve, *by("guardia-2")) == "own-release"
    assert played.desk.refused(*approve, *by("guardia-1")) == "own-release"
    assert asked["id"] not in seen(played.watch)
    assert played.desk.does(*approve, *by("guardia-2"))["state"] == "released"
    assert state_of(played.ops, asked["draft"]) == "posted"
    read = played.watch.does("read", asked["id"])
    assert read["bulletin"]["id"] == asked["id"]


def by(officer):
    return "--officer", officer


def seen(person):
    return [row["id"] for row in person.does("inbox")["items"]]


def state_of(person, draft):
    rows = person.does("release", "list")["queue"]
    return next(row["state"] for row in rows if row["id"] == draft)


def test_endpoint_that_custodians_suspend_is_shut_out_by_the_running_node(played):
    """Last, for it ends what the others look at: revoked, handed in, and refused after."""
    assert played.watch.does("inbox")["items"]
    played.agree("--suspend", WATCH, who=US)
    hand_in(played)
    ran = played.watch.run("inbox", "--json")
    assert ran.code == 1, ran.out
    assert "endpoint-suspended" in ran.out
    refused = played.ops.run("post", draft(played.ops), "--yes", "--json")
    assert refused.code == 1, refused.out


def hand_in(played):
    """An operator hands in what was agreed on and the node has not got yet, in its order."""
    known = played.ops.does("arrangement", "fetch", "--out", f"known-{played.count}")
    everything = sorted((played.secretary.folder / "trust").iterdir())
    for each in everything[known["documents"] :]:
        shutil.copy(each, played.ops.folder / each.name)
        played.ops.does("keys", "publish", each.name)


def test_suspended_endpoint_comes_back_by_the_documented_way_and_its_old_keys_do_not(played):
    """After the one before: new keys, one proposal, and a context of the new keys."""
    made = ("--node", "pa", "--request", "anew.jws")
    played.watch.does("keys", "new", WATCH, "anew.xk", *made)
    played.watch.give(played.secretary, "anew.jws")
    known = ("--trust", "trust", "--anchor", played.anchor, "--request", "anew.jws")
    ran = played.secretary.run("--lang", "en", "arrangement", "propose", "slip", *known)
    assert (ran.code, "--anew ends them" in " ".join(ran.err.split())) == (2, True), ran.err
    played.agree("--request", "anew.jws", "--anew", "--resume", WATCH, who=US)
    hand_in(played)
    # Whoever has the container of before has no more than that.
    assert played.watch.refused("inbox") == "bad-session"
    played.secretary.give(played.watch, "trust")
    where = ("--trust", "trust", "--anchor", played.anchor, "--node", "pa.card")
    played.watch.does("arrangement", "join", "anew.xk", *where, "--name", "anew")
    assert played.watch.does("inbox", EXCHANGE_CONTEXT="anew")["items"]
    # Nothing would change: most likely another one was meant.
    again = ("propose", "slip", *known[:4], "--resume", WATCH)
    ran = played.secretary.run("--lang", "en", "arrangement", *again)
    assert (ran.code, "is not suspended" in " ".join(ran.err.split())) == (2, True), ran.err


def sealed_in(path):
    """Whose keys a file holds sealed, whatever it is called; None: it is no container."""
    try:
        return json.loads(path.read_bytes())["holder"]
    except (ValueError, LookupError, TypeError):
        return None


def spellings(seed):
    """A secret as it may stand in a file: as it is, in base64 of either kind, in hex."""
    text = [each(seed).rstrip(b"=") for each in (base64.b64encode, base64.urlsafe_b64encode)]
    return [seed, *text, seed.hex().encode(), seed.hex().upper().encode()]


def test_no_custodian_left_a_key_on_another_machine(played):
    """Sealed keys lie on their holder's machine alone, and no secret in the clear anywhere."""
    endpoints = (played.ops, played.desk, played.watch)
    everybody = (*played.people.values(), played.node, *endpoints)
    files = [path for each in everybody for path in each.folder.rglob("*") if path.is_file()]
    found = [(path, holder) for path in files if (holder := sealed_in(path))]
    for path, holder in found:
        folder = path.relative_to(played.secretary.folder.parent).parts[0]
        theirs = {OPS: "ops", DESK: "desk", WATCH: "watch", "pa": "node"}
        assert folder == theirs.get(holder, holder), path
    assert {holder for _, holder in found} == {*EVERYBODY, "pa", OPS, DESK, WATCH}
    contents = [(path, path.read_bytes()) for path in files]
    for person, name in (*((each, "keys.xk") for each in everybody if each is not played.node),
                         (played.node, "state/node.xk")):  # fmt: skip
        secrets = container.unseal(person.read(name), f"{person.name}'s own passphrase")
        for seed in (key.seed for keys in secrets.keys.values() for key in keys):
            for spelled in spellings(seed):
                assert [path for path, raw in contents if spelled in raw] == []
    assert os.environ.get("EXCHANGE_PASSPHRASE") is None
