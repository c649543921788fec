"""The command line as its users meet it: what it prints, in which language, with which code."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from exchange.cli import output
from exchange.cli.home import write_private
from exchange.cli.main import VERBS, cli
from exchange.errors import Code, Fault, Refusal
from tests.cli.exercise import AUDIT, OPS, PASSPHRASE, WATCH, Exercise, free_port


@pytest.fixture(scope="session")
def posted(exercise):
    """A bulletin that the watch has acknowledged."""
    receipt = exercise.post()
    assert exercise.at(WATCH, "ack", receipt["id"], "--officer", "w-1").code == 0
    return receipt


# -- posting -------------------------------------------------------------------------------


def test_draft_is_a_template_that_says_what_is_missing(exercise):
    ran = exercise.run("draft", "voi")
    assert ran.code == 0
    assert "[post]" in ran.out
    assert exercise.run("draft", "voi", "--json").json["template"] == ran.out
    assert exercise.run("draft", "xyz").code == 2


def test_check_offline_needs_no_node_and_no_keys(tmp_path):
    from exchange.cli.main import cli as root  # noqa: PLC0415

    assert root is cli
    alone = Exercise.__new__(Exercise)
    alone.folder = tmp_path
    alone.place = type("Place", (), {"home": tmp_path})
    ran = alone.run("check", "--offline", alone.draft(), "--json")
    assert ran.json["valid"]
    bad = alone.draft(**{'notice = "sighting"': 'notice = "sihgting"'})
    ran = alone.run("check", "--offline", bad)
    assert (ran.code, ran.out) == (1, "")
    assert "/content/notice" in ran.err
    for expires, told in (
        ("0001-01-01T00:00:00Z", "expired"),
        ("1970-01-01T00:00:00Z", "expired"),
        ("1s", None),
    ):
        late = alone.draft(**{'expires = "72h"': f'expires = "{expires}"'})
        ran = alone.run("check", "--offline", late, "--json")
        error = ran.json.get("error", {})
        assert (error.get("code"), error.get("at")) == (told, told and "/post/expires")


def test_check_and_dry_run_show_the_readers_and_send_nothing(exercise):
    size = exercise.at(AUDIT, "--lang", "en", "inbox", "--json").json
    for words in (["check"], ["post", "--dry-run"], ["post", "--dry-run", "--yes"]):
        ran = exercise.at(OPS, words[0], exercise.draft(), *words[1:], "--json")
        assert ran.code == 0
        assert not ran.json["sent"]
        assert [reader["endpoint"] for reader in ran.json["readers"]] == ["us.jiatfs/watch"]
    assert exercise.at(OPS, "outbox", "--json").json["outbox"] == [
        row for row in exercise.at(OPS, "outbox", "--json").json["outbox"] if row["index"]
    ]
    assert size["items"] == []


@pytest.mark.parametrize(
    ("lang", "expected"),
    [("en", "Exactly 1 will be able to read it"), ("es", "Podrán leerlo exactamente 1")],
)
def test_post_shows_who_will_read_before_it_sends(exercise, lang, expected):
    ran = exercise.run("--lang", lang, "--context", OPS, "post", exercise.draft(), "--yes")
    assert ran.code == 0
    table, receipt = (
        ran.out.index(expected),
        ran.out.rindex("node pa" if lang == "en" else "nodo pa"),
    )
    assert table < ran.out.rindex("us.jiatfs/watch") < receipt
    # It may be granted to others later: nobody is to be told that it goes to these alone.
    assert "nobody else" not in ran.out
    assert "nadie más" not in ran.out


def test_post_reads_from_standard_input(exercise):
    with open(exercise.draft(), encoding="utf-8") as file:  # noqa: PTH123
        text = file.read()
    ran = exercise.at(OPS, "post", "-", "--yes", "--json", stdin=text)
    assert ran.json["sent"]


def test_refused_post_says_why_and_ends_with_one(exercise):
    bad = exercise.draft(**{"us.jiatfs/watch": "us.jiatfs/nobody"})
    ran = exercise.at(OPS, "post", bad, "--yes")
    assert (ran.code, ran.out) == (output.EXIT_REFUSED, "")
    assert "unknown-recipient" in ran.err
    ran = exercise.at(OPS, "post", bad, "--yes", "--json")
    problem = ran.json["error"]
    assert (ran.code, problem["code"]) == (1, "unknown-recipient")
    assert problem["facts"]["name"] == "us.jiatfs/nobody"


def test_post_of_a_file_that_is_not_there_is_a_usage_error(exercise):
    ran = exercise.at(OPS, "post", "none.toml", "--yes")
    assert ran.code == 2
    assert "none.toml" in ran.err


def test_outbox_lists_what_was_sent(exercise, posted):
    rows = exercise.at(OPS, "outbox", "--json").json["outbox"]
    assert {"id": posted["id"], "kind": "bulletin", "index": posted["index"]} in rows
    assert posted["id"] in exercise.at(OPS, "outbox").out
    assert exercise.at(OPS, "outbox", "--resume").code == 0


# -- reading -------------------------------------------------------------------------------


def test_inbox_lists_in_the_readers_language(exercise, posted):
    items = exercise.at(WATCH, "inbox", "--json").json["items"]
    (item,) = [each for each in items if each["id"] == posted["id"]]
    assert (item["index"], item["type"], item["locked"]) == (posted["index"], "voi", None)
    english = exercise.run("--lang", "en", "--context", WATCH, "inbox").out
    spanish = exercise.run("--lang", "es", "--context", WATCH, "inbox").out
    assert "northbound" in english
    assert "rumbo norte" in spanish
    after = exercise.at(WATCH, "inbox", "--after", str(posted["index"]), "--json").json
    assert all(each["index"] > posted["index"] for each in after["items"])
    empty = exercise.run("--lang", "es", "--context", AUDIT, "inbox")
    assert empty.out == "El buzón está vacío.\n"


@pytest.mark.parametrize(
    ("lang", "expected"), [("en", "Signature verified"), ("es", "Firma verificada")]
)
def test_read_shows_the_bulletin(exercise, posted, lang, expected):
    for name in (posted["id"], str(posted["index"])):
        ran = exercise.run("--lang", lang, "--context", WATCH, "read", name)
        assert (ran.code, expected in ran.out, "GAVIOTA" in ran.out) == (0, True, True)
    whole = exercise.at(WATCH, "read", posted["id"], "--json").json
    assert whole["header"]["id"] == whole["bulletin"]["id"] == posted["id"]
    ran = exercise.at(WATCH, "read", "99999")
    assert (ran.code, ran.out) == (1, "")


def test_watch_prints_one_object_a_line_and_stops(exercise, posted):
    ran = exercise.at(WATCH, "watch", "--count", "1", "--json")
    assert ran.code == 0
    assert ran.json["position"] == 0
    assert len(exercise.at(WATCH, "watch", "--count", "1").out.splitlines()) == 1
    assert posted


def test_ack_and_trace_tell_the_same_story(exercise, posted):
    story = exercise.at(OPS, "trace", posted["id"], "--json").json
    (recipient,) = story["recipients"]
    assert recipient["endpoint"] == "us.jiatfs/watch"
    assert [(each["outcome"], each["officer"]) for each in recipient["acknowledgements"]] == [
        ("opened", "w-1")
    ]
    assert "w-1" in exercise.at(OPS, "trace", posted["id"]).out
    unknown = "01890000-0000-7000-8000-000000000000"
    assert exercise.at(OPS, "trace", unknown, "--json").json["error"]["code"] == "not-found"
    assert exercise.at(WATCH, "ack", unknown).code == 1
    assert exercise.at(WATCH, "ack", posted["id"], "--outcome", "liked").code == 2


def test_reply_correct_and_cancel_find_their_target(exercise):
    seizure = exercise.at(OPS, "post", exercise.draft("szr-1.es.toml"), "--yes", "--json").json
    correction = exercise.draft("cor-1.es.toml")
    ran = exercise.at(OPS, "post", correction, "--target", seizure["id"], "--yes", "--json")
    assert ran.json["verb"] == "correct"
    question = exercise.at(OPS, "post", exercise.draft("rfi-1.es.toml"), "--yes", "--json").json
    text = exercise.draft("rpy-2.en.toml", **{"us.jiatfs/watch": "pa.senan/ops"})
    ran = exercise.at(WATCH, "reply", question["id"], text, "--yes", "--json")
    assert (ran.code, ran.json["verb"]) == (0, "reply")
    missing = exercise.at(OPS, "post", correction, "--target", "nothing", "--yes", "--json")
    assert missing.json["error"]["code"] == "not-found"


def test_inspect_needs_no_key_and_tells_a_foreign_body(exercise, posted, tmp_path):
    kept, another = tmp_path / "kept", tmp_path / "another"
    assert exercise.at(OPS, "outbox", "--save", posted["id"], str(kept)).code == 0
    seen = exercise.run("inspect", str(kept), "--json", EXCHANGE_PASSPHRASE="").json
    assert (seen["header"]["id"], seen["body_matches_header"]) == (posted["id"], True)
    other = exercise.post()
    header = kept.read_bytes().split(b"\n")[0]
    saved = exercise.at(OPS, "outbox", "--save", other["id"], str(another), "--json")
    assert saved.json == {"id": other["id"], "file": str(another)}
    body = another.read_bytes().split(b"\n")[1]
    assert exercise.at(OPS, "outbox", "--save", other["id"], str(kept)).code == 2
    missing = exercise.at(OPS, "outbox", "--save", "nothing", str(tmp_path / "x"), "--json")
    assert (missing.code, missing.json["error"]["code"]) == (1, "not-found")
    mixed = tmp_path / "mixed"
    mixed.write_bytes(header + b"\n" + body + b"\n")
    assert not exercise.run("inspect", str(mixed), "--json").json["body_matches_header"]
    assert "NOT the one signed" in exercise.run("--lang", "en", "inspect", str(mixed)).out
    mixed.write_bytes(b"\x00nothing")
    assert exercise.run("inspect", str(mixed)).code == 1


# -- around it -----------------------------------------------------------------------------


def test_feeds_and_subscription(exercise):
    assert exercise.at(WATCH, "subscribe", "maritime", "--json").json["feeds"] == ["maritime"]
    (feed,) = exercise.at(WATCH, "feeds", "--json").json["feeds"]
    assert (feed["subscribed"], feed["may_post"]) == (True, True)
    assert "maritime" in exercise.at(WATCH, "feeds").out
    assert exercise.at(WATCH, "subscribe", "weather").code == 1
    assert exercise.at(WATCH, "subscribe").code == 0


def test_keys_are_shown_and_made(exercise, tmp_path):
    shown = exercise.at(OPS, "keys", "show", "--json").json
    assert {key["alg"] for key in shown["keys"]} >= {"Ed25519", "ML-DSA-65"}
    assert all(key["until"] != "-" for key in shown["keys"])
    path = tmp_path / "new.xk"
    assert exercise.run("keys", "new", "pa.senan/ops", str(path)).code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert PASSPHRASE.encode() not in path.read_bytes()
    assert exercise.run("keys", "new", "pa.senan/ops", str(path)).code == 2


def test_context_that_is_chosen_stays_chosen(exercise, tmp_path):
    import shutil  # noqa: PLC0415

    home = tmp_path / "home"
    shutil.copytree(exercise.place.home, home)
    assert exercise.run("--home", str(home), "context", "--json").json["current"] is None
    assert exercise.run("--home", str(home), "context", OPS).code == 0
    assert exercise.run("--home", str(home), "context", "--json").json["current"] == OPS
    told = exercise.run("--home", str(home), "context", EXCHANGE_CONTEXT=WATCH, LANG="es")
    assert [line.split() for line in told.out.splitlines() if "*" in line] == [["*", WATCH]]


def test_context_that_does_not_exist_names_those_that_do(exercise):
    ran = exercise.at("pa.nobody", "inbox")
    assert ran.code == output.EXIT_FAULT
    assert OPS in ran.err
    assert exercise.run("context", "pa.nobody", "--json").json["error"]["code"] == "no-context"


def test_where_no_context_was_chosen_one_is_asked_to_choose(exercise):
    for words in (["inbox"], ["feeds"]):
        error = exercise.run(*words, "--json").json["error"]
        assert (error["code"], OPS in error["facts"]["found"]) == ("context-unchosen", True)
    for lang, said in (("en", "exchange context NAME"), ("es", "exchange context NOMBRE")):
        ran = exercise.run("--lang", lang, "doctor", "--json")
        (check,) = [each for each in ran.json["checks"] if each["name"] == "context"]
        assert (ran.code, check["code"]) == (output.EXIT_FAULT, "context-unchosen")
        assert said in check[lang]


def test_home_without_contexts_says_how_to_get_one(exercise, tmp_path):
    ran = exercise.run("--home", str(tmp_path), "--lang", "en", "context")
    assert "`exchange demo" in ran.out
    called = exercise.run("--home", str(tmp_path), "context", EXCHANGE_CALLED="./a b/run")
    assert "`'./a b/run' demo" in called.out
    assert exercise.run("--home", str(tmp_path), "inbox").code == output.EXIT_FAULT


def test_wrong_passphrase_is_told_and_not_repeated(exercise):
    for environment in ({"EXCHANGE_PASSPHRASE": "wrong-CANARIO"},):
        ran = exercise.at(OPS, "inbox", **environment)
        assert ran.code == output.EXIT_FAULT
        assert "CANARIO" not in ran.out + ran.err
        ran = exercise.at(OPS, "inbox", "--json", **environment)
        assert ran.json["error"]["code"] == "key-file"


def test_keys_of_another_endpoint_are_not_used(exercise, tmp_path):
    import shutil  # noqa: PLC0415

    contexts = exercise.place.home / "contexts"
    shutil.copytree(contexts, tmp_path / "contexts")
    shutil.copy(contexts / WATCH / "keys.xk", tmp_path / "contexts" / OPS / "keys.xk")
    ran = exercise.run("--home", str(tmp_path), "--context", OPS, "inbox", "--json")
    problem = ran.json["error"]
    assert (ran.code, problem["code"]) == (output.EXIT_FAULT, "key-file")
    assert problem["facts"] == {"name": "us.jiatfs/watch", "expected": "pa.senan/ops"}


def test_trust_log_that_was_seen_is_remembered_with_the_context(exercise, tmp_path):
    import shutil  # noqa: PLC0415

    assert exercise.at(OPS, "feeds").code == 0
    shutil.copytree(exercise.place.home, tmp_path / "home")
    seen = tmp_path / "home" / "contexts" / OPS / "trust.json"
    told = json.loads(seen.read_bytes())
    seen.write_text(json.dumps({**told, "position": told["position"] + 99}))
    ran = exercise.run("--home", str(tmp_path / "home"), "--context", OPS, "feeds", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "trust-invalid")


def test_private_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    import os  # noqa: PLC0415

    path = tmp_path / "keys.xk"
    path.write_bytes(b"before")
    path.chmod(0o644)

    def full(_):
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(OSError):
            write_private(path, b"after")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"before"]
    write_private(path, b"after")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"after", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_passphrase_from_a_file(exercise, tmp_path):
    file = tmp_path / "passphrase"
    file.write_text(f"{PASSPHRASE}\n", encoding="utf-8")
    import os  # noqa: PLC0415

    environment = exercise.environment(EXCHANGE_PASSPHRASE_FILE=str(file))
    del environment["EXCHANGE_PASSPHRASE"]
    from click.testing import CliRunner  # noqa: PLC0415

    unset = {"EXCHANGE_PASSPHRASE": None, **environment}
    ran = CliRunner().invoke(cli, ["--context", OPS, "keys", "show", "--json"], env=unset)
    assert ran.exit_code == 0
    file.unlink()
    ran = CliRunner().invoke(cli, ["--context", OPS, "keys", "show", "--json"], env=unset)
    assert (ran.exit_code, json.loads(ran.stdout)["error"]["code"]) == (3, "key-file")
    assert os.environ.get("EXCHANGE_PASSPHRASE_FILE") is None


def test_passphrase_that_nobody_gave_is_told_as_that(exercise):
    ran = exercise.at(OPS, "keys", "show", "--json", EXCHANGE_PASSPHRASE="")
    error = ran.json["error"]
    assert (ran.code, error["code"]) == (3, "no-secret")
    assert error["facts"]["expected"] == "EXCHANGE_PASSPHRASE"


def test_acknowledgement_is_told_by_its_own_id_and_the_bulletin_s(exercise):
    posted = exercise.post()
    held = exercise.at(WATCH, "read", posted["id"], "--json").json["index"]
    first = exercise.at(WATCH, "ack", str(held), "--json").json
    assert (first["of"], first["outcome"]) == (posted["id"], "opened")
    assert first["id"] not in (posted["id"], str(held), None)
    # Said again it is the same one.
    assert exercise.at(WATCH, "ack", posted["id"], "--json").json == first


def test_node_that_waits_for_the_end_of_what_is_closed_says_so(exercise):
    words = [sys.executable, "-m", "exchange", "--lang", "en", "up", "--until-eof"]
    ran = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *words, "--state", str(exercise.place.node)],
        env=exercise.environment(),
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 3
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "a standard input that is open" in " ".join((ran.stdout + ran.stderr).split())


@pytest.mark.parametrize("lang", ["es", "en"])
def test_mark_that_an_editor_puts_first_is_named(exercise, tmp_path, lang):
    marked = tmp_path / "marked.toml"
    with open(exercise.draft(), "rb") as draft:  # noqa: PTH123
        marked.write_bytes(b"\xef\xbb\xbf" + draft.read())
    other = tmp_path / "marked.json"
    other.write_bytes(b"\xef\xbb\xbf{}")
    for path in (marked, other):
        ran = exercise.at(OPS, "--lang", lang, "check", str(path))
        assert ran.code == 1
        assert "EF BB BF" in ran.out + ran.err
    state = tmp_path / "node"
    state.mkdir()
    (state / "node.json").write_bytes(b"\xef\xbb\xbf{}")
    ran = exercise.run("--lang", lang, "up", "--state", str(state))
    assert (ran.code, "EF BB BF" in ran.out + ran.err) == (3, True)


def test_node_that_was_never_heard_is_told_to_be_down(exercise, tmp_path):
    import shutil  # noqa: PLC0415

    home = tmp_path / "home"
    shutil.copytree(exercise.place.home, home)
    shutil.rmtree(home / "contexts" / OPS / "mail")
    profile = home / "contexts" / OPS / "profile.json"
    there = f":{exercise.port}"
    profile.write_text(profile.read_text().replace(there, f":{free_port()}"))
    for words in (
        ["inbox"],
        ["feeds"],
        ["post", exercise.draft(), "--yes"],
        ["outbox", "--resume"],
    ):
        ran = exercise.run("--home", str(home), "--context", OPS, *words, "--json")
        if words[0] == "outbox":
            assert ran.code == 0  # nothing waits: sealing needs the node's trust documents
            continue
        assert (ran.code, ran.json["error"]["code"]) == (3, "node-unreachable"), words
    ran = exercise.run("--home", str(home), "--context", OPS, "doctor", "--json")
    assert (ran.code, ran.json["ok"]) == (output.EXIT_FAULT, False)
    assert ran.json["checks"][-1]["code"] == "node-unreachable"


def test_doctor_finds_all_well(exercise):
    ran = exercise.at(OPS, "doctor", "--json")
    assert (ran.code, ran.json["ok"]) == (0, True)
    checks = {check["name"]: check for check in ran.json["checks"]}
    assert checks.keys() >= {"context", "keys", "node"}
    assert checks["tls-group"]["group"] == "X25519MLKEM768"
    assert exercise.at(OPS, "doctor").code == 0


@pytest.mark.parametrize("lang", ["en", "es"])
def test_explain_knows_every_code(exercise, lang):
    listed = exercise.run("--lang", lang, "explain", "--json").json["codes"]
    assert [row["code"] for row in listed] == [code.value for code in Code]
    ran = exercise.run("--lang", lang, "explain", "not-owed")
    assert (ran.code, "not-owed" in ran.out) == (0, True)
    assert exercise.run("explain", "no-such-code").code == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(exercise, shell):
    ran = exercise.run("completion", shell)
    assert (ran.code, "_EXCHANGE_COMPLETE" in ran.out) == (0, True)
    assert exercise.run("completion", shell, "--json").json["script"].strip() == ran.out.strip()


def test_every_verb_has_help_and_json(exercise):
    for name in VERBS:
        ran = exercise.run(name, "--help")
        assert ran.code == 0, name
        assert "Usage" in ran.out
        if name not in {"keys", "audit", "journal", "dcf"}:
            assert "--json" in ran.out, name
    assert exercise.run("--help").out.count("\n") > len(VERBS)
    assert exercise.run("--version").out.startswith("exchange")
    assert exercise.run("no-such-verb").code == 2


def test_exit_codes_are_those_that_are_documented():
    assert output.exit_code(Refusal(Code.EXPIRED)) == 1
    assert output.exit_code(Fault(Code.STORE_FAILED)) == 3
    assert output.exit_code(Fault(Code.OUTCOME_UNKNOWN)) == 4
    assert output.EXIT_TAMPERED == 5


def test_diary_of_the_node_is_json_and_holds_no_content(exercise, posted):
    lines = exercise.log.read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    assert {"ready"} <= {line["event"] for line in told}
    assert len(told) >= len(lines) - 1  # the first line is for people
    text = "\n".join(lines)
    for secret in ("GAVIOTA", PASSPHRASE, "rumbo norte"):
        assert secret not in text
    assert posted


def test_oddities_are_warned_of_in_both_languages_and_refuse_nothing(exercise):
    odd = exercise.draft(**{"coordinates = [-": "coordinates = ["})
    for lang, told in (
        ("es", "este y oeste intercambiados"),
        ("en", "east and west exchanged"),
    ):
        ran = exercise.run("--lang", lang, "check", odd, "--offline")
        assert ran.code == 0
        assert told in ran.out
        assert "(/content/seen/place/geometry/coordinates)" in ran.out
    (warning,) = exercise.run("check", odd, "--offline", "--json").json["warnings"]
    assert (warning["code"], warning["at"]) == (
        "position-hemisphere",
        "/content/seen/place/geometry/coordinates",
    )
    assert warning["es"] != warning["en"]
    assert exercise.at(OPS, "post", odd, "--dry-run", "--json").json["warnings"] == [warning]
