"""``audit console`` as it is typed: a link, and pages of what a node holds by now."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from threading import Timer

import click
import pytest

from exchange.cli import speaking
from exchange.cli.main import cli
from tests.cli.exercise import AUDIT, ROOT

OWN = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "document"}


@contextmanager
def started(exercise, *words):
    """The console in a process of its own, and the lines that it prints."""
    command = [sys.executable, "-P", "-m", "exchange", "audit", "console", *words, "--json"]
    process = subprocess.Popen(
        command,
        env=exercise.environment(PYTHONPATH=str(ROOT)),
        cwd=exercise.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    alarm = Timer(90, process.kill)
    alarm.start()
    try:
        yield process
    finally:
        alarm.cancel()
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()
        process.stderr.close()


def told(process):
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return json.loads(line)


def asked(link, path, cookie="", **headers):
    host = link.split("/")[2]
    connection = HTTPConnection("127.0.0.1", int(host.rpartition(":")[2]), timeout=30)
    connection.request("GET", path, headers={"Host": host, "Cookie": cookie, **OWN, **headers})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def test_a_node_is_followed_and_each_use_of_a_link_is_told(exercise, tmp_path):
    exercise.post()
    mirror = str(tmp_path / "mirror.db")
    with started(exercise, mirror, "--follow", AUDIT) as process:
        first = told(process)
        assert first["entered"] is False
        link = first["link"]
        assert ".localhost:" in link
        path = link[link.index("/enter") :]
        answer, _ = asked(link, path, **{"Sec-Fetch-Site": "none"})
        assert answer.status == 303
        cookie = answer.getheader("Set-Cookie").partition(";")[0]
        second = told(process)
        assert second["entered"] is True
        assert second["link"] != link
        answer, body = asked(link, "/en/", cookie)
        assert answer.status == 200
        assert "Nodes are followed every ten seconds" in body
        assert "EXERCISE" in body
        assert asked(link, path)[0].status == 403
        assert process.poll() is None
    assert process.returncode == 0
    # What was followed is a mirror as any other.
    assert exercise.run("audit", "verify", mirror, "--mirror", "--json").json["ok"]


def test_a_file_that_is_not_there_is_named(exercise, tmp_path):
    ran = exercise.run("audit", "console", str(tmp_path / "none.db"))
    assert ran.code == 2
    assert "none.db" in ran.err


@pytest.mark.parametrize("guide", ["auditing.md", "auditing.es.md"])
def test_commands_of_the_guide_make_sense(guide, tmp_path, monkeypatch):
    text = (ROOT / "docs" / guide).read_text("utf-8")
    lines = re.findall(r"(?m)^    exchange (.*?)(?:\s+#.*)?$", text)
    assert len(lines) >= 3
    reader = speaking.idle(cli)
    reader.is_idle = True
    monkeypatch.chdir(tmp_path)
    for name in ("pa.db", "us.db", "entry.proof", "case.zip"):
        (tmp_path / name).touch()
    for line in lines:
        # What is offline is played in earnest: ``test_auditing``; the rest in ``./run border``.
        # A digest stands for the one that custodians read aloud.
        named = {"ANCHOR": "A" * 43, "INDEX": "3"}
        words = [named.get(word, word) for word in line.split()]
        click.Group.main(reader, words, standalone_mode=False)


@pytest.mark.parametrize("words", [("--follow", "a", "--follow", "b")])
def test_more_contexts_than_mirrors_make_no_sense(exercise, tmp_path, words):
    ran = exercise.run("audit", "console", str(tmp_path / "m.db"), *words)
    assert ran.code == 2
