"""Nothing that the nations marked goes out on one person's word, and nothing of it is lost.

At the command line, with a node of its own that is killed between the steps.
"""

from __future__ import annotations

import signal
from typing import Any

import msgspec
import pytest

from exchange.cli import state
from exchange.custody.founding import Founded
from exchange.model.view import View
from exchange.seal import trust, trust_making
from exchange.seal.software import SoftwareSigner
from tests.cli.exercise import AUDIT, DESK, OPS, WATCH, Exercise

AUTHOR, RELEASER, READER = WATCH, DESK, OPS


def documents(founded: Founded) -> list[bytes]:
    """TLP:RED needs a release from now on, and the desk may give it."""
    view = View(anchor=founded.anchor)
    for index, raw in enumerate(founded.documents):
        view = trust.apply(raw, view, index, 0)
    agreed = view.agreed()
    arranged = msgspec.structs.replace(agreed, version=2, four_eyes=["tlp:red"])
    member = view.endpoints.documents["us.jiatfs"]
    desks = [
        msgspec.structs.replace(each, roles=["reader", "releaser"])
        if each.id == "us.jiatfs/desk"
        else each
        for each in member.endpoints
    ]
    changed = msgspec.structs.replace(member, version=2, endpoints=desks)
    until = next(iter(view.files.values())).expires
    made = [trust_making.rearranged(view, arranged, until)]
    made.append(trust_making.of_nation(view, "us", [changed], until))
    return [
        trust_making.signed(signed, files, _signers(founded, nations))
        for (signed, files), nations in zip(made, (("pa", "us"), ("us",)), strict=True)
    ]


def _signers(founded: Founded, nations: tuple[str, ...]) -> list[SoftwareSigner]:
    return [
        SoftwareSigner.of(secrets.of("sign"))
        for nation in nations
        for name, secrets in founded.custodians.items()
        if name.startswith(f"{nation}-")
    ]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    made = Exercise(tmp_path_factory.mktemp("four-eyes"))
    folder = made.place.node / state.TRUST
    for number, raw in enumerate(documents(made.place.founded), len(list(folder.iterdir()))):
        (folder / f"{number:04}.trust").write_bytes(raw)
    made.start()
    yield made
    assert made.stop() == 0, made.log.read_text()


def ask(case: Exercise, title: str, *more: str) -> Any:
    """The author posts what is marked TLP:RED; what the command says."""
    draft = case.draft(
        **{
            "us.jiatfs/watch": "pa.senan/ops",
            'tlp = "amber"': 'tlp = "red"',
            "EJERCICIO:": f"EJERCICIO {title}:",
        }
    )
    ran = case.at(AUTHOR, "post", draft, "--yes", "--json", *more)
    # As whatever is sealed and waits.
    assert ran.code == 7, ran
    return ran.json


def listed(case: Exercise, context: str, draft: str) -> Any:
    rows = case.at(context, "release", "list", "--json").json["queue"]
    (row,) = [each for each in rows if each["id"] == draft]
    return row


def in_inbox(case: Exercise, identity: str) -> bool:
    rows = case.at(READER, "inbox", "--json").json["items"]
    return any(row["id"] == identity for row in rows)


def killed(case: Exercise) -> None:
    case.stop(signal.SIGKILL)
    case.start()


def test_it_waits_is_shown_is_released_and_goes_out_as_it_was_shown(case):
    told = ask(case, "uno", "--officer", "guardia-1")
    assert told["awaits_release"]
    assert told["releasers"] == told["asked"] == ["us.jiatfs/desk"]
    draft, identity = told["draft"], told["id"]
    assert draft != identity
    killed(case)
    assert not in_inbox(case, identity)
    assert listed(case, AUTHOR, draft)["state"] == "waiting"
    row = listed(case, RELEASER, draft)
    assert (row["state"], row["ours"], row["tlp"]) == ("waiting", False, "red")
    assert row["asked_by"] == "guardia-1"
    # The final id is readable by the releaser alone, and in no entry of the journal.
    shown = case.at(RELEASER, "release", "show", draft, "--json").json
    assert shown["header"]["id"] == identity
    assert [each["endpoint"] for each in shown["readers"]] == ["pa.senan/ops"]
    log = case.at(AUDIT, "audit", "log", "--json").out
    assert identity not in log
    assert shown["header_digest"] in log
    for lang, words in (
        ("es", ("Podrán leerlo exactamente 1", "pa.senan/ops", "espera autorización")),
        ("en", ("Exactly 1 will be able to read it", "pa.senan/ops", "waits for its release")),
    ):
        page = case.at(RELEASER, "--lang", lang, "release", "show", draft).out
        assert all(word in page for word in words), page
        assert lang == "en" or "EJERCICIO uno" in page
        # It can be granted later, by a release of its own, or passed on by who holds it: so
        # neither is denied.
        assert "nobody else" not in page
        assert "nadie más" not in page
        told = "another release is asked" if lang == "en" else "se pide otra autorización"
        assert told in " ".join(page.split())
    approved = case.at(
        RELEASER, "release", "approve", draft, "--yes", "--json", "--officer", "guardia-2"
    ).json
    assert approved["state"] == "released"
    killed(case)
    assert not in_inbox(case, identity)
    # The author's machine looks, and posts it.
    assert listed(case, AUTHOR, draft)["state"] == "posted"
    assert in_inbox(case, identity)
    read = case.at(READER, "read", identity, "--json").json
    assert read["header_digest"] == shown["header_digest"]
    assert read["bulletin"] == shown["bulletin"]
    entry = read["index"]
    facts = case.at(AUDIT, "audit", "log", "--json").json["entries"]
    assert [row["kind"] for row in facts if row["index"] == entry] == ["accepted"]


def test_watch_at_the_author_s_posts_it_the_moment_it_is_released(case):
    told = ask(case, "guardia")
    draft = told["draft"]
    assert case.at(RELEASER, "release", "approve", draft, "--yes").code == 0
    items = case.at(AUTHOR, "inbox", "--json").json["items"]
    (release,) = [each for each in items if each["id"] == told["id"]]
    assert not in_inbox(case, told["id"])
    after = str(release["index"] - 1)
    ran = case.at(AUTHOR, "--lang", "es", "watch", "--after", after, "--count", "1")
    assert f"Autorizado y enviado: {told['id']}" in ran.out
    assert in_inbox(case, told["id"])


def test_its_author_does_not_release_it_nor_does_the_same_officer(case):
    told = ask(case, "dos", "--officer", "guardia-1")
    own = case.at(AUTHOR, "release", "approve", told["draft"], "--yes", "--json")
    assert (own.code, own.json["error"]["code"]) == (1, "own-release")
    same = case.at(
        RELEASER,
        "release",
        "approve",
        told["draft"],
        "--yes",
        "--json",
        "--officer",
        "guardia-1",
    )
    assert (same.code, same.json["error"]["code"]) == (1, "own-release")
    back = case.at(AUTHOR, "release", "withdraw", told["draft"], "--yes", "--json").json
    assert back["state"] == "withdrawn"
    late = case.at(RELEASER, "release", "approve", told["draft"], "--yes", "--json")
    assert (late.code, late.json["error"]["code"]) == (1, "draft-over")
    assert listed(case, RELEASER, told["draft"])["state"] == "withdrawn"
    assert not in_inbox(case, told["id"])


def test_what_is_declined_goes_back_with_its_reason_and_goes_nowhere(case):
    told = ask(case, "tres")
    # Posted again, the very same waits once.
    again = ask(case, "tres")
    assert (again["draft"], again["again"]) == (told["draft"], True)
    words = ("release", "decline", told["draft"], "--yes", "--json")
    said = case.at(RELEASER, *words, "--reason", "EJERCICIO: falta la fuente").json
    assert said["state"] == "declined"
    killed(case)
    row = listed(case, AUTHOR, told["draft"])
    assert (row["state"], row["by"]) == ("declined", "us.jiatfs/desk")
    assert row["reason"] == "EJERCICIO: falta la fuente"
    for lang, word in (("es", "autorización negada"), ("en", "declined")):
        table = case.at(AUTHOR, "--lang", lang, "release", "list").out
        assert word in table
        assert "falta la fuente" in table
    assert not in_inbox(case, told["id"])


def test_one_more_reader_of_what_was_released_is_released_anew(case):
    told = ask(case, "cinco")
    assert case.at(RELEASER, "release", "approve", told["draft"], "--yes").code == 0
    assert listed(case, AUTHOR, told["draft"])["state"] == "posted"
    give = ("grant", told["id"], "us.jiatfs/desk", "--yes", "--json")
    waits = case.at(AUTHOR, *give, "--officer", "guardia-1")
    assert (waits.code, waits.json["awaits_release"]) == (7, True)
    draft = waits.json["draft"]
    # Said again, it is asked once.
    assert case.at(AUTHOR, *give).json["draft"] == draft
    for context in (AUTHOR, RELEASER):
        row = listed(case, context, draft)
        assert (row["state"], row["gives"], row["tlp"]) == ("waiting", "us.jiatfs/desk", "red")
    shown = case.at(RELEASER, "release", "show", draft, "--json").json
    assert (shown["header"]["id"], shown["gives"]) == (told["id"], "us.jiatfs/desk")
    assert [each["endpoint"] for each in shown["readers"]] == ["us.jiatfs/desk"]
    for lang, words in (
        ("es", ("Salió ya, para: pa.senan/ops", "uno más", "us.jiatfs/desk")),
        ("en", ("It is out already, for: pa.senan/ops", "one more", "us.jiatfs/desk")),
    ):
        page = case.at(RELEASER, "--lang", lang, "release", "show", draft).out
        assert all(word in " ".join(page.split()) for word in words), page
    rows = case.at(RELEASER, "inbox", "--json").json["items"]
    assert all(row["id"] != told["id"] or row["type"] != "voi" for row in rows)
    approve = ("release", "approve", draft, "--yes", "--json")
    same = case.at(RELEASER, *approve, "--officer", "Guardia-1")
    assert (same.code, same.json["error"]["code"]) == (1, "own-release")
    assert case.at(RELEASER, *approve, "--officer", "guardia-2").json["state"] == "released"
    assert case.at(RELEASER, "read", told["id"], "--json").code == 1
    said = case.at(AUTHOR, "--lang", "es", "release", "list").out
    assert f"us.jiatfs/desk puede leer {told['id']}" in said
    assert case.at(RELEASER, "read", told["id"], "--json").code == 0


def test_while_the_node_is_away_everything_waits_and_nothing_is_said_twice(case):
    case.stop()
    told = ask(case, "cuatro")
    assert told["queued"]
    assert case.at(AUTHOR, "release", "list", "--json").code == 7
    case.start()
    assert case.at(AUTHOR, "outbox", "send", "--json").code == 0
    row = listed(case, AUTHOR, told["id"])
    assert row["state"] == "waiting"
    assert listed(case, RELEASER, told["id"])["state"] == "waiting"
    case.at(AUTHOR, "release", "withdraw", told["id"], "--yes")


def test_journal_with_all_of_it_verifies(case):
    journal = case.place.node / state.JOURNAL
    found = case.run(
        "audit", "verify", str(journal), "--json", "--anchor", case.place.founded.anchor
    )
    checks = found.json["checks"]
    assert found.code == 0, [each for each in checks if not each["ok"]]
    assert found.json["orders"] > 0
