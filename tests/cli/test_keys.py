"""The life of an endpoint's keys at the command line, against a node that runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exchange.custody import container, ring
from exchange.model.identity import digest
from tests.cli.exercise import OPS, PASSPHRASE, WATCH, Exercise
from tests.cli.terminal import Terminal

BACKUP = {"EXCHANGE_BACKUP_PASSPHRASE": "backup passphrase"}


@pytest.fixture(scope="module")
def rotated(tmp_path_factory):
    """An exercise in which us.jiatfs/watch got a bulletin, rotated, and got another."""
    made = Exercise(tmp_path_factory.mktemp("keys"))
    made.start()
    made.before = made.post()["id"]
    made.asked = made.at(WATCH, "keys", "rotate", "--json").json
    made.admitted = admit(made, made.asked["request"], "us")
    assert publish(made).code == 0
    made.taken = made.at(WATCH, "keys", "rotate", "--json").json
    made.after = made.post()["id"]
    yield made
    assert made.stop() == 0, made.log.read_text()


def custodians(made, nation):
    folder = made.place.node.parent / "custodians"
    return [
        word
        for path in sorted(folder.glob(f"{nation}-*"), reverse=True)
        for word in ("--custodian", path)
    ]


def admit(made, request, nation, *more):
    out = made.folder / "member.trust"
    words = ["admit", request, *custodians(made, nation), "--out", out, "--yes", *more]
    return made.at(OPS, "keys", *map(str, words), "--json")


def publish(made):
    return made.at(OPS, "keys", "publish", str(made.folder / "member.trust"), "--json")


def held(made, context=WATCH):
    """The keys of a context, by their kid."""
    shown = made.at(context, "keys", "show", "--json").json
    return {row["kid"]: row for row in shown["keys"]}


def lock(made, identity, context=WATCH, **env):
    """Why a bulletin of the inbox does not open, as a code; None where it does."""
    ran = made.at(context, "inbox", "--json", **env)
    assert ran.code == 0, ran.out
    (locked,) = [item["locked"] for item in ran.json["items"] if item["id"] == identity]
    return locked and locked["code"]


# -- rotation ----------------------------------------------------------------------------------


def test_rotation_asks_then_waits_for_the_custodians_and_then_takes_the_key_into_use(rotated):
    (asked,) = rotated.asked["keys"]
    assert (rotated.asked["step"], asked["use"]) == ("asked", "enc")
    assert rotated.admitted.code == 0
    # Read aloud by one and compared by the other: nothing else vouches for a first request.
    assert rotated.admitted.json["digest"] == rotated.asked["digest"]
    changes = {row["kid"]: row["change"] for row in rotated.admitted.json["keys"]}
    assert changes[asked["kid"]] == "new"
    (old,) = rotated.asked["replaces"]
    assert changes[old] == "ends"
    assert rotated.taken["step"] == "in-use"
    assert asked["kid"] in rotated.taken["keys"]
    keys = held(rotated)
    assert (keys[asked["kid"]]["state"], keys[old]["state"]) == ("in-use", "past")
    # Overlap: a week, unless custodians say otherwise; all this may fall within one second.
    assert ring.OVERLAP_DAYS - keys[old]["days_left"] in (0, 1)
    assert ring.OPENING_DAYS - keys[asked["kid"]]["days_left"] in (0, 1)


def test_sender_uses_the_new_key_and_what_was_sealed_to_the_old_one_still_opens(rotated):
    for identity in (rotated.before, rotated.after):
        assert lock(rotated, identity) is None
    (asked,) = rotated.asked["keys"]
    (old,) = rotated.asked["replaces"]
    by_kid = {kid: lost_by(rotated, kid) for kid in (old, asked["kid"])}
    assert rotated.before in by_kid[old]
    assert rotated.after in by_kid[asked["kid"]]
    assert rotated.after not in by_kid[old]


def lost_by(made, kid):
    """What would no longer open: asked on a copy of the context, which alone loses the key."""
    spare = made.copy_context(WATCH)
    ran = made.at(spare, "keys", "destroy", kid, "--force", "--yes", "--json")
    assert ran.code == 0, ran.out
    return ran.json["locked"]


def test_request_that_was_interrupted_is_written_again_with_the_same_keys(rotated):
    spare = rotated.copy_context(WATCH)
    first = rotated.at(spare, "keys", "rotate", "--json").json
    again = rotated.at(spare, "keys", "rotate", "--json").json
    assert first["keys"] == again["keys"]
    both = rotated.at(spare, "keys", "rotate", "--signing", "--json").json
    assert {key["kid"] for key in first["keys"]} < {key["kid"] for key in both["keys"]}


def test_keys_that_were_asked_for_are_not_moved_to_other_places(rotated):
    spare = rotated.copy_context(WATCH)
    asked = rotated.at(spare, "keys", "rotate", "--signing", "--json").json
    rotate, here = ["keys", "rotate", "--signing", "--json"], ["--place", "file:keys.xk"]
    there = ["--place", "pkcs11:token=t;object=o?module-path=/no/library.so"]
    ran = rotated.at(spare, *rotate, *there, *here)
    assert (ran.code, ran.json["error"]["code"]) == (1, "rotation-under-way")
    again = rotated.at(spare, *rotate, *here, *here).json
    assert again["keys"] == asked["keys"]


def test_a_new_key_is_never_said_to_lie_in_a_container_that_it_is_not_in(rotated):
    spare = rotated.copy_context(WATCH)
    before = rotated.at(spare, "keys", "show", "--json").json
    elsewhere = ["--place", "file:other.xk", "--place", "file:keys.xk"]
    ran = rotated.at(spare, "keys", "rotate", "--signing", "--json", *elsewhere)
    assert (ran.code, "other.xk" in ran.err + ran.out) == (2, True)
    assert rotated.at(spare, "keys", "show", "--json").json == before


def test_signing_keys_rotate_and_whoever_comes_late_is_not_locked_out(tmp_path):
    """With no overlap the old keys end at once; the new ones open a session all the same."""
    made = Exercise(tmp_path)
    made.start()
    before = {kid for kid, row in held(made).items() if row["use"] == "sig"}
    asked = made.at(WATCH, "keys", "rotate", "--signing", "--json").json
    assert made.at(WATCH, "inbox", "--json").code == 0
    assert admit(made, asked["request"], "us", "--overlap-days", "0").code == 0
    assert publish(made).code == 0
    assert made.at(WATCH, "inbox", "--json").code == 1
    assert made.at(WATCH, "keys", "rotate", "--json").json["step"] == "in-use"
    after = {kid for kid, row in held(made).items() if row["use"] == "sig"}
    assert after == {key["kid"] for key in asked["keys"]}
    assert not before & after
    assert made.at(WATCH, "inbox", "--json").code == 0
    assert made.stop() == 0


# -- custodians --------------------------------------------------------------------------------


def test_one_custodian_of_two_is_not_enough_and_nothing_is_written(rotated, tmp_path):
    spare = rotated.copy_context(WATCH)
    asked = rotated.at(spare, "keys", "rotate", "--json").json
    out = tmp_path / "member.trust"
    words = ["admit", asked["request"], *custodians(rotated, "us")[:2], "--out", out, "--yes"]
    ran = rotated.at(OPS, "keys", *map(str, words), "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "trust-not-signed")
    words[2:4] = custodians(rotated, "pa")
    ran = rotated.at(OPS, "keys", *map(str, words), "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "trust-not-signed")
    assert not out.exists()


def test_custodians_need_no_node(rotated, tmp_path):
    """Only the documents, in their order, and the anchor: a machine that was never online."""
    spare = rotated.copy_context(WATCH)
    asked = rotated.at(spare, "keys", "rotate", "--json").json
    trust = tmp_path / "trust"
    trust.mkdir()
    for path in (rotated.place.node / "trust").glob("*.trust"):
        (trust / path.name).write_bytes(path.read_bytes())
    (trust / "9999.trust").write_bytes((rotated.folder / "member.trust").read_bytes())
    out = tmp_path / "next.trust"
    offline = ["--trust", trust, "--anchor", rotated.place.founded.anchor]
    words = [asked["request"], *custodians(rotated, "us"), *offline, "--out", out, "--yes"]
    ran = rotated.run("keys", "admit", *map(str, words), "--json", EXCHANGE_HOME=str(tmp_path))
    assert (ran.code, ran.json["version"]) == (0, 3)


def test_forged_request_is_refused(rotated, tmp_path):
    asked = rotated.at(rotated.copy_context(WATCH), "keys", "rotate", "--json").json
    request = json.loads(Path(asked["request"]).read_bytes())
    signature = request["signatures"][0]["signature"]
    spoilt = ("B" if signature[0] == "A" else "A") + signature[1:]
    request["signatures"][0]["signature"] = spoilt
    forged = tmp_path / "forged.trust"
    forged.write_text(json.dumps(request, separators=(",", ":")))
    ran = admit(rotated, str(forged), "us")
    assert (ran.code, ran.json["error"]["code"]) == (1, "bad-signature")


def test_nobody_signs_unasked(rotated):
    asked = rotated.at(rotated.copy_context(WATCH), "keys", "rotate", "--json").json
    out = rotated.folder / "never.trust"
    words = [asked["request"], *custodians(rotated, "us"), "--out", out]
    for lang, said in (("es", "Nadie puede confirmar"), ("en", "Nobody is here")):
        ran = rotated.at(OPS, "--lang", lang, "keys", "admit", *map(str, words))
        assert (ran.code, said in ran.err) == (2, True)
        assert ("nueva" if lang == "es" else "new") in ran.out
    assert not out.exists()


def test_nobody_is_asked_about_what_json_did_not_show(rotated, tmp_path):
    """At a terminal too: what would be signed, destroyed, granted or sent was not shown."""
    asked = rotated.at(rotated.copy_context(WATCH), "keys", "rotate", "--json").json
    out = tmp_path / "member.trust"
    admitting = [asked["request"], *custodians(rotated, "us"), "--out", out, "--json"]
    (old,) = rotated.asked["replaces"]
    env = rotated.environment()
    del env["LANG"]
    for context, *words in (
        (OPS, "keys", "admit", *map(str, admitting)),
        (WATCH, "keys", "destroy", old, "--force", "--json"),
        (OPS, "grant", rotated.before, "us.jiatfs/desk", "--json"),
        (OPS, "post", rotated.draft(), "--json"),
    ):
        with Terminal("--context", context, *words, **env) as person:
            assert person.end() == 2, person.shown
            assert b"--yes" in person.shown
            assert b"[y/N]" not in person.shown
    assert not out.exists()
    assert held(rotated)[old]["state"] == "past"


def test_new_endpoint_is_listed_with_what_custodians_say_of_it(rotated, tmp_path):
    file, request = tmp_path / "keys.xk", tmp_path / "request.jws"
    words = ["us.jiatfs/patrol", file, "--node", "pa", "--request", request, "--json"]
    ran = rotated.run("keys", "new", *map(str, words))
    assert (ran.code, ran.json["digest"]) == (0, digest(request.read_bytes().strip()))
    ran = admit(rotated, str(request), "us")
    assert (ran.code, ran.json["error"]["code"]) == (1, "unknown-endpoint")
    titles = ["--title-es", "EJERCICIO", "--title-en", "EXERCISE", "--role", "reader"]
    ran = admit(rotated, str(request), "us", *titles)
    assert ran.code == 0, ran.out
    assert {row["change"] for row in ran.json["keys"]} == {"new"}
    assert ran.json["endpoint"] == "us.jiatfs/patrol"


def test_only_an_operator_hands_documents_in(rotated):
    document = str(rotated.folder / "member.trust")
    ran = rotated.at(WATCH, "keys", "publish", document, "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "missing-role")


# -- the end of a key --------------------------------------------------------------------------


def test_key_that_others_may_still_seal_to_is_not_destroyed(rotated):
    (old,) = rotated.asked["replaces"]
    ran = rotated.at(WATCH, "keys", "destroy", old, "--yes", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "key-in-use")
    assert held(rotated)[old]["state"] == "past"
    assert rotated.at(WATCH, "keys", "destroy", "--due", "--yes", "--json").json == {
        "destroyed": [],
        "locked": [],
        "retained": [],
        "ungrantable": [],
        "copies": [],
    }


def test_what_a_destroyed_key_opened_is_locked_with_its_reason(rotated):
    spare = rotated.copy_context(WATCH)
    (old,) = rotated.asked["replaces"]
    ran = rotated.at(spare, "keys", "destroy", old[:12], "--force", "--yes", "--json")
    assert ran.json["destroyed"] == [old]
    assert rotated.before in ran.json["locked"]
    assert rotated.before in ran.json["retained"]
    assert lock(rotated, rotated.before, spare) == "key-destroyed"
    assert lock(rotated, rotated.after, spare) is None
    assert held(rotated, spare)[old]["state"] == "destroyed"
    for lang, said in (("es", "fue destruida aquí"), ("en", "was destroyed here")):
        ran = rotated.at(spare, "--lang", lang, "read", rotated.before)
        assert said in ran.out + ran.err


def test_destroying_shows_what_is_lost_and_asks_first(rotated):
    spare = rotated.copy_context(WATCH)
    (old,) = rotated.asked["replaces"]
    for lang, said in (("es", "Ya no se abrirán"), ("en", "will no longer open")):
        ran = rotated.at(spare, "--lang", lang, "keys", "destroy", old, "--force")
        assert (ran.code, said in ran.out, rotated.before in ran.out) == (2, True, True)
    assert held(rotated, spare)[old]["state"] == "past"


def test_key_whose_request_may_be_with_the_custodians_is_destroyed_by_force_alone(rotated):
    spare = rotated.copy_context(WATCH)
    (asked,) = rotated.at(spare, "keys", "rotate", "--json").json["keys"]
    destroy = ["keys", "destroy", asked["kid"], "--yes"]
    ran = rotated.at(spare, *destroy, "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "key-asked-for")
    assert held(rotated, spare)[asked["kid"]]["state"] == "next"
    for lang, said in (("es", "Los custodios pueden tener"), ("en", "custodians may have")):
        assert said in rotated.at(spare, "--lang", lang, *destroy).err
    assert rotated.at(spare, *destroy, "--force").code == 0
    assert held(rotated, spare)[asked["kid"]]["state"] == "destroyed"


def test_the_last_opening_key_is_never_destroyed(exercise):
    spare = exercise.copy_context(WATCH)
    (kid,) = [kid for kid, row in held(exercise).items() if row["use"] == "enc"]
    ran = exercise.at(spare, "keys", "destroy", kid, "--force", "--yes", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "key-file")


def test_kid_that_begins_with_a_hyphen_is_taken_for_a_kid(exercise):
    ran = exercise.at(WATCH, "keys", "destroy", "-no-such-key", "--yes", "--json")
    other = exercise.at(WATCH, "keys", "destroy", "no-such-key", "--yes", "--json")
    assert ran.json["error"]["code"] == other.json["error"]["code"] != "usage"


def test_kid_that_is_not_a_key_of_this_endpoint_is_refused(exercise):
    (mine,) = [kid for kid, row in held(exercise, OPS).items() if row["use"] == "enc"]
    for kid in (mine, ""):
        ran = exercise.at(WATCH, "keys", "destroy", kid or "zz", "--force", "--yes", "--json")
        assert (ran.code, ran.json["error"]["code"]) == (1, "unknown-key")


# -- backup ------------------------------------------------------------------------------------


def test_backup_brings_an_endpoint_back_under_another_passphrase(rotated, tmp_path):
    file = tmp_path / "watch.backup"
    ran = rotated.at(WATCH, "keys", "backup", str(file), "--json", **BACKUP)
    assert (ran.code, ran.json["endpoint"]) == (0, "us.jiatfs/watch")
    assert oct(file.stat().st_mode)[-3:] == "600"
    fresh = {"EXCHANGE_HOME": str(tmp_path / "home"), "EXCHANGE_PASSPHRASE": "of the new home"}
    ran = rotated.run("keys", "restore", str(file), "--json", **BACKUP, **fresh)
    assert (ran.code, ran.json["context"]) == (0, WATCH)
    for identity in (rotated.before, rotated.after):
        assert lock(rotated, identity, **fresh) is None


def test_backup_opens_under_its_own_passphrase_only(rotated, tmp_path):
    file = tmp_path / "watch.backup"
    rotated.at(WATCH, "keys", "backup", str(file), "--json", **BACKUP)
    fresh = {"EXCHANGE_HOME": str(tmp_path / "home")}
    wrong = {"EXCHANGE_BACKUP_PASSPHRASE": PASSPHRASE}
    ran = rotated.run("keys", "restore", str(file), "--json", **wrong, **fresh)
    assert (ran.code, ran.json["error"]["facts"]["expected"]) == (3, "its-passphrase")
    assert not (tmp_path / "home").exists()
    ran = rotated.at(WATCH, "keys", "backup", str(file), "--json", **BACKUP)
    assert ran.code == 2  # never over another backup


@pytest.mark.parametrize("damage", ["cut", "holder", "key"])
def test_backup_that_makes_no_endpoint_overwrites_nothing(rotated, tmp_path, damage):
    file, spare = tmp_path / "watch.backup", rotated.copy_context(WATCH)
    rotated.at(spare, "keys", "backup", str(file), "--json", **BACKUP)
    sealed, passphrase = file.read_bytes(), BACKUP["EXCHANGE_BACKUP_PASSPHRASE"]
    told = json.loads(container.unseal_bytes("xk1-backup", sealed, passphrase))
    if damage == "holder":
        told["secrets"]["holder"] = "us.uscg/ops"
    if damage == "key":
        told["secrets"]["keys"]["sign"][0]["alg"] = "none"
    sealed = container.seal_bytes(
        "xk1-backup", WATCH, json.dumps(told).encode(), passphrase, bytes
    )
    file.write_bytes(sealed[:-40] if damage == "cut" else sealed)
    folder = rotated.place.home / "contexts" / spare
    before = {path: path.read_bytes() for path in folder.glob("*.*")}
    restore = ["keys", "restore", str(file), "--name", spare, "--force", "--json"]
    ran = rotated.run(*restore, **BACKUP)
    assert (ran.code, ran.json["error"]["code"]) == (3, "key-file")
    assert before == {path: path.read_bytes() for path in folder.glob("*.*")}


def test_older_backup_does_not_lose_a_newer_key_unless_forced(rotated, tmp_path):
    file, spare = tmp_path / "old.backup", rotated.copy_context(WATCH)
    rotated.at(spare, "keys", "backup", str(file), "--json", **BACKUP)
    asked = rotated.at(spare, "keys", "rotate", "--json").json
    restore = ["keys", "restore", str(file), "--name", spare, "--json"]
    ran = rotated.run(*restore, **BACKUP)
    assert (ran.code, ran.json["error"]["code"]) == (1, "stale-backup")
    assert asked["keys"][0]["kid"] in held(rotated, spare)
    ran = rotated.run(*restore, "--force", **BACKUP)
    assert ran.code == 0
    assert asked["keys"][0]["kid"] not in held(rotated, spare)
    (aside,) = ran.json["aside"]
    put_aside = rotated.place.home / "contexts" / spare / aside
    assert container.unseal(put_aside.read_bytes(), PASSPHRASE).holder == "us.jiatfs/watch"
    # No key that is destroyed lives on in it.
    destroy = ["keys", "destroy", rotated.asked["replaces"][0], "--force"]
    for lang, said in (("es", "copias anteriores"), ("en", "Older copies")):
        ran = rotated.at(spare, "--lang", lang, *destroy)
        assert (said in ran.out, aside in ran.out, put_aside.exists()) == (True, True, True)
    assert rotated.at(spare, *destroy, "--yes", "--json").json["copies"] == [aside]
    assert not put_aside.exists()


def test_restoring_does_not_bring_back_what_was_destroyed(rotated, tmp_path):
    file, spare = tmp_path / "old.backup", rotated.copy_context(WATCH)
    rotated.at(spare, "keys", "backup", str(file), "--json", **BACKUP)
    (old,) = rotated.asked["replaces"]
    rotated.at(spare, "keys", "destroy", old, "--force", "--yes", "--json")
    assert rotated.run("keys", "restore", str(file), "--name", spare, **BACKUP).code == 0
    assert held(rotated, spare)[old]["state"] == "destroyed"


def test_backup_of_one_endpoint_does_not_overwrite_another(rotated, tmp_path):
    file = tmp_path / "watch.backup"
    rotated.at(WATCH, "keys", "backup", str(file), "--json", **BACKUP)
    ran = rotated.run("keys", "restore", str(file), "--name", OPS, "--json", **BACKUP)
    assert (ran.code, ran.json["error"]["facts"]["name"]) == (3, "pa.senan/ops")


def test_container_that_no_longer_opens_is_replaced_and_put_aside(rotated, tmp_path):
    file, spare = tmp_path / "watch.backup", rotated.copy_context(WATCH)
    rotated.at(spare, "keys", "backup", str(file), "--json", **BACKUP)
    path = rotated.place.home / "contexts" / spare / "keys.xk"
    path.write_bytes(path.read_bytes()[:-100])
    ran = rotated.run("keys", "restore", str(file), "--name", spare, "--json", **BACKUP)
    assert (ran.code, len(ran.json["aside"])) == (0, 1)
    assert rotated.at(spare, "inbox", "--json").code == 0
