"""Somebody new comes in at the command line: invited, enrolled, approved, and listed."""

from __future__ import annotations

import shutil

import pytest

from exchange.cli import inviting
from exchange.cli.home import KEYS, PROFILE
from exchange.cli.keying.enrolling import REQUEST
from exchange.custody.founding import EndpointPlan, MemberPlan
from exchange.model.codec import b64
from exchange.seal import invitation
from tests.cli.exercise import _LABEL, OPS, WATCH, Exercise
from tests.cli.terminal import Terminal
from tests.cli.test_keys import custodians

SECOND, AGAIN = "pa.minseg-second", "pa.senan-again"
ANA, LUIS = ("--officer", "ana"), ("--officer", "luis")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An exercise with two operators of one nation, its node running."""
    endpoint = EndpointPlan("pa.minseg/second", _LABEL, ("operator",))
    more = (MemberPlan("pa.minseg", _LABEL, (endpoint,)),)
    made = Exercise(tmp_path_factory.mktemp("enrolling"), more=more)
    made.start()
    made.anchor = made.place.founded.anchor
    yield made
    assert made.stop() == 0, made.log.read_text()


def invite(made, name, *more, by=OPS):
    ran = made.at(by, "invite", f"pa.senan/{name}", *ANA, "--json", *more)
    assert ran.code == 0, ran.out
    return ran.json


def enrol(made, link, *more, **env):
    words = ["enrol", link, *more]
    if "--anchor" not in more:
        words += ["--anchor", made.anchor]
    return made.run(*words, "--json", **env)


def approve(made, name, *more, by=SECOND):
    return made.at(by, "approve", f"pa.senan/{name}", *LUIS, "--yes", "--json", *more)


def code(ran):
    assert ran.code != 0, ran.out
    return ran.json["error"]["code"]


def states(made):
    rows = made.at(OPS, "invite", "--json").json["invitations"]
    return {row["endpoint"].partition("/")[2]: row["state"] for row in rows}


def admit(made, request, *more, shown="--json"):
    out = made.folder / "member.trust"
    out.unlink(missing_ok=True)
    named = ["--title-es", "EJERCICIO", "--title-en", "EXERCISE", "--role", "poster"]
    words = [request, *custodians(made, "pa"), "--out", out, "--yes", *named, *more]
    return made.at(OPS, "keys", "admit", *map(str, words), *filter(None, [shown]))


def test_from_a_link_to_the_directory_by_three_people_and_the_custodians(made):
    given = invite(made, "patrol")
    enrolled = enrol(made, given["link"]).json
    assert (enrolled["state"], enrolled["context"]) == ("waiting", "pa.senan-patrol")
    assert states(made)["patrol"] == "waiting"
    # The request alone, before anybody has looked: custodians take nothing.
    folder = made.place.home / "contexts" / "pa.senan-patrol"
    assert code(admit(made, folder / REQUEST)) == "not-approved"
    out = made.folder / "patrol.request"
    said = approve(made, "patrol", "--out", str(out)).json
    # Read aloud by one and compared by the other.
    assert said["digest"] == enrolled["digest"]
    assert (said["state"], said["file"]) == ("approved", str(out))
    assert enrol(made, given["link"]).json["state"] == "approved"
    assert "Invited by ana (pa.senan/ops); approved by luis" in admit(made, out, shown="").out
    admitted = admit(made, out)
    assert admitted.code == 0, admitted.out
    assert admitted.json["digest"] == enrolled["digest"]
    assert admitted.json["invited_by"] == "pa.senan/ops ana"
    assert admitted.json["approved_by"] == "pa.minseg/second luis"
    document = str(made.folder / "member.trust")
    assert made.at(OPS, "keys", "publish", document, "--json").code == 0
    assert enrol(made, given["link"]).json["state"] == "in-force"
    assert states(made)["patrol"] == "in-force"
    # Nothing more for custodians, who would refuse it.
    again = made.folder / "patrol.again"
    said = approve(made, "patrol", "--out", str(again)).json
    assert (said["state"], said["file"], again.exists()) == ("in-force", None, False)
    assert code(admit(made, out)) == "already-enrolled"
    assert made.at("pa.senan-patrol", "inbox", "--json").code == 0


def test_an_approval_said_again_is_the_same_one_and_writes_the_same_file(made):
    """So too where the first was killed before it heard the node's answer."""
    given = invite(made, "twice")
    enrol(made, given["link"])
    files = [made.folder / f"twice-{place}" for place in range(2)]
    first = approve(made, "twice", "--out", str(files[0])).json
    again = made.at(OPS, "approve", "pa.senan/twice", "--out", str(files[1]), "--json").json
    assert {**first, "file": ""} == {**again, "file": ""}
    assert files[0].read_bytes() == files[1].read_bytes()
    rows = made.at(OPS, "invite", "--json").json["invitations"]
    (row,) = [each for each in rows if each["endpoint"] == "pa.senan/twice"]
    assert row["decided"] == "pa.minseg/second luis"
    # No is said of what waits; of this it comes too late.
    declined = approve(made, "twice", "--decline")
    assert code(declined) == "already-decided"


def test_the_same_link_is_shown_again_while_it_is_open(made):
    first = invite(made, "again")
    assert invite(made, "again")["link"] == first["link"]
    assert invite(made, "again", "--hours", "24", "--suite", "xb1-h")["link"] == first["link"]
    enrol(made, first["link"], "--name", AGAIN)
    assert invite(made, "again")["link"] != first["link"]


def test_an_open_invitation_is_not_passed_off_as_another_one(made):
    """Asked for with another wish, it says so, and what to do: nobody gets the wrong link."""
    first = invite(made, "wish", "--hours", "2", "--suite", "xb1-c")
    assert first["suite"] == "xb1-c"
    words = ("invite", "pa.senan/wish", *ANA)
    for option, wish, open_with in (
        ("--hours", "3", "2"),
        ("--suite", "xb1-h", "xb1-c"),
        ("--officer", "luis", "ana"),
    ):
        for lang, said in (("es", "Retírela antes"), ("en", "End it first")):
            ran = made.run("--context", OPS, "--lang", lang, *words, option, wish)
            assert (ran.code, first["link"] in ran.out) == (2, False), ran.out
            told = " ".join(ran.err.split())
            assert f"{option} {open_with}" in told
            assert said in told
    # With the same wishes, or with none, it is the same link.
    same = ("--hours", "2", "--suite", "xb1-c")
    assert invite(made, "wish", *same)["link"] == invite(made, "wish")["link"] == first["link"]
    made.at(OPS, *words, "--withdraw", "--yes")
    assert invite(made, "wish", "--hours", "3")["suite"] == "xb1-h"


def test_an_invitation_that_is_withdrawn_is_good_no_more(made):
    given = invite(made, "gone")
    ran = made.at(SECOND, "invite", "pa.senan/gone", *LUIS, "--withdraw", "--yes", "--json")
    assert [row["state"] for row in ran.json["withdrawn"]] == ["withdrawn"]
    assert code(enrol(made, given["link"])) == "invitation-over"
    assert states(made)["gone"] == "withdrawn"
    ran = made.at(OPS, "invite", "pa.senan/gone", *ANA, "--withdraw", "--yes", "--json")
    assert code(ran) == "not-found"
    # Its keys wait for the next link, and are asked for then.
    assert enrol(made, invite(made, "gone")["link"]).json["state"] == "waiting"


def test_a_declined_request_brings_nobody_in(made):
    given = invite(made, "no")
    enrol(made, given["link"])
    out = made.folder / "no.request"
    said = approve(made, "no", "--decline", "--out", str(out), by=OPS).json
    assert (said["state"], said["file"]) == ("declined", None)
    assert not out.exists()
    assert enrol(made, given["link"]).json["state"] == "declined"
    assert code(approve(made, "no")) == "already-decided"


def test_who_invited_does_not_approve_nor_the_same_person_elsewhere(made):
    given = invite(made, "own")
    enrol(made, given["link"])
    assert code(approve(made, "own", by=OPS)) == "own-invitation"
    words = ["approve", "pa.senan/own", *ANA, "--yes", "--json"]
    assert code(made.at(SECOND, *words)) == "own-invitation"
    assert states(made)["own"] == "waiting"


def test_nobody_but_operators_of_the_nation_invites_lists_or_approves(made):
    for words in (
        ["invite", "us.jiatfs/new", *ANA],
        ["invite"],
        ["approve", "pa.senan/own", *LUIS, "--yes"],
    ):
        assert code(made.at(WATCH, *words, "--json")) == "missing-role"
    assert code(made.at(OPS, "invite", "us.jiatfs/new", *ANA, "--json")) == "not-yours"
    assert code(made.at(OPS, "invite", "pa.senan/ops", *ANA, "--json")) == "already-enrolled"
    assert code(made.at(OPS, "invite", "Ops", *ANA, "--json")) == "wrong-value"


def test_a_link_used_on_another_machine_is_used_up(made, tmp_path):
    given = invite(made, "once")
    enrol(made, given["link"])
    elsewhere = {"EXCHANGE_HOME": str(tmp_path)}
    assert code(enrol(made, given["link"], **elsewhere)) == "invitation-used"
    assert not (tmp_path / "contexts" / "pa.senan-once" / PROFILE).exists()


@pytest.mark.parametrize("left", [(KEYS,), (KEYS, REQUEST), (KEYS, REQUEST, PROFILE)])
def test_killed_anywhere_the_same_command_goes_on(made, tmp_path, left):
    name = f"cut{len(left)}"
    given = invite(made, name)
    first = enrol(made, given["link"], EXCHANGE_HOME=str(tmp_path)).json
    folder = tmp_path / "contexts" / f"pa.senan-{name}"
    keys = (folder / KEYS).read_bytes()
    for path in folder.iterdir():
        if path.name not in left:
            path.unlink()
    if REQUEST in left:
        second = enrol(made, given["link"], EXCHANGE_HOME=str(tmp_path)).json
        assert second == first
    else:
        # The request that was recorded is lost: another one, of the same keys, comes too late.
        ran = enrol(made, given["link"], EXCHANGE_HOME=str(tmp_path))
        assert code(ran) == "invitation-used"
    assert (folder / KEYS).read_bytes() == keys


def test_keys_are_on_disk_before_the_node_is_asked(made, tmp_path):
    """Killed between asking and hearing: the request that was sent is the one that is kept."""
    given = invite(made, "dead")
    made.stop()
    try:
        ran = enrol(made, given["link"], EXCHANGE_HOME=str(tmp_path))
        assert code(ran) == "node-unreachable"
        assert not (tmp_path / "contexts" / "pa.senan-dead" / PROFILE).exists()
    finally:
        made.start()
    assert enrol(made, given["link"], EXCHANGE_HOME=str(tmp_path)).json["state"] == "waiting"


def altered(link, **changes):
    import msgspec  # noqa: PLC0415

    told = invitation.read(link)
    bound = msgspec.structs.replace(told.bound, **changes)
    return invitation.write(msgspec.structs.replace(told, bound=bound))


def test_a_link_that_was_altered_makes_no_context(made, tmp_path):
    link, home = invite(made, "altered")["link"], {"EXCHANGE_HOME": str(tmp_path)}
    assert code(enrol(made, link[:-1] + "~", **home)) == "bad-invitation"
    assert code(enrol(made, altered(link, tls=bytes(32)), **home)) == "digest-mismatch"
    strange = altered(link, anchor=bytes(32))
    assert code(enrol(made, strange, **home)) == "digest-mismatch"
    # Whoever believes the strange anchor has no proof.
    believed = ["--anchor", b64(bytes(32))]
    assert code(enrol(made, strange, *believed, **home)) == "bad-invitation"
    assert code(enrol(made, altered(link, until=1), **home)) == "invitation-over"
    assert code(enrol(made, altered(link, url="http://x"), **home)) == "bad-invitation"
    assert code(enrol(made, altered(link, url="https://x:y"), **home)) == "bad-invitation"
    assert list(tmp_path.rglob(PROFILE)) == []
    assert enrol(made, link, **home).code == 0


def test_a_context_that_is_there_is_never_enrolled_over(made):
    given = invite(made, "twin")
    assert enrol(made, given["link"], "--name", OPS).code == 2


def test_an_anchor_is_compared_by_a_person_or_told(made, tmp_path):
    given = invite(made, "anchored")
    ran = made.run("enrol", given["link"], "--json", EXCHANGE_HOME=str(tmp_path))
    assert ran.code == 2
    words = " ".join(given["words"]["es"].split())
    ran = enrol(made, given["link"], "--anchor", words, EXCHANGE_HOME=str(tmp_path))
    assert ran.code == 0, ran.out


def test_a_person_compares_the_anchor_before_any_key_is_made(made, tmp_path):
    given = invite(made, "asked")
    env = {"EXCHANGE_HOME": str(tmp_path), "EXCHANGE_PASSPHRASE": "its own passphrase"}
    question = "Are they the same words?"
    with Terminal("--lang", "en", "enrol", **env) as terminal:
        terminal.answer("Link", given["link"].encode())
        terminal.answer(question, b"n")
        assert terminal.end() != 0
    # What is typed is a secret: it is not shown.
    assert given["link"].encode() not in terminal.shown
    assert not list(tmp_path.rglob("*"))
    with Terminal("--lang", "en", "enrol", given["link"], **env) as terminal:
        for lang in ("es", "en"):
            for place, word in enumerate(given["words"][lang].split(), 1):
                terminal._until(f"{place:2} {word}".encode())
        terminal.answer(question, b"y")
        assert terminal.end() == 0
    assert "The request waits" in terminal.shown.decode()


def test_a_link_may_be_told_on_standard_input(made, tmp_path):
    given = invite(made, "piped")
    ran = made.run(
        "enrol",
        "--anchor",
        made.anchor,
        "--json",
        stdin=given["link"] + "\n",
        EXCHANGE_HOME=str(tmp_path),
    )
    assert ran.json["state"] == "waiting"


@pytest.mark.parametrize(("kind", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_qr_code_is_written_for_its_owner_alone(made, tmp_path, kind, begins):
    path = tmp_path / f"link.{kind}"
    given = invite(made, f"qr-{kind}", "--qr", str(path))
    assert given["qr"] == str(path)
    assert path.read_bytes().startswith(begins)
    assert path.stat().st_mode & 0o077 == 0
    words = ("invite", f"pa.senan/qr-{kind}", *ANA, "--qr")
    assert made.at(OPS, *words, str(path)).code == 2
    assert made.at(OPS, *words, str(tmp_path / "link.gif")).code == 2


def test_people_are_told_in_their_language_with_a_code_that_fits_a_terminal(made):
    for lang, said in (("es", "El enlace"), ("en", "The link")):
        ran = made.run("--context", OPS, "--lang", lang, "invite", "pa.senan/seen", *ANA)
        assert ran.code == 0, ran.out
        assert said in ran.out
        assert max(map(len, inviting.drawn("x" * 500).splitlines())) <= 100


def test_no_log_of_the_node_holds_a_link_s_secret_or_proof(made):
    given = invite(made, "quiet")
    enrol(made, given["link"])
    told = invitation.read(given["link"])
    log = made.log.read_text()
    assert b64(told.secret) not in log
    assert told.shown.proof not in log
    for path in made.place.node.rglob("*"):
        if path.is_file():
            assert told.secret not in path.read_bytes(), path
            assert b64(told.secret).encode() not in path.read_bytes(), path


def test_the_whole_journal_verifies(made):
    folder = made.folder / "audited"
    made.stop()
    try:
        shutil.copytree(made.place.node, folder)
    finally:
        made.start()
    file = str(folder / "journal.db")
    ran = made.run("audit", "verify", file, "--anchor", made.anchor, "--json")
    assert ran.json["ok"], ran.out
    log = made.run("audit", "log", file, "--limit", "256", "--json").json
    kinds = {row["kind"] for row in log["entries"]}
    assert {"invited", "enrolment-asked", "decided", "refused"} <= kinds
