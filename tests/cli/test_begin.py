"""An empty folder becomes a node, or two; and what ``up`` is told wrong."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from contextlib import contextmanager

import pytest

from exchange.client.transport import Profile, certificate_digest
from tests.cli.exercise import ROOT, Exercise, free_port


def run(*given, env, **options):
    return subprocess.run(
        [sys.executable, "-P", *given],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_found_says_where_and_names_the_anchor(exercise, tmp_path):
    ran = exercise.run(
        "found", str(tmp_path / "x"), "--url", "https://node.example:9", "--json"
    )
    told = ran.json
    contexts = tmp_path / "x" / "home" / "contexts"
    profile = json.loads((contexts / "pa.senan-ops" / "profile.json").read_bytes())
    assert Profile(**profile).url == "https://node.example:9"
    assert (profile["anchor"], len(told["endpoints"])) == (told["anchor"], 5)
    assert certificate_digest(profile["certificate"])
    for lang, word in (("es", "EJERCICIO"), ("en", "EXERCISE")):
        folder = str(tmp_path / lang)
        words = ("--lang", lang, "found", folder, "--url", "https://localhost:8443")
        ran = exercise.run(*words, EXCHANGE_CALLED="./run")
        assert word in ran.out
        # What it says to do next can be done as it stands there, and chooses a context.
        assert f": ./run up --state {folder}/node" in ran.out
        (chosen,) = re.findall(r"\./run (context pa\S+)", ran.out)
        assert exercise.run(*chosen.split(), EXCHANGE_HOME=f"{folder}/home").code == 0


@pytest.mark.parametrize("there", ["node", "node-us", "custodians", "home"])
def test_found_overwrites_nothing(exercise: Exercise, tmp_path, there):
    (tmp_path / there).mkdir()
    (tmp_path / there / "something").touch()
    for lang, said in (("es", "no está vacía"), ("en", "is not empty")):
        ran = exercise.run(
            "--lang", lang, "found", str(tmp_path), "--url", "https://localhost:8443"
        )
        assert (ran.code, said in ran.err, there in ran.err) == (2, True, True)
    assert [each.name for each in tmp_path.iterdir()] == [there]


@contextmanager
def no_file_over(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_found_that_fails_leaves_nothing_and_can_be_tried_again(exercise: Exercise, tmp_path):
    for folder in (tmp_path / "there", tmp_path / "new"):
        if folder.name == "there":
            folder.mkdir()
            (folder / "mine").touch()
        words = ("found", str(folder), "--url", "https://localhost:8443", "--json")
        # The disk is full only when much is written: a node's folder is there by then.
        with no_file_over(4_000):
            ran = exercise.run(*words)
        assert (ran.code, ran.json["error"]["code"]) == (3, "file")
        left = [each.name for each in folder.iterdir()] if folder.exists() else None
        assert left == (["mine"] if folder.name == "there" else None)
        assert exercise.run(*words).code == 0


def test_found_in_a_folder_that_cannot_be_made_says_so(exercise: Exercise, tmp_path):
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "x")
    ran = exercise.run("found", folder, "--url", "https://localhost:8443", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "file")


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8443",
        "localhost:8443",
        "https://x/path",
        "https://x?y",
        "https://a@x",
        "https://x:99999",
        "https://[x",
    ],
)
def test_found_wants_an_address_of_https_and_says_of_which_form(exercise, tmp_path, url):
    for lang, said in (("es", "https://HOST:PUERTO"), ("en", "https://HOST:PORT")):
        ran = exercise.run("--lang", lang, "found", str(tmp_path / "x"), "--url", url)
        assert (ran.code, said in ran.err) == (2, True)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--us-url", "https://localhost:9443"], "--us-link"),
        (["--link", "127.0.0.1:1"], "--us-url"),
        (["--us-url", "https://x:9", "--link", "h", "--us-link", "h:1"], "HOST:PORT"),
        (["--us-url", "https://x:9", "--link", "h:1", "--us-link", "h"], "HOST:PORT"),
        (["--us-url", "http://x:9", "--link", "h:1", "--us-link", "h:1"], "https://HOST:PORT"),
    ],
)
def test_found_for_two_nodes_wants_an_address_of_each_kind(exercise, tmp_path, more, said):
    words = ("found", str(tmp_path / "x"), "--url", "https://localhost:8443", *more)
    ran = exercise.run("--lang", "en", *words)
    assert (ran.code, said in ran.err) == (2, True)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "listen", ["8443", ":8443", "localhost", "localhost:x", "h:-1", "h:65536"]
)
def test_up_says_of_which_form_an_address_is(exercise: Exercise, listen):
    for lang, said in (("es", "HOST:PUERTO"), ("en", "HOST:PORT")):
        ran = exercise.run(
            "--lang", lang, "up", "--state", str(exercise.place.node), "--listen", listen
        )
        assert (ran.code, said in ran.err) == (2, True)


def up(exercise: Exercise, folder, *listen):
    words = ("up", "--state", str(folder), "--listen", *listen)
    ran = run("-m", "exchange", *words, env=exercise.environment(PYTHONPATH=str(ROOT)))
    assert (ran.returncode, ran.stdout) == (3, ""), "it did not say that it is up"
    ran = run(
        "-m", "exchange", *words, "--json", env=exercise.environment(PYTHONPATH=str(ROOT))
    )
    error = json.loads(ran.stdout)["error"]
    return error["code"], error["facts"]["name"]


def test_second_node_on_a_folder_says_that_there_is_one_and_not_that_it_is_up(exercise):
    node = exercise.place.node
    told = up(exercise, node, f"127.0.0.1:{free_port()}")
    assert told == ("journal-in-use", str(node / "journal.db"))
    assert f"Node at 127.0.0.1:{exercise.port}\n" in exercise.log.read_text("utf-8")


def test_up_on_a_folder_of_something_else_says_so(exercise, tmp_path):
    listen = f"127.0.0.1:{free_port()}"
    assert up(exercise, tmp_path, listen) == ("no-node", str(tmp_path))
    (tmp_path / "node.json").write_bytes(b"{")
    assert up(exercise, tmp_path, listen) == ("file", str(tmp_path / "node.json"))
