"""The verb ``dcf``: a window, subjects by token, a match and its answer."""

from __future__ import annotations

import json
import stat

import pytest

from tests.cli.exercise import AUDIT, OPS, WATCH, Exercise

OURS = "imo 9074729\n# a comment\n\nvessel Exercise Pelícan\n"
THEIRS = "vessel EXERCISE PELICAN\nplate EX 0001\nperson EXERCISE ONE\n"


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """The window posted by OPS, and WATCH's subjects under it."""
    folder = tmp_path_factory.mktemp("dcf")
    made = Exercise(folder / "exercise")
    made.start()
    (folder / "ours").write_text(OURS)
    (folder / "theirs").write_text(THEIRS)
    window, subjects = folder / "window.json", folder / "subjects.json"
    opened = made.at(OPS, "dcf", "open", made.draft("dcf-1.es.toml"), str(window), "--json")
    assert opened.code == 0, opened.err
    posted = made.at(OPS, "post", str(window), "--yes", "--json").json
    named = made.at(
        WATCH, "dcf", "tokens", posted["id"], str(folder / "theirs"), str(subjects), "--json"
    )
    assert named.code == 0, (named.out, named.err)
    said = made.at(WATCH, "post", str(subjects), "--yes", "--json").json
    yield made, folder, posted, said
    made.stop()


def test_a_window_has_a_key_of_its_own_that_only_its_owner_may_read(case):
    _, folder, _, _ = case
    window = folder / "window.json"
    content = json.loads(window.read_text())["bulletin"]["content"]
    assert content["deconfliction_step"] == "open"
    assert content["window_key"] != "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert stat.S_IMODE(window.stat().st_mode) == 0o600


def test_it_goes_to_its_participants_and_to_nobody_else_on_the_feed(case):
    made, folder, _, _ = case
    window = json.loads((folder / "window.json").read_text())
    assert window["post"]["to"] == ["us.jiatfs/watch"]
    subjects = json.loads((folder / "subjects.json").read_text())
    assert subjects["post"]["to"] == ["pa.senan/ops"]
    assert made.at(AUDIT, "inbox", "--json").json["items"] == []
    for author, name, reader in (
        (OPS, "window.json", "us.jiatfs/watch"),
        (WATCH, "subjects.json", "pa.senan/ops"),
    ):
        told = made.at(author, "check", str(folder / name), "--json").json["readers"]
        assert [each["endpoint"] for each in told] == [reader]
    bare = folder / "bare.json"
    del window["post"]["to"]
    bare.write_text(json.dumps(window))
    error = made.at(OPS, "check", str(bare), "--json").json["error"]
    assert (error["code"], error["at"]) == ("no-readers", "/post/to")
    for lang, told in (("es", "los participantes"), ("en", "the participants")):
        assert told in made.run("--lang", lang, "--context", OPS, "check", str(bare)).err


def test_no_answer_is_made_of_no_subjects(case):
    made, folder, posted, said = case
    (folder / "none").write_text("# nothing\n")
    none, out = str(folder / "none"), str(folder / "no.json")
    window = ["--window", str(folder / "window.json")]
    for who, words in (
        (OPS, ["match", said["id"], none, "--answer", out, *window]),
        (WATCH, ["tokens", posted["id"], none, out]),
    ):
        error = made.at(who, "dcf", *words, "--json").json["error"]
        assert error["facts"] == {"expected": "some-subject"}
    assert not (folder / "no.json").exists()


def test_subjects_are_named_by_token_alone(case):
    _, folder, posted, _ = case
    text = (folder / "subjects.json").read_text()
    content = json.loads(text)["bulletin"]["content"]
    assert content["target"]["id"] == posted["id"]
    assert len(content["tokens"]) == 3
    assert "PELICAN" not in text
    assert "window_key" not in content


def test_what_both_look_at_is_found_and_answered(case):
    made, folder, _, said = case
    answer = folder / "answer.json"
    words = ["dcf", "match", said["id"], str(folder / "ours")]
    window = ["--window", str(folder / "window.json")]
    ran = made.at(OPS, *words, *window, "--answer", str(answer), "--json")
    assert ran.json == {
        "matches": [{"kind": "vessel", "value": "Exercise Pelícan"}],
        "tokens": 3,
        "file": str(answer),
    }
    for lang, told in (("es", "1 de 2 objetivos"), ("en", "1 of our 2")):
        spoken = made.run("--lang", lang, "--context", OPS, *words, *window)
        assert "vessel Exercise Pelícan" in spoken.out
        assert told in spoken.out
    assert made.at(OPS, "post", str(answer), "--yes", "--json").code == 0
    read = made.at(
        WATCH, "read", str(made.at(WATCH, "inbox", "--json").json["items"][-1]["index"])
    )
    assert "CONFLICT" in read.out.upper()


def test_under_another_windows_key_nothing_is_clear(case, tmp_path):
    made, folder, _, said = case
    other, answer = tmp_path / "other.json", tmp_path / "answer.json"
    assert made.at(OPS, "dcf", "open", made.draft("dcf-1.es.toml"), str(other)).code == 0
    words = ["dcf", "match", said["id"], str(folder / "ours"), "--window", str(other)]
    ran = made.at(OPS, *words, "--answer", str(answer), "--json")
    assert (ran.code, ran.json["error"]["facts"]["expected"]) == (1, "window-of-subjects")
    assert not answer.exists()


def test_what_names_no_subjects_is_not_matched(case):
    made, folder, posted, _ = case
    window = str(folder / "window.json")
    words = ["dcf", "match", posted["id"], str(folder / "theirs"), "--window", window]
    ran = made.at(WATCH, *words, "--json")
    assert (ran.code, ran.json["error"]["facts"]["expected"]) == (1, "deconfliction-subjects")


def test_nobody_in_common_is_clear(case, tmp_path):
    made, folder, _, said = case
    (tmp_path / "ours").write_text("imo 9074729\n")
    answer = tmp_path / "answer.json"
    words = ["dcf", "match", said["id"], str(tmp_path / "ours")]
    ran = made.at(OPS, *words, "--window", str(folder / "window.json"), "--answer", str(answer))
    assert ran.code == 0
    content = json.loads(answer.read_text())["bulletin"]["content"]
    assert content["deconfliction_answer"] == "clear"


@pytest.mark.parametrize("text", ["nothing here\n", "imo\n", "imo  \n"])
def test_a_line_that_names_no_subject_is_refused_with_its_number(case, tmp_path, text):
    made, _, posted, _ = case
    (tmp_path / "bad").write_text("# one\n" + text)
    ran = made.at(
        WATCH,
        "dcf",
        "tokens",
        posted["id"],
        str(tmp_path / "bad"),
        str(tmp_path / "o"),
        "--json",
    )
    assert (ran.code, ran.json["error"]["facts"]["line"]) == (1, 2)
    assert not (tmp_path / "o").exists()


def test_what_is_no_window_is_refused(case, tmp_path):
    made, folder, _, said = case
    ran = made.at(
        OPS, "dcf", "tokens", said["id"], str(folder / "ours"), str(tmp_path / "o"), "--json"
    )
    assert (ran.code, ran.json["error"]["code"]) == (1, "wrong-value")
